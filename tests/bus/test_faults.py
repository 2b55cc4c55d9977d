"""systemd is slow, refuses or is silent; the bus goes; a client asks what it should not."""

from __future__ import annotations

import pytest

from pptpd_manager import units

from .clients import RemoteError, until
from .world import ERROR, NAME, PATH, SERVER, SYSTEMD, UNIT, World

ROUTE = "192.168.10.0/24 dev pptp-office proto 172 scope link"
OUTSIDE = "default via 192.0.2.1 dev wan0 metric 100"
ORDERS = {"Connect": "StartUnit", "Reconnect": "RestartUnit", "Disconnect": "StopUnit"}


@pytest.mark.parametrize("method", ["Connect", "Reconnect"])
def test_systemd_refuses(up: World, method: str) -> None:
    up.behave(ORDERS[method], "fail")
    refused = "Unit pptp@office.service not found."
    error = RemoteError(ERROR + "SystemdRefused", f"tunnel 'office': systemd refuses: {refused}")
    assert up.error(up.begin(method, "office")) == error
    up.behave(ORDERS[method], "well")
    if method == "Connect":
        assert up.state("office") == "idle"
        up.forget()
        up.bring_up("office")
    up.expected = [f"WARNING: systemd refuses: {refused}"]


def test_systemd_refuses_to_stop(up: World) -> None:
    """The tunnel runs on, and says so."""
    up.bring_up("office")
    up.behave("StopUnit", "fail")
    refused = "Unit pptp@office.service not found."
    error = RemoteError(ERROR + "SystemdRefused", f"tunnel 'office': systemd refuses: {refused}")
    assert up.error(up.begin("Disconnect", "office")) == error
    up.expected = [f"WARNING: systemd refuses: {refused}"]
    assert up.state("office") == "up"
    assert up.routes() == [OUTSIDE, ROUTE]


def test_systemd_is_slow(up: World) -> None:
    """Everything else is answered meanwhile."""
    up.behave("StartUnit", "hold")
    connect = up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    up.client.call(NAME, PATH, "org.freedesktop.DBus.Peer.Ping")
    assert up.state("office") == "idle"
    up.behave("StartUnit", "well")
    up.bring_up("home", "10.9.1.2", "10.9.1.1")
    assert not connect.done
    up.release()
    up.dial("office", up.run_of("office"))
    up.finish("office", up.run_of("office"))
    assert up.answered(connect) is None


def test_who_disconnects_again_and_again_is_not_passed_on_as_often(bare: World) -> None:
    """A call of an idle tunnel is answered at once: so nothing but this bounds what waits for systemd."""
    bare.start()
    bare.behave("StopUnit", "hold")
    for _ in range(10 * units.AT_ONCE):
        bare.call("Disconnect", "office")
    stops = [order for order in bare.ordered() if order[0] == "StopUnit"]
    assert len(stops) == units.AT_ONCE
    bare.behave("StopUnit", "well")
    bare.release()
    until(lambda: bare.ordered().count(stops[0]) == units.AT_ONCE + 1, "the last one, for all the others")
    bare.bring_up("office")


def test_systemd_never_answers(bare: World) -> None:
    bare.start(patch="from pptpd_manager import remote; remote.CALL_MS = 100")
    bare.behave("StartUnit", "hold")
    error = RemoteError(ERROR + "SystemdRefused", "tunnel 'office': systemd refuses: Timeout was reached")
    assert bare.error(bare.begin("Connect", "office")) == error
    assert bare.state("office") == "idle"
    bare.expected = ["WARNING: systemd refuses: Timeout was reached"]


def test_connect_that_nothing_answers_times_out(bare: World) -> None:
    """As when the unit's processes are stuck: connect-timeout and a grace later."""
    bare.start(patch="from pptpd_manager import service; service.GRACE_SECONDS = -19.9")
    assert bare.error(bare.begin("Connect", "office")) == RemoteError(
        ERROR + "TimedOut",
        "tunnel 'office' is not up yet, it is idle; see: systemctl status pptp@office.service",
    )


def test_connect_of_a_link_that_is_up_does_not_time_out_since_systemd_is_behind(bare: World) -> None:
    bare.start(patch="from pptpd_manager import service; service.GRACE_SECONDS = -18.5")
    run, connect = bare.connecting("office")
    bare.link_up("office")
    assert bare.answered(connect) is None
    assert bare.state("office") == "up" and run


