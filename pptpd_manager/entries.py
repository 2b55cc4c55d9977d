"""Entries of the journal as journalctl gives them in JSON, see journalctl(1) and systemd.journal-fields(7)."""

from __future__ import annotations

from typing import Any

# Root's lines alone: anybody may write a line that says it is pppd's.
ROOTS = "_UID=0"


def text(value: Any) -> str:
    """A field's value: a text, a list of bytes when it is not printable, of both when it is repeated."""
    if not isinstance(value, list):
        return str(value or "")
    if all(isinstance(item, int) and 0 <= item < 256 for item in value):
        return bytes(value).decode(errors="replace")
    return text(next((item for item in value if not isinstance(item, int)), None))
