"""What the processes can no longer do: probe.py in the sandbox of each unit, and the real processes beside it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import commands as lab
import probe
import pytest

PROBE = ["/usr/bin/python3", probe.__file__]
NET_ADMIN, NET_RAW, SYS_MODULE = 1 << 12, 1 << 13, 1 << 16  # linux/capability.h
PAGE = Path(__file__).parents[2].joinpath("docs/sandbox.md").read_text()
MOST = {"pptp-manager": 2.0, "pptp@work": 4.0, "pptp-guard": 1.5, "pptp-modules": 2.0}  # in the page's order
# Of all that the probe tries, what is as it would be without a sandbox.
COMMON = {"open /dev/null", "AF_UNIX", "AF_NETLINK"}
INTERNET = {"AF_INET", "AF_INET6"}
FREE = {
    "pptp-manager": COMMON
    | INTERNET
    | {"create in /run/pptp-manager", "open /dev/ptmx"}
    # Its own ones: those of others are not seen there.
    | {"create in /tmp", "create in /var/tmp"},
    "pptp@work": COMMON
    | INTERNET
    | {"raw socket", "open /dev/ppp", "open /dev/ptmx"}
    | {"create in /run", "create in /tmp", "create in /var/tmp"}
    | {"write /etc/ppp/resolv.conf", "write /proc/sys/net/ipv4/ip_forward"},
    "pptp-guard": {"open /dev/null", "open /dev/ptmx", "AF_NETLINK", "see /tmp"},
    "pptp-modules": {"open /dev/null", "open /dev/ptmx", "see /tmp"}
    # What it is there for.
    | {"load a module", "unload a module", "see /usr/lib/modules"},
}
# systemd 252 has the empty folders of ProtectHome=tmpfs writable, though nothing in them lasts; 257 has the links'
# settings in /sys writable, which are CAP_NET_ADMIN's.
NEW = 257
MORE_FREE_BEFORE = {"pptp@work": {"create in /home", "create in /root"}}
MORE_FREE_SINCE = {unit: {"write /sys/class/net/uplink/mtu"} for unit in FREE if unit != "pptp-modules"}  # no network
CAPABILITIES = {
    "pptp-manager": NET_ADMIN,
    "pptp@work": NET_ADMIN | NET_RAW,
    "pptp-guard": NET_ADMIN,
    "pptp-modules": SYS_MODULE,
}
DENIALS = {"EPERM", "EACCES", "EROFS", "ENOENT", "EAFNOSUPPORT"}
# Where this kernel has nothing to open, another error than a sandbox's.
WITHOUT = {
    "load a module": "ENOEXEC",
    "unload a module": "ENOENT",
    "load a BPF program": "EINVAL",
    "mount": "ENODEV",
    "swap": "ENOENT",
    "set the clock": "EINVAL",
}


@pytest.fixture(scope="module")
def bait() -> Iterator[None]:
    """What the probe looks for, and a process of another user."""
    folder = Path(probe.LAB)
    folder.mkdir()
    (folder / "file").touch()
    (folder / "other").touch(mode=0o600)
    os.chown(folder / "other", 65534, 65534)
    lab.out("modprobe", "loop")
    os.mknod("/dev/lab-disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    for path in ("/home/lab/probe", "/root/lab-probe", "/tmp/lab-probe"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    victim = subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "infinity"])
    lab.wait_for(lambda: (Path(f"/proc/{victim.pid}").stat().st_uid) == 65534, "a process of another user")
    (folder / "victim").write_text(str(victim.pid))
    yield
    victim.kill()
    victim.wait()
    lab.out("rm", "-r", probe.LAB, "/home/lab", "/root/lab-probe", "/tmp/lab-probe", "/dev/lab-disk")


@contextlib.contextmanager
def drop_in(unit: str, text: str) -> Iterator[None]:
    """The unit has this drop-in."""
    folder = Path(f"/run/systemd/system/{unit}.service.d")
    folder.mkdir(parents=True)
    (folder / "lab.conf").write_text(text)
    lab.out("systemctl", "daemon-reload")
    try:
        yield
    finally:
        lab.out("rm", "-r", str(folder))
        lab.out("systemctl", "daemon-reload")


def probed(unit: str) -> dict[str, Any]:
    """What the probe finds as one of the unit's own processes, started by systemd as they are."""
    since = time.time()
    with drop_in(unit, f"[Service]\nExecStartPost={' '.join(PROBE)}\n"):
        lab.out("systemctl", "restart", f"{unit}.service")
        journal = ["journalctl", "-q", "-o", "cat", "-u", f"{unit}.service", f"--since=@{since:.6f}"]
        said = lab.wait_for(lambda: re.findall(r"^\{.*\}$", lab.out(*journal), re.MULTILINE), f"the probe in {unit}")
    found: dict[str, Any] = json.loads(said[0])
    return found


