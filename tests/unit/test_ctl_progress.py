"""What a tunnel is doing, in words."""

from __future__ import annotations

from typing import Any

import pytest

from pptpd_manager.ctl.progress import Course, step, took

from .test_ctl_listing import UP


@pytest.mark.parametrize(
    ("program", "text", "expected"),
    [
        ("pppd", "Connect: pptp-work <--> /dev/pts/1", "dialling {address}"),
        ("pptp", "work-ed8e log[ctrlp_disp:pptp_ctrl.c:815]: Client connection established.", "calling {address}"),
        ("pptp", "work-ed8e log[x]: Outgoing call established (call ID 1, peer's call ID 2).", "authenticating"),
        ("pppd", "CHAP authentication succeeded: Access granted", "authenticated, agreeing on addresses"),
        ("pppd", "local  IP address 10.9.0.2", "setting addresses and routes"),
        # Not theirs, or not their own words.
        ("pppd", "Client connection established.", ""),
        ("pptp", "Client connection established.", ""),
        ("pppd", "Remote message: CHAP authentication succeeded", ""),
        ("systemd", "local  IP address 10.9.0.2", ""),
    ],
)
def test_step(program: str, text: str, expected: str) -> None:
    assert step(program, text) == expected


@pytest.mark.parametrize(
    ("state", "server", "status", "told", "expected"),
    [
        ("connecting", "vpn.example.com", "", "", "dialling 192.0.2.1"),
        ("connecting", "vpn.example.com", "", "calling {address}", "calling 192.0.2.1"),
        ("resolving", "vpn.example.com", "", "", "resolving vpn.example.com"),
        ("resolving", "192.0.2.1", "", "", "looking for the way to 192.0.2.1"),
        ("waiting", "", "Waiting for the network: no route to it", "", "waiting for the network: no route to it"),
        ("waiting", "", "", "", ""),
        ("stopping", "", "", "", "hanging up"),
        ("up", "", "", "", ""),
    ],
)
def test_doing(state: str, server: str, status: str, told: str, expected: str) -> None:
    course = Course({"State": state, "Server": server, "ServerAddress": "192.0.2.1"}, status, told)
    assert course.doing == expected


def test_a_new_state_has_nothing_of_the_one_before() -> None:
    course = Course()
    assert course.change({"State": "waiting", "Server": "vpn"})
    course.status = "Waiting for the network"
    assert not course.change({"State": "waiting", "Mtu": 0})
    assert course.doing == "waiting for the network"
    assert course.change({"State": "resolving"}) and course.change({"State": "waiting"})
    assert course.doing == "waiting for the network"
    assert course.change({"State": "connecting", "ServerAddress": ""})
    assert (course.status, course.doing) == ("", "dialling vpn")


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"State": "failed", "NextAttemptMonotonic": 0}, "It has been given up."),
        ({"State": "waiting", "NextAttemptMonotonic": 104_400_000}, "The next attempt is in 4 s."),
        ({"State": "waiting", "NextAttemptMonotonic": 100_100_000}, "The next attempt is in 1 s."),
        ({"State": "waiting", "NextAttemptMonotonic": 99_000_000}, "It goes on trying."),
        ({"State": "connecting", "NextAttemptMonotonic": 0}, "It goes on trying."),
        ({"State": "up", "NextAttemptMonotonic": 0}, "By now it is up."),
        ({"State": "idle", "NextAttemptMonotonic": 0}, ""),
        ({}, ""),
    ],
)
def test_prospect(properties: dict[str, Any], expected: str) -> None:
    assert Course(properties).prospect(100.0) == expected


def test_link() -> None:
    assert Course(UP).link == "pptp-work, 192.168.10.201 -> 192.168.10.1"
    assert Course(UP | {"Encrypted": False}).link == "pptp-work, 192.168.10.201 -> 192.168.10.1, NOT ENCRYPTED"


def test_failure() -> None:
    """The last one, if that is what the error is about, and not that the manager has lost its patience."""
    course = Course({"LastError": ("connect-timeout", "It was late.", "Raise it", 1)})
    assert course.failure("tunnel 'work': It was late. Raise it") == ("It was late.", "Raise it")
    assert course.failure("tunnel 'work' is not up yet, it is waiting") is None
    assert Course({"LastError": ("", "", "", 0)}).failure("tunnel 'work'") is None
    assert Course().failure("anything") is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (125.9, "2 min 5 s")]
)
def test_took(seconds: float, text: str) -> None:
    assert took(seconds) == text
