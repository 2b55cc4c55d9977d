"""The lab's PPTP server: its bytes against the RFCs, and dialogues with a client that is written out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
import ppp
import pptp_server
from ppp import CCP, CHAP, CONF_ACK, CONF_NAK, CONF_REJ, CONF_REQ, IPCP, LCP, PAP, Packet

CLIENT_MAGIC = ppp.encode_options((1, b"\x05\x78"), (2, bytes(4)), (5, b"mine"), (7, b""), (8, b""))
ASKED = ppp.encode_options((3, bytes(4)))


# --- RFC 1320 appendix A.5, RFC 2759 section 9.2 ---


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4(text: bytes, digest: str) -> None:
    assert ppp.md4(text).hex() == digest


NT_RESPONSE = bytes.fromhex("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df")
THEIRS = bytes.fromhex("21402324255e262a28295f2b3a337c7e")


@pytest.mark.parametrize("name", [b"User", b"DOMAIN\\User"])
def test_authenticator_response(name: bytes) -> None:
    proof = ppp.authenticator_response("clientPass", NT_RESPONSE, THEIRS, ppp.CHALLENGE_VALUE, name)
    assert proof == "S=407A5589115FD0D6209F510FE9C04566932CDA56"


# --- bytes ---


def test_control_message() -> None:
    """RFC 2637 section 2.5: an Echo-Request of 16 bytes."""
    assert pptp_server.message(5, b"\0\0\0\7").hex(" ", 2) == "0010 0001 1a2b 3c4d 0005 0000 0000 0007"


def test_gre() -> None:
    """RFC 2637 section 4.1: K, S and A, version 1, protocol 880B, length, call id, sequence, acknowledgment."""
    packet = pptp_server.encode_gre(0x0102, b"xyz", 7, 9)
    assert packet.hex() == "3081 880b 0003 0102 00000007 00000009 78797a".replace(" ", "")
    assert pptp_server.decode_gre(packet) == pptp_server.Gre(0x0102, 7, b"xyz")
    assert pptp_server.encode_gre(1, b"", 0, None).hex(" ", 2) == "3001 880b 0000 0001 0000 0000"


def test_gre_that_only_acknowledges() -> None:
    packet = bytes.fromhex("2081 880b 0000 0005 00000003")
    assert pptp_server.decode_gre(packet) == pptp_server.Gre(5, None, b"")


@pytest.mark.parametrize(
    "packet", ["", "3081880b000301", "3080880b0000010200000007", "30810800000001020000000000000000"]
)
def test_what_is_no_gre(packet: str) -> None:
    assert pptp_server.decode_gre(bytes.fromhex(packet)) is None


def test_ppp_packet() -> None:
    """RFC 1661 section 5.1, in a frame with the header that RFC 1662 section 3.1 has."""
    packet = Packet(LCP, CONF_REQ, 1, ppp.encode_options((5, b"\1\2\3\4")))
    assert packet.encode().hex(" ", 2) == "ff03 c021 0101 000a 0506 0102 0304"
    assert ppp.decode(packet.encode()) == packet == ppp.decode(packet.encode()[2:])
    assert packet.options() == [(5, b"\1\2\3\4")]


@pytest.mark.parametrize("frame", ["", "ff03", "ff03c021010100ff", "ff03c02101010003"])
def test_what_is_no_packet(frame: str) -> None:
    assert ppp.decode(bytes.fromhex(frame)) is None


# --- plans ---


def test_a_plan_is_json() -> None:
    text = '{"start_reply": {"result": 4}, "lcp": "terminate:no", "then": {"do": "stop:3", "after": 2}}'
    plan = pptp_server.plan(json.loads(text))
    assert plan.start_reply == pptp_server.Reply(result=4)
    assert plan.then == (pptp_server.Step("stop:3", "up", 2),)
    assert pptp_server.plan({"then": [{"do": "close"}, {"do": "mute"}]}).then[1].do == "mute"


@pytest.mark.parametrize(
    "given",
    [
        {"lpc": "mute"},
        {"lcp": "moot"},
        {"auth": "chap"},
        {"gre": "no"},
        {"start_reply": "moot"},
        {"then": {"do": "dance"}},
        {"then": {"do": "close", "at": "dawn"}},
    ],
)
def test_a_plan_with_a_mistake(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        pptp_server.plan(given)


# --- PPP ---


class Client:
    """The other side of a Ppp."""

    def __init__(self, **manner: str) -> None:
        self.server = ppp.Ppp(ppp.Manner(**manner), lambda text: None)
        self.server.start()

    def heard(self) -> list[Packet]:
        """What the server has sent since the last time."""
        packets = [packet for packet in map(ppp.decode, self.server.out) if packet]
        self.server.out.clear()
        return packets

    def says(self, protocol: int, code: int, number: int, body: bytes = b"") -> list[Packet]:
        """Send a packet: what the server says to it."""
        self.server.receive(Packet(protocol, code, number, body).encode())
        return self.heard()

    def opens_lcp(self) -> list[Packet]:
        """Agree with all that the server asks for, and have all agreed with."""
        (request,) = self.heard()
        assert (request.protocol, request.code) == (LCP, CONF_REQ)
        assert self.says(LCP, CONF_REQ, 9, CLIENT_MAGIC) == [Packet(LCP, CONF_ACK, 9, CLIENT_MAGIC)]
        return self.says(LCP, CONF_ACK, request.id, request.body)

    def logs_in(self, method: str = "mschap-v2") -> list[Packet]:
        """The server's answer to a login."""
        if method == "pap":
            assert self.opens_lcp() == []
            return self.says(PAP, 1, 1, b"\5alice\6secret")
        (challenge,) = self.opens_lcp()
        assert challenge.code == ppp.CHALLENGE
        size = {"md5": 16, "mschap": 49, "mschap-v2": 49}[method]
        return self.says(CHAP, ppp.RESPONSE, challenge.id, bytes((size,)) + bytes(size) + b"alice")


