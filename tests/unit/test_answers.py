"""Polkit's answers: for all who wait for the same one, and for a moment longer."""

from __future__ import annotations

from pptpd_manager.answers import SECONDS, Answers, Key
from pptpd_manager.authorization import Action, Answer, Said

NO, CHALLENGE, YES = Answer(Said.NO), Answer(Said.CHALLENGE), Answer(Said.YES)
KEY = Key(":1.1", Action.CONNECT, "work")
OTHERS = [KEY._replace(sender=":1.2"), KEY._replace(action=Action.DISCONNECT), KEY._replace(tunnel="home")]


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_one_asks_and_all_are_told() -> None:
    answers = Answers[str]()
    assert [answers.wait(KEY, who) for who in "abc"] == [True, False, False]
    assert [answers.wait(other, "d") for other in OTHERS] == [True] * 3
    assert answers.tell(KEY, YES) == ["a", "b", "c"]
    assert answers.tell(KEY, YES) == []
    assert answers.wait(KEY, "e"), "a yes is asked for again"


def test_who_asks_and_leaves_is_replaced() -> None:
    answers = Answers[str]()
    for who in "abc":
        answers.wait(KEY, who)
    assert answers.leave(KEY, "b") is None
    assert answers.leave(KEY, "b") is None
    assert answers.leave(KEY, "a") == "c"
    assert answers.leave(KEY, "c") is None
    assert answers.wait(KEY, "d")


def test_a_refusal_lasts_a_moment() -> None:
    clock = Clock()
    answers = Answers[str](clock)
    answers.tell(KEY, NO)
    clock.now += SECONDS - 0.01
    assert answers.known(KEY) is NO and [answers.known(other) for other in OTHERS] == [None] * 3
    clock.now += 0.01
    assert answers.known(KEY) is None


def test_a_later_one_counts_and_lasts_from_then_on() -> None:
    clock = Clock()
    answers = Answers[str](clock)
    answers.tell(KEY, NO)
    answers.tell(OTHERS[0], NO)
    clock.now += SECONDS / 2
    answers.tell(KEY, CHALLENGE)
    clock.now += SECONDS / 2
    assert answers.known(KEY) is CHALLENGE and answers.known(OTHERS[0]) is None


def test_a_yes_is_not_kept() -> None:
    answers = Answers[str]()
    answers.tell(KEY, YES)
    assert answers.known(KEY) is None


def test_who_has_authenticated_is_asked_for_again() -> None:
    answers = Answers[str](Clock())
    for key in (KEY, *OTHERS):
        answers.tell(key, CHALLENGE)
    answers.forget(KEY.sender)
    assert [answers.known(key) for key in (KEY, *OTHERS)] == [None, CHALLENGE, None, None]


def test_nothing_is_kept_that_is_not_fresh() -> None:
    clock = Clock()
    answers = Answers[str](clock)
    keys = [KEY._replace(sender=f":1.{number}") for number in range(1000)]
    for key in keys:
        answers.tell(key, NO)
        clock.now += SECONDS / 10
        answers.known(key)
        assert len(answers._refusals) <= 10
