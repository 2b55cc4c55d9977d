"""What polkit has not granted a moment ago: who asks the same again so soon is told the same, and polkit is not asked.

Each question costs polkit a look at the caller's session, and us some memory for good: PyGObject 3.42 leaks 159 bytes
with each call of another service that has an answer.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from pptpd_manager.authorization import Action, Answer, Said

SECONDS = 2.0  # longer than who is refused has his turn: then those in line are told the same

_Key = tuple[str, Action, str]


class Refusals:
    """Answers by who asked, for what action, of which tunnel."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: OrderedDict[_Key, tuple[float, Answer]] = OrderedDict()  # until when; the oldest first

    def note(self, sender: str, action: Action, tunnel: str, answer: Answer) -> None:
        """An answer of polkit's. A yes ends what is known of that client: he may have authenticated for more."""
        self._forget_old()
        if answer.said is Said.YES:
            for key in [key for key in self._told if key[0] == sender]:
                del self._told[key]
        elif not answer.prompted:
            self._told.pop((sender, action, tunnel), None)
            self._told[sender, action, tunnel] = self._clock() + SECONDS, answer

    def known(self, sender: str, action: Action, tunnel: str) -> Answer | None:
        """The answer of a moment ago; None: polkit is to be asked."""
        self._forget_old()
        _until, answer = self._told.get((sender, action, tunnel), (0.0, None))
        return answer

    def _forget_old(self) -> None:
        now = self._clock()
        while self._told and next(iter(self._told.values()))[0] <= now:
            self._told.popitem(last=False)
