"""The reason of each fault that a real server, kernel or machine can have. test_scripted.py has the rest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import commands as lab
import pytest

TCP = ["u32", "match", "ip", "protocol", "6", "0xff", "match", "ip", "dport", "1723", "0xffff"]
MODPROBE = Path("/etc/modprobe.d/lab.conf")
PPP_OPTIONS = Path("/etc/ppp/options")
Fault = Callable[[], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def server(*variants: str) -> Iterator[None]:
    """Have these servers, and not the main one unless it is named."""
    if "main" not in variants:
        lab.out("systemctl", "stop", "lab-pptpd@main")
    for variant in variants:
        lab.out("systemctl", "start", f"lab-pptpd@{variant}")
    try:
        yield
    finally:
        for variant in {*variants} - {"main"}:
            lab.out("systemctl", "stop", f"lab-pptpd@{variant}")
        lab.out("systemctl", "start", "lab-pptpd@main")


@contextlib.contextmanager
def nothing() -> Iterator[None]:
    """The configuration is the fault."""
    yield


@contextlib.contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    """Have that text at the end of the file."""
    before = path.read_text() if path.exists() else None
    path.write_text((before or "") + text)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)


@contextlib.contextmanager
def moved(path: str) -> Iterator[None]:
    """Have the file away."""
    lab.out("mv", path, f"{path}.away")
    try:
        yield
    finally:
        lab.out("mv", f"{path}.away", path)


@contextlib.contextmanager
def without_module(name: str) -> Iterator[None]:
    """Have the kernel's module removed, and nobody to load it."""
    with written(MODPROBE, f"install {name} /bin/false\n"):
        lab.out("modprobe", "-r", name)
        yield
    lab.out("modprobe", name)


@contextlib.contextmanager
def command(do: str, undo: str) -> Iterator[None]:
    """What a shell does and undoes."""
    lab.out("sh", "-c", do)
    try:
        yield
    finally:
        lab.out("sh", "-c", undo)


@contextlib.contextmanager
def restricted(*lines: str) -> Iterator[None]:
    """Have the tunnel's unit run with these settings as well."""
    path = Path("/run/systemd/system/pptp@.service.d/lab.conf")
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(("[Service]", *lines)) + "\n")
    lab.out("systemctl", "daemon-reload")
    try:
        yield
    finally:
        path.unlink()
        path.parent.rmdir()
        lab.out("systemctl", "daemon-reload")


@contextlib.contextmanager
def names_from_hosts_only() -> Iterator[None]:
    """Nobody can be asked for a name that is not in /etc/hosts, so it does not exist."""
    path = Path("/etc/nsswitch.conf")
    before = path.read_text()
    path.write_text("hosts: files\n")
    lab.out("systemctl", "restart", "pptp-manager")  # the C library reads it once
    try:
        yield
    finally:
        path.write_text(before)
        lab.out("systemctl", "restart", "pptp-manager")


CARRIER = ("ip -n router link set client down", "ip -n router link set client up")
TAKEN = ("ip link add pptp-work type dummy", "ip link delete pptp-work")
UNROUTED = ("ip route add unreachable 203.0.113.1", "ip route delete unreachable 203.0.113.1")
NO_MS_CHAP_2 = {"refuse-mschap-v2": True, "refuse-mschap": False}


