"""The manager: wires the modules, runs the loop, ends with an exit status."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections import Counter
from typing import Any

import pydbus
from gi.repository import GLib

from pptpd_manager import journal, service
from pptpd_manager.callback import guarded
from pptpd_manager.callouts import Callouts
from pptpd_manager.engine import Edges, Engine
from pptpd_manager.events import Configured
from pptpd_manager.failures import Failures
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.logind import Logind
from pptpd_manager.names import Names
from pptpd_manager.netlink import Netlink
from pptpd_manager.nft import Nft
from pptpd_manager.notify import Notify
from pptpd_manager.optionfile import OptionFiles
from pptpd_manager.passwords import Passwords
from pptpd_manager.processes import Processes
from pptpd_manager.processors import Processors
from pptpd_manager.remote import own
from pptpd_manager.settings import Settings
from pptpd_manager.timers import Timers
from pptpd_manager.transient import Transient
from pptpd_manager.tunnel import State
from pptpd_manager.units import Units, UnitState

log = logging.getLogger(__name__)

EX_OK, EX_UNAVAILABLE = 0, 69
LOOK_AGAIN_SECONDS = 1.0  # at a unit whose state systemd did not tell
LAST_WORD_MS = 1000  # for systemd, when we are told to end


def run(path: str, runtime: str, level: int) -> int:
    """Run until SIGTERM; the exit status. path: the configuration; runtime: the directory of the option files."""
    journal.set_up(level)
    os.makedirs(runtime, mode=0o700, exist_ok=True)
    try:
        return _Daemon(path, runtime).run()
    except GLib.Error as error:
        log.error("no system bus: %s", error.message)
        return EX_UNAVAILABLE


class _Daemon:
    def __init__(self, path: str, runtime: str) -> None:
        self._loop = GLib.MainLoop()
        self._status = EX_OK
        self._notify = Notify()
        self._con = pydbus.SystemBus().con
        self._con.set_exit_on_close(False)
        self._con.connect("closed", self._bus_lost)
        self._timers = timers = Timers()
        files = KeptFiles(timers)
        self._settings = Settings(path, os.path.join(runtime, "accepted.yaml"), files)
        self._settings.load()
        if self._settings.problems:
            self._settings.recover()
        self._units = Units(self._con, self._unit_changed)
        self._netlink = Netlink(self._links_changed, self._routes_changed)
        self._nft = Nft(runtime, timers, self._clamped)
        transient = Transient(self._con)
        edges = Edges(
            units=self._units,
            netlink=self._netlink,
            files=OptionFiles(runtime),
            passwords=Passwords(transient, files, runtime),
            timers=timers,
            processes=Processes(timers),
            processors=Processors(),
            readings=journal.Readings(timers),
            nft=self._nft,
            names=Names(self._con, transient, files, runtime),
            callouts=Callouts(transient, files, runtime),
            failures=Failures(files, runtime),
            clock=time.monotonic,
        )
        self._engine = Engine(edges)
        self._logind = Logind(self._con, self._engine.sleep_changed)
        self._engine.on_rest = self._logind.release
        self._service = service.Service(self._con, self._engine, self._units, timers, self._settings, self._reload)
        self._unknown: set[str] = set()  # the tunnels whose units systemd has not told the state of yet
        self._listed = False

    def run(self) -> int:
        signal.signal(signal.SIGTERM, lambda *_: GLib.idle_add(guarded(self._terminate)))
        signal.signal(signal.SIGINT, lambda *_: self._stop())
        signal.signal(signal.SIGHUP, lambda *_: GLib.idle_add(guarded(self._hung_up)))
        for name, config in self._settings.config.tunnels.items():
            self._engine.feed(name, Configured(config))
        self._engine.set_absent(self._settings.absent)
        self._units.list(self._adopt, self._no_systemd)
        self._loop.run()
        self._notify.stopping()
        return self._status

    def _adopt(self, names: list[str]) -> None:
        """Take over what runs, then serve."""
        self._unknown = set(names)
        for name in names:
            self._units.state(name, lambda unit, name=name: self._adopt_one(name, unit))  # type: ignore[misc]
        if not names:
            self._serve()

    def _adopt_one(self, name: str, unit: UnitState | None) -> None:
        if unit is None:
            return self._no_systemd(f"not on the state of tunnel {name}")  # systemd starts us again
        self._unknown.discard(name)
        self._listed = True  # what systemd tells from here on is news to us
        self._engine.adopt(name, unit)
        if not self._unknown:
            self._serve()

    def _no_systemd(self, text: str) -> None:
        log.error("systemd does not answer: %s", text)
        self._stop(EX_UNAVAILABLE)

    def _serve(self) -> None:
        if not own(self._con, service.NAME):
            log.error("%s is taken: another manager runs", service.NAME)
            self._stop(EX_UNAVAILABLE)
            return
        self._engine.clean()
        self._listed = True
        if not self._settings.problems:  # what is not in the file any more is to stop
            self._engine.configure(self._settings.config, self._settings.absent)
        gc.collect()
        gc.freeze()  # what is there now stays: not to be looked through again while packets wait for routes
        self._notify.ready()
        self._tell()
        log.info(
            "serving the tunnels of %s: %s", self._settings.path, ", ".join(self._settings.config.tunnels) or "none"
        )

    def _reload(self) -> None:
        """Read the configuration again; what is wrong with it is in the settings."""
        self._notify.reloading()
        self._settings.load()
        if not self._settings.problems:
            self._engine.configure(self._settings.config, self._settings.absent)
            self._nft.again()
            log.info(
                "read %s again: %s", self._settings.path, ", ".join(self._settings.config.tunnels) or "no tunnels"
            )
        else:
            self._engine.set_absent(self._settings.absent)
        self._notify.ready()
        self._tell()

    def _hung_up(self) -> bool:
        self._reload()
        self._service.configuration_changed()
        return bool(GLib.SOURCE_REMOVE)

    def _unit_changed(self, name: str, unit: UnitState) -> None:
        """Hand on what systemd tells of a unit.

        An automatic restart shows "failed" and "inactive" for a moment on its way (service.c, service_enter_dead), so
        these are asked again: they are true when there is no job that starts the unit. So is "active" of one that is
        to end, since a unit that anything happens to, a new status say, tells its state before its job begins.
        """
        runs = unit.active in ("activating", "active")
        if unit.active in ("inactive", "failed") or (runs and self._engine.is_leaving(name)):
            self._look_at(name)
        else:
            self._unit_is(name, unit)

    def _look_at(self, name: str) -> None:
        """Ask systemd how the unit is, until it tells: nothing else may ever say that the unit is down."""

        def told(unit: UnitState | None) -> None:
            if unit:
                self._unit_is(name, unit)
            else:
                self._timers.start(("unit", name), LOOK_AGAIN_SECONDS, lambda: self._look_at(name))

        self._units.state(name, told)

    def _unit_is(self, name: str, unit: UnitState) -> None:
        if self._listed and name not in self._unknown:
            self._engine.unit_changed(name, unit)
            self._tell()

    def _links_changed(self) -> None:
        self._engine.links_changed()
        self._tell()

    def _clamped(self, fault: str) -> None:
        self._engine.clamped(fault)

    def _routes_changed(self, beyond: bool) -> None:
        self._engine.routes_changed(beyond=beyond)

    def _tell(self) -> None:
        """Show in systemctl status how the tunnels are."""
        counts = Counter(tunnel.state for tunnel in self._engine.tunnels.values() if tunnel.config or not tunnel.ended)
        text = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state]) or "no tunnels"
        problems = len(self._settings.problems)
        self._notify.status(text + (f"; the file has errors ({problems}) and is not in force" if problems else ""))

    def _bus_lost(self, _con: Any, _vanished: bool, error: GLib.Error | None) -> None:
        """Without the bus there is no systemd to talk to; the tunnels stay, and the next manager takes them over."""
        log.error("the system bus is lost: %s", error.message if error else "closed")
        self._stop(EX_UNAVAILABLE)

    def _terminate(self) -> bool:
        """End, but first hear of tunnels that were stopped a moment ago: their guards are to go, too."""
        waiting = set(self._engine.awaited()) if self._listed else set()

        def heard(name: str, unit: UnitState | None) -> None:
            if unit:
                self._unit_is(name, unit)
            waiting.discard(name)
            if not waiting:
                self._stop()

        for name in list(waiting):
            self._units.state(name, lambda unit, name=name: heard(name, unit))  # type: ignore[misc]
        GLib.timeout_add(LAST_WORD_MS if waiting else 0, guarded(self._stop))
        return bool(GLib.SOURCE_REMOVE)

    def _stop(self, status: int = EX_OK) -> None:
        self._status = status
        self._loop.quit()
