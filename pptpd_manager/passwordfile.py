"""A file that holds a password -> the password, if no one but root can have read or changed it."""

from __future__ import annotations

import os

from pptpd_manager import privatefile, reasons, secret
from pptpd_manager.reasons import Failure, Reason, printable

DETAIL_CHARACTERS = 400  # its end says how to mend it


def read(path: str) -> bytes | Failure:
    """The password in the file, without one newline at its end; or why there is none that may be used.

    The owner has to be root or the effective user. The file is judged by the descriptor that it is read by.
    """
    try:
        with open(path, "rb", opener=privatefile.opener) as file:
            if message := privatefile.fault(os.fstat(file.fileno()), path):
                return _failure(reasons.PASSWORD_FILE_REFUSED, f"{path} {message}")
            raw = file.read(secret.MAX_BYTES + 2)
    except FileNotFoundError:
        return _failure(reasons.PASSWORD_FILE_MISSING, path)
    except OSError as error:
        return _failure(reasons.PASSWORD_FILE_REFUSED, f"{path}: {error.strerror}")
    password = secret.of_output(raw)
    if message := secret.fault(password):
        return _failure(reasons.PASSWORD_UNUSABLE, f"{path} {message}")
    return password


def _failure(reason: Reason, detail: str) -> Failure:
    return Failure(reason, printable(detail, DETAIL_CHARACTERS))
