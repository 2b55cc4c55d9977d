"""What Prometheus is told of the manager and its tunnels."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pptpd_manager.ctl import measures
from pptpd_manager.tunnel import State

from .test_ctl_listing import FAILED, IDLE, NOW, UP, WAITING

MANAGER = {"Version": "1.2", "ConfigurationFile": "f", "ConfigurationProblems": [], "NeedReload": False}
ROOT = Path(__file__).resolve().parents[2]
PROMTOOL = ROOT / "build/unpacked/prometheus/usr/bin/promtool"
Found = dict[tuple[str, ...], float]


def text(manager: dict[str, Any] | None, *tunnels: dict[str, Any]) -> str:
    return generate_latest(measures.registry(manager, tunnels)).decode()


def samples(manager: dict[str, Any] | None, *tunnels: dict[str, Any]) -> Found:
    """Each sample by its name and the values of its labels, in the order of the labels' names."""
    parse: Callable[[str], Iterator[Metric]] = text_string_to_metric_families
    read = [sample for family in parse(text(manager, *tunnels)) for sample in family.samples]
    return {(s.name, *(s.labels[label] for label in sorted(s.labels))): s.value for s in read}


def test_the_states_are_those_of_tunnels() -> None:
    assert tuple(state.value for state in State) == measures.STATES


def test_a_tunnel_that_is_up() -> None:
    found = samples(MANAGER, UP)
    states = {found.pop(("pptp_tunnel_state", state, "work")): state for state in measures.STATES}
    assert states[1.0] == "up" and set(states) == {0.0, 1.0}
    assert found == {
        ("pptp_manager_up",): 1,
        ("pptp_manager_info", "1.2"): 1,
        ("pptp_manager_configuration_problems",): 0,
        ("pptp_manager_configuration_in_force",): 1,
        ("pptp_tunnel_info", "pptp-work", "vpn.example.com", "work"): 1,
        ("pptp_tunnel_state_since_timestamp_seconds", "work"): UP["Since"] / 1e6,
        ("pptp_tunnel_last_error_info", "server-silent", "work"): 1,
        ("pptp_tunnel_last_error_timestamp_seconds", "work"): UP["LastError"][3] / 1e6,
        ("pptp_tunnel_needs_password", "work"): 0,
        ("pptp_tunnel_encrypted", "work"): 1,
        ("pptp_tunnel_connect_seconds", "work"): 1.25,
        ("pptp_tunnel_attempts_total", "work"): 7,
        ("pptp_tunnel_connects_total", "work"): 3,
        ("pptp_tunnel_reconnects_total", "work"): 2,
        ("pptp_tunnel_received_bytes_total", "work"): 123_456,
        ("pptp_tunnel_sent_bytes_total", "work"): 99,
    }


def test_what_there_is_not_has_no_sample() -> None:
    found = samples(MANAGER, IDLE | {"LastError": ("", "", "", 0)})
    absent = ("last_error_info", "last_error_timestamp_seconds", "encrypted", "connect_seconds", "next_attempt")
    assert not [key for key in found if key[0].startswith(tuple(f"pptp_tunnel_{name}" for name in absent))]


def test_a_pause_and_a_question() -> None:
    found = samples(MANAGER, WAITING | {"NextAttempt": NOW, "NeedsPassword": True})
    assert found["pptp_tunnel_next_attempt_timestamp_seconds", "home"] == NOW / 1e6
    assert found["pptp_tunnel_needs_password", "home"] == 1


@pytest.mark.parametrize(
    ("change", "problems", "in_force"),
    [({"NeedReload": True}, 0, 0), ({"ConfigurationProblems": ["a", "b"]}, 2, 0), ({}, 0, 1)],
)
def test_the_configuration(change: dict[str, Any], problems: int, in_force: int) -> None:
    found = samples(MANAGER | change)
    assert found["pptp_manager_configuration_problems",] == problems
    assert found["pptp_manager_configuration_in_force",] == in_force


def test_without_a_manager_that_alone_is_told() -> None:
    assert samples(None) == {("pptp_manager_up",): 0}


def test_an_older_manager_tells_less() -> None:
    new = ("Encrypted", "NeedsPassword", "Attempts", "Connects", "Reconnects", "ConnectTime")
    older = {name: value for name, value in UP.items() if name not in new}
    assert not [key for key in samples(MANAGER, older) if "connect" in key[0] or "encrypted" in key[0]]


def test_what_a_server_or_a_file_says_stays_within_its_label() -> None:
    server = 'a"b\\c\n# 1'
    found = samples(MANAGER, FAILED | {"Server": server})
    assert found["pptp_tunnel_info", "pptp-zoo", server, "bad"] == 1
    assert not any(map(math.isnan, found.values()))


def test_promtool_has_nothing_to_say() -> None:
    """Prometheus' own linter of metrics."""
    told = text(MANAGER | {"NeedReload": True}, UP, WAITING, FAILED, IDLE | {"NextAttempt": NOW})
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_has_each_metric() -> None:
    page = (ROOT / "docs/fleet.md").read_text().partition("## Alerts")[0]
    rows = re.findall(r"^\| (`pptp_.*?) \|", page, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert told == re.findall(r"^# TYPE (\S+) ", text(MANAGER), re.MULTILINE)
