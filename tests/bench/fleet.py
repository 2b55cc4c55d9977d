"""A hundred tunnels, and a server for them: one pptpd in the lab's network namespace "server"."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands as lab

MOST = 100
SPARE = 20  # connections beyond one for each tunnel: the server notices late that a client is gone
VARIANT = "fleet"
UNIT = f"lab-pptpd@{VARIANT}.service"
_FOLDER = Path("/etc/lab/pptpd")


def name(number: int) -> str:
    """Of the tunnel of that number, from 1 on."""
    return f"t{number:03}"


def server(number: int, *, apart: bool) -> str:
    """The address that it is dialled to: its own, or the one for all."""
    return f"203.0.113.{100 + number}" if apart else lab.SERVER


def inside(number: int) -> str:
    """An address behind the server that only this tunnel's route leads to."""
    return f"10.98.0.{number}"


def tunnels(count: int, *, apart: bool, **keys: Any) -> dict[str, dict[str, Any]]:
    """The configuration of so many tunnels, for commands.configure(). keys: of each of them."""
    return {
        name(number): {
            **lab.ALICE,
            "server": server(number, apart=apart),
            "routes": [f"{inside(number)}/32"],
            **keys,
        }
        for number in range(1, count + 1)
    }


@contextlib.contextmanager
def serving(count: int = MOST, connections: int | None = None) -> Iterator[None]:
    """Have the server run in place of the lab's own, on all addresses. connections: its limit, other than count's."""
    write(count + SPARE if connections is None else connections)
    lab.out("systemctl", "stop", "lab-pptpd@main")
    try:
        with addressed(count):
            lab.out("systemctl", "start", UNIT)
            try:
                yield
            finally:
                lab.out("systemctl", "stop", UNIT)
    finally:
        lab.out("systemctl", "start", "lab-pptpd@main")


def write(connections: int) -> None:
    """Write what the server reads at its start. connections: how many it takes at once."""
    folder = _FOLDER / VARIANT
    if not folder.exists():
        shutil.copytree(_FOLDER / "main", folder)
    (folder / "pptpd.conf").write_text(
        f"option /etc/ppp/pptpd-options\nconnections {connections}\nlocalip 10.9.0.1\nremoteip 10.9.2.1-254\n"
    )


@contextlib.contextmanager
def addressed(count: int) -> Iterator[None]:
    """The server has the addresses of so many tunnels, and those behind it."""

    def change(verb: str) -> None:
        numbers = range(1, count + 1)
        lines = [f"address {verb} {server(number, apart=True)}/24 dev uplink" for number in numbers]
        lines += [f"address {verb} {inside(number)}/32 dev inside" for number in numbers]
        batch = ["ip", "netns", "exec", "server", "ip", "-batch", "-"]
        subprocess.run(batch, input="\n".join(lines), text=True, check=True)

    change("add")
    try:
        yield
    finally:
        change("del")


def deaf(tunnels: list[str], prefix: str = "pptp-", timeout: float = 60) -> list[str]:
    """Those of the tunnels through whose own interface and route no ping comes back. prefix: of the interfaces."""
    pings = {
        tunnel: subprocess.Popen(
            ["ping", "-n", "-q", "-c", "3", "-i", "0.5", "-W", "2", "-I", prefix + tunnel, inside(int(tunnel[1:]))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for tunnel in tunnels
    }
    return [tunnel for tunnel, ping in pings.items() if ping.wait(timeout) != 0]


def session_of(tunnel: str) -> int | None:
    """The server's process for that tunnel's link: the one whose peer has our address."""
    address = lab.get(tunnel, "LocalAddress")
    for pid in lab.server_sessions() if address else []:
        with contextlib.suppress(OSError):
            if f":{address}\0" in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
    return None
