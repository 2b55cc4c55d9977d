"""What @frozen makes, beside what @dataclass(frozen=True) does."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from pptpd_manager.frozen import frozen


@frozen
class Ours:
    """One of ours."""

    run: str
    seconds: float = 1.0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Theirs:
    """The same of the library's."""

    run: str
    seconds: float = 1.0
    names: tuple[str, ...] = ()


@frozen
class Empty:
    """Without fields."""


@pytest.mark.parametrize(("values", "named"), [(("a",), {}), (("a", 2.0), {"names": ("x",)}), ((), {"run": "a"})])
def test_it_is_as_a_dataclass(values: tuple[object, ...], named: dict[str, object]) -> None:
    ours, theirs = Ours(*values, **named), Theirs(*values, **named)  # type: ignore[arg-type]
    assert repr(ours).removeprefix("Ours") == repr(theirs).removeprefix("Theirs")
    assert hash(ours) == hash(theirs) and ours == Ours(*values, **named)  # type: ignore[arg-type]
    assert ours != replace(ours, seconds=9.0) and replace(ours, seconds=9.0).seconds == 9.0
    others: tuple[object, ...] = (theirs, Empty(), None)
    assert ours not in others and Empty() == Empty() and repr(Empty()) == "Empty()"
    match ours:
        case Ours(run, seconds):
            assert (run, seconds) == (theirs.run, theirs.seconds)


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), (("a", 1.0, (), 2), {}), (("a",), {"run": "b"}), (("a",), {"x": 1})]
)
def test_what_a_call_of_it_may_not_have(values: tuple[object, ...], named: dict[str, object]) -> None:
    for cls in (Ours, Theirs):
        with pytest.raises(TypeError):
            cls(*values, **named)  # type: ignore[arg-type]


def test_it_cannot_be_changed() -> None:
    ours: object = Ours("a")
    for change in (setattr, lambda one, name, _: delattr(one, name)):
        with pytest.raises(FrozenInstanceError):
            change(ours, "run", "b")
