"""One tunnel as a value: all that is known of it, and what follows from that. See machine.py for how it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address

from pptpd_manager import reasons
from pptpd_manager.addresses import MOST
from pptpd_manager.config import Mppe, TunnelConfig
from pptpd_manager.diagnosis import Exit
from pptpd_manager.events import Action
from pptpd_manager.reasons import Failure
from pptpd_manager.routes import Link, Path

# With a guard of everything no name can be looked up elsewhere before the tunnel is up.
GUARD_ADVICE = "The guard lets nothing out but to the local network: give the server's address instead of its name. "


SHOWN = 3  # prefixes in a status


class State(Enum):
    """What a tunnel is doing. The same words are on D-Bus."""

    IDLE = "idle"  # nobody wants it
    WAITING = "waiting"  # wanted; before the next attempt, for a pause, the network, the server or a password
    RESOLVING = "resolving"  # its server's name is being looked up
    CONNECTING = "connecting"  # pppd dials
    UP = "up"  # the link is up and the routes are in the table
    STOPPING = "stopping"  # pppd is ending
    FAILED = "failed"  # given up, until it is started again or its configuration changes


@dataclass(frozen=True)
class Refusal:
    """The next DialAsked of this tunnel is answered with that."""

    status: int
    failure: Failure


@dataclass(frozen=True)
class Autopsy:
    """A run that has ended and whose log is being read.

    otherwise: why, should the log not tell a better reason; outdated: the configuration has been changed since; final:
    systemd has failed the unit.
    """

    run: str
    end: Exit
    was_up: bool
    lasted: bool
    timed_out: bool
    otherwise: Failure | None = None
    killed: bool = False
    outdated: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Tunnel:
    """All that is known of a tunnel. Times are monotonic seconds.

    The run. run, ended: the unit's current or last run, and whether it is over; leaving: systemd has been told to end
    it; halting: systemd has been told to stop or restart the unit and has not answered yet; asking, seen, pid: its
    main process waits for a verdict, the last text it was shown, and it; starting: the unit's start waits for the
    link; active: systemd says so; called: systemd has been told to start the unit and has not yet; refusal, autopsy:
    see there.
    The attempt. address, path: of the server, once known; link: its interface; up_since: None while not up; began:
    when the last one began; deadline: end of connect-timeout; queued: others dial first; knocking: its address is
    being knocked at; prompting: its password is being asked for; timed_out: it was ended by connect-timeout; hangup:
    why we ended this run ourselves; otherwise: why, should the log not tell a better reason; killed: it did not end
    when it was told to.
    Past attempts. failure: why the last one failed; failures: how many in a row; few: how many of them with a reason
    that gives up after a few; pause, not_before: the wait before the next one in seconds, and its end; knock: the
    server did not accept TCP connections, so knock before the next call; target, way: the address that was tried
    last, and the way there then or since; candidates, tried: the servers' addresses as last looked up, and those that
    have failed in this round; plain: the server refused MPPE and 'mppe: optional' allows to do without; remembered:
    the password that somebody gave is kept.
    The machine. online, asleep: see events. absent: why there is no config. unclamped: why clamp-mss cannot be done.
    unsourced: its routes that wait for an address.
    """

    name: str
    config: TunnelConfig | None = None
    absent: Failure = Failure(reasons.NOT_CONFIGURED)
    unclamped: str = ""
    unsourced: str = ""
    state: State = State.IDLE
    online: bool = True
    asleep: bool = False
    run: str = ""
    ended: bool = True
    leaving: bool = False
    halting: bool = False
    asking: bool = False
    seen: str = ""
    pid: int = 0
    starting: bool = False
    active: bool = False
    called: bool = False
    refusal: Refusal | None = None
    autopsy: Autopsy | None = None
    address: IPv4Address | None = None
    path: Path | None = None
    link: Link | None = None
    up_since: float | None = None
    began: float = 0.0
    deadline: float | None = None
    queued: bool = False
    knocking: bool = False
    prompting: bool = False
    remembered: bool = False
    timed_out: bool = False
    hangup: Failure | None = None
    otherwise: Failure | None = None
    killed: bool = False
    failure: Failure | None = None
    failures: int = 0
    few: int = 0
    pause: float = 0.0
    not_before: float = 0.0
    knock: bool = False
    target: IPv4Address | None = None
    way: Path | None = None
    candidates: tuple[IPv4Address, ...] = ()
    tried: frozenset[IPv4Address] = frozenset()
    plain: bool = False

    @property
    def untried(self) -> tuple[IPv4Address, ...]:
        """The addresses that have not been tried in this round.

        None after as many as the servers can have: so a round ends, also when a name server says others each time.
        """
        if self.config and len(self.tried) >= MOST * len(self.config.servers):
            return ()
        return tuple(address for address in self.candidates if address not in self.tried)

    @property
    def resting(self) -> bool:
        """Whether no pppd of it runs or is about to."""
        return self.ended or self.state in (State.WAITING, State.IDLE, State.FAILED)

    def advice(self, failure: Failure) -> str:
        """What to do about a failure of this tunnel; "" if there is nothing to do."""
        server = self.config.server if self.config else "SERVER"
        barred = self.config is not None and self.config.guard and self.config.default_route
        more = GUARD_ADVICE if barred and failure.reason is reasons.NAME_SERVER_SILENT else ""
        return more + failure.reason.advice.format(
            name=self.name,
            server=server,
            address=self.target if self.target and len(self.candidates) < 2 else server,  # which of them may change
        )

    def explain(self, failure: Failure) -> str:
        """Why, and what to do about it."""
        return f"{failure.sentence} {self.advice(failure)}".rstrip()

    @property
    def last(self) -> str:
        """Why it last failed, and what to do about it."""
        return self.explain(self.failure) if self.failure else "Nothing has failed yet."

    def guarding(self, text: str) -> str:
        """The text of a status, with what the guard bars while the tunnel is down."""
        if not (self.config and self.config.guard):
            return text
        prefixes = [str(entry.prefix) for entry in self.config.routes]
        most = prefixes[:SHOWN] + ([f"{len(prefixes) - SHOWN} more"] if len(prefixes) > SHOWN else [])
        what = "all but the server and the local network" if self.config.default_route else ", ".join(most)
        end = "it is up or stopped"
        if self.state is State.FAILED:  # `systemctl stop` does nothing to a unit that failed
            end = f"it is up, or: systemctl reset-failed pptp@{self.name}"
        return f"{text.rstrip('.')}; guarded: {what} cannot be reached until {end}"

    @property
    def summary(self) -> str:
        """One line on a tunnel that is up."""
        if not (self.link and self.config):
            return "Up."
        via = [str(entry.prefix) for entry in self.config.routes] + (
            ["everything"] if self.config.default_route else []
        )
        return (
            f"{self.link.name} {self.link.local} to {self.link.peer} through {self.config.server}"
            f" ({self.address}); routes: {', '.join(via) if via else 'none'}"
            + ("; guarded" if self.config.guard else "")
            + ("; NOT ENCRYPTED, the server refuses MPPE" if self.plain else "")
            + (f"; {self.unsourced}" if self.unsourced else "")
            + (f"; forwarded TCP is not clamped: {self.unclamped}" if self.config.clamp_mss and self.unclamped else "")
        )

    @property
    def encrypts(self) -> bool:
        """Whether pppd is told to have MPPE, and to go down without it."""
        return self.config is not None and self.config.mppe is not Mppe.OFF and not self.plain

    @property
    def again(self) -> bool:
        """Whether an attempt or a session of it has ended since somebody asked for it."""
        return self.not_before > 0

    @property
    def settled(self) -> Tunnel:
        """Itself, without what it may not have any more: a question that nobody waits for, a password, a turn."""
        waits = self.asking and self.state is State.WAITING
        prompting, queued = self.prompting and waits, self.queued and waits
        wanted = self.state not in (State.IDLE, State.FAILED) and self.config is not None and self.config.ask_password
        remembered = self.remembered and wanted
        if (prompting, queued, remembered) == (self.prompting, self.queued, self.remembered):
            return self
        return replace(self, prompting=prompting, queued=queued, remembered=remembered)

    @property
    def wants_routes(self) -> bool:
        """Whether its link should have its routes now."""
        return (
            self.state in (State.CONNECTING, State.UP, State.STOPPING)
            and not self.ended
            and not self.leaving
            and not (self.hangup or self.otherwise or self.timed_out)
            and self.address is not None
            and self.link is not None
            and self.link.usable
        )


Step = tuple[Tunnel, list[Action]]


def fresh(t: Tunnel, run: str) -> Tunnel:
    """The tunnel at the beginning of a run."""
    return replace(
        t,
        state=State.WAITING,
        run=run,
        ended=False,
        leaving=False,
        asking=False,
        seen="",
        starting=False,
        called=False,
        pid=0,
        address=None,
        path=None,
        up_since=None,
        deadline=None,
        hangup=None,
        otherwise=None,
        killed=False,
        knocking=False,
        prompting=False,
        timed_out=False,
    )
