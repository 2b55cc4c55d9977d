"""What the tests do to the kernel: interfaces, and the loop that hears of them."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from typing import Any

from gi.repository import GLib


def ip(*lines: str) -> list[str]:
    """Run the lines by ip(8); the lines that it prints."""
    command = ["ip", "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines), stdout=subprocess.PIPE, text=True, check=True)
    return [line.strip() for line in done.stdout.splitlines()]


def veth(name: str, *addresses: str) -> int:
    """Make an interface that is up, with addresses and no others; its index."""
    ip(
        f"link add {name} type veth peer name far-{name}",
        f"link set {name} addrgenmode none",
        f"link set far-{name} up",
        *(f"address add {address} dev {name}" for address in addresses),
        f"link set {name} up",
    )
    return socket.if_nametoindex(name)


def turn(fact: Callable[[], Any], what: str, seconds: float = 5) -> None:
    """Run the loop until fact() is true."""
    over: list[bool] = []
    deadline = GLib.timeout_add(round(seconds * 1000), lambda: over.append(True))
    while not fact():
        assert not over, f"waited in vain for {what}"
        GLib.MainContext.default().iteration(True)
    GLib.source_remove(deadline)
