"""Files for the next manager: written again and again until there is room for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from pptpd_manager import privatefile
from pptpd_manager.timers import Timers

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0


class KeptFiles:
    """What each file is to hold; the last write() or remove() of a path counts."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._due: dict[Path, bytes] = {}  # what could not be written yet

    def write(self, path: Path, content: bytes, failed: Callable[[OSError], None], *, outdated: bool = False) -> None:
        """Have content in the file, now or as soon as that can be; failed(error) if not now.

        outdated: until then what it held before is better than no file.
        """
        self._forget(path)
        try:
            privatefile.write(path, content)
        except OSError as error:
            if not outdated:
                privatefile.remove(path)
            failed(error)
            self._due[path] = content
            self._timers.start(_key(path), AGAIN_SECONDS, lambda: self._again(path))

    def remove(self, path: Path) -> None:
        """Have no such file."""
        self._forget(path)
        privatefile.remove(path)

    def _forget(self, path: Path) -> None:
        if self._due.pop(path, None) is not None:
            self._timers.cancel(_key(path))

    def _again(self, path: Path) -> None:
        try:
            privatefile.write(path, self._due[path])
        except OSError:
            self._timers.start(_key(path), AGAIN_SECONDS, lambda: self._again(path))
            return
        del self._due[path]
        log.info("%s is written now", path)


def _key(path: Path) -> tuple[str, Path]:
    return "kept file", path
