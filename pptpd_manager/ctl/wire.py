"""A connection to the system bus for calls that are waited for, without GDBus: D-Bus as its specification has it.

To import GDBus takes as long as all the rest of a look at the tunnels, and more; see tests/bus/startup.py. So this
knows what a look needs: the transport "unix", arguments that are texts, answers of any type, one call at a time.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

DEFAULT = "unix:path=/run/dbus/system_bus_socket"
BUS, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_CALL, _ANSWER, _ERROR = 1, 2, 3
_NO_AUTO_START = 0x2
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _ANSWERED, _DESTINATION, _SIGNATURE = 1, 2, 3, 4, 5, 6, 8
_HEAD = 16  # bytes, up to and with the length of the header's fields
_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}
_SIZES = {kind: struct.calcsize(code) for kind, code in _FIXED.items()}
_ALIGNED = {**_SIZES, "s": 4, "o": 4, "a": 4, "(": 8, "{": 8, "g": 1, "v": 1}


class Refused(Exception):
    """A call that was answered with an error of that name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def sockets(address: str) -> Iterator[bytes]:
    """The names of the sockets that a bus address has, for socket.connect(); none if it has only other transports."""
    for entry in address.split(";"):
        transport, _, words = entry.partition(":")
        keys = dict(word.partition("=")[::2] for word in words.split(","))
        if transport == "unix" and "path" in keys:
            yield _unescaped(keys["path"])
        elif transport == "unix" and "abstract" in keys:
            yield b"\0" + _unescaped(keys["abstract"])


def _unescaped(value: str) -> bytes:
    if "%" not in value:
        return value.encode()
    from urllib.parse import unquote_to_bytes  # here: hardly an address has that

    return unquote_to_bytes(value)


class Wire:
    """A connection. name: of its socket. Raises OSError."""

    def __init__(self, name: bytes, seconds: float) -> None:
        self._serial, self._rest = 0, b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(seconds)
        self._socket.connect(name)
        user = str(os.geteuid()).encode().hex().encode()
        self._socket.sendall(b"\0AUTH EXTERNAL " + user + b"\r\n")
        if not self._line().startswith(b"OK "):
            raise OSError("the bus does not take us for who we are")
        self._socket.sendall(b"BEGIN\r\n")
        self.call(BUS, BUS_PATH, BUS, "Hello", seconds=seconds)

    def call(
        self, service: str, path: str, interface: str, member: str, texts: Sequence[str] = (), *, seconds: float,
        start: bool = False,
    ) -> tuple[Any, ...]:  # fmt: skip
        """The values of the answer. start: the service if it does not run. Raises Refused, OSError (TimeoutError)."""
        self._serial += 1
        self._socket.settimeout(seconds)
        self._socket.sendall(message(self._serial, service, path, interface, member, texts, start=start))
        while True:
            kind, fields, body, order = self._message()
            if fields.get(_ANSWERED) != self._serial:
                continue  # a signal
            values = Values(body, order).all(fields.get(_SIGNATURE, ""))
            if kind == _ERROR:
                raise Refused(fields[_ERROR_NAME], str(values[0]) if values else "")
            if kind == _ANSWER:
                return values

    def _message(self) -> tuple[int, dict[int, Any], bytes, str]:
        """The next one: its type, the fields of its header, its body and the order of bytes."""
        head = self._bytes(_HEAD)
        order = "<" if head[:1] == b"l" else ">"
        (length,), (size,) = struct.unpack_from(order + "I", head, 4), struct.unpack_from(order + "I", head, 12)
        fields = Values(head[8:] + self._bytes(size + -size % 8), order, 4).all("a(yv)")[0]
        return head[1], dict(fields), self._bytes(length), order

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            self._read()
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _bytes(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._read()
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def _read(self) -> None:
        more = self._socket.recv(1 << 16)
        if not more:
            raise ConnectionError("the bus has gone")
        self._rest += more


def message(
    serial: int, service: str, path: str, interface: str, member: str, texts: Sequence[str], *, start: bool
) -> bytes:
    """The bytes of a call."""
    named = ((_PATH, "o", path), (_INTERFACE, "s", interface), (_MEMBER, "s", member), (_DESTINATION, "s", service))
    fields = [_field(code, kind, _text(value)) for code, kind, value in named]
    fields += [_field(_SIGNATURE, "g", bytes([len(texts)]) + b"s" * len(texts) + b"\0")] if texts else []
    packed = b""
    for field in fields:
        packed = _padded(packed, 8) + field
    body = b""
    for text in texts:
        body = _padded(body, 4) + _text(text)
    flags = 0 if start else _NO_AUTO_START
    return _padded(struct.pack("<cBBBIII", b"l", _CALL, flags, 1, len(body), serial, len(packed)) + packed, 8) + body


def _field(code: int, kind: str, value: bytes) -> bytes:
    """A field of the header: a struct of its code and a variant."""
    return bytes([code, 1]) + kind.encode() + b"\0" + value


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<I", len(encoded)) + encoded + b"\0"


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)


class Values:
    """Reads values from a body. order: "<" or ">", of the bytes in a number; at: where the first one is."""

    def __init__(self, data: bytes, order: str, at: int = 0) -> None:
        self._data, self._order, self._at = data, order, at

    def all(self, signature: str) -> tuple[Any, ...]:
        """One for each type, as Python has them: as GLib.Variant.unpack() does."""
        found, at = [], 0
        while at < len(signature):
            value, at = self._value(signature, at)
            found.append(value)
        return tuple(found)

    def _value(self, signature: str, at: int) -> tuple[Any, int]:
        """The value of the type that begins there in the signature, and where the next type does."""
        kind = signature[at]
        self._at += -self._at % _ALIGNED[kind]
        if kind in _FIXED:
            (number,) = struct.unpack_from(self._order + _FIXED[kind], self._data, self._at)
            self._at += _SIZES[kind]
            return bool(number) if kind == "b" else number, at + 1
        if kind in "sog":
            length, _ = self._value("y" if kind == "g" else "u", 0)
            self._at += length + 1
            return self._data[self._at - length - 1 : self._at - 1].decode(), at + 1
        if kind == "v":
            inner, _ = self._value("g", 0)
            return self._value(inner, 0)[0], at + 1
        if kind == "a":
            return self._array(signature, at + 1)
        parts, at = [], at + 1  # of a struct, or of an entry of a dictionary
        while signature[at] not in ")}":
            part, at = self._value(signature, at)
            parts.append(part)
        return tuple(parts), at + 1

    def _array(self, signature: str, at: int) -> tuple[Any, int]:
        length, _ = self._value("u", 0)
        self._at += -self._at % _ALIGNED[signature[at]]
        end, found = self._at + length, []
        while self._at < end:
            found.append(self._value(signature, at)[0])
        return dict(found) if signature[at] == "{" else found, _after(signature, at)


def _after(signature: str, at: int) -> int:
    """Where the type behind the one that begins there does."""
    while signature[at] == "a":
        at += 1
    depth = 0
    while True:
        depth += (signature[at] in "({") - (signature[at] in ")}")
        at += 1
        if not depth:
            return at
