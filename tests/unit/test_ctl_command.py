"""pptpctl from its arguments to its exit status."""

from __future__ import annotations

import errno
import sys

import pytest

from pptpd_manager.ctl import check, exits
from pptpd_manager.ctl.command import main


def ends(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """What main() returns."""
    monkeypatch.setattr(sys, "argv", ["pptpctl", *words])
    return main()


def test_an_error_holds_nothing_that_a_terminal_would_obey(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_arguments: object) -> int:
        raise exits.CtlError(exits.Exit.REFUSED, "a\x1b[2J\nb\x9b1m")

    monkeypatch.setattr(check, "run", refused)
    assert ends(monkeypatch, "check") == exits.Exit.REFUSED
    assert capsys.readouterr().err == "pptpctl: a\\x1b[2J\nb\\x9b1m\n"


@pytest.mark.parametrize("command", ["status", "up", "logs", "enable", "doctor", "monitor"])
def test_a_name_that_is_not_utf_8_is_wrong_usage(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        ends(monkeypatch, command, "a\udcff")
    assert ended.value.code == exits.Exit.USAGE
    assert "'a\\udcff' is no name of a tunnel: it is not UTF-8" in capsys.readouterr().err


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def full(_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(check, "run", full)
    monkeypatch.setattr("pptpd_manager.ctl.command._discard", lambda: None)
    assert ends(monkeypatch, "check") == exits.Exit.PROBLEM
    assert capfd.readouterr().err == "pptpctl: what is to be told cannot be written: No space left on device\n"
