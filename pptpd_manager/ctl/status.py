"""pptpctl status: everything known of tunnels, and the last lines of their logs."""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pptpd_manager.ctl import entry, journalctl, notices, quantities, record, states
from pptpd_manager.ctl.entry import Entry
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.look import look
from pptpd_manager.ctl.terminal import Style, printable
from pptpd_manager.ctl.unit import Systemd, Unit
from pptpd_manager.ctl.wording import addresses, name_servers, next_attempt, unencrypted

LABELS = 14  # columns
LEAST_WIDTH = 20  # columns of what is beside a label
HINT = f"The log is not shown: {journalctl.REFUSED}."
RUNNING = ("waiting", "resolving", "connecting", "up")  # the states in which the unit's status is of now
AT_BOOT = {"enabled": "connected at boot", "disabled": "not connected at boot"}

Fact = tuple[str, str, str]  # label, text, colour or ""


def run(arguments: argparse.Namespace) -> Exit:
    """The command."""
    bus = look()
    manager, tunnels = bus.manager(), bus.named(arguments.names)
    logs = {name: _log(name, arguments.lines) for name in tunnels}
    systemd = Systemd(bus)
    units = {name: systemd.look(t["Unit"]) for name, t in tunnels.items()}
    if arguments.json:
        found = [record.tunnel(t) | more(units[name], logs[name]) for name, t in tunnels.items()]
        print(record.document({"tunnels": found, "manager": record.manager(manager)}))
        return Exit.OK
    style = Style(sys.stdout)
    for number, (name, t) in enumerate(tunnels.items()):
        for line in lines(t, units[name], style, quantities.now(), time.monotonic()):
            print(line)
        for line in log_lines(logs[name], style):
            print(line)
        if number < len(tunnels) - 1:
            print()
    if not tunnels:
        print(notices.no_tunnels(manager))
    if None in logs.values():
        sys.stdout.flush()
        print(HINT, file=sys.stderr)
    notices.tell(manager)
    return Exit.OK


def lines(t: Mapping[str, Any], of: Unit, style: Style, now: int, monotonic: float) -> list[str]:
    """What is known of a tunnel and its unit; the rest as of listing."""
    colour = states.colour(t["State"])
    sign = style.paint(states.sign(t["State"], style), colour)
    found = [f"{sign} {style.paint(t['Name'], 'bold')} - PPTP tunnel to {printable(t['Server'])}"]
    width = max(LEAST_WIDTH, style.width - LABELS - 2)
    for label, text, kind in facts(t, of, now, monotonic):
        first, *others = textwrap.wrap(printable(text), width, break_on_hyphens=False) or [""]
        found.append(f"{label:>{LABELS}}: {style.paint(first, *([kind] if kind else []))}")
        found += [" " * (LABELS + 2) + style.paint(other, *([kind] if kind else [])) for other in others]
    return found


def facts(t: Mapping[str, Any], of: Unit, now: int, monotonic: float) -> list[Fact]:
    """What is known of a tunnel, in the order of what is asked first; nothing empty."""
    up, boot = t["State"] == "up", AT_BOOT.get(of.file_state, of.file_state)
    age = quantities.duration((now - t["Since"]) / 1e6, 2)
    traffic = f"{quantities.size(t['ReceivedBytes'])} received, {quantities.size(t['SentBytes'])} sent"
    found = [
        ("State", f"{t['State']} since {quantities.date(t['Since'])}; {age} ago", states.colour(t["State"])),
        ("Status", of.text if t["State"] in RUNNING else "", ""),
        ("Unit", f"{t['Unit']} ({boot})" if boot else t["Unit"], ""),
        ("Server", t["Server"], ""),
        ("Server address", t["ServerAddress"] if t["ServerAddress"] != t["Server"] else "", ""),
        ("Interface", t["Interface"], ""),
        ("Addresses", addresses(t), ""),
        ("Encryption", "none" if unencrypted(t) else "", "red"),
        ("MTU", f"{t['Mtu']} bytes" if t["Mtu"] else "", ""),
        ("Routes", ", ".join(t["Routes"]), ""),
        ("DNS", name_servers(t["Dns"]), "yellow" if t["Dns"].get("Problem") else ""),
        ("Traffic", traffic if up else "", ""),
        ("Next attempt", next_attempt(t, monotonic), ""),
        *_last_error(t, now),
    ]
    return [fact for fact in found if fact[1]]


def _last_error(t: Mapping[str, Any], now: int) -> list[Fact]:
    reason, sentence, advice, moment = t["LastError"]
    if not reason:
        return []
    age = quantities.duration((now - moment) / 1e6, 2)
    colour = "" if t["State"] in ("up", "idle") else "red"
    return [("Last error", f"{sentence} ({reason}, {age} ago)", colour), ("Advice", advice, "")]


def log_lines(log: Sequence[Entry] | None, style: Style) -> list[str]:
    """The last entries of a tunnel's log below an empty line, each in one line; None: they may not be read."""
    found = [entry.lines(each, style, style.width) for each in log or ()]
    return [""] * bool(found) + [line for lines in found for line in lines]


def _log(name: str, count: int) -> list[Entry] | None:
    """The last entries; None for who may not read them."""
    try:
        return journalctl.last(name, count) if count else []
    except CtlError as error:
        if error.status is Exit.REFUSED:
            return None
        raise


def more(of: Unit, log: Sequence[Entry] | None) -> record.Json:
    """What a status has over a list, as JSON."""
    return {
        "unit_file_state": of.file_state or None,
        "status_text": of.text or None,
        "log": None if log is None else [entry.record(each) for each in log],
    }
