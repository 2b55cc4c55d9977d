"""What is counted of a tunnel's attempts, from event to event."""

from __future__ import annotations

from pptpd_manager.diagnosis import Exit
from pptpd_manager.events import Adopted, Event, LinkChanged, LogRead, RoutesSynced, RunEnded, UnitChanged
from pptpd_manager.tally import Tally, counted

from .walk import BUSY, LINK, PATH, REFUSED, SERVER, WRONG, Story, walk


class Counted(Story):
    """A story that is counted."""

    tally = Tally()

    def then(self, *events: Event, after: float = 0.0) -> Story:
        self.now += after
        for event in events:
            before = self.t
            super().then(event)
            self.tally = counted(self.tally, before, self.t)
        return self

    def told(self) -> tuple[int, int, int, float]:
        return self.tally.attempts, self.tally.connects, self.tally.reconnects, self.tally.connect_seconds


LOST = (LinkChanged(None), RunEnded("r1", Exit("exited", "16")), LogRead("r1", ()))


def test_a_connect_takes_from_the_beginning_of_its_attempt_to_its_routes() -> None:
    story = Counted()
    story.dialling().then(LinkChanged(LINK), after=1.5).then(RoutesSynced(), after=0.25)
    assert story.told() == (1, 1, 0, 1.75)


def test_a_failure_is_an_attempt_and_no_connect() -> None:
    story = Counted()
    story.failing("r1", REFUSED)
    assert story.told() == (1, 0, 0, 0.0)


def test_a_lost_link_that_is_back_is_a_reconnect() -> None:
    story = Counted()
    story.up("r1").then(*LOST).then(after=60).failing("r2", BUSY).then(after=600).up("r3")
    assert story.told() == (3, 2, 1, 0.0)


def test_after_a_stop_it_is_no_reconnect() -> None:
    story = Counted()
    story.up("r1").then(RunEnded("r1", Exit("exited", "5"), asked=True), UnitChanged("inactive", "dead", "r1"))
    assert story.up("r2").t.up_since is not None
    assert story.told() == (2, 2, 0, 0.0)


def test_after_it_was_given_up_it_is_no_reconnect() -> None:
    story = Counted()
    story.up("r1").then(*LOST).then(after=60).failing("r2", WRONG).then(after=60).failing("r3", WRONG)
    assert story.tally == Tally(attempts=3, connects=1)


def test_a_link_that_is_down_for_a_moment_is_not_counted() -> None:
    story = Counted()
    story.up().then(LinkChanged(None), LinkChanged(LINK), RoutesSynced())
    assert story.told() == (1, 1, 0, 0.0)


def test_what_an_earlier_manager_connected_is_not_counted_but_its_return_is() -> None:
    story = Counted()
    story.then(LinkChanged(LINK), Adopted("r1", SERVER, PATH, 50.0), RoutesSynced())
    assert story.t.up_since == 50.0 and story.told() == (0, 0, 0, 0.0)
    story.then(*LOST).then(after=60).up("r2")
    assert story.told() == (1, 1, 1, 0.0)


def test_how_long_a_dial_took_that_an_earlier_manager_began_is_not_known() -> None:
    story = Counted()
    story.then(Adopted("r1", SERVER, PATH, -1.0)).then(LinkChanged(LINK), RoutesSynced(), after=3)
    assert story.told() == (0, 1, 0, 0.0)


def test_nothing_counts_down_and_each_connect_is_one() -> None:
    """From every state, whatever happens."""
    for before, _, after, _ in walk(300):
        for known in (Tally(), Tally(3, 2, 1, 1.0, seen=True, again=True)):
            now = counted(known, before, after)
            assert 0 <= now.attempts - known.attempts <= 1
            assert now.reconnects - known.reconnects <= now.connects - known.connects <= 1
            assert now.connect_seconds >= 0
