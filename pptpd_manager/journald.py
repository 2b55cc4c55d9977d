"""Records with fields to journald, by its native protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL.

python3-systemd would do, but it brings libsystemd and what that needs into a process that has no other use for them:
1.5 MB.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

ADDRESS = "/run/systemd/journal/socket"
MOST_BYTES = 1 << 16  # of a field: a datagram has to fit into the socket's buffer

_LENGTH = struct.Struct("<Q")


class Journald:
    """A socket to journald; it waits for a journald that is busy."""

    def __init__(self, address: str = ADDRESS) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Send no more."""
        self._socket.close()

    def send(self, fields: Mapping[str, str]) -> None:
        """Have that record written. Raises OSError."""
        self._socket.sendto(datagram(fields), self._address)


def datagram(fields: Mapping[str, str]) -> bytes:
    """A record's bytes. Fields are named as in systemd.journal-fields(7); what is too long of a value is left out."""
    return b"".join(_field(name.encode(), value.encode(errors="replace")) for name, value in fields.items())


def _field(name: bytes, value: bytes) -> bytes:
    value = value[:MOST_BYTES]
    if b"\n" in value:
        return name + b"\n" + _LENGTH.pack(len(value)) + value + b"\n"
    return name + b"=" + value + b"\n"
