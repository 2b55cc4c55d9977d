"""Whose turn it is: a few jobs of each user's at once and a few in all, the others in line, and not endlessly many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

Job = Callable[[], None]


@dataclass(frozen=True)
class Limits:
    """each: of one user's at once; together: of all users'. each_line, line: the same of those that wait."""

    each: int
    together: int
    each_line: int
    line: int


class Turns:
    """A job is a function that begins it; it is known by being equal to itself."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running: dict[Job, int] = {}  # whose each is
        self._lines: dict[int, dict[Job, None]] = {}  # by user, who was served last at the end
        self._counts: Counter[int] = Counter()  # of the running ones, by user
        self._serving = False

    @property
    def running(self) -> int:
        """How many jobs have begun and not ended."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many jobs are in line."""
        return sum(map(len, self._lines.values()))

    def take(self, user: int, job: Job) -> bool:
        """Begin the job, now or when it is its turn; False: neither, there are too many in line."""
        if self._free(user):
            self._begin(user, job)
            return True
        if len(self._lines.get(user, ())) >= self._limits.each_line or self.waiting >= self._limits.line:
            return False
        self._lines.setdefault(user, {})[job] = None
        return True

    def leave(self, user: int, job: Job) -> None:
        """The job has ended, or is not to begin any more."""
        if job in self._running:
            del self._running[job]
            self._counts[user] -= 1
            if not self._counts[user]:
                del self._counts[user]
            self._next()
        elif line := self._lines.get(user):
            line.pop(job, None)
            if not line:
                del self._lines[user]

    def _free(self, user: int) -> bool:
        return self._counts[user] < self._limits.each and len(self._running) < self._limits.together

    def _begin(self, user: int, job: Job) -> None:
        self._running[job] = user
        self._counts[user] += 1
        job()

    def _next(self) -> None:
        """Begin what may begin now: first the user's who has waited longest for a turn."""
        if self._serving:  # a job has ended as soon as it had begun
            return
        self._serving = True
        try:
            while (user := next((user for user in self._lines if self._free(user)), None)) is not None:
                line = self._lines.pop(user)
                job = next(iter(line))
                del line[job]
                if line:
                    self._lines[user] = line  # at the end
                self._begin(user, job)
        finally:
            self._serving = False
