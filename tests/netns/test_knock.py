"""knock.py with the real kernel's TCP."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import pytest

from pptpd_manager import reasons
from pptpd_manager.knock import LASTING_SECONDS, PORT, Knocks, knock
from pptpd_manager.reasons import Failure, Reason

from .kernel import ip, turn, veth


def answer(address: str) -> Failure | None:
    """What a knock at address is answered."""
    answers: list[Failure | None] = []
    knock(IPv4Address(address), answers.append)
    turn(lambda: answers, "the answer", 10)
    (said,) = answers
    return said


def test_a_server_that_accepts_is_left_at_once() -> None:
    with socket.create_server(("127.0.0.1", PORT)) as server:
        assert answer("127.0.0.1") is None
        visitor, _ = server.accept()
        with visitor:
            assert visitor.recv(1) == b"", "nothing is said to it"


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("", reasons.NO_ROUTE),
        ("unreachable 198.51.100.0/24", reasons.HOST_UNREACHABLE),
        ("prohibit 198.51.100.0/24", reasons.NOT_SENT),
    ],
)
def test_no_way(route: str, reason: Reason) -> None:
    if route:
        ip(f"route add {route}")
    assert answer("198.51.100.7") == Failure(reason)


def test_a_server_that_refuses() -> None:
    assert answer("127.0.0.1") == Failure(reasons.TCP_REFUSED)


def test_a_server_that_is_silent() -> None:
    """Nobody answers at the address, and ARP is not asked."""
    veth("wan", "192.0.2.2/24")
    ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wan nud permanent")
    assert answer("192.0.2.9") == Failure(reasons.TCP_SILENT)


def test_a_host_that_is_not_there() -> None:
    veth("wan", "192.0.2.2/24")
    assert answer("192.0.2.9") in (Failure(reasons.HOST_UNREACHABLE), Failure(reasons.TCP_SILENT))


def test_one_knock_serves_all_who_ask_within_a_moment() -> None:
    now, answers = [100.0], list[Failure | None]()
    knocks, address = Knocks(lambda: now[0]), IPv4Address("127.0.0.1")
    knocks.at(address, answers.append)
    knocks.at(address, answers.append)
    turn(lambda: len(answers) == 2, "both answers", 10)
    with socket.create_server(("127.0.0.1", PORT)) as server:
        knocks.at(address, answers.append)
        assert answers == [Failure(reasons.TCP_REFUSED)] * 3, "this one at once"
        now[0] += LASTING_SECONDS
        knocks.at(address, answers.append)
        turn(lambda: len(answers) == 4, "an answer of its own", 10)
        assert answers[3] is None
        server.accept()[0].close()
