"""Files that only root may read: they hold passwords, and what is to be run. Below /run/pptp-manager, which is root's.

What lies there at a start may be left over, or somebody's mistake: it is looked at without waiting, followed to no
other place, and taken from no other owner.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

log = logging.getLogger(__name__)

MAX_BYTES = 1 << 20


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
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        if status.st_uid not in (0, os.geteuid()) or stat.S_IMODE(status.st_mode) & 0o077:
            raise OSError(errno.EPERM, "Not root's alone", str(path))
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def _open(path: str, flags: int) -> int:
    """Opens what is at path itself, and without waiting: a FIFO without a writer would take for ever."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)


def remove(path: Path) -> None:
    """Remove the file at path, if there is one. A directory stays, and the log says so: it is nothing of ours."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%r cannot be removed: %s", str(path), error.strerror)
