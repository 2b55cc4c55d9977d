"""Turns: who begins when, and the bounds."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pptpd_manager.turns import Job, Limits, Turns

LIMITS = Limits(each=2, together=3, each_line=3, line=5)


class Jobs:
    """Jobs by name; what began, in its order."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.turns = Turns(limits)
        self.began: list[str] = []
        self.jobs: dict[str, Job] = {}

    def take(self, user: int, name: str) -> bool:
        self.jobs[name] = lambda: self.began.append(name)
        return self.turns.take(user, self.jobs[name])

    def leave(self, user: int, name: str) -> None:
        self.turns.leave(user, self.jobs[name])


def test_a_few_at_once_and_the_others_in_their_order() -> None:
    jobs = Jobs()
    assert [jobs.take(1, name) for name in "abcdef"] == [True] * 5 + [False]
    assert jobs.began == ["a", "b"]
    assert (jobs.turns.running, jobs.turns.waiting) == (2, 3)
    jobs.leave(1, "b")
    jobs.leave(1, "a")
    assert jobs.began == ["a", "b", "c", "d"]


def test_a_user_does_not_hold_up_another_one() -> None:
    jobs = Jobs()
    for name in "abcd":
        jobs.take(1, name)
    assert jobs.take(2, "x") and jobs.began == ["a", "b", "x"]
    assert jobs.take(2, "y") and jobs.began == ["a", "b", "x"], "three in all"
    jobs.leave(1, "a")
    assert jobs.began[3:] == ["c"], "who has waited longer"
    jobs.leave(1, "b")
    assert jobs.began[4:] == ["y"], "not twice in a row"


def test_the_line_is_bounded_in_all() -> None:
    jobs = Jobs()
    assert all(jobs.take(user, f"{user}{n}") for user in (1, 2) for n in range(4))
    assert not jobs.take(3, "x")
    assert (jobs.turns.running, jobs.turns.waiting) == (3, 5)


def test_who_leaves_the_line_does_not_begin() -> None:
    jobs = Jobs()
    for name in "abcd":
        jobs.take(1, name)
    jobs.leave(1, "c")
    jobs.leave(1, "c")
    jobs.leave(1, "a")
    assert jobs.began == ["a", "b", "d"]


def test_a_line_of_none() -> None:
    jobs = Jobs(Limits(each=1, together=1, each_line=0, line=0))
    assert [jobs.take(1, "a"), jobs.take(1, "b")] == [True, False]


def test_jobs_that_end_as_soon_as_they_begin() -> None:
    """However many: one does not begin inside of another one."""
    turns = Turns(Limits(each=1, together=1, each_line=10_000, line=10_000))
    began = 0

    def make() -> Job:
        def job() -> None:
            nonlocal began
            began += 1
            turns.leave(1, job)

        return job

    def first() -> None:
        pass

    assert turns.take(1, first)
    assert all(turns.take(1, make()) for _ in range(10_000))
    turns.leave(1, first)
    assert (began, turns.running, turns.waiting) == (10_000, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=80))
def test_the_bounds_hold_and_nobody_waits_for_nothing(steps: list[tuple[int, bool]]) -> None:
    jobs = Jobs()
    taken: dict[str, int] = {}
    for number, (user, comes) in enumerate(steps):
        if comes:
            if jobs.take(user, str(number)):
                taken[str(number)] = user
        elif mine := [name for name, owner in taken.items() if owner == user]:
            del taken[mine[0]]
            jobs.leave(user, mine[0])
        running = Counter(user for name, user in taken.items() if name in jobs.began)
        waiting = Counter(user for name, user in taken.items() if name not in jobs.began)
        assert (jobs.turns.running, jobs.turns.waiting) == (running.total(), waiting.total())
        assert running.total() <= 3 and waiting.total() <= 5
        assert all(count <= 2 for count in running.values()) and all(count <= 3 for count in waiting.values())
        assert running.total() == 3 or all(running[user] == 2 for user in waiting)
    assert len(set(jobs.began)) == len(jobs.began)
