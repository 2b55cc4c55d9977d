"""Draws what a terminal showed: picture.py SESSION SVG (`make picture`). SESSION is what lab/session.py wrote.

python3-pyte is the terminal: it knows what becomes of a line that is written over.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

COLUMNS, MOST_LINES = 96, 200
WIDTH, HEIGHT, SIZE, MARGIN = 8.4, 19, 14, 16  # of a character, of a line, of the font, around all; in pixels
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
BACK, FRONT = "#1e2127", "#d7dae0"
COLORS = {
    "red": "#f06c75",
    "green": "#8fce6b",
    "brown": "#e0b45c",  # pyte's word for yellow
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d7dae0",
}
DIM = (b"\033[2m", b"\033[38;5;245m")  # pyte does not know dim; this is a gray
Ink = tuple[str, bool]  # color, whether bold


def main() -> None:
    """Draw the session in the one file into the other one."""
    session, picture = map(Path, sys.argv[1:])
    picture.write_text(drawn(session.read_bytes()), encoding="utf-8")


def drawn(session: bytes) -> str:
    """The SVG of the last that the terminal showed; session: the bytes that it got."""
    screen = pyte.Screen(COLUMNS, MOST_LINES)
    pyte.ByteStream(screen).feed(session.replace(*DIM))
    rows = [screen.buffer[number] for number in range(MOST_LINES)]
    used = max((number + 1 for number in range(MOST_LINES) if screen.display[number].strip()), default=0)
    wide, high = round(COLUMNS * WIDTH + 2 * MARGIN), used * HEIGHT + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">',
        f'<rect width="{wide}" height="{high}" rx="8" fill="{BACK}"/>',
        f'<g font-family="{FONT}" font-size="{SIZE}" fill="{FRONT}" xml:space="preserve">',
        *(text for number in range(used) for text in line(rows[number], number)),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def line(row: dict[int, pyte.screens.Char], number: int) -> Iterator[str]:
    """The texts of a line, one for each run of characters in one ink, as wide as a terminal has it."""
    cells = [(column, row[column]) for column in range(COLUMNS)]
    for ink, run in groupby(cells, key=lambda cell: ink_of(cell[1])):
        characters = list(run)
        text = "".join(character.data for _, character in characters)
        left = characters[0][0] + len(text) - len(text.lstrip())
        if text := text.strip():
            x, y = MARGIN + left * WIDTH, MARGIN + number * HEIGHT + SIZE
            yield f'<text x="{x:.1f}" y="{y}" textLength="{len(text) * WIDTH:.1f}"{style(ink)}>{escape(text)}</text>'


def ink_of(character: pyte.screens.Char) -> Ink:
    """How the character is drawn."""
    color = COLORS.get(character.fg, FRONT if character.fg == "default" else f"#{character.fg}")
    return color, character.bold


def style(ink: Ink) -> str:
    """The attributes of a text in that ink."""
    color, bold = ink
    return ("" if color == FRONT else f' fill="{color}"') + (' font-weight="bold"' if bold else "")


if __name__ == "__main__":
    main()
