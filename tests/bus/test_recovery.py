"""What ends a wait, and what ends a link: the daemon with a real kernel, a real TCP and a stand-in for systemd."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from .clients import until
from .world import SERVER, World

REFUSED = "pptp: warn[open_inetsock:pptp_callmgr.c:352]: connect: Connection refused"
UNANSWERED = ("host-unreachable", "tcp-silent")
BUSY = "pptp: log[ctrlp_error:pptp_ctrl.c:205]: Result code is 4 'Busy Signal'. Error code is 0, Cause code is 0"


def failing(up: World, *lines: str) -> str:
    """A first attempt that fails with these lines, and the next run, which waits; its invocation id."""
    run, connect = up.connecting("office")
    up.journal(*(line.replace("pptp: ", f"pptp: office-{run[:8]} ") for line in lines), "pppd: Exit.")
    up.ended("office", run, status="16")
    up.error(connect)
    run = up.set_unit("office", "activating", "start", new_run=True)
    up.expected = [line for line in up.log().splitlines() if line.startswith("WARNING: ")]
    return run


def shown(up: World, run: str) -> tuple[str, Any]:
    """What the run is told to show, and its next question."""
    text = up.dial("office", run)
    assert text.startswith("wait ")
    return text.removeprefix("wait "), up.ask_to_dial("office", run, text.removeprefix("wait "))


def test_the_next_attempt_is_a_property(up: World) -> None:
    run = failing(up, BUSY)
    failing_again = up.dial("office", run).removeprefix("wait ")
    assert re.match(
        r"Pausing [0-9.]+ s before attempt 2\. Last: The server is busy\. \(Busy Signal\) Ask the ", failing_again
    )
    properties = up.properties("office")
    assert 0 < properties["NextAttempt"] / 1e6 - time.time() <= 1
    assert 0 < properties["NextAttemptMonotonic"] / 1e6 - time.monotonic() <= 1
    assert properties["LastError"][0] == "call-busy"
    assert up.answered(up.ask_to_dial("office", run, failing_again), "the pause's end").startswith("dial ")
    assert (up.properties("office")["NextAttempt"], up.properties("office")["NextAttemptMonotonic"]) == (0, 0)


def test_a_server_that_does_not_accept_is_knocked_at_and_not_called(up: World) -> None:
    """Nobody is at the server's address here."""
    run = failing(up, REFUSED)
    up.forget()
    text, question = shown(up, run)
    assert text.startswith(f"Waiting for {SERVER} to accept connections on TCP port 1723. Last: ")
    text = up.answered(question, "what a knock finds").removeprefix("wait ")
    assert up.state("office") == "waiting" and up.properties("office")["LastError"][0] in UNANSWERED
    up.expected += [line for line in up.log().splitlines() if line.startswith("WARNING: ")][1:]
    question = up.ask_to_dial("office", run, text)
    time.sleep(4)
    assert not question.done and len(up.expected) == 2, "further knocks find nothing new"
    up.begin("Connect", "office")
    assert up.answered(question, "the verdict").startswith("dial "), "a person need not wait"


def test_another_way_to_the_server_ends_a_pause(up: World) -> None:
    run = failing(up, "pptp: log[x]: Result code is 7 'Not Accepted'. Error code is 0, Cause code is 0")
    text, question = shown(up, run)
    assert re.match(r"Pausing (1[5-9]|2\d|30)\.", text)
    up.ip("route add default via 192.0.2.9 metric 10")
    assert up.answered(question, "the verdict").startswith("dial ")


def test_a_carrier_that_is_back_ends_a_pause(up: World) -> None:
    run = failing(up, "pptp: log[x]: Result code is 7 'Not Accepted'. Error code is 0, Cause code is 0")
    _, question = shown(up, run)
    up.ip("link set far0 down")
    time.sleep(0.3)
    assert not question.done
    up.ip("link set far0 up")
    assert up.answered(question, "the verdict").startswith("dial ")


def test_no_carrier_is_no_way(up: World) -> None:
    up.ip("link set far0 down")
    # The kernel tells of it up to a second later (linkwatch), and shows it no sooner; then the manager hears it, too.
    until(lambda: "NO-CARRIER" in up.ip("link show wan0"), "no carrier")
    up.call("ListTunnels")
    up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    text, question = shown(up, up.run_of("office"))
    assert text == f"Waiting for the network: no route to {SERVER} ({SERVER})"
    up.ip("link set far0 up")
    assert up.answered(question, "the verdict").startswith("dial ")


@pytest.mark.parametrize("line", ["address del 192.0.2.2/24 dev wan0", "route del default via 192.0.2.1 metric 100"])
def test_a_way_that_is_gone_and_comes_back_keeps_the_tunnel(up: World, line: str) -> None:
    up.bring_up("office")
    up.forget()
    up.ip(line)
    time.sleep(0.2)
    up.ip(line.replace(" del ", " add "))
    if line.startswith("address"):
        up.ip("route add default via 192.0.2.1 metric 100")
    time.sleep(0.2)
    assert up.state("office") == "up" and up.ordered() == []


def test_an_address_that_is_replaced_redials(up: World) -> None:
    up.bring_up("office")
    up.forget()
    up.ip("address add 192.0.2.77/24 dev wan0", "address del 192.0.2.2/24 dev wan0")
    up.ip("address add 192.0.2.77/24 dev wan0", "route replace default via 192.0.2.1 metric 100")
    up.wait_for_order("Kill", "pptp@office.service", "main", "15")
    until(lambda: up.state("office") == "stopping", "the link to be hung up")
