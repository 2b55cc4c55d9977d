"""Files that only root may read: they hold passwords, and what is to be run.

What lies in /run/pptp-manager at a start may be left over, or somebody's mistake: it is looked at without waiting,
followed to no other place, and taken from no other owner.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import shlex
import stat
from pathlib import Path

log = logging.getLogger(__name__)

MAX_BYTES = 1 << 20


@functools.lru_cache(maxsize=1024)
def path_of(directory: Path, name: str) -> Path:
    """The file of that name, as the same object each time.

    pathlib has each part of a new one in CPython's table of interned strings, where it leaves a hole when it is gone:
    with the holes of some hundred reconnects the table is full, and is made anew with twice its half a megabyte.
    """
    return directory / name


def write(path: Path, content: bytes) -> None:
    """Put content in the file at path, atomically and 0600. Raises OSError; then nothing of it is on disk."""
    draft = path.with_suffix(".new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def read(path: Path) -> bytes:
    """What write() put there. Raises OSError, also of what is no file, another's, open to others or too large."""
    with open(path, "rb", opener=_open) as file:
        if message := fault(os.fstat(file.fileno()), str(path)):
            raise OSError(errno.EPERM, message, str(path))
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def fault(status: os.stat_result, path: str) -> str:
    """Why a file with passwords is not to be used, "" if it is; it has to be root's or the effective user's."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to user id {status.st_uid}, who can read it; run: chown root {shlex.quote(path)}"
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o066:
        return f"has mode {mode:04o}, so others can use it; run: chmod 600 {shlex.quote(path)}"
    return ""


def opener(path: str, flags: int) -> int:
    """Opens without waiting: a FIFO without a writer would take for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _open(path: str, flags: int) -> int:
    """Opens what is at path itself."""
    return opener(path, flags | os.O_NOFOLLOW)


def remove(path: Path) -> None:
    """Remove the file at path, if there is one. A directory stays, and the log says so: it is nothing of ours."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%r cannot be removed: %s", str(path), error.strerror)
