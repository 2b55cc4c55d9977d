"""What happens to a tunnel (events: facts) and what is to be done (actions: orders). See machine.py."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from pptpd_manager import reasons
from pptpd_manager.config import TunnelConfig
from pptpd_manager.diagnosis import Exit, Line
from pptpd_manager.reasons import Failure
from pptpd_manager.routes import Link, Path

# What a run's main process exits with when it may not dial; sysexits.h, so that systemd shows the names.
TEMPFAIL = 75
UNAVAILABLE = 69
NOPERM = 77
CONFIG = 78
PROMPT_SECONDS = 90  # how long a password is asked for; systemd-ask-password(1)'s own default
GIVEN_UP = (UNAVAILABLE, NOPERM, CONFIG)  # in the unit's RestartPreventExitStatus=


class Timer(Enum):
    """A tunnel's timers; starting one replaces it."""

    PAUSE = "pause"
    CONNECT = "connect"
    KILL = "kill"


@dataclass(frozen=True)
class Moment:
    """When a step is taken. now: monotonic seconds; chance: 0..1, for jitter; crowded: others are to dial first."""

    now: float
    chance: float = 1.0
    crowded: bool = False


# Verdicts: the answers to DialAsked.
@dataclass(frozen=True)
class Dial:
    """The option file is written: become pppd. text: for systemctl status."""

    text: str


@dataclass(frozen=True)
class Wait:
    """Show text in systemctl status and ask again."""

    text: str


@dataclass(frozen=True)
class GiveUp:
    """Show text and exit with status."""

    status: int
    text: str


Verdict = Dial | Wait | GiveUp


# Events: facts.
@dataclass(frozen=True)
class Configured:
    """The configuration of this tunnel is now that; None: there is none, because of absent.

    redial: it dials differently than what runs.
    """

    config: TunnelConfig | None
    redial: bool = False
    absent: Failure = Failure(reasons.NOT_CONFIGURED)


@dataclass(frozen=True)
class DialAsked:
    """The main process of run asks for a verdict. seen: the text of the last Wait that it was given; pid: its own."""

    run: str
    seen: str = ""
    pid: int = 0


@dataclass(frozen=True)
class AskerLeft:
    """The main process of run no longer waits for the verdict."""

    run: str


@dataclass(frozen=True)
class ReadyAsked:
    """The unit's start waits for the end of run's connecting."""

    run: str


@dataclass(frozen=True)
class RunEnded:
    """The main process of run has ended. asked: because the unit was told to stop or restart."""

    run: str
    end: Exit
    asked: bool = False


@dataclass(frozen=True)
class LogRead:
    """What pppd and pptp logged in run. untracked: see diagnosis.Circumstances."""

    run: str
    lines: tuple[Line, ...]
    untracked: bool = False


@dataclass(frozen=True)
class UnitChanged:
    """systemd's ActiveState and SubState of the unit, and its invocation id.

    given_up: of one that has failed, the exit status that systemd does not restart it after; "" else.
    """

    active: str
    sub: str
    run: str
    given_up: str = ""


@dataclass(frozen=True)
class UnitAccepted:
    """systemd has the order to start, restart or stop the unit."""


@dataclass(frozen=True)
class UnitRefused:
    """systemd does not start, stop or restart the unit."""


@dataclass(frozen=True)
class Adopted:
    """A run found at the manager's start. address: what pppd was started with; None: it has not been yet.

    up_since: monotonic seconds; remembered: the password that somebody gave is kept; plain: it was dialled without
    MPPE.
    """

    run: str
    address: IPv4Address | None
    path: Path | None
    up_since: float
    remembered: bool = False
    plain: bool = False


@dataclass(frozen=True)
class ConnectAsked:
    """Somebody wants it up, now."""


@dataclass(frozen=True)
class DisconnectAsked:
    """Somebody wants it down."""


@dataclass(frozen=True)
class ReconnectAsked:
    """Somebody wants it dialled anew, now."""


@dataclass(frozen=True)
class NetworkChanged:
    """Addresses, routes or carriers changed.

    online: some interface but lo and the tunnels has an IPv4 address; path: the way to the address that was dialled
    last, None when there is none or nothing was dialled.
    """

    online: bool
    path: Path | None = None


@dataclass(frozen=True)
class SleepChanged:
    """asleep: the machine is about to sleep, else it has woken up."""

    asleep: bool


@dataclass(frozen=True)
class ProcessLost:
    """A process that run needs is gone or does not go on, though pppd has not ended. failure: which, and how."""

    run: str
    failure: Failure


@dataclass(frozen=True)
class Resolved:
    """The servers' addresses; never empty. servers: whose, since others may be configured by now."""

    run: str
    servers: tuple[str, ...]
    addresses: tuple[IPv4Address, ...]


@dataclass(frozen=True)
class ResolveFailed:
    """None of the servers' names has an address. servers: as in Resolved."""

    run: str
    servers: tuple[str, ...]
    failure: Failure


