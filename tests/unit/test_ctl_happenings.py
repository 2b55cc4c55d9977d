"""What `pptpctl monitor` tells of a tunnel that was one way and is another."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest

from pptpd_manager.ctl import happenings
from pptpd_manager.ctl.terminal import Style

from .test_ctl_listing import IDLE, NOW, UP, WAITING

DNS = {
    "Servers": ["10.0.0.1", "10.0.0.2"],
    "Search": ["corp.example"],
    "Domains": ["lab.example"],
    "DefaultRoute": False,
    "Through": "systemd-resolved",
    "Problem": "",
}
ASKED = "name servers 10.0.0.1, 10.0.0.2 for corp.example, lab.example"
FAILURE = ("wrong-password", "The password is wrong.", "Mend it.", NOW)


def told(before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    return [happenings.text(found, after, NOW) for found in happenings.changes(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        (None, IDLE, ["idle"]),
        (IDLE, IDLE | {"ServerAddress": "203.0.113.1"}, []),
        (IDLE, IDLE | {"State": "resolving"}, ["resolving, was idle"]),
        (
            UP | {"State": "connecting", "LocalAddress": "", "PeerAddress": "", "Mtu": 0},
            UP | {"Mtu": 1400, "Routes": ["10.0.0.0/8", "10.1.0.0/16"]},
            [
                "up, was connecting",
                "pptp-work 192.168.10.201 -> 192.168.10.1, MTU 1400",
                "routes 10.0.0.0/8, 10.1.0.0/16",
            ],
        ),
        (
            IDLE,
            UP | {"Mtu": 1400, "Encrypted": False},
            ["up, was idle", "pptp-work 192.168.10.201 -> 192.168.10.1, MTU 1400, NOT ENCRYPTED"],
        ),
        (UP, IDLE, ["idle, was up"]),
        (UP | {"Routes": ["10.0.0.0/8"], "Dns": DNS}, UP, ["routes none", "name servers none"]),
        (UP | {"Routes": ["10.0.0.0/8"], "Dns": DNS}, IDLE, ["idle, was up"]),
        (UP | {"NextAttempt": 1}, UP, []),
        (UP, UP | {"Dns": DNS}, [f"{ASKED}, through systemd-resolved"]),
        (UP, UP | {"Dns": DNS | {"Problem": "nobody"}}, [f"{ASKED}; not used: nobody"]),
        (WAITING, WAITING | {"LastError": FAILURE}, ["The password is wrong."]),
        (WAITING, WAITING | {"LastError": ("", "", "", 0)}, []),
        (WAITING, WAITING | {"NextAttempt": NOW + 12_000_000}, ["next attempt in 12 s"]),
        (WAITING | {"NextAttempt": 1}, WAITING | {"NextAttempt": 0}, []),
        (UP, WAITING | {"LastError": FAILURE}, ["waiting, was up: The password is wrong."]),
        (UP, WAITING, ["waiting, was up"]),
        (WAITING, WAITING | {"State": "failed"}, ["failed, was waiting: The server does not answer."]),
    ],
)  # fmt: skip
def test_changes(before: dict[str, Any] | None, after: dict[str, Any], texts: list[str]) -> None:
    """An old failure is why a tunnel waits only when it is first seen so."""
    assert told(before, after) == texts


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"event": "manager", "running": True}, "pptp-manager runs"),
        ({"event": "configuration", "problems": []}, "the configuration file is good"),
        ({"event": "configuration", "problems": ["a\x1b", "b"]}, "the configuration file has mistakes: a\\x1b; b"),
        ({"event": "removed", "tunnel": "work"}, "removed"),
    ],
)
def test_text(record: dict[str, Any], text: str) -> None:
    assert happenings.text(record, None, NOW) == text


def test_a_line_is_painted_by_the_state() -> None:
    style = Style(StringIO())
    style.colour = True
    (record,) = happenings.changes(IDLE, IDLE | {"State": "failed", "LastError": ("x", "a\x1b[2J", "", 1)})
    line = happenings.line(record, IDLE, NOW, style)
    assert line.endswith(" \033[1mzoo\033[0m: \033[31mfailed, was idle: a\\x1b[2J\033[0m")
