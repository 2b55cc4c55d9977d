"""A stand-in for systemd on the bus: the part of org.freedesktop.systemd1(5) that units.py and transient.py use.

Run as a process: fake_systemd.py ADDRESS. It starts and stops nothing: a unit that is told to start is "activating",
with an invocation id and a job, until the test says what became of it, over org.test.Systemd.
"""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, replace
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.errors import DBusError
from pptpd_manager.objects import Call, Exported, Method, interfaces

from .standin import serve

NAME, ROOT = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
MANAGER, UNIT, JOB, SERVICE = NAME + ".Manager", NAME + ".Unit", NAME + ".Job", NAME + ".Service"
CONTROL, CONTROL_PATH = "org.test.Systemd", "/test"

XML = f"""
<node>
  <interface name="{MANAGER}">
    <method name="Subscribe"/>
    <method name="ListUnitsByPatterns">
      <arg type="as" direction="in"/><arg type="as" direction="in"/>
      <arg type="a(ssssssouso)" direction="out"/>
    </method>
    <method name="StartUnit">
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="o" direction="out"/>
    </method>
    <method name="StopUnit">
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="o" direction="out"/>
    </method>
    <method name="RestartUnit">
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="o" direction="out"/>
    </method>
    <method name="KillUnit">
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="i" direction="in"/>
    </method>
    <method name="GetUnitFileState">
      <arg type="s" direction="in"/><arg type="s" direction="out"/>
    </method>
    <method name="EnableUnitFiles">
      <arg type="as" direction="in"/><arg type="b" direction="in"/><arg type="b" direction="in"/>
      <arg type="b" direction="out"/><arg type="a(sss)" direction="out"/>
    </method>
    <method name="DisableUnitFiles">
      <arg type="as" direction="in"/><arg type="b" direction="in"/><arg type="a(sss)" direction="out"/>
    </method>
    <method name="Reload"/>
    <method name="ResetFailedUnit"><arg type="s" direction="in"/></method>
    <method name="StartTransientUnit">
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="a(sv)" direction="in"/>
      <arg type="a(sa(sv))" direction="in"/><arg type="o" direction="out"/>
    </method>
    <method name="UnrefUnit"><arg type="s" direction="in"/></method>
    <signal name="UnitRemoved"><arg type="s"/><arg type="o"/></signal>
    <property name="SystemState" type="s" access="read"/>
  </interface>
  <interface name="{UNIT}">
    <method name="Kill"><arg type="s" direction="in"/><arg type="i" direction="in"/></method>
    <property name="ActiveState" type="s" access="read"/>
    <property name="SubState" type="s" access="read"/>
    <property name="InvocationID" type="ay" access="read"/>
    <property name="Job" type="(uo)" access="read"/>
    <property name="ActiveEnterTimestampMonotonic" type="t" access="read"/>
  </interface>
  <interface name="{SERVICE}">
    <property name="ExecMainCode" type="i" access="read"/>
    <property name="ExecMainStatus" type="i" access="read"/>
    <property name="MainPID" type="u" access="read"/>
    <property name="Result" type="s" access="read"/>
    <property name="ExecStart" type="a(sasbttttuii)" access="read"/>
  </interface>
  <interface name="{JOB}"><property name="JobType" type="s" access="read"/></interface>
  <interface name="{CONTROL}">
    <!-- Set: the unit of that tunnel is now in that state; without a job. new_run: with a new invocation id. -->
    <method name="Set">
      <arg name="tunnel" type="s" direction="in"/>
      <arg name="active" type="s" direction="in"/>
      <arg name="sub" type="s" direction="in"/>
      <arg name="new_run" type="b" direction="in"/>
      <arg name="run" type="s" direction="out"/>
    </method>
    <!-- Enqueue: a job that starts the unit of that tunnel waits, and the unit is inactive. -->
    <method name="Enqueue"><arg name="tunnel" type="s" direction="in"/></method>
    <!-- Ended: the main process of the unit of that tunnel has ended so: SIGCHLD's code, and status or signal. -->
    <method name="Ended">
      <arg name="tunnel" type="s" direction="in"/>
      <arg name="code" type="i" direction="in"/><arg name="status" type="i" direction="in"/>
    </method>
    <!-- Behave: how a method of Manager is answered. "well", "hold" (at Release), "queue" (the job is
         told of after the reply, and does not begin) or "fail" (with NoSuchUnit). StartTransientUnit also "ends":
         well, and at once. PropertiesChanged, the signal: "hold" for good. Also what the property SystemState
         is. -->
    <method name="Behave">
      <arg name="method" type="s" direction="in"/><arg name="how" type="s" direction="in"/>
    </method>
    <method name="Release"/>
    <!-- Finish: the transient service has ended with that Result; of each command that was begun its code, status,
         and how many seconds it took. -->
    <method name="Finish">
      <arg name="unit" type="s" direction="in"/>
      <arg name="result" type="s" direction="in"/>
      <arg name="ends" type="a(iit)" direction="in"/>
    </method>
    <!-- Print: write text to the output that the transient service was given. -->
    <method name="Print"><arg name="unit" type="s" direction="in"/><arg name="text" type="ay" direction="in"/></method>
    <!-- Remove: tell that the unit is unloaded, as for all units when systemd reads them anew. -->
    <method name="Remove"><arg name="unit" type="s" direction="in"/></method>
    <!-- Called: a method of Manager was called; or a unit's Kill, with the unit's name before its arguments. -->
    <signal name="Called"><arg name="method" type="s"/><arg name="arguments" type="as"/></signal>
  </interface>
</node>
"""


