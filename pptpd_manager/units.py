"""The tunnels' units, pptp@NAME.service, over D-Bus: org.freedesktop.systemd1(5). Asynchronous."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager import journal
from pptpd_manager.callback import guarded
from pptpd_manager.events import GIVEN_UP
from pptpd_manager.labels import SYSTEMD, SYSTEMD_PATH, unescape, unit_name, unit_path
from pptpd_manager.remote import Target, call, message

log = logging.getLogger(__name__)

MANAGER, UNIT = SYSTEMD + ".Manager", SYSTEMD + ".Unit"
PROPERTIES = "org.freedesktop.DBus.Properties"
_NAME = re.compile(r"pptp@([A-Za-z0-9_-]+)\.service$")
_PREFIX = SYSTEMD_PATH + "/unit/pptp_40"  # "pptp@" as systemd writes it in object paths
_EXITED = 1  # CLD_EXITED of sigaction(2)
# RestartPreventExitStatus= of the unit: what we give up with, and EXIT_EXEC and EXIT_NAMESPACE, of systemd itself.
FINAL = (*GIVEN_UP, 203, 226)

# Calls of systemd's that are not answered yet. The bus lets us have 128 of all services' (max_replies_per_connection
# in dbus-daemon(1)), and refuses the others: a hundred tunnels that stop at once would be more.
AT_ONCE = 32

Error = Callable[[str], None]
Pids = list[int]


@dataclass(frozen=True, slots=True)
class UnitState:
    """systemd's words on a unit. run: its invocation id in hexadecimal, "" before its first start.

    active_since: ActiveEnterTimestampMonotonic in seconds; job: the type of its pending job, "" if there is none.
    given_up: of one that has failed, the exit status that says so; "" if it was stopped while an attempt failed.
    shutdown: of one without a job, whether the machine is going down. abandoned: its start goes on without its main
    process, which systemd waits with for ExecStartPost=.
    """

    active: str
    sub: str
    run: str = ""
    active_since: float = 0.0
    job: str = ""
    given_up: str = ""
    shutdown: bool = False
    abandoned: bool = False

    @property
    def starts(self) -> bool:
        """Whether it is down and systemd is about to start it."""
        return self.active in ("inactive", "failed") and self.job in ("start", "restart")

    @property
    def stops(self) -> bool:
        """Whether it runs and systemd is about to stop it."""
        return self.active in ("activating", "active", "reloading") and self.job in ("stop", "restart")


class Units:
    """on_change(tunnel, state): called for each change of a tunnel's unit that systemd tells of."""

    def __init__(self, con: Gio.DBusConnection, on_change: Callable[[str, UnitState], None]) -> None:
        self._con, self._on_change = con, on_change
        self._line: deque[Callable[[], None]] = deque()  # calls to be made, in order
        self._under_way = 0
        self._last_job: dict[str, tuple[str, object]] = {}  # by tunnel: of its orders in line, method and which it is
        self._asking: dict[str, list[Callable[[UnitState | None], None]]] = {}  # by tunnel, whose state is asked for
        self._outdated: set[str] = set()  # of these, where the answer that is on its way does not count
        self._watch = con.signal_subscribe(
            SYSTEMD, PROPERTIES, "PropertiesChanged", None, UNIT, Gio.DBusSignalFlags.NONE, guarded(self._changed)
        )
        self._call(
            SYSTEMD_PATH,
            MANAGER,
            "Subscribe",
            None,
            lambda _: None,
            lambda text: log.warning("systemd does not tell of its units: %s", text),
        )

    def close(self) -> None:
        """Stop listening."""
        self._con.signal_unsubscribe(self._watch)

    def start(self, tunnel: str, accepted: Callable[[], None], failed: Error) -> None:
        """Start the unit. accepted(): systemd has the order; failed(text): it refuses."""
        self._job("StartUnit", tunnel, accepted, failed)

    def stop(self, tunnel: str, accepted: Callable[[], None], failed: Error) -> None:
        """Stop the unit; a failed one becomes inactive; as start."""

        def stopped() -> None:
            self.reset(tunnel, accepted)

        self._job("StopUnit", tunnel, stopped, failed)

    def reset(self, tunnel: str, done: Callable[[], None]) -> None:
        """Have a failed unit be inactive; another one is left as it is."""
        unit = GLib.Variant("(s)", (unit_name(tunnel),))
        # One that is not loaded any more has nothing to reset.
        self._call(SYSTEMD_PATH, MANAGER, "ResetFailedUnit", unit, lambda _: done(), lambda _: done())

    def restart(self, tunnel: str, accepted: Callable[[], None], failed: Error) -> None:
        """Restart the unit; as start."""
        self._job("RestartUnit", tunnel, accepted, failed)

    def next_job(self, tunnel: str) -> str:
        """The method of the last order to start, stop or restart the unit, if systemd is still to be called; or ""."""
        return self._last_job.get(tunnel, ("", None))[0]

    def kill(self, tunnel: str, run: str, *, hard: bool) -> None:
        """Send SIGTERM to the main process of that run, or with hard SIGKILL to all of its processes.

        By the run's invocation id, which systemd takes in place of the unit's name (manager_load_unit_from_dbus_path
        in systemd's dbus.c): on a busy machine the next run may have begun before systemd comes to this.
        """
        who, signal = ("all", 9) if hard else ("main", 15)
        self._call(
            f"{SYSTEMD_PATH}/unit/{run}",
            UNIT,
            "Kill",
            GLib.Variant("(si)", (who, signal)),
            lambda _: None,
            lambda text: log.info("tunnel %s: nothing to kill: %s", tunnel, text, extra=_fields(tunnel)),
        )

    def processes(self, tunnel: str, then: Callable[[Pids], None]) -> None:
        """then(pids): of the unit's processes; [] when systemd does not say."""
        self._call(
            SYSTEMD_PATH,
            MANAGER,
            "GetUnitProcesses",
            GLib.Variant("(s)", (unit_name(tunnel),)),
            lambda reply: then([pid for _cgroup, pid, _command in reply[0]]),
            lambda _: then([]),
        )

    def list(self, then: Callable[[list[str]], None], failed: Error) -> None:
        """then(names): the tunnels whose units systemd has loaded."""

        def listed(reply: Any) -> None:
            then([match[1] for unit in reply[0] if (match := _NAME.match(unit[0]))])

        self._call(
            SYSTEMD_PATH,
            MANAGER,
            "ListUnitsByPatterns",
            GLib.Variant("(asas)", ([], ["pptp@*.service"])),
            listed,
            failed,
        )

    def state(self, tunnel: str, then: Callable[[UnitState | None], None]) -> None:
        """then(state): of the tunnel's unit; None when systemd does not say. Who asked before hears it then, too."""
        if tunnel in self._asking:
            self._asking[tunnel].append(then)
            self.outdate(tunnel)
        else:
            self._asking[tunnel] = [then]
            self._ask(tunnel)

    def outdate(self, tunnel: str) -> None:
        """Have an answer about its state that is on its way not count."""
        if tunnel in self._asking:
            self._outdated.add(tunnel)

    def _ask(self, tunnel: str) -> None:
        """Read the state; again when it has changed meanwhile, since answers take one or two calls.

        Not at once: a restart is a dozen changes, and asking after each would delay it.
        """

        def untold(text: str) -> None:
            if not self._asked_again(tunnel):
                unit = unit_name(tunnel)
                log.warning("systemd does not tell the state of %s: %s", unit, text, extra=_fields(tunnel))
                self._tell(tunnel, None)

        path, facts = unit_path(unit_name(tunnel)), dict[str, Any]()
        self._get(SYSTEMD_PATH, MANAGER, "SystemState", facts, lambda: None)  # these are answered first
        self._get(path, SYSTEMD + ".Service", "MainPID", facts, lambda: None)
        self._read(path, UNIT, lambda properties: self._got(tunnel, properties, facts), untold)

    def _got(self, tunnel: str, properties: dict[str, Any], facts: dict[str, Any]) -> None:
        """The answer about a unit; of one with a job, or that has failed, another one is needed."""
        if self._asked_again(tunnel):
            return

        def complete(job: str = "") -> None:
            if not self._asked_again(tunnel):
                self._tell(tunnel, _state(properties, facts, job))

        number, job = properties.get("Job", (0, "/"))
        if number:  # a job that is gone meanwhile has changed the unit
            self._read(job, SYSTEMD + ".Job", lambda job: complete(job["JobType"]), lambda _: self._ask(tunnel))
        elif properties["ActiveState"] == "failed":
            path = unit_path(unit_name(tunnel))
            self._get(path, SYSTEMD + ".Service", "ExecMainCode", facts, lambda: None)
            self._get(path, SYSTEMD + ".Service", "ExecMainStatus", facts, complete)
        else:
            complete()

    def _asked_again(self, tunnel: str) -> bool:
        """Ask again if the unit has changed since; whether it has."""
        if tunnel not in self._outdated:
            return False
        self._outdated.discard(tunnel)
        self._ask(tunnel)
        return True

    def _tell(self, tunnel: str, state: UnitState | None) -> None:
        for then in self._asking.pop(tunnel):
            guarded(then)(state)

    def _get(self, path: str, interface: str, name: str, into: dict[str, Any], then: Callable[[], None]) -> None:
        """Put a property of systemd's, if it has that, into into; then()."""

        def got(reply: Any) -> None:
            into[name] = reply[0]
            then()

        self._call(path, PROPERTIES, "Get", GLib.Variant("(ss)", (interface, name)), got, lambda _: then())

    def _read(self, path: str, interface: str, then: Callable[[dict[str, Any]], None], failed: Error) -> None:
        """then(all properties of an interface of systemd's)."""
        arguments = GLib.Variant("(s)", (interface,))
        self._call(path, PROPERTIES, "GetAll", arguments, lambda reply: then(reply[0]), failed)

    def _job(self, method: str, tunnel: str, accepted: Callable[[], None], failed: Error) -> None:
        arguments = GLib.Variant("(ss)", (unit_name(tunnel), "replace"))
        mine = self._last_job[tunnel] = method, object()

        def sent() -> None:
            if self._last_job.get(tunnel) is mine:
                del self._last_job[tunnel]

        self._call(SYSTEMD_PATH, MANAGER, method, arguments, lambda _: accepted(), failed, sent)
        self.outdate(tunnel)  # what it was before must not be taken for what comes of this

    def _changed(
        self, _con: Any, _sender: str, path: str, _interface: str, _signal: str, parameters: GLib.Variant
    ) -> None:
        if path.startswith(_PREFIX) and (match := _NAME.match(unescape(path.rpartition("/")[2]))):
            properties = parameters.unpack()[1]
            self.outdate(match[1])
            if "ActiveState" in properties:
                self._on_change(match[1], _state(properties))

    def _call(
        self,
        path: str,
        interface: str,
        method: str,
        arguments: GLib.Variant | None,
        then: Callable[[Any], None],
        failed: Error,
        sent: Callable[[], None] = lambda: None,
    ) -> None:
        """Call a method, in its turn. sent(): called when that has come."""

        def answered(reply: Any) -> None:
            self._under_way -= 1
            self._send()
            then(reply)

        def refused(error: GLib.Error) -> None:
            self._under_way -= 1
            self._send()
            failed(message(error))

        target = Target(SYSTEMD, path, interface)

        def send() -> None:
            sent()
            call(self._con, target, method, arguments, answered, refused)

        self._line.append(send)
        self._send()

    def _send(self) -> None:
        """Make the calls that may be made now."""
        while self._line and self._under_way < AT_ONCE:
            self._under_way += 1
            self._line.popleft()()


def _state(unit: dict[str, Any], facts: Mapping[str, Any] = MappingProxyType({}), job: str = "") -> UnitState:
    """From the unit's properties, and others. Source: org.freedesktop.systemd1(5)."""
    run = bytes(unit.get("InvocationID", [])).hex()
    since = unit.get("ActiveEnterTimestampMonotonic", 0) / 1e6
    status, exited = facts.get("ExecMainStatus"), facts.get("ExecMainCode") == _EXITED
    given_up = str(status) if exited and status in FINAL else ""
    abandoned = unit["SubState"] == "start-post" and facts.get("MainPID") == 0
    shutdown = facts.get("SystemState") == "stopping"  # shutdown.target is there, or is to be
    return UnitState(unit["ActiveState"], unit["SubState"], run, since, job, given_up, shutdown, abandoned)


def _fields(tunnel: str) -> dict[str, dict[str, str]]:
    """The journal's fields of that tunnel."""
    return journal.of_tunnel(tunnel, unit_name(tunnel))
