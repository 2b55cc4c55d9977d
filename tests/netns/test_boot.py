"""boot.py: the guards that are there before the network and the manager."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pptpd_manager import boot, config
from pptpd_manager.routing import GUARD_TABLE

from .kernel import ip

TEXT = """\
defaults: {server: 198.51.100.7, username: a, password: "b", guard: true}
tunnels:
  full: {default-route: true}
  split: {routes: [192.168.10.0/24]}
  own: {default-route: true, table: 100, rules: [{fwmark: 5}]}
  free: {guard: false, routes: [10.0.0.0/8]}
"""


def rules() -> list[str]:
    return [line for line in ip("rule") if "proto 172" in line]


def test_who_is_wanted_by_some_target(tmp_path: Path) -> None:
    for folder, name in (("multi-user.target.wants", "work"), ("x.target.requires", "home"), ("x.target.d", "no")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"pptp@{name}.service").symlink_to("/nowhere")
    (tmp_path / "pptp@.service").touch()
    (tmp_path / "multi-user.target.wants" / "pptp-manager.service").touch()
    assert boot.enabled([tmp_path, tmp_path / "not there"]) == {"work", "home"}


def test_the_guards_of_the_enabled_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(TEXT)
    file.chmod(0o600)
    monkeypatch.setattr(boot, "enabled", lambda: frozenset({"split", "own", "free", "gone"}))
    ip("rule add priority 9 fwmark 7 lookup 7")
    for _ in range(2):  # again adds nothing
        assert boot.run(str(file)) == 0
        assert [line.split(":")[0] for line in rules()] == ["17202", "30032", "30033", "30034"]
        assert "unreachable default" in ip("route show table 100")[0]
    unreachable = subprocess.run(["ip", "route", "get", "192.168.10.5"], capture_output=True, text=True)
    assert "unreachable" in unreachable.stderr


def test_nobody_is_enabled_or_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(TEXT)
    file.chmod(0o600)
    monkeypatch.setattr(boot, "enabled", lambda: frozenset({"free"}))
    monkeypatch.setattr(boot, "Netlink", pytest.fail)
    assert boot.run(str(file)) == 0


def test_a_file_with_mistakes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("tunnels: {a: {}}")
    file.chmod(0o600)
    assert boot.run(str(file)) == 78
    assert "'server' is missing" in capsys.readouterr().err


def test_a_tunnel_with_everything_needs_no_network() -> None:
    parsed = config.parse(TEXT, "f")
    found = boot.guards(parsed, frozenset({"full"}))
    assert {(item.version, item.table) for item in found} == {  # type: ignore[union-attr]
        (version, table) for version in (4, 6) for table in (254, GUARD_TABLE, None)
    }
