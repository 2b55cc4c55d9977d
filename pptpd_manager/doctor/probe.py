"""Calls a server as pptp(8) does, up to its first GRE packet, and hangs up. Blocking; each step has its bound.

Without root there is no GRE, and then no call either: it would tell nothing.
"""

from __future__ import annotations

import errno
import secrets
import select
import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Address

from pptpd_manager import reasons
from pptpd_manager.addresses import worth_a_try
from pptpd_manager.doctor import control
from pptpd_manager.doctor.control import Message, Started
from pptpd_manager.doctor.way import Contact, Echo, Name
from pptpd_manager.reasons import Failure, Reason, printable

TCP_SECONDS = 4.0  # a SYN and two retransmissions, tcp(7)
ANSWER_SECONDS = 5.0  # of the control connection
GRE_SECONDS = 6.0
REPEAT_SECONDS = 1.0  # between our GRE packets; a server may have to start its PPP first

_TCP_REASONS: dict[int, Reason] = {
    errno.ECONNREFUSED: reasons.TCP_REFUSED,
    errno.EHOSTUNREACH: reasons.HOST_UNREACHABLE,
    errno.ENETUNREACH: reasons.NO_ROUTE,
    errno.EPERM: reasons.NOT_SENT,
    errno.EACCES: reasons.NOT_SENT,
}


def look_up(server: str) -> Name:
    """A server's addresses, by getaddrinfo(3); as long as that takes."""
    try:
        answer = socket.getaddrinfo(server, None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror as error:
        gone = error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
        return Name(server, Failure(reasons.NAME_NOT_FOUND if gone else reasons.NAME_SERVER_SILENT, printable(server)))
    except UnicodeError:
        return Name(server, Failure(reasons.NAME_NOT_FOUND, printable(server)))
    found = [IPv4Address(where[0]) for *_, where in answer]
    if good := worth_a_try(found):
        return Name(server, good)
    return Name(server, Failure(reasons.NAME_MISLEADS, printable(f"{server} is {', '.join(map(str, found))}")))


def contact(address: IPv4Address, progress: Callable[[str], None], *, calling: bool) -> Contact:
    """How far a call to the address goes, in 25 seconds at most; without calling no further than TCP.

    progress: told what is waited for.
    """
    progress(f"TCP port 1723 of {address}")
    began = time.monotonic()
    try:
        stream = socket.create_connection((str(address), control.PORT), TCP_SECONDS)
    except OSError as error:
        return Contact(address, _tcp_failure(error))
    with stream:
        tcp = round((time.monotonic() - began) * 1000)
        if not calling:
            return Contact(address, tcp)
        try:
            return _Call(address, stream, tcp, progress).made()
        except OSError as error:
            return Contact(address, tcp, Failure(reasons.CONTROL_LOST, error.strerror or str(error)))


def _tcp_failure(error: OSError) -> Failure:
    return Failure(_TCP_REASONS.get(error.errno or 0, reasons.TCP_SILENT))


class _Call:
    """A control connection and at most one call on it."""

    def __init__(self, address: IPv4Address, stream: socket.socket, tcp: int, progress: Callable[[str], None]) -> None:
        self._address, self._stream, self._tcp, self._progress = address, stream, tcp, progress
        self._number = secrets.randbelow(0xFFFF) + 1
        self._buffer = b""

    def made(self) -> Contact:
        """The whole of it."""
        self._progress(f"the control connection to {self._address}")
        said = self._start()
        if isinstance(said, Failure):
            return Contact(self._address, self._tcp, said)
        try:
            return self._called(said)
        finally:
            self._leave()

    def _start(self) -> Started | Failure:
        self._stream.sendall(control.start())
        answer = self._answer(control.START_REPLY)
        if isinstance(answer, Message):
            return control.started(answer.body)
        return Failure(reasons.CONTROL_SILENT, answer)

    def _called(self, said: Started) -> Contact:
        try:
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
        except PermissionError:
            return Contact(self._address, self._tcp, said, gre=Echo.NEEDS_ROOT)
        with raw:
            raw.bind((self._stream.getsockname()[0], 0))
            self._progress(f"a call to {self._address}")
            self._stream.sendall(control.call(self._number))
            answer = self._answer(control.CALL_REPLY)
            if not isinstance(answer, Message):
                return Contact(self._address, self._tcp, said, Failure(reasons.CALL_SILENT, answer))
            theirs = control.called(answer.body)
            if isinstance(theirs, Failure):
                return Contact(self._address, self._tcp, said, theirs)
            self._progress(f"GRE from {self._address}")
            try:
                raw.connect((str(self._address), 0))  # for the errors that routers send
                return Contact(self._address, self._tcp, said, gre=self._gre(raw, theirs))
            except OSError as error:
                return Contact(self._address, self._tcp, said, gre=_gre_failure(error))

    def _gre(self, raw: socket.socket, theirs: int) -> Echo:
        """Send LCP now and again, and wait for a packet of this call. Raises OSError."""
        end = time.monotonic() + GRE_SECONDS
        sequence = 0
        while (now := time.monotonic()) < end:
            raw.send(control.knock(theirs, sequence))
            sequence += 1
            while (left := min(end, now + REPEAT_SECONDS) - time.monotonic()) > 0:
                ready, _, _ = select.select([raw], [], [], left)
                if ready and control.heard(raw.recv(65536)) == self._number:
                    return Echo.CAME
        return Echo.SILENT

    def _answer(self, kind: int) -> Message | str:
        """The next message of that kind; or why there is none."""
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                while taken := control.first(self._buffer):
                    message, self._buffer = taken
                    if message.kind == kind:
                        return message
            except ValueError as error:
                return f"it sent {error}"
            left = end - time.monotonic()
            if left <= 0:
                return f"nothing within {ANSWER_SECONDS:g} seconds"
            self._stream.settimeout(left)
            try:
                octets = self._stream.recv(4096)
            except TimeoutError:
                continue
            if not octets:
                return "it closed the connection"
            self._buffer += octets

    def _leave(self) -> None:
        """Hang up in good order, so that no session stays behind there."""
        try:
            self._stream.settimeout(1)
            self._stream.sendall(control.clear(self._number) + control.stop())
            self._stream.shutdown(socket.SHUT_WR)
            while self._stream.recv(4096):
                pass
        except OSError:
            pass  # it has gone by itself


def _gre_failure(error: OSError) -> Failure:
    """Source: pptp's own errors, see diagnosis.py; icmp(7) to errno."""
    if error.errno in (errno.ECONNREFUSED, errno.ENOPROTOOPT, errno.EHOSTUNREACH):
        return Failure(reasons.GRE_REFUSED, error.strerror or "")
    if error.errno == errno.EMSGSIZE:
        return Failure(reasons.GRE_TOO_LARGE)
    return Failure(reasons.NOT_SENT, error.strerror or "")