def free(tried: dict[str, str], control: dict[str, str]) -> set[str]:
    """What was tried and is as without a sandbox; all else has to be a sandbox's error."""
    denied = {name: what for name, what in tried.items() if what != control[name]}
    assert set(denied.values()) <= DENIALS, denied
    return set(tried) - set(denied)


def capabilities(status: dict[str, str]) -> dict[str, int]:
    return {name: int(value, 16) for name, value in status.items() if name.startswith("Cap")}


@pytest.fixture(scope="module")
def control(bait: None) -> dict[str, str]:
    """What the probe finds without a sandbox."""
    lab.configure({"work": lab.ALICE})
    lab.out("systemctl", "start", "pptp-modules")
    tried: dict[str, str] = json.loads(lab.out(*PROBE))["tried"]
    return tried


def test_without_a_sandbox_all_of_it_works(control: dict[str, str]) -> None:
    assert {name: what for name, what in control.items() if what != "ok"} == WITHOUT


@pytest.mark.parametrize("unit", list(FREE))
def test_all_else_is_refused(control: dict[str, str], unit: str) -> None:
    lab.configure({"work": lab.ALICE})
    found = probed(unit)
    caps = CAPABILITIES[unit]
    expected = {"CapInh": 0, "CapPrm": caps, "CapEff": caps, "CapBnd": caps, "CapAmb": 0}
    assert capabilities(found["status"]) == expected
    assert (found["status"]["NoNewPrivs"], found["status"]["Seccomp"]) == ("1", "2")
    since = int(lab.out("systemctl", "--version").split()[1]) >= NEW
    more = MORE_FREE_SINCE if since else MORE_FREE_BEFORE
    assert free(found["tried"], control) == FREE[unit] | more.get(unit, set())
    denied = {name: what for name, what in found["tried"].items() if what != control[name]}
    print(f"{unit}: " + ", ".join(f"{name}: {what}" for name, what in denied.items()))


def alike(pid: int, found: dict[str, Any], what: str) -> None:
    """The process has the sandbox that the probe was in."""
    assert probe.status(pid) == found["status"], what
    assert probe.mounts(pid) == found["mounts"], what


def test_the_real_processes_are_in_there(control: dict[str, str]) -> None:
    """The shell that asks whether to dial, pppd, pptp and its call manager; and the manager."""
    lab.configure({"work": lab.ALICE})
    found = probed("pptp@work")
    processes = {name: pid for name, pids in lab.clients().items() for pid in pids}
    assert set(processes) == {"pppd", "pptpgw", "pptpcm"}
    for name, pid in processes.items():
        alike(pid, found, name)
    with lab.offline():
        lab.systemctl("restart", "--no-block", "pptp@work")
        lab.wait_for(lambda: "Waiting for the network" in lab.status("work"), "it waits for the network")
        shell = int(lab.show("work", "MainPID"))
        assert Path(f"/proc/{shell}/comm").read_text() == "pptp-unit\n"
        alike(shell, found, "pptp-unit")
    lab.systemctl("stop", "pptp@work")
    manager = probed("pptp-manager")
    alike(lab.manager_pid(), manager, "manager")


SAID, UP, LOG = Path("/run/lab-script"), Path("/etc/ppp/ip-up.d/lab"), Path("/var/log/ppp-ipupdown.log")
WRITTEN = Path("/var/lib/lab-script")
PYTHON = "/usr/bin/python3 -c"
# What docs/sandbox.md has a line of a drop-in for, each as a shell command.
MORE = {
    "write": f"touch {WRITTEN}",
    "read": f"cat {probe.LAB}/other",
    "own": f"chown 65534 {SAID}",
    "signal": f"kill -0 $(cat {probe.LAB}/victim)",
    "user": "setpriv --reuid=65534 --regid=65534 --clear-groups true",
    "home": "cat /root/lab-probe",
    "clock": f"{PYTHON} 'import time; time.clock_settime(0, time.time())'",
    "packets": f"{PYTHON} 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
    "code": f"{PYTHON} 'import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)'",
    "tmp": "rm /tmp/lab-probe && touch /tmp/lab-probe",
}


@pytest.fixture
def ip_up_script(bait: None) -> Iterator[None]:
    """A script that notes what it could do."""
    tries = "".join(f"{what} >/dev/null 2>&1 && echo {name} >>{SAID}\n" for name, what in MORE.items())
    works = "sysctl -qw net.ipv4.conf.$PPP_IFACE.rp_filter=2 && systemctl is-active -q dbus && logger lab"
    UP.write_text(f"#!/bin/sh\n{works} && echo ok >>{SAID}\n{tries}echo end >>{SAID}\n")
    UP.chmod(0o755)
    LOG.touch()
    yield
    for path in (UP, SAID, LOG, WRITTEN):
        path.unlink(missing_ok=True)


def could_do() -> list[str]:
    """What the script could do at a dial."""
    SAID.unlink(missing_ok=True)
    assert lab.systemctl("restart", "pptp@work") == 0
    lab.wait_for(lambda: SAID.exists() and "end" in SAID.read_text(), "the script's end")
    return SAID.read_text().split()


