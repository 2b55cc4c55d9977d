"""Which files are read, and each message about those that are not."""

from __future__ import annotations

import os
import pathlib
import socket

import pytest

from pptpd_manager import configfile, privatefile
from pptpd_manager.config import Config, ConfigError

NOBODY = 65534


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """A good file."""
    file = tmp_path / "pptp-manager.yaml"
    file.write_text("tunnels: {}\n")
    file.chmod(0o600)
    return file


def message(path: str | os.PathLike[str]) -> str:
    with pytest.raises(ConfigError) as caught:
        configfile.read(os.fspath(path))
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_load(path: pathlib.Path) -> None:
    assert configfile.read(str(path)) == "tunnels: {}\n"
    assert configfile.load(str(path)) == Config({})


def test_load_names_the_file(path: pathlib.Path) -> None:
    path.write_text("x: 1\ntunnels: {}\n")
    with pytest.raises(ConfigError) as caught:
        configfile.load(str(path))
    assert str(caught.value) == f"{path}:1:1: x: unknown key"


def test_missing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "no file.yaml"
    assert message(path) == f"{path}: does not exist; run: install -m 0600 /dev/null '{path}'"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700, 0o711])
def test_private(path: pathlib.Path, mode: int) -> None:
    path.chmod(mode)
    assert configfile.read(str(path)) == "tunnels: {}\n"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o644, 0o666])
def test_open_to_others(path: pathlib.Path, mode: int) -> None:
    path.chmod(mode)
    assert message(path) == f"{path}: has mode 0{mode:o}, so others can use it; run: chmod 600 {path}"


def test_other_owner(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(path, 12345, 0)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    owner = os.stat(path).st_uid
    assert message(path) == f"{path}: belongs to user id {owner}, who can read it; run: chown root {path}"


def test_link(path: pathlib.Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    assert configfile.read(str(link)) == "tunnels: {}\n"


def test_link_to_itself(tmp_path: pathlib.Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    assert message(link) == f"{link}: cannot be read: Too many levels of symbolic links"


def test_directory(tmp_path: pathlib.Path) -> None:
    assert message(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


def test_fifo_without_a_writer(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    assert message(path) == f"{path}: is not a regular file"


def test_socket(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert message("socket") == "socket: cannot be read: No such device or address"


def test_device() -> None:
    assert message("/dev/null") == "/dev/null: is not a regular file"


def test_below_a_file(path: pathlib.Path) -> None:
    assert message(path / "x") == f"{path}/x: cannot be read: Not a directory"


def test_nul_in_name() -> None:
    assert message("a\0b") == "a\0b: cannot be read: a NUL in its name"


def test_unreadable(path: pathlib.Path) -> None:
    path.chmod(0)
    root = os.geteuid() == 0  # who can read everything
    if root:
        os.seteuid(NOBODY)
    try:
        found = message(path)
    finally:
        if root:
            os.seteuid(0)
    assert found == f"{path}: cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("content", "place"), [(b"\xff", "1:1"), (b"a: 1\n\xc3\xa4\xe4: 2\n", "2:2"), (b"\xff\xfea\0", "1:1")]
)
def test_not_utf8(path: pathlib.Path, content: bytes, place: str) -> None:
    path.write_bytes(content)
    assert message(path) == f"{path}:{place}: this byte is not UTF-8"


def test_byte_order_mark(path: pathlib.Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfx: 1")
    assert configfile.read(str(path)) == "x: 1"


def test_size(path: pathlib.Path) -> None:
    path.write_bytes(b"#" * (1 << 20))
    assert len(configfile.read(str(path))) == 1 << 20
    path.write_bytes(b"#" * ((1 << 20) + 1))
    assert message(path) == f"{path}: is larger than 1 MiB"


@pytest.mark.parametrize("times", [1, 2, 3])
def test_changed_while_it_is_read(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """A half of the old one and a half of the new one may be good YAML, with fewer tunnels than either."""
    left = [times]
    judge = privatefile.fault

    def change(status: os.stat_result, quoted: str) -> str:
        if left[0]:
            left[0] -= 1
            with path.open("a") as file:
                file.write("# more\n")
        return judge(status, quoted)

    monkeypatch.setattr(privatefile, "fault", change)
    if times < configfile.TRIES:
        assert configfile.read(str(path)) == "tunnels: {}\n" + "# more\n" * times
    else:
        assert message(path) == f"{path}: is being changed; try again when that is done"


def test_a_hundred_megabytes_are_not_read(path: pathlib.Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100 << 20)
    before = pathlib.Path("/proc/self/io").read_text()
    assert message(path) == f"{path}: is larger than 1 MiB"
    after = pathlib.Path("/proc/self/io").read_text()
    read = [int(text.split()[1]) for text in (before, after)]  # rchar, the bytes of all read(2); proc(5)
    assert read[1] - read[0] < 3 << 20


def test_no_descriptor_is_left(path: pathlib.Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    configfile.read(str(path))
    message(path.parent)
    path.chmod(0o644)
    message(path)
    assert len(os.listdir("/proc/self/fd")) == before
