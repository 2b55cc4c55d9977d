"""A tunnel's way up and down, as its unit and its users see it."""

from __future__ import annotations

import stat
import time

import pytest

from .clients import RemoteError, until
from .world import CANARY, CONFIG, ERROR, PATH, SERVER, UNIT, World, tunnel_path

ROUTE = "192.168.10.0/24 dev pptp-office proto 172 scope link"
OUTSIDE = "default via 192.0.2.1 dev wan0 metric 100"


def test_connect(up: World) -> None:
    connect = up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run = up.run_of("office")
    assert up.dial("office", run) == f"dial Connecting to {SERVER} ({SERVER})"
    options = up.runtime / "office.options"
    assert stat.S_IMODE(options.stat().st_mode) == 0o600
    lines = options.read_text().splitlines()
    assert lines[0] == f"# run {run} of tunnel office: {SERVER} is {SERVER}, path MTU 1500"
    ready = up.begin("Ready", "office", run, interface=UNIT)
    assert up.state("office") == "connecting"
    assert up.routes() == [OUTSIDE]
    up.link_up("office")
    summary = f"Up: pptp-office 10.9.0.2 to 10.9.0.1 through {SERVER} ({SERVER}); routes: 192.168.10.0/24"
    assert up.answered(ready) == f"up {summary}"
    assert up.routes() == [OUTSIDE, ROUTE]
    assert up.state("office") == "up"
    assert not connect.done
    up.set_unit("office", "active", "running")
    assert up.answered(connect) is None
    since = [changed["Since"] for changed in up.changes("office") if "Since" in changed]
    took = up.properties("office")["ConnectTime"]
    assert 0 < took <= time.time() * 1e6 - since[0]
    assert up.told("office", "StateChanged") == [
        ("resolving", "idle", ""),
        ("connecting", "resolving", ""),
        ("up", "connecting", ""),
    ]
    assert up.changes("office") == [
        {"State": "resolving", "Since": since[0]},
        {"ServerAddress": SERVER},
        {"State": "connecting", "Since": since[1], "Attempts": 1},
        {
            "State": "up",
            "Since": since[2],
            "LocalAddress": "10.9.0.2",
            "PeerAddress": "10.9.0.1",
            "Mtu": 1456,
            "Encrypted": True,
            "Routes": ["192.168.10.0/24"],
            "Connects": 1,
            "ConnectTime": took,
        },
    ]
    assert since == sorted(since)
    assert up.ordered() == [("StartUnit", "pptp@office.service", "replace")]


def test_disconnect(up: World) -> None:
    run = up.bring_up("office")
    disconnect = up.begin("Disconnect", "office")
    up.wait_for_order("StopUnit", "pptp@office.service", "replace")
    assert up.state("office") == "stopping"
    assert up.routes() == [OUTSIDE]  # before pppd has ended: no packet goes into a link that is closing
    up.link_down("office")
    up.ended("office", run)
    assert not (up.runtime / "office.options").exists()
    assert not disconnect.done
    up.set_unit("office", "inactive", "dead")
    assert up.answered(disconnect) is None
    assert up.state("office") == "idle"
    assert up.told("office", "StateChanged") == [("stopping", "up", ""), ("idle", "stopping", "")]
    assert up.properties("office")["LastError"] == ("", "", "", 0)


def test_disconnect_of_an_idle_tunnel_is_answered_at_once(up: World) -> None:
    up.call("Disconnect", "office")
    assert up.state("office") == "idle"


def test_reconnect(up: World) -> None:
    run = up.bring_up("office")
    reconnect = up.begin("Reconnect", "office")
    up.wait_for_order("RestartUnit", "pptp@office.service", "replace")
    assert up.routes() == [OUTSIDE]
    up.link_down("office")
    up.ended("office", run)
    next_run = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", next_run) == f"dial Connecting to {SERVER} ({SERVER})"
    assert not reconnect.done
    up.finish("office", next_run)
    assert up.answered(reconnect) is None
    assert up.routes() == [OUTSIDE, ROUTE]
    assert up.ordered() == [("RestartUnit", "pptp@office.service", "replace")]
    after = up.properties("office")
    assert after["LastError"] == ("", "", "", 0)
    assert [after[name] for name in ("Attempts", "Connects", "Reconnects")] == [2, 2, 1]


