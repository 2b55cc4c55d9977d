"""What is made from the program is what `make docs` makes now."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import write  # noqa: E402

from pptpd_manager.tunnel import State  # noqa: E402


@pytest.mark.parametrize("name", write.PAGES)
def test_it_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == write.PAGES[name](), "run: make docs"


def test_there_is_a_way_from_each_state_and_to_it() -> None:
    edges = [line.split(" --> ") for line in (ROOT / "docs/states.md").read_text().splitlines() if " --> " in line]
    for state in State:
        assert any(start.strip() == state.value for start, _ in edges)
        assert any(end == state.value for _, end in edges)
