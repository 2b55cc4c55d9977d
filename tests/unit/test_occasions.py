"""When hooks run: stories, and every step from every value that can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pptpd_manager import reasons
from pptpd_manager.diagnosis import Exit, Line
from pptpd_manager.events import (
    Adopted,
    Configured,
    DialAsked,
    DisconnectAsked,
    Event,
    LinkChanged,
    LogRead,
    Moment,
    PathFound,
    ReconnectAsked,
    RoutesSynced,
    RunEnded,
    SleepChanged,
    UnitChanged,
    UnitRefused,
)
from pptpd_manager.hooks import Hooks
from pptpd_manager.machine import step
from pptpd_manager.occasions import UNSEEN, Agenda, Occasion, Told, decode, encode, observed
from pptpd_manager.tunnel import State, Tunnel
from unit.walk import (
    CONFIG_WORK,
    LINK,
    PATH,
    REFUSED,
    SERVER,
    WIFI,
    WRONG,
    Story,
    walk,
)

HOOKS = Hooks(up=(("/bin/up", "a b"), ("/bin/two",)), down=(("/bin/down",),), failed=(("/bin/failed",),))
CONFIG = replace(CONFIG_WORK, hooks=HOOKS)
LOST = RunEnded("r1", Exit("exited", "16"))
HUNG_UP = LogRead("r1", (Line("pppd", "LCP terminated by peer"),))
NAMES = ("TUNNEL", "INTERFACE", "LOCAL", "REMOTE", "SERVER", "SERVER_ADDRESS", "EVENT", "REASON", "SENTENCE")
UP = (
    ("PPTP_TUNNEL", "work"),
    ("PPTP_INTERFACE", "pptp-work"),
    ("PPTP_LOCAL", "10.9.0.100"),
    ("PPTP_REMOTE", "10.9.0.1"),
    ("PPTP_SERVER", "vpn.example.com"),
    ("PPTP_SERVER_ADDRESS", "203.0.113.1"),
)


class Heard(Story):
    """A story whose hooks are told. heard: all that there was to tell, in order; nothing has to wait."""

    def __init__(self, agenda: Agenda | None = None) -> None:
        super().__init__(CONFIG)
        self.agenda = agenda or Agenda()
        self.heard: list[Occasion] = []

    def then(self, *events: Event, after: float = 0.0) -> Heard:
        for event in events:
            before = self.t
            super().then(event, after=after)
            self.settle(before)
        return self

    def settle(self, before: Tunnel | None = None) -> Heard:
        """What follows for hooks of a step; or of none, after a manager's start."""
        self.agenda = observed(self.agenda, before or self.t, self.t)
        self.heard += self.agenda.queue
        self.agenda = replace(self.agenda, queue=())
        return self

    def told(self) -> list[tuple[str, str]]:
        """Events and reasons."""
        found = [dict(occasion.variables) for occasion in self.heard]
        assert [name["PPTP_EVENT"] for name in found] == [occasion.event for occasion in self.heard]
        return [(name["PPTP_EVENT"], name["PPTP_REASON"]) for name in found]


def up() -> Heard:
    """A tunnel that is up, and whose hooks know."""
    story = Heard()
    story.up()
    assert story.told() == [("up", "")]
    story.heard.clear()
    return story


def test_up_has_all_facts() -> None:
    story = Heard()
    story.up()
    variables = (*UP, ("PPTP_EVENT", "up"), ("PPTP_REASON", ""), ("PPTP_SENTENCE", ""))
    assert story.heard == [Occasion("up", HOOKS.up, variables)]
    assert story.agenda == Agenda(Told("r1", UP, HOOKS.down))


def test_down_has_them_too_and_the_reason() -> None:
    story = up().then(LinkChanged(None), LOST)
    assert story.told() == [], "the reason is not known yet"
    story.then(HUNG_UP)
    why = (("PPTP_REASON", "peer-hung-up"), ("PPTP_SENTENCE", "The server ended the session."))
    assert story.heard == [Occasion("down", HOOKS.down, (*UP, ("PPTP_EVENT", "down"), *why))]
    assert story.agenda == Agenda()


