"""What a name server may answer for the name of a PPTP server.

The machine asks dnsmasq at the router, and that asks authority.py for what it cannot be made to say itself. Nothing
crashes, the reason is right, no Connect waits for longer because of it, and another tunnel is up all the while.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import authority
import commands as lab
import pytest
from gi.repository import GLib
from name_server import dnsmasq
from test_hostile_server import ALONE

RESOLV = Path("/etc/resolv.conf")
NEAR, PORT = "192.0.2.1", "5353"
MANY, MOST = 200, 8  # MOST as in docs/operation.md
NETWORK = f"{authority.NETWORK}0/24"  # the server has all of it, and no PPTP there
# What is asked for -> the reason.
ANSWERS = {
    "silent.odd.example": "name-server-silent",
    "nowhere.near.example": "name-not-found",
    "six.near.example": "name-not-found",
    "loop.odd.example": "name-not-found",
    "servfail.odd.example": "name-server-silent",
    "cut.odd.example": "name-not-found",  # what getaddrinfo(3) makes of it
    "many.near.example": "tcp-refused",
    "other.odd.example": "tcp-refused",
}


@pytest.fixture(scope="module", autouse=True)
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The name servers, which this machine asks."""
    folder = tmp_path_factory.mktemp("dns")
    hosts = "".join(f"{authority.NETWORK}{n} many.near.example\n" for n in range(1, MANY + 1))
    (folder / "hosts").write_text(hosts + "2001:db8::1 six.near.example\n")
    before = RESOLV.read_text()
    options = [f"--addn-hosts={folder / 'hosts'}", "--local=/near.example/", "--cache-size=0"]
    options += [f"--server=/odd.example/{NEAR}#{PORT}"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(odd())
        stack.enter_context(dnsmasq("router", NEAR, folder / "log", *options))
        lab.out("ip", "-n", "server", "route", "add", "local", NETWORK, "dev", "lo")
        lab.out("ip", "-n", "router", "route", "add", NETWORK, "via", lab.SERVER)
        RESOLV.write_text(f"nameserver {NEAR}\n")
        yield
        RESOLV.write_text(before)
        lab.out("ip", "-n", "router", "route", "del", NETWORK)
        lab.out("ip", "-n", "server", "route", "del", "local", NETWORK, "dev", "lo")


@contextlib.contextmanager
def odd() -> Iterator[None]:
    """authority.py runs."""
    words = ["ip", "netns", "exec", "router", "python3", "-S", "-I", authority.__file__, NEAR, PORT]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "listening\n"
        yield
        assert process.poll() is None, "it has ended by itself"
        process.terminate()


def refused() -> int:
    """How many connections the server has refused so far: RFC 4022, tcpOutRsts."""
    lines = lab.out("ip", "netns", "exec", "server", "cat", "/proc/net/snmp").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["OutRsts"])


def outcome(tunnel: str) -> str:
    """How a Connect ends: the name of the tunnel's LastError."""
    with pytest.raises(GLib.Error):
        lab.ask(*lab.BUS[:2], f"{lab.BUS[2]}.Connect", tunnel)
    return lab.last_error(tunnel)[0]


def test_whatever_is_answered(work: None) -> None:
    tunnels = {f"t{number}": {**ALONE, "server": name} for number, name in enumerate(ANSWERS)}
    lab.configure({"work": lab.ALICE, **tunnels})
    before, began = refused(), time.monotonic()
    with lab.pinging(), ThreadPoolExecutor(4) as pool:
        found = dict(zip(ANSWERS, pool.map(outcome, tunnels), strict=True))
    print(f"{time.monotonic() - began:.1f} s, {refused() - before} refused: {found}")
    assert found == ANSWERS
    assert refused() - before == MOST + 2, "as many of the many, and both of the others"


def test_other_addresses_at_each_question_are_no_reason_to_knock_more_often(work: None) -> None:
    """Two each time: after a round of them there is a pause. See KNOCK_SECONDS in retry.py."""
    lab.configure({"work": lab.ALICE, "odd": {**ALONE, "server": "other.odd.example", "persist": True}})
    lab.systemctl("start", "--no-block", "pptp@odd")
    lab.wait_for(lambda: "to accept connections" in lab.shown("odd"), "it knocks")
    before, began = refused(), time.monotonic()
    time.sleep(5)
    knocks, seconds = refused() - before, time.monotonic() - began
    print(f"{knocks} knocks in {seconds:.1f} s")
    assert MOST < knocks < MOST * (1 + seconds / 1.25)
