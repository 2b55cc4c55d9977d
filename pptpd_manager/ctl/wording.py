"""Single properties of a tunnel in words; "" where there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pptpd_manager.ctl import quantities


def addresses(t: Mapping[str, Any]) -> str:
    """Both ends of the link; "" while it is not up."""
    return f"{t['LocalAddress']} -> {t['PeerAddress']}" if t["LocalAddress"] else ""


def unencrypted(t: Mapping[str, Any]) -> str:
    """That a tunnel which is up is not encrypted; an older manager does not tell."""
    return "NOT ENCRYPTED" if t["State"] == "up" and not t.get("Encrypted", True) else ""


def next_attempt(t: Mapping[str, Any], monotonic: float) -> str:
    """When the next attempt is; "" while that is not known."""
    moment = t["NextAttemptMonotonic"]
    return f"in {quantities.duration(max(1, round(moment / 1e6 - monotonic)))}" if moment else ""


def name_servers(dns: Mapping[str, Any]) -> str:
    """The property Dns in words."""
    if not dns:
        return ""
    domains = list(dict.fromkeys([*dns["Search"], *dns["Domains"]]))
    names = ", ".join([*domains, *(["all other names"] if domains else ["all names"]) * dns["DefaultRoute"]])
    asked = f"{', '.join(dns['Servers'])} for {names}" if names else ", ".join(dns["Servers"])
    if dns["Problem"]:
        return "; ".join(filter(None, (asked, f"not used: {dns['Problem']}")))
    return f"{asked}, through {dns['Through']}"