def test_lcp_refuses_what_it_does_not_know() -> None:
    client = Client()
    client.heard()
    callback = ppp.encode_options((13, b"\6"))
    assert client.says(LCP, CONF_REQ, 1, CLIENT_MAGIC + callback) == [Packet(LCP, CONF_REJ, 1, callback)]
    assert client.says(LCP, ppp.ECHO_REQ, 2, b"mine") == [Packet(LCP, ppp.ECHO_REP, 2, ppp.MAGIC)]
    assert client.says(LCP, ppp.TERM_REQ, 3, b"bye") == [Packet(LCP, ppp.TERM_ACK, 3)]
    (rejected,) = client.says(0x8057, CONF_REQ, 4)
    assert (rejected.code, rejected.body) == (ppp.PROTO_REJ, bytes.fromhex("8057 01040004"))


@pytest.mark.parametrize("auth", ["pap", "md5", "mschap", "mschap-v2", "eap"])
def test_lcp_asks_for_the_method(auth: str) -> None:
    (request,) = Client(auth=auth).heard()
    assert request.options() == [(3, ppp.AUTH[auth]), (5, ppp.MAGIC)]


def test_all_goes_well() -> None:
    client = Client()
    (success,) = client.logs_in()
    proof = ppp.authenticator_response("secret", bytes(24), bytes(16), ppp.CHALLENGE_VALUE, b"alice")
    assert (success.code, success.body) == (ppp.SUCCESS, proof.encode() + b" M=Welcome")
    mppe = ppp.encode_options((18, ppp.STATELESS_128))
    ack, request = client.says(CCP, CONF_REQ, 1, mppe)
    assert ack == Packet(CCP, CONF_ACK, 1, mppe) and request.body == mppe
    assert client.says(CCP, CONF_ACK, request.id, mppe) == []
    nak, request = client.says(IPCP, CONF_REQ, 1, ASKED)
    assert nak == Packet(IPCP, CONF_NAK, 1, bytes.fromhex("0306 0a4d0002"))
    assert client.says(IPCP, CONF_ACK, request.id, request.body) == []
    assert client.server.reached == {"lcp", "login"}
    assert client.says(IPCP, CONF_REQ, 2, nak.body) == [Packet(IPCP, CONF_ACK, 2, nak.body)]
    assert client.server.reached == {"lcp", "login", "up"}


@pytest.mark.parametrize("method", ["pap", "md5", "mschap", "mschap-v2"])
def test_a_login_is_refused_with_any_bytes(method: str) -> None:
    client = Client(auth=method, login="failure:E=691 \xe9\x00")
    (failure,) = client.logs_in(method)
    text = b"E=691 \xe9\x00"
    assert (failure.code, failure.body) == ((3, b"\x08" + text) if method == "pap" else (ppp.FAILURE, text))
    assert client.server.reached == {"lcp"}


