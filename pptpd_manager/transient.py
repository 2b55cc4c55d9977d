"""Programs run by systemd as services that it forgets when they end: systemd-run(1), over D-Bus. Asynchronous.

The manager is locked into a sandbox and has next to no capabilities, which its children would inherit; systemd's have
a clean start, a time limit, a control group that ends with them, and the journal. A program that has begun goes on
when the manager ends.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gi.repository import Gio, GLib

from pptpd_manager.callback import guarded
from pptpd_manager.labels import SYSTEMD, SYSTEMD_PATH, unit_path
from pptpd_manager.remote import Target, call, message
from pptpd_manager.timers import Timers
from pptpd_manager.units import MANAGER, PROPERTIES, UNIT

_MANAGER = Target(SYSTEMD, SYSTEMD_PATH, MANAGER)
_SERVICE = SYSTEMD + ".Service"
_EXISTS = SYSTEMD + ".UnitExists"
STOP_SECONDS = 2.0  # from SIGTERM to SIGKILL for a program that takes too long
GRACE_SECONDS = 15.0  # for systemd itself
BUSY_SECONDS = 300.0  # for an earlier service of the same name
EXITED, _EXEC = 1, 203  # CLD_EXITED of sigaction(2); EXIT_EXEC of systemd.exec(5)
# What the program itself did; of anything else systemd's word is told.
_ENDINGS = ("success", "exit-code", "signal", "core-dump", "timeout")

Command = Sequence[str]
Done = Callable[[str], None]


class End(NamedTuple):
    """How a command ended that was begun. code: CLD_EXITED or how else; status: exit status, or signal.

    seconds: that it took, infinite when it has not ended.
    """

    code: int
    status: int
    seconds: float


@dataclass(eq=False)
class _Run:
    """Commands that have yet to end.

    fds: that go with the properties. begun: systemd runs them; busy: an earlier service runs; over: done() was called.
    """

    unit: str
    commands: list[Command]
    properties: list[tuple[str, GLib.Variant]]
    seconds: float
    done: Done
    fds: list[int] = field(default_factory=list)
    ended: Callable[[End], None] = lambda _: None
    complaints: list[str] = field(default_factory=list)
    begun: bool = False
    busy: bool = False
    over: bool = False


class Transient:
    """Runs programs as transient services."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        """con: a connection that systemd tells of its units (Subscribe), as Units has it do."""
        self._con = con
        self._timers = Timers()
        self._runs: dict[str, list[_Run]] = {}  # by the path of the unit
        self._listening = False

    def run(
        self,
        unit_name: str,
        description: str,
        commands: Sequence[Command],
        *,
        environment: Mapping[str, str] = {},
        stdin: bytes = b"",
        seconds: float,
        fields: Mapping[str, str] = {},
        output: int | None = None,
        credentials: Sequence[str] = (),
        ended: Callable[[End], None] = lambda _: None,
        done: Done,
    ) -> None:
        """Run the commands one after the other, each whatever came of the one before; done("") or done(what failed).

        unit_name: with ".service"; while an earlier service of that name runs, this one waits for its end. Each
        command has that many seconds, and is killed then, with all that it has started. environment: besides what
        systemd gives every service; stdin: what each reads. fields: of their lines in the journal. output: the file
        that they write to, which stays the caller's and open until done. credentials: of systemd, encrypted, that they
        may read if there are any. ended: told of each command that was begun, before done.
        """
        properties = _properties(unit_name, description, environment, stdin, seconds, fields)
        properties += _handed(output, credentials)
        fds = [] if output is None else [output]
        run = _Run(unit_name, list(commands), properties, seconds, done, fds, ended)
        self._listen()
        self._runs.setdefault(unit_path(unit_name), []).append(run)
        self._start(run)

    def _listen(self) -> None:
        """Hear of units from the first run on: each subscription that is ended costs PyGObject memory for good."""
        if self._listening:
            return
        self._listening = True
        none = Gio.DBusSignalFlags.NONE
        changed, removed = (PROPERTIES, "PropertiesChanged", None, UNIT), (MANAGER, "UnitRemoved", SYSTEMD_PATH, None)
        self._con.signal_subscribe(SYSTEMD, *changed, none, guarded(self._unit_changed))
        self._con.signal_subscribe(SYSTEMD, *removed, none, guarded(self._unit_removed))

    def _unit_changed(
        self, _con: Any, _sender: str, path: str, _interface: str, _signal: str, parameters: GLib.Variant
    ) -> None:
        for run in self._runs.get(path, ())[:]:
            self._changed(run, parameters.unpack()[1])

    def _unit_removed(
        self, _con: Any, _sender: str, _path: str, _interface: str, _signal: str, parameters: GLib.Variant
    ) -> None:
        for run in self._runs.get(parameters.unpack()[1], ())[:]:
            self._removed(run)

    def _start(self, run: _Run) -> None:
        run.begun = run.busy = False
        commands = [(words[0], list(words), ["ignore-failure", "no-env-expand"]) for words in run.commands]
        properties = [*run.properties, ("ExecStartEx", GLib.Variant("a(sasas)", commands))]
        arguments = GLib.Variant("(ssa(sv)a(sa(sv)))", (run.unit, "replace", properties, []))

        def started(_: Any) -> None:
            run.begun = True
            limit = len(run.commands) * (run.seconds + STOP_SECONDS) + GRACE_SECONDS
            self._timers.start(run, limit, lambda: self._end(run, "systemd does not tell how it ended"))

        def refused(error: GLib.Error) -> None:
            if Gio.DBusError.get_remote_error(error) != _EXISTS:
                self._end(run, message(error))
                return
            run.busy = True
            self._timers.start(run, BUSY_SECONDS, lambda: self._end(run, f"{run.unit} is there and does not end"))

        call(self._con, _MANAGER, "StartTransientUnit", arguments, started, refused, fds=run.fds)

    def stop(self, unit_name: str) -> None:
        """Have that service end, if there is one."""
        arguments = GLib.Variant("(ss)", (unit_name, "replace"))
        call(self._con, _MANAGER, "StopUnit", arguments, lambda _: None, lambda _: None)

    def _removed(self, run: _Run) -> None:
        """The earlier one has ended; or systemd reads its units anew, and the next try finds it again."""
        if run.busy:
            self._start(run)

    def _changed(self, run: _Run, properties: dict[str, Any]) -> None:
        """systemd keeps the unit until we have seen how it ended (AddRef): nothing else would tell."""
        over = properties.get("ActiveState") in ("inactive", "failed") and not properties.get("Job", (0, "/"))[0]
        if not (run.begun and over):
            return
        run.begun = False
        call(
            *(self._con, Target(SYSTEMD, unit_path(run.unit), PROPERTIES), "GetAll", GLib.Variant("(s)", (_SERVICE,))),
            lambda reply: self._ended(run, reply[0]),
            lambda error: self._end(run, message(error)),
        )

    def _ended(self, run: _Run, service: dict[str, Any]) -> None:
        if run.over:  # it took systemd too long to say so
            return
        ends = read_ends(service["ExecStart"])
        for end in ends:
            run.ended(end)
        complaints, run.commands = outcome(run.commands, ends, service["Result"], run.seconds)
        run.complaints += complaints
        if service["Result"] == "timeout":
            # After a time-out systemd stops the service, but first begins the next command nevertheless. Should that
            # one take too long as well, it may be left, and the unit with it.
            kill = GLib.Variant("(ssi)", (run.unit, "all", signal.SIGKILL))
            call(self._con, _MANAGER, "KillUnit", kill, lambda _: None, lambda _: None)
        if not run.commands:
            self._end(run)
            return
        self._unref(run)
        self._start(run)

    def _unref(self, run: _Run) -> None:
        unit = GLib.Variant("(s)", (run.unit,))
        call(self._con, _MANAGER, "UnrefUnit", unit, lambda _: None, lambda _: None)  # it was never there

    def _end(self, run: _Run, complaint: str = "") -> None:
        if run.over:
            return
        run.over = True
        self._timers.cancel(run)
        runs = self._runs[path := unit_path(run.unit)]
        runs.remove(run)
        if not runs:
            del self._runs[path]
        self._unref(run)
        run.done("; ".join([*run.complaints, *([complaint] if complaint else [])]))


def read_ends(exec_start: Sequence[Sequence[Any]]) -> list[End]:
    """The ends of the commands that were begun. exec_start: systemd's ExecStart, org.freedesktop.systemd1(5)."""
    found = []
    for *_, begun_us, _, ended_us, _, code, status in exec_start:  # those by the monotonic clock
        if begun_us:
            found.append(End(code, status, (ended_us - begun_us) / 1e6 if ended_us else math.inf))
    return found


