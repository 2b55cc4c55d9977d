"""What errors of D-Bus mean for who called."""

from __future__ import annotations

import pytest
from gi.repository import Gio

from pptpd_manager import errors
from pptpd_manager.ctl.bus import told
from pptpd_manager.ctl.calls import NOT_RUNNING
from pptpd_manager.ctl.exits import Exit

FREEDESKTOP = "org.freedesktop.DBus.Error."
MASKED = "pptp-manager cannot be started (Unit x is masked.); see: systemctl status pptp-manager"
SILENT = "pptp-manager does not answer (x); see: systemctl status pptp-manager"


@pytest.mark.parametrize(
    ("name", "text", "status", "message"),
    [
        (FREEDESKTOP + "ServiceUnknown", "x", Exit.NO_MANAGER, NOT_RUNNING),
        (FREEDESKTOP + "NameHasNoOwner", "x", Exit.NO_MANAGER, NOT_RUNNING),
        (FREEDESKTOP + "NoReply", "x", Exit.NO_MANAGER, SILENT),
        (FREEDESKTOP + "Spawn.ChildExited", "x", Exit.NO_MANAGER, SILENT),
        ("org.freedesktop.systemd1.UnitMasked", "Unit x is masked.", Exit.NO_MANAGER, MASKED),
        (errors.UNKNOWN_TUNNEL, "x", Exit.UNKNOWN_TUNNEL, "x"),
        (errors.of_reason("not-configured"), "x", Exit.UNKNOWN_TUNNEL, "x"),
        (errors.ACCESS_DENIED, "x", Exit.REFUSED, "x"),
        (errors.LIMITS_EXCEEDED, "x", Exit.REFUSED, "x"),
        (errors.TIMED_OUT, "x", Exit.TIMED_OUT, "x"),
        (errors.of_reason("wrong-password"), "x", Exit.DOWN, "x"),
        (errors.BAD_CONFIGURATION, "x", Exit.PROBLEM, "x"),
        (errors.SYSTEMD_REFUSED, "x", Exit.PROBLEM, "x"),
        (FREEDESKTOP + "InvalidArgs", "x", Exit.PROBLEM, "x"),
    ],
)
def test_an_error(name: str, text: str, status: Exit, message: str) -> None:
    found = told(Gio.DBusError.new_for_dbus_error(name, text))
    assert (found.status, str(found)) == (status, message)