@pytest.mark.parametrize(
    ("fault", "keys", "reason"),
    [
        (lambda: server(), {}, "tcp-refused"),
        (lambda: lab.drop(TCP), {"connect-timeout": 5}, "tcp-silent"),
        (lambda: lab.drop(lab.GRE), {"connect-timeout": 6}, "gre-blocked"),
        (nothing, {"password": "wrong"}, "wrong-password"),
        (nothing, {"username": "mallory"}, "wrong-password"),
        (nothing, {**NO_MS_CHAP_2, "mppe": "off"}, "auth-protocol-refused"),
        (nothing, NO_MS_CHAP_2, "mppe-without-ms-chap"),
        (lambda: server("nomppe"), {"server": "203.0.113.2"}, "mppe-refused"),
        (lambda: without_module("ppp_mppe"), {}, "mppe-missing"),
        (lambda: moved("/dev/ppp"), {}, "ppp-device-missing"),
        (lambda: written(PPP_OPTIONS, "\nnonsense-of-the-lab\n"), {}, "option-error"),
        (lambda: moved("/usr/sbin/pptp"), {}, "pptp-missing"),
        (lambda: moved("/usr/sbin/pppd"), {}, "pppd-missing"),
        (lambda: moved("/usr/lib/pptp-manager/pptp-unit"), {}, "unit-broken"),
        (lambda: restricted("CapabilityBoundingSet=~CAP_NET_RAW"), {}, "not-root"),
        (lambda: restricted("CapabilityBoundingSet=~CAP_NET_ADMIN"), {}, "ppp-forbidden"),
        (lambda: restricted("ReadOnlyPaths=/run/pptp"), {}, "socket-directory"),
        (lambda: without_module("ppp_async"), {}, "ppp-missing"),
        (nothing, {"server": "nowhere.example"}, "name-server-silent"),
        (names_from_hosts_only, {"server": "nowhere.example"}, "name-not-found"),
        (nothing, {"server": "192.0.2.77"}, "host-unreachable"),
        (lambda: command(*CARRIER), {"connect-timeout": 5}, "no-route"),
        (lambda: command(*UNROUTED), {"connect-timeout": 5}, "no-route"),
        (lab.offline, {"connect-timeout": 5}, "no-network"),
        (lambda: command(*TAKEN), {}, "interface-taken"),
    ],
)
def test_a_connect_that_fails(fault: Fault, keys: dict[str, Any], reason: str) -> None:
    with fault():
        lab.configure({"work": {**lab.ALICE, **keys}})
        since = time.time()
        done = lab.run("busctl", "--timeout=60", "-q", "call", *lab.BUS, "Connect", "s", "work")
        check(reason, since, done.stderr)
        lab.systemctl("stop", "pptp@work")


def check(reason: str, since: float, said: str = "") -> None:
    """That reason is on D-Bus, in the journal by its field, in the status while it is down, and in said."""
    # Since then: a tunnel that the configuration has again a moment later is still the same one.
    lab.wait_for(lambda: lab.last_error("work", since)[0] == reason, reason)
    _, sentence, advice = lab.last_error("work")
    if said:
        assert f"tunnel 'work': {sentence}" in said and advice in said
    fields = ("PPTP_TUNNEL=work", f"PPTP_REASON={reason}")
    journal = ("journalctl", "-q", "-o", "cat", f"--since=@{since:.6f}", *fields)
    lab.wait_for(lambda: sentence in lab.out(*journal), "the journal has it by its fields")
    lab.wait_for(
        lambda: lab.active("work") == "active" or any(text in lab.status("work") for text in (sentence, NETWORK)),
        "systemctl status tells why",  # while it pauses, which the first attempts of a slow machine leave no time for
        120,
    )


NETWORK = "Waiting for the network: "


def test_a_pool_that_is_used_up() -> None:
    conf = Path("/etc/lab/pptpd/single")
    lab.out("cp", "-r", "/etc/lab/pptpd/main", str(conf))
    text = (conf / "pptpd.conf").read_text()
    (conf / "pptpd.conf").write_text(
        text.replace("10.9.0.100-200", "10.9.0.100").replace("203.0.113.1", "203.0.113.3")
    )
    tunnel = {**lab.ALICE, "server": "203.0.113.3", "routes": []}
    with server("single"):
        lab.configure({"first": tunnel, "work": tunnel})
        assert lab.systemctl("start", "pptp@first") == 0
        since = time.time()
        done = lab.call("Connect", "work")
        print(done.stderr)
        check("control-lost", since, done.stderr)
    lab.out("rm", "-r", str(conf))


