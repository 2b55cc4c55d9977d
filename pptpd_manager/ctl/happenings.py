"""What happens to tunnels: from their properties before and after to records, and from these to lines for people.

The records are those of `pptpctl monitor --json`, see docs/json.md, but for their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pptpd_manager.ctl import quantities, record, states
from pptpd_manager.ctl.record import Json
from pptpd_manager.ctl.terminal import Style, printable
from pptpd_manager.ctl.wording import name_servers, unencrypted

Properties = Mapping[str, Any]

NONE = ("", "", "", 0)  # LastError while nothing has failed; also of a manager that has just begun
GONE = "pptp-manager does not run; the tunnels stay as they are"
BACK = "pptp-manager runs"


def changes(before: Properties | None, after: Properties) -> list[Json]:
    """What has happened to a tunnel between the two. before: None when it has just been seen for the first time."""
    happened = [_state(before, after), _failure(before, after)]
    seen = [
        _if_changed(before, after, "link", "LocalAddress", "PeerAddress", "Mtu"),
        _if_changed(before, after, "routes", "Routes"),
        _if_changed(before, after, "dns", "Dns"),
        _if_changed(before, after, "next_attempt", "NextAttempt"),
    ]
    return [found for found in (*happened, *seen) if found]


def _state(before: Properties | None, after: Properties) -> Json | None:
    previous = before["State"] if before else None
    if previous == after["State"]:
        return None
    told = {"event": "state", "tunnel": after["Name"], "state": after["State"], "previous": previous}
    new = before is None or before["LastError"] != after["LastError"]
    why = after["State"] == "failed" or (after["State"] == "waiting" and new)
    return {**told, "error": record.last_error(after["LastError"]) if why else None}


def _failure(before: Properties | None, after: Properties) -> Json | None:
    """A failure that is told of when the state has changed already."""
    if before is None or before["State"] != after["State"] or after["LastError"] in (before["LastError"], NONE):
        return None
    return {"event": "failure", "tunnel": after["Name"], "error": record.last_error(after["LastError"])}


def _if_changed(before: Properties | None, after: Properties, event: str, *names: str) -> Json | None:
    """The record of an event if one of these properties says something new."""
    if before is not None and all(before[name] == after[name] for name in names):
        return None
    taken = before is not None and after["State"] == "up" and event in ("routes", "dns")  # by a changed configuration
    if not (taken or any(after[name] for name in names)):
        return None
    whole = record.tunnel({**after, "ReceivedBytes": 0, "SentBytes": 0})
    keys = ("interface", "local_address", "peer_address", "mtu", "encrypted") if event == "link" else (event,)
    return {"event": event, "tunnel": after["Name"], **{key: whole[key] for key in keys}}


def line(found: Json, properties: Properties | None, now: int, style: Style) -> str:
    """A record for people. properties: of its tunnel, None if it is about none; now: the time, in microseconds."""
    begin = style.paint(quantities.clock(now), "dim")
    if properties is None:
        return f"{begin} {text(found, None, now)}"
    words = printable(text(found, properties, now))
    colour = [states.colour(found["state"])] if found["event"] == "state" else []
    return f"{begin} {style.paint(found['tunnel'], 'bold')}: {style.paint(words, *colour)}"


def text(found: Json, properties: Properties | None, now: int) -> str:
    """The same, without time, tunnel and colour."""
    p = properties or {}
    error = found.get("error") or {}
    match found["event"]:
        case "state":
            was = f", was {found['previous']}" if found["previous"] else ""
            return f"{found['state']}{was}" + (f": {error['message']}" if error else "")
        case "failure":
            return str(error.get("message", ""))
        case "link":
            link = f"{found['interface']} {found['local_address']} -> {found['peer_address']}, MTU {found['mtu']}"
            return ", ".join(filter(None, (link, unencrypted(p))))
        case "routes":
            return f"routes {', '.join(found['routes']) or 'none'}"
        case "dns":
            return f"name servers {name_servers(p['Dns']) or 'none'}"
        case "next_attempt":
            return f"next attempt in {quantities.duration(max(1, round((p['NextAttempt'] - now) / 1e6)))}"
        case "manager":
            return BACK if found["running"] else GONE
        case "configuration":
            problems = "; ".join(map(printable, found["problems"]))
            return f"the configuration file has mistakes: {problems}" if problems else "the configuration file is good"
        case event:
            return str(event)  # added, removed
