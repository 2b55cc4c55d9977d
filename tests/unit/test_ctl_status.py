"""pptpctl status as text."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest

from pptpd_manager.ctl import status
from pptpd_manager.ctl.entry import Entry
from pptpd_manager.ctl.terminal import Style, columns
from pptpd_manager.ctl.unit import Unit

from .test_ctl_listing import HOUR, IDLE, MONOTONIC, NOW, UP, WAITING

DNS = {"Servers": ["10.0.0.1"], "Search": [], "Domains": [], "DefaultRoute": True, "Through": "resolvconf"}


@pytest.fixture
def style(monkeypatch: pytest.MonkeyPatch) -> Style:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Style(StringIO())


def facts(tunnel: dict[str, Any], unit: Unit, style: Style) -> dict[str, str]:
    """The lines below the first, by their labels; a text that goes on below is joined."""
    _, *lines = status.lines(tunnel, unit, style, NOW, MONOTONIC)
    text = re.sub(r"\n {16}(?! *\S+: )", " ", "\n".join(lines))
    return dict(line.strip().split(": ", 1) for line in text.splitlines())


def test_a_tunnel_that_is_up(style: Style) -> None:
    tunnel = UP | {
        "ServerAddress": "203.0.113.1",
        "Mtu": 1400,
        "Routes": ["10.0.0.0/8", "10.1.0.0/16"],
        "Dns": DNS | {"Problem": ""},
        "LastError": ("", "", "", 0),
    }
    found = facts(tunnel, Unit("enabled", "pptp-work ...; NOT ENCRYPTED"), style)
    assert re.fullmatch(r"up since \w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d; 3 h ago", found.pop("State"))
    assert found == {
        "Status": "pptp-work ...; NOT ENCRYPTED",
        "Unit": "pptp@zoo.service (connected at boot)",
        "Server": "vpn.example.com",
        "Server address": "203.0.113.1",
        "Interface": "pptp-work",
        "Addresses": "192.168.10.201 -> 192.168.10.1",
        "MTU": "1400 bytes",
        "Routes": "10.0.0.0/8, 10.1.0.0/16",
        "DNS": "10.0.0.1 for all names, through resolvconf",
        "Traffic": "121 KiB received, 99 B sent",
    }


def test_a_tunnel_that_is_not_encrypted(style: Style) -> None:
    assert facts(UP | {"Encrypted": False}, Unit(), style)["Encryption"] == "none"


def test_a_tunnel_that_is_down(style: Style) -> None:
    found = facts(WAITING | {"Dns": DNS | {"Problem": "nobody asks"}}, Unit("masked", "Pausing"), style)
    assert found["Unit"] == "pptp@zoo.service (masked)"
    assert found["Status"] == "Pausing"
    assert found["Next attempt"] == "in 12 s"
    assert found["DNS"] == "10.0.0.1 for all names; not used: nobody asks"
    assert found["Last error"] == "The server does not answer. (server-silent, 1 h ago)"
    assert found["Advice"] == "Wait."


def test_the_status_of_a_run_that_is_over_is_not_shown(style: Style) -> None:
    assert "Status" not in facts(IDLE, Unit("", "pppd has ended"), style)


@pytest.mark.parametrize("width", [80, 50, 37])
def test_long_texts_go_on_below(style: Style, width: int) -> None:
    style.width = width
    error = ("x", "The server says: " + "no " * 50, "Do \x1b[2J what must be done. " * 5, NOW - HOUR)
    lines = status.lines(WAITING | {"LastError": error}, Unit(), style, NOW, MONOTONIC)
    assert max(map(columns, lines[1:])) <= width
    assert "\x1b" not in "".join(lines)
    assert all(re.match(r" {16}\S| *[A-Z][A-Za-z ]+: \S", line) for line in lines[1:]), lines


def test_an_error_is_red_where_it_matters(style: Style) -> None:
    style.colour = True
    red = "\033[31mThe server does not answer."
    assert red in "".join(status.lines(WAITING, Unit(), style, NOW, MONOTONIC))
    assert red not in "".join(status.lines(UP, Unit(), style, NOW, MONOTONIC))


def test_the_log_is_cut_to_the_terminal(style: Style) -> None:
    style.width = 40
    entry = Entry(NOW, "pppd", "7", "0", 6, "a long line " * 9 + "\nand another")
    empty, *lines = status.log_lines([entry], style)
    assert (empty, [columns(line) for line in lines]) == ("", [40, 36])
    assert status.log_lines([], style) == status.log_lines(None, style) == []
