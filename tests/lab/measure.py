"""How long a connect takes, for this project and for `pon` with a script in ip-up.d: same machine, boot and server.

Figures compare only within one boot, so the ways take turns.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import commands as lab

NETWORK = "192.168.10.0/24"
PING_SECONDS = 0.02
PEER = Path("/etc/ppp/peers/lab")
SCRIPT = Path("/etc/ppp/ip-up.d/99-vpn-routes")
SECRETS = Path("/etc/ppp/chap-secrets")


@dataclass(frozen=True)
class Way:
    """A way to have a tunnel: the commands to connect and disconnect, and the interface that comes of it."""

    name: str
    connect: tuple[str, ...]
    disconnect: tuple[str, ...]
    interface: str


@dataclass(frozen=True)
class Times:
    """Seconds. returned, first_ping: since the command was given; route: from the link's being up to its route."""

    returned: float
    first_ping: float
    route: float


CONNECT, DISCONNECT = (
    ("busctl", "--timeout=60", "call", *lab.BUS, method, "s", "work") for method in ("Connect", "Disconnect")
)
OURS = Way("pptp-manager", CONNECT, DISCONNECT, "pptp-work")
PON = Way("pon, ip-up.d", ("pon", "lab", "updetach", "persist"), ("poff", "lab"), "ppp0")


@contextlib.contextmanager
def pon_configured() -> Iterator[None]:
    """What one writes for pon: a peer with Debian's options.pptp, its secret, and a script that adds the route."""
    before = SECRETS.read_text()
    PEER.parent.mkdir(exist_ok=True)
    PEER.write_text(
        f'pty "pptp {lab.SERVER} --nolaunchpppd --nohostroute"\nname alice\nremotename PPTP\nrequire-mppe-128\n'
        "file /etc/ppp/options.pptp\nipparam lab\n"
    )
    SECRETS.write_text(before + "alice PPTP secret *\n")
    SECRETS.chmod(0o600)
    # Only for its own tunnel, so that it does not add the route of the other way.
    SCRIPT.write_text(f'#!/bin/bash\nif [ "$6" = lab ]; then\n    ip route add {NETWORK} dev "$1"\nfi\n')
    SCRIPT.chmod(0o755)
    try:
        yield
    finally:
        PEER.unlink()
        SCRIPT.unlink()
        SECRETS.write_text(before)


def compare(count: int, told: Callable[[Way, Times], None] | None = None) -> dict[Way, list[Times]]:
    """Each way's times, count of them, taken in turns. Tunnel "work" is configured and down. told: of each at once."""
    times: dict[Way, list[Times]] = {OURS: [], PON: []}
    with pon_configured():
        for number in range(count):
            for way in (OURS, PON) if number % 2 == 0 else (PON, OURS):
                times[way].append(measured(way))
                if told:
                    told(way, times[way][-1])
    return times


def measured(way: Way) -> Times:
    """One connect and disconnect; returns when nothing of it is left."""
    with watching(PING_SECONDS) as (kernel, pings):
        begun = time.time()
        # Not by a pipe: pppd keeps what it is started with.
        subprocess.run(way.connect, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        returned = time.time()
        first_ping = lab.wait_for(lambda: replied(pings.read_text()), f"a ping through {way.name}")
        route = lab.wait_for(lambda: link_to_route(kernel.read_text(), way.interface), f"a route by {way.name}")
    hang_up(way)
    return Times(returned - begun, first_ping - begun, route)


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


def hang_up(way: Way) -> None:
    """Disconnect; returns when no process of it is left."""
    lab.run(*way.disconnect)
    lab.wait_for(lambda: not lab.server_sessions(), f"{way.name} has hung up")
    # pon's pppd waits 5 s for the shell around pptp. Nobody measures that, so it need not be waited for.
    for pid in (pid for name, pids in lab.clients().items() if name != "pppd" for pid in pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    lab.wait_for(lambda: not lab.clients(), f"{way.name} has ended")


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
    targets = [os.readlink(fd) for fd in Path(f"/proc/{process}/fd").iterdir()]
    return {int(target[len("socket:[") : -1]) for target in targets if target.startswith("socket:[")}


def listening(monitor: int, ping: int) -> bool:
    """Whether `ip monitor` hears the kernel by now and ping has its socket. ping's output tells only of replies."""
    netlink, raw = (
        [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        for table in ("netlink", "raw")
    )
    hearing = {int(fields[9]) for fields in netlink if int(fields[3], 16)}
    return bool(hearing & open_sockets(monitor) and {int(fields[9]) for fields in raw} & open_sockets(ping))


def replied(pings: str) -> float:
    """When the first reply came, in seconds since 1970; 0.0 for not yet. pings: output of ping -D."""
    reply = re.search(r"^\[([\d.]+)\] \d+ bytes from ", pings, re.MULTILINE)
    return float(reply[1]) if reply else 0.0


def link_to_route(kernel: str, interface: str) -> float:
    """Seconds from the link's being up with its address to its route; 0.0 for not yet. kernel: of `ip -ts monitor`.

    With its address: where IPv6CP is up before IPCP, a link is up before a route into it can be.
    """
    up = address = 0.0
    # ip remembers the name that an interface had before it was renamed, and goes on to show that.
    name = f"(?:{re.escape(interface)}|ppp0)"
    for stamp, line in re.findall(r"^\[(\S+)\] (.*)$", kernel, re.MULTILINE):
        now = datetime.fromisoformat(stamp).timestamp()
        if re.match(rf"\d+: {re.escape(interface)}: <[^>]*\bUP\b", line):
            up = up or now
        elif re.match(rf"\d+: {name} +inet .* peer ", line):
            address = now
        elif re.match(rf"{re.escape(NETWORK)} dev {name} ", line):
            # Two programs were told of the same event in one order and may tell of it in the other.
            return max(now - max(up, address), 1e-6)
    return 0.0


def summary(figures: list[float]) -> str:
    """Median and range of figures in seconds."""
    digits = 3 if statistics.median(figures) < 1 else 2
    return f"{statistics.median(figures):.{digits}f} ({min(figures):.{digits}f}-{max(figures):.{digits}f})"


def table(times: dict[Way, list[Times]]) -> str:
    """The figures side by side, and how many times as long pon takes."""
    columns = [times[OURS], times[PON]]
    rows: tuple[tuple[str, list[list[float]]], ...] = (
        ("first ping through the route", [[one.first_ping for one in column] for column in columns]),
        ("link up to route", [[one.route for one in column] for column in columns]),
        ("command returns", [[one.returned for one in column] for column in columns]),
    )
    lines = [f"{'seconds: median (range)':<34}{OURS.name:<22}{PON.name:<22}{'pon / ours':>10}"]
    for title, (ours, pon) in rows:
        ratio = statistics.median(pon) / statistics.median(ours)
        lines.append(f"{title:<34}{summary(ours):<22}{summary(pon):<22}{ratio:>10.{2 if ratio < 10 else 0}f}")
    useful = [f"{sum(one.first_ping < one.returned for one in column)} of {len(column)}" for column in columns]
    lines.append(f"{'... and the route is usable then':<34}{useful[0]:<22}{useful[1]}")
    return "\n".join(lines)