def test_without_systemd_there_is_no_manager(bare: World) -> None:
    bare.systemd.kill()
    bare.systemd.wait()
    until(lambda: not bare.client.owner("org.freedesktop.systemd1"), "systemd to be gone")
    bare.spawn()
    daemon = bare.daemon
    assert daemon
    until(lambda: daemon.poll() is not None, "the manager to end")
    assert daemon.returncode == 69
    why = "The name org.freedesktop.systemd1 was not provided by any .service files"
    bare.expected = [
        f"WARNING: systemd does not tell of its units: {why}",
        f"ERROR: systemd does not answer: {why}",
    ]


def test_without_a_bus_there_is_no_manager(bare: World) -> None:
    bare.address = "unix:path=/nonexistent"
    bare.spawn()
    daemon = bare.daemon
    assert daemon
    until(lambda: daemon.poll() is not None, "the manager to end")
    assert daemon.returncode == 69
    bare.expected = ["ERROR: no system bus: Could not connect: No such file or directory"]


def test_the_bus_is_lost(up: World) -> None:
    """The next manager needs a bus; the tunnels do not."""
    up.bring_up("office")
    daemon = up.daemon
    assert daemon
    up.bus.kill()
    until(lambda: daemon.poll() is not None, "the manager to end")
    assert daemon.returncode == 69
    assert up.routes() == [OUTSIDE, ROUTE]
    assert (up.runtime / "office.options").exists()
    (line,) = [line for line in up.log().splitlines() if line.startswith("ERROR: ")]
    assert line.startswith("ERROR: the system bus is lost: ")
    up.expected = [line]


def test_an_asker_that_leaves(up: World) -> None:
    """systemd stops a unit whose main process waits: the next run is answered as if it were the first."""
    up.ip("address delete 192.0.2.2/24 dev wan0")
    run = up.set_unit("office", "activating", "start", new_run=True)
    waiting = "Waiting for the network: no interface has an IPv4 address"
    assert up.dial("office", run) == f"wait {waiting}"
    asker = up.connect()
    asker.begin(NAME, PATH, UNIT + ".Dial", "(ssus)", "office", run, 1, waiting)
    until(lambda: up.state("office") == "waiting", "the tunnel to wait")
    manager = SYSTEMD + ".Manager"
    up.client.call(
        SYSTEMD, "/org/freedesktop/systemd1", manager + ".StopUnit", "(ss)", "pptp@office.service", "replace"
    )
    asker.close()
    up.ended("office", run, "killed", "TERM")
    up.set_unit("office", "inactive", "dead")
    until(lambda: up.state("office") == "idle", "the tunnel to be idle")
    up.ip("address add 192.0.2.2/24 dev wan0", "route add default via 192.0.2.1 metric 100")
    again = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", again) == f"dial Connecting to {SERVER} ({SERVER})"


def test_a_run_that_asks_twice(up: World) -> None:
    """The first asker has lost its caller: a broken connection, say."""
    up.ip("address delete 192.0.2.2/24 dev wan0")
    run = up.set_unit("office", "activating", "start", new_run=True)
    waiting = "Waiting for the network: no interface has an IPv4 address"
    first = up.ask_to_dial("office", run, waiting)
    second = up.ask_to_dial("office", run)
    assert up.error(first) == RemoteError(ERROR + "UnknownRun", "asked again")
    assert up.answered(second) == f"wait {waiting}"


def test_a_late_end_of_an_earlier_run_changes_nothing(up: World) -> None:
    old = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", old).startswith("dial ")
    up.ended("office", old, "exited", "16")
    new = up.set_unit("office", "activating", "start", new_run=True)
    pause = up.dial("office", new)
    assert pause.startswith("wait Pausing ")
    assert up.dial("office", new, pause.removeprefix("wait ")).startswith("dial ")
    up.link_up("office")
    up.wait_for_state("office", "up")
    up.ended("office", old, "exited", "16")
    assert up.state("office") == "up"
    assert up.routes() == [OUTSIDE, ROUTE]
    assert (up.runtime / "office.options").exists()
    up.expected = [line for line in up.log().splitlines() if line.startswith("WARNING: tunnel office: waiting: ")]
    assert len(up.expected) == 1


def test_pppd_is_killed(up: World) -> None:
    run = up.bring_up("office")
    up.link_down("office")
    up.journal()
    up.ended("office", run, "killed", "KILL")
    until(lambda: up.properties("office")["LastError"][0], "a reason")
    assert up.properties("office")["LastError"][:2] == ("killed", "pppd was killed from outside. (KILL)")
    assert up.routes() == [OUTSIDE]
    up.expected = [line for line in up.log().splitlines() if line.startswith("WARNING: ")]
    assert up.expected[0].startswith("WARNING: tunnel office: waiting: pppd was killed from outside. (KILL)")
    assert len(up.expected) == 1
