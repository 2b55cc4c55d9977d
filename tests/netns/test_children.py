"""children.py with real programs."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

import pytest

from pptpd_manager.children import STDERR, Child, Children

from .kernel import turn

Told = list[tuple[int, bytes]]


def run(command: list[str], told: Told, **how: Any) -> Child:
    return Children().run(command, lambda status, written: told.append((status, written)), **how)


def end(told: Told) -> tuple[int, bytes]:
    """What was told of the program, which it is once."""
    turn(lambda: told, "its end")
    [end] = told
    return end


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("script", "how", "expected"),
    [
        ("echo out; echo err >&2", {}, (0, b"out\n")),
        ("echo out; echo err >&2; exit 3", {"keep": STDERR}, (3, b"err\n")),
        ("cat", {"text": b"given\n"}, (0, b"given\n")),
        ("cat", {}, (0, b"")),
        ("kill -USR1 $$", {}, (-signal.SIGUSR1, b"")),
        ("kill -PIPE $$", {}, (-signal.SIGPIPE, b"")),
        ("head -c 3000000 /dev/zero | tr '\\0' x", {}, (0, b"x" * 3_000_000)),
    ],
)
def test_how_it_ended_and_what_it_wrote(script: str, how: dict[str, Any], expected: tuple[int, bytes]) -> None:
    before, told = descriptors(), Told()
    run(["sh", "-c", script], told, **how)
    assert end(told) == expected
    assert descriptors() == before


def test_one_that_is_killed() -> None:
    told = Told()
    run(["sleep", "60"], told).kill()
    assert end(told) == (-signal.SIGKILL, b"")


def test_what_cannot_be_started_leaves_nothing() -> None:
    before, told = descriptors(), Told()
    with pytest.raises(FileNotFoundError):
        run(["no-such-program"], told)
    assert descriptors() == before and told == []


def test_what_cannot_be_watched_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []

    def refuse(pid: int) -> int:
        pids.append(pid)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    before, told = descriptors(), Told()
    with pytest.raises(OSError, match="Too many open files"):
        run(["sleep", "60"], told)
    assert descriptors() == before and told == []
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)
