"""The manager comes and goes; the tunnels stay."""

from __future__ import annotations

import time

import commands as lab
import pytest


def up(**changes: object) -> int:
    """Have a tunnel up; pppd's process."""
    lab.configure({"work": {**lab.ALICE, **changes}})
    assert lab.systemctl("start", "pptp@work") == 0
    return int(lab.show("work", "MainPID"))


def new_manager(old: int) -> None:
    """Wait until another manager than old has taken over."""
    lab.wait_for(lambda: lab.manager_pid() not in (0, old) and lab.state("work") == "up", "the next manager", 60)


@pytest.mark.parametrize("order", ["restart", "kill", "stop and start"])
def test_no_ping_is_lost(order: str) -> None:
    pppd, manager, since = up(), lab.manager_pid(), lab.get("work", "Since")
    table = lab.routes()
    with lab.pinging():
        if order == "restart":
            assert lab.systemctl("restart", "pptp-manager") == 0
        elif order == "kill":
            lab.out("kill", "-KILL", str(manager))
        else:
            assert lab.systemctl("stop", "pptp-manager") == 0
            assert lab.active("work") == "active"
            assert lab.systemctl("start", "pptp-manager") == 0
        new_manager(manager)
    assert int(lab.show("work", "MainPID")) == pppd and lab.routes() == table
    assert abs(lab.get("work", "Since") - since) < 2_000_000
    # And it is a manager: the next drop is redialled.
    run = lab.show("work", "InvocationID")
    lab.out("kill", *map(str, lab.server_sessions()))
    lab.wait_for(lambda: lab.show("work", "InvocationID") != run and lab.active("work") == "active", "redialled", 60)
    assert lab.passes()


def test_a_tunnel_is_stopped_without_a_manager_and_the_next_one_cleans_up(untouched: str) -> None:
    up(routes=[], **{"default-route": True})
    manager = lab.manager_pid()
    lab.systemctl("mask", "--runtime", "pptp-manager")
    try:
        lab.out("kill", "-KILL", str(manager))
        lab.wait_for(lambda: lab.manager_pid() == 0, "no manager")
        assert lab.systemctl("stop", "pptp@work") == 0
        # "failed" when pptp's call manager missed its SIGTERM and was killed; the next manager mends that, too.
        assert lab.active("work") in ("inactive", "failed") and not lab.clients()
        assert lab.route_of(lab.SERVER), "nobody could remove the route to the server"
    finally:
        lab.systemctl("unmask", "--runtime", "pptp-manager")
    lab.systemctl("reset-failed", "pptp-manager")
    assert lab.systemctl("start", "pptp-manager") == 0
    assert lab.state("work") == "idle" and lab.routes() == untouched
    lab.wait_for(lambda: lab.active("work") == "inactive", "it counts as stopped")
    assert not (lab.OPTIONS / "work.options").exists()


def test_killed_while_a_tunnel_dials_it_goes_on() -> None:
    lab.configure({"work": {**lab.ALICE, "connect-timeout": 60}})
    with lab.drop(lab.GRE):
        lab.systemctl("start", "--no-block", "pptp@work")
        lab.wait_for(lambda: "pppd" in lab.clients(), "pppd dials")
        pppd, manager = lab.show("work", "MainPID"), lab.manager_pid()  # not its children: they begin as pppd, too
        lab.out("kill", "-KILL", str(manager))
        lab.wait_for(
            lambda: lab.manager_pid() not in (0, manager) and lab.state("work") == "connecting", "the next", 60
        )
        assert lab.show("work", "MainPID") == pppd, "its dial is not disturbed"
    lab.wait_for(lambda: lab.active("work") == "active", "up", 60)
    assert lab.passes()


def test_killed_while_a_tunnel_waits_it_goes_on() -> None:
    lab.configure({"work": lab.ALICE})
    lab.systemctl("stop", "lab-pptpd@main")
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: "to accept connections" in lab.shown("work"), "it waits for the server", 60)
    lab.out("kill", "-KILL", str(lab.manager_pid()))
    lab.systemctl("start", "lab-pptpd@main")
    lab.wait_for(lambda: lab.active("work") == "active", "up", 60)
    assert lab.passes()


