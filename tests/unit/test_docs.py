"""The pages that are made from the program are what `make docs` makes now."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import write  # noqa: E402

from pptpd_manager.tunnel import State  # noqa: E402


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    made: dict[str, str] = write.pages()
    return made


@pytest.mark.parametrize("name", ["reasons.md", "states.md"])
def test_a_page_is_up_to_date(pages: dict[str, str], name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == pages[name], "run: make docs"


def test_there_is_a_way_from_each_state_and_to_it(pages: dict[str, str]) -> None:
    edges = [line.split(" --> ") for line in pages["states.md"].splitlines() if " --> " in line]
    for state in State:
        assert any(start.strip() == state.value for start, _ in edges)
        assert any(end == state.value for _, end in edges)
