"""The states of tunnels as they look: a sign as systemctl's, and a colour. The words are those on the bus."""

from __future__ import annotations

from pptpd_manager.ctl.terminal import Style

SIGNS = {"up": "●", "idle": "○", "failed": "×"}  # noqa: RUF001
ON_THE_WAY = "↻"  # each other state
ASCII = {"●": "*", "○": "-", "×": "x", "↻": "~"}  # noqa: RUF001
COLOURS = {"up": "green", "idle": "dim", "failed": "red"}


def sign(state: str, style: Style) -> str:
    """One character that tells the state, also without colour."""
    found = SIGNS.get(state, ON_THE_WAY)
    return found if style.signs else ASCII[found]


def colour(state: str) -> str:
    """What Style.paint() is to paint it in."""
    return COLOURS.get(state, "yellow")
