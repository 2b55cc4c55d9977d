"""`pptpctl import`: where it looks, what it prints, what it writes, and what it ends with."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pptpd_manager import configfile, privatefile
from pptpd_manager.config import parse
from pptpd_manager.ctl import importing
from pptpd_manager.ctl.arguments import parser
from pptpd_manager.ctl.exits import CtlError, Exit

PEER = 'pty "pptp vpn.example.com --nolaunchpppd"\nname alice\nrequire-mppe-128\npersist\n'
SECRETS = "alice * geheim *\n"
OLD = "# mine\ntunnels:\n  old:\n    server: 198.51.100.7\n    username: bob\n    password: 'x'  # his\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with one peer."""
    (tmp_path / "etc/ppp/peers").mkdir(parents=True)
    (tmp_path / "etc/ppp/peers/work").write_text(PEER)
    (tmp_path / "etc/ppp/chap-secrets").write_text(SECRETS)
    return tmp_path


def run(root: Path, *words: str, system: str = "peers") -> int:
    return importing.run(parser().parse_args(["import", system, "--root", str(root), *words]))


def fails(root: Path, *words: str, system: str = "peers") -> tuple[Exit, str]:
    """The status and the message."""
    with pytest.raises(CtlError) as error:
        run(root, *words, system=system)
    assert "geheim" not in str(error.value)
    return error.value.status, str(error.value)


def test_it_prints(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root) == Exit.OK
    shown = capsys.readouterr().out
    assert list(parse(shown, "shown").tunnels) == ["work"] and "geheim" not in shown
    assert not (root / "etc/pptp-manager.yaml").exists()


def test_options_may_stand_between_the_arguments() -> None:
    given = parser().parse_args(["import", "peers", "--write", "work", "--root", "/x", "home"])
    assert (given.files, given.write, given.into, given.root) == (["work", "home"], True, None, "/x")


def test_it_writes_a_new_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = root / "new.yaml"
    assert run(root, "--into", str(file)) == Exit.OK
    assert (
        stat.S_IMODE(file.stat().st_mode) == 0o600 and configfile.load(str(file)).tunnels["work"].password == "geheim"
    )
    assert (
        capsys.readouterr().out
        == f"""\
Added to {file}: work
Next:
  pptpctl check {file}
  # have what is in it in /etc/pptp-manager.yaml
  pptpctl reload
  poff work
  pptpctl up work
  pptpctl enable work   # to have it at every boot
"""
    )
    assert sorted(path.name for path in root.iterdir()) == ["etc", "new.yaml"]


def test_it_adds_to_a_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real, link = root / "real.yaml", root / "link.yaml"
    real.write_text(OLD)
    real.chmod(0o400)
    if os.geteuid() == 0:
        os.chown(real, 0, 12)
    before = real.stat()
    link.symlink_to(real)
    assert run(root, "--into", str(link)) == Exit.OK
    after = real.stat()
    assert real.read_text().startswith(OLD) and list(configfile.load(str(real)).tunnels) == ["old", "work"]
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert link.is_symlink() and "geheim" not in capsys.readouterr().out
    # There it is now.
    text = real.read_text()
    status, message = fails(root, "--into", str(link))
    assert status == Exit.PROBLEM and message.endswith(
        f"there is a tunnel work in {link} already; nothing was written"
    )
    assert real.read_text() == text


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("tunnels:\n  old: {}\n", 0o600, "'server' is missing"),
        ("tunnels: [", 0o600, "not valid YAML"),
        (OLD, 0o644, "has mode 0644, so others can use it"),
    ],
)
def test_a_file_that_is_not_well_is_left_alone(root: Path, text: str, mode: int, message: str) -> None:
    file = root / "new.yaml"
    file.write_text(text)
    file.chmod(mode)
    status, told = fails(root, "--into", str(file))
    assert status == Exit.PROBLEM and message in told and told.endswith("\nnothing was written")
    assert file.read_text() == text and len(list(root.iterdir())) == 2


