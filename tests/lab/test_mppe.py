"""MPPE: what is required is there, or there is no link and not one packet in the clear."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest

NOMPPE_SERVER = "203.0.113.2"  # lab-pptpd@nomppe


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Capture GRE on the uplink into path, as a file of pcap-savefile(5)."""
    tcpdump = subprocess.Popen(
        ["tcpdump", "-i", "uplink", "-U", "--immediate-mode", "-s", "0", "-w", str(path), "ip proto 47"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tcpdump.stderr is not None
    assert any("listening on" in line for line in iter(tcpdump.stderr.readline, ""))
    try:
        yield
    finally:
        tcpdump.terminate()
        tcpdump.wait(timeout=20)
        tcpdump.stderr.close()


def ppp_protocols(path: Path) -> set[int]:
    """The PPP protocol numbers in a capture. Source: pcap-savefile(5), RFC 2637 section 4.1, RFC 1661 section 2."""
    data = path.read_bytes()
    assert struct.unpack_from("<I", data)[0] == 0xA1B2C3D4
    found, position = set(), 24
    while position < len(data):
        length = struct.unpack_from("<I", data, position + 8)[0]
        packet = data[position + 16 + 14 : position + 16 + length]  # behind the Ethernet header
        position += 16 + length
        gre = packet[(packet[0] & 0xF) * 4 :]
        flags, _protocol, size = struct.unpack_from(">HHH", gre)
        payload = gre[8 + (4 if flags & 0x1000 else 0) + (4 if flags & 0x0080 else 0) :][:size]
        if flags & 0x1000 and payload:
            payload = payload.removeprefix(b"\xff\x03")
            found.add(payload[0] if payload[0] & 1 else struct.unpack_from(">H", payload)[0])
    return found


IPV4, CCP, LCP, COMPRESSED = 0x21, 0x80FD, 0xC021, 0xFD


@pytest.fixture(autouse=True)
def server_without_mppe() -> Iterator[None]:
    """A server that authenticates but never encrypts."""
    lab.out("systemctl", "start", "lab-pptpd@nomppe")
    yield
    lab.out("systemctl", "stop", "lab-pptpd@nomppe")


@pytest.mark.parametrize("mppe", ["require-128", "require"])
def test_required_and_the_server_without_it(mppe: str, tmp_path: Path) -> None:
    lab.configure({"work": {**lab.ALICE, "server": NOMPPE_SERVER, "mppe": mppe}})
    with captured(tmp_path / "gre.pcap"):
        done = lab.call("Connect", "work")
    sentence = "tunnel 'work': The server does not encrypt as required (MPPE)."
    assert done.returncode == 1 and sentence in done.stderr, done.stderr + lab.evidence()
    assert lab.state("work") != "up" and not lab.route_of("192.168.10.0/24")
    protocols = ppp_protocols(tmp_path / "gre.pcap")
    assert {LCP, CCP} <= protocols, "there was a conversation to look at"
    assert not protocols & {IPV4, COMPRESSED}, protocols


@pytest.mark.parametrize("mppe", ["require-128", "require"])
def test_required_and_there_nothing_goes_in_the_clear(mppe: str, tmp_path: Path) -> None:
    lab.configure({"work": {**lab.ALICE, "mppe": mppe}})
    with captured(tmp_path / "gre.pcap"):
        assert lab.systemctl("start", "pptp@work") == 0
        assert lab.passes()
        assert lab.systemctl("stop", "pptp@work") == 0
    protocols = ppp_protocols(tmp_path / "gre.pcap")
    assert COMPRESSED in protocols and IPV4 not in protocols, protocols


def test_off_goes_in_the_clear_where_the_server_allows_it(tmp_path: Path) -> None:
    lab.configure({"work": {**lab.ALICE, "server": NOMPPE_SERVER, "mppe": "off"}})
    with captured(tmp_path / "gre.pcap"):
        assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
        assert lab.passes()
    assert IPV4 in ppp_protocols(tmp_path / "gre.pcap"), "the capture would have shown it"


def test_optional_falls_back_and_says_so() -> None:
    lab.configure({"work": {**lab.ALICE, "server": NOMPPE_SERVER, "mppe": "optional"}})
    lab.systemctl("start", "pptp@work")
    lab.wait_for(lambda: lab.active("work") == "active", "up without MPPE", 60)
    lab.wait_for(lambda: "NOT ENCRYPTED, the server refuses MPPE" in lab.status("work"), "systemctl status says so")


def test_optional_encrypts_where_the_server_can() -> None:
    lab.configure({"work": {**lab.ALICE, "mppe": "optional"}})
    assert lab.systemctl("start", "pptp@work") == 0
    assert "MPPE 128-bit stateless compression enabled" in lab.status("work")
    lab.wait_for(lambda: 'Status: "Up: ' in lab.status("work"), "systemctl status says that it is up")
    assert "NOT ENCRYPTED" not in lab.status("work")
