"""A PPTP server that fails as it is told: pptp_server.py {--listen ADDRESS --plan JSON}...

It prints `listening` on standard output when it is ready, and what happens on standard error. SIGUSR1 is a milestone
for all calls, "told", so that a server waits for the word before it ends what is up. Every client of an
address is treated by that address's plan: a JSON object of the fields of Plan that differ from a server on which all
goes well. It encrypts and routes nothing. Source: RFC 2637.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # for python3 -I
import ppp

PORT, MAGIC, VERSION = 1723, 0x1A2B3C4D, 0x0100
START, START_REPLY, STOP, STOP_REPLY, ECHO, ECHO_REPLY, CALL, CALL_REPLY = range(1, 9)
CLEAR, DISCONNECT = 12, 13
HEADER = struct.Struct(">HHIHH")  # length, type of message, magic, type of control message, reserved
START_REPLY_BODY = struct.Struct(">HBBIIHH64s64s")
CALL_REPLY_BODY = struct.Struct(">HHBBHIHHI")
DISCONNECT_BODY = struct.Struct(">HBBHH128s")
RESEND_SECONDS = 3.0
MILESTONES = {"start", "call", "lcp", "login", "up", "ended", "told"}


@dataclass(frozen=True)
class Reply:
    """The codes of a reply; version is that of a Start-Control-Connection-Reply, cause that of the other."""

    result: int = 1
    error: int = 0
    cause: int = 0
    version: int = VERSION


@dataclass(frozen=True)
class Step:
    """What the server does, how many seconds after a milestone: start, call, lcp, login, up, ended, told.

    do: terminate:TEXT (LCP), disconnect:RESULT, stop:REASON, close or abort (the TCP connection), mute (in PPP),
    ccp-reset, ccp-terminate.
    """

    do: str
    at: str = "up"
    after: float = 0.0


@dataclass(frozen=True)
class Plan(ppp.Manner):
    """What one address does.

    start_reply, call_reply: the codes of the reply to the control connection's and to the call's request; or mute,
    close, or garbage:TEXT. gre: yes; mute: nothing is answered; closed: the kernel says that there is no GRE.
    """

    start_reply: Reply | str = Reply()
    call_reply: Reply | str = Reply()
    gre: str = "yes"
    then: tuple[Step, ...] = ()

    def check(self) -> None:
        """ValueError when a value is not known."""
        super().check()
        if self.gre not in ("yes", "mute", "closed"):
            raise ValueError(f"gre: {self.gre!r}")
        for reply in (self.start_reply, self.call_reply):
            if isinstance(reply, str) and ppp.word(reply) not in ("mute", "close", "garbage"):
                raise ValueError(f"reply: {reply!r}")
        for step in self.then:
            if ppp.word(step.do) not in DOINGS or step.at not in MILESTONES:
                raise ValueError(f"then: {step}")


def plan(given: dict[str, Any]) -> Plan:
    """The plan in a JSON object. then: one step, or a list of steps. ValueError: something is not known."""
    given = dict(given)
    unknown = given.keys() - {field.name for field in fields(Plan)}
    if unknown:
        raise ValueError(f"not known: {', '.join(sorted(unknown))}")
    for key in ("start_reply", "call_reply"):
        if isinstance(given.get(key), dict):
            given[key] = Reply(**given[key])
    steps = given.pop("then", [])
    made = Plan(**given, then=tuple(Step(**step) for step in (steps if isinstance(steps, list) else [steps])))
    made.check()
    return made


def message(kind: int, body: bytes) -> bytes:
    """A control message."""
    return HEADER.pack(HEADER.size + len(body), 1, MAGIC, kind, 0) + body


def encode_gre(call: int, payload: bytes, sequence: int, acknowledged: int | None) -> bytes:
    """An enhanced GRE packet. call: the receiver's number. RFC 2637 section 4.1."""
    flags = 0x3001 | (0 if acknowledged is None else 0x0080)
    ack = b"" if acknowledged is None else struct.pack(">I", acknowledged)
    return struct.pack(">HHHHI", flags, 0x880B, len(payload), call, sequence) + ack + payload


@dataclass(frozen=True)
class Gre:
    """An enhanced GRE packet. sequence: None when it only acknowledges."""

    call: int
    sequence: int | None
    payload: bytes


def decode_gre(packet: bytes) -> Gre | None:
    """The parts of an enhanced GRE packet; None when it is none."""
    if len(packet) < 8:
        return None
    flags, protocol, length, call = struct.unpack_from(">HHHH", packet)
    start = 8 + (4 if flags & 0x1000 else 0) + (4 if flags & 0x0080 else 0)
    if flags & 0x2007 != 0x2001 or protocol != 0x880B or len(packet) < start + length:
        return None
    sequence = struct.unpack_from(">I", packet, 8)[0] if flags & 0x1000 else None
    return Gre(call, sequence, packet[start : start + length])


