"""What journald is sent."""

from __future__ import annotations

import socket
from pathlib import Path

from pptpd_manager.journald import MOST_BYTES, Journald, datagram


def test_a_record_is_one_datagram(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        journald = Journald(str(tmp_path / "socket"))
        journald.send({"MESSAGE": "tunnel work: up", "PRIORITY": "6"})
        journald.close()
        assert journal.recv(100) == b"MESSAGE=tunnel work: up\nPRIORITY=6\n"


def test_a_value_of_several_lines_has_its_length_before_it() -> None:
    assert datagram({"MESSAGE": "a\nPRIORITY=0"}) == b"MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n"


def test_any_text_can_be_sent() -> None:
    assert datagram({"MESSAGE": "\udcff, café"}) == "MESSAGE=?, café\n".encode()


def test_no_value_is_too_long_for_the_socket() -> None:
    assert datagram({"MESSAGE": "x" * MOST_BYTES * 9}) == b"MESSAGE=" + b"x" * MOST_BYTES + b"\n"
