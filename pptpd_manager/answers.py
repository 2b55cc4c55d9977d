"""One question of polkit serves all calls of a client that wait for the same, and a refusal also those a moment later.

Each question costs polkit a look at the caller's session, and us some memory for good: PyGObject 3.42 leaks 159 bytes
with each call of another service that has an answer.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from pptpd_manager.authorization import Action, Answer, Said

SECONDS = 2.0  # that a refusal is known

T = TypeVar("T")


class Key(NamedTuple):
    """What is asked: whether the client, by its unique name, may do that with the tunnel."""

    sender: str
    action: Action
    tunnel: str


class Answers(Generic[T]):
    """Who waits for which answer, and the refusals of the last moment. T: one who waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Key, list[T]] = {}  # the first one asks
        self._refusals: OrderedDict[Key, tuple[float, Answer]] = OrderedDict()  # until when; the oldest first

    def known(self, key: Key) -> Answer | None:
        """The refusal of a moment ago, if there was one."""
        now = self._clock()
        while self._refusals and next(iter(self._refusals.values()))[0] <= now:
            self._refusals.popitem(last=False)
        _until, answer = self._refusals.get(key, (0.0, None))
        return answer

    def wait(self, key: Key, who: T) -> bool:
        """Wait for the answer; True: and ask, since nobody else does."""
        waiting = self._waiting.setdefault(key, [])
        waiting.append(who)
        return len(waiting) == 1

    def leave(self, key: Key, who: T) -> T | None:
        """Wait no longer, if it does; what comes back has to ask instead."""
        waiting = self._waiting.get(key, [])
        if who not in waiting:
            return None
        asked = waiting[0] == who
        waiting.remove(who)
        if not waiting:
            del self._waiting[key]
            return None
        return waiting[0] if asked else None

    def tell(self, key: Key, answer: Answer) -> list[T]:
        """The answer is here: all who waited for it."""
        if answer.said is not Said.YES:
            self._refusals.pop(key, None)
            self._refusals[key] = self._clock() + SECONDS, answer
        return self._waiting.pop(key, [])

    def forget(self, sender: str) -> None:
        """The client may do more now than it might: somebody has authenticated."""
        for key in [key for key in self._refusals if key.sender == sender]:
            del self._refusals[key]
