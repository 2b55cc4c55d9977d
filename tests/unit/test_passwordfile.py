"""What a password file may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pptpd_manager import passwordfile
from pptpd_manager.reasons import Failure


def put(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file."""
    file.write_bytes(content)
    file.chmod(mode)


def spoil(file: Path, how: str) -> None:
    """Have what is there be no good."""
    match how:
        case "fifo":
            os.mkfifo(file, 0o600)
        case "device":
            os.mknod(file, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero has no end
        case "directory":
            file.mkdir(0o700)
        case "loop":
            file.symlink_to(file)
        case "open":
            put(file, b"secret", 0o640)
        case "theirs":
            put(file, b"secret")
            os.chown(file, 1000, 0)
        case "link to theirs":
            spoil(file.with_name("theirs"), "theirs")
            file.symlink_to("theirs")
        case "empty":
            put(file, b"\n")
        case "long":
            put(file, b"x" * 256)
        case "nul":
            put(file, b"a\0b")


@pytest.mark.parametrize(
    ("how", "name", "detail"),
    [
        ("nothing", "password-file-missing", "{file}"),
        ("fifo", "password-file-refused", "{file} is not a regular file"),
        ("device", "password-file-refused", "{file} is not a regular file"),
        ("directory", "password-file-refused", "{file}: Is a directory"),
        ("loop", "password-file-refused", "{file}: Too many levels of symbolic links"),
        ("open", "password-file-refused", "{file} has mode 0640, so others can use it; run: chmod 600 '{file}'"),
        (
            "theirs",
            "password-file-refused",
            "{file} belongs to user id 1000, who can read it; run: chown root '{file}'",
        ),
        (
            "link to theirs",
            "password-file-refused",
            "{file} belongs to user id 1000, who can read it; run: chown root '{file}'",
        ),
        ("empty", "password-unusable", "{file} is empty"),
        ("long", "password-unusable", "{file} has more than 255 bytes"),
        ("nul", "password-unusable", "{file} holds a NUL character"),
    ],
)
def test_what_is_no_good(tmp_path: Path, how: str, name: str, detail: str) -> None:
    file = tmp_path / "pass word"
    spoil(file, how)
    found = passwordfile.read(str(file))
    assert isinstance(found, Failure)
    assert (found.reason.name, found.detail) == (name, detail.format(file=file))


@pytest.mark.parametrize(
    ("content", "password"), [(b"secret", b"secret"), (b" \xe9#\n\n", b" \xe9#\n"), (b"x" * 255 + b"\n", b"x" * 255)]
)
def test_what_is_good(tmp_path: Path, content: bytes, password: bytes) -> None:
    """Any bytes, but for one newline at the end."""
    put(tmp_path / "password", content)
    (tmp_path / "link").symlink_to("password")
    assert passwordfile.read(str(tmp_path / "link")) == password
