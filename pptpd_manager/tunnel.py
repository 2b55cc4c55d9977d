"""One tunnel as a value: all that is known of it, and what follows from that. See machine.py for how it changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from pptpd_manager import reasons
from pptpd_manager.config import TunnelConfig
from pptpd_manager.reasons import Exit, Failure
from pptpd_manager.routes import Link, Path


class State(Enum):
    """What a tunnel is doing. The same words are on D-Bus."""

    IDLE = "idle"  # nobody wants it
    WAITING = "waiting"  # wanted; before the next attempt, for a pause or for the network
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
    """A run that has ended and whose log is being read."""

    run: str
    end: Exit
    was_up: bool
    lasted: bool
    timed_out: bool


@dataclass(frozen=True)
class Tunnel:
    """All that is known of a tunnel. Times are monotonic seconds.

    run, ended: the unit's current or last run, and whether it is over; leaving: systemd has been told to end it;
    asking, seen: its main process waits for a verdict, the last text it was shown, and it; starting: the unit's start
    waits for the link; active: systemd says so.
    address, path: of the server, once known; link: its interface; up_since: None while not up.
    called: systemd has been told to start it and has not yet; failures: attempts failed in a row; repeats: of them,
    with the same reason; pause, not_before: the wait before the next one in seconds, and its end; deadline: end of
    connect-timeout; failure: why it last failed; absent: why there is no config; refusal, autopsy: see there;
    hangup: why we ended this run ourselves; timed_out: by connect-timeout; plain: the server refused MPPE and
    'mppe: optional' allows to do without.
    """

    name: str
    config: TunnelConfig | None = None
    absent: Failure = Failure(reasons.NOT_CONFIGURED)
    state: State = State.IDLE
    online: bool = True
    run: str = ""
    ended: bool = True
    leaving: bool = False
    asking: bool = False
    seen: str = ""
    pid: int = 0
    starting: bool = False
    active: bool = False
    address: IPv4Address | None = None
    path: Path | None = None
    link: Link | None = None
    up_since: float | None = None
    called: bool = False
    failures: int = 0
    repeats: int = 0
    pause: float = 0.0
    not_before: float = 0.0
    deadline: float | None = None
    failure: Failure | None = None
    refusal: Refusal | None = None
    autopsy: Autopsy | None = None
    hangup: Failure | None = None
    timed_out: bool = False
    plain: bool = False

    @property
    def last(self) -> str:
        """Why it last failed, in a sentence."""
        return self.failure.sentence if self.failure else "Nothing has failed yet."

    @property
    def summary(self) -> str:
        """One line on a tunnel that is up."""
        if not (self.link and self.config):
            return "Up."
        via = [str(prefix) for prefix in self.config.routes] + (["everything"] if self.config.default_route else [])
        return (
            f"{self.link.name} {self.link.local} to {self.link.peer} through {self.config.server}"
            f" ({self.address}); routes: {', '.join(via) if via else 'none'}"
            + ("; NOT ENCRYPTED, the server refuses MPPE" if self.plain else "")
        )

    @property
    def wants_routes(self) -> bool:
        """Whether its link should have its routes now."""
        return (
            self.state in (State.CONNECTING, State.UP, State.STOPPING)
            and not self.ended
            and not self.leaving
            and self.hangup is None
            and not self.timed_out
            and self.address is not None
            and self.link is not None
            and self.link.usable
        )
