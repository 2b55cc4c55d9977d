"""What a look at tunnels says besides: that the configuration file is another than the one in force."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pptpd_manager.ctl.terminal import printable

SHOWN = 3  # mistakes; `check` shows all
CHANGED = "The configuration file has changed; run: pptpctl reload"


def no_tunnels(manager: Mapping[str, Any]) -> str:
    """What to tell, and to do, when there are none."""
    file = printable(manager["ConfigurationFile"])
    return (
        f"There are no tunnels. Add one under 'tunnels:' in {file}, see pptp-manager.yaml(5), then run: pptpctl reload"
    )


def notices(manager: Mapping[str, Any]) -> list[str]:
    """Lines for people, from the manager's properties."""
    if manager["NeedReload"]:
        return [CHANGED]
    problems = list(map(printable, manager["ConfigurationProblems"]))
    if not problems:
        return []
    more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    head = "The configuration file has mistakes and is not in force; see: pptpctl check; then run: pptpctl reload"
    return [head, *(f"  {text}" for text in problems[:SHOWN] + more)]


def tell(manager: Mapping[str, Any]) -> None:
    """Write them to stderr, after what has been printed."""
    sys.stdout.flush()
    for text in notices(manager):
        print(text, file=sys.stderr)
