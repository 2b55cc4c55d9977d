"""Makes our part of the kernel's tables what is planned, and keeps it so, without a fight."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from pptpd_manager import journal, planner
from pptpd_manager.labels import unit_name
from pptpd_manager.losses import BARRED_SECONDS, HOLD_SECONDS, Losses
from pptpd_manager.netlink import Netlink
from pptpd_manager.planner import Plan
from pptpd_manager.routes import Route, Rule
from pptpd_manager.timers import Timers

log = logging.getLogger(__name__)

Item = Route | Rule
_LINK_DOWN = (errno.ENETDOWN, errno.ENODEV)


@dataclass(frozen=True)
class Outcome:
    """What is wanted and not there.

    refused: by the kernel, with its word; late: its link has just gone down, which nobody has told us yet; unsourced:
    no interface has the address yet that it is to be used with.
    """

    refused: dict[Item, str]
    late: frozenset[Item]
    unsourced: frozenset[Route]


class Tables:
    """installed: what is wanted and there. on_due: called when something that was left alone is to be put back."""

    def __init__(
        self, netlink: Netlink, timers: Timers, clock: Callable[[], float], on_due: Callable[[], None]
    ) -> None:
        self._netlink, self._timers, self._clock, self._on_due = netlink, timers, clock, on_due
        self._refused: dict[Item, str] = {}
        self._losses: dict[Item, Losses] = {}
        self._twins: dict[Item, Item] = {}  # what was read -> the same as planned: one object is quickly compared
        self._settled_for: object = None  # the cause for which all is as it should be
        self.installed: frozenset[Item] = frozenset()

    def sync(self, plans: Mapping[str, Plan], left_alone: Callable[[Item], bool], cause: object) -> Outcome:
        """Change what is to be changed. left_alone: not ours to remove. Raises OSError.

        cause: what all of this follows from. While that is as it was, so is what has come of it.
        """
        if cause == self._settled_for:
            return Outcome({}, frozenset(), frozenset())
        wanted = planner.summary(plans)
        add, remove = planner.changes(wanted, self._read(wanted))
        lost = [item for item in add if item in self.installed]
        held = self._held(lost)
        add = [item for item in add if item not in held]
        codes = dict(self._netlink.apply(add, [item for item in remove if not left_alone(item)]))
        late = frozenset(item for item, code in codes.items() if _passes(item, code))
        unsourced = frozenset(item for item, code in codes.items() if code == errno.EINVAL and self._unsourced(item))
        refused = {item: os.strerror(code) for item, code in codes.items() if item not in late | unsourced}
        for item, error in refused.items():
            if self._refused.get(item) != error:
                log.warning("the kernel refuses the %s: %s", _named(item), error, extra=_of(item, plans))
        for item in lost:
            if item not in codes:
                self._tell(item, held, plans)
        self._refused, self._settled_for = refused, None if codes or held else cause
        self.installed = wanted - frozenset(codes) - held
        return Outcome(refused, late, unsourced)

    def _read(self, wanted: frozenset[Item]) -> list[Item]:
        """What there is of ours in the kernel's tables. Raises OSError."""
        found = self._netlink.ours()
        if any(item not in self._twins for item in found):
            planned = {item: item for item in wanted}
            self._twins = {item: planned.get(item, item) for item in found}
        return [self._twins[item] for item in found]

    def _unsourced(self, item: Item) -> TypeGuard[Route]:
        """Whether it is a route with a source that is no address of this machine."""
        return isinstance(item, Route) and item.source is not None and item.source not in self._netlink.addresses()

    def _held(self, lost: list[Item]) -> frozenset[Item]:
        """What is left alone now; counts the losses. What bars is left alone for a moment only: meanwhile it leaks."""
        now = self._clock()
        self._losses = {item: losses for item, losses in self._losses.items() if not losses.over(now)}
        for item in lost:
            self._losses[item] = self._losses.get(item, Losses()).lost(now, _hold(item))
        held = {item: losses.until for item, losses in self._losses.items() if losses.held(now)}
        if held:
            self._timers.start("losses", min(held.values()) - now + 0.001, self._on_due)
        return frozenset(held)

    def _tell(self, item: Item, held: frozenset[Item], plans: Mapping[str, Plan]) -> None:
        if item in held:
            log.error(
                "the %s is removed again and again by somebody else; it is left alone for %g s",
                _named(item),
                _hold(item),
                extra=_of(item, plans),
            )
        elif len(self._losses[item].times) == 1:  # one word for a quick succession
            log.warning(
                "the %s was removed or replaced by somebody else, and is back", _named(item), extra=_of(item, plans)
            )


def _passes(item: Item, code: int) -> bool:
    """Whether the kernel refuses it for its link alone, or its gateway's, of whose end we are about to hear."""
    return code in _LINK_DOWN or (code == errno.ENETUNREACH and isinstance(item, Route) and item.gateway is not None)


def _hold(item: Item) -> float:
    return BARRED_SECONDS if planner.bars(item) else HOLD_SECONDS


def _named(item: Item) -> str:
    return f"rule {item}" if isinstance(item, Rule) else f"route {item}"


def _of(item: Item, plans: Mapping[str, Plan]) -> dict[str, dict[str, str]]:
    """The journal's fields of the first tunnel that wants it."""
    name = next((name for name, plan in plans.items() if item in plan.all), "")
    return journal.of_tunnel(name, unit_name(name)) if name else {}