def test_the_proof_is_wrong_or_not_there() -> None:
    good, wrong, none = (Client(login=login).logs_in()[0].body for login in ("accept", "unproven", "malformed"))
    assert wrong.startswith(b"S=") and len(wrong) == len(good) and wrong != good and none == b"Welcome"


def test_a_method_is_refused() -> None:
    """The server opens LCP without it and ends the link, ends it at once, asks on, or falls silent."""
    nak = ppp.encode_options((3, ppp.AUTH["mschap-v2"]))
    client = Client(auth="pap", refused="terminate:no")
    client.says(LCP, CONF_REQ, 1, CLIENT_MAGIC)
    (request,) = client.says(LCP, CONF_NAK, 1, nak)
    assert request.options() == [(5, ppp.MAGIC)]
    (end,) = client.says(LCP, CONF_ACK, request.id, request.body)
    assert (end.code, end.body) == (ppp.TERM_REQ, b"no")
    client = Client(auth="pap", refused="abort:no")
    client.heard()
    assert [packet.code for packet in client.says(LCP, CONF_NAK, 1, nak)] == [ppp.TERM_REQ]
    for refused, again in (("insist", [CONF_REQ]), ("mute", [])):
        client = Client(auth="pap", refused=refused)
        client.heard()
        assert client.says(LCP, CONF_NAK, 1, nak) == []
        client.server.resend()
        assert [packet.code for packet in client.heard()] == again


def test_a_request_is_sent_again_until_it_is_answered() -> None:
    client = Client()
    (request,) = client.heard()
    client.server.resend()
    assert client.heard() == [request]
    client.says(LCP, CONF_ACK, request.id, request.body)
    client.server.resend()
    assert client.heard() == []


MPPE = ppp.encode_options((18, ppp.STATELESS_128))


@pytest.mark.parametrize(
    ("ccp", "codes", "option"),
    [
        ("ack", [CONF_ACK, CONF_REQ], ppp.STATELESS_128),
        ("reject", [CONF_REJ], ppp.STATELESS_128),
        ("ignore", [], b""),
        ("stateful", [CONF_NAK], ppp.STATEFUL_128),
        ("40-bit", [CONF_NAK], ppp.STATELESS_40),
        ("stateful-request", [CONF_ACK, CONF_REQ], ppp.STATEFUL_128),
    ],
)
def test_mppe(ccp: str, codes: list[int], option: bytes) -> None:
    client = Client(ccp=ccp)
    client.logs_in()
    answers = client.says(CCP, CONF_REQ, 1, MPPE)
    assert [packet.code for packet in answers] == codes
    assert not answers or answers[-1].options() == [(18, option)]


def test_mppe_is_no_protocol_here() -> None:
    client = Client(ccp="protocol-reject")
    client.logs_in()
    (rejected,) = client.says(CCP, CONF_REQ, 1, MPPE)
    assert (rejected.protocol, rejected.code, rejected.body[:2]) == (LCP, ppp.PROTO_REJ, b"\x80\xfd")


@pytest.mark.parametrize("how", ["reject", "protocol-reject"])
def test_mppe_is_required(how: str) -> None:
    client = Client(ccp="require")
    _, request = client.logs_in()
    assert (request.protocol, request.code) == (CCP, CONF_REQ)
    if how == "reject":
        (end,) = client.says(CCP, CONF_REJ, request.id, request.body)
    else:
        (end,) = client.says(LCP, ppp.PROTO_REJ, 7, request.encode()[2:])
    assert end.body == b"MPPE required but peer negotiation failed"


