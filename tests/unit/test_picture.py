"""The picture of a terminal: docs/pptpctl.svg, and what draws it."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import picture  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[tuple[str, str | None, str | None]]:
    """Each text with its color and its weight."""
    return [
        (text.text or "", text.get("fill"), text.get("font-weight"))
        for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    ]


def test_colors_and_weights_are_kept() -> None:
    session = b"\033[1m# pptpctl\033[0m\r\n\033[32mup\033[0m  \033[2mwhile <1 s>\033[0m\r\n"
    assert texts(picture.drawn(session)) == [
        ("# pptpctl", None, "bold"),
        ("up", picture.COLORS["green"], None),
        ("while <1 s>", "#8a8a8a", None),
    ]


def test_what_was_written_over_is_not_seen() -> None:
    assert texts(picture.drawn(b"dialling\r\033[Kup\r\n")) == [("up", None, None)]


def test_the_picture_has_what_it_is_there_for() -> None:
    """The commands, a tunnel that is up and one that is not; nothing is fetched from elsewhere, and no secret."""
    svg = (ROOT / "docs/pptpctl.svg").read_text()
    shown = " ".join(text for text, _, _ in texts(svg))
    assert re.search(r"# pptpctl up work\b", shown) and "pptp-work" in shown
    assert "The server refuses the user name or the password." in shown
    assert "password'" not in shown and "url(" not in svg and "href" not in svg
