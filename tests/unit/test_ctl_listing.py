"""pptpctl list as text: from the properties of tunnels to lines that fit."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest

from pptpd_manager.ctl import listing, notices
from pptpd_manager.ctl.terminal import Style, columns

NOW, MONOTONIC = 1_700_000_000_000_000, 1000.0
HOUR = 3600 * 1_000_000

IDLE: dict[str, Any] = {
    "Name": "zoo",
    "Unit": "pptp@zoo.service",
    "Server": "vpn.example.com",
    "ServerAddress": "",
    "State": "idle",
    "Interface": "pptp-zoo",
    "LocalAddress": "",
    "PeerAddress": "",
    "Mtu": 0,
    "Encrypted": False,
    "Since": NOW - 49 * HOUR,
    "Routes": [],
    "Dns": {},
    "LastError": ("server-silent", "The server does not answer.", "Wait.", NOW - HOUR),
    "NextAttempt": 0,
    "NextAttemptMonotonic": 0,
    "NeedsPassword": False,
    "Attempts": 0,
    "Connects": 0,
    "Reconnects": 0,
    "ConnectTime": 0,
    "ReceivedBytes": 0,
    "SentBytes": 0,
}
UP = IDLE | {
    "Name": "work",
    "State": "up",
    "Interface": "pptp-work",
    "LocalAddress": "192.168.10.201",
    "PeerAddress": "192.168.10.1",
    "Encrypted": True,
    "Since": NOW - 3 * HOUR,
    "Attempts": 7,
    "Connects": 3,
    "Reconnects": 2,
    "ConnectTime": 1_250_000,
    "ReceivedBytes": 123_456,
    "SentBytes": 99,
}
WAITING = IDLE | {"Name": "home", "State": "waiting", "NextAttemptMonotonic": 1_012_500_000, "Since": NOW - 5_000_000}
FAILED = IDLE | {"Name": "bad", "State": "failed", "LastError": ("x", "The password\x1b[2J is wrong.", "", NOW)}


@pytest.fixture
def style(monkeypatch: pytest.MonkeyPatch) -> Style:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Style(StringIO())


def shown(style: Style, *tunnels: dict[str, Any]) -> list[str]:
    return listing.lines(tunnels, style, NOW, MONOTONIC)


def test_everything_where_there_is_room(style: Style) -> None:
    assert shown(style, UP, WAITING, IDLE, FAILED) == [
        "  TUNNEL  STATE        INTERFACE  ADDRESSES                       RECEIVED  SENT",
        "● work    up 3 h       pptp-work  192.168.10.201 -> 192.168.10.1  121 KiB   99 B",
        "↻ home    waiting 5 s  next attempt in 12 s: The server does not answer.",
        "○ zoo     idle 2 d",
        "× bad     failed 2 d   The password\\x1b[2J is wrong.",  # noqa: RUF001
    ]


def test_what_matters_least_goes_first(style: Style) -> None:
    heads: list[list[str]] = []
    for width in range(90, 0, -1):
        style.width = width
        found = shown(style, UP, WAITING, IDLE)
        assert max(map(columns, found)) <= max(width, 2)
        if not heads or found[0].split() != heads[-1]:
            heads.append(found[0].split())
    names = ["TUNNEL", "STATE", "INTERFACE", "ADDRESSES", "RECEIVED", "SENT"]
    expected = [names]
    for name in ("INTERFACE", "SENT", "RECEIVED", "ADDRESSES"):
        names = [other for other in names if other != name]
        expected.append(names)
    assert heads[:5] == expected


def test_without_a_tunnel_that_is_up_there_are_no_columns_for_it(style: Style) -> None:
    assert shown(style, IDLE)[0] == "  TUNNEL  STATE"


def test_name_servers_that_nobody_asks_are_told_of_a_tunnel_that_is_up(style: Style) -> None:
    assert shown(style, UP | {"Dns": {"Problem": "nobody asks"}})[1].endswith(
        "99 B  name servers not used: nobody asks"
    )


def test_a_tunnel_that_is_not_encrypted_is_marked_also_where_there_is_little_room(style: Style) -> None:
    style.width = 32
    style.colour = True
    assert "\033[31mup 3 h, NOT ENCRYPTED\033[0m" in shown(style, UP | {"Encrypted": False})[1]
    older = {name: value for name, value in UP.items() if name != "Encrypted"}
    assert "ENCRYPTED" not in shown(style, older)[1]


def test_what_a_tunnel_waits_for_is_told_instead_of_its_last_failure(style: Style) -> None:
    waits = WAITING | {"NextAttemptMonotonic": 0, "Waits": "Waiting for the network"}
    assert shown(style, waits)[1] == "↻ home    waiting 5 s  Waiting for the network"


def test_colours(style: Style) -> None:
    style.colour = True
    _, up, waiting = shown(style, UP, WAITING)
    assert up.startswith("\033[32m●\033[0m \033[1mwork\033[0m    \033[32mup 3 h\033[0m  ")
    assert waiting.startswith("\033[33m↻\033[0m \033[1mhome\033[0m    \033[33mwaiting 5 s\033[0m  next")


def test_signs_where_the_locale_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert [line[0] for line in shown(Style(StringIO()), UP, WAITING, IDLE, FAILED)[1:]] == ["*", "~", "-", "x"]


def test_no_tunnels_are_no_table(style: Style) -> None:
    assert shown(style) == []


# --- notices ---


def test_notices() -> None:
    manager: dict[str, Any] = {"NeedReload": False, "ConfigurationProblems": []}
    assert notices.notices(manager) == []
    manager["ConfigurationProblems"] = ["f:1:1: a\x1b", "f:2:1: b", "f:3:1: c", "f:4:1: d", "f:5:1: e"]
    head, *others = notices.notices(manager)
    assert "pptpctl check" in head
    assert others == ["  f:1:1: a\\x1b", "  f:2:1: b", "  f:3:1: c", "  ... and 2 more"]
    manager["NeedReload"] = True
    assert notices.notices(manager) == [notices.CHANGED]
