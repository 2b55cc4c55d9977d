"""A tunnel's name servers, with stand-ins for systemd-resolved and resolvconf: there, absent, restarted, refusing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .clients import ROOT, until
from .fake_resolved import CONTROL, CONTROL_PATH, NAME
from .world import CANARY, SERVER, World
from .zygote import Forked, stand_in

SCRIPT = ROOT / "systemd/pptp-ip-up"
NOBODY = "systemd-resolved does not run and resolvconf is not installed"
WARNING = "WARNING: tunnel office: name servers: NOT USED, "


class Names:
    """A world with tunnel office, whose key dns is the test's; and perhaps a resolved."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.process: Forked | None = None

    def resolved(self) -> None:
        """Have a systemd-resolved."""
        self.process = self.world.forked(stand_in("fake_resolved", self.world.address))
        until(lambda: self.world.client.owner(NAME), "the stand-in of resolved")

    def gone(self) -> None:
        """Have none any more."""
        assert self.process
        self.process.kill()
        self.process.wait()
        until(lambda: not self.world.client.owner(NAME), "resolved to be gone")

    def configure(self, dns: str, more: str = "") -> None:
        """Write the configuration."""
        self.world.configure(
            f"tunnels: {{office: {{server: {SERVER}, username: alice, password: '{CANARY}', dns: {dns}{more}}}}}\n"
        )

    def reload(self, dns: str, more: str = "") -> None:
        """Write another configuration, and have it read."""
        self.configure(dns, more)
        self.world.call("Reload")

    def up(self, dns: str, more: str = "") -> str:
        """Start the manager with that key, and have the tunnel up; its run."""
        self.configure(dns, more)
        self.world.start()
        return self.world.bring_up("office")

    def rise(self) -> tuple[str, str]:
        """Connect the tunnel, as bring_up() does, without forgetting; its run, and the line for systemctl status."""
        run, connect = self.world.connecting("office")
        ready = self.world.begin("Ready", "office", run, interface="org.pptpmanager1.Unit")
        self.world.link_up("office")
        line = str(self.world.answered(ready))
        self.world.set_unit("office", "active", "running")
        self.world.answered(connect)
        return run, line

    def restart(self, dns: str, *, killed: bool = False) -> None:
        """Have another manager, with that key."""
        self.configure(dns)
        assert self.world.daemon
        if killed:
            self.world.daemon.kill()
            self.world.daemon.wait()
        else:
            self.world.stop()
        self.world.forget()
        self.world.start()

    def peer_names(self, run: str, *servers: str) -> None:
        """What pppd's ip-up-script tells."""
        method = "org.pptpmanager1.Unit.NameServers"
        self.world.client.call("org.pptpmanager1", "/org/pptpmanager1", method, "(ssas)", "office", run, servers)

    def control(self, method: str, *texts: str) -> Any:
        """Call a method of the stand-in's control."""
        return self.world.client.call(NAME, CONTROL_PATH, f"{CONTROL}.{method}", f"({'s' * len(texts)})", *texts)

    def index(self) -> int:
        """The number of the tunnel's interface."""
        return int(self.world.ip("link show dev pptp-office").split(":")[0])

    def told(self, *links: str) -> None:
        """Wait until resolved knows exactly that of the tunnel's link."""
        expected = [f"{self.index()}: {link}" for link in links]
        until(lambda: self.control("Links") == expected, f"{expected}, and not {self.control('Links')}")

    def calls(self) -> list[str]:
        """The methods of resolved that were called since forget()."""
        return [s.arguments[0] for s in self.world.client.signals if (s.interface, s.member) == (CONTROL, "Called")]

    def dns(self) -> dict[str, Any]:
        """The property Dns."""
        return dict(self.world.properties("office")["Dns"])

    def standing(self, through: str, problem: str = "") -> None:
        """Wait until that is how it is."""
        until(lambda: (self.dns().get("Through"), self.dns().get("Problem")) == (through, problem), f"{through}")

    def ran(self) -> list[tuple[list[str], str]]:
        """The commands that systemd was told to run since forget(), with what they read."""
        found = []
        for _unit, properties in self.world.services():
            ((_path, words, _flags),) = properties["ExecStartEx"]
            found.append((words, bytes(properties.get("StandardInputData", [])).decode()))
        return found

    def wait_for_run(self, *ran: tuple[list[str], str]) -> None:
        """Wait until exactly those were run."""
        until(lambda: len(self.ran()) >= len(ran), f"{ran}")
        assert self.ran() == list(ran)

    def record(self) -> Path:
        """The file for the next manager."""
        return self.world.runtime / "office.names"