@pytest.mark.parametrize(
    ("ipcp", "asked", "answers"),
    [
        ("ack", "00000000", [(CONF_NAK, "03060a4d0002"), (CONF_REQ, "03060a4d0001")]),
        ("ack", "0a010203", [(CONF_ACK, "03060a010203"), (CONF_REQ, "03060a4d0001")]),
        ("other-address", "0a010203", [(CONF_NAK, "03060a4d0002"), (CONF_REQ, "03060a4d0001")]),
        ("addresses:7.7.7.7,8.8.8.8", "00000000", [(CONF_NAK, "030607070707"), (CONF_REQ, "030608080808")]),
        ("addresses:7.7.7.7,8.8.8.8", "07070707", [(CONF_ACK, "030607070707"), (CONF_REQ, "030608080808")]),
        ("no-address", "00000000", [(CONF_REJ, "030600000000"), (CONF_REQ, "03060a4d0001")]),
        ("zero", "00000000", [(CONF_ACK, "030600000000"), (CONF_REQ, "03060a4d0001")]),
        ("ignore", "00000000", []),
        ("protocol-reject", "00000000", [(ppp.PROTO_REJ, "80210101000a030600000000")]),
        ("no-peer-address", "00000000", [(CONF_NAK, "03060a4d0002"), (CONF_REQ, "")]),
    ],
)
def test_addresses(ipcp: str, asked: str, answers: list[tuple[int, str]]) -> None:
    client = Client(ipcp=ipcp)
    client.logs_in()
    heard = client.says(IPCP, CONF_REQ, 1, bytes.fromhex("0306" + asked))
    assert [(packet.code, packet.body.hex()) for packet in heard] == answers


def test_name_servers_are_not_given() -> None:
    client = Client()
    client.logs_in()
    names = ppp.encode_options((129, bytes(4)), (131, bytes(4)))
    assert client.says(IPCP, CONF_REQ, 1, ASKED + names)[0] == Packet(IPCP, CONF_REJ, 1, names)


def test_the_line_is_looped_back_or_dead() -> None:
    client = Client(lcp="loopback")
    assert client.heard() == []
    assert client.says(LCP, CONF_REQ, 1, CLIENT_MAGIC) == [Packet(LCP, CONF_REQ, 1, CLIENT_MAGIC)]
    client = Client(lcp="mute")
    assert client.heard() == client.says(LCP, CONF_REQ, 1, CLIENT_MAGIC) == []


# --- the control connection ---

START = pptp_server.message(1, bytes.fromhex("0100 0000 00000003 00000003 0001 0000") + bytes(128))
CALL = pptp_server.message(7, bytes.fromhex("0777 0001") + bytes(152))


def connection(**given: Any) -> pptp_server.Connection:
    """A connection to a server with that plan; its calls have number 3."""
    return pptp_server.Connection(pptp_server.plan(given), 3, lambda text: None)


def answer(served: pptp_server.Connection, octets: bytes) -> bytes:
    """What the server sends on the control connection when it gets that."""
    served.received(octets)
    sent = bytes(served.control_out)
    served.control_out.clear()
    return sent


def test_start_and_call_in_any_pieces() -> None:
    """RFC 2637 sections 2.2 and 2.8."""
    served = connection()
    assert (len(START), len(CALL)) == (156, 168)
    assert answer(served, START[:5]) == answer(served, START[5:100]) == b""
    reply = answer(served, START[100:] + CALL[:30])
    assert (len(reply), reply[:16].hex(" ", 2)) == (156, "009c 0001 1a2b 3c4d 0002 0000 0100 0100")
    reply = answer(served, CALL[30:])
    assert (len(reply), reply[8:20].hex(" ", 2)) == (32, "0008 0000 0003 0777 0100 0000")
    assert [packet[:8].hex(" ", 2) for packet in served.gre_out] == ["3001 880b 0013 0777"]


def test_replies_that_refuse() -> None:
    served = connection(start_reply={"result": 4, "error": 6, "version": 0x0200}, call_reply={"result": 7, "cause": 1})
    assert answer(served, START)[12:16].hex(" ", 2) == "0200 0406"
    assert answer(served, CALL)[16:20].hex(" ", 2) == "0700 0001"
    assert served.gre_out == []


def test_replies_that_are_none() -> None:
    assert answer(connection(start_reply="mute"), START) == b""
    assert answer(connection(start_reply="garbage:SSH-2.0"), START) == b"SSH-2.0"
    served = connection(start_reply="close")
    assert (answer(served, START), served.leaving) == (b"", "close")


