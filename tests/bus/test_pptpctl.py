"""pptpctl's commands that look, against the real manager."""

from __future__ import annotations

from .pptpctl import Pptpctl
from .world import CONFIG, World

BROKEN = CONFIG.replace("server: 198.51.100.8", "sever: 198.51.100.8")
REASON = "The password is wrong"


def run(world: World, *arguments: str, **options: object) -> tuple[int, str, str]:
    """What pptpctl ends with and writes."""
    return Pptpctl(world, *arguments, **options).outcome()  # type: ignore[arg-type]
