"""What a person would watch a tunnel with, `ip monitor` and ping, and what they say; times as by time.time()."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import commands as lab
from ways import NETWORK


@contextlib.contextmanager
def watching(ping_seconds: float) -> Iterator[tuple[Path, Path]]:
    """Have `ip monitor` and a ping every so many seconds write into these two files while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        kernel, pings = Path(folder, "kernel"), Path(folder, "pings")
        # One process each for the whole block: a fork and exec takes as long here as what is measured.
        with (
            logging(kernel, "ip", "-ts", "monitor", "link", "address", "route") as monitor,
            logging(pings, "ping", "-n", "-D", "-i", str(ping_seconds), lab.INSIDE) as ping,
        ):
            lab.wait_for(lambda: listening(monitor, ping), "ping and ip monitor run")
            yield kernel, pings


@contextlib.contextmanager
def logging(path: Path, *command: str) -> Iterator[int]:
    """Have command run, its output in path; its process."""
    with path.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGINT)


def open_sockets(process: int) -> set[int]:
    """The inodes of the process's sockets."""
    targets = []
    for fd in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.append(os.readlink(fd))
    return {int(target[len("socket:[") : -1]) for target in targets if target.startswith("socket:[")}


def listening(monitor: int, ping: int) -> bool:
    """Whether `ip monitor` hears the kernel by now and ping has its socket. ping's output tells only of replies."""
    netlink, raw = (
        [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        for table in ("netlink", "raw")
    )
    hearing = {int(fields[9]) for fields in netlink if int(fields[3], 16)}
    return bool(hearing & open_sockets(monitor) and {int(fields[9]) for fields in raw} & open_sockets(ping))


# --- ping -D ---


def replied(pings: str) -> float:
    """When the first reply came; 0.0 for not yet."""
    reply = re.search(r"^\[([\d.]+)\] \d+ bytes from ", pings, re.MULTILINE)
    return float(reply[1]) if reply else 0.0


def came_back(pings: str, begun: float, ended: float) -> float:
    """When the first reply came after ended, the end of a fault that began at begun; 0.0 for not yet.

    Only behind lost pings: a session that is being ended still carries some.
    """
    last, lost = None, False
    for stamp, number in re.findall(r"^\[([\d.]+)\] \d+ bytes from .* icmp_seq=(\d+) ", pings, re.MULTILINE):
        lost = lost or (float(stamp) > begun and last is not None and int(number) > last + 1)
        last = int(number)
        if lost and float(stamp) > ended:
            return float(stamp)
    return 0.0


# --- ip -ts monitor ---


def events(kernel: str) -> Iterator[tuple[float, str]]:
    """Each line of what happened, and when."""
    for stamp, line in re.findall(r"^\[(\S+)\] ?(.*)$", kernel, re.MULTILINE):
        yield datetime.fromisoformat(stamp).timestamp(), line


def named(interface: str) -> str:
    """A pattern for the interface. ip remembers the name that one had before, and goes on to show it."""
    return rf"(?:{re.escape(interface)}|ppp\d+)"


def link_to_route(kernel: str, interface: str, networks: Sequence[str] = (NETWORK,)) -> float:
    """Seconds from the link's being up with its address to the last of its routes; 0.0 for not yet.

    With its address: where IPv6CP is up before IPCP, a link is up before a route into it can be.
    """
    up = address = 0.0
    name, missing = named(interface), set(networks)
    for now, line in events(kernel):
        if re.match(rf"\d+: {re.escape(interface)}: <[^>]*\bUP\b", line):
            up = up or now
        elif re.match(rf"\d+: {name} +inet .* peer ", line):
            address = now
        elif re.match(rf"\S+ dev {name} ", line) and (network := line.split(" ")[0]) in missing:
            missing.remove(network)
            if not missing:
                # Two programs were told of the same event in one order and may tell of it in the other.
                return max(now - max(up, address), 1e-6)
    return 0.0


def went_down(kernel: str, index: int, network: str, begun: float) -> float:
    """When the interface with that index, its address or its route to network first went after begun; 0.0: not.

    This is when a way acts on what it noticed. For all ways it is pppd that does, so it is the same event for all.
    """
    down = rf"Deleted (?:{index}: |{re.escape(network)} dev )|{index}: \S+ <(?![^>]*\bUP\b)"
    return next((now for now, line in events(kernel) if now > begun and re.match(down, line)), 0.0)


def gone(kernel: str, interface: str, begun: float) -> float:
    """When the interface was deleted after begun, or the last route into it, whichever was later; 0.0: not yet."""
    name, deleted, last = named(interface), False, 0.0
    for now, line in events(kernel):
        if now > begun and re.match(rf"Deleted (?:\d+: {name}:? |\S+ dev {name}\b)", line):
            last = now
            deleted = deleted or bool(re.match(rf"Deleted \d+: {name}: <", line))
    return last if deleted else 0.0
