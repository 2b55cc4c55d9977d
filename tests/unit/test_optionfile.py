"""Option files on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pptpd_manager import optionfile, reasons
from pptpd_manager.optionfile import OptionFiles
from pptpd_manager.reasons import Failure


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which pppd and pptp are looked for, with both."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("pppd", "pptp"):
        (directory / name).write_text("")
        (directory / name).chmod(0o755)
    monkeypatch.setattr(optionfile, "PROGRAMS_PATH", str(directory))
    return directory


@pytest.fixture
def directory(tmp_path: Path, programs: Path) -> Path:
    """The directory of the option files."""
    made = tmp_path / "run"
    made.mkdir()
    return made


def test_write_and_read(directory: Path) -> None:
    files = OptionFiles(str(directory))
    assert files.write("a", b'password "x"\n') is None
    assert files.read("a") == b'password "x"\n'
    assert [path.name for path in directory.iterdir()] == ["a.options"]


def test_only_the_owner_can_read_whatever_the_umask(directory: Path) -> None:
    before = os.umask(0)
    try:
        OptionFiles(str(directory)).write("a", b"text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((directory / "a.options").stat().st_mode) == 0o600


def test_a_new_file_takes_the_place_of_the_old_one_at_once(directory: Path) -> None:
    """A reader of the old one reads it to its end."""
    files = OptionFiles(str(directory))
    files.write("a", b"old")
    with (directory / "a.options").open("rb") as reader:
        files.write("a", b"new")
        assert reader.read() == b"old"
    assert files.read("a") == b"new"


def test_a_file_that_others_may_read_or_a_link_is_replaced_not_written_to(directory: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (directory / "a.new").symlink_to(victim)
    (directory / "a.options").symlink_to(victim)
    assert OptionFiles(str(directory)).write("a", b"secret") is None
    assert victim.read_text() == "mine"
    assert (directory / "a.options").lstat().st_mode == stat.S_IFREG | 0o600
    assert not (directory / "a.new").exists()


@pytest.mark.parametrize(("name", "reason"), [("pppd", reasons.PPPD_MISSING), ("pptp", reasons.PPTP_MISSING)])
def test_a_missing_program(directory: Path, programs: Path, name: str, reason: reasons.Reason) -> None:
    (programs / name).unlink()
    assert OptionFiles(str(directory)).write("a", b"text") == Failure(reason)
    assert list(directory.iterdir()) == []


def test_a_program_that_cannot_be_run(directory: Path, programs: Path) -> None:
    (programs / "pptp").chmod(0o644)
    assert OptionFiles(str(directory)).write("a", b"text") == Failure(reasons.PPTP_MISSING)


def test_a_file_that_cannot_be_written(directory: Path) -> None:
    path = directory / "gone" / "a.options"
    failure = OptionFiles(str(directory / "gone")).write("a", b"text")
    told = reasons.printable(f"{path}: No such file or directory")
    assert failure == Failure(reasons.OPTIONS_NOT_WRITTEN, told)


def test_a_full_disk_leaves_the_old_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = OptionFiles(str(directory))
    files.write("a", b"old")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    failure = files.write("a", b"new")
    told = reasons.printable(f"{directory / 'a.options'}: No space left on device")
    assert failure == Failure(reasons.OPTIONS_NOT_WRITTEN, told)
    assert files.read("a") == b"old"
    assert [path.name for path in directory.iterdir()] == ["a.options"]


def test_remove(directory: Path) -> None:
    files = OptionFiles(str(directory))
    files.write("a", b"text")
    files.remove("a")
    files.remove("a")
    assert files.read("a") == b""
    assert list(directory.iterdir()) == []


def test_tunnels(directory: Path) -> None:
    files = OptionFiles(str(directory))
    for name in ("b", "a", "4-b_C"):
        files.write(name, b"text")
    (directory / "accepted.yaml").write_text("")
    (directory / "c.new").write_text("")
    assert files.tunnels() == ["4-b_C", "a", "b"]


def test_drafts_of_a_killed_manager_are_removed(directory: Path) -> None:
    files = OptionFiles(str(directory))
    files.write("a", b"text")
    for name in ("a.new", "accepted.new", "x y.new"):
        (directory / name).write_text("password")
    files.remove_drafts()
    assert [path.name for path in directory.iterdir()] == ["a.options"]