@pytest.fixture
def names(bare: World) -> Iterator[Names]:
    bare.behave("StartTransientUnit", "ends")
    yield Names(bare)


# --- systemd-resolved ---


def test_resolved_is_told_when_the_link_is_up_and_when_it_is_not(names: Names) -> None:
    names.resolved()
    run = names.up("{servers: [10.9.0.53, 'fd00::53'], search: [corp.example], domains: [lab.example]}")
    names.told("10.9.0.53 fd00::53; corp.example ~lab.example; no")
    assert names.dns() == {
        "Servers": ["10.9.0.53", "fd00::53"],
        "Search": ["corp.example"],
        "Domains": ["lab.example"],
        "DefaultRoute": False,
        "Through": "systemd-resolved",
        "Problem": "",
    }
    assert (
        "INFO: tunnel office: name servers: 10.9.0.53, fd00::53 for corp.example, lab.example through systemd-resolved"
        in names.world.log().splitlines()
    )
    assert names.record().stat().st_mode & 0o777 == 0o600
    names.world.begin("Disconnect", "office")
    names.world.wait_for_order("StopUnit", "pptp@office.service", "replace")
    until(lambda: names.control("Links") == [], "the link to be as if nothing had been said")
    assert names.dns() == {}
    names.world.go_down("office", run)
    until(lambda: not names.record().exists(), "the record to be gone")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "10.9.0.53; ; yes"),
        (", default-route: true", "10.9.0.53; ~.; yes"),
        (", default-route: true, table: 100, rules: [{fwmark: 1}]", "10.9.0.53; ; yes"),
    ],
)
def test_with_the_default_route_all_names_are_asked_for_there_alone(names: Names, more: str, told: str) -> None:
    names.resolved()
    names.up("{servers: [10.9.0.53]}", more)
    names.told(told)


def test_the_peers_servers_are_used_as_soon_as_they_are_known(names: Names) -> None:
    names.resolved()
    run = names.up("{servers: [peer, 10.9.0.9], domains: [corp.example]}")
    names.told("10.9.0.9; ~corp.example; no")
    names.peer_names(run, "10.9.0.53", "127.0.0.53", "0.0.0.0", "nonsense", "10.9.0.9")
    names.told("10.9.0.53 10.9.0.9; ~corp.example; no")
    names.peer_names("0" * 32, "10.9.0.54")  # of an earlier run
    names.told("10.9.0.53 10.9.0.9; ~corp.example; no")


@pytest.mark.parametrize("absent", [False, True])
def test_the_script_that_pppd_runs(names: Names, absent: bool) -> None:
    """It tells the manager, also one that is just being restarted."""
    names.resolved()
    run = names.up("true")
    if absent:
        names.world.stop()
    environment = {"PPTP_RUN": run, "DNS1": "10.9.0.53", "DNS2": "10.9.0.54", "USEPEERDNS": "1"}
    arguments = ["pptp-office", "", "38400", "10.9.0.2", "10.9.0.1", "office"]
    alone = '[ ! -d /etc/ppp ] || mount -t tmpfs tmpfs /etc/ppp; exec "$@"'
    program = names.world.inside("sh", "-euc", alone, "sh", str(SCRIPT), *arguments)
    bus = {"DBUS_SYSTEM_BUS_ADDRESS": names.world.address, "PATH": os.environ["PATH"]}
    assert subprocess.run(program, env={**environment, **bus}, stderr=subprocess.DEVNULL).returncode == 0
    if absent:  # it has not waited for that
        names.world.start()
    names.told("10.9.0.53 10.9.0.54; ; yes")


