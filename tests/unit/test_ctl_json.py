"""What --json prints has the keys that docs/json.md says, no more and no fewer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pptpd_manager.ctl import check, entry, happenings, record, status
from pptpd_manager.ctl.unit import Unit
from pptpd_manager.doctor.finding import ok
from pptpd_manager.document import Problem

from .test_ctl_listing import UP, WAITING

PAGE = (Path(__file__).resolve().parents[2] / "docs/json.md").read_text()
DNS = {
    "Servers": ["10.0.0.1"],
    "Search": [],
    "Domains": [],
    "DefaultRoute": True,
    "Through": "resolvconf",
    "Problem": "",
}
MANAGER = {"Version": "1", "ConfigurationFile": "f", "ConfigurationProblems": [], "NeedReload": False}
ENTRY = b'{"MESSAGE": "m", "_PID": "1", "PRIORITY": "4", "__REALTIME_TIMESTAMP": "1"}'


def documented(section: str) -> list[str]:
    """The keys of a section's table, in its order."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert text, section
    return re.findall(r"^\| `(\w+)` \|", text[1], re.MULTILINE)


def parsed() -> entry.Entry:
    found = entry.parse(ENTRY)
    assert found
    return found


@pytest.mark.parametrize(
    ("section", "found"),
    [
        ("tunnel", record.tunnel(UP)),
        ("name servers", record.dns(DNS)),
        ("last failure", record.last_error(WAITING["LastError"])),
        ("manager", record.manager(MANAGER)),
        ("entry", entry.record(parsed())),
        ("status", status.more(Unit("enabled"), [parsed()])),
        ("finding", ok("tcp", "x").record()),
        ("mistake", check.record_of(Problem("f", 1, 1, "p", "m"))),
    ],
)
def test_keys(section: str, found: dict[str, Any]) -> None:
    assert list(found) == documented(section)


def test_what_there_is_not_is_null() -> None:
    found = record.tunnel(WAITING | {"LastError": ("", "", "", 0)})
    empty = {key for key, value in found.items() if value is None}
    expected = {"server_address", "local_address", "peer_address", "mtu"}
    expected |= {"encrypted", "dns", "next_attempt", "connect_seconds", "last_error"}
    assert empty == expected
    whole = check.record_of(Problem("f", 0, 0, "", "m"))
    assert whole == {"file": "f", "line": None, "column": None, "path": None, "message": "m"}


def test_events() -> None:
    """Every event that a tunnel can have, with the keys that the page says."""
    rows = re.findall(r"^\| `(\w+)` \| (`[^|]+`) \|", PAGE[PAGE.index("## monitor") :], re.MULTILINE)
    told = {event: re.findall(r"\w+", keys) for event, keys in rows}
    failed = WAITING | {"LastError": ("wrong-password", "No.", "Do.", 1), "NextAttempt": 5}
    found = happenings.changes(None, UP | {"Dns": DNS, "Routes": ["10.0.0.0/8"]})
    found += happenings.changes(UP, failed | {"LastError": UP["LastError"]})
    found += happenings.changes(WAITING, failed)
    assert {f["event"] for f in found} == told.keys() - {"added", "removed", "manager", "configuration"}
    for f in found:
        assert list(f) == ["event", *told[f["event"]]]
