"""Tunnels to which things happen: told event by event, and a walk over the values that can be reached."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from pptpd_manager import reasons
from pptpd_manager.config import TunnelConfig
from pptpd_manager.diagnosis import Exit, Line
from pptpd_manager.events import (
    Action,
    Adopted,
    AskerLeft,
    Configured,
    ConnectAsked,
    DialAsked,
    DisconnectAsked,
    Event,
    Knocked,
    LinkChanged,
    LogRead,
    Moment,
    NetworkChanged,
    PathFound,
    Prepared,
    ProcessLost,
    Prompted,
    ReadyAsked,
    ReconnectAsked,
    Resolved,
    ResolveFailed,
    RoutesSynced,
    RunEnded,
    SleepChanged,
    Timer,
    TimerFired,
    TurnCame,
    UnitAccepted,
    UnitChanged,
    UnitRefused,
)
from pptpd_manager.machine import step
from pptpd_manager.reasons import Failure
from pptpd_manager.routes import Link, Path
from pptpd_manager.tunnel import State, Tunnel
from pptpd_manager.verdict import PROMPTING

HOST, SERVER, SECOND = ("vpn.example.com",), IPv4Address("203.0.113.1"), IPv4Address("203.0.113.2")
OTHER = ("other.example.com",)
CONFIG_WORK = TunnelConfig(name="work", servers=HOST, username="alice", password="secret")
ASKED = replace(CONFIG_WORK, password="", ask_password=True)
PATH = Path(2, IPv4Address("192.0.2.1"), None, IPv4Address("192.0.2.2"))
WIFI = Path(3, IPv4Address("198.51.100.1"), None, IPv4Address("198.51.100.2"))
LINK = Link(7, "pptp-work", True, 1396, IPv4Address("10.9.0.100"), IPv4Address("10.9.0.1"))
WRONG = (Line("pppd", "MS-CHAP authentication failed: E=691 Authentication failure"),)
REFUSED = (Line("pptp", "connect: Connection refused"),)
BUSY = (Line("pptp", "Result code is 4 'Busy Signal'. Error code is 0, Cause code is 0"),)
PROHIBITED = (Line("pptp", "Result code is 7 'Not Accepted'. Error code is 0, Cause code is 0"),)
UNROUTED = (Line("pptp", "connect: Network is unreachable"),)
CALLED = (Line("pptp", "Outgoing call established (call ID 0)"),)
SILENT = (Line("pppd", "LCP: timeout sending Config-Requests"),)


class Story:
    """A tunnel to which things happen. actions: of the last event; crowded: others are to dial first."""

    def __init__(self, config: TunnelConfig | None = CONFIG_WORK) -> None:
        self.t, self.now = Tunnel("work", config), 100.0
        self.actions: list[Action] = []
        self.crowded = False

    def then(self, *events: Event, after: float = 0.0) -> Story:
        """Let the events happen, that many seconds later."""
        self.now += after
        for event in events:
            self.t, self.actions = step(self.t, event, Moment(self.now, crowded=self.crowded))
        return self

    def state(self) -> State:
        """What the tunnel is doing now."""
        return self.t.state

    def dialling(self, run: str = "r1") -> Story:
        """From the start of a run until pppd runs."""
        return self.then(DialAsked(run), Resolved(run, HOST, (SERVER,)), PathFound(run, SERVER, PATH), Prepared(run))

    def prompting(self, run: str = "r1") -> Story:
        """From the start of a run, of a tunnel with ASKED, until its password is being asked for."""
        for seen in ("", PROMPTING):
            self.then(DialAsked(run, seen), Resolved(run, HOST, (SERVER,)), PathFound(run, SERVER, PATH))
        return self

    def up(self, run: str = "r1") -> Story:
        """From the start of a run until the link is up and systemd knows."""
        return self.dialling(run).then(
            LinkChanged(LINK), RoutesSynced(), ReadyAsked(run), UnitChanged("active", "running", run)
        )

    def failing(self, run: str, lines: tuple[Line, ...] = REFUSED) -> Story:
        """A whole run that fails."""
        return self.dialling(run).then(RunEnded(run, Exit("exited", "16")), LogRead(run, lines))


def queued() -> Story:
    """A tunnel that is in line."""
    story = Story()
    story.crowded = True
    return story.then(DialAsked("r1"))


RUNS = ("r1", "r2")
ALPHABET: list[Event] = [
    *(
        event
        for run in RUNS
        for event in (
            DialAsked(run),
            DialAsked(run, "Waiting for the network: no interface has an IPv4 address"),
            AskerLeft(run),
            ReadyAsked(run),
            RunEnded(run, Exit("exited", "16")),
            RunEnded(run, Exit("exited", "5"), asked=True),
            LogRead(run, ()),
            LogRead(run, WRONG),
            LogRead(run, REFUSED),
            UnitChanged("active", "running", run),
            UnitChanged("inactive", "dead", run),
            UnitChanged("failed", "failed", run),
            UnitChanged("failed", "failed", run, "203"),
            UnitChanged("activating", "auto-restart", run),
            Adopted(run, SERVER, PATH, 1.0),
            Adopted(run, None, None, -1.0),
            Resolved(run, HOST, (SERVER,)),
            Resolved(run, HOST, (SERVER, SECOND)),
            PathFound(run, SECOND, PATH),
            ResolveFailed(run, HOST, Failure(reasons.NAME_NOT_FOUND)),
            PathFound(run, SERVER, PATH),
            PathFound(run, SERVER, WIFI),
            PathFound(run, SERVER, None),
            Knocked(run, SERVER),
            Knocked(run, SERVER, Failure(reasons.TCP_SILENT)),
            ProcessLost(run, Failure(reasons.PPTP_KILLED)),
            Prepared(run),
            Prepared(run, Failure(reasons.PPPD_MISSING)),
            Prompted(run),
            Prompted(run, Failure(reasons.PASSWORD_CANCELLED)),
        )
    ),
    Configured(CONFIG_WORK),
    Configured(CONFIG_WORK, redial=True),
    Configured(None),
    ConnectAsked(),
    DisconnectAsked(),
    ReconnectAsked(),
    UnitAccepted(),
    UnitRefused(),
    NetworkChanged(True),
    NetworkChanged(True, PATH),
    NetworkChanged(False),
    SleepChanged(True),
    SleepChanged(False),
    LinkChanged(LINK),
    LinkChanged(replace(LINK, up=False)),
    LinkChanged(None),
    RoutesSynced(),
    RoutesSynced("refused"),
    TurnCame(),
    *map(TimerFired, Timer),
]
# ... and to one whose password is asked for.
ASKING: list[Event] = [
    *(event for run in RUNS for event in (DialAsked(run, PROMPTING), Adopted(run, None, None, -1.0, remembered=True))),
    Configured(ASKED),
]
MOMENT = Moment(1000.0)
LIMIT = 2_000  # values; enough for every pair of state and event, see the test


def plain(t: Tunnel) -> Tunnel:
    """t with what only counts or names brought down to few values, so that the walk comes round."""
    less = copy.copy(t)  # not replace(), which takes as long as a step of the machine
    few = {
        "failures": min(t.failures, 1),
        "few": min(t.few, 2),
        "pause": 0.0,
        "not_before": 2000.0 if t.not_before > 1000 else 0.0,
        "deadline": None if t.deadline is None else 1.0,
        "up_since": None if t.up_since is None else 1.0,
        "began": 0.0,
        "otherwise": None,
        "killed": False,
        "way": PATH if t.way else None,
        "path": PATH if t.path else None,
        "candidates": t.candidates if t.untried else (),
        "tried": t.tried if t.untried else frozenset(),
        "seen": t.seen if "network" in t.seen or t.seen == PROMPTING else "",
        "failure": t.failure if t.failure and t.failure.reason is reasons.WRONG_PASSWORD else None,
    }
    for name, value in few.items():
        object.__setattr__(less, name, value)  # it is frozen
    return less


def walk(limit: int = LIMIT) -> Iterator[tuple[Tunnel, Event, Tunnel, list[Action]]]:
    """(before, event, after, actions) for every event in every value reached, breadth first, up to limit values.

    From a new tunnel, and from some that are far from it; then, for fewer values, with a password that is asked for,
    and with others that dial first.
    """
    far = (Story().up(), Story().up().then(LinkChanged(None)), Story().failing("r1").then(DialAsked("r2", "?")))
    yield from _walk([Tunnel("work", CONFIG_WORK), *(plain(story.t) for story in far)], ALPHABET, limit)
    asked = (Story(ASKED).prompting(), Story(ASKED).prompting().then(Prompted("r1"), Prepared("r1")))
    yield from _walk([plain(story.t) for story in asked], ALPHABET + ASKING, limit // 10)
    yield from _walk([plain(queued().t)], ALPHABET, limit // 10, replace(MOMENT, crowded=True))


def _walk(
    starts: list[Tunnel], alphabet: list[Event], limit: int, moment: Moment = MOMENT
) -> Iterator[tuple[Tunnel, Event, Tunnel, list[Action]]]:
    reached, queue, count = set(starts), deque(starts), 0
    while queue and count < limit:
        before, count = queue.popleft(), count + 1
        for event in alphabet:
            after, actions = step(before, event, moment)
            yield before, event, after, actions
            if after is before:
                continue
            after = plain(after)
            if after not in reached:
                reached.add(after)
                queue.append(after)
