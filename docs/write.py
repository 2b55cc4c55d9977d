"""Writes what is made from the program (`make docs`); tests/unit/test_docs.py compares it.

The pages in docs/, the manual pages in man/, and for editors and people the configuration's schema and example.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "tests")]

import example  # noqa: E402
import manual  # noqa: E402
import reasons_page  # noqa: E402
import schema  # noqa: E402
import states_page  # noqa: E402

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reasons.md": reasons_page.page,
    "docs/states.md": states_page.page,
    "etc/pptp-manager.schema.json": schema.page,
    "etc/pptp-manager.example.yaml": example.page,
    **manual.PAGES,
}
"""Each file that is made -> what makes its text."""


def main() -> None:
    """Write the files."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page())


if __name__ == "__main__":
    main()
