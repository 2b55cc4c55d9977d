"""Which tunnels may begin to dial now, and the line of those that may not yet. Pure.

A dial takes a dozen processes, on this machine and on the server. When a hundred begin at once on a machine that is
busy with them, none of them is up before connect-timeout, and all of them begin anew. So a few dial at once, the next
one begins when one of them is up, also for systemd, or has failed, and processors that have time to spare let more of
them begin. Nor does one that takes long hold up the others: by then it waits for its server, and costs nothing.
"""

from __future__ import annotations

from pptpd_manager.tunnel import State, Tunnel

AT_ONCE = 6
LONG_SECONDS = 3.0  # what has begun so long ago does not count any more
BUSY_SECONDS = 12.0  # the same where the processors have next to nothing to spare: it may be waiting for them
LOOK_SECONDS = 0.1  # from one look at the processors to the next, while there is a line
LITTLE = 0.1  # next to nothing
SPARE, MORE = 0.3, 4  # the share of their time that the processors have to spare for so many more to begin

_DIALS = (State.RESOLVING, State.CONNECTING)


class Departures:
    """Knows each tunnel by what stepped() was told of it last. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._dialling: dict[str, float] = {}  # since when; the oldest first
        self._line: dict[str, None] = {}

    def crowded(self, name: str) -> bool:
        """Whether this tunnel is to wait: there is no room, or another one is first in line."""
        if name in self._dialling:
            return False
        return not self._room or next(iter(self._line), name) != name

    @property
    def _room(self) -> bool:
        return len(self._dialling) < AT_ONCE

    @property
    def busy(self) -> bool:
        """Whether any dials, or is in line."""
        return bool(self._dialling or self._line)

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return len(self._line)

    def stepped(self, before: Tunnel, after: Tunnel, now: float) -> None:
        """Take in what a step has made of a tunnel."""
        name = after.name
        if after.queued:
            self._line.setdefault(name)
        else:
            self._line.pop(name, None)
        if after.ended or not (after.state in _DIALS or (after.state is State.UP and not after.active)):
            self._dialling.pop(name, None)
        elif after.state in _DIALS and before.state not in _DIALS:
            self._dialling[name] = now

    def forget(self, name: str) -> None:
        """There is no such tunnel any more."""
        self._line.pop(name, None)
        self._dialling.pop(name, None)

    def look(self, now: float, spare: float) -> None:
        """Make room for what is in line. spare: the share of the processors' time, 0..1, that was idle of late."""
        if not self._line:
            return
        more, long = MORE if spare >= SPARE else 0, LONG_SECONDS if spare >= LITTLE else BUSY_SECONDS
        for count, (name, since) in enumerate(list(self._dialling.items())):
            if count < more or now - since >= long:
                del self._dialling[name]

    def next(self) -> str | None:
        """The first in line, if there is room for it."""
        return next(iter(self._line), None) if self._room else None