@dataclass
class Service:
    """A transient service. holder: who keeps it loaded after its end (AddRef). output: a file descriptor, or -1."""

    commands: list[tuple[str, list[str]]]
    holder: str
    output: int = -1
    result: str = "success"
    ends: tuple[tuple[int, int, int], ...] = ()

    def properties(self) -> dict[str, Any]:
        ends = [(1, 1, 1, 1 + took * 1_000_000, 7, code, status) for code, status, took in self.ends]
        ends += [(0, 0, 0, 0, 0, 0, 0)] * len(self.commands)
        commands = [(*command, True, *end) for command, end in zip(self.commands, ends, strict=False)]
        return {"Result": self.result, "ExecStart": commands, "ExecMainCode": 0, "ExecMainStatus": 0, "MainPID": 0}


GIVEN_UP = 1, 77  # CLD_EXITED, EX_NOPERM


@dataclass(frozen=True)
class State:
    """A unit's properties."""

    active: str = "inactive"
    sub: str = "dead"
    run: str = ""
    since: int = 0
    job: tuple[int, str] = (0, "/")


class Systemd:
    """The units that were ever spoken of, and how calls are to be answered."""

    def __init__(self, con: Gio.DBusConnection) -> None:
        self.con = con
        self.units: dict[str, State] = {}
        self.objects: dict[str, Exported] = {}
        self.runs: dict[str, Exported] = {}
        self.services: dict[str, tuple[Service, Exported]] = {}
        self.enabled: set[str] = set()
        self.jobs: dict[str, Exported] = {}
        self.behaviour: dict[str, str] = {}
        self.ends: dict[str, tuple[int, int]] = {}
        self.held: list[tuple[Call, str, tuple[Any, ...]]] = []
        self.interfaces = interfaces(XML)
        entries = {name: self.entry(name) for name in self.interfaces[MANAGER].methods}
        self.manager = Exported(con, ROOT, self.interfaces[MANAGER], entries, self.state)
        control: dict[str, Method] = {
            "Set": self.set,
            "Enqueue": self.enqueue,
            "Ended": self.ended,
            "Behave": self.behave,
            "Release": self.release,
            "Finish": self.finish,
            "Print": self.print,
            "Remove": self.remove,
        }
        self.control = Exported(con, CONTROL_PATH, self.interfaces[CONTROL], control, dict)

    def state(self) -> dict[str, Any]:
        return {"SystemState": self.behaviour.get("SystemState", "running")}

    # --- the test's side ---

    def set(self, call: Call, tunnel: str, active: str, sub: str, new_run: bool) -> None:
        unit = f"pptp@{tunnel}.service"
        run = uuid.uuid4().hex if new_run else self.units.get(unit, State()).run
        since = round(time.monotonic() * 1e6) if active == "active" else 0
        self.become(unit, State(active, sub, run, since))
        call.reply(run)

    def enqueue(self, call: Call, tunnel: str) -> None:
        self.become(f"pptp@{tunnel}.service", State(job=self.new_job("start")))
        call.reply()

    def ended(self, call: Call, tunnel: str, code: int, status: int) -> None:
        self.ends[f"pptp@{tunnel}.service"] = code, status
        call.reply()

    def behave(self, call: Call, method: str, how: str) -> None:
        self.behaviour[method] = how
        call.reply()

    def release(self, call: Call) -> None:
        held, self.held = self.held, []
        for late, method, arguments in held:
            self.answer(late, method, arguments)
        call.reply()

    def finish(self, call: Call, unit: str, result: str, ends: list[tuple[int, int, int]]) -> None:
        self.end(unit, result, ends)
        call.reply()

    def end(self, unit: str, result: str, ends: list[tuple[int, int, int]]) -> None:
        """Have a transient service end."""
        service, _ = self.services[unit]
        service.result, service.ends = result, tuple(ends)
        active, sub = ("inactive", "dead") if result == "success" else ("failed", "failed")
        self.become(unit, replace(self.units[unit], active=active, sub=sub))
        bus, arguments = "org.freedesktop.DBus", GLib.Variant("(s)", (service.holder,))
        words = (bus, "/org/freedesktop/DBus", bus, "NameHasOwner", arguments, None)
        if not self.con.call_sync(*words, Gio.DBusCallFlags.NONE, -1, None).unpack()[0]:
            self.forget(unit)

    def print(self, call: Call, unit: str, text: list[int]) -> None:
        os.write(self.services[unit][0].output, bytes(text))
        call.reply()

    def remove(self, call: Call, unit: str) -> None:
        self.manager.emit("UnitRemoved", "(so)", unit, unit_path(unit))
        call.reply()

    # --- the manager's side ---

    def entry(self, method: str) -> Any:
        def called(call: Call, *arguments: Any) -> None:
            match self.behaviour.get(method, "well"):
                case "hold":
                    self.held.append((call, method, arguments))
                case "fail":
                    call.fail(DBusError(NAME + ".NoSuchUnit", f"Unit {arguments[0]} not found."))
                case _:
                    self.answer(call, method, arguments)
            self.control.emit("Called", "(sas)", method, [str(argument) for argument in arguments])

        return called

    def answer(self, call: Call, method: str, arguments: tuple[Any, ...]) -> None:
        match method:
            case "Subscribe" | "KillUnit" | "Reload":
                call.reply()
            case "EnableUnitFiles" | "DisableUnitFiles":
                self.install(call, method, arguments[0])
            case "GetUnitFileState":
                call.reply("enabled" if arguments[0] in self.enabled else "disabled")
            case "ListUnitsByPatterns":
                units = self.units.items()
                call.reply([(n, "", "loaded", s.active, s.sub, "", unit_path(n), 0, "", "/") for n, s in units])
            case "ResetFailedUnit":
                unit = self.units.get(arguments[0], State())
                if unit.active == "failed":
                    self.become(arguments[0], replace(unit, active="inactive", sub="dead"))
                call.reply()
            case "StartTransientUnit":
                self.start_transient(call, arguments[0], arguments[2])
            case "UnrefUnit":
                if arguments[0] in self.services and self.units[arguments[0]].active in ("inactive", "failed"):
                    self.forget(arguments[0])
                call.reply()
            case "StopUnit" if not arguments[0].startswith("pptp@"):
                if arguments[0] not in self.services:
                    call.fail(DBusError(NAME + ".NoSuchUnit", f"Unit {arguments[0]} not loaded."))
                    return
                call.reply(self.new_job("stop")[1])
                self.end(arguments[0], "signal", [(2, 15, 0)])
            case _ if self.behaviour.get(method) == "queue":  # anything that happens to the unit shows the job
                number, path = self.new_job(method.removesuffix("Unit").lower())
                call.reply(path)
                self.become(arguments[0], replace(self.units[arguments[0]], job=(number, path)))
            case _:
                call.reply(self.job(arguments[0], method.removesuffix("Unit").lower()))

    def install(self, call: Call, method: str, units: list[str]) -> None:
        """Change no file, but say which links would be."""
        enable = method == "EnableUnitFiles"
        changed = [unit for unit in units if (unit in self.enabled) != enable]
        self.enabled = self.enabled | set(units) if enable else self.enabled - set(units)
        kind, target = ("symlink", "/usr/lib/systemd/system/pptp@.service") if enable else ("unlink", "")
        changes = [(kind, f"/etc/systemd/system/multi-user.target.wants/{unit}", target) for unit in changed]
        call.reply(*([True] if enable else []), changes)

    def job(self, unit: str, kind: str) -> str:
        """Enqueue a job, with the unit's state as it is when systemd has begun to run it."""
        now = self.units.get(unit, State())
        number, path = self.new_job(kind)
        runs = now.active not in ("inactive", "failed")
        if kind == "start" or (kind == "restart" and not runs):
            if not runs:
                now = State("activating", "start", uuid.uuid4().hex)
            self.become(unit, replace(now, job=(number, path)))
        elif runs:
            self.become(unit, replace(now, active="deactivating", sub="stop-sigterm", job=(number, path)))
        elif unit not in self.units:
            self.become(unit, now)  # loaded by being named
        return path

    def new_job(self, kind: str) -> tuple[int, str]:
        number = len(self.jobs) + 1
        path = f"{ROOT}/job/{number}"
        self.jobs[path] = Exported(self.con, path, self.interfaces[JOB], {}, lambda: {"JobType": kind})
        return number, path

    def start_transient(self, call: Call, unit: str, properties: list[tuple[str, Any]]) -> None:
        """Have a service that runs until the test says how it ended."""
        if unit in self.units:
            text = f"Unit {unit} was already loaded or has a fragment file."
            call.fail(DBusError(NAME + ".UnitExists", text))
            return
        commands = [tuple(entry[:2]) for entry in dict(properties)["ExecStartEx"]]
        handed = call.invocation.get_message().get_unix_fd_list()
        service = Service(commands, call.sender, handed.get(0) if handed else -1)
        exported = Exported(self.con, unit_path(unit), self.interfaces[SERVICE], {}, service.properties)
        self.services[unit] = service, exported
        self.become(unit, State())  # as systemd does: it tells of the unit before the job runs
        call.reply(f"{ROOT}/job/1")
        self.become(unit, State("activating", "start", uuid.uuid4().hex))
        if self.behaviour.get("StartTransientUnit") == "ends":
            GLib.idle_add(self.end, unit, "success", [(1, 0, 0)] * len(service.commands))

    def forget(self, unit: str) -> None:
        """Unload a transient service."""
        service, exported = self.services.pop(unit)
        exported.close()
        if service.output >= 0:
            os.close(service.output)
        self.objects.pop(unit).close()
        self.runs.pop(self.units.pop(unit).run).close()
        self.manager.emit("UnitRemoved", "(so)", unit, unit_path(unit))

    def become(self, unit: str, state: State) -> None:
        """Tell all of the properties, as systemd does."""
        before, self.units[unit] = self.units.get(unit, State()), state
        path = unit_path(unit)
        if state.run != before.run:
            if before.run:
                self.runs.pop(before.run).close()
            if state.run:
                self.runs[state.run] = self.exported(unit, f"{ROOT}/unit/{state.run}")
        if unit not in self.objects:
            self.objects[unit] = self.exported(unit, path)
            if unit.startswith("pptp@"):
                Exported(self.con, path, self.interfaces[SERVICE], {}, lambda: self.main(unit))
        if self.behaviour.get("PropertiesChanged") == "hold":
            return
        parameters = GLib.Variant("(sa{sv}as)", (UNIT, self.objects[unit].values(), []))
        self.con.emit_signal(None, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", parameters)

    def exported(self, unit: str, path: str) -> Exported:
        """A unit, which is there by its name and by its invocation id."""

        def kill(call: Call, who: str, signal: int) -> None:
            call.reply()
            self.control.emit("Called", "(sas)", "Kill", [unit, who, str(signal)])

        return Exported(self.con, path, self.interfaces[UNIT], {"Kill": kill}, lambda: self.properties(unit))

    def main(self, unit: str) -> dict[str, Any]:
        """How the main process of a tunnel's unit has ended."""
        code, status = self.ends.get(unit, GIVEN_UP)
        pid = 0 if unit in self.ends else 1
        return {"Result": "", "ExecStart": [], "ExecMainCode": code, "ExecMainStatus": status, "MainPID": pid}

    def properties(self, unit: str) -> dict[str, Any]:
        state = self.units[unit]
        return {
            "ActiveState": state.active,
            "SubState": state.sub,
            "InvocationID": bytes.fromhex(state.run),
            "Job": state.job,
            "ActiveEnterTimestampMonotonic": state.since,
        }


def unit_path(unit: str) -> str:
    """The object of a unit, whose name has no digits and nothing unusual."""
    escaped = unit.replace("@", "_40").replace("-", "_2d").replace(".", "_2e")
    return f"{ROOT}/unit/{escaped}"


def main(address: str) -> None:
    """Serve until the bus goes."""
    serve(address, NAME, Systemd)
