"""The ways to have a tunnel that are compared: this project, and what people use today, each as it is meant to be.

A way connects to the lab's server as alice and has a route to the network behind it. Its files are there while the
block of configured() runs; NetworkManager, which takes part in whatever there is, runs only while running() does.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import commands as lab

NETWORK = "192.168.10.0/24"
PEERS = Path("/etc/ppp/peers")
SCRIPT = Path("/etc/ppp/ip-up.d/99-vpn-routes")
SECRETS = Path("/etc/ppp/chap-secrets")
NM_UNIT = Path("/etc/systemd/system/NetworkManager.service")
NM_DROP_IN = Path("/run/systemd/system/NetworkManager.service.d/lab.conf")
NM_CONFIGURATION = Path("/run/NetworkManager/conf.d/lab.conf")
NM_PROFILES = Path("/etc/NetworkManager/system-connections")
NM_DATA = (
    "user=alice,password-flags=0,require-mppe-128=yes,refuse-eap=yes,refuse-pap=yes,refuse-chap=yes,refuse-mschap=yes"
)
# As by somebody who knows pppd: it asks early whether the server lives, and never gives up.
EXPERT = "lcp-echo-interval 10\nlcp-echo-failure 3\nholdoff 5\nmaxfail 0\npersist\n"


@dataclass(frozen=True)
class Way:
    """A way to have a tunnel: the commands to connect and disconnect, and the interface that comes of it."""

    name: str
    connect: tuple[str, ...]
    disconnect: tuple[str, ...]
    interface: str


def by_pon(name: str, peer: str) -> Way:
    """A way by a file in /etc/ppp/peers."""
    return Way(name, ("pon", peer, "updetach", "persist"), ("poff", peer), "ppp0")


def by_nm(name: str, profile: str) -> Way:
    """A way by a profile of NetworkManager."""
    up, down = (("nmcli", "--wait", "60", "connection", verb, profile) for verb in ("up", "down"))
    return Way(name, up, down, "ppp0")


CONNECT, DISCONNECT = (
    ("busctl", "--timeout=60", "call", *lab.BUS, method, "s", "work") for method in ("Connect", "Disconnect")
)
OURS = Way("pptp-manager", CONNECT, DISCONNECT, "pptp-work")
OURS_SYSTEMD = Way(
    "pptp-manager, systemctl", ("systemctl", "start", "pptp@work"), ("systemctl", "stop", "pptp@work"), "pptp-work"
)
PON = by_pon("pon, ip-up.d", "lab")
RCD = Way(
    "rc.d",
    ("sh", "-c", f"pon rcd updetach persist && ip route add {NETWORK} dev ppp0"),
    ("poff", "rcd"),
    "ppp0",
)
WAYS = {
    "ours": OURS,
    "ours-systemd": OURS_SYSTEMD,
    "pon": PON,
    "expert": by_pon("pon, expert", "expert"),
    "rcd": RCD,
    "nm": by_nm("NetworkManager", "vpn"),
    "nm-persistent": by_nm("NM, persistent", "vpn-persistent"),
}
NM_WAYS = (WAYS["nm"], WAYS["nm-persistent"])


@contextlib.contextmanager
def configured(ways: Sequence[Way], networks: Sequence[str] = (NETWORK,)) -> Iterator[None]:
    """Have everything that these ways need, and remove it. networks: what each is to have a route to."""
    with pon_configured(networks), contextlib.ExitStack() as stack:
        if set(ways) & set(NM_WAYS):
            stack.enter_context(nm_configured(networks))
        lab.configure({"work": lab.ALICE}, routes=list(networks))
        stack.callback(lab.configure, {})
        yield


def running(way: Way) -> contextlib.AbstractContextManager[None]:
    """Have what must run before the way can connect."""
    return nm_running() if way in NM_WAYS else contextlib.nullcontext()


def dial(way: Way) -> None:
    """Connect; returns when the command does."""
    # Not by a pipe: pppd keeps what it is started with.
    subprocess.run(way.connect, check=True, timeout=90, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def hang_up(way: Way) -> None:
    """Disconnect; returns when no process of it is left."""
    lab.run(*way.disconnect)
    forgotten(way)


def forgotten(way: Way) -> None:
    """Return when the way, which was told to hang up, has no process any more."""
    lab.wait_for(lambda: not lab.server_sessions(), f"{way.name} has hung up")
    # pon's pppd waits 5 s for the shell around pptp. Nobody measures that, so it need not be waited for.
    for pid in (pid for name, pids in lab.clients().items() if name != "pppd" for pid in pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    lab.wait_for(lambda: not lab.clients(), f"{way.name} has ended")


def nothing_left(way: Way, untouched: str) -> None:
    """Fail when routes, rules or addresses are not what they were before the way connected, untouched.

    But for link-local addresses: NetworkManager gives the uplink another one, and the kernel tells of them late.
    """
    before, left = ([line for line in told.splitlines() if "fe80:" not in line] for told in (untouched, lab.routes()))
    changed = [line for line in difflib.ndiff(before, left) if line[0] in "+-"]
    assert not changed, f"{way.name} left this changed:\n" + "\n".join(changed)


# --- pon, poff ---


@contextlib.contextmanager
def pon_configured(networks: Sequence[str] = (NETWORK,)) -> Iterator[None]:
    """What one writes for pon: peers with Debian's options.pptp, their secret, and a script that adds the routes.

    The peers: lab, whose script adds each route by a command; expert, whose script adds them by one command, and who
    says more of when to dial again; rcd, whose routes are added by whoever runs pon.
    """
    peers = {"lab": "", "expert": EXPERT, "rcd": ""}
    script = {"lab": each_added(networks), "expert": all_added(networks)}
    with pon_files({name: (lab.SERVER, more) for name, more in peers.items()}, script):
        yield


@contextlib.contextmanager
def pon_files(peers: Mapping[str, tuple[str, str]], script: Mapping[str, str]) -> Iterator[None]:
    """Have these peers, by name: the server and further options; and what the script in ip-up.d does for which."""
    before = SECRETS.read_text()
    write_pon(peers, script)
    try:
        yield
    finally:
        for name in peers:
            (PEERS / name).unlink()
        SCRIPT.unlink()
        SECRETS.write_text(before)


def write_pon(peers: Mapping[str, tuple[str, str]], script: Mapping[str, str]) -> None:
    """Write what pon_files() has there, for a guest that ends with it."""
    PEERS.mkdir(exist_ok=True)
    for name, (server, more) in peers.items():
        (PEERS / name).write_text(
            f'pty "pptp {server} --nolaunchpppd --nohostroute"\nname alice\nremotename PPTP\n'
            f"require-mppe-128\nfile /etc/ppp/options.pptp\nipparam {name}\n{more}"
        )
    SECRETS.write_text(SECRETS.read_text() + "alice PPTP secret *\n")
    SECRETS.chmod(0o600)
    # Each peer has its own part, by pppd's ipparam.
    SCRIPT.write_text(
        '#!/bin/bash\ncase "$6" in\n' + "".join(f"{name})\n{text}\t;;\n" for name, text in script.items()) + "esac\n"
    )
    SCRIPT.chmod(0o755)


def each_added(networks: Sequence[str]) -> str:
    """A part of the script: each route by a command."""
    return "".join(f'\tip route add {network} dev "$1"\n' for network in networks)


def all_added(networks: Sequence[str]) -> str:
    """A part of the script: all routes by one command."""
    batch = "".join(f"route add {network} dev $1\n" for network in networks)
    return f"\tip -batch - <<END\n{batch}END\n"


# --- NetworkManager ---


@contextlib.contextmanager
def nm_unmasked(text: str) -> Iterator[None]:
    """NetworkManager runs with that configuration; it is masked, since nobody else in the lab wants it."""
    NM_DROP_IN.parent.mkdir(parents=True)
    # Where /sys cannot be written NetworkManager takes itself to be in a container and does not wait for udev,
    # which the lab has not.
    NM_DROP_IN.write_text("[Service]\nReadOnlyPaths=/sys\n")
    NM_CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    NM_CONFIGURATION.write_text(text)
    NM_UNIT.unlink()
    lab.out("systemctl", "daemon-reload")
    try:
        lab.out("systemctl", "start", "NetworkManager")
        yield
    finally:
        lab.out("systemctl", "stop", "NetworkManager")
        NM_UNIT.symlink_to("/dev/null")
        NM_DROP_IN.unlink()
        NM_DROP_IN.parent.rmdir()
        NM_CONFIGURATION.unlink()
        lab.out("systemctl", "daemon-reload")


@contextlib.contextmanager
def nm_configured(networks: Sequence[str] = (NETWORK,)) -> Iterator[None]:
    """NetworkManager with profiles for the uplink and the two ways; not running."""
    names = {way.connect[-1]: way is WAYS["nm-persistent"] for way in NM_WAYS}
    with nm_files({name: vpn(lab.SERVER, networks, persistent=persistent) for name, persistent in names.items()}):
        yield


@contextlib.contextmanager
def nm_files(profiles: Mapping[str, Sequence[str]], unmanaged: str = "") -> Iterator[None]:
    """NetworkManager with these profiles, as vpn() has them, and one for the uplink; not running.

    unmanaged: a pattern of interfaces' names that it is to leave alone.
    """
    text = "[main]\nplugins=keyfile\ndns=none\nno-auto-default=*\n"
    text += f"[device-others]\nmatch-device=interface-name:{unmanaged}\nmanaged=0\n" if unmanaged else ""
    try:
        with nm_unmasked(text):
            add = ("nmcli", "connection", "add", "autoconnect", "no")
            # It dials a persistent VPN again only where it has the default route made.
            uplink = ("ipv4.method", "manual", "ipv4.addresses", "192.0.2.2/24", "ipv4.gateway", "192.0.2.1")
            lab.out(
                *add, "type", "ethernet", "con-name", "uplink", "ifname", "uplink", "ipv6.method", "ignore", *uplink
            )
            for name, words in profiles.items():
                lab.out(*add, "type", "vpn", "vpn-type", "pptp", "con-name", name, "ifname", "*", *words)
            lab.out("systemctl", "stop", "NetworkManager")
            yield
    finally:
        for profile in ("uplink", *profiles):
            (NM_PROFILES / f"{profile}.nmconnection").unlink(missing_ok=True)


def vpn(server: str, networks: Sequence[str], *, persistent: bool) -> tuple[str, ...]:
    """What nmcli is told of a profile for a tunnel."""
    split = ("ipv4.routes", ",".join(networks), "ipv4.never-default", "yes")
    data = f"gateway={server},{NM_DATA}"
    return (
        *split,
        "vpn.persistent",
        "yes" if persistent else "no",
        "vpn.data",
        data,
        "vpn.secrets",
        "password=secret",
    )


@contextlib.contextmanager
def nm_running() -> Iterator[None]:
    """NetworkManager runs and has the uplink, for its own trials only: it takes part in whatever there is."""
    lab.out("systemctl", "start", "NetworkManager")
    try:
        lab.out("nm-online", "--wait-for-startup", "--quiet")
        lab.out("nmcli", "connection", "up", "uplink")
        yield
    finally:
        lab.out("systemctl", "stop", "NetworkManager")
        # As lab-network made it. With it goes pptp's route to the server, which pptp leaves behind.
        lab.out("ip", "-4", "address", "flush", "dev", "uplink")
        lab.out("ip", "address", "add", "192.0.2.2/24", "dev", "uplink")
        lab.out("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "uplink")