@pytest.fixture
def tracked() -> Iterator[None]:
    """Connections are tracked, by tc since there is no nftables here, and without the helper for PPTP."""
    lab.out("modprobe", "-r", "nf_nat_pptp", "nf_conntrack_pptp")
    with command(
        "tc qdisc add dev lo clsact; tc filter add dev lo egress matchall action ct commit; ping -qc 1 127.0.0.1",
        "tc qdisc delete dev lo clsact",
    ):
        yield


def test_a_firewall_here_that_does_not_know_pptp(tracked: None) -> None:
    assert int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()) > 0
    with lab.drop(lab.GRE):
        lab.configure({"work": {**lab.ALICE, "connect-timeout": 6}})
        since = time.time()
        done = lab.call("Connect", "work")
        check("gre-untracked", since, done.stderr)
        assert "modprobe nf_conntrack_pptp" in done.stderr
        lab.systemctl("stop", "pptp@work")


@pytest.mark.parametrize(
    ("kill", "signal", "reason"),
    [
        ("pppd", "KILL", "killed"),
        ("pppd", "SEGV", "crashed"),
        ("pppd", "STOP", "pppd-hangs"),
        ("pptpgw", "KILL", "pptp-killed"),
        ("pptpcm", "KILL", "pptp-killed"),
    ],
)
def test_a_process_that_is_killed(kill: str, signal: str, reason: str) -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    lab.wait_for(watched, "the manager to watch the call manager, a moment after the start")
    since = time.time()
    lab.out("kill", f"-{signal}", *map(str, lab.clients()[kill]))
    check(reason, since)
    lab.wait_for(lambda: lab.active("work") == "active" and lab.passes(), "up again", 60)


def watched() -> bool:
    """Whether the manager has a pidfd of the call manager; see proc(5) on fdinfo."""
    words = {f"Pid:\t{pid}" for pid in lab.clients().get("pptpcm", [])}
    for descriptor in Path(f"/proc/{lab.manager_pid()}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if words & set(descriptor.read_text().splitlines()):
                return True
    return False


def test_a_session_that_the_server_ends() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    since = time.time()
    lab.out("kill", *map(str, lab.server_sessions()))
    check("peer-hung-up", since)


def test_a_peer_that_falls_silent() -> None:
    lab.configure({"work": {**lab.ALICE, "lcp-echo-interval": 1, "lcp-echo-failure": 3}})
    assert lab.systemctl("start", "pptp@work") == 0
    since = time.time()
    with lab.drop(["matchall"]):
        check("peer-dead", since)
        lab.wait_for(lambda: "to accept connections" in lab.shown("work"), "it waits for the server")
    lab.out("systemctl", "restart", "lab-pptpd@main")  # the server may not have heard of the end


def test_an_interface_that_is_emptied_from_outside() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    since = time.time()
    lab.out("ip", "address", "flush", "dev", "pptp-work")
    check("link-taken-down", since)


@pytest.mark.parametrize(
    ("option", "reason"),
    [("idle 3", "idle-time"), ("maxconnect 3", "connect-time"), ("maxoctets 200", "traffic-limit")],
)
def test_a_limit_of_pppds_own(option: str, reason: str) -> None:
    lab.configure({"work": {**lab.ALICE, "pppd-options": [option]}})
    assert lab.systemctl("start", "pptp@work") == 0
    since = time.time()
    if reason == "traffic-limit":
        lab.run("ping", "-c", "3", "-i", "0.2", lab.INSIDE)
    check(reason, since)


def test_a_router_that_does_not_let_large_packets_pass() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    since = time.time()
    with command("ip -n router link set server mtu 600", "ip -n router link set server mtu 1500"):
        lab.run("ping", "-c", "2", "-s", "1000", "-i", "0.5", "-W", "1", lab.INSIDE)
        check("gre-too-large", since)
    lab.out("ip", "route", "flush", "cache")
