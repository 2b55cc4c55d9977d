"""The pages that are made from the program are what `make docs` makes now."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import write  # noqa: E402

from pptpd_manager.tunnel import State  # noqa: E402


def test_the_reasons_are_up_to_date() -> None:
    assert (ROOT / "docs/reasons.md").read_text() == write.reasons_page(), "run: make docs"


def test_the_states_are_up_to_date() -> None:
    """And there is a way from each and to it."""
    page = write.states_page(write.transitions())
    assert (ROOT / "docs/states.md").read_text() == page, "run: make docs"
    edges = [line.split(" --> ") for line in page.splitlines() if " --> " in line]
    for state in State:
        assert any(start.strip() == state.value for start, _ in edges)
        assert any(end == state.value for _, end in edges)
