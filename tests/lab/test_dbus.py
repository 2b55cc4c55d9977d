"""Connect and Disconnect on the system bus, and who may call what."""

from __future__ import annotations

import time

import commands as lab
import pytest
from gi.repository import Gio, GLib


def test_connect_and_disconnect_are_start_and_stop() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.call("Connect", "work").returncode == 0
    assert lab.active("work") == "active" and lab.state("work") == "up" and lab.passes()
    assert lab.call("Connect", "work").returncode == 0, "it is up already"
    assert lab.systemctl("stop", "pptp@work") == 0
    lab.wait_for(lambda: lab.state("work") == "idle", "the manager has heard of it")
    assert lab.systemctl("start", "pptp@work") == 0
    assert lab.state("work") == "up"
    assert lab.call("Disconnect", "work").returncode == 0
    assert lab.active("work") == "inactive" and lab.state("work") == "idle" and not lab.clients()
    assert lab.call("Disconnect", "work").returncode == 0, "it is down already"


def test_reconnect_dials_anew() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.call("Connect", "work").returncode == 0
    pppd = lab.show("work", "MainPID")
    assert lab.call("Reconnect", "work").returncode == 0
    assert lab.active("work") == "active" and lab.show("work", "MainPID") != pppd and lab.passes()
    assert lab.get("work", "LastError") == ("", "", "", 0), "what was asked for is no failure"


def test_connect_cuts_a_pause_short() -> None:
    lab.out("systemctl", "start", "lab-pptpd@nomppe")
    try:
        lab.configure({"work": {**lab.ALICE, "server": "203.0.113.2"}})
        assert "does not encrypt as required" in lab.call("Connect", "work").stderr
        lab.wait_for(lambda: "before attempt 2" in lab.shown("work"), "a pause")
        planned = lab.get("work", "NextAttemptMonotonic")
        assert planned > time.monotonic() * 1e6
        assert "does not encrypt as required" in lab.call("Connect", "work").stderr
        assert time.monotonic() * 1e6 < planned, "there was an attempt before the one that was planned"
    finally:
        lab.out("systemctl", "stop", "lab-pptpd@nomppe")


def test_connect_ends_the_wait_for_a_server() -> None:
    lab.configure({"work": lab.ALICE})
    lab.systemctl("stop", "lab-pptpd@main")
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: "to accept connections" in lab.shown("work"), "it waits for the server", 60)
    assert "TCP port 1723" in lab.call("Connect", "work").stderr, "an attempt of its own, and its reason"
    lab.systemctl("start", "lab-pptpd@main")
    assert lab.call("Connect", "work").returncode == 0
    assert lab.active("work") == "active"


def test_connect_says_why_not() -> None:
    lab.configure({"work": {**lab.ALICE, "password": "wrong"}})
    done = lab.run("busctl", "call", *lab.BUS, "Connect", "s", "work")
    assert done.returncode == 1
    assert "tunnel 'work': The server refuses the user name or the password." in done.stderr, done.stderr
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    path, interface = f"{lab.BUS[1]}/tunnel/work", "org.pptpmanager1.Tunnel"
    with pytest.raises(GLib.Error) as caught:
        bus.call_sync(lab.BUS[0], path, interface, "Connect", None, None, Gio.DBusCallFlags.NONE, 60_000)
    assert Gio.DBusError.get_remote_error(caught.value) == "org.pptpmanager1.Error.WrongPassword"


def test_unknown_tunnels_have_names_in_their_errors() -> None:
    lab.configure({"work": lab.ALICE})
    done = lab.call("Connect", "wxrk")
    assert done.returncode == 1
    assert done.stderr.strip() == ("Call failed: there is no tunnel 'wxrk' in /etc/pptp-manager.yaml; there are: work")
    assert lab.systemctl("start", "pptp@wxrk") == 1
    lab.wait_for(lambda: lab.active("wxrk") == "failed", "failed")
    assert "The tunnel is not in the configuration. (in /etc/pptp-manager.yaml: work)" in lab.status("wxrk")


def as_nobody(*command: str) -> int:
    """The exit status of command, run by a plain user."""
    return lab.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command).returncode


def test_anyone_may_look_and_root_alone_may_act() -> None:
    lab.configure({"work": lab.ALICE})
    tunnel = (lab.BUS[0], f"{lab.BUS[1]}/tunnel/work", "org.pptpmanager1.Tunnel")
    assert as_nobody("busctl", "call", *lab.BUS, "ListTunnels") == 0
    assert as_nobody("busctl", "get-property", *tunnel, "State") == 0
    assert as_nobody("busctl", "introspect", *tunnel[:2]) == 0
    assert as_nobody("busctl", "call", *lab.BUS[:2], "org.freedesktop.DBus.ObjectManager", "GetManagedObjects") == 0
    for method in ("Connect", "Disconnect", "Reconnect"):
        assert as_nobody("busctl", "call", *lab.BUS, method, "s", "work") == 1
        assert as_nobody("busctl", "call", *tunnel, method) == 1
    assert as_nobody("busctl", "call", *lab.BUS, "Reload") == 1
    assert as_nobody("busctl", "call", *lab.BUS[:2], "org.pptpmanager1.Unit", "Dial", "sss", "work", "0" * 32, "") == 1
    assert lab.state("work") == "idle"


def test_no_secret_is_on_the_bus_or_in_a_log() -> None:
    canary = "c4n4ry-of-the-lab"
    lab.configure({"work": {**lab.ALICE, "password": canary}})
    lab.systemctl("start", "pptp@work")
    tree = lab.out("busctl", "call", *lab.BUS[:2], "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    assert '"work"' in tree and canary not in tree
    assert canary not in lab.out("journalctl", "--no-pager", "-o", "export")
    lab.wait_for(lambda: lab.active("work") == "failed", "given up", 60)
    assert canary not in lab.out("journalctl", "--no-pager", "-o", "export")
    assert canary not in lab.out(
        "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"
    )
