"""The loop of pptpctl's commands that wait."""

from __future__ import annotations

import os
import signal

import pytest

from pptpd_manager.ctl.exits import Exit, Terminated
from pptpd_manager.ctl.loop import Loop


def test_it_ends_with_the_first_status() -> None:
    loop = Loop()

    def ends() -> None:
        loop.end(Exit.DOWN)
        loop.end(Exit.OK)

    loop.after(0, ends)
    assert loop.run() is Exit.DOWN


def test_an_end_before_it_runs_counts() -> None:
    loop = Loop()
    loop.end(Exit.TIMED_OUT)
    assert loop.run() is Exit.TIMED_OUT


def test_what_a_callback_raises_ends_it_with_its_traceback() -> None:
    loop = Loop()

    def breaks() -> None:
        raise ValueError("a bug")

    loop.after(0, breaks)
    with pytest.raises(ValueError, match="a bug") as caught:
        loop.run()
    assert "breaks" in [entry.name for entry in caught.traceback]


def test_ctrl_c_ends_it() -> None:
    loop = Loop()
    loop.after(0, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        loop.run()


def test_sigterm_ends_it_and_nobody_catches_the_next_one() -> None:
    loop = Loop()
    loop.after(0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Terminated):
        loop.run()
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM


def test_it_ends_when_nobody_reads_any_more() -> None:
    loop = Loop()
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        loop.leave_with(stream)
        loop.after(0, lambda: os.close(reading))
        with pytest.raises(BrokenPipeError):
            loop.run()


def test_a_cancelled_call_does_not_come() -> None:
    loop = Loop()
    cancel = loop.after(0, lambda: loop.end(Exit.PROBLEM))
    loop.after(0.01, loop.end)
    cancel()
    cancel()
    assert loop.run() is Exit.OK
