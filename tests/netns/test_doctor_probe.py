"""The doctor's call, with the real kernel, to the lab's server at several addresses, each with its fault."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from pptpd_manager import reasons
from pptpd_manager.doctor import probe
from pptpd_manager.doctor.control import Started
from pptpd_manager.doctor.way import Contact, Echo
from pptpd_manager.reasons import Failure

from .kernel import ip

SERVER = Path(__file__).resolve().parents[1] / "lab/pptp_server.py"
GOOD, MUTE, CLOSED, SILENT, ALIEN, LEAVES, REFUSED, BUSY, NOBODY = (IPv4Address(f"127.0.0.{n}") for n in range(2, 11))
PLANS: dict[IPv4Address, dict[str, Any]] = {
    GOOD: {},
    MUTE: {"gre": "mute"},
    CLOSED: {"gre": "closed"},
    SILENT: {"start_reply": "mute"},
    ALIEN: {"start_reply": "garbage:SSH-2.0-x"},
    LEAVES: {"start_reply": "close"},
    REFUSED: {"start_reply": {"result": 4}},
    BUSY: {"call_reply": {"result": 4}},
}
SAID = Started("scripted", "scripted", 1)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """They listen, and the bounds are small. What they have seen is in a file."""
    monkeypatch.setattr(probe, "GRE_SECONDS", 2.0)  # on a busy machine a refusal takes its time
    monkeypatch.setattr(probe, "ANSWER_SECONDS", 0.5)
    words = [
        word for address, plan in PLANS.items() for word in ("--listen", str(address), "--plan", json.dumps(plan))
    ]
    command = [sys.executable, "-S", "-I", str(SERVER), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "listening\n"
        yield process
        process.kill()


def test_how_far_each_call_goes(servers: subprocess.Popen[str]) -> None:
    asked: list[str] = []
    # Threads have the namespace of whoever starts them.
    with ThreadPoolExecutor() as pool:
        found = dict(
            zip(PLANS, pool.map(lambda at: probe.contact(at, asked.append, calling=True), PLANS), strict=True)
        )
    assert all(contact.address == address and isinstance(contact.tcp, int) for address, contact in found.items())
    rest = {address: (contact.control, contact.call, contact.gre) for address, contact in found.items()}
    assert rest == {
        GOOD: (SAID, None, Echo.CAME),
        MUTE: (SAID, None, Echo.SILENT),
        CLOSED: (SAID, None, Failure(reasons.GRE_REFUSED, "Protocol not available")),
        SILENT: (Failure(reasons.CONTROL_SILENT, "nothing within 0.5 seconds"), None, None),
        ALIEN: (Failure(reasons.CONTROL_SILENT, "it sent b'SSH-2.0-x'"), None, None),
        LEAVES: (Failure(reasons.CONTROL_SILENT, "it closed the connection"), None, None),
        REFUSED: (Failure(reasons.CONTROL_NOT_AUTHORIZED, "result code 4, error code 0"), None, None),
        BUSY: (SAID, Failure(reasons.CALL_BUSY, "result code 4, error code 0, cause code 0"), None),
    }
    assert f"GRE from {MUTE}" in asked and f"TCP port 1723 of {GOOD}" in asked
    servers.kill()
    _, log = servers.communicate()
    hung_up = [f"{GOOD}#1: received control message {kind}" for kind in (1, 7, 12, 3)]
    assert [line for line in log.splitlines() if line.startswith(f"{GOOD}#1: received control")] == hung_up


def test_what_stops_before_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def tcp(address: str) -> object:
        return probe.contact(IPv4Address(address), lambda what: None, calling=False).tcp

    assert tcp(str(NOBODY)) == Failure(reasons.TCP_REFUSED)
    assert tcp("198.51.100.7") == Failure(reasons.NO_ROUTE)
    ip("route add unreachable 198.51.100.0/25", "route add prohibit 198.51.100.128/25")
    assert tcp("198.51.100.7") == Failure(reasons.HOST_UNREACHABLE)
    assert tcp("198.51.100.200") == Failure(reasons.NOT_SENT)
    monkeypatch.setattr(probe, "TCP_SECONDS", 0.2)
    with socket.create_server((str(NOBODY), 1723), backlog=0), socket.create_connection((str(NOBODY), 1723)):
        assert tcp(str(NOBODY)) == Failure(reasons.TCP_SILENT), "a full queue drops what comes"
    with socket.create_server((str(NOBODY), 1723)):
        done = probe.contact(NOBODY, lambda what: None, calling=False)
    assert done == Contact(NOBODY, done.tcp) and isinstance(done.tcp, int)


def test_without_the_right_to_gre_there_is_no_call(
    servers: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket

    def refused(family: int = -1, kind: int = -1, *rest: Any, **more: Any) -> socket.socket:
        if kind == socket.SOCK_RAW:
            raise PermissionError
        return real(family, kind, *rest, **more)

    monkeypatch.setattr(socket, "socket", refused)
    assert probe.contact(GOOD, lambda what: None, calling=True).gre is Echo.NEEDS_ROOT
    monkeypatch.undo()
    servers.kill()
    _, log = servers.communicate()
    assert "received control message 3" in log and "received control message 7" not in log


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("192.0.2.1", (IPv4Address("192.0.2.1"),)),
        ("127.0.0.1", Failure(reasons.NAME_MISLEADS, "127.0.0.1 is 127.0.0.1")),
        ("a..b", Failure(reasons.NAME_NOT_FOUND, "a..b")),
    ],
)
def test_names_that_need_no_server(name: str, result: object) -> None:
    assert probe.look_up(name).found == result
