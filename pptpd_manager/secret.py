"""Passwords as bytes, from wherever they come: what is one, and where one may be looked for. Pure."""

from __future__ import annotations

import re

from .values import BadText, matching

ITSELF = "the password itself goes under 'password:'"  # what somebody is told who may have written it elsewhere
MAX_BYTES = 255  # pppd's MAXSECRETLEN is 256 with the final NUL
# The manager's sandbox shows it none of these: ProtectHome= and PrivateTmp=.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
CREDENTIAL = "[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}"  # the pattern of credential_name's names
FILE_PATH = matching(f"(?!(?:{'|'.join(_HIDDEN)})/)/.*")  # of file_path's


def of_output(raw: bytes) -> bytes:
    """The password that an editor or a program wrote: without one newline at its end."""
    return raw.removesuffix(b"\n")


def fault(password: bytes) -> str:
    """Why that cannot be a password, "" if it can."""
    if not password:
        return "is empty"
    if b"\0" in password:
        return "holds a NUL character"
    if len(password) > MAX_BYTES:
        return f"has more than {MAX_BYTES} bytes"
    return ""


def file_path(text: str) -> str:
    """text itself if it is the whole path of a file that the manager may see; it is in no message."""
    if not text.startswith("/"):
        raise BadText(f"must be a whole path, such as /etc/pptp-work.password; {ITSELF}")
    if not text.isprintable():
        raise BadText("must be one line without control characters")
    for hidden in _HIDDEN:
        if text.startswith(hidden + "/"):
            raise BadText(f"the manager cannot see what is in {hidden} (its sandbox); put the file elsewhere")
    return text


def credential_name(text: str) -> str:
    """text itself if it can be the name of a credential; it is in no message.

    Source: systemd.exec(5), LoadCredentialEncrypted=.
    """
    if not text:
        raise BadText("must not be empty")
    if not re.fullmatch(CREDENTIAL, text):
        raise BadText(f"must be a name of at most 255 letters, digits, _ . @ + and -, and no path; {ITSELF}")
    return text
