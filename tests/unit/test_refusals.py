"""What polkit has said a moment ago."""

from __future__ import annotations

from pptpd_manager.authorization import Action, Answer, Said
from pptpd_manager.refusals import SECONDS, Refusals

NO, CHALLENGE, YES = Answer(Said.NO), Answer(Said.CHALLENGE), Answer(Said.YES)
CONNECT, DISCONNECT = Action.CONNECT, Action.DISCONNECT


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_refusal_lasts_a_moment() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.note(":1.1", CONNECT, "work", NO)
    clock.now += SECONDS - 0.01
    assert refusals.known(":1.1", CONNECT, "work") is NO
    clock.now += 0.01
    assert refusals.known(":1.1", CONNECT, "work") is None


def test_it_is_of_one_client_one_action_one_tunnel() -> None:
    refusals = Refusals(Clock())
    refusals.note(":1.1", CONNECT, "work", NO)
    others = [(":1.2", CONNECT, "work"), (":1.1", DISCONNECT, "work"), (":1.1", CONNECT, "home")]
    assert [refusals.known(*other) for other in others] == [None] * 3


def test_a_later_answer_counts_and_lasts_from_then_on() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.note(":1.1", CONNECT, "work", NO)
    refusals.note(":1.2", CONNECT, "work", NO)
    clock.now += SECONDS / 2
    refusals.note(":1.1", CONNECT, "work", CHALLENGE)
    clock.now += SECONDS / 2
    assert refusals.known(":1.1", CONNECT, "work") is CHALLENGE
    assert refusals.known(":1.2", CONNECT, "work") is None


def test_a_yes_ends_all_of_that_client() -> None:
    refusals = Refusals(Clock())
    for sender in (":1.1", ":1.2"):
        for action in (CONNECT, DISCONNECT):
            refusals.note(sender, action, "work", CHALLENGE)
    refusals.note(":1.1", CONNECT, "work", Answer(Said.YES, prompted=True))
    assert [refusals.known(":1.1", action, "work") for action in (CONNECT, DISCONNECT)] == [None, None]
    assert [refusals.known(":1.2", action, "work") for action in (CONNECT, DISCONNECT)] == [CHALLENGE, CHALLENGE]


def test_a_yes_and_what_a_prompt_came_to_are_not_kept() -> None:
    refusals = Refusals(Clock())
    for answer in (YES, Answer(Said.DISMISSED, prompted=True), Answer(Said.NO, prompted=True)):
        refusals.note(":1.1", CONNECT, "work", answer)
        assert refusals.known(":1.1", CONNECT, "work") is None


def test_it_keeps_no_more_than_what_is_fresh() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    for number in range(1000):
        refusals.note(f":1.{number}", CONNECT, "work", NO)
        clock.now += SECONDS / 10
    assert sum(refusals.known(f":1.{number}", CONNECT, "work") is NO for number in range(1000)) <= 10
