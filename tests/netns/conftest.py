"""Each test has a network namespace of its own."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from gi.repository import GLib

from pptpd_manager.knock import knock

from .kernel import ip

CLONE_NEWNET = 0x40000000  # sched.h; os.unshare() is in Python 3.12
libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def open_what_is_kept() -> None:
    """Have GLib open the descriptors that it keeps for good, so that a test can count."""
    answers: list[object] = []
    knock(IPv4Address("127.0.0.1"), answers.append)
    while not answers:
        GLib.MainContext.default().iteration(True)


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    """A new network namespace for this thread, with lo up; nothing is left open afterwards."""
    open_what_is_kept()
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    before = len(os.listdir("/proc/self/fd"))
    outside = os.stat("/proc/thread-self/ns/net").st_ino
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        assert os.stat("/proc/thread-self/ns/net").st_ino != outside
        ip("link set lo up")
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        after = len(os.listdir("/proc/self/fd"))
        os.close(home)
    assert after == before
