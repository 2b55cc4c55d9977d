"""Several tunnels at the same time, of all ways: each to a server of its own, with an address of its own behind it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import fleet
import ways
from ways import CONNECT, DISCONNECT, WAYS, Way

VARIANTS = Path("/etc/lab/pptpd")
SIDES = ((("tc",), "uplink"), (("ip", "netns", "exec", "router", "tc"), "client"))  # of the way to the servers
PPP = 200  # pon's interfaces are ppp201 and so on, so that NetworkManager can be told to leave them alone


@dataclass(frozen=True)
class Tunnel:
    """A tunnel of a way. number: of its server, from 1 on; no two tunnels have the same."""

    key: str
    number: int

    @property
    def way(self) -> Way:
        """What it is one of."""
        return WAYS[self.key]

    @property
    def name(self) -> str:
        """Of our tunnel, of pon's peer, of NetworkManager's profile."""
        return fleet.name(self.number)

    @property
    def server(self) -> str:
        """The address that it is dialled to."""
        return fleet.server(self.number, apart=True)

    @property
    def unit(self) -> str:
        """The server's unit, and the name of the folder with what it reads."""
        return f"lab-pptpd@{self.name}.service"

    @property
    def inside(self) -> str:
        """The address that its route leads to."""
        return fleet.inside(self.number)

    @property
    def connect(self) -> tuple[str, ...]:
        """The command to connect."""
        if self.key == "ours":
            return (*CONNECT[:-1], self.name)
        if self.way in ways.NM_WAYS:
            return (*self.way.connect[:-1], self.name)
        pon = ("pon", self.name, "updetach", "persist")
        if self.key != "rcd":
            return pon
        return ("sh", "-c", f"{' '.join(pon)} && ip route add {self.inside}/32 dev ppp{PPP + self.number}")

    @property
    def disconnect(self) -> tuple[str, ...]:
        """The command to disconnect."""
        if self.key == "ours":
            return (*DISCONNECT[:-1], self.name)
        return (*self.way.disconnect[:-1], self.name)


def tunnels(counts: Mapping[str, int]) -> list[Tunnel]:
    """So many tunnels of each way, in turns."""
    order = sorted((place / count, key) for key, count in counts.items() for place in range(count))
    return [Tunnel(key, number) for number, (_, key) in enumerate(order, 1)]


@contextlib.contextmanager
def configured(chosen: Sequence[Tunnel]) -> Iterator[None]:
    """Have everything that these tunnels need: servers, files, and NetworkManager if there is one of its own."""
    of = {key: [tunnel for tunnel in chosen if tunnel.key == key] for key in WAYS}
    with contextlib.ExitStack() as stack:
        stack.enter_context(serving(chosen))
        peers = {tunnel: _more(tunnel) for tunnel in (*of["pon"], *of["expert"], *of["rcd"])}
        scripts = {tunnel.name: ways.each_added([tunnel.inside]) for tunnel in of["pon"]}
        scripts |= {tunnel.name: ways.all_added([tunnel.inside]) for tunnel in of["expert"]}
        stack.enter_context(
            ways.pon_files({tunnel.name: (tunnel.server, more) for tunnel, more in peers.items()}, scripts)
        )
        profiles = {
            tunnel.name: ways.vpn(tunnel.server, [f"{tunnel.inside}/32"], persistent=tunnel.key == "nm-persistent")
            for tunnel in chosen
            if tunnel.way in ways.NM_WAYS
        }
        if profiles:
            stack.enter_context(ways.nm_files(profiles, unmanaged=f"ppp{PPP // 100}*"))
            stack.enter_context(ways.nm_running())
        lab.configure(
            {
                tunnel.name: {**lab.ALICE, "server": tunnel.server, "routes": [f"{tunnel.inside}/32"]}
                for tunnel in of["ours"]
            }
        )
        stack.callback(lab.configure, {})
        yield


def _more(tunnel: Tunnel) -> str:
    """Options of a peer of pon."""
    return f"unit {PPP + tunnel.number}\n" + (ways.EXPERT if tunnel.key == "expert" else "")


# --- the servers ---


@contextlib.contextmanager
def serving(chosen: Sequence[Tunnel]) -> Iterator[None]:
    """Have the tunnels' servers run."""
    for tunnel in chosen:
        folder = VARIANTS / tunnel.name
        shutil.copytree(VARIANTS / "main", folder, dirs_exist_ok=True)
        pool = f"10.9.{100 + tunnel.number}.1-20"  # a server notices late that a client is gone
        (folder / "pptpd.conf").write_text(
            f"listen {tunnel.server}\noption /etc/ppp/pptpd-options\nlocalip 10.9.0.1\nremoteip {pool}\n"
        )
    with fleet.addressed(max(tunnel.number for tunnel in chosen)), droppable():
        try:
            renew(chosen)
            yield
        finally:
            lab.out("systemctl", "stop", *(tunnel.unit for tunnel in chosen))


@contextlib.contextmanager
def droppable() -> Iterator[None]:
    """Have tc be able to drop packets on both sides of the way to the servers."""
    for tc, device in SIDES:
        lab.out(*tc, "qdisc", "add", "dev", device, "clsact")
    try:
        yield
    finally:
        for tc, device in SIDES:
            lab.out(*tc, "qdisc", "del", "dev", device, "clsact")


def renew(chosen: Sequence[Tunnel]) -> None:
    """Start the servers anew, without the sessions that they have."""
    lab.out("systemctl", "restart", *(tunnel.unit for tunnel in chosen))
    lab.wait_for(lambda: {tunnel.server for tunnel in chosen} <= listening(), "all servers listen")


def listening() -> set[str]:
    """The addresses at which a pptpd of the lab accepts connections."""
    port, listens = "06BB", "0A"  # 1723, TCP_LISTEN
    for pid in lab.pids("pptpd"):
        with contextlib.suppress(OSError):
            sockets = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
            local = [fields[1].split(":") for fields in sockets if fields[3] == listens]
            return {
                ".".join(str(byte) for byte in bytes.fromhex(address)[::-1]) for address, at in local if at == port
            }
    return set()


def sessions(tunnel: Tunnel) -> list[int]:
    """The pppds of the tunnel's server."""
    of_group = Path(f"/sys/fs/cgroup{lab.of_unit(tunnel.unit, 'ControlGroup')}/cgroup.procs")
    pids = set(map(int, of_group.read_text().split()))
    return [pid for pid in lab.pids("pppd") if pid in pids]


# --- on this side ---


def link(tunnel: Tunnel) -> int:
    """The index of the interface that its route leads into."""
    (interface,) = re.findall(rf"^{re.escape(tunnel.inside)} dev (\S+)", lab.out("ip", "route"), re.MULTILINE)
    return socket.if_nametoindex(interface)


def hang_up(chosen: Sequence[Tunnel]) -> None:
    """Disconnect all; returns when nothing of them is left, on either side."""
    for tunnel in chosen:
        lab.run(*tunnel.disconnect)
    # pon's pppd waits 5 s for the shell around pptp.
    for pid in (pid for name, pids in lab.clients().items() if name != "pppd" for pid in pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    lab.wait_for(lambda: not lab.clients(), "no tunnel has a process any more")
    links = lab.out("ip", "-brief", "link")
    assert not re.search(r"^(?:ppp|pptp)", links, re.MULTILINE), f"left:\n{links}"
    renew(chosen)
