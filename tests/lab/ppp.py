"""A server's side of PPP, as far as a client needs it to be let in, or refused in each way: LCP, a login, CCP, IPCP.

Pure: frames in, frames out. Nothing is encrypted or routed, no password is checked. In the texts of a plan each
character is one byte (Latin-1), so that a server may say anything.
Sources: RFC 1661 (LCP), 1334 (PAP), 1994 (CHAP), 2433 and 2759 (MS-CHAP), 1962 and 3078 (CCP, MPPE), 1332 (IPCP).
"""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LCP, PAP, CHAP, CCP, IPCP = 0xC021, 0xC023, 0xC223, 0x80FD, 0x8021
NAMES = {LCP: "LCP", PAP: "PAP", CHAP: "CHAP", CCP: "CCP", IPCP: "IPCP"}
CONF_REQ, CONF_ACK, CONF_NAK, CONF_REJ, TERM_REQ, TERM_ACK, CODE_REJ, PROTO_REJ, ECHO_REQ, ECHO_REP = range(1, 11)
RESET_REQ = 14
CHALLENGE, RESPONSE, SUCCESS, FAILURE = range(1, 5)
PAP_REQ, PAP_ACK, PAP_NAK = range(1, 4)

LCP_KNOWN = {1, 2, 5, 7, 8}  # MRU, ACCM, magic number, and the two compressions of the header
AUTH_OPTION, MAGIC_OPTION, MPPE_OPTION, ADDRESS_OPTION = 3, 5, 18, 3
AUTH = {
    "none": b"",
    "pap": b"\xc0\x23",
    "md5": b"\xc2\x23\x05",
    "mschap": b"\xc2\x23\x80",
    "mschap-v2": b"\xc2\x23\x81",
    "eap": b"\xc2\x27",
}
MAGIC = b"\x13\x57\x9b\xdf"
STATELESS_128, STATEFUL_128, STATELESS_40 = b"\x01\0\0\x40", b"\0\0\0\x40", b"\x01\0\0\x20"
OWN, GIVEN = bytes((10, 77, 0, 1)), bytes((10, 77, 0, 2))  # the addresses of the server and of its client


@dataclass(frozen=True)
class Manner:
    """How PPP goes; all defaults let the client in. A value is a word, or WORD:TEXT.

    lcp: ack; mute; loopback, each frame comes back; terminate:TEXT, instead of any agreement.
    auth: the method that is asked for, a key of AUTH.
    refused: what follows when the client will not have that. terminate:TEXT, once LCP is open without it, as pppd
        does; abort:TEXT, at once; insist, asked for again every few seconds; mute.
    login: accept; mute; failure:TEXT; of MS-CHAPv2, unproven: with a wrong proof, malformed: without one.
    ccp: ack; reject; ignore; protocol-reject; stateful or 40-bit, proposed instead; stateful-request, asked for after
        an ack; require: asked for before anything, and the end when the client will not.
    ipcp: ack, with GIVEN for a client that asks for an address; other-address: GIVEN for all; no-address: may not
        ask; zero: 0.0.0.0 is fine; ignore; protocol-reject; no-peer-address: nothing about the server's own;
        addresses:CLIENT,SERVER: these, and no others.
    password: what the proof of MS-CHAPv2 is made of.
    """

    lcp: str = "ack"
    auth: str = "mschap-v2"
    refused: str = "terminate:peer refused to authenticate"
    login: str = "accept"
    ccp: str = "ack"
    ipcp: str = "ack"
    password: str = "secret"

    def check(self) -> None:
        """ValueError when a value is not one of those above."""
        words = {
            "lcp": "ack mute loopback terminate",
            "auth": " ".join(AUTH),
            "refused": "terminate abort insist mute",
            "login": "accept mute failure unproven malformed",
            "ccp": "ack reject ignore protocol-reject stateful 40-bit stateful-request require",
            "ipcp": "ack other-address no-address zero ignore protocol-reject no-peer-address addresses",
        }
        for key, known in words.items():
            if word(getattr(self, key)) not in known.split():
                raise ValueError(f"{key}: {getattr(self, key)!r}: not one of {known}")


def word(value: str) -> str:
    """The word before the text."""
    return value.partition(":")[0]


def text(value: str) -> bytes:
    """The text after the word."""
    return value.partition(":")[2].encode("latin-1")


