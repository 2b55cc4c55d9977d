"""pptpctl list: the tunnels, a line each."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pptpd_manager.ctl import notices, quantities, record, states
from pptpd_manager.ctl.calls import MANAGER, PATH
from pptpd_manager.ctl.exits import Exit
from pptpd_manager.ctl.look import look
from pptpd_manager.ctl.terminal import Style, columns, cut, pad, printable, widths
from pptpd_manager.ctl.unit import Systemd
from pptpd_manager.ctl.wording import addresses, next_attempt, unencrypted

HEAD = ("TUNNEL", "STATE", "INTERFACE", "ADDRESSES", "RECEIVED", "SENT")
NAME, STATE, INTERFACE, ADDRESSES, RECEIVED, SENT = range(6)
LEAST_IMPORTANT = (INTERFACE, SENT, RECEIVED, ADDRESSES)  # what goes first where there is no room
LEAST_NOTE = 8  # columns; a note that has fewer says nothing
GAP = 2

Row = tuple[str, ...]


def run(arguments: argparse.Namespace) -> Exit:
    """The command."""
    bus = look()
    if arguments.names:
        for name, _, _ in bus.call(PATH, MANAGER + ".ListTunnels"):
            print(name)
        return Exit.OK
    manager, tunnels = bus.manager(), list(bus.tunnels().values())
    if arguments.json:
        found = {"tunnels": [record.tunnel(t) for t in tunnels], "manager": record.manager(manager)}
        print(record.document(found))
        return Exit.OK
    systemd = Systemd(bus)
    for t in tunnels:
        if t["State"] == "waiting" and not t["NextAttempt"]:
            t["Waits"] = systemd.text(t["Unit"])
    for line in lines(tunnels, Style(sys.stdout), quantities.now(), time.monotonic()):
        print(line)
    if not tunnels:
        print(notices.no_tunnels(manager))
    notices.tell(manager)
    return Exit.OK


def lines(tunnels: Sequence[Mapping[str, Any]], style: Style, now: int, monotonic: float) -> list[str]:
    """The table with its head, in the style's width; nothing without tunnels.

    now: microseconds since 1970; monotonic: seconds of CLOCK_MONOTONIC.
    """
    if not tunnels:
        return []
    table = [HEAD, *map(row, tunnels, [now] * len(tunnels))]
    sizes = layout(table, style.width - GAP)
    head = "  " + "  ".join(pad(cut(HEAD[i], size), size) for i, size in sizes.items())
    return [style.paint(head.rstrip(), "bold")] + [
        _line(t, cells, printable(note(t, monotonic)), sizes, style)
        for t, cells in zip(tunnels, table[1:], strict=True)
    ]


def row(t: Mapping[str, Any], now: int) -> Row:
    """The cells of a tunnel's line."""
    up = t["State"] == "up"
    return (
        t["Name"],
        # Not in the note: a terminal may have no room for that.
        ", ".join(filter(None, (f"{t['State']} {quantities.duration((now - t['Since']) / 1e6)}", unencrypted(t)))),
        t["Interface"] if up else "",
        addresses(t),
        quantities.size(t["ReceivedBytes"]) if up else "",
        quantities.size(t["SentBytes"]) if up else "",
    )


def note(t: Mapping[str, Any], monotonic: float) -> str:
    """What is not well, and what comes next; "" when there is nothing to tell. Waits: of a tunnel, for an event."""
    if t["State"] == "up":
        problem = t["Dns"].get("Problem", "")
        return f"name servers not used: {problem}" if problem else ""
    if t["State"] not in ("waiting", "failed"):
        return ""
    soon = next_attempt(t, monotonic)
    return str(t.get("Waits") or ": ".join(filter(None, (f"next attempt {soon}" if soon else "", t["LastError"][1]))))


def layout(table: Sequence[Row], width: int) -> dict[int, int]:
    """How wide each column of the table is that has something in it and finds room, by its number."""
    sizes = {i: size for i, size in enumerate(widths(table)) if any(cells[i] for cells in table[1:])}

    def room() -> int:
        return width - sum(sizes.values()) - GAP * (len(sizes) - 1)

    for i in LEAST_IMPORTANT:
        if room() >= 0:
            break
        sizes.pop(i, None)
    for i in (STATE, NAME):
        sizes[i] = max(0, sizes[i] + min(0, room()))
    return sizes


def _line(t: Mapping[str, Any], cells: Row, text: str, sizes: Mapping[int, int], style: Style) -> str:
    """One line. text: the note, which begins where a tunnel that is not up has nothing else to show."""
    colour = "red" if unencrypted(t) else states.colour(t["State"])
    line, used = style.paint(states.sign(t["State"], style), colour), -1
    for i, size in sizes.items():
        if not any(cells[i:]):
            break
        part = cut(cells[i], size)
        kinds = {NAME: ["bold"], STATE: [colour]}.get(i, [])
        line += " " * (1 if i == NAME else GAP) + style.paint(part, *kinds) + " " * (size - columns(part))
        used += 1 + size if i == NAME else GAP + size
    room = style.width - GAP - used - GAP
    return line.rstrip() if not text or room < LEAST_NOTE else f"{line}  {cut(text, room)}"