def test_what_is_written_has_no_owner_or_mode_that_is_not_safe(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns the directory may have another file read than the one that was looked at."""
    file = root / "new.yaml"
    file.write_text("")
    file.chmod(0o644)
    monkeypatch.setattr(configfile, "read", lambda _path: OLD)
    status, told = fails(root, "--into", str(file))
    assert status == Exit.PROBLEM and "has mode 0644" in told and told.endswith("\nnothing was written")
    assert file.read_text() == ""


def test_a_link_that_leads_nowhere_makes_no_file_there(root: Path) -> None:
    (root / "link.yaml").symlink_to(root / "elsewhere")
    told = f"{root}/link.yaml is a link that leads to no file; nothing was written"
    assert fails(root, "--into", str(root / "link.yaml")) == (Exit.PROBLEM, told)
    assert not (root / "elsewhere").exists()


def test_the_next_commands_can_be_copied(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "work", "--into", str(root / "o u.yaml")) == Exit.OK
    assert f"  pptpctl check '{root}/o u.yaml'\n" in capsys.readouterr().out
    assert run(root, "work") == Exit.OK
    shown = capsys.readouterr().out.replace("\n# ", " ")
    assert shown.startswith(f"# made by pptpctl import peers --root {root} work; with --write it is added to ")


@pytest.mark.parametrize("there", [True, False])
def test_what_changes_meanwhile_is_left_alone(root: Path, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "new.yaml"
    if there:
        file.write_text(OLD)
        file.chmod(0o600)
    fsync: Callable[[int], None] = os.fsync

    def changed(descriptor: int) -> None:
        fsync(descriptor)
        file.write_text("somebody's")

    monkeypatch.setattr(os, "fsync", changed)
    status, told = fails(root, "--into", str(file))
    assert status == Exit.PROBLEM and told.endswith("has been changed meanwhile; nothing was written")
    assert file.read_text() == "somebody's" and len(list(root.iterdir())) == 2


def test_a_file_that_cannot_be_written(root: Path) -> None:
    status, told = fails(root, "--into", str(root / "nowhere/new.yaml"))
    assert (status, told) == (Exit.PROBLEM, f"{root}/nowhere/new.yaml cannot be written: No such file or directory")


def test_nothing_is_found(root: Path) -> None:
    assert fails(root, system="openwrt") == (
        Exit.PROBLEM,
        f"no PPTP tunnel was found; looked at /etc/config/network below {root}",
    )
    (root / "etc/ppp/peers/work").write_text("connect x\n")
    assert fails(root, "work") == (
        Exit.PROBLEM,
        f"no PPTP tunnel was found; looked at {root}/etc/ppp/peers/work\n"
        f"{root}/etc/ppp/peers/work: no tunnel: its pty does not call pptp",
    )
    assert fails(root, "gone") == (Exit.PROBLEM, f"{root}/etc/ppp/peers/gone does not exist")


def test_a_tunnel_that_is_not_complete_is_not_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half = root / "etc/ppp/peers/half"
    half.write_text('pty "pptp a.b"\n')
    told = f"half is not complete and was not written: username could not be found in {half}"
    assert fails(root, "half", "--into", str(root / "new.yaml")) == (Exit.PROBLEM, told)
    assert run(root, "half", "work", "--into", str(root / "new.yaml")) == Exit.OK
    assert f"To know:\n  {told}\n" in capsys.readouterr().out
    assert list(configfile.load(str(root / "new.yaml")).tunnels) == ["work"]


def test_files_that_are_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They need not be below the root, which has what they name."""
    other = tmp_path / "other"
    other.write_text(PEER + "file /etc/ppp/options.pptp\n")
    (root / "etc/ppp/options.pptp").write_text("usepeerdns\n")
    assert run(root, str(other)) == Exit.OK
    tunnel = parse(capsys.readouterr().out, "shown").tunnels["other"]
    assert tunnel.dns.peer and tunnel.server == "vpn.example.com"


def test_backups_are_no_tunnels(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("work~", "work.bak", ".work", "work.dpkg-old", "work.orig"):
        (root / "etc/ppp/peers" / name).write_text(PEER)
    (root / "etc/ppp/peers/folder").mkdir()
    assert run(root) == Exit.OK
    assert list(parse(capsys.readouterr().out, "shown").tunnels) == ["work"]


def test_what_is_no_file(root: Path) -> None:
    os.mkfifo(root / "fifo")
    assert fails(root, str(root / "fifo")) == (Exit.PROBLEM, f"{root}/fifo is not a regular file")
    with (root / "large").open("wb") as file:
        file.truncate((1 << 20) + 1)
    assert fails(root, str(root / "large")) == (Exit.PROBLEM, f"{root}/large is larger than 1 MiB")
    assert fails(root, str(root / "etc")) == (Exit.PROBLEM, f"{root}/etc cannot be read: Is a directory")


@pytest.mark.parametrize("file", ["etc/ppp/chap-secrets", "etc/ppp/peers/work", "etc/ppp/peers"])
def test_who_may_not_read_is_told_what(root: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a plain user; root may read everything."""
    forbidden = root / file

    def opened(path: str, flags: int) -> int:
        if Path(path) == forbidden:
            raise PermissionError(13, "Permission denied", path)
        return os.open(path, flags)

    def listed(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(privatefile, "opener", opened)
    if forbidden.is_dir():
        monkeypatch.setattr(Path, "iterdir", listed)
    assert fails(root) == (Exit.REFUSED, f"{forbidden} may be read by root only; run it as root")


def test_a_configuration_that_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "new.yaml"
    file.write_text(OLD)

    def opened(path: str, flags: int) -> int:
        if Path(path) == file:
            raise PermissionError(13, "Permission denied", path)
        return os.open(path, flags)

    monkeypatch.setattr(privatefile, "opener", opened)
    status, told = fails(root, "--into", str(file))
    assert status == Exit.REFUSED and str(file) in told
