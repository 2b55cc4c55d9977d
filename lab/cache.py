"""What the lab makes once and keeps: folders that guests read and never write to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lock import AT_ONCE, EXCLUSIVE, SHARED, locked
from progress import say


def folder() -> Path:
    """Where all of it is, an absolute path."""
    return Path(os.environ.get("PPTP_LAB_CACHE", "/var/cache/pptp-manager-lab")).absolute()


@contextmanager
def used(kept: Path) -> Iterator[None]:
    """What is kept there is not removed by anybody as long as the context lasts."""
    with locked(kept, SHARED):
        yield


def ensure(kind: str, key: str, fill: Callable[[Path], None]) -> Path:
    """The folder of that kind and key; if absent it is made now, by fill(a path that does not exist yet)."""
    kept = folder() / f"{kind}-{key}"
    if kept.is_dir():
        return kept
    folder().mkdir(parents=True, exist_ok=True)
    lock = folder() / f"{kind}.lock"
    lock.touch()
    with locked(lock, EXCLUSIVE):
        if not kept.is_dir():  # somebody else may have made it while this one waited
            make(kind, kept, fill)
            remove_old(kind, kept)
    return kept


def make(kind: str, kept: Path, fill: Callable[[Path], None]) -> None:
    """Make the folder complete or not at all."""
    for leftover in folder().glob(f"{kind}.part.*"):
        shutil.rmtree(leftover)
    part = Path(tempfile.mkdtemp(prefix=f"{kind}.part.", dir=folder()))
    try:
        say(f"making {kind} in {folder()}")
        fill(part / "root")
        (part / "root").rename(kept)
        say(f"{kind} ready")
    finally:
        shutil.rmtree(part)


def remove_old(kind: str, current: Path) -> None:
    """Remove the folders of that kind with other keys, but for those that a guest is using."""
    for old in folder().glob(f"{kind}-*"):
        if old == current:
            continue
        try:
            with locked(old, EXCLUSIVE | AT_ONCE):
                say(f"removing {old.name}")
                shutil.rmtree(old)
        except BlockingIOError:
            say(f"{old.name} is in use, left")
