"""What other services say on the bus: systemd of units, NetworkManager and systemd-networkd of our interfaces.

A service that does not run is not started for that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.doctor.manager import Unit
from pptpd_manager.doctor.network import Other
from pptpd_manager.labels import SYSTEMD, SYSTEMD_PATH

PROPERTIES = "org.freedesktop.DBus.Properties"
NETWORK_MANAGER = "org.freedesktop.NetworkManager"
NETWORKD, RESOLVED = "org.freedesktop.network1", "org.freedesktop.resolve1"
PATIENCE_MS = 3000
# Our files for them, and where one of the same name replaces each.
FILES = {
    name: [(Path("/usr/lib", file), Path("/etc", file)) for file in files]
    for name, files in {
        "NetworkManager": ["NetworkManager/conf.d/pptp-manager.conf"],
        "systemd-networkd": [
            "systemd/network/00-pptp-manager.network",
            "systemd/networkd.conf.d/pptp-manager.conf",
        ],
    }.items()
}


class Services:
    """The services of one bus."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        self._con = con

    def _ask(self, service: str, path: str, method: str, signature: str = "()", *values: Any) -> Any:
        """The answer, unpacked. Raises GLib.Error."""
        interface, _, member = method.rpartition(".")
        answer = self._con.call_sync(
            *(service, path, interface, member, GLib.Variant(signature, values), None),
            *(Gio.DBusCallFlags.NO_AUTO_START, PATIENCE_MS, None),
        ).unpack()
        return answer[0] if len(answer) == 1 else answer

    def runs(self, service: str) -> bool:
        """Whether somebody has that name."""
        try:
            bus = "org.freedesktop.DBus"
            return bool(self._ask(bus, "/org/freedesktop/DBus", bus + ".NameHasOwner", "(s)", service))
        except GLib.Error:
            return False

    def unit(self, name: str) -> Unit | None:
        """A unit; None: systemd does not say."""
        try:
            path = self._ask(SYSTEMD, SYSTEMD_PATH, SYSTEMD + ".Manager.LoadUnit", "(s)", name)
            of_unit = self._ask(SYSTEMD, path, PROPERTIES + ".GetAll", "(s)", SYSTEMD + ".Unit")
            of_service = self._ask(SYSTEMD, path, PROPERTIES + ".GetAll", "(s)", SYSTEMD + ".Service")
        except GLib.Error:
            return None
        return Unit(
            name,
            of_unit["LoadState"],
            of_unit["ActiveState"],
            of_service["Result"],
            of_unit["UnitFileState"],
            of_unit["FragmentPath"],
            bool(of_unit["NeedDaemonReload"]),
            int(of_service["CapabilityBoundingSet"]),
            tuple((drop_in, _text(drop_in)) for drop_in in of_unit["DropInPaths"]),
        )

    def others(self, interfaces: list[str]) -> list[Other]:
        """NetworkManager and systemd-networkd, and which of these interfaces they manage."""
        return [
            self._other("NetworkManager", NETWORK_MANAGER, self._by_network_manager, interfaces),
            self._other("systemd-networkd", NETWORKD, self._by_networkd, interfaces),
        ]

    def _other(self, name: str, service: str, managed: Callable[[str], bool], interfaces: list[str]) -> Other:
        running = self.runs(service)
        # The one that is not in force, if there is one.
        ours, theirs = next(((o, t) for o, t in FILES[name] if t.exists() or not o.exists()), FILES[name][0])
        return Other(
            name,
            running,
            str(ours),
            ours.exists(),
            str(theirs) if theirs.exists() else "",
            tuple(interface for interface in interfaces if running and managed(interface)),
        )

    def _by_network_manager(self, interface: str) -> bool:
        try:
            path = self._ask(
                NETWORK_MANAGER,
                "/org/freedesktop/NetworkManager",
                NETWORK_MANAGER + ".GetDeviceByIpIface",
                "(s)",
                interface,
            )
            device = NETWORK_MANAGER + ".Device"
            return bool(self._ask(NETWORK_MANAGER, path, PROPERTIES + ".Get", "(ss)", device, "Managed"))
        except GLib.Error:
            return False

    def _by_networkd(self, interface: str) -> bool:
        try:
            manager = NETWORKD + ".Manager"
            _, path = self._ask(NETWORKD, "/org/freedesktop/network1", manager + ".GetLinkByName", "(s)", interface)
            state = self._ask(NETWORKD, path, PROPERTIES + ".Get", "(ss)", NETWORKD + ".Link", "AdministrativeState")
        except GLib.Error:
            return False
        return bool(state != "unmanaged")


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None
