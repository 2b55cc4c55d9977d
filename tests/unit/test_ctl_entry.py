"""Entries of the journal: whose they are, and how they look."""

from __future__ import annotations

import json
from io import StringIO

import pytest

from pptpd_manager.ctl import entry
from pptpd_manager.ctl.terminal import Style

UNIT = "pptp@work.service"


def parsed(**fields: object) -> entry.Entry:
    found = entry.parse(json.dumps({"_UID": "0", "_PID": "7", "SYSLOG_IDENTIFIER": "pppd", **fields}).encode())
    assert found
    return found


@pytest.mark.parametrize(
    ("fields", "ours"),
    [
        ({"_SYSTEMD_UNIT": UNIT}, True),
        ({"_SYSTEMD_UNIT": UNIT, "_UID": "1000"}, False),
        ({"_SYSTEMD_UNIT": "pptp@home.service"}, False),
        ({"PPTP_TUNNEL": "work", "_SYSTEMD_UNIT": "pptp-manager.service"}, True),
        ({"PPTP_TUNNEL": "home", "_SYSTEMD_UNIT": "pptp-manager.service"}, False),
        ({"_SYSTEMD_UNIT": "user@1000.service", "SYSLOG_IDENTIFIER": "pptp"}, False),
        ({"SYSLOG_IDENTIFIER": "pptp", "MESSAGE": "work-0123abcd log[x]: y"}, True),
        ({"SYSLOG_IDENTIFIER": "pptp", "MESSAGE": "workshop-0123abcd log[x]: y"}, False),
        ({"SYSLOG_IDENTIFIER": "pppd", "MESSAGE": "work-0123abcd log[x]: y"}, False),
        ({"SYSLOG_IDENTIFIER": "systemd", "_PID": "1", "UNIT": UNIT, "_SYSTEMD_UNIT": "init.scope"}, True),
        ({"SYSLOG_IDENTIFIER": "systemd", "_PID": "9", "UNIT": UNIT, "_SYSTEMD_UNIT": "init.scope"}, False),
    ],
)
def test_ours(fields: dict[str, str], ours: bool) -> None:
    assert entry.Ours("work", UNIT)(parsed(**fields)) is ours


def test_the_last_lines_of_a_pppd_are_known_by_its_number() -> None:
    ours = entry.Ours("work", UNIT)
    assert not ours(parsed(MESSAGE="before"))
    assert ours(parsed(_SYSTEMD_UNIT=UNIT))
    assert ours(parsed(MESSAGE="Exit."))
    assert not ours(parsed(MESSAGE="Exit.", _PID="8"))


def test_a_message_that_is_no_text() -> None:
    assert parsed(MESSAGE=[104, 105, 27, 255]).message == "hi\x1b\ufffd"


@pytest.mark.parametrize("line", [b"", b"[]", b"{", b'"x"', b'{"PRIORITY": "x"}'])
def test_what_is_no_entry(line: bytes) -> None:
    assert entry.parse(line) is None


def test_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parsed(MESSAGE="a\x1b[2J\n b\n", PRIORITY="3", __REALTIME_TIMESTAMP="1700000000000000")
    plain = entry.lines(found, Style(StringIO()))
    assert [line[15:] for line in plain] == [" pppd[7]: a\\x1b[2J", " " * 10 + " b"]
    assert [len(line) for line in entry.lines(found, Style(StringIO()), 27)] == [27, 27]
    style = Style(StringIO())
    style.colour = True
    assert entry.lines(found, style)[0].endswith("pppd[7]: \033[0m\033[31ma\\x1b[2J\033[0m")


def test_matches_are_of_root_alone() -> None:
    groups = " ".join(entry.matches("work", UNIT)).split(" + ")
    assert all(group.endswith("_UID=0") for group in groups)
    assert f"_SYSTEMD_UNIT={UNIT} _UID=0" in groups
