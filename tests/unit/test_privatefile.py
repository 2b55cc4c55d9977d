"""What lies in /run/pptp-manager: taken only when it is ours, and nothing there stops or fools the manager."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptpd_manager import names, occasions, pppd, privatefile
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.optionfile import OptionFiles
from pptpd_manager.settings import Settings
from pptpd_manager.timers import Timers


def directory(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def link(path: Path) -> None:
    """A link to a file that would be good."""
    made = path.with_name("victim")
    made.write_bytes(b"mine")
    made.chmod(0o600)
    path.symlink_to(made)


def listening(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(before)


def huge(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 100 << 20)


def readable(path: Path) -> None:
    path.write_bytes(b"text")
    path.chmod(0o640)


def foreign(path: Path) -> None:
    path.write_bytes(b"text")
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 12345, 0)
    else:
        path.chmod(0o604)


HOSTILE = [directory, fifo, device, dangling, link, listening, huge, readable, foreign]
hostile = pytest.mark.parametrize("make", HOSTILE, ids=lambda make: str(make.__name__))
Make = Callable[[Path], None]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    privatefile.write(tmp_path / "a.x", b"text")
    assert privatefile.read(tmp_path / "a.x") == b"text"
    privatefile.remove(tmp_path / "a.x")
    privatefile.remove(tmp_path / "a.x")
    assert list(tmp_path.iterdir()) == []


@hostile
def test_what_is_not_ours_is_not_read(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "a.x")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError):
        privatefile.read(tmp_path / "a.x")
    assert len(os.listdir("/proc/self/fd")) == before


@hostile
@pytest.mark.parametrize("place", ["a.x", "a.new"])
def test_it_is_replaced_or_the_write_fails(tmp_path: Path, make: Make, place: str) -> None:
    make(tmp_path / place)
    try:
        privatefile.write(tmp_path / "a.x", b"text")
    except OSError as error:
        assert make is directory and error.strerror == "Is a directory"
    else:
        assert privatefile.read(tmp_path / "a.x") == b"text"
        assert not (tmp_path / "a.new").exists()
    if make is link:
        assert (tmp_path / "victim").read_bytes() == b"mine"


@hostile
def test_it_is_removed_or_the_log_says_so(tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path / "a.x")
    privatefile.remove(tmp_path / "a.x")
    said = [record.getMessage() for record in caplog.records]
    assert said == ([f"'{tmp_path}/a.x' cannot be removed: Is a directory"] if make is directory else [])
    assert os.path.lexists(tmp_path / "a.x") == (make is directory)
    assert make is not link or (tmp_path / "victim").read_bytes() == b"mine"


@hostile
def test_each_reader_takes_it_for_nothing(tmp_path: Path, make: Make) -> None:
    for suffix in ("options", "names"):
        make(tmp_path / f"a.{suffix}")
        (tmp_path / "victim").unlink(missing_ok=True)
    files = OptionFiles(str(tmp_path))
    assert (files.read("a"), files.tunnels()) == (b"", ["a"])
    files.remove("a")
    assert names.decode(tmp_path / "a.names") is None


@hostile
def test_the_last_good_configuration(tmp_path: Path, make: Make) -> None:
    """Nothing is taken from it, and the next good one is in its place or said not to be kept."""
    make(tmp_path / "accepted.yaml")
    good = tmp_path / "file.yaml"
    good.write_text("tunnels: {}\n")
    good.chmod(0o600)
    settings = Settings(str(good), str(tmp_path / "accepted.yaml"), KeptFiles(Timers()))
    settings.recover()
    assert not settings.config.tunnels
    settings.load()
    assert not settings.problems
    if make is not directory:
        assert privatefile.read(tmp_path / "accepted.yaml") == b"tunnels: {}\n"


DEEP = b"[" * 100_000
contents = st.binary(max_size=80) | st.sampled_from(
    [
        DEEP,
        b'{"told": {"run": 1, "variables": 5, "down": []}, "queue": []}',
        b'{"told": null, "queue": [{"event": 1, "commands": [[1, null]], "variables": [["a", {}]]}]}',
        b'{"run": "x", "peer": [1, null], "link": Infinity}',
        b'{"run": "x", "peer": null, "link": "7"}',
        b"# run 0123456789abcdef0123456789abcdef of tunnel a: b is 999.1, path MTU 5\n",
        b"# run 0123456789abcdef0123456789abcdef of tunnel a: b is 1.2.3.4, path MTU " + b"9" * 5000,
        b"# run 0123456789abcdef0123456789abcdef of tunnel a: b is 1.2.3.4\n# link MTU " + b"9" * 5000 + b"\n",
    ]
)


@settings(max_examples=100, deadline=None)
@given(contents)
def test_any_content_is_a_value_or_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "a.names"
    privatefile.write(path, content)
    record = names.decode(path)
    assert record is None or all(isinstance(server, str) for server in record.peer or ())
    dial = pppd.record(content)
    assert dial is None or 0 <= dial.link_mtu < 100_000
    try:
        agenda = occasions.decode(content)
    except ValueError:
        return
    assert all(isinstance(word, str) for occasion in agenda.queue for line in occasion.commands for word in line)


def test_the_path_of_a_file_is_made_once(tmp_path: Path) -> None:
    assert privatefile.path_of(tmp_path, "work.options") is privatefile.path_of(tmp_path, "work.options")
    assert privatefile.path_of(tmp_path, "work.options") == tmp_path / "work.options"
