"""`pptpctl doctor` where each of the things that it looks at is broken for real, and where nothing is."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands as lab
import pytest
from scripted import scripted
from test_reasons import (
    MODPROBE,
    PPP_OPTIONS,
    TCP,
    UNROUTED,
    Fault,
    command,
    moved,
    names_from_hosts_only,
    nothing,
    restricted,
    server,
    tracked,
    without_module,
    written,
)

__all__ = ["tracked"]  # a fixture

PATIENT = {"persist": False, "connect-timeout": 6}
MODULES = f"/lib/modules/{os.uname().release}"
RESOLV = Path("/etc/resolv.conf")
PASSWORD = Path("/etc/pptp-work.password")
SCRIPTED = "203.0.113.5"
UNSEEN = {
    ("kernel", "unknown", "/dev/ppp is there; whether it can be opened: not looked at: needs root"),
    ("gre", "unknown", f"whether GRE comes back from {lab.SERVER}: not looked at: needs root"),
    ("firewall", "unknown", "the rules of this machine's firewall: not looked at: needs root"),
}


def test_a_machine_that_is_well() -> None:
    """With a tunnel that is down, with one that is up beside it, and for everybody."""
    lab.configure({"work": lab.ALICE, "named": {**lab.ALICE, "server": "vpn.example.com"}})
    status, found = lab.doctor()
    assert (status, lab.amiss(found)) == (0, [])
    texts = {told["finding"] for told in found}
    assert {
        f"vpn.example.com is {lab.SERVER}.",
        f"GRE goes to {lab.SERVER} and comes back.",
        f"{lab.SERVER} speaks PPTP: vendor 'linux', host name 'local', firmware 1.",
    } <= texts
    lab.wait_for(lambda: not lab.server_sessions(), "nothing is left of the call at the server")
    status, found = lab.doctor("work", user="nobody")
    assert (status, set(lab.amiss(found))) == (0, UNSEEN)
    assert lab.systemctl("start", "pptp@work") == 0
    with lab.pinging():
        status, found = lab.doctor()
    assert (status, lab.amiss(found)) == (0, [])
    ways = [told["finding"] for told in found if told["tunnel"] == "named" and told["check"] == "gre"]
    assert ways == [f"The tunnel work is up through {lab.SERVER}."]
    assert lab.run("pptpctl", "doctor", "nowhere").returncode == 3


@contextlib.contextmanager
def mode(path: Path, value: int) -> Iterator[None]:
    """Have the file with that mode."""
    before = path.stat().st_mode & 0o7777
    path.chmod(value)
    try:
        yield
    finally:
        path.chmod(before)


@contextlib.contextmanager
def upgraded() -> Iterator[None]:
    """Have the modules away as after an upgrade of the kernel, one of them not loaded."""
    lab.run("modprobe", "-r", "ppp_mppe")
    with moved(MODULES):
        yield


@contextlib.contextmanager
def another_client() -> Iterator[None]:
    """Somebody has a call to the server by hand."""
    words = ["pptp", lab.SERVER, "--nolaunchpppd", "--nohostroute"]
    ours, terminal = pty.openpty()
    with subprocess.Popen(words, stdin=terminal) as process:
        try:
            lab.wait_for(lambda: lab.clients().get("pptpgw"), "its call")
            yield
        finally:
            process.kill()
            lab.run("kill", *map(str, lab.clients().get("pptpcm", [])))
            os.close(ours)
            os.close(terminal)


@contextlib.contextmanager
def resolv_conf(text: str) -> Iterator[None]:
    before = RESOLV.read_text()
    RESOLV.write_text(text)
    try:
        yield
    finally:
        RESOLV.write_text(before)


@contextlib.contextmanager
def masked(unit: str) -> Iterator[None]:
    with command(f"systemctl mask --runtime {unit}", f"systemctl unmask --runtime {unit}"):
        yield


@contextlib.contextmanager
def without_manager() -> Iterator[None]:
    with command("systemctl stop pptp-manager", "systemctl start pptp-manager"):
        yield


@contextlib.contextmanager
def password_file(mode: int) -> Iterator[None]:
    PASSWORD.write_text("secret")
    PASSWORD.chmod(mode)
    yield
    PASSWORD.unlink()


SMALL = f"ip route add {lab.SERVER} via 192.0.2.1 mtu 1400", f"ip route delete {lab.SERVER}"
FROM_FILE = {"password": None, "password-file": str(PASSWORD)}


KERNEL = os.uname().release
LAB_CONF = "/run/systemd/system/pptp@.service.d/lab.conf"
ROOM = f"The tunnel's MTU is 1456, and on the way there is room for {1400 - 44}."


@pytest.mark.parametrize(
    ("fault", "keys", "check", "finding"),
    [
        (lambda: moved("/usr/sbin/pppd"), {}, "programs", "pppd is not installed."),
        (lambda: moved("/usr/sbin/pptp"), {}, "programs", "The program pptp is not installed."),
        (lambda: moved("/usr/sbin/nft"), {"clamp-mss": True}, "programs", "The program nft is not installed."),
        (lambda: moved("/dev/ppp"), {}, "kernel", "There is no /dev/ppp."),
        (
            *(lambda: without_module("ppp_async"), {}, "kernel"),
            f"The module ppp_async may not be loaded: {MODPROBE}:1 bars it.",
        ),
        (
            *(upgraded, {}, "kernel"),
            f"There are no modules for the kernel that runs, {KERNEL}, and ppp_mppe is not loaded.",
        ),
        (
            *(lambda: mode(lab.CONFIGURATION, 0o644), {}, "permissions"),
            f"{lab.CONFIGURATION} has mode 0644, so others can use it.",
        ),
        (
            *(lambda: mode(Path("/etc/ppp"), 0o777), {}, "permissions"),
            "/etc/ppp has mode 0777, so others than root can change it.",
        ),
        (without_manager, {}, "manager", "pptp-manager does not run."),
        (lambda: masked("pptp@work"), {}, "unit", "pptp@work.service is masked."),
        (
            *(lambda: restricted("CapabilityBoundingSet=~CAP_NET_RAW"), {}, "unit"),
            "pptp@work.service lacks CAP_NET_RAW.",
        ),
        (
            *(lambda: restricted("ExecStart=", "ExecStart=/bin/sleep 1"), {}, "unit"),
            f"{LAB_CONF}:2 changes ExecStart= of pptp@work.service.",
        ),
        (
            *(lambda: password_file(0o644), FROM_FILE, "password"),
            f"The file with the password cannot be used. ({PASSWORD} has mode 0644, so others can use it; "
            f"run: chmod 600 {PASSWORD})",
        ),
        (
            *(nothing, {"server": "nowhere.example"}, "name"),
            "The server's name could not be looked up. (nowhere.example)",
        ),
        (
            *(names_from_hosts_only, {"server": "nowhere.example"}, "name"),
            "The server's name does not exist, or has no IPv4 address. (nowhere.example)",
        ),
        (lambda: server(), {}, "tcp", "The server refuses connections to TCP port 1723."),
        (lambda: lab.drop(TCP), {}, "tcp", "The server does not answer on TCP port 1723."),
        (lambda: command(*UNROUTED), {}, "tcp", "The server's host cannot be reached."),
        (lambda: lab.drop(lab.GRE), {}, "gre", "The call is set up, but no GRE packet comes back from the server."),
        (lambda: command(*SMALL), {"mtu": 1456}, "mtu", ROOM),
        (
            *(lambda: resolv_conf("nameserver 127.0.0.53\n"), {}, "resolver"),
            "/etc/resolv.conf names systemd-resolved, which does not run.",
        ),
    ],
)
def test_what_is_broken_is_named(fault: Fault, keys: dict[str, Any], check: str, finding: str) -> None:
    tunnel = {key: value for key, value in {**lab.ALICE, **keys}.items() if value is not None}
    lab.configure({"work": tunnel})
    with fault():
        status, found = lab.doctor("work")
    result = "warning" if check == "mtu" else "problem"  # large packets are lost, small ones not
    assert (check, result, finding) in lab.amiss(found)
    assert status == (1 if result == "problem" else 0)


def test_another_call_to_the_same_server() -> None:
    lab.configure({"work": lab.ALICE})
    with another_client():
        _, found = lab.doctor("work")
    (clash, *_) = [finding for check, _, finding in lab.amiss(found) if check == "clashes"]
    assert clash.startswith(f"Another program has a call to {lab.SERVER}: pptp")


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (
            {"start_reply": "garbage:SSH-2.0-OpenSSH"},
            (
                "control",
                "problem",
                "The server accepts TCP port 1723 but does not speak PPTP. (it sent b'SSH-2.0-OpenSSH')",
            ),
        ),
        (
            {"start_reply": {"result": 4}},
            ("control", "problem", "The server does not let this machine connect. (result code 4, error code 0)"),
        ),
        (
            {"call_reply": {"result": 4}},
            ("control", "problem", "The server is busy. (result code 4, error code 0, cause code 0)"),
        ),
        (
            {"gre": "closed"},
            ("gre", "problem", "The server or a router before it refuses GRE packets. (Protocol not available)"),
        ),
    ],
)
def test_a_server_that_is_no_good(plan: dict[str, Any], expected: tuple[str, str, str]) -> None:
    lab.configure({"work": {**lab.ALICE, "server": SCRIPTED}})
    with scripted(plan, SCRIPTED):
        status, found = lab.doctor()
    assert (status, lab.amiss(found)) == (1, [expected])


def test_after_a_failure_its_reason_is_told() -> None:
    lab.configure({"work": {**lab.ALICE, "password": "wrong", **PATIENT}})
    lab.call("Connect", "work")
    status, found = lab.doctor(user="nobody")
    assert status == 1
    sentence = "The last attempt failed (wrong-password): The server refuses the user name or the password."
    (last,) = [told for told in found if told["check"] == "last-error"]
    assert last["result"] == "problem" and last["finding"].startswith(sentence)
    assert "Check 'username:'" in last["meaning"] and last["command"] == "pptpctl logs work"


def test_without_a_manager_the_file_is_read() -> None:
    """By root; others are told that they cannot."""
    lab.configure({"work": lab.ALICE})
    with without_manager():
        status, found = lab.doctor()
        assert status == 1 and lab.amiss(found) == [("manager", "problem", "pptp-manager does not run.")]
        assert f"GRE goes to {lab.SERVER} and comes back." in {one["finding"] for one in found}
        assert lab.systemctl("is-active", "-q", "pptp-manager") != 0, "it is not started for that"
        _, found = lab.doctor("work", user="nobody")
        missing = f"the tunnel in {lab.CONFIGURATION}: not looked at: needs root"
        assert ("configuration", "unknown", missing) in lab.amiss(found)


def test_mistakes_in_the_file_are_told_where_they_are() -> None:
    lab.configure({"work": lab.ALICE})
    lab.write({"work": {**lab.ALICE, "mtu": 70000}})
    status, found = lab.doctor()
    ((check, result, finding),) = lab.amiss(found)
    assert (status, check, result) == (1, "configuration", "problem")
    assert finding.startswith(f"{lab.CONFIGURATION}:") and "tunnels.work.mtu" in finding


# Of the table in doctor/sysoptions.py; what is not told of is to do no harm.
@pytest.mark.parametrize("line", ["sync", "noccp", ":10.1.2.4", "nonsense"])
def test_a_line_for_all_tunnels_that_breaks_them(line: str) -> None:
    lab.configure({"work": {**lab.ALICE, **PATIENT}})
    with written(PPP_OPTIONS, f"\n{line}\n"):
        status, found = lab.doctor()
        assert status == 1 and [(check, result) for check, result, _ in lab.amiss(found)] == [
            ("ppp-options", "problem")
        ]
        assert lab.call("Connect", "work").returncode != 0
        lab.systemctl("stop", "pptp@work")
        # The command mends it.
        lab.out("sh", "-c", next(told["command"] for told in found if told["result"] == "problem"))
        assert lab.call("Connect", "work").returncode == 0
        assert lab.amiss(lab.doctor()[1]) == []


def test_lines_that_break_nothing() -> None:
    lab.configure({"work": {**lab.ALICE, **PATIENT}})
    lines = ("auth", "require-pap", "user bob", "name bob", "password wrong", "remotename x", "mtu 1300", "pty cat")
    more = (
        "persist",
        "defaultroute",
        "usepeerdns",
        "nomppe",
        "logfile /tmp/x",
        "silent",
        "lcp-echo-interval 1",
        "115200",
    )
    with written(PPP_OPTIONS, "\n" + "\n".join((*lines, *more)) + "\n"):
        assert lab.doctor()[0] == 0 and lab.amiss(lab.doctor()[1]) == []
        assert lab.call("Connect", "work").returncode == 0 and lab.passes()


def test_a_firewall_that_does_not_know_pptp(tracked: None) -> None:
    """The last test: the connections stay in the table for a while."""
    lab.configure({"work": lab.ALICE})
    with lab.drop(lab.GRE):
        status, found = lab.doctor()
    checks = [(check, result) for check, result, _ in lab.amiss(found)]
    assert status == 1 and checks == [("gre", "problem"), ("conntrack", "warning")]
    assert "modprobe nf_conntrack_pptp" in found[-2]["command"]