def outcome(
    commands: Sequence[Command], ends: Sequence[End], result: str, seconds: float
) -> tuple[list[str], list[Command]]:
    """What is to be said of the commands, and those that have yet to run: after a time-out systemd may leave them.

    ends: of the commands that were begun; result: systemd's Result of the service, org.freedesktop.systemd1(5).
    """
    complaints = []
    for command, end in zip(commands, ends, strict=False):
        if end.seconds >= seconds:
            complaints.append(f"{command[0]} took longer than {seconds:g} s and was killed")
        elif end.code != EXITED:
            complaints.append(f"{command[0]} was killed by signal {end.status}")
        elif end.status == _EXEC:
            complaints.append(f"{command[0]} cannot be run")
        elif end.status:
            complaints.append(f"{command[0]} ended with status {end.status}")
    rest = list(commands[len(ends) :]) if result == "timeout" and ends else []
    if result not in _ENDINGS or len(ends) + len(rest) < len(commands):
        complaints.append(f"systemd could not run all of it ({result})")
    return complaints, rest


def _properties(
    unit: str,
    description: str,
    environment: Mapping[str, str],
    stdin: bytes,
    seconds: float,
    fields: Mapping[str, str],
) -> list[tuple[str, GLib.Variant]]:
    """The service. Source: systemd.service(5), systemd.exec(5)."""
    properties = [
        ("Description", GLib.Variant("s", description)),
        ("Type", GLib.Variant("s", "oneshot")),
        ("TimeoutStartUSec", GLib.Variant("t", round(seconds * 1e6))),
        ("TimeoutStopUSec", GLib.Variant("t", round(STOP_SECONDS * 1e6))),
        ("CollectMode", GLib.Variant("s", "inactive-or-failed")),
        ("AddRef", GLib.Variant("b", True)),
        # A shutdown refuses new services that it would stop, and waits for this kind.
        ("DefaultDependencies", GLib.Variant("b", False)),
        ("Before", GLib.Variant("as", ["shutdown.target"])),
        ("SyslogIdentifier", GLib.Variant("s", unit.removesuffix(".service"))),
        ("Environment", GLib.Variant("as", [f"{name}={value}" for name, value in environment.items()])),
        (
            "LogExtraFields",
            GLib.Variant("aay", [f"{name}={value}".encode() for name, value in fields.items()]),
        ),
    ]
    if stdin:
        properties.append(("StandardInput", GLib.Variant("s", "data")))
        properties.append(("StandardInputData", GLib.Variant("ay", stdin)))
    return properties


def _handed(output: int | None, credentials: Sequence[str]) -> list[tuple[str, GLib.Variant]]:
    """More of the service. The output is the first of the message's file descriptors. Source: systemd.exec(5)."""
    found = []
    if output is not None:
        # systemd compares these two and, where they are alike, has the errors go where the output goes (exec-invoke.c,
        # can_inherit_stderr_from_stdout). Neither says where the output goes: the descriptor does.
        found.append(("StandardOutput", GLib.Variant("s", "null")))
        found.append(("StandardError", GLib.Variant("s", "journal")))
        found.append(("StandardOutputFileDescriptor", GLib.Variant("h", 0)))
    if credentials:  # without a path systemd looks for them in its credential stores; what is not there is left out
        found.append(("LoadCredentialEncrypted", GLib.Variant("a(ss)", [(name, name) for name in credentials])))
    return found