def test_a_peer_that_names_none(names: Names) -> None:
    names.resolved()
    run = names.up("true")
    assert (names.dns(), names.control("Links")) == ({}, [])
    names.peer_names(run)
    names.standing("", "the server names none")
    names.world.expected.append(WARNING + "the server names none")
    assert names.calls() == []


def test_what_the_status_line_says_of_servers_that_are_known(names: Names) -> None:
    names.resolved()
    names.configure("{servers: [10.9.0.53], domains: [corp.example]}")
    names.world.start()
    _run, line = names.rise()
    assert line.endswith("; routes: none; name servers: 10.9.0.53 for corp.example through systemd-resolved")


def test_what_the_status_line_says_before_the_peer_has_named_any(names: Names) -> None:
    names.resolved()
    names.configure("true")
    names.world.start()
    run, line = names.rise()
    assert line.endswith("; routes: none; name servers: those that the server names, through systemd-resolved")
    names.peer_names(run, "10.9.0.53")
    names.told("10.9.0.53; ; yes")
    again = names.world.call("Ready", "office", run, interface="org.pptpmanager1.Unit")
    assert again.endswith("; routes: none; name servers: 10.9.0.53 for any name through systemd-resolved")


def test_resolved_that_is_not_there_is_told_when_it_comes_and_when_it_comes_again(names: Names) -> None:
    names.configure("{servers: [10.9.0.53]}")
    names.world.start()
    _run, line = names.rise()
    assert line.endswith(f"; name servers: NOT USED, {NOBODY}")
    names.standing("", NOBODY)
    names.resolved()
    names.told("10.9.0.53; ; yes")
    names.standing("systemd-resolved")
    names.gone()
    names.standing("", NOBODY)
    names.resolved()
    names.told("10.9.0.53; ; yes")
    names.world.expected += [WARNING + NOBODY] * 2


def test_a_refusal_is_told_once_and_is_not_for_ever(names: Names) -> None:
    names.resolved()
    names.control("Behave", "SetLinkDomains", "org.freedesktop.resolve1.LinkBusy")
    names.configure("{servers: [10.9.0.53]}")
    names.world.start()
    names.rise()
    names.standing("", "systemd-resolved: no, ?never?")
    names.world.expected.append(WARNING + "systemd-resolved: no, ?never?")
    names.reload("{servers: [10.9.0.53]}", ", routes: [192.168.7.0/24]")
    until(lambda: "192.168.7.0/24" in str(names.world.routes()), "the route")
    names.standing("", "systemd-resolved: no, ?never?")
    assert names.calls() == ["SetLinkDNS", "SetLinkDomains", "SetLinkDefaultRoute"]
    names.control("Behave", "SetLinkDomains", "well")
    names.reload("{servers: [10.9.0.54]}")
    names.standing("systemd-resolved")
    names.told("10.9.0.54; ; yes")


def test_a_link_that_is_set_down_and_up_again(names: Names) -> None:
    names.resolved()
    names.up("{servers: [10.9.0.53]}")
    names.told("10.9.0.53; ; yes")
    names.world.ip("link set pptp-office down")
    names.told()
    assert names.dns() == {}
    names.world.ip("link set pptp-office up")
    names.told("10.9.0.53; ; yes")


def test_a_link_that_has_vanished_meanwhile_is_no_trouble(names: Names) -> None:
    names.resolved()
    for method in ("SetLinkDNS", "SetLinkDomains", "SetLinkDefaultRoute"):
        names.control("Behave", method, "org.freedesktop.resolve1.NoSuchLink")
    names.configure("{servers: [10.9.0.53]}")
    names.world.start()
    names.rise()
    until(lambda: len(names.calls()) == 3, "the calls")
    names.standing("systemd-resolved")


