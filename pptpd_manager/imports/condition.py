"""For which peers a command of a script runs, as far as the script looks at the peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class When:
    """For which peers: those that match one of `only` (None: any) and none of `but`. sure: on no other condition."""

    only: tuple[str, ...] | None = None
    but: tuple[str, ...] = ()
    sure: bool = True

    def holds(self, peer: str) -> bool:
        """Whether a peer of that name is meant."""
        chosen = self.only is None or any(fnmatchcase(peer, pattern) for pattern in self.only)
        return chosen and not any(fnmatchcase(peer, pattern) for pattern in self.but)

    def also(self, other: When) -> When:
        """Both conditions."""
        if self.only is None or other.only is None:
            only = other.only if self.only is None else self.only
        else:
            only = tuple(name for name in self.only if other.holds(name))
        return When(only, tuple(dict.fromkeys((*self.but, *other.but))), self.sure and other.sure)

    def negated(self) -> When:
        """The other peers. Of what is not known nothing follows."""
        if not self.sure or (self.only is not None and self.but):
            return When(sure=False)
        if self.only is None:
            return When(self.but) if self.but else When(())
        return When(but=self.only)


def either(conditions: Sequence[When]) -> When:
    """That one of them holds."""
    if len(conditions) == 1:
        return conditions[0]
    names = [one.only for one in conditions if one.only is not None and one.sure and not one.but]
    return When(tuple(name for only in names for name in only)) if len(names) == len(conditions) else When(sure=False)
