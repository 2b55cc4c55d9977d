"""The configuration in force."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from pptpd_manager import configfile, reasons
from pptpd_manager.config import Config
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.reasons import Failure, printable
from pptpd_manager.settings import Settings
from pptpd_manager.timers import Timers

GOOD = "tunnels:\n  a: {server: a.example, username: u, password: p}\n"
OTHER = "tunnels:\n  b: {server: b.example, username: u, password: p}\n"
BROKEN = "tunnels:\n  a: {server: a.example, usrname: u, password: p, mtu: 1}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good configuration."""
    path = tmp_path / "file.yaml"
    path.write_text(GOOD)
    path.chmod(0o600)
    return path


@pytest.fixture
def settings(file: Path, tmp_path: Path) -> Settings:
    return Settings(str(file), str(tmp_path / "accepted.yaml"), KeptFiles(Timers()))


def broken(file: Path) -> tuple[str, ...]:
    """What is wrong with BROKEN."""
    return (
        f"{file}:2:26: tunnels.a.usrname: unknown key; did you mean 'username'?",
        f"{file}:2:56: tunnels.a.mtu: 1 is not in 576..1500 bytes",
    )


def test_nothing_is_in_force_at_first(settings: Settings) -> None:
    assert (settings.config, settings.problems) == (Config({}), ())


def test_load(settings: Settings, tmp_path: Path) -> None:
    settings.load()
    assert (list(settings.config.tunnels), settings.problems) == (["a"], ())
    accepted = tmp_path / "accepted.yaml"
    assert accepted.read_text() == GOOD
    assert stat.S_IMODE(accepted.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accepted.yaml", "file.yaml"]


def test_a_broken_file_changes_nothing_but_problems(
    settings: Settings, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.load()
    before = settings.config
    file.write_text(BROKEN)
    settings.load()
    assert settings.config is before
    assert settings.problems == broken(file)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, problem) for problem in broken(file)
    ]
    assert (tmp_path / "accepted.yaml").read_text() == GOOD
    file.write_text(OTHER)
    settings.load()
    assert (list(settings.config.tunnels), settings.problems) == (["b"], ())
    assert (tmp_path / "accepted.yaml").read_text() == OTHER


def test_recover(settings: Settings, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings.load()
    file.write_text(BROKEN)
    anew = Settings(str(file), str(tmp_path / "accepted.yaml"), KeptFiles(Timers()))
    anew.load()
    caplog.clear()
    anew.recover()
    assert (list(anew.config.tunnels), anew.problems) == (["a"], broken(file))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "going on with the configuration that was good last: a")
    ]


@pytest.mark.parametrize("accepted", [None, BROKEN])
def test_nothing_to_recover(settings: Settings, file: Path, tmp_path: Path, accepted: str | None) -> None:
    if accepted:
        (tmp_path / "accepted.yaml").write_text(accepted)
        (tmp_path / "accepted.yaml").chmod(0o600)
    file.write_text(BROKEN)
    settings.load()
    settings.recover()
    assert (settings.config, settings.problems) == (Config({}), broken(file))


def test_a_good_configuration_counts_also_when_it_cannot_be_kept(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(str(file), str(tmp_path / "gone/accepted.yaml"), KeptFiles(Timers()))
    settings.load()
    assert (list(settings.config.tunnels), settings.problems) == (["a"], ())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    path = tmp_path / "gone/accepted.new"
    told = f"the good configuration cannot be kept for a restart: [Errno 2] No such file or directory: '{path}'"
    assert record.getMessage() == told


def test_why_a_tunnel_is_absent(settings: Settings, file: Path) -> None:
    assert settings.absent == Failure(reasons.NOT_CONFIGURED, printable(f"in {file}: none"))
    settings.load()
    assert settings.absent == Failure(reasons.NOT_CONFIGURED, printable(f"in {file}: a"))
    file.write_text(BROKEN)
    settings.load()
    assert settings.absent == Failure(reasons.BAD_CONFIGURATION, printable(broken(file)[0], 400) + " and 1 more")
    file.write_text(BROKEN.replace(", mtu: 1", ""))
    settings.load()
    assert settings.absent == Failure(reasons.BAD_CONFIGURATION, printable(broken(file)[0], 400))


def test_outdated_says_whether_the_file_is_another_than_was_read(settings: Settings, file: Path) -> None:
    assert settings.outdated
    settings.load()
    assert not settings.outdated
    file.write_text(BROKEN)
    assert settings.outdated
    settings.load()
    assert settings.problems and not settings.outdated
    other = file.with_suffix(".new")
    other.write_text(GOOD)
    os.replace(other, file)
    assert settings.outdated
    settings.load()
    file.unlink()
    assert settings.outdated
    settings.load()
    assert not settings.outdated


def test_what_changes_the_file_while_it_is_read_is_news(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed_after(path: str) -> str:
        Path(path).write_text(OTHER + "#\n")
        return GOOD

    monkeypatch.setattr(configfile, "read", changed_after)
    settings.load()
    assert settings.outdated