def test_the_word_of_a_unit_that_is_about_to_be_restarted_is_not_taken_for_a_restart(up: World) -> None:
    run = up.bring_up("office")
    up.behave("RestartUnit", "queue")
    reconnect = up.begin("Reconnect", "office")
    up.wait_for_order("RestartUnit", "pptp@office.service", "replace")
    assert up.state("office") == "stopping" and up.routes() == [OUTSIDE]
    assert not reconnect.done
    up.link_down("office")
    up.ended("office", run)
    next_run = up.set_unit("office", "activating", "start", new_run=True)
    up.dial("office", next_run)
    up.finish("office", next_run)
    assert up.answered(reconnect) is None


def test_a_tunnel_has_the_methods_too(up: World) -> None:
    for method, order in (("Connect", "StartUnit"), ("Reconnect", "RestartUnit"), ("Disconnect", "StopUnit")):
        pending = up.client.begin("org.pptpmanager1", tunnel_path("home"), f"org.pptpmanager1.Tunnel.{method}")
        up.wait_for_order(order, "pptp@home.service", "replace")
    up.set_unit("home", "inactive", "dead")
    assert up.answered(pending) is None


def test_two_connects_are_both_answered(up: World) -> None:
    other = up.connect()
    first = up.begin("Connect", "office")
    second = other.begin("org.pptpmanager1", PATH, "org.pptpmanager1.Manager.Connect", "(s)", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run = up.run_of("office")
    up.dial("office", run)
    up.finish("office", run)
    assert up.answered(first) is None
    assert up.answered(second) is None


def test_connect_of_a_tunnel_that_is_up_is_answered_at_once(up: World) -> None:
    up.bring_up("office")
    assert up.call("Connect", "office") is None
    assert up.ordered() == []


def test_a_client_that_leaves_before_the_reply_harms_nobody(up: World) -> None:
    leaver = up.connect()
    leaver.begin("org.pptpmanager1", PATH, "org.pptpmanager1.Manager.Connect", "(s)", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    leaver.close()
    run = up.run_of("office")
    up.dial("office", run)
    up.finish("office", run)
    up.wait_for_state("office", "up")
    assert up.routes() == [OUTSIDE, ROUTE]


def test_wrong_password(up: World) -> None:
    """Once more after the first time: a server may err. Then no more: accounts get locked."""
    sentence = "The server refuses the user name or the password."
    advice = "Check 'username:', 'domain:' and the password, then run: pptpctl up office"
    refused = RemoteError(ERROR + "WrongPassword", f"tunnel 'office': {sentence} {advice}")
    run, connect = up.connecting("office")
    up.journal("pppd: CHAP authentication failed", "pppd: Exit.")
    up.ended("office", run, status="19")
    assert up.error(connect) == refused
    assert up.state("office") == "waiting"
    name, told, what, when = up.properties("office")["LastError"]
    assert (name, told, what) == ("wrong-password", sentence, advice)
    up.set_unit("office", "activating", "auto-restart")
    second = up.set_unit("office", "activating", "start", new_run=True)
    pausing = up.dial("office", second)
    assert pausing.startswith("wait Pausing ")
    assert pausing.endswith(f" s before attempt 2. Last: {sentence} {advice}")
    assert up.dial("office", second, pausing.removeprefix("wait ")) == f"dial Connecting to {SERVER} ({SERVER})"
    up.ended("office", second, status="19")
    assert up.state("office") == "failed"
    assert up.properties("office")["LastError"][3] > when
    third = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", third) == f"exit 77 {sentence} {advice}"
    up.ended("office", third, status="77")
    up.set_unit("office", "failed", "failed")
    assert up.state("office") == "failed"
    assert up.told("office", "StateChanged")[-1] == ("failed", "stopping", "wrong-password")
    up.expected = [
        f"WARNING: tunnel office: waiting: {sentence} {advice}",
        f"ERROR: tunnel office: failed: {sentence} {advice}",
    ]


def test_an_exit_status_alone_tells_the_reason_too(up: World) -> None:
    """With nothing in the journal it is asked for half a second, then the status has to do."""
    run, connect = up.connecting("office")
    up.journal()
    up.ended("office", run, status="19")
    error = up.error(connect)
    assert error.args[0] == ERROR + "WrongPassword"
    up.expected = [up.log().splitlines()[-1]]
    assert up.expected[0].startswith("WARNING: tunnel office: waiting: The server refuses the user name")


def test_the_state_of_the_link_decides(up: World) -> None:
    """Down from outside while pppd runs: the routes go, and it is up again when the link is."""
    up.bring_up("office")
    up.ip("link set pptp-office down")
    up.wait_for_state("office", "stopping")
    assert up.routes() == [OUTSIDE]
    for _ in range(5):  # of its IPv6 routes the kernel tells before it tells that the link is down
        up.forget()
        up.ip("link set pptp-office up")
        up.wait_for_state("office", "up")
        assert up.routes() == [OUTSIDE, ROUTE]
        up.forget()
        up.ip("link set pptp-office down")
        up.wait_for_state("office", "stopping")
    assert not [order for order in up.ordered() if order[0] == "Kill"]


def test_a_server_inside_of_the_routes_is_reached_outside(up: World) -> None:
    up.configure(up.config.read_text().replace("192.168.10.0/24", "198.51.100.0/24"))
    up.call("Reload")
    run, _ = up.connecting("office")
    assert up.routes() == [OUTSIDE, f"{SERVER} via 192.0.2.1 dev wan0 proto 172"]
    up.finish("office", run)
    inside = "198.51.100.0/24 dev pptp-office proto 172 scope link"
    assert up.routes() == [OUTSIDE, inside, f"{SERVER} via 192.0.2.1 dev wan0 proto 172"]
    up.forget()
    up.ip("route add default via 192.0.2.9 metric 10")
    until(
        lambda: up.routes()[-1] == f"{SERVER} via 192.0.2.9 dev wan0 proto 172",
        "the route to the server to follow the default route",
    )
    assert inside not in up.routes(), "it is dialled anew over the new one"
    up.wait_for_order("Kill", "pptp@office.service", "main", "15")
    up.link_down("office")
    up.ended("office", run, status="16")
    until(lambda: up.properties("office")["LastError"][0], "a reason")
    detail = "via 192.0.2.1 from 192.0.2.2 before, via 192.0.2.9 from 192.0.2.2 now"
    assert up.properties("office")["LastError"][1] == f"The way to the server changed. ({detail})"
    up.expected = [line for line in up.log().splitlines() if line.startswith("WARNING: ")]
    assert len(up.expected) == 1


def test_without_a_network_it_waits(up: World) -> None:
    up.ip("address delete 192.0.2.2/24 dev wan0")
    up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run = up.run_of("office")
    waiting = "Waiting for the network: no interface has an IPv4 address"
    assert up.dial("office", run) == f"wait {waiting}"
    again = up.ask_to_dial("office", run, waiting)
    assert up.state("office") == "waiting"
    up.ip("address add 192.0.2.2/24 dev wan0")
    no_route = f"Waiting for the network: no route to {SERVER} ({SERVER})"
    assert up.answered(again) == f"wait {no_route}"
    again = up.ask_to_dial("office", run, no_route)
    until(lambda: up.state("office") == "waiting", "the tunnel to wait")
    up.ip("route add default via 192.0.2.1")
    assert up.answered(again) == f"dial Connecting to {SERVER} ({SERVER})"


def test_no_secret_is_shown(bare: World) -> None:
    bare.start("--debug", program=True)
    shown = repr([bare.call("Introspect", interface="org.freedesktop.DBus.Introspectable")])
    run, connect = bare.connecting("office")
    assert f'password "{CANARY}"'.replace("!", r"\041") in (bare.runtime / "office.options").read_text()
    bare.journal("pppd: CHAP authentication failed", "pppd: Exit.")
    bare.ended("office", run, status="19")
    shown += repr(bare.error(connect))
    bare.configure(bare.config.read_text().replace("username: bob", f"{CANARY}: bob\n    {CANARY}"))
    shown += repr(bare.error(bare.begin("Reload")))
    shown += repr(bare.call("GetManagedObjects", interface="org.freedesktop.DBus.ObjectManager"))
    shown += repr([bare.properties("office"), bare.properties("home"), bare.problems(), bare.client.signals])
    assert bare.daemon
    for file in ("cmdline", "environ"):
        with open(f"/proc/{bare.daemon.pid}/{file}", "rb") as process:
            shown += repr(process.read())
    shown += bare.log() + repr(bare.notified("READY=1"))
    assert "office" in shown
    assert CANARY not in shown
    bare.expected = [line for line in bare.log().splitlines() if line.startswith(("WARNING: ", "ERROR: "))]


def test_a_start_that_overtakes_a_disconnect_is_told_to_its_caller(up: World) -> None:
    run = up.bring_up("office")
    disconnect = up.begin("Disconnect", "office")
    up.wait_for_order("StopUnit", "pptp@office.service", "replace")
    connect = up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    up.link_down("office")
    up.ended("office", run)
    run = up.set_unit("office", "activating", "start", new_run=True)
    up.ask_to_dial("office", run)
    message = "tunnel 'office' has been started again before it was down"
    assert up.error(disconnect) == RemoteError(ERROR + "Superseded", message)
    assert up.properties("office")["LastError"] == ("", "", "", 0), "a stop is no failure"
    up.finish("office", run)
    up.answered(connect)


def test_what_outlives_pppd_is_killed_before_systemd_does_it(bare: World) -> None:
    bare.start(patch="from pptpd_manager import stragglers; stragglers.FAREWELL_SECONDS = 0.2")
    bare.bring_up("office")
    bare.forget()
    bare.set_unit("office", "deactivating", "final-sigterm")
    bare.wait_for_order("Kill", "pptp@office.service", "all", "9")


def test_what_outlives_pppd_is_not_looked_for_in_the_next_run(bare: World) -> None:
    """Which has begun already, and the manager has not heard of that."""
    bare.start(patch="from pptpd_manager import stragglers; stragglers.FAREWELL_SECONDS = 0.2")
    bare.bring_up("office")
    bare.forget()
    bare.set_unit("office", "deactivating", "final-sigterm")
    bare.behave("PropertiesChanged", "hold")
    bare.set_unit("office", "activating", "start", new_run=True)
    until(lambda: "tunnel office: nothing to kill" in bare.log(), "systemd to be asked")
    assert not bare.ordered()


def test_a_stop_that_is_accepted_while_another_is_under_way_frees_nobody(up: World) -> None:
    """What systemd begins before it has heard of the second stop is not dialled."""
    run = up.bring_up("office")
    up.behave("StopUnit", "queue")
    first = up.begin("Disconnect", "office")
    up.wait_for_order("StopUnit", "pptp@office.service", "replace")
    up.behave("StopUnit", "hold")
    up.forget()
    second = up.begin("Disconnect", "office")
    up.wait_for_order("StopUnit", "pptp@office.service", "replace")
    up.link_down("office")
    up.ended("office", run)
    run = up.set_unit("office", "activating", "start", new_run=True)
    up.ask_to_dial("office", run)
    until(lambda: up.state("office") == "stopping", "the run to be halted")
    up.release()
    up.ended("office", run, "killed", "TERM")
    up.set_unit("office", "inactive", "dead")
    assert up.answered(first) is None and up.answered(second) is None


@pytest.mark.parametrize("asks", [True, False])
def test_a_disconnect_while_the_run_begins_that_is_to_tell_systemd_of_the_end(bare: World, asks: bool) -> None:
    """The stop is accepted before it begins, and that run may still ask to dial: it is no start that overtook it."""
    bare.configure(CONFIG.replace("routes:", "persist: false\n    routes:", 1))
    bare.start()
    run = bare.bring_up("office")
    bare.journal("pppd: Modem hangup", "pppd: Exit.")
    bare.link_down("office")
    bare.ended("office", run, status="16")
    run = bare.set_unit("office", "activating", "start", new_run=True)
    until(lambda: bare.state("office") == "failed", "the reason")
    bare.behave("StopUnit", "queue")
    disconnect = bare.begin("Disconnect", "office")
    bare.wait_for_order("StopUnit", "pptp@office.service", "replace")
    if asks:
        bare.ask_to_dial("office", run)
        until(lambda: bare.state("office") == "stopping", "the run to be halted")
    bare.set_unit("office", "deactivating", "stop-sigterm")
    bare.ended("office", run, "killed", "TERM")
    bare.set_unit("office", "inactive", "dead")
    assert bare.answered(disconnect) is None and bare.state("office") == "idle"
    bare.expected = ["ERROR: tunnel office: failed: The server ended the session. See the server's log"]


def test_tunnels_that_start_together_dial_in_turn(bare: World) -> None:
    """One at a time here, and processors that never have time to spare."""
    names = ["one", "two", "three"]
    text = "".join(f"  {name}: {{server: {SERVER}, username: u, password: {CANARY}}}\n" for name in names)
    bare.configure("tunnels:\n" + text)
    bare.start(patch="import pptpd_manager.departures as d; d.AT_ONCE, d.LONG_SECONDS, d.SPARE = 1, 1e9, 2.0")
    runs = {name: bare.set_unit(name, "activating", "start", new_run=True) for name in names}
    dials = [bare.ask_to_dial(name, runs[name]) for name in names]
    assert bare.answered(dials[0]).startswith("dial ")
    assert [bare.state(name) for name in names] == ["connecting", "waiting", "waiting"]
    bare.finish("one", runs["one"])
    assert bare.answered(dials[1]).startswith("dial ") and not dials[2].done
    bare.ended("two", runs["two"], "exited", "16")
    assert bare.answered(dials[2]).startswith("dial ")
    bare.expected = [
        "WARNING: tunnel two: waiting: The call ended without a reason. See: pptpctl logs two; more is told by: "
        "pptpctl doctor two"
    ]
