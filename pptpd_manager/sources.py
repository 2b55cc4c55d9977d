"""Sources of the GLib loop that are made once and kept.

Before 3.46, which Debian 12 does not have, PyGObject loses over a hundred bytes with each timeout and each watch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from pptpd_manager.callback import guarded


class Alarm(GLib.Source):  # type: ignore[misc]
    """fired(): called when the time of set_ready_time() has come (microseconds, monotonic), and once for it."""

    def __init__(self, fired: Callable[[], object]) -> None:
        super().__init__()
        self._fired = guarded(fired)
        self.attach()

    def prepare(self) -> tuple[bool, int]:
        """There is no other time."""
        return False, -1

    def check(self) -> bool:
        """Nor another reason."""
        return False

    def dispatch(self, *_arguments: Any) -> bool:
        """GLib has found that it is time."""
        self.set_ready_time(-1)
        self._fired()
        return bool(GLib.SOURCE_CONTINUE)


class Readable(GLib.Source):  # type: ignore[misc]
    """Descriptors, each with what is called as often as it can be read."""

    def __init__(self) -> None:
        super().__init__()
        self._watched: dict[int, tuple[Any, Callable[[], object]]] = {}
        self.attach()

    def watch(self, fd: int, then: Callable[[], object]) -> None:
        """Call then() whenever the descriptor can be read."""
        self._watched[fd] = self.add_unix_fd(fd, GLib.IOCondition.IN), guarded(then)

    def forget(self, fd: int) -> None:
        """Watch it no more; before it is closed."""
        self.remove_unix_fd(self._watched.pop(fd)[0])

    def prepare(self) -> tuple[bool, int]:
        """The kernel is to be asked."""
        return False, -1

    def check(self) -> bool:
        """GLib itself looks at the descriptors."""
        return False

    def dispatch(self, *_arguments: Any) -> bool:
        """One of them can, or several."""
        ready = {fd: then for fd, (tag, then) in self._watched.items() if self.query_unix_fd(tag)}
        for fd, then in ready.items():
            if fd in self._watched:  # what was called may have forgotten others
                then()
        return bool(GLib.SOURCE_CONTINUE)
