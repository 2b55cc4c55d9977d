"""Name servers of a tunnel: real systemd-resolved, real resolvconf of both kinds, a real DNS server on either side.

The far one (dnsmasq) is at 192.168.10.1 behind the tunnel, which pptpd names, and knows corp.example; the near one is
the router's, which the uplink's link has, and knows example.net.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest
from name_server import dnsmasq

RESOLV = Path("/etc/resolv.conf")
PROGRAM = Path("/usr/sbin/resolvconf")  # systemd-resolved's package has a link of that name
UNPACKED = Path("/lab/unpacked")
FAR, NEAR = "192.168.10.1", "192.0.2.1"
UNROUTED = "10.99.0.1"  # the far server as well, but no route of the tunnel leads there
RECORD = "vpn.pptp-work.pptp-manager"
NOBODY = "systemd-resolved does not run and resolvconf is not installed"


class Servers:
    """Both DNS servers, and what they were asked."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self._logs = {side: directory / side for side in ("far", "near")}
        self._begin(stack, "far", "server", f"{FAR},{UNROUTED}", "corp.example", "192.168.10.80")
        self._begin(stack, "near", "router", NEAR, "example.net", "192.0.2.80")

    def _begin(
        self, stack: contextlib.ExitStack, side: str, namespace: str, listen: str, domain: str, answer: str
    ) -> None:
        options = (f"--address=/{domain}/{answer}", f"--local=/{domain}/")
        stack.enter_context(dnsmasq(namespace, listen, self._logs[side], *options))

    def asked(self, side: str) -> str:
        """The log of one."""
        return self._logs[side].read_text() if self._logs[side].exists() else ""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("dns"), stack)


@pytest.fixture(scope="module")
def resolved(servers: Servers) -> Iterator[Servers]:
    """systemd-resolved runs, and has the near server for the uplink."""
    lab.out("systemctl", "unmask", "systemd-resolved")
    lab.out("systemctl", "start", "systemd-resolved")
    lab.out("resolvectl", "dns", "uplink", NEAR)
    assert "192.0.2.80" in query("first.example.net")  # from now on its status shows the server in use
    yield servers
    lab.out("resolvectl", "revert", "uplink")
    lab.out("systemctl", "stop", "systemd-resolved")
    lab.out("systemctl", "mask", "systemd-resolved")


@pytest.fixture(autouse=True)
def resolv_conf_is_not_touched() -> Iterator[None]:
    """The file, and what a script might have put beside it."""
    before = resolv_conf()
    yield
    assert resolv_conf() == before


def resolv_conf() -> tuple[object, ...]:
    status = RESOLV.lstat()
    beside = sorted(path.name for path in RESOLV.parent.glob("*resolv.conf*"))
    return status.st_ino, status.st_mtime_ns, status.st_mode, RESOLV.read_bytes(), beside


def query(name: str) -> str:
    """What systemd-resolved finds."""
    return lab.out("resolvectl", "query", "-4", "--cache=no", name)


def dns(key: str, value: object) -> None:
    """Wait until that entry of the tunnel's Dns is value."""
    lab.wait_for(lambda: dict(lab.get("work", "Dns")).get(key) == value, f"{key} of Dns is {value}")


def up(dns: object, **more: object) -> int:
    """Have the tunnel up; pppd's process."""
    lab.configure({"work": {**lab.ALICE, "dns": dns, **more}})
    assert lab.systemctl("start", "pptp@work") == 0
    return int(lab.show("work", "MainPID"))


def splits(servers: Servers, mark: str) -> None:
    """Names of corp.example are asked for on the far side and there alone, others on the near side alone."""
    inside, outside = f"{mark}.corp.example", f"{mark}.example.net"
    assert query(inside).startswith(f"{inside}: 192.168.10.80") and query(outside).startswith(f"{outside}: 192.0.2.80")
    far, near = servers.asked("far"), servers.asked("near")
    assert inside in far and inside not in near and outside in near and outside not in far


@contextlib.contextmanager
def without_manager() -> Iterator[None]:
    """Kill the manager, and have none meanwhile."""
    lab.systemctl("mask", "--runtime", "pptp-manager")
    try:
        lab.out("kill", "-KILL", str(lab.manager_pid()))
        yield
    finally:
        lab.systemctl("unmask", "--runtime", "pptp-manager")
        lab.systemctl("reset-failed", "pptp-manager")
        assert lab.systemctl("start", "pptp-manager") == 0


@contextlib.contextmanager
def program(package: str) -> Iterator[None]:
    """Have that package's resolvconf and nothing else of that name; "": none. Its list is a file of the lab's."""
    aside = PROGRAM.with_name("resolvconf.aside")
    PROGRAM.rename(aside)
    root = UNPACKED / package
    files = {path: Path("/", path.relative_to(root)) for path in root.rglob("*") if package and not path.is_dir()}
    files = {path: target for path, target in files.items() if not os.path.lexists(target)}
    try:
        for path, target in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
        yield
    finally:
        for target in files.values():
            target.unlink(missing_ok=True)
        aside.rename(PROGRAM)
        lab.out("rm", "-rf", "/run/resolvconf")


