"""Many machines: what is measured gets to Prometheus' node_exporter; by ssh and Ansible this one is another's host."""

from __future__ import annotations

import contextlib
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest

TEXTFILE = Path("/var/lib/prometheus/node-exporter/pptp.prom")
EXPORTER = "http://localhost:9100/metrics"


@contextlib.contextmanager
def unmasked(*units: str) -> Iterator[None]:
    """Have these run, as they do where they are installed and nobody has masked them."""
    lab.out("systemctl", "unmask", *units)
    lab.out("systemctl", "start", *units)
    try:
        yield
    finally:
        lab.out("systemctl", "stop", *units)
        lab.out("systemctl", "mask", *units)


# --- metrics ---


@pytest.fixture
def exporter() -> Iterator[None]:
    """node_exporter as Debian has it, and our timer."""
    with unmasked("prometheus-node-exporter.service"):
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
