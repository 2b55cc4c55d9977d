"""The measurement itself; the figures are shown, not judged."""

from __future__ import annotations

import pytest

from . import processor
from .processor import measured
from .world import World


def test_each_kind_of_change_is_measured(bare: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "SETTLED", 0.1)
    found = measured(bare, 2, 1)
    print(found)
    assert set(found) == {"idle", "redial", "another", "link"}
    assert found.pop("idle") >= 0 and min(found.values()) > 0
    assert bare.state(processor.name(1)) == "up"
    bare.expected = [
        line for line in bare.log().splitlines() if line.startswith(f"WARNING: tunnel {processor.name(0)}: ")
    ]
    assert bare.expected
