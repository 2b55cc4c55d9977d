"""Files that are written as soon as they can be."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path

import pytest

from pptpd_manager.keptfiles import AGAIN_SECONDS, KeptFiles
from pptpd_manager.timers import Timers


class StillTimers(Timers):
    """Run out when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def start(self, key: Hashable, seconds: float, fired: Callable[[], None]) -> None:
        self.started[key] = seconds, fired

    def cancel(self, key: Hashable) -> None:
        self.started.pop(key, None)

    def run_out(self) -> list[float]:
        """Fire all; how long they were."""
        started, self.started = self.started, {}
        for _seconds, fired in started.values():
            fired()
        return [seconds for seconds, _fired in started.values()]


@pytest.fixture
def timers() -> StillTimers:
    return StillTimers()


def never(error: OSError) -> None:
    pytest.fail(str(error))


def test_at_once(timers: StillTimers, tmp_path: Path) -> None:
    files, path = KeptFiles(timers), tmp_path / "a"
    files.write(path, b"1", never)
    assert path.read_bytes() == b"1" and not timers.started
    files.remove(path)
    assert not path.exists()


def test_until_it_can_be(timers: StillTimers, tmp_path: Path) -> None:
    files, path, errors = KeptFiles(timers), tmp_path / "gone" / "a", list[OSError]()
    files.write(path, b"1", errors.append)
    assert [timers.run_out() for _ in range(3)] == [[AGAIN_SECONDS]] * 3
    assert len(errors) == 1, "it is told once"
    path.parent.mkdir()
    timers.run_out()
    assert path.read_bytes() == b"1" and not timers.started


def test_the_last_word_counts(timers: StillTimers, tmp_path: Path) -> None:
    files, one, two, errors = KeptFiles(timers), tmp_path / "gone" / "a", tmp_path / "gone" / "b", list[OSError]()
    for path, text in ((one, b"1"), (one, b"2"), (two, b"3")):
        files.write(path, text, errors.append)
    files.remove(two)
    one.parent.mkdir()
    timers.run_out()
    assert one.read_bytes() == b"2" and not two.exists() and len(errors) == 3
    files.write(one, b"4", never)
    assert one.read_bytes() == b"4" and not timers.started


@pytest.mark.parametrize("outdated", [False, True])
def test_what_is_out_of_date_meanwhile(
    timers: StillTimers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outdated: bool
) -> None:
    files, path, errors = KeptFiles(timers), tmp_path / "a", list[OSError]()
    files.write(path, b"1", never)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        files.write(path, b"2", errors.append, outdated=outdated)
    assert path.exists() is outdated and len(errors) == 1
    timers.run_out()
    assert path.read_bytes() == b"2"


def refuse(*_arguments: object) -> None:
    raise OSError(28, "No space left on device")