@dataclass(frozen=True)
class Packet:
    """What LCP and all that look like it exchange. RFC 1661 section 5."""

    protocol: int
    code: int
    id: int
    body: bytes = b""

    def encode(self) -> bytes:
        """The frame, with address and control."""
        return struct.pack(">HHBBH", 0xFF03, self.protocol, self.code, self.id, 4 + len(self.body)) + self.body

    def options(self) -> list[tuple[int, bytes]]:
        """Types and values of the options that the body of a Configure packet is made of."""
        found, rest = [], self.body
        while len(rest) >= 2 and 2 <= rest[1] <= len(rest):
            found.append((rest[0], rest[2 : rest[1]]))
            rest = rest[rest[1] :]
        return found

    def __str__(self) -> str:
        return f"{NAMES.get(self.protocol, hex(self.protocol))} code {self.code} id {self.id} {self.body!r}"


def decode(frame: bytes) -> Packet | None:
    """The packet in a frame, whose header may be compressed (RFC 1661 section 6); None when there is none."""
    frame = frame.removeprefix(b"\xff\x03")
    if frame and frame[0] & 1:
        frame = b"\0" + frame
    if len(frame) < 6:
        return None
    protocol, code, number, length = struct.unpack_from(">HBBH", frame)
    return Packet(protocol, code, number, frame[6 : 2 + length]) if 4 <= length <= len(frame) - 2 else None


def encode_options(*options: tuple[int, bytes]) -> bytes:
    """The body of a Configure packet."""
    return b"".join(bytes((kind, 2 + len(value))) + value for kind, value in options)


