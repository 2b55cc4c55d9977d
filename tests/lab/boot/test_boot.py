"""What an enabled tunnel does at boot. Each test has a boot of its own, prepared by tests/lab/scenarios.py."""

from __future__ import annotations

import time

import commands as lab


def reached(target: str) -> bool:
    """Whether the target has been reached."""
    return lab.run("systemctl", "is-active", target).stdout.strip() == "active"


def nothing_waits_for_the_tunnel() -> None:
    """No target is ordered behind the tunnel or the manager."""
    for target in ("multi-user.target", "graphical.target", "basic.target", "network.target"):
        order = lab.out("systemctl", "show", "--value", "-p", "After", target).split()
        assert not [unit for unit in order if unit.startswith("pptp")], order


def entered(unit: str) -> int:
    """When the unit became active, in microseconds of this boot; 0: it has not."""
    return int(lab.out("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", unit))


def test_well() -> None:
    """All is there: the tunnel is up without anybody doing anything."""
    nothing_waits_for_the_tunnel()
    lab.wait_for(lambda: lab.active("work") == "active", "up by itself", 60)
    assert lab.passes() and "dev pptp-work" in lab.out("ip", "route", "get", lab.INSIDE)
    assert 0 < entered("multi-user.target") < entered("pptp@work")
    assert 0 < entered("pptp-guard") < entered("lab-network"), "the guard is there before the network"
    assert "192.168.10.0/24 unreachable" in lab.out("ip", "rule")
    assert lab.run("systemctl", "is-system-running", "--wait").stdout.strip() == "running"


def test_late_network() -> None:
    """The network comes long after the boot: so does the tunnel."""
    nothing_waits_for_the_tunnel()
    lab.wait_for(lambda: reached("multi-user.target"), "multi-user.target")
    assert lab.active("work") == "activating"
    # The start job ends at connect-timeout, so the boot does; the tunnel goes on waiting.
    assert lab.run("systemctl", "is-system-running", "--wait", timeout=120).stdout.strip() in ("running", "degraded")
    lab.wait_for(lambda: "Waiting for the network" in lab.shown("work"), "it says what it waits for")
    assert not lab.clients()
    time.sleep(max(0.0, 30 - time.monotonic()))
    begun = time.monotonic()
    lab.out("ip", "address", "add", "192.0.2.2/24", "dev", "uplink")
    lab.out("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "uplink")
    lab.wait_for(lambda: lab.active("work") == "active", "up with the network", 60)
    print(f"up {time.monotonic() - begun:.1f} s after the network, {begun:.0f} s after the boot began")
    assert lab.passes()


def test_server_away() -> None:
    """The server is away at boot and comes later."""
    nothing_waits_for_the_tunnel()
    lab.wait_for(lambda: reached("multi-user.target"), "multi-user.target")
    assert lab.run("systemctl", "is-system-running", "--wait", timeout=120).stdout.strip() in ("running", "degraded")
    text = "Last: The server refuses connections to TCP port 1723."
    lab.wait_for(lambda: text in lab.status("work"), "it says what is wrong", 60)
    lab.out("systemctl", "start", "lab-pptpd@nomppe")  # any other server is no help
    assert lab.active("work") == "activating"
    lab.out("rm", "/etc/systemd/system/lab-pptpd@main.service.d/away.conf")
    lab.out("systemctl", "daemon-reload")
    lab.out("systemctl", "start", "lab-pptpd@main")
    lab.wait_for(lambda: lab.active("work") == "active", "up with the server", 60)
    assert lab.passes()


def test_reboot_stops_it_well() -> None:
    """What the shutdown would do: the tunnels stop before the manager, and well."""
    lab.wait_for(lambda: lab.active("work") == "active", "up by itself", 60)
    assert "pptp-manager.service" in lab.out("systemctl", "show", "--value", "-p", "After", lab.unit("work"))
    assert "shutdown.target" in lab.out("systemctl", "show", "--value", "-p", "Before", lab.unit("work"))
    assert "shutdown.target" in lab.out("systemctl", "show", "--value", "-p", "Conflicts", lab.unit("work"))
