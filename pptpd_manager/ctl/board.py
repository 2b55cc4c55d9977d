"""The lines of several tunnels: on a terminal one each that is written anew, else one for each change."""

from __future__ import annotations

import os
import shutil
import time
from typing import TextIO

from pptpd_manager.ctl.progress import took
from pptpd_manager.ctl.terminal import Style, cut, printable

SHOWN_AFTER_SECONDS = 1  # how long something may take before it is told how long it takes


class Board:
    """What is shown of what is under way, and what has ended, which stays."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err
        self._live = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._began = time.monotonic()
        self._lines: dict[str, str] = {}
        self._drawn = 0
        self._ended: list[tuple[TextIO, str]] = []  # what is to be written
        self._covered = False  # by a prompt of another program

    def show(self, name: str, text: str) -> None:
        """What the tunnel is doing."""
        if not text or self._lines.get(name) == text:
            return
        self._lines[name] = text
        if not self._live:
            print(printable(f"{name}: {text}"), file=self._out, flush=True)
        self.draw()

    def end(self, name: str, text: str, *, well: bool = True, more: str = "") -> None:
        """What has become of it. more: further lines; they and those of text but its first are without colour."""
        self.clear()
        self._lines.pop(name, None)
        stream = self._out if well else self._err
        first, *rest = [printable(line) for line in [*text.splitlines(), *more.splitlines()]]
        first = f"{printable(name)}: {Style(stream).paint(first, 'green' if well else 'red')}"
        lines = [first, *(f"  {line}" for line in rest)]
        self._ended.append((stream, "\n".join(lines)))
        self._write()
        self.draw()

    def _write(self) -> None:
        """Write what has ended; not into somebody's typing."""
        while self._ended and not (self._covered and self._live):
            stream, text = self._ended.pop(0)
            print(text, file=stream, flush=True)

    def draw(self) -> None:
        """Write the lines of what is under way anew."""
        if not self._live or self._covered:
            return
        self.clear()
        width, height = shutil.get_terminal_size()
        seconds = time.monotonic() - self._began
        since = f" ({took(int(seconds)).replace('.0', '')})" if seconds >= SHOWN_AFTER_SECONDS else ""
        lines = [cut(printable(f"{name}: {text}{since}"), width - 1) for name, text in self._lines.items()]
        lines = lines[: max(1, height - 1)]
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    def clear(self) -> None:
        """Take those lines away."""
        if self._drawn:
            self._out.write(f"\033[{self._drawn}A\r\033[J")
            self._out.flush()
        self._drawn = 0

    def cover(self, covered: bool) -> None:
        """Leave the terminal to a prompt, or take it back."""
        if covered:
            self._drawn = 0  # the prompt is below, so these lines stay
        self._covered = covered
        self._write()

    def uncover(self) -> None:
        """Take the terminal back from a prompt that has not come to its end."""
        if self._covered and self._live:
            print(file=self._out)
        self.cover(False)