class Connection:
    """One control connection and its call, without I/O.

    received(), packet() and tick() take what comes in; control_out and gre_out have what is to go out, and leaving is
    close or abort when the server ends the TCP connection behind that.
    """

    def __init__(self, plan: Plan, call: int, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.call = call
        self.say = say
        self.control_out = bytearray()
        self.gre_out: list[bytes] = []
        self.leaving = ""
        self.ppp = ppp.Ppp(plan, say)
        self._peer_call = 0
        self._buffer = b""
        self._sequence = 0
        self._seen: int | None = None  # the client's last sequence number
        self._reached: dict[str, float] = {}  # milestones, and when tick() saw them first
        self._steps = list(plan.then)
        self._resent = 0.0

    def received(self, octets: bytes) -> None:
        """Some bytes of the control connection."""
        self._buffer += octets
        while len(self._buffer) >= HEADER.size and not self.leaving:
            length, _, magic, kind, _ = HEADER.unpack_from(self._buffer)
            if magic != MAGIC or length < HEADER.size:
                self.say(f"received what is not PPTP: {self._buffer[:40]!r}")
                self.leaving = "close"
            elif len(self._buffer) < length:
                break
            else:
                body, self._buffer = self._buffer[HEADER.size : length], self._buffer[length:]
                self.say(f"received control message {kind}")
                self._control(kind, body)

    def packet(self, packet: bytes) -> None:
        """A GRE packet of this call."""
        gre = decode_gre(packet)
        if gre is None or gre.call != self.call or gre.sequence is None or self.plan.gre != "yes":
            return
        self._seen = gre.sequence
        self.ppp.receive(gre.payload)
        self._send_frames()

    def tick(self, now: float) -> None:
        """It is now, in seconds of a monotonic clock: take the steps that are due."""
        for milestone in self.ppp.reached - self._reached.keys():
            self._reached[milestone] = now
        for step in [step for step in self._steps if self._due(step, now)]:
            self._steps.remove(step)
            self.say(f"does {step.do}")
            DOINGS[ppp.word(step.do)](self, ppp.text(step.do))
        if self._resent + RESEND_SECONDS <= now:
            self._resent = now
            self.ppp.resend()
        self._send_frames()

    def _due(self, step: Step, now: float) -> bool:
        return step.at in self._reached and self._reached[step.at] + step.after <= now

    def _control(self, kind: int, body: bytes) -> None:
        match kind:
            case 1:  # START
                self._answer(self.plan.start_reply, self._start_reply)
            case 7:  # CALL
                self._peer_call = struct.unpack_from(">H", body)[0]
                self._answer(self.plan.call_reply, self._call_reply)
            case 5:  # ECHO
                self.send(ECHO_REPLY, body[:4] + b"\1\0\0\0")
            case 12:  # CLEAR
                self.disconnect(b"4")
            case 3:  # STOP
                self.send(STOP_REPLY, b"\1\0\0\0")
                self.leaving = "close"

    def _answer(self, reply: Reply | str, send: Callable[[Reply], None]) -> None:
        if isinstance(reply, Reply):
            send(reply)
        elif reply == "close":
            self.leaving = "close"
        else:
            self.control_out += ppp.text(reply)

    def _start_reply(self, reply: Reply) -> None:
        codes = (reply.version, reply.result, reply.error)
        self.send(START_REPLY, START_REPLY_BODY.pack(*codes, 3, 3, 0, 1, b"scripted", b"scripted"))
        self.ppp.reached.add("start")

    def _call_reply(self, reply: Reply) -> None:
        codes = (reply.result, reply.error, reply.cause)
        self.send(CALL_REPLY, CALL_REPLY_BODY.pack(self.call, self._peer_call, *codes, 100_000_000, 64, 0, 0))
        if reply.result == 1:
            self.ppp.reached.add("call")
            self.ppp.start()
            self._send_frames()

    def _send_frames(self) -> None:
        for frame in self.ppp.out:
            if self.plan.gre == "yes":
                self.gre_out.append(encode_gre(self._peer_call, frame, self._sequence, self._seen))
                self._sequence += 1
        self.ppp.out.clear()

    def send(self, kind: int, body: bytes) -> None:
        """Send a control message."""
        self.say(f"sends control message {kind}")
        self.control_out += message(kind, body)

    def disconnect(self, result: bytes) -> None:
        """Say that the call has ended. result: a number in digits. RFC 2637 section 2.13."""
        self.send(DISCONNECT, DISCONNECT_BODY.pack(self.call, int(result or b"1"), 0, 0, 0, b""))

    def leave(self, how: str) -> None:
        """End the TCP connection: close or abort."""
        self.leaving = how

    def mute(self) -> None:
        """Say nothing more in PPP."""
        self.ppp.muted = True


DOINGS: dict[str, Callable[[Connection, bytes], None]] = {
    "terminate": lambda connection, text: connection.ppp.terminate(text),
    "disconnect": lambda connection, text: connection.disconnect(text),
    "stop": lambda connection, text: connection.send(STOP, bytes((int(text or b"1"), 0, 0, 0))),
    "close": lambda connection, text: connection.leave("close"),
    "abort": lambda connection, text: connection.leave("abort"),
    "mute": lambda connection, text: connection.mute(),
    "ccp-reset": lambda connection, text: connection.ppp.ask_ccp(ppp.RESET_REQ),
    "ccp-terminate": lambda connection, text: connection.ppp.ask_ccp(ppp.TERM_REQ),
}


class Address:
    """What listens on one address."""

    def __init__(self, address: str, plan: Plan, poller: select.epoll) -> None:
        self.address, self.plan, self.poller = address, plan, poller
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, PORT))
        self.listener.listen()
        poller.register(self.listener, select.EPOLLIN)
        self.gre: socket.socket | None = None
        if plan.gre != "closed":
            self.gre = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
            self.gre.bind((address, 0))
            poller.register(self.gre, select.EPOLLIN)
        self.connections: dict[socket.socket, tuple[Connection, str]] = {}
        self._calls = 0

    def ready(self, descriptor: int) -> None:
        """Take what is there to be read on one of the sockets."""
        if descriptor == self.listener.fileno():
            self._accept()
        elif self.gre and descriptor == self.gre.fileno():
            packet, (peer, _) = self.gre.recvfrom(65536)
            for connection, address in self.connections.values():
                if address == peer:
                    connection.packet(packet[(packet[0] & 0xF) * 4 :])
        for stream, (connection, _) in list(self.connections.items()):
            if descriptor == stream.fileno():
                self._read(stream, connection)

    def tell(self) -> None:
        """Let each connection know that the time has come."""
        for connection, _ in self.connections.values():
            connection.ppp.reached.add("told")

    def flush(self, now: float) -> None:
        """Let the clock go on, and send what is to be sent."""
        for stream, (connection, peer) in list(self.connections.items()):
            connection.tick(now)
            try:
                stream.sendall(connection.control_out)
                for packet in connection.gre_out:
                    self._send_gre(packet, peer)
            except OSError as error:
                connection.say(f"cannot send: {error}")
                connection.leaving = "close"
            connection.control_out.clear()
            connection.gre_out.clear()
            if connection.leaving == "abort":  # with RST
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if connection.leaving:
                self._drop(stream)

    def _send_gre(self, packet: bytes, peer: str) -> None:
        if self.gre:
            self.gre.sendto(packet, (peer, 0))

    def _accept(self) -> None:
        stream, (peer, port) = self.listener.accept()
        self._calls += 1
        name = f"{self.address}#{self._calls}"

        def say(text: str) -> None:
            print(f"{name}: {text}", file=sys.stderr, flush=True)

        say(f"connection of {peer}:{port}")
        self.connections[stream] = (Connection(self.plan, self._calls, say), peer)
        self.poller.register(stream, select.EPOLLIN)

    def _read(self, stream: socket.socket, connection: Connection) -> None:
        try:
            octets = stream.recv(65536)
        except OSError as error:
            connection.say(f"cannot read: {error}")
            octets = b""
        if octets:
            connection.received(octets)
        else:
            connection.say("the client has closed")
            self._drop(stream)

    def _drop(self, stream: socket.socket) -> None:
        self.poller.unregister(stream)
        del self.connections[stream]
        stream.close()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", metavar="ADDRESS", action="append", required=True)
    parser.add_argument("--plan", metavar="JSON", action="append", default=[])
    arguments = parser.parse_args()
    plans = [plan(json.loads(text)) for text in arguments.plan] or [Plan()] * len(arguments.listen)
    poller = select.epoll()
    served = [Address(address, plan, poller) for address, plan in zip(arguments.listen, plans, strict=True)]

    def tell(number: int, frame: object) -> None:
        for address in served:
            address.tell()

    signal.signal(signal.SIGUSR1, tell)
    print("listening", flush=True)
    while True:
        for descriptor, _ in poller.poll(0.05):
            for address in served:
                address.ready(descriptor)
        for address in served:
            address.flush(time.monotonic())


if __name__ == "__main__":
    main()
