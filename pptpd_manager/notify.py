"""What systemd is told of the manager itself: sd_notify(3)."""

from __future__ import annotations

import os

import sdnotify
from gi.repository import GLib

from pptpd_manager.callback import guarded


class Notify:
    """READY, RELOADING, STATUS, STOPPING and the watchdog. Does nothing when systemd did not start us."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        self._status = ""
        # Not for the children: journalctl is no part of the watchdog.
        self._watchdog_ms = int(os.environ.pop("WATCHDOG_USEC", "0")) // 2000

    def ready(self) -> None:
        """Started, or reloaded; from now on the watchdog hears from the loop."""
        self._notifier.notify("READY=1")
        if self._watchdog_ms:
            GLib.timeout_add(self._watchdog_ms, guarded(self._alive))
            self._watchdog_ms = 0

    def reloading(self) -> None:
        """Reading the configuration; ready() ends it."""
        self._notifier.notify("RELOADING=1")

    def stopping(self) -> None:
        """On the way out."""
        self._notifier.notify("STOPPING=1")

    def status(self, text: str) -> None:
        """Show text in systemctl status. ASCII only: sdnotify sends latin-1 and swallows what does not fit."""
        if text != self._status:
            self._status = text
            self._notifier.notify(f"STATUS={text}")

    def _alive(self) -> bool:
        self._notifier.notify("WATCHDOG=1")
        return bool(GLib.SOURCE_CONTINUE)