def test_a_resolved_that_hangs_holds_nothing_up(names: Names) -> None:
    names.resolved()
    names.control("Behave", "SetLinkDNS", "hold")
    run = names.up("{servers: [10.9.0.53]}")
    names.reload("{servers: [10.9.0.54]}")
    names.told("10.9.0.54; ; yes")
    names.control("Release")
    names.world.begin("Disconnect", "office")
    names.world.go_down("office", run)
    names.world.wait_for_state("office", "idle")


# --- a changed configuration ---


def test_other_servers_need_no_new_dial_and_none_are_taken_back(names: Names) -> None:
    names.resolved()
    names.up("{servers: [10.9.0.53]}")
    names.told("10.9.0.53; ; yes")
    names.reload("{servers: [10.9.0.54], domains: [corp.example], default-route: true}")
    names.told("10.9.0.54; ~corp.example; yes")
    names.reload("false")
    names.told()
    assert names.dns() == {}
    assert names.world.ordered() == []


def test_the_peers_servers_are_a_matter_of_the_dial(names: Names) -> None:
    names.resolved()
    names.up("{servers: [10.9.0.53]}")
    names.reload("{servers: [10.9.0.53, peer]}")
    names.world.wait_for_order("Kill", "pptp@office.service", "main", "15")
    names.told()


# --- another manager ---


@pytest.mark.parametrize("killed", [True, False])
def test_the_next_manager_remembers_the_peers_servers(names: Names, killed: bool) -> None:
    names.resolved()
    run = names.up("true")
    names.peer_names(run, "10.9.0.53")
    names.told("10.9.0.53; ; yes")
    names.restart("true", killed=killed)
    names.world.wait_for_state("office", "up")
    names.standing("systemd-resolved")
    names.told("10.9.0.53; ; yes")
    assert "RevertLink" not in names.calls()


@pytest.mark.parametrize("ours", [True, False])
def test_the_next_manager_takes_back_what_the_last_one_said_and_that_alone(names: Names, ours: bool) -> None:
    names.resolved()
    names.up("{servers: [10.9.0.53]}" if ours else "false")
    if ours:
        names.told("10.9.0.53; ; yes")
    names.restart("false", killed=True)
    names.world.wait_for_state("office", "up")
    names.world.call("Reload")
    if ours:
        names.told()
    assert names.calls() == ["RevertLink"] * ours


def test_a_link_is_taken_back_when_resolved_is_there_again(names: Names) -> None:
    names.resolved()
    names.up("{servers: [10.9.0.53]}")
    names.told("10.9.0.53; ; yes")
    names.gone()
    names.standing("", NOBODY)
    names.world.expected.append(WARNING + NOBODY)
    names.reload("false")
    names.resolved()
    until(lambda: names.calls()[-1:] == ["RevertLink"], "the link to be reverted")


def test_a_record_that_is_damaged_or_of_another_run_is_of_no_use(names: Names) -> None:
    names.resolved()
    names.world.runtime.mkdir()
    names.record().write_text("{")
    (names.world.runtime / "other.names").write_text('{"run": "x", "peer": [], "link": 3}')
    names.configure("true")
    names.world.start()
    assert not list(names.world.runtime.glob("*.names"))


# --- resolvconf ---

ADD = ["/usr/local/sbin/resolvconf", "-a", "vpn.pptp-office.pptp-manager"]
DELETE = ["/usr/local/sbin/resolvconf", "-d", "vpn.pptp-office.pptp-manager"]


def test_resolvconf_is_told_where_there_is_no_resolved(names: Names) -> None:
    names.world.program("resolvconf", "exit 0")
    run = names.up("{servers: [10.9.0.53, peer], search: [corp.example], default-route: true}")
    names.world.forget()
    names.peer_names(run, "10.9.0.54")
    names.wait_for_run((ADD, "nameserver 10.9.0.54\nnameserver 10.9.0.53\nsearch corp.example\n"))
    names.standing("resolvconf")
    names.world.forget()
    names.world.begin("Disconnect", "office")
    names.wait_for_run((DELETE, ""))
    names.world.go_down("office", run)
    names.world.wait_for_state("office", "idle")
    assert names.ran() == [(DELETE, "")]


