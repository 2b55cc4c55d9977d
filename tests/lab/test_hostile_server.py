"""A server that means harm: control messages, words and addresses of every shape, and names that lead astray.

Nothing crashes, nothing is taken for something else, no control character reaches a terminal, and another tunnel is
up all the while.

PPTP_MANAGER_EXAMPLES is how many mutated shapes each reply has; 6 without it, since a dial takes long in the lab. The
seed is always the same.
"""

from __future__ import annotations

import os
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import commands as lab
import pptp_server
import pytest
from pptp_server import CALL_REPLY_BODY, ECHO, HEADER, MAGIC, START_REPLY_BODY, message
from scripted import all_scripted

AT_ONCE = 2
ADDRESSES_OF_SERVERS = [f"203.0.113.{number}" for number in range(5, 21)]
EXAMPLES = int(os.environ.get("PPTP_MANAGER_EXAMPLES", "6"))
SEED = 7
ALONE = {**lab.ALICE, "routes": [], "persist": False, "mppe": "off", "connect-timeout": 6}
START = message(2, START_REPLY_BODY.pack(0x0100, 1, 0, 3, 3, 0, 1, b"scripted", b"scripted"))
CALL = message(8, CALL_REPLY_BODY.pack(0, 0, 1, 0, 0, 100_000_000, 64, 0, 0))
TERMINAL = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\x00\x7f%n%s"
OTHERS = "unrecognized option 'x' /dev/ppp: No such file or directory CHAP authentication succeeded Modem hangup"
# What is the other side's doing; some shapes are good enough, and on a busy machine it may be late for anything.
THEIRS = ("tcp-silent", "control-", "call-", "gre-", "auth-", "up")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def mutated(octets: bytes, seed: int) -> bytes:
    """octets with some of them changed, left out or put in."""
    chance = random.Random(f"{SEED} {seed}")
    changed = bytearray(octets)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed))
        changed[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
    return bytes(changed)


SHAPES = {
    "length0": HEADER.pack(0, 1, MAGIC, 2, 0),
    "length1": HEADER.pack(1, 1, MAGIC, 2, 0) + bytes(200),
    "length64k": HEADER.pack(65535, 1, MAGIC, 2, 0) + b"A" * 70_000,
    "magic": HEADER.pack(12, 1, 0x41414141, 2, 0),
    "half": START[: len(START) // 2],
    "type": HEADER.pack(12, 0xFFFF, MAGIC, 0xFFFF, 0xFFFF),
    "result0": message(2, START_REPLY_BODY.pack(0x0100, 0, 255, 0, 0, 65535, 0, TERMINAL.encode()[:64], b"\xff" * 64)),
    "echoes": message(ECHO, b"\0\0\0\7") * 500,
    "unasked": START + CALL,
    "random": random.Random(SEED).randbytes(3000),
}
STARTS = {**SHAPES, **{f"start{n}": mutated(START, n) for n in range(EXAMPLES)}}
CALLS = {"twice": CALL + CALL, "starts": START * 3, **{f"call{n}": mutated(CALL, n) for n in range(EXAMPLES)}}


def ends(plans: dict[str, dict[str, Any]], **keys: Any) -> dict[str, str]:
    """What becomes of a tunnel to a server of each plan: the name of its LastError, or up."""
    found: dict[str, str] = {}
    names, most = list(plans), len(ADDRESSES_OF_SERVERS)
    for first in range(0, len(names), most):
        addresses = dict(zip(names[first : first + most], ADDRESSES_OF_SERVERS, strict=False))
        tunnels = {name: {**ALONE, **keys, "server": address} for name, address in addresses.items()}
        with all_scripted({address: plans[name] for name, address in addresses.items()}) as servers:
            lab.configure({"work": lab.ALICE, **tunnels})
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found.update(zip(tunnels, pool.map(end, tunnels), strict=True))
            print(found, servers.log()[-3000:])
    return found


def end(tunnel: str) -> str:
    """How a Connect ends; and that all that is shown of it may be printed."""
    since = time.time()
    done = lab.call("Connect", tunnel)
    if done.returncode:  # on a busy machine the call may be given up before the attempt is
        lab.wait_for(lambda: lab.last_error(tunnel)[0], "a reason", 60)
    reason, *words = lab.last_error(tunnel)
    shown = [done.stdout, done.stderr, lab.status(tunnel), reason, *words, lab.journal(tunnel, since)]
    shown.append(lab.out("busctl", "--no-pager", "introspect", lab.BUS[0], f"{lab.BUS[1]}/tunnel/{tunnel}"))
    for text in shown:
        assert not CONTROL.search(text), ascii(text)
    lab.systemctl("stop", f"pptp@{tunnel}")
    return "up" if done.returncode == 0 else reason


def test_the_start_is_answered_in_every_shape(work: None) -> None:
    with lab.pinging():
        found = ends({name: {"start_reply": f"garbage:{reply.decode('latin-1')}"} for name, reply in STARTS.items()})
    assert all(reason.startswith(THEIRS) for reason in found.values()), found


def test_the_call_is_answered_in_every_shape(work: None) -> None:
    with lab.pinging():
        found = ends({name: {"call_reply": f"garbage:{reply.decode('latin-1')}"} for name, reply in CALLS.items()})
    assert all(reason.startswith(THEIRS) for reason in found.values()), found


def test_a_servers_words_are_no_more_than_words(work: None) -> None:
    """They reach the reason's detail in printable ASCII, and are never taken for what pppd says of itself."""
    words = TERMINAL.replace("\x00", "") + OTHERS
    end_words = {"then": {"do": f"terminate:{words}", "at": "login"}}
    found = ends(
        {
            "message": {"login": f"failure:E=691 R=0 C={'0' * 32} V=3 M={words}"},
            "alone": {"login": f"failure:{words}"},
            "pap": {"auth": "pap", "login": f"failure:{words}"},
            "ends": end_words,
        },
        **{"refuse-pap": False, "pppd-options": ["debug"], "connect-timeout": 20},
    )
    assert found == {
        "message": "wrong-password",
        "alone": "wrong-password",
        "pap": "wrong-password",
        "ends": found["ends"],
    }
    assert found["ends"] in ("ppp-refused", "peer-hung-up", "auth-protocol-refused")


OURS = "192.0.2.2"
ADDRESSES = [  # the client's, the server's
    *((bad, "10.77.0.1") for bad in ("0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", OURS, "203.0.113.5")),
    *(("10.77.0.2", bad) for bad in ("0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", OURS, "203.0.113.5")),
    *(("10.77.0.2", bad) for bad in ("192.0.2.1", lab.SERVER)),  # the gateway, and the other tunnel's server
]


@pytest.mark.parametrize(("client", "server"), ADDRESSES)
def test_any_addresses_may_be_given(work: None, client: str, server: str) -> None:
    """Up or not: the other tunnel passes, the uplink works, and afterwards the tables are as before."""
    before = lab.routes()
    since = time.time()
    plan = {"ipcp": f"addresses:{client},{server}"}
    with all_scripted({"203.0.113.5": plan}) as servers:
        lab.configure({"work": lab.ALICE, "odd": {**ALONE, "server": "203.0.113.5", "routes": ["10.99.0.0/16"]}})
        # Until the manager has heard of the link, the kernel's route to the far end takes its packets there.
        with lab.pinging(lost=5 if server == lab.SERVER else 0):
            done = lab.call("Connect", "odd")
            print(done.returncode, done.stderr, lab.out("ip", "-4", "route"), lab.out("ip", "-4", "-br", "address"))
            assert lab.passes("203.0.113.1", "-I", "uplink"), "the uplink"
            assert lab.state("odd") in ("up", "failed", "idle", "waiting", "connecting", "stopping"), servers.log()
        assert done.returncode == 0 or lab.last_error("odd")[0] not in ("", "unknown"), lab.journal("odd", since)
        assert lab.call("Disconnect", "odd").returncode == 0
    lab.wait_for(lambda: lab.routes() == before, "the tables as before")


@pytest.mark.parametrize(
    ("address", "reason"),
    [(bad, "name-misleads") for bad in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255")]
    + [(OURS, "no-route")],
)
def test_a_name_that_leads_astray(work: None, address: str, reason: str) -> None:
    """As some name servers answer for what they block."""
    before = lab.HOSTS.read_text()
    try:
        lab.HOSTS.write_text(f"{before}\n{address} astray.example.com\n")
        lab.configure({"work": lab.ALICE, "odd": {**ALONE, "server": "astray.example.com", "default-route": True}})
        assert end("odd") == reason
        assert address not in [line.split()[0] for line in lab.out("ip", "route").splitlines()], "no route leads there"
    finally:
        lab.HOSTS.write_text(before)


def test_the_shapes_are_what_they_are_named_after() -> None:
    """The seed is kept: these are the same octets each time."""
    assert len(set(STARTS.values())) == len(STARTS) and len(set(CALLS.values())) == len(CALLS)
    assert pptp_server.plan({"start_reply": f"garbage:{STARTS['random'].decode('latin-1')}"})