class Ppp:
    """One link. receive() takes frames, out has those to send, reached the milestones."""

    def __init__(self, manner: Manner, say: Callable[[str], None]) -> None:
        self.manner = manner
        self.say = say
        self.out: list[bytes] = []
        self.reached: set[str] = set()
        self.muted = manner.lcp == "mute"
        self._auth = AUTH[manner.auth]
        self._last_id = 0
        self._agreed: set[tuple[int, str]] = set()  # protocol, and whose request was acknowledged
        self._asked: set[int] = set()  # protocols in which we have sent a request
        self._waiting: Packet | None = None  # a request of ours, to be sent again until it is answered

    def start(self) -> None:
        """The call is there."""
        if not self.muted and self.manner.lcp != "loopback":
            self._request_lcp()

    def receive(self, frame: bytes) -> None:
        """A frame of the client."""
        if self.muted:
            return
        if self.manner.lcp == "loopback":
            self.out.append(frame)
            return
        packet = decode(frame)
        answers = {LCP: self._lcp, PAP: self._pap, CHAP: self._chap, CCP: self._ccp, IPCP: self._ipcp}
        if packet is None or packet.protocol < 0x8000:
            self.say(f"received {len(frame)} bytes")
        elif packet.protocol not in answers:
            self.say(f"received {packet}")
            self._reject_protocol(packet)
        elif packet.protocol == LCP or "ended" not in self.reached:
            self.say(f"received {packet}")
            answers[packet.protocol](packet)

    def resend(self) -> None:
        """Some seconds have passed."""
        if self._waiting and not self.muted:
            self.out.append(self._waiting.encode())

    def terminate(self, reason: bytes) -> None:
        """End the link."""
        self._waiting = None
        self._ask(LCP, TERM_REQ, reason)
        self.reached.add("ended")

    def ask_ccp(self, code: int) -> None:
        """Send a packet of CCP without a body."""
        self._ask(CCP, code, b"")

    def _send(self, packet: Packet) -> None:
        self.say(f"sends {packet}")
        self.out.append(packet.encode())

    def _ask(self, protocol: int, code: int, body: bytes) -> Packet:
        self._last_id = self._last_id % 255 + 1
        packet = Packet(protocol, code, self._last_id, body)
        self._asked.add(protocol)
        self._send(packet)
        return packet

    def _reply(self, packet: Packet, code: int, body: bytes = b"") -> None:
        self._send(Packet(packet.protocol, code, packet.id, body))

    def _reject_protocol(self, packet: Packet) -> None:
        self._ask(LCP, PROTO_REJ, packet.encode()[2:])

    def _request_lcp(self) -> None:
        auth = ((AUTH_OPTION, self._auth),) if self._auth else ()
        self._waiting = self._ask(LCP, CONF_REQ, encode_options(*auth, (MAGIC_OPTION, MAGIC)))

    def _lcp(self, packet: Packet) -> None:
        match packet.code:
            case _ if packet.code < TERM_REQ and "ended" in self.reached:
                pass
            case code if code < TERM_REQ and word(self.manner.lcp) == "terminate":
                self.terminate(text(self.manner.lcp))
            case code if code == CONF_REQ:
                unknown = [option for option in packet.options() if option[0] not in LCP_KNOWN]
                self._reply(packet, CONF_REJ if unknown else CONF_ACK, encode_options(*unknown) or packet.body)
                if not unknown:
                    self._open_lcp("theirs")
            case code if code == CONF_ACK:
                self._waiting = None
                self._open_lcp("ours")
            case code if code in (CONF_NAK, CONF_REJ):
                self._auth_refused()
            case code if code == TERM_REQ:
                self.reached.add("ended")
                self._reply(packet, TERM_ACK)
            case code if code == ECHO_REQ:
                self._reply(packet, ECHO_REP, MAGIC + packet.body[4:])
            case code if code == PROTO_REJ and packet.body.startswith(CCP.to_bytes(2, "big")):
                self._ccp_refused()

    def _auth_refused(self) -> None:
        """The client does not like our request, and there is only one thing in it not to like."""
        match word(self.manner.refused):
            case "terminate":
                self._auth = b""
                self._request_lcp()
            case "abort":
                self.terminate(text(self.manner.refused))
            case "mute":
                self.muted = True

    def _open_lcp(self, whose: str) -> None:
        """A request was acknowledged; with both LCP is open, and the login begins."""
        self._agreed.add((LCP, whose))
        if not {(LCP, "ours"), (LCP, "theirs")} <= self._agreed or "lcp" in self.reached:
            return
        self.reached.add("lcp")
        if self._auth != AUTH[self.manner.auth]:
            self.terminate(text(self.manner.refused))
        elif not self._auth:
            self._logged_in()
        elif self._auth.startswith(b"\xc2\x23"):
            self._challenge()

    def _challenge(self) -> None:
        """Ask for the CHAP response; the challenge is always the same."""
        value = CHALLENGE_VALUE[: 8 if self._auth == AUTH["mschap"] else 16]
        self._waiting = self._ask(CHAP, CHALLENGE, bytes((len(value),)) + value + b"scripted")

    def _pap(self, packet: Packet) -> None:
        if packet.code == PAP_REQ and self.manner.login != "mute":
            failed = word(self.manner.login) == "failure"
            message = text(self.manner.login)
            self._reply(packet, PAP_NAK if failed else PAP_ACK, bytes((len(message),)) + message)
            if not failed:
                self._logged_in()

    def _chap(self, packet: Packet) -> None:
        if packet.code != RESPONSE or self._waiting is None or packet.id != self._waiting.id:
            return
        self._waiting = None
        match word(self.manner.login):
            case "failure":
                self._reply(packet, FAILURE, text(self.manner.login))
            case "accept" | "unproven" | "malformed":
                self._reply(packet, SUCCESS, self._proof(packet.body))
                self._logged_in()

    def _proof(self, response: bytes) -> bytes:
        """The text of the Success for a Response: value size, value, name."""
        if self._auth != AUTH["mschap-v2"] or self.manner.login == "malformed":
            return b"Welcome"
        value, name = response[1 : 1 + response[0]], response[1 + response[0] :]
        password = self.manner.password + ("x" if self.manner.login == "unproven" else "")
        proof = authenticator_response(password, value[24:48], value[:16], CHALLENGE_VALUE, name)
        return proof.encode() + b" M=Welcome"

    def _logged_in(self) -> None:
        self.reached.add("login")
        if self.manner.ccp == "require":
            self._waiting = self._ask(CCP, CONF_REQ, encode_options((MPPE_OPTION, STATELESS_128)))

    def _ccp_refused(self) -> None:
        self._waiting = None
        if self.manner.ccp == "require" and (CCP, "ours") not in self._agreed:
            self.terminate(b"MPPE required but peer negotiation failed")

    def _ccp(self, packet: Packet) -> None:
        manner = self.manner.ccp
        proposal = {"stateful": STATEFUL_128, "40-bit": STATELESS_40}.get(manner)
        if manner == "ignore":
            return
        if manner == "protocol-reject":
            self._reject_protocol(packet)
        elif packet.code == CONF_REQ and manner == "reject":
            self._reply(packet, CONF_REJ, packet.body)
        elif packet.code == CONF_REQ and proposal and packet.options() != [(MPPE_OPTION, proposal)]:
            self._reply(packet, CONF_NAK, encode_options((MPPE_OPTION, proposal)))
        elif packet.code == CONF_REQ:
            self._reply(packet, CONF_ACK, packet.body)
            if CCP not in self._asked:
                value = STATEFUL_128 if manner == "stateful-request" else proposal or STATELESS_128
                self._ask(CCP, CONF_REQ, encode_options((MPPE_OPTION, value)))
        elif packet.code == CONF_ACK:
            self._waiting = None
            self._agreed.add((CCP, "ours"))
        elif packet.code in (CONF_NAK, CONF_REJ):
            self._ccp_refused()
        elif packet.code == TERM_REQ:
            self._reply(packet, TERM_ACK)

    def _ipcp(self, packet: Packet) -> None:
        manner = self.manner.ipcp
        if manner == "ignore":
            return
        if manner == "protocol-reject":
            self._reject_protocol(packet)
        elif packet.code == CONF_REQ:
            self._answer_ipcp(packet)
            if IPCP not in self._asked:  # once: a request that comes after the link is up would take it down again
                self._request_ipcp(manner != "no-peer-address")
        elif packet.code == CONF_ACK:
            self._agreed.add((IPCP, "ours"))
        elif packet.code in (CONF_NAK, CONF_REJ):
            self._request_ipcp(packet.code == CONF_NAK and manner != "no-peer-address")
        elif packet.code == TERM_REQ:
            self._reply(packet, TERM_ACK)
        if {(IPCP, "ours"), (IPCP, "theirs")} <= self._agreed:
            self.reached.add("up")

    def _request_ipcp(self, with_address: bool) -> None:
        self._ask(IPCP, CONF_REQ, encode_options((ADDRESS_OPTION, self._addresses()[1])) if with_address else b"")

    def _addresses(self) -> tuple[bytes, bytes]:
        """The client's address and the server's."""
        if word(self.manner.ipcp) != "addresses":
            return GIVEN, OWN
        client, server = text(self.manner.ipcp).decode().split(",")
        return socket.inet_aton(client), socket.inet_aton(server)

    def _answer_ipcp(self, packet: Packet) -> None:
        """Refuse what is not an address, or any address; then name another address; else agree."""
        manner = self.manner.ipcp
        offered = packet.options()
        refused = [option for option in offered if option[0] != ADDRESS_OPTION or manner == "no-address"]
        if refused:
            self._reply(packet, CONF_REJ, encode_options(*refused))
        elif any(self._wrong(value) for _, value in offered):
            self._reply(packet, CONF_NAK, encode_options((ADDRESS_OPTION, self._addresses()[0])))
        else:
            self._agreed.add((IPCP, "theirs"))
            self._reply(packet, CONF_ACK, packet.body)

    def _wrong(self, address: bytes) -> bool:
        """Whether a client may not have that address."""
        match word(self.manner.ipcp):
            case "other-address" | "addresses":
                return address != self._addresses()[0]
            case "zero":
                return False
        return not any(address)