def test_echo_clear_and_stop() -> None:
    """RFC 2637 sections 2.6, 2.13 and 2.4."""
    served = connection()
    answer(served, START + CALL)
    assert answer(served, pptp_server.message(5, b"echo"))[8:].hex() == "00060000" + b"echo".hex() + "01000000"
    notified = answer(served, pptp_server.message(12, b"\x07\x77\0\0"))
    assert (len(notified), notified[8:16].hex(" ", 2)) == (148, "000d 0000 0003 0400")
    assert answer(served, pptp_server.message(3, b"\1\0\0\0"))[8:].hex() == "0004000001000000"
    assert served.leaving == "close"


def test_what_is_not_pptp_ends_the_connection() -> None:
    served = connection()
    assert answer(served, b"GET / HTTP/1.1\r\n\r\n") == b"" and served.leaving == "close"


def gre(served: pptp_server.Connection, sequence: int, packet: Packet) -> list[Packet]:
    """Send a packet of PPP to the server through GRE: what it says."""
    served.gre_out.clear()
    served.packet(pptp_server.encode_gre(3, packet.encode(), sequence, None))
    payloads = [sent.payload for sent in map(pptp_server.decode_gre, served.gre_out) if sent]
    return [answer for answer in map(ppp.decode, payloads) if answer]


def test_gre_is_numbered_and_acknowledged() -> None:
    served = connection()
    answer(served, START + CALL)
    assert gre(served, 41, Packet(LCP, CONF_REQ, 1, CLIENT_MAGIC)) == [Packet(LCP, CONF_ACK, 1, CLIENT_MAGIC)]
    assert served.gre_out[0][8:16].hex(" ", 4) == "00000001 00000029"
    assert gre(connection(gre="mute"), 0, Packet(LCP, CONF_REQ, 1)) == []


@pytest.mark.parametrize(
    ("do", "control", "leaving"),
    [
        ("disconnect:3", "000d000000030300", ""),
        ("stop:2", "0003000002000000", ""),
        ("close", "", "close"),
        ("abort", "", "abort"),
    ],
)
def test_what_is_done_then(do: str, control: str, leaving: str) -> None:
    served = connection(then={"do": do, "at": "call", "after": 2})
    answer(served, START + CALL)
    served.tick(100)
    served.tick(101.9)
    assert not served.control_out and not served.leaving
    served.tick(102)
    assert (served.control_out[8:16].hex(), served.leaving) == (control, leaving)
    served.control_out.clear()
    served.tick(110)
    assert not served.control_out, "once"


def test_what_is_done_when_it_is_told() -> None:
    served = connection(then={"do": "close", "at": "told"})
    answer(served, START + CALL)
    leaving = []
    for told in (set[str](), {"told"}):
        served.ppp.reached |= told
        served.tick(100)
        leaving.append(served.leaving)
    assert leaving == ["", "close"]


@pytest.mark.parametrize(
    ("do", "packet"),
    [
        ("terminate:bye", (LCP, ppp.TERM_REQ, b"bye")),
        ("ccp-terminate", (CCP, ppp.TERM_REQ, b"")),
        ("ccp-reset", (CCP, ppp.RESET_REQ, b"")),
    ],
)
def test_what_is_done_then_in_ppp(do: str, packet: tuple[int, int, bytes]) -> None:
    served = connection(auth="none", then={"do": do, "at": "lcp"})
    answer(served, START + CALL)
    gre(served, 0, Packet(LCP, CONF_REQ, 1, CLIENT_MAGIC))
    gre(served, 1, Packet(LCP, CONF_ACK, 1))
    served.tick(0)
    last = pptp_server.decode_gre(served.gre_out[-1])
    sent = ppp.decode(last.payload) if last else None
    assert sent and (sent.protocol, sent.code, sent.body) == packet


def test_addresses_are_asked_for_once() -> None:
    """pppd answers a Nak with its next request before it acknowledges ours."""
    client = Client()
    client.logs_in()
    nak, _ = client.says(IPCP, CONF_REQ, 1, ASKED)
    assert client.says(IPCP, CONF_REQ, 2, nak.body) == [Packet(IPCP, CONF_ACK, 2, nak.body)]


def test_the_server_may_keep_its_own_address_to_itself() -> None:
    client = Client(ipcp="no-peer-address")
    client.logs_in()
    _, request = client.says(IPCP, CONF_REQ, 1, ASKED)
    (again,) = client.says(IPCP, CONF_NAK, request.id, ppp.encode_options((3, ppp.OWN)))
    assert (request.body, again.body) == (b"", b"")