ENDS: dict[str, tuple[tuple[Event, ...], list[tuple[str, str]]]] = {
    "systemctl stop": (
        (LinkChanged(None), RunEnded("r1", Exit("exited", "5"), asked=True), UnitChanged("inactive", "dead", "r1")),
        [("down", "stopped")],
    ),
    "Disconnect": ((DisconnectAsked(), LinkChanged(None), LOST), [("down", "stopped")]),
    "Reconnect": ((ReconnectAsked(), LinkChanged(None), LOST, DialAsked("r2")), [("down", "stopped")]),
    "stopped while its log is read": (
        (LinkChanged(None), LOST, UnitChanged("inactive", "dead", "r1"), HUNG_UP),
        [("down", "stopped")],
    ),
    "another way to the server": (
        (PathFound("r1", SERVER, WIFI), LinkChanged(None), LOST),
        [("down", "uplink-changed")],
    ),
    "sleep": ((SleepChanged(True), LinkChanged(None), LOST), [("down", "suspended")]),
    "another configuration": (
        (Configured(CONFIG, redial=True), LinkChanged(None), LOST),
        [("down", "configuration-changed")],
    ),
    "another configuration while its log is read": (
        (LinkChanged(None), LOST, Configured(CONFIG), HUNG_UP),
        [("down", "configuration-changed")],
    ),
    "the next run is faster than the log": (
        (LinkChanged(None), LOST, DialAsked("r2"), HUNG_UP),
        [("down", "peer-hung-up")],
    ),
    "the next run is faster than the end": (
        (LinkChanged(None), DialAsked("r2"), LogRead("r1", ())),
        [("down", "unknown")],
    ),
    "a link that is set down and up": (
        (LinkChanged(replace(LINK, up=False)), LinkChanged(LINK), RoutesSynced()),
        [("down", "link-taken-down"), ("up", "")],
    ),
    "a route that is refused": ((RoutesSynced("no"), LinkChanged(None), LOST), [("down", "route-refused")]),
    "a stop that is refused": (
        (DisconnectAsked(), UnitRefused(), RoutesSynced()),
        [("down", "stopped"), ("up", "")],
    ),
    "only its unit is told of": ((UnitChanged("active", "running", "r1"),), []),
    "other routes": ((Configured(CONFIG), RoutesSynced()), []),
}


@pytest.mark.parametrize("how", ENDS)
def test_ends(how: str) -> None:
    events, told = ENDS[how]
    assert up().then(*events).told() == told


def test_failed_is_for_what_is_given_up() -> None:
    story = Heard()
    story.failing("r1", REFUSED)
    assert (story.state(), story.told()) == (State.WAITING, [])
    story.t = Tunnel("work", CONFIG)
    story.failing("r1", WRONG).failing("r2", WRONG)
    assert (story.state(), story.told()) == (State.FAILED, [("failed", "wrong-password")])
    variables = dict(story.heard[0].variables)
    assert tuple(variables) == tuple(f"PPTP_{name}" for name in NAMES)
    assert (variables["PPTP_LOCAL"], variables["PPTP_SERVER_ADDRESS"]) == ("", str(SERVER))
    assert story.heard[0].commands == HOOKS.failed
    story.then(DialAsked("r3"), RunEnded("r3", Exit("exited", "77")), UnitChanged("failed", "failed", "r3"))
    assert len(story.told()) == 1


def test_a_link_that_is_not_dialled_again_has_both() -> None:
    story = up()
    story.t = replace(story.t, config=replace(CONFIG, persist=False))
    story.then(LinkChanged(None), LOST, HUNG_UP)
    assert story.told() == [("down", "peer-hung-up"), ("failed", "peer-hung-up")]


# --- a manager that was not there ---


def adopted(agenda: Agenda, *, active: bool) -> Heard:
    """A run that is adopted with its link and comes up; the hooks know that agenda."""
    story = Heard(agenda)
    since = 1.0 if active else -1.0
    story.t, _ = step(story.t, Adopted("r1", SERVER, PATH, since), Moment(story.now))
    story.settle()
    return story.then(LinkChanged(LINK), RoutesSynced())


@pytest.mark.parametrize("active", [True, False])
def test_a_link_that_is_known_is_not_told_again(active: bool) -> None:
    story = adopted(Agenda(Told("r1", UP, ())), active=active)
    assert (story.state(), story.told()) == (State.UP, [])
    story.then(DisconnectAsked())
    assert story.told() == [("down", "stopped")] and story.heard[0].commands == HOOKS.down


def test_a_link_that_is_not_known_is_told() -> None:
    assert adopted(Agenda(), active=True).told() == [("up", "")]


