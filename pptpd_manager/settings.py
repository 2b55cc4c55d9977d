"""The configuration in force, and what is wrong with the file.

The last good text is kept beside the option files, so that a manager which is started anew over a file that was
broken meanwhile goes on with what runs.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pptpd_manager import configfile, reasons
from pptpd_manager.config import Config, ConfigError, parse
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.reasons import Failure, printable

log = logging.getLogger(__name__)

PROBLEM_CHARACTERS = 400  # of one problem in a reason; its end says how to mend it

Version = tuple[int, int, int, int]


class Settings:
    """config: in force; problems: of the file as last read, empty when that is what is in force."""

    def __init__(self, path: str, accepted: str, files: KeptFiles) -> None:
        """path: the file; accepted: where to keep the last good one."""
        self.path, self._accepted, self._files = path, Path(accepted), files
        self.config = Config({})
        self.problems: tuple[str, ...] = ()
        self._read: Version | None = None

    @property
    def absent(self) -> Failure:
        """Why a tunnel that is not in the configuration is not."""
        if self.problems:
            more = f" and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
            return Failure(reasons.BAD_CONFIGURATION, printable(self.problems[0], PROBLEM_CHARACTERS) + more)
        return Failure(
            reasons.NOT_CONFIGURED, printable(f"in {self.path}: {', '.join(self.config.tunnels) or 'none'}")
        )

    @property
    def outdated(self) -> bool:
        """Whether the file is another one now than when it was last read."""
        return _version(self.path) != self._read

    def load(self) -> None:
        """Read the file. One with problems changes nothing but problems, which are logged."""
        self._read = _version(self.path)  # before it is read: what changes it meanwhile is news
        try:
            text = configfile.read(self.path)
            self.config = parse(text, self.path)
        except ConfigError as error:
            self.problems = tuple(map(str, error.problems))
            for problem in self.problems:
                log.error("%s", problem)
            return
        self.problems = ()
        self._keep(text)

    def recover(self) -> None:
        """With a file that has problems, take what was good last, if that is still there."""
        try:
            self.config = parse(configfile.read(str(self._accepted)), str(self._accepted))
        except ConfigError:
            return
        log.warning("going on with the configuration that was good last: %s", ", ".join(self.config.tunnels))

    def _keep(self, text: str) -> None:
        def failed(error: OSError) -> None:
            log.warning("the good configuration cannot be kept for a restart: %s", error)

        self._files.write(self._accepted, text.encode(), failed)


def _version(path: str) -> Version | None:
    """What tells one content of a file from another; None without a file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
