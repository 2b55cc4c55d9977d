"""How often something of ours that somebody removes is put back. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TIMES, SECONDS = 5, 10.0  # within so many seconds so often at once, ...
HOLD_SECONDS = 30.0  # ... then not for so long: whoever it is means it
BARRED_SECONDS = 0.1  # and so long for a part of a guard, without which packets leak


@dataclass(frozen=True)
class Losses:
    """One route's or rule's past. times: of the last losses, monotonic seconds; until: left alone until then."""

    times: tuple[float, ...] = ()
    until: float = 0.0

    def lost(self, now: float, hold: float = HOLD_SECONDS) -> Losses:
        """It is gone again. hold: how long to leave it alone when that is too often."""
        times = (*(time for time in self.times if time > now - SECONDS), now)
        return Losses((), now + hold) if len(times) > TIMES else Losses(times, self.until)

    def held(self, now: float) -> bool:
        """Whether it is to be left alone."""
        return now < self.until

    def over(self, now: float) -> bool:
        """Whether there is nothing to remember any more."""
        return not self.held(now) and all(time <= now - SECONDS for time in self.times)