def test_a_broken_file_at_a_restart_loses_nothing() -> None:
    pppd, manager = up(), lab.manager_pid()
    lab.CONFIGURATION.write_text("tunnels: [")
    with lab.pinging():
        assert lab.systemctl("restart", "pptp-manager") == 0
        new_manager(manager)
    assert int(lab.show("work", "MainPID")) == pppd
    status = lab.out("systemctl", "status", "--no-pager", "--full", "pptp-manager")
    assert "1 up; the file has errors (1) and is not in force" in status, status
    lab.out("kill", *map(str, lab.server_sessions()))
    time.sleep(1)
    lab.wait_for(lambda: lab.active("work") == "active" and lab.passes(), "redialled as the last good file says", 60)


def test_without_a_manager_that_can_be_started_a_start_fails_and_says_so() -> None:
    lab.configure({"work": lab.ALICE})
    since = time.time()
    assert lab.systemctl("stop", "pptp-manager") == 0
    lab.systemctl("mask", "--runtime", "pptp-manager")
    try:
        assert lab.systemctl("start", "pptp@work") == 1
        assert "pptp-manager does not answer" in lab.journal("work", since)
    finally:
        lab.systemctl("unmask", "--runtime", "pptp-manager")
    lab.wait_for(lambda: lab.active("work") == "active", "the manager is there again, and so is the tunnel", 60)
    assert lab.passes()


def test_it_is_started_by_a_call_alone() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("stop", "pptp-manager") == 0
    assert lab.call("ListTunnels").stdout.strip() == 'a(sos) 1 "work" "/org/pptpmanager1/tunnel/work" "idle"'
    assert lab.run("systemctl", "is-active", "pptp-manager").stdout.strip() == "active"


def test_the_watchdog_is_fed() -> None:
    lab.configure({})
    assert lab.out("systemctl", "show", "--value", "-p", "WatchdogUSec", "pptp-manager").strip() == "30s"
    told = "WatchdogTimestampMonotonic"
    first = int(lab.out("systemctl", "show", "--value", "-p", told, "pptp-manager"))
    lab.wait_for(
        lambda: int(lab.out("systemctl", "show", "--value", "-p", told, "pptp-manager")) > first, "a sign of life", 20
    )


def test_an_upgrade_loses_nothing() -> None:
    pppd, manager = up(), lab.manager_pid()
    with lab.pinging():
        lab.out("make", "-C", "/lab/src", "install", timeout=120)
        new_manager(manager)
    assert int(lab.show("work", "MainPID")) == pppd


def test_the_units_are_well_formed() -> None:
    done = lab.run("systemd-analyze", "verify", "pptp-manager.service", "pptp@work.service")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_uninstall_leaves_nothing_but_the_configuration() -> None:
    lab.configure({"work": lab.ALICE, "home": {**lab.ALICE, "password": "wrong", "guard": True}})
    assert lab.systemctl("start", "pptp@work") == 0
    assert lab.systemctl("start", "pptp@home") != 0 and "unreachable" in lab.out("ip", "rule")
    lab.out("systemctl", "enable", "pptp@work")
    lab.out("make", "-C", "/lab/src", "uninstall", timeout=120)
    assert not lab.clients()
    assert "unreachable" not in lab.out("ip", "rule")
    places = ("/etc", "/usr", "/run", "/var")
    names = ("*pptp-manager*", "*pptpmanager*", "pptp@*", "pptp-unit", "pptpd_manager")
    found = lab.out("find", *places, *" -o ".join(f"-name {name}" for name in names).split()).splitlines()
    others = ("/run/systemd/", "/var/cache/man/")  # man's copies of the pages that somebody has read
    found = [path for path in found if not path.startswith(others)]
    assert found == ["/etc/pptp-manager.yaml"]
    lab.out("make", "-C", "/lab/src", "install", timeout=120)
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0 and lab.passes()
