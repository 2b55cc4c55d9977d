"""Many machines: what is measured gets to Prometheus' node_exporter; by ssh and Ansible this one is another's host."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import passwords
import pytest
import remote

TEXTFILE = Path("/var/lib/prometheus/node-exporter/pptp.prom")
DEB = Path("/lab/packages/new")  # a folder with this tree's package
FLEET = Path("/root/fleet")
CANARY = "Xyzzy-42 #: '\"'"  # a password that YAML and pppd have to be told with care
EXPORTER = "http://localhost:9100/metrics"


# --- metrics ---


@pytest.fixture
def exporter() -> Iterator[None]:
    """node_exporter as Debian has it, and our timer."""
    with remote.unmasked("prometheus-node-exporter.service"):
        lab.out("systemctl", "enable", "--now", "pptp-metrics.timer")
        yield
        lab.out("systemctl", "disable", "--now", "pptp-metrics.timer")
        lab.wait_for(lambda: lab.of_unit("pptp-metrics.service", "ActiveState") == "inactive", "no one writes it")
    TEXTFILE.unlink()


def exported() -> str:
    """What Prometheus would get."""
    with contextlib.suppress(OSError), urllib.request.urlopen(EXPORTER, timeout=10) as answer:
        return str(answer.read().decode())
    return ""


def measured(text: str) -> bool:
    """Whether Prometheus would get that line, after a run of the service."""
    lab.out("systemctl", "start", "pptp-metrics.service")
    return f"\n{text}\n" in exported()


def test_node_exporter_has_what_the_timer_writes(exporter: None, work: None) -> None:
    """From the manager to the port that Prometheus asks, by the units as they are installed."""
    lab.wait_for(lambda: 'pptp_tunnel_state{state="up",tunnel="work"} 1' in exported(), "the timer's first run")
    assert re.search(
        r'^node_textfile_mtime_seconds{file="(/var/lib/prometheus/node-exporter/)?pptp.prom"} ', exported(), re.M
    )
    assert lab.passes() and measured('pptp_tunnel_connects_total{tunnel="work"} 1')
    seconds = re.search(r'^pptp_tunnel_connect_seconds{tunnel="work"} (\S+)$', exported(), re.M)
    received = re.search(r'^pptp_tunnel_received_bytes_total{tunnel="work"} (\S+)$', exported(), re.M)
    assert seconds and 0 < float(seconds[1]) < 60 and received and float(received[1]) > 0
    assert 'node_network_receive_packets_total{device="pptp-work"}' in exported(), "packets are node_exporter's own"
    lab.out("pptpctl", "reconnect", "work")
    assert measured('pptp_tunnel_reconnects_total{tunnel="work"} 1')
    assert "secret" not in exported()
    log = lab.journalctl("-o", "cat", "-u", "pptp-metrics.service", "-b")
    assert log == "", "a machine that is well has no line of it in its journal"


def test_what_is_not_well_is_measured(exporter: None) -> None:
    lab.configure({"work": {**lab.ALICE, "password": "wrong"}})
    assert lab.systemctl("start", "pptp@work") != 0
    lab.wait_for(lambda: lab.state("work") == "failed", "it is given up")
    assert measured('pptp_tunnel_state{state="failed",tunnel="work"} 1')
    assert measured('pptp_tunnel_last_error_info{reason="wrong-password",tunnel="work"} 1')
    lab.CONFIGURATION.write_text("tunnel: {}\n")
    assert measured("pptp_manager_configuration_in_force 0") and measured("pptp_manager_configuration_problems 0")
    assert lab.run("pptpctl", "reload").returncode != 0
    assert measured("pptp_manager_configuration_problems 1")
    lab.out("systemctl", "stop", "pptp-manager")
    try:
        assert measured("pptp_manager_up 0") and "pptp_tunnel" not in exported()
        assert lab.of_unit("pptp-manager.service", "ActiveState") == "inactive", "a look does not start it"
    finally:
        lab.out("systemctl", "start", "pptp-manager")


def test_the_sandbox_of_the_metrics() -> None:
    text = lab.out("systemd-analyze", "security", "--no-pager", "pptp-metrics.service")
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", text)
    assert exposure and float(exposure[1]) <= 1.0, text
    assert f"its exposure is {exposure[1]}." in Path("/lab/src/docs/sandbox.md").read_text()


# --- Ansible ---


class Playbook:
    """The playbook as it is installed, for one machine, which ssh gets to; with a vault. told: by all runs."""

    told = ""

    def __init__(self) -> None:
        shutil.copytree("/lab/src/packaging/ansible", FLEET)
        (FLEET / "password").write_text("vault's own\n")
        vault = FLEET / "group_vars/pptp/vault.yml"
        vault.write_text(json.dumps({"vault_work_password": CANARY}))
        self.run("ansible-vault", "encrypt", str(vault))
        assert vault.read_text().startswith("$ANSIBLE_VAULT;")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of Ansible's."""
        environment = os.environ | {"LC_ALL": "C.UTF-8", "ANSIBLE_VAULT_PASSWORD_FILE": str(FLEET / "password")}
        done = subprocess.run(
            command, cwd=FLEET, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        self.told += done.stdout + done.stderr
        return done

    def play(self, **variables: object) -> dict[str, int]:
        """Run it with these variables over its own, as chatty as it gets; what it counts."""
        (FLEET / "host_vars").mkdir(exist_ok=True)
        (FLEET / "host_vars/branch1.yml").write_text(json.dumps(variables))
        done = self.run("ansible-playbook", "-vvv", "--diff", "--limit", "branch1", "site.yml")
        counts = re.search(r"^branch1 +: (.*)$", done.stdout, re.M)
        assert counts, done.stdout + done.stderr
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", counts[1])}


@pytest.fixture
def bob() -> Iterator[dict[str, object]]:
    """A user of the server's whose password is in the vault alone: a tunnel's keys."""
    login = {"server": lab.SERVER, "username": "bob", "password": "{{ vault_work_password }}"}
    with passwords.known_to_the_server("bob", CANARY):
        yield {**login, "routes": ["192.168.10.0/24"]}


@pytest.fixture
def branch1() -> Iterator[Playbook]:
    """A machine without pptp-manager."""
    lab.out("make", "-s", "-C", "/lab/src", "uninstall")
    lab.CONFIGURATION.unlink()
    with remote.named("branch1"):
        yield Playbook()
    shutil.rmtree(FLEET)


def test_a_playbook_makes_and_keeps_the_tunnels(branch1: Playbook, bob: dict[str, object]) -> None:
    """From nothing to a tunnel, then nothing to do, a change, a mistake; and no password in all that is told."""
    (deb,) = DEB.glob("*.deb")
    common: dict[str, object] = {"pptp_manager_deb": str(deb)}
    home = {**bob, "routes": ["10.99.0.0/24"]}
    tunnels = {"work": bob, "home": home}
    count = branch1.play(**common, pptp_manager_tunnels=tunnels, pptp_manager_connect=["work", "home"])
    assert count["failed"] == count["unreachable"] == 0 and count["changed"] > 3, branch1.told
    lab.wait_for(lambda: lab.state("work") == lab.state("home") == "up", "the tunnels are up")
    assert lab.passes() and lab.CONFIGURATION.stat().st_mode & 0o777 == 0o600
    assert lab.out("systemctl", "is-enabled", "pptp@work", "pptp@home").split() == ["enabled"] * 2

    again = branch1.play(**common, pptp_manager_tunnels=tunnels, pptp_manager_connect=["work", "home"])
    assert (again["failed"], again["changed"]) == (0, 0), branch1.told

    since = {name: lab.get(name, "Since") for name in tunnels}
    changed = {**tunnels, "home": {**home, "mtu": 1300}}
    with lab.pinging():
        count = branch1.play(**common, pptp_manager_tunnels=changed, pptp_manager_connect=["work", "home"])
        lab.wait_for(
            lambda: lab.get("home", "Since") != since["home"] and lab.state("home") == "up", "it is redialled"
        )
    assert (count["failed"], count["changed"]) == (0, 2), branch1.told  # the file, and the reload
    assert lab.get("work", "Since") == since["work"]

    text, before = lab.CONFIGURATION.read_bytes(), lab.clients()
    broken = {**tunnels, "home": {**home, "routes": ["10.99.0.0/33"]}}
    branch1.told, told = "", branch1.told
    count = branch1.play(**common, pptp_manager_tunnels=broken, pptp_manager_connect=["work", "home"])
    assert (count["failed"], count["changed"]) == (1, 0) and "10.99.0.0/33" in branch1.told, branch1.told
    assert (lab.CONFIGURATION.read_bytes(), lab.clients()) == (text, before) and lab.passes()
    told += branch1.told
    assert "Xyzzy" in text.decode() and "Xyzzy" not in told and "vault_work_password" not in text.decode()