def test_another_run_is_another_link() -> None:
    story = adopted(Agenda(Told("r0", UP, (("/bin/old",),))), active=True)
    assert story.told() == [("down", "unknown"), ("up", "")]


def test_a_link_that_is_gone_is_told_with_what_was_kept() -> None:
    story = Heard(Agenda(Told("r1", UP, (("/bin/old",),))))
    story.t = Tunnel("work")
    story.settle()
    assert story.told() == [("down", "unknown")]
    assert story.heard[0].commands == (("/bin/old",),)
    assert dict(story.heard[0].variables)["PPTP_SENTENCE"] == UNSEEN.sentence


# --- the queue ---


def occasion(event: str, mark: str = "") -> Occasion:
    return Occasion(event, ((f"/bin/{event}",),), (("MARK", mark),))


@pytest.mark.parametrize(
    ("events", "left"),
    [
        (("up",), ("up",)),
        (("up", "down"), ()),
        (("down", "up"), ("down", "up")),
        (("down", "up", "down", "up"), ("down", "up")),
        (("down", "failed", "failed", "up"), ("down", "failed", "up")),
        (("down", "failed", "up", "down", "failed"), ("down", "failed")),
    ],
)
def test_what_has_not_begun_is_brought_together(events: tuple[str, ...], left: tuple[str, ...]) -> None:
    agenda = Agenda()
    for number, event in enumerate(events):
        agenda = agenda.add(occasion(event, str(number)))
    assert tuple(o.event for o in agenda.queue) == left
    if "failed" in left:
        last = max(number for number, event in enumerate(events) if event == "failed")
        assert occasion("failed", str(last)) in agenda.queue


@pytest.mark.parametrize(
    "agenda",
    [
        Agenda(),
        Agenda(Told("r1", UP, HOOKS.down), (occasion("down"), occasion("up", 'ü "\n'))),
        Agenda(Told("", (), ())),
    ],
)
def test_the_file_holds_all_of_it(agenda: Agenda) -> None:
    assert decode(encode(agenda)) == agenda


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b'{"told": null}',
        b'{"told": 1, "queue": []}',
        b'{"told": null, "queue": [{}]}',
        b"\xff",
    ],
)
def test_another_file_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


# --- every step ---


def agendas(queue: tuple[Occasion, ...]) -> Iterator[Agenda]:
    """What hooks may know of a tunnel that is in the middle of something."""
    yield Agenda(None, queue)
    for run in ("r0", "r1", "r2"):
        yield Agenda(Told(run, UP, HOOKS.down), queue)


def test_every_step() -> None:
    """Whatever the hooks know: an up tells of a link that is up; a down is followed by no second one; and so on."""
    seen = set()
    for before, event, after, _ in walk(200):
        for known in agendas(()):
            agenda = observed(known, before, after)
            events = [o.event for o in agenda.queue]
            where = (before, event, after, known)
            assert events in ([], ["up"], ["down"], ["down", "up"], ["failed"], ["down", "failed"]), where
            assert ("up" in events) <= (after.state is State.UP and agenda.told is not None), where
            assert ("down" in events) <= (known.told is not None), where
            assert ("failed" in events) == (after.state is State.FAILED is not before.state), where
            assert (after.state is State.UP) <= (agenda.told is not None or after.autopsy is not None), where
            assert (after.state in (State.IDLE, State.FAILED)) <= (agenda.told is None), where
            told = (known.told is not None) + events.count("up") - events.count("down")
            assert told == (agenda.told is not None), where
            if "down" in events:
                assert dict(agenda.queue[0].variables)["PPTP_REASON"] in reasons.REASONS, where
            seen.add((before.state, tuple(events)))
    assert {events for _, events in seen} == {(), ("up",), ("down",), ("down", "up"), ("failed",), ("down", "failed")}


def test_the_queue_is_never_long() -> None:
    """However the steps come, and whenever hooks begin."""
    agendas = {Agenda()}
    for _ in range(8):
        added = {
            replace(agenda.add(occasion(event)), told=Told("r1", (), ()) if event == "up" else None)
            for agenda in agendas
            for event in (("down",) if agenda.told else ("up", "failed"))
        }
        agendas |= added | {replace(agenda, queue=agenda.queue[1:]) for agenda in added}
    assert max(len(agenda.queue) for agenda in agendas) == 3
