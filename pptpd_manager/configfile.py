"""The configuration file -> its text or its Config, if no one but its owner can read the passwords in it."""

from __future__ import annotations

import os
import shlex

from . import config, privatefile
from .config import Config, ConfigError, Problem

MAX_BYTES = 1 << 20
TRIES = 3


def load(path: str) -> Config:
    """The configuration in the file. Raises ConfigError."""
    return config.parse(read(path), path)


def read(path: str) -> str:
    """The file's text. Raises ConfigError with one problem; its message says how to mend it.

    The owner has to be root or the effective user. The file is judged by the descriptor that it is read by.
    """
    for _ in range(TRIES):
        if (content := _content(path)) is not None:
            break
    else:
        raise _error(path, "is being changed; try again when that is done")
    if len(content) > MAX_BYTES:
        raise _error(path, "is larger than 1 MiB")
    return _decode(path, content)


def _content(path: str) -> bytes | None:
    """The file's bytes, no more than a few; None when somebody changed it meanwhile: half of it may be the old one."""
    try:
        with open(path, "rb", opener=privatefile.opener) as file:
            before = os.fstat(file.fileno())
            if message := privatefile.fault(before, path):
                raise _error(path, message)
            content = file.read(MAX_BYTES + 1)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        raise _error(path, f"does not exist; run: install -m 0600 /dev/null {shlex.quote(path)}") from None
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _error(path, "cannot be read: a NUL in its name") from error
    return content if version(before) == version(after) else None


def version(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file does, its mode and owner included, and when another one is in its place."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _error(path: str, message: str, line: int = 0, column: int = 0) -> ConfigError:
    return ConfigError([Problem(path, line, column, "", message)])


def _decode(path: str, content: bytes) -> str:
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        good = content[: error.start].decode()
        line, column = good.count("\n") + 1, len(good) - good.rfind("\n")
        raise _error(path, "this byte is not UTF-8", line, column) from None