@dataclass(frozen=True)
class PathFound:
    """The way to address outside of the tunnel; None: the kernel knows none. Also said when it changed."""

    run: str
    address: IPv4Address
    path: Path | None


@dataclass(frozen=True)
class TurnCame:
    """There is room for another tunnel to dial, and this one is the first in line."""


@dataclass(frozen=True)
class Knocked:
    """address accepts connections to TCP port 1723; failure: or why not."""

    run: str
    address: IPv4Address
    failure: Failure | None = None


@dataclass(frozen=True)
class Prompted:
    """Somebody gave the tunnel's password, which is kept; failure: or why not."""

    run: str
    failure: Failure | None = None


@dataclass(frozen=True)
class Prepared:
    """The option file of run is written; failure: or why not."""

    run: str
    failure: Failure | None = None


@dataclass(frozen=True)
class LinkChanged:
    """The tunnel's interface is now that; None: there is none."""

    link: Link | None


@dataclass(frozen=True)
class RoutesSynced:
    """The kernel's table has the wanted routes; error: or which one it refused, and why."""

    error: str = ""


@dataclass(frozen=True)
class TimerFired:
    """The timer of that name has run out."""

    timer: Timer


Event = (
    Configured
    | DialAsked
    | AskerLeft
    | ReadyAsked
    | RunEnded
    | LogRead
    | UnitChanged
    | UnitAccepted
    | UnitRefused
    | Adopted
    | ConnectAsked
    | DisconnectAsked
    | ReconnectAsked
    | NetworkChanged
    | SleepChanged
    | ProcessLost
    | Resolved
    | ResolveFailed
    | PathFound
    | TurnCame
    | Knocked
    | Prompted
    | Prepared
    | LinkChanged
    | RoutesSynced
    | TimerFired
)


# Actions: orders.
@dataclass(frozen=True)
class StartTimer:
    """Say TimerFired(timer) in that many seconds."""

    timer: Timer
    seconds: float


@dataclass(frozen=True)
class CancelTimer:
    """Forget the timer."""

    timer: Timer


@dataclass(frozen=True)
class Answer:
    """Give run's main process its verdict."""

    run: str
    verdict: Verdict


@dataclass(frozen=True)
class AnswerReady:
    """Let the unit's start end: well, with text for systemctl status, or not."""

    run: str
    well: bool
    text: str


@dataclass(frozen=True)
class AnswerEnded:
    """Let the unit go on after the end of run: what it left is cleaned up."""

    run: str


@dataclass(frozen=True)
class Resolve:
    """Look the servers' names up for run; it says Resolved or ResolveFailed."""

    run: str
    servers: tuple[str, ...]


@dataclass(frozen=True)
class FindPath:
    """Ask the kernel for the way to address; it says PathFound."""

    run: str
    address: IPv4Address


@dataclass(frozen=True)
class Knock:
    """See whether address accepts connections to TCP port 1723; it says Knocked. Replaces an earlier one."""

    run: str
    address: IPv4Address


@dataclass(frozen=True)
class Prompt:
    """Ask for the tunnel's password; it says Prompted. The question is withdrawn when the tunnel is not prompting."""

    run: str
    config: TunnelConfig


@dataclass(frozen=True)
class Prepare:
    """Get the password and write the option file for run; it says Prepared.

    mtu: of the path to address, 0 when not known.
    """

    run: str
    config: TunnelConfig
    address: IPv4Address
    plain: bool
    mtu: int = 0


@dataclass(frozen=True)
class RemoveOptions:
    """Remove the option file."""


@dataclass(frozen=True)
class HangUp:
    """Send pppd SIGTERM, or with hard SIGKILL to all of its cgroup."""

    hard: bool = False


@dataclass(frozen=True)
class WatchProcesses:
    """Watch the processes of run as long as it is up; it says ProcessLost. pid: of pppd, 0 when not known."""

    run: str
    pid: int = 0


@dataclass(frozen=True)
class ReadLog:
    """Read what run logged, whose main process was pid (0: not known); it says LogRead.

    whole: pppd ended by itself, so its last line is to come.
    """

    run: str
    pid: int
    whole: bool = True


@dataclass(frozen=True)
class StartUnit:
    """Have systemd start the unit."""


@dataclass(frozen=True)
class StopUnit:
    """Have systemd stop the unit, also when it has failed."""


@dataclass(frozen=True)
class ResetUnit:
    """Have systemd call a failed unit inactive; one that has been started meanwhile is not disturbed."""


@dataclass(frozen=True)
class RestartUnit:
    """Have systemd restart the unit."""


@dataclass(frozen=True)
class Tell:
    """Answer those who wait for the tunnel to be up: it is, or failure says why not."""

    failure: Failure | None


Action = (
    StartTimer
    | CancelTimer
    | Answer
    | AnswerReady
    | AnswerEnded
    | Resolve
    | FindPath
    | Knock
    | Prompt
    | Prepare
    | RemoveOptions
    | HangUp
    | WatchProcesses
    | ReadLog
    | StartUnit
    | StopUnit
    | ResetUnit
    | RestartUnit
    | Tell
)