CHALLENGE_VALUE = bytes.fromhex("5b5d7c7d7b3f2f3e3c2c602132262628")  # RFC 2759 section 9.2


def md4(message: bytes) -> bytes:
    """The MD4 digest, which OpenSSL 3 no longer gives. RFC 1320."""

    def turn(value: int, count: int) -> int:
        value &= 0xFFFFFFFF
        return (value << count | value >> (32 - count)) & 0xFFFFFFFF

    rounds: tuple[tuple[Callable[[int, int, int], int], int, Sequence[int], Sequence[int]], ...] = (
        (lambda x, y, z: x & y | ~x & z, 0, range(16), (3, 7, 11, 19)),
        (lambda x, y, z: x & y | x & z | y & z, 0x5A827999, [i % 4 * 4 + i // 4 for i in range(16)], (3, 5, 9, 13)),
        (lambda x, y, z: x ^ y ^ z, 0x6ED9EBA1, [int(f"{i:04b}"[::-1], 2) for i in range(16)], (3, 9, 11, 15)),
    )
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + struct.pack("<Q", 8 * len(message))
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for start in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, start)
        a, b, c, d = state
        for mix, constant, order, counts in rounds:
            for step, index in enumerate(order):
                a, b, c, d = d, turn(a + mix(b, c, d) + words[index] + constant, counts[step % 4]), b, c
        state = [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)


def authenticator_response(password: str, nt_response: bytes, theirs: bytes, ours: bytes, name: bytes) -> str:
    """S=..., the proof that the server knows the password. theirs, ours: the challenges. RFC 2759 section 8.7."""
    name = name.rpartition(b"\\")[2]
    digest = hashlib.sha1(md4(md4(password.encode("utf-16-le"))) + nt_response)
    digest.update(b"Magic server to client signing constant")
    challenge = hashlib.sha1(theirs + ours + name).digest()[:8]
    last = hashlib.sha1(digest.digest() + challenge + b"Pad to make it do more than one iteration")
    return "S=" + last.hexdigest().upper()
