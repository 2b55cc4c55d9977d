"""Living with NetworkManager and systemd-networkd, the real ones, with udev as on every machine that has them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import commands as lab
import pytest

FULL = {**lab.ALICE, "routes": [], "default-route": True}
FAR = "10.99.0.1"
UNITS = Path("/etc/systemd/system")
UDEV = ("systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket")
NETWORKD = ("systemd-networkd.socket", "systemd-networkd.service")
NM_FILE = Path("/run/NetworkManager/conf.d/lab.conf")
NM_OURS = Path("/etc/NetworkManager/conf.d/pptp-manager.conf")  # in the place of what is shipped
NM_MEMORY = Path("/run/NetworkManager/devices")  # of which links were unmanaged
NETWORKS = Path("/run/systemd/network")
NETWORKD_OURS = Path("/etc/systemd/network/00-pptp-manager.network")
NETWORKD_RULES = Path("/etc/systemd/networkd.conf.d/pptp-manager.conf")
# Of the user: a list of his own, which is to hold beside what we ship.
NM_TEXT = "[main]\nplugins=keyfile\ndns=none\nno-auto-default=*\n[keyfile]\nunmanaged-devices=interface-name:lo\n"
# The uplink has an address without a broadcast address, which networkd would go on correcting for ever.
UPLINK = """\
[Match]
Name=uplink
[Network]
Gateway=192.0.2.1
[Address]
Address=192.0.2.2/24
Broadcast=no
"""
LINKS = Path("/etc/systemd/network/00-lab.link")  # else udev gives the uplink another address, when it first sees it
KEEP_ADDRESS = "[Match]\nOriginalName=*\n[Link]\nMACAddressPolicy=none\n"
CATCH_ALL = "[Match]\nName=*\n[Network]\nDHCP=yes\n"


@contextlib.contextmanager
def unmasked(*units: str) -> Iterator[None]:
    """Have units that the lab keeps masked."""
    for unit in units:
        (UNITS / unit).unlink()
    lab.out("systemctl", "daemon-reload")
    try:
        yield
    finally:
        lab.systemctl("stop", *units)
        for unit in units:
            (UNITS / unit).symlink_to("/dev/null")
        lab.out("systemctl", "daemon-reload")


@pytest.fixture(scope="module")
def udev() -> Iterator[None]:
    """udev, which has seen every interface."""
    LINKS.parent.mkdir(parents=True, exist_ok=True)
    LINKS.write_text(KEEP_ADDRESS)
    with unmasked(*UDEV):
        lab.out("systemctl", "start", "systemd-udevd")
        lab.out("udevadm", "trigger", "--subsystem-match=net", "--action=add")
        lab.out("udevadm", "settle")
        yield
    LINKS.unlink()


@pytest.fixture
def networkmanager(udev: None) -> Iterator[None]:
    """NetworkManager is installed and does not run yet."""
    NM_FILE.parent.mkdir(parents=True, exist_ok=True)
    NM_FILE.write_text(NM_TEXT)
    with unmasked("NetworkManager.service"):
        yield
        lab.systemctl("stop", "pptp@work", "NetworkManager")
    NM_FILE.unlink()
    NM_OURS.unlink(missing_ok=True)


@pytest.fixture
def networkd(udev: None) -> Iterator[None]:
    """systemd-networkd has a file for every link, and does not run yet."""
    NETWORKS.mkdir(parents=True, exist_ok=True)
    (NETWORKS / "50-uplink.network").write_text(UPLINK)
    (NETWORKS / "99-all.network").write_text(CATCH_ALL)
    yield
    lab.systemctl("stop", "pptp@work", *NETWORKD)
    for file in ("50-uplink.network", "99-all.network"):
        (NETWORKS / file).unlink()
    NETWORKD_OURS.unlink(missing_ok=True)
    NETWORKD_RULES.unlink(missing_ok=True)
    # As lab-network made it.
    lab.out("ip", "-4", "address", "flush", "dev", "uplink")
    lab.out("ip", "address", "add", "192.0.2.2/24", "dev", "uplink")
    lab.out("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "uplink")


def up() -> int:
    """Have a tunnel up that everything goes through, and with it a route to the server on the uplink; its pppd."""
    lab.configure({"work": FULL})
    assert lab.systemctl("start", "pptp@work") == 0
    return int(lab.show("work", "MainPID"))


def unharmed() -> bool:
    """Whether the tunnel's address and its routes are there, and the route to its server."""
    address = "10.9.0.100 peer 10.9.0.1/32" in lab.out("ip", "address", "show", "pptp-work")
    through = "dev pptp-work proto pptp" in lab.route_of("default")
    return address and through and "via 192.0.2.1 dev uplink proto pptp" in lab.route_of(lab.SERVER)


def address() -> str:
    """The IPv4 address of the tunnel's interface, "" when it has none."""
    return lab.run("ip", "-4", "-o", "address", "show", "dev", "pptp-work").stdout


def run_nm(verb: str) -> str:
    """Start or restart NetworkManager, and what it then takes the tunnel's link for."""
    lab.out("systemctl", verb, "NetworkManager")
    lab.out("nm-online", "--wait-for-startup", "--quiet")
    found = lab.wait_for(nm_devices, "NetworkManager knows the link")
    assert found["lo"] == "unmanaged", "what the user wants unmanaged is so"
    return found["pptp-work"]


