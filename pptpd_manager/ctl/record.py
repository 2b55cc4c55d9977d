"""A tunnel, and the manager, as JSON: see docs/json.md, which says what each key is.

Its text is ASCII: what a server has sent is in it, and it may get to a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pptpd_manager.ctl.quantities import rfc3339

Json = dict[str, Any]


def line(record: Json) -> str:
    """A record in one line, for streams of them."""
    import json  # not before it is needed, here and below: a look without --json does not wait for it

    return json.dumps(record)


def document(record: Json) -> str:
    """A record to be read by people as well."""
    import json

    return json.dumps(record, indent=2)


def tunnel(properties: Mapping[str, Any]) -> Json:
    """From a tunnel's properties on the bus. What there is not is null."""
    p = properties
    return {
        "name": p["Name"],
        "unit": p["Unit"],
        "state": p["State"],
        "since": rfc3339(p["Since"]),
        "server": p["Server"],
        "server_address": p["ServerAddress"] or None,
        "interface": p["Interface"],
        "local_address": p["LocalAddress"] or None,
        "peer_address": p["PeerAddress"] or None,
        "mtu": p["Mtu"] or None,
        "encrypted": p.get("Encrypted") if p["State"] == "up" else None,  # an older manager does not tell
        "routes": p["Routes"],
        "dns": dns(p["Dns"]),
        "received_bytes": p["ReceivedBytes"],
        "sent_bytes": p["SentBytes"],
        "next_attempt": rfc3339(p["NextAttempt"]),
        **_counted(p),
        "last_error": last_error(p["LastError"]),
    }


def _counted(p: Mapping[str, Any]) -> Json:
    """What an older manager does not tell is null."""
    return {
        "needs_password": p.get("NeedsPassword"),
        "attempts": p.get("Attempts"),
        "connects": p.get("Connects"),
        "reconnects": p.get("Reconnects"),
        "connect_seconds": p["ConnectTime"] / 1e6 if p.get("ConnectTime") else None,
    }


def dns(properties: Mapping[str, Any]) -> Json | None:
    """From the property Dns."""
    if not properties:
        return None
    return {
        "servers": properties["Servers"],
        "search": properties["Search"],
        "domains": properties["Domains"],
        "default_route": properties["DefaultRoute"],
        "through": properties["Through"] or None,
        "problem": properties["Problem"] or None,
    }


def last_error(error: tuple[str, str, str, int]) -> Json | None:
    """From the property LastError."""
    reason, message, advice, moment = error
    return {"reason": reason, "message": message, "advice": advice, "time": rfc3339(moment)} if reason else None


def manager(properties: Mapping[str, Any]) -> Json:
    """From the manager's properties."""
    return {
        "version": properties["Version"],
        "configuration_file": properties["ConfigurationFile"],
        "configuration_problems": properties["ConfigurationProblems"],
        "need_reload": properties["NeedReload"],
    }