def test_what_scripts_can_do_and_how_to_let_them_do_more(ip_up_script: None) -> None:
    """In /etc/ppp/ip-up.d, with the lines of docs/sandbox.md."""
    lab.configure({"work": lab.ALICE})
    assert could_do() == ["ok", "end"]
    assert "pptp-work" in LOG.read_text(), "Debian's ip-up could write its log"
    table = PAGE.partition("| a script that | needs these lines |\n")[2].partition("\n\n")[0]
    lines = [line.replace("FOLDER", str(WRITTEN.parent)) for line in re.findall(r"`(\w+=[^`]+)`", table)]
    with drop_in("pptp@work", "\n".join(["[Service]", *lines, ""])):
        assert could_do() == ["ok", *MORE, "end"]
        assert lab.passes()


def test_pppd_writes_the_servers_that_the_other_side_names() -> None:
    since = time.time()
    servers = Path("/etc/ppp/resolv.conf")
    lab.configure({"work": {**lab.ALICE, "dns": True}})
    assert lab.systemctl("start", "pptp@work") == 0
    assert "nameserver 192.168.10.1\n" in servers.read_text()
    assert stat.S_IMODE(servers.stat().st_mode) == 0o644
    for complaint in ("Failed to", "denied", "not permitted", "Read-only", "Couldn't", "Can't"):
        assert complaint not in lab.journal("work", since)


def loaded() -> set[str]:
    """The modules of PPP that the kernel has loaded."""
    return {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()} & {
        "ppp_generic",
        "ppp_async",
        "ppp_mppe",
    }


def modules_unit(verb: str) -> None:
    lab.out("systemctl", verb, "pptp-modules")


def unload() -> bool:
    """Unload what uses ppp_generic, and that; whether it is gone."""
    for module in ("ppp_mppe", "ppp_deflate", "bsd_comp", "ppp_synctty", "ppp_async", "ppp_generic"):
        lab.run("rmmod", module)
    return not loaded()


def test_the_modules_come_from_a_unit_of_their_own() -> None:
    """Also where the kernel loads no line discipline for a process without CAP_SYS_MODULE."""
    lab.configure({"work": lab.ALICE})
    lab.wait_for(lambda: not lab.server_sessions() and not lab.clients(), "no PPP")
    before = lab.out("sysctl", "-n", "dev.tty.ldisc_autoload").strip()
    lab.out("sysctl", "-qw", "dev.tty.ldisc_autoload=0")
    try:
        modules_unit("stop")
        lab.wait_for(unload, "the modules are unloaded")
        assert lab.systemctl("start", "pptp@work") == 0
        assert loaded() == {"ppp_generic", "ppp_async", "ppp_mppe"} and lab.passes()
    finally:
        lab.out("sysctl", "-qw", f"dev.tty.ldisc_autoload={before}")


@contextlib.contextmanager
def no_modules() -> Iterator[None]:
    """The kernel's modules are not there, as in a container or with PPP built in."""
    lab.out("mount", "-t", "tmpfs", "tmpfs", "/usr/lib/modules")
    try:
        yield
    finally:
        lab.out("umount", "/usr/lib/modules")


@contextlib.contextmanager
def no_modprobe() -> Iterator[None]:
    """kmod is not installed."""
    program = Path("/usr/sbin/modprobe")
    program.rename("/usr/sbin/modprobe.away")
    try:
        yield
    finally:
        Path("/usr/sbin/modprobe.away").rename(program)


@pytest.mark.parametrize("missing", [no_modules, no_modprobe])
def test_nothing_to_load_is_no_failure(missing: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
    since = time.time()
    with missing():
        modules_unit("restart")
        assert lab.run("systemctl", "is-active", "pptp-modules").stdout in ("active\n", "inactive\n")
    log = lab.out("journalctl", "-q", "-o", "json", "-u", "pptp-modules", f"--since=@{since:.6f}")
    lines = [json.loads(line) for line in log.splitlines()]
    assert (
        lines
        and [line["MESSAGE"] for line in lines if line["PRIORITY"] <= "5" or line["_TRANSPORT"] == "stdout"] == []
    )


@pytest.mark.parametrize("unit", list(MOST))
def test_exposure(unit: str) -> None:
    text = lab.out("systemd-analyze", "security", "--no-pager", f"{unit}.service")
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", text)
    assert exposure, text
    print(f"{unit}: exposure {exposure[1]}, at most {MOST[unit]}")
    assert float(exposure[1]) <= MOST[unit], text
    told = re.search(r"^\| exposure, .*? \| (.+) \|$", PAGE, re.MULTILINE)
    assert told and told[1].split(" | ")[list(MOST).index(unit)] == exposure[1], "docs/sandbox.md tells it"


def test_the_units_are_well() -> None:
    units = [f"{unit}.service" for unit in MOST]
    done = lab.run("systemd-analyze", "--man=no", "verify", *units)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