def nm_devices() -> dict[str, str]:
    """What NetworkManager takes each link for; nothing as long as it does not know the tunnel's."""
    lines = lab.run("nmcli", "-t", "-f", "DEVICE,STATE", "device").stdout.splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return found if "pptp-work" in found else {}


def run_networkd(verb: str) -> None:
    """Start or restart systemd-networkd, however often that was done."""
    lab.systemctl("reset-failed", "systemd-networkd")
    lab.out("systemctl", verb, "systemd-networkd")


def networkd_takes_it_for(setup: str) -> bool:
    """Whether that is the tunnel's SETUP in networkctl(1)."""
    fields = lab.run("networkctl", "--no-legend", "--no-pager", "list", "pptp-work").stdout.split()
    return fields[-1:] == [setup]


def test_networkmanager(networkmanager: None) -> None:
    pppd = up()
    with lab.pinging(FAR):
        assert run_nm("start") == "unmanaged"
        assert run_nm("restart") == "unmanaged"
    assert unharmed() and int(lab.show("work", "MainPID")) == pppd
    # One that comes up while it runs: the interface is ppp0 at first.
    assert lab.systemctl("restart", "pptp@work") == 0
    lab.wait_for(lambda: nm_devices().get("pptp-work") == "unmanaged", "the new link is unmanaged")
    assert lab.passes(FAR) and unharmed()
    assert [told["finding"] for told in lab.doctor()[1] if told["check"] == "network-manager"] == [
        "NetworkManager leaves the tunnels alone."
    ]
    # What our file is for. NetworkManager 1.52 of Debian 13 takes the link, too, but does not flush it.
    NM_OURS.touch()
    lab.out("systemctl", "stop", "NetworkManager")
    shutil.rmtree(NM_MEMORY)
    assert run_nm("start") != "unmanaged"
    assert ("network-manager", "problem", "NetworkManager manages pptp-work, a tunnel's interface.") in lab.amiss(
        lab.doctor()[1]
    )
    if 'VERSION_ID="12"' in Path("/etc/os-release").read_text():
        lab.wait_for(lambda: not address(), "the address is taken away")


def test_networkd(networkd: None) -> None:
    pppd = up()
    with lab.pinging(FAR):
        for verb in ("start", "restart"):
            run_networkd(verb)
            lab.wait_for(lambda: networkd_takes_it_for("unmanaged"), "it has seen the link")
            lab.wait_for(unharmed, "all is there")
    assert "proto static" in lab.route_of("default"), "the uplink is managed"
    assert int(lab.show("work", "MainPID")) == pppd
    assert lab.systemctl("restart", "pptp@work") == 0
    lab.wait_for(lambda: networkd_takes_it_for("unmanaged"), "the new link is unmanaged")
    assert lab.passes(FAR) and unharmed()
    assert [told["finding"] for told in lab.doctor()[1] if told["check"] == "networkd"] == [
        "systemd-networkd leaves the tunnels alone."
    ]
    # What our file is for.
    NETWORKD_OURS.symlink_to("/dev/null")
    run_networkd("restart")
    lab.wait_for(lambda: not address(), "the address is taken away")
    assert ("networkd", "problem", "systemd-networkd manages pptp-work, a tunnel's interface.") in lab.amiss(
        lab.doctor()[1]
    )


@contextlib.contextmanager
def taken_away() -> Iterator[Callable[[], list[str]]]:
    """What of ours is removed from the tables meanwhile, as ip-monitor(8) shows it."""
    with tempfile.NamedTemporaryFile("r") as told:
        monitor = subprocess.Popen(["ip", "monitor", "route", "rule"], stdout=told.fileno())

        def lines() -> list[str]:
            return [line for line in Path(told.name).read_text().splitlines() if "Deleted" in line and "pptp" in line]

        def marked() -> bool:
            lab.out("ip", "route", "add", "198.51.100.99", "dev", "uplink")
            lab.out("ip", "route", "delete", "198.51.100.99", "dev", "uplink")
            return "Deleted 198.51.100.99" in Path(told.name).read_text()

        lab.wait_for(marked, "ip monitor to listen")
        try:
            yield lines
        finally:
            monitor.terminate()
            monitor.wait()


def test_networkd_leaves_a_guard_alone(networkd: None) -> None:
    lab.configure({"work": {**FULL, "guard": True}})
    assert lab.systemctl("start", "pptp@work") == 0
    with taken_away() as lines:
        with lab.pinging(FAR):
            for verb in ("start", "restart"):
                run_networkd(verb)
                lab.wait_for(lambda: networkd_takes_it_for("unmanaged"), "it has seen the link")
        assert lines() == []
        # The uplink is without its address for a moment, which may end the tunnel. The guard is not to care.
        lab.out("networkctl", "reconfigure", "uplink")
        lab.wait_for(lambda: "configured" in lab.out("networkctl", "list", "--no-legend", "uplink").split(), "done")
        assert [line for line in lines() if "unreachable" in line or "lookup" in line] == []
    # What our file is for.
    NETWORKD_RULES.parent.mkdir(exist_ok=True)
    NETWORKD_RULES.symlink_to("/dev/null")
    with taken_away() as lines:
        run_networkd("restart")
        lab.wait_for(lambda: any("unreachable" in line for line in lines()), "the guard is taken away")
        lab.wait_for(lambda: lab.out("ip", "rule").count("proto pptp") == 3, "it is back")
