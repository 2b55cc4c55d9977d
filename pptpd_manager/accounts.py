"""Names of users and groups to their ids, by the machine's directories (nsswitch.conf(5)), without waiting for them.

When somebody asks and not when the configuration is read: at boot the network's directory is not there yet, and an
account that was removed since must not leave its id to another one. From names to ids and not the other way round:
the names are few, and it is ids that the kernel and the bus go by. getpwnam(3) and getgrnam(3) may take as long as a
directory server likes, so they are called in a thread; one, so that a server that hangs costs one thread and no more.
"""

from __future__ import annotations

import grp
import logging
import pwd
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gi.repository import GLib

from pptpd_manager.authorization import Ids
from pptpd_manager.callback import guarded
from pptpd_manager.timers import Timers

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
FRESH_SECONDS = 2.0  # how long an answer holds: many calls, one question
WAITING = 1024  # who waits for one answer
KEPT = 256  # answers, one for each tunnel that lists anybody

Names = tuple[tuple[str, ...], tuple[str, ...]]  # users, groups
Then = Callable[[Ids], None]


@dataclass
class _Lookup:
    """A question about some users and groups."""

    waiting: list[Then] = field(default_factory=list)
    overdue: bool = False


class Accounts:
    """The ids of names, as of a moment ago."""

    def __init__(self, timers: Timers, ids: Callable[[Names], Ids] | None = None) -> None:
        """ids: looks up, and may block; for tests."""
        self._timers, self._ids = timers, ids or ids_of
        self._known: dict[Names, tuple[float, Ids]] = {}
        self._lookups: dict[Names, _Lookup] = {}
        self._jobs: queue.SimpleQueue[Names] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def look_up(self, users: tuple[str, ...], groups: tuple[str, ...], then: Then) -> None:
        """then(ids of those that exist), perhaps at once; none of them when the directory does not answer in time."""
        names = (users, groups)
        when, ids = self._known.get(names, (float("-inf"), Ids()))
        if time.monotonic() - when < FRESH_SECONDS:
            return then(ids)
        lookup = self._lookups.get(names)
        if lookup is None:
            lookup = self._lookups[names] = _Lookup()
            self._timers.start(_timer(names), PATIENCE_SECONDS, lambda: self._run_out(names))
            self._begin(names)
        if lookup.overdue or len(lookup.waiting) >= WAITING:
            return then(Ids())
        lookup.waiting.append(then)

    def _begin(self, names: Names) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="accounts", daemon=True)
            self._thread.start()
        self._jobs.put(names)

    def _work(self) -> None:
        while True:
            names = self._jobs.get()
            ids = self._ids(names)
            GLib.idle_add(guarded(self._found), names, ids, priority=GLib.PRIORITY_DEFAULT)

    def _found(self, names: Names, ids: Ids) -> bool:
        self._timers.cancel(_timer(names))
        self._known.pop(names, None)
        self._known[names] = (time.monotonic(), ids)
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        for then in self._lookups.pop(names).waiting:
            then(ids)
        return bool(GLib.SOURCE_REMOVE)

    def _run_out(self, names: Names) -> None:
        log.warning(
            "users and groups (%s) are not found within %.0f s, so they may do nothing yet; see nsswitch.conf(5)",
            ", ".join(names[0] + names[1]),
            PATIENCE_SECONDS,
        )
        lookup = self._lookups[names]
        lookup.overdue = True
        waiting, lookup.waiting = lookup.waiting, []
        for then in waiting:
            then(Ids())


def _timer(names: Names) -> tuple[str, Names]:
    """The key of the timer of that lookup."""
    return "accounts", names


def ids_of(names: Names) -> Ids:
    """The ids of those that exist. Blocks."""
    users, groups = names
    return Ids(
        frozenset(found for name in users if (found := _uid(name)) is not None),
        frozenset(found for name in groups if (found := _gid(name)) is not None),
    )


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, OSError):
        return None


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, OSError):
        return None
