"""A file that holds a password -> the password, if no one but root can have read or changed it."""

from __future__ import annotations

import os
import shlex
import stat

from pptpd_manager import reasons, secret
from pptpd_manager.reasons import Failure, printable

DETAIL_CHARACTERS = 400  # its end says how to mend it


def read(path: str) -> bytes | Failure:
    """The password in the file, without one newline at its end; or why there is none that may be used.

    The owner has to be root or the effective user. The file is judged before it is opened, by what it is then: to
    open a FIFO could wait for ever, and to open a device could do anything.
    """
    try:
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return Failure(reasons.PASSWORD_FILE_MISSING, _detail(path))
    except OSError as error:
        return _refused(f"{path}: {error.strerror}")
    try:
        if message := _fault(os.fstat(found), path):
            return _refused(message)
        with open(f"/proc/self/fd/{found}", "rb", opener=_open) as file:  # the same file, whatever path is now
            raw = file.read(secret.MAX_BYTES + 2)
    except OSError as error:
        return _refused(f"{path}: {error.strerror}")
    finally:
        os.close(found)
    password = secret.of_output(raw)
    if message := secret.fault(password):
        return Failure(reasons.PASSWORD_UNUSABLE, _detail(f"{path} {message}"))
    return password


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _fault(status: os.stat_result, path: str) -> str:
    """Why the file is not to be used, "" if it is."""
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a regular file"
    if status.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to user id {status.st_uid}, who can read it; run: chown root {shlex.quote(path)}"
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        return f"{path} has mode {mode:04o}, so others can use it; run: chmod 600 {shlex.quote(path)}"
    return ""


def _refused(message: str) -> Failure:
    return Failure(reasons.PASSWORD_FILE_REFUSED, _detail(message))


def _detail(text: str) -> str:
    return printable(text, DETAIL_CHARACTERS)