def test_resolvconf_cannot_split(names: Names) -> None:
    names.world.program("resolvconf", "exit 0")
    names.up("{servers: [10.9.0.53], domains: [corp.example]}")
    problem = "resolvconf cannot have servers for some domains only; systemd-resolved can, and openresolv"
    names.standing("", problem)
    names.world.expected.append(WARNING + problem)
    assert names.ran() == []


@pytest.mark.parametrize(
    ("dns", "more", "flags", "search"),
    [
        (", search: [a.example], domains: [b.example]", "", ["-p"], "search a.example b.example\n"),
        ("", "", [], ""),
        ("", ", default-route: true", ["-x"], ""),
    ],
)
def test_openresolv_can(names: Names, dns: str, more: str, flags: list[str], search: str) -> None:
    names.world.program("resolvconf", "OPENRESOLV=openresolv")
    names.configure(f"{{servers: [10.9.0.53]{dns}}}", more)
    names.world.start()
    names.rise()
    names.wait_for_run(([ADD[0], *flags, *ADD[1:]], f"nameserver 10.9.0.53\n{search}"))
    names.standing("openresolv")
    names.world.forget()
    names.reload("false")
    names.wait_for_run(([DELETE[0], "-f", *DELETE[1:]], ""))


def test_resolved_is_preferred_as_soon_as_it_comes(names: Names) -> None:
    names.world.program("resolvconf", "exit 0")
    names.up("{servers: [10.9.0.53]}")
    names.standing("resolvconf")
    names.world.forget()
    names.resolved()
    names.told("10.9.0.53; ; yes")
    names.wait_for_run((DELETE, ""))
    names.standing("systemd-resolved")


def test_a_resolvconf_that_does_not_run(names: Names) -> None:
    names.world.program("resolvconf", "exit 0")
    names.world.behave("StartTransientUnit", "fail")
    names.up("{servers: [10.9.0.53]}")
    until(lambda: names.dns().get("Problem"), "the problem")
    assert names.dns()["Problem"].startswith("resolvconf: Unit pptp-resolvconf-office.service ")
    names.world.expected.append(WARNING + names.dns()["Problem"])


def test_resolvconf_has_one_thing_to_do_at_a_time_and_the_last_word_counts(names: Names) -> None:
    names.world.program("resolvconf", "exit 0")
    names.world.behave("StartTransientUnit", "hold")
    names.up("{servers: [10.9.0.53]}")
    names.reload("{servers: [10.9.0.54]}")
    names.reload("{servers: [10.9.0.55]}")
    names.world.forget()
    names.world.behave("StartTransientUnit", "ends")
    names.world.release()
    names.wait_for_run((ADD, "nameserver 10.9.0.55\n"))


def test_the_link_of_resolved_is_no_resolvconf(names: Names) -> None:
    names.world.program("resolvectl", "exit 0")
    (names.world.programs / "resolvconf").symlink_to("resolvectl")
    names.up("{servers: [10.9.0.53]}")
    names.standing("", NOBODY)
    names.world.expected.append(WARNING + NOBODY)


@pytest.mark.parametrize("folder", ["interface", "interfaces", "keys"])
def test_what_a_killed_manager_left_is_removed(names: Names, folder: str) -> None:
    """Of tunnels that are down or not there any more; records of others are not ours."""
    names.world.program("resolvconf", "exit 0")
    left = "vpn.pptp-office.pptp-manager", "vpn.pptp-gone.pptp-manager", "eth0.dhclient", "vpn.pptp-x"
    script = 'mount -t tmpfs tmpfs /run; mkdir -p "$1"; cd "$1"; shift; touch "$@"'
    command = names.world.inside("sh", "-euc", script, "sh", f"/run/resolvconf/{folder}", *left)
    subprocess.run(command, check=True)
    names.configure("true")
    names.world.start()
    gone = [word.replace("office", "gone") for word in DELETE]
    until(lambda: len(names.ran()) == 2, "both to be removed")
    assert sorted(names.ran()) == sorted([(DELETE, ""), (gone, "")])
