"""PPTP's control messages and GRE packets of a call that is made to see whether it can be made. Pure. RFC 2637.

Whatever comes in is a stranger's: its texts are printable() here, and what is no PPTP is None.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pptpd_manager import reasons
from pptpd_manager.reasons import Failure, Reason, printable

PORT = 1723
MAGIC, VERSION = 0x1A2B3C4D, 0x0100
START, START_REPLY, STOP, CALL, CALL_REPLY, CLEAR = 1, 2, 3, 7, 8, 12
MOST = 1024  # bytes of a message; the longest one that there is has 220
_HEADER = struct.Struct(">HHIHH")  # length, PPTP message type, magic cookie, control message type, reserved
_START = struct.Struct(">HBBIIHH64s64s")  # version, result, error, framing, bearer, channels, firmware, host, vendor
_CALL = struct.Struct(">HHIIIIHHHH64s64s")
_CALL_REPLY = struct.Struct(">HHBBHIHHI")
_GRE = struct.Struct(">HHHHI")  # flags and version, protocol, length of payload, call id, sequence number
# An LCP Configure-Request without options but a magic number (RFC 1661): each PPP answers it in one way or another.
_LCP = bytes.fromhex("ff03c0210101000a0506") + b"pptp"

# RFC 2637 section 2.2: result codes of a Start-Control-Connection-Reply; section 2.8: of an Outgoing-Call-Reply.
_START_REASONS: dict[int, Reason] = {
    3: reasons.CONTROL_EXISTS,
    4: reasons.CONTROL_NOT_AUTHORIZED,
    5: reasons.CONTROL_VERSION,
}
_CALL_REASONS: dict[int, Reason] = {
    3: reasons.CALL_NO_CARRIER,
    4: reasons.CALL_BUSY,
    5: reasons.CALL_NO_DIAL_TONE,
    6: reasons.CALL_TIMED_OUT,
    7: reasons.CALL_PROHIBITED,
}


@dataclass(frozen=True)
class Message:
    """A control message: its kind and what follows the header."""

    kind: int
    body: bytes


@dataclass(frozen=True)
class Started:
    """What a server says of itself, in printable ASCII."""

    host: str
    vendor: str
    firmware: int


def _message(kind: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), 1, MAGIC, kind, 0) + body


def start() -> bytes:
    """A Start-Control-Connection-Request."""
    return _message(START, _START.pack(VERSION, 0, 0, 3, 3, 0, 1, b"", b"pptp-manager"))


def stop() -> bytes:
    """A Stop-Control-Connection-Request, for no particular reason."""
    return _message(STOP, bytes((1, 0, 0, 0)))


def call(number: int) -> bytes:
    """An Outgoing-Call-Request. number: ours of the call, 0..65535. The values are those of pptp(8)."""
    return _message(CALL, _CALL.pack(number, 1, 2400, 10_000_000, 3, 3, 3, 0, 0, 0, b"", b""))


def clear(number: int) -> bytes:
    """A Call-Clear-Request."""
    return _message(CLEAR, struct.pack(">HH", number, 0))


def first(octets: bytes) -> tuple[Message, bytes] | None:
    """The first message and what follows it; None: it is not all there yet. Raises ValueError: that is no PPTP."""
    if len(octets) < 8:
        return None
    length, one, magic = struct.unpack_from(">HHI", octets)
    if magic != MAGIC or one != 1 or not _HEADER.size <= length <= MOST:
        raise ValueError(printable(repr(octets[:24])))
    if len(octets) < length:
        return None
    return Message(_HEADER.unpack_from(octets)[3], octets[_HEADER.size : length]), octets[length:]


def started(body: bytes) -> Started | Failure:
    """What a Start-Control-Connection-Reply says."""
    if len(body) < _START.size:
        return Failure(reasons.CONTROL_SILENT, f"its answer is cut off after {len(body)} bytes")
    version, result, error, _, _, _, firmware, host, vendor = _START.unpack_from(body)
    if result != 1:
        codes = f"result code {result}, error code {error}"
        return Failure(_START_REASONS.get(result, reasons.CONTROL_REFUSED), codes)
    if version >> 8 != VERSION >> 8:
        return Failure(reasons.CONTROL_VERSION, f"it speaks version {version >> 8}.{version & 255}")
    return Started(_text(host), _text(vendor), firmware)


def called(body: bytes) -> int | Failure:
    """What an Outgoing-Call-Reply says: the server's number of the call, or why there is none."""
    if len(body) < _CALL_REPLY.size:
        return Failure(reasons.CALL_REFUSED, f"its answer is cut off after {len(body)} bytes")
    theirs, _, result, error, cause, *_ = _CALL_REPLY.unpack_from(body)
    if result != 1:
        return Failure(
            _CALL_REASONS.get(result, reasons.CALL_REFUSED),
            f"result code {result}, error code {error}, cause code {cause}",
        )
    return int(theirs)


def _text(field: bytes) -> str:
    return printable(field.partition(b"\0")[0].decode("ascii", "replace").strip(), 64)


def knock(number: int, sequence: int) -> bytes:
    """A GRE packet with an LCP Configure-Request. number: the server's of the call; sequence: 0, 1, ..."""
    return _GRE.pack(0x3001, 0x880B, len(_LCP), number, sequence) + _LCP


def heard(packet: bytes) -> int | None:
    """The call's number in an IP packet from a raw socket, when it is PPTP's GRE; None: it is something else."""
    header = (packet[0] & 15) * 4 if packet else 0
    if len(packet) < header + 8:
        return None
    flags, protocol, _, number = struct.unpack_from(">HHHH", packet, header)
    return number if flags & 0x2007 == 0x2001 and protocol == 0x880B else None
