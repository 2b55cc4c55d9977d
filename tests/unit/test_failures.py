"""What a manager knows of the failures that an earlier one saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptpd_manager import reasons
from pptpd_manager.failures import Failures
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.reasons import Failure
from pptpd_manager.timers import Timers

BUSY = Failure(reasons.CALL_BUSY, "its words")


def failures(directory: Path) -> Failures:
    return Failures(KeptFiles(Timers()), str(directory))


def test_the_next_manager_knows_what_failed_and_when(tmp_path: Path) -> None:
    before = failures(tmp_path)
    before.note("work", BUSY)
    after = failures(tmp_path)
    assert after.recall("work") == BUSY and after.when("work") == before.when("work") > 0
    assert (after.recall("home"), after.when("home")) == (None, 0)
    assert (tmp_path / "failures").stat().st_mode & 0o777 == 0o600


def test_of_the_last_one_no_file_is_left(tmp_path: Path) -> None:
    known = failures(tmp_path)
    known.note("work", BUSY)
    known.note("home", BUSY)
    known.keep({"work"})
    assert failures(tmp_path).recall("home") is None and failures(tmp_path).recall("work") == BUSY
    known.note("work", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"work": 1}',
        '{"work": ["call-busy", "", "soon"]}',
        '{"work": ["call-busy"]}',
        "[" * 200_000,
        '{"work": ["call-busy", "", Infinity]}',
        "\udcff",
    ],
)
def test_a_file_that_another_program_wrote_is_told_and_not_used(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "failures").write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / "failures").chmod(0o600)
    assert failures(tmp_path).recall("work") is None
    assert [record.levelname for record in caplog.records] == ["WARNING"] and list(tmp_path.iterdir()) == []


def test_a_reason_of_another_version_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "failures").write_text('{"work": ["no-such-reason", "", 7]}')
    (tmp_path / "failures").chmod(0o600)
    assert failures(tmp_path).recall("work") is None and caplog.records == []