def test_with_neither_nothing_is_touched_and_the_status_says_so() -> None:
    """Debian's 0000usepeerdns is there, and would rewrite /etc/resolv.conf."""
    said = Path("/run/lab-said")  # /tmp is the script's own
    script = Path("/etc/ppp/ip-up.d/zz-lab")
    script.write_text(f"#!/bin/sh\nenv >{said}.new; mv {said}.new {said}\n")
    script.chmod(0o755)
    try:
        with program(""):
            assert Path("/etc/ppp/ip-up.d/0000usepeerdns").exists()
            up(True)
            assert f"; name servers: NOT USED, {NOBODY}" in lab.status("work")
            dns("Servers", [FAR])
            dns("Problem", NOBODY)
            lab.wait_for(said.exists, "ip-up.d")
            environment = said.read_text()
            assert "PPP_IPPARAM=work" in environment and "DNS" not in environment
            assert FAR in Path("/etc/ppp/resolv.conf").read_text(), "that one is pppd's own"
            assert lab.systemctl("stop", "pptp@work") == 0
    finally:
        script.unlink()
        said.unlink(missing_ok=True)


@pytest.mark.parametrize("package", ["openresolv", "resolvconf"])
def test_resolvconf(package: str, tmp_path: Path) -> None:
    """Beside an uplink's record, and with the package's own script in ip-up.d."""
    with program(package):
        made = Path("/run/resolvconf/resolv.conf") if package == "resolvconf" else tmp_path / "resolv.conf"
        if package == "openresolv":
            Path("/etc/resolvconf.conf").write_text(f"resolv_conf={made}\n")
        else:
            Path("/run/resolvconf/interface").mkdir(parents=True)
            lab.out("resolvconf", "--enable-updates")
        lab.out("sh", "-c", f"echo nameserver {NEAR} | resolvconf -a eth0.dhclient")
        assert Path("/etc/ppp/ip-up.d/000resolvconf").exists()
        up({"servers": ["peer", "10.9.0.53"], "search": ["corp.example"], "default-route": True})
        dns("Through", package)
        lab.wait_for(lambda: FAR in made.read_text(), "the list")
        assert words("nameserver", made) == [FAR, "10.9.0.53", NEAR], "ours come first"
        assert words("search", made) == ["corp.example"]
        assert records() == ["eth0.dhclient", RECORD], "and none of pppd's"
        if package == "openresolv":
            with without_manager():
                assert lab.systemctl("stop", "pptp@work") == 0
                assert RECORD in records(), "nobody was there to remove it"
        else:
            assert lab.systemctl("stop", "pptp@work") == 0
        lab.wait_for(lambda: records() == ["eth0.dhclient"], "the record is removed")
        lab.wait_for(lambda: words("nameserver", made) == [NEAR], "the list is as it was")


def words(keyword: str, path: Path) -> list[str]:
    """What lines of a resolv.conf that begin with keyword have behind it."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [word for line in lines if line[:1] == [keyword] for word in line[1:]]


def records() -> list[str]:
    """Whose name servers resolvconf has."""
    return sorted(path.name for path in Path("/run/resolvconf").glob("interface*/*"))


# --- systemd-resolved; it stays until the end ---


def test_split_names_resolve_through_the_tunnel_and_others_do_not(resolved: Servers) -> None:
    before = lab.out("resolvectl", "status")
    pppd, manager = up({"servers": ["peer"], "domains": ["corp.example"]}), lab.manager_pid()
    status = lab.status("work")
    assert "; name servers: " in status and "NOT USED" not in status, status
    dns("Servers", [FAR])
    splits(resolved, "first")
    told = lab.out("resolvectl", "status", "pptp-work")
    lab.out("kill", "-KILL", str(manager))
    lab.wait_for(lambda: lab.manager_pid() not in (0, manager) and lab.state("work") == "up", "the next manager", 60)
    dns("Servers", [FAR])
    assert lab.out("resolvectl", "status", "pptp-work") == told
    lab.configure({"work": {**lab.ALICE, "dns": {"servers": ["peer"], "search": ["corp.example"]}}})
    dns("Search", ["corp.example"])
    assert "192.168.10.80" in query("single"), "found with the search domain behind it"
    assert int(lab.show("work", "MainPID")) == pppd, "not dialled anew"
    assert lab.systemctl("stop", "pptp@work") == 0
    assert lab.out("resolvectl", "status") == before


def test_undone_and_done_again_whatever_is_killed(resolved: Servers) -> None:
    before = lab.out("resolvectl", "status")
    static = {"servers": [UNROUTED], "domains": ["corp.example"]}
    pppd = up(static)
    dns("Through", "systemd-resolved")
    with without_manager():
        splits(resolved, "unmanaged")
        lab.out("kill", "-KILL", str(pppd))
        lab.wait_for(lambda: lab.out("resolvectl", "status") == before, "nothing is left with resolved")
    lab.wait_for(lambda: lab.state("work") == "up", "redialled", 60)
    dns("Through", "systemd-resolved")
    splits(resolved, "redialled")
    pppd = int(lab.show("work", "MainPID"))
    lab.configure({"work": {**lab.ALICE, "dns": False}})
    lab.wait_for(lambda: lab.out("resolvectl", "dns", "pptp-work").rstrip().endswith(":"), "taken back")
    lab.configure({"work": {**lab.ALICE, "dns": static}})
    lab.wait_for(lambda: UNROUTED in lab.out("resolvectl", "dns", "pptp-work"), "told again")
    lab.configure({"work": {**lab.ALICE, "default-route": True, "dns": {"servers": [UNROUTED]}}})
    lab.wait_for(lambda: lab.out("resolvectl", "domain", "pptp-work").rstrip().endswith(" ~."), "every name")
    lab.run("resolvectl", "query", "-4", "leak.example.net")
    assert "leak.example.net" in resolved.asked("far") and "leak.example.net" not in resolved.asked("near")
    assert int(lab.show("work", "MainPID")) == pppd, "not dialled anew"
    assert lab.systemctl("stop", "pptp@work") == 0
    assert lab.out("resolvectl", "status") == before
