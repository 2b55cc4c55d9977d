"""Locks between labs that run at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXCLUSIVE, SHARED, AT_ONCE = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_NB


@contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    """Holds flock(2) on an existing file or folder. BlockingIOError when taken and kind has AT_ONCE."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
