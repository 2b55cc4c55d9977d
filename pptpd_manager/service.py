"""org.pptpmanager1 on the bus: calls become events, and what the engine does becomes answers, properties, signals."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager import VERSION, errors, events, questions
from pptpd_manager.admission import Admission
from pptpd_manager.authorization import Action, Request
from pptpd_manager.config import interface_name, name_fault
from pptpd_manager.diagnosis import Exit
from pptpd_manager.dns import LinkDns
from pptpd_manager.engine import Engine
from pptpd_manager.errors import DBusError
from pptpd_manager.labels import escape, unescape, unit_name
from pptpd_manager.names import Standing
from pptpd_manager.objects import Call, Exported, Interface, Method, ObjectManager, interfaces
from pptpd_manager.quota import Quota
from pptpd_manager.reasons import Failure, printable
from pptpd_manager.routes import Route
from pptpd_manager.settings import Settings
from pptpd_manager.tally import Tally, counted
from pptpd_manager.timers import Timers
from pptpd_manager.tunnel import State, Tunnel
from pptpd_manager.units import Units
from pptpd_manager.values import show

NAME, PATH = "org.pptpmanager1", "/org/pptpmanager1"
GRACE_SECONDS = 15.0  # what a Connect waits over connect-timeout, for pppd's end and the reason
PID_MAX_LIMIT = 1 << 22  # include/linux/threads.h

_RUN = re.compile(r"[0-9a-f]{32}")
LASTING_MS = 50  # a tunnel's properties are put together no more often than that, however many ask


@dataclass(slots=True)
class _Waiting:
    """The calls about one tunnel that are not answered yet."""

    connects: list[Call] = field(default_factory=list)
    disconnects: list[Call] = field(default_factory=list)
    dials: dict[str, Call] = field(default_factory=dict)  # by run
    readies: dict[str, Call] = field(default_factory=dict)
    ends: dict[str, Call] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether all are answered."""
        return not (self.connects or self.disconnects or self.dials or self.readies or self.ends)


@dataclass(slots=True)
class _Times:
    """When the tunnel's state began and its next attempt will, in microseconds since 1970; and what has been counted.

    bothered: see questions.py; monotonic seconds. tally: what has been counted of its attempts.
    """

    since: int
    next: int = 0
    bothered: float | None = None
    tally: Tally = Tally()


class Service:
    """The objects of the bus. It is the engine's observer."""

    def __init__(
        self,
        con: Gio.DBusConnection,
        engine: Engine,
        units: Units,
        timers: Timers,
        settings: Settings,
        reload: Callable[[], None],
    ) -> None:
        """reload: reads the configuration again, or raises ConfigError. Raises GLib.Error."""
        self._con, self._engine, self._units, self._timers = con, engine, units, timers
        self._settings, self._reload_settings = settings, reload
        self._admission = Admission(con, timers)
        self._quota = Quota(con, self._admission.callers.forget)
        self._waiting: defaultdict[str, _Waiting] = defaultdict(_Waiting)
        self._times: dict[str, _Times] = {}
        self._tunnels: dict[str, Exported] = {}
        self._tunnel_interface = _declared("org.pptpmanager1.Tunnel.xml")["org.pptpmanager1.Tunnel"]
        declared = _declared("org.pptpmanager1.xml")
        self._tunnel_methods = {name: _of_tunnel(method) for name, method in self._wishes().items()}
        self._manager = Exported(
            con,
            PATH,
            declared["org.pptpmanager1.Manager"],
            {
                **self._wishes(),
                "Reload": lambda call: self._admit(call, lambda: self._request(call), self._reload),
                "ListTunnels": self._list,
                "GetTunnel": self._get,
            },
            self._manager_properties,
        )
        self._unit = Exported(
            con,
            PATH,
            declared["org.pptpmanager1.Unit"],
            {"Dial": self._dial, "Ready": self._ready, "Ended": self._ended, "NameServers": self._name_servers},
            dict,
        )
        self._objects = ObjectManager(con, PATH, declared["org.freedesktop.DBus.ObjectManager"])
        engine.observer = self

    # --- the engine's observer ---

    def changed(self, before: Tunnel, after: Tunnel) -> None:
        """Tell the bus what a step changed, and answer who waited for the tunnel to be down."""
        name = after.name
        times = self._times.setdefault(name, _Times(_now()))
        if before.state is not after.state:
            times.since = _now() if after.up_since is None else _now() - self._age(after)
        if after.not_before != before.not_before:
            times.next = _now() + round((after.not_before - self._engine.clock()) * 1e6)
        times.bothered = questions.bothered(before, after, times.bothered, self._engine.clock())
        times.tally = counted(times.tally, before, after)
        exported = self._tunnels.get(name)
        if after.config and not exported:
            exported = self._tunnels[name] = Exported(
                self._con,
                _object(name),
                self._tunnel_interface,
                self._tunnel_methods,
                lambda: self._properties(name),
                LASTING_MS,
            )
            self._objects.add(exported)
        elif exported:
            exported.changed()
            if before.state is not after.state:
                why = after.failure if after.failure is not before.failure or after.state is State.FAILED else None
                exported.emit(
                    "StateChanged", "(sss)", after.state.value, before.state.value, why.reason.name if why else ""
                )
        if before.queued and not after.queued:
            for call in self._waiting[name].connects:
                self._limit(call, after)
        if after.state is State.IDLE:
            self._answer(self._waiting[name].disconnects)
        elif before.run != after.run and not after.leaving and not after.ended:  # nor one that a stop has caught
            error = DBusError(errors.SUPERSEDED, f"tunnel '{name}' has been started again before it was down")
            self._fail(self._waiting[name].disconnects, error)
        if name in self._waiting and self._waiting[name].over:
            del self._waiting[name]

    def vanished(self, name: str) -> None:
        """Take the tunnel off the bus."""
        if exported := self._tunnels.pop(name, None):
            self._objects.remove(exported)
        self._times.pop(name, None)
        self._answer(self._waiting[name].disconnects)
        if self._waiting[name].over:
            del self._waiting[name]

    def verdict(self, tunnel: str, run: str, verdict: events.Verdict) -> None:
        """Answer the run's Dial."""
        match verdict:
            case events.Dial():
                text = f"dial {verdict.text}"
            case events.Wait():
                text = f"wait {verdict.text}"
            case events.GiveUp():
                text = f"exit {verdict.status} {verdict.text}"
        self._answer(self._waiting[tunnel].dials, run, text)

    def ready(self, tunnel: str, run: str, well: bool, text: str) -> None:
        """Answer the run's Ready."""
        self._answer(self._waiting[tunnel].readies, run, f"{'up' if well else 'down'} {text}")

    def ended(self, tunnel: str, run: str) -> None:
        """Answer the run's Ended."""
        self._answer(self._waiting[tunnel].ends, run)

    def told(self, tunnel: str, failure: Failure | None) -> None:
        """Answer those who wait for the tunnel to be up."""
        if failure is None:
            return self._answer(self._waiting[tunnel].connects)
        known = self._engine.tunnels.get(tunnel)
        text = known.explain(failure) if known else failure.sentence
        error = DBusError(errors.of_reason(failure.reason.name), f"tunnel '{tunnel}': {text}")
        self._fail(self._waiting[tunnel].connects, error)

    def refused(self, tunnel: str, text: str) -> None:
        """systemd refused to start or stop the unit."""
        error = DBusError(errors.SYSTEMD_REFUSED, f"tunnel '{tunnel}': systemd refuses: {text}")
        self._fail(self._waiting[tunnel].connects, error)
        self._fail(self._waiting[tunnel].disconnects, error)

    def _answer(self, calls: list[Call] | dict[str, Call], run: str = "", *values: str) -> None:
        """Answer all calls of a list, or that of the run."""
        if isinstance(calls, dict):
            if (call := calls.pop(run, None)) is not None:
                call.reply(*values)
            return
        waiting, calls[:] = calls[:], []
        for call in waiting:
            call.reply()

    def _fail(self, calls: list[Call], error: DBusError) -> None:
        waiting, calls[:] = calls[:], []
        for call in waiting:
            call.fail(error)

    def _wait(self, call: Call, calls: list[Call]) -> None:
        """Have the call in that list until it ends. When its caller leaves, what it has set going goes on."""

        def ended() -> None:
            self._timers.cancel(call)
            if call in calls:
                calls.remove(call)

        calls.append(call)
        call.when_ended(ended)

    # --- who may do what ---

    def _admit(self, call: Call, request: Callable[[], Request], method: Method) -> None:
        """Run method(call), now or later, for one who may do that; it and the answer may be waited for."""
        self._quota.check(call, len(self._settings.config.tunnels))
        self._admission.admit(call, request, method)
        self._quota.wait(call)

    def _admitted(self, action: Action, method: Method, *, anew: bool = False) -> Method:
        """method, of a tunnel, for those who may. anew: it ends what is under way."""

        def asked(call: Call, name: str) -> None:
            self._admit(call, lambda: self._request(call, action, name, anew=anew), lambda call: method(call, name))

        return asked

    def _request(self, call: Call, action: Action = Action.RELOAD, name: str = "", *, anew: bool = False) -> Request:
        """What the call asks for, as things are now. Raises DBusError."""
        stopping = action is Action.DISCONNECT and name in self._engine.tunnels
        if action is not Action.RELOAD and not stopping:
            self._known(name)
        config = self._settings.config.tunnels.get(name)
        users, groups = (config.users, config.groups) if config else ((), ())
        pause = self._pause(name, anew=anew) if action is Action.CONNECT else 0.0
        return Request(action, name, users, groups, call.interactive, pause)

    def _pause(self, name: str, *, anew: bool) -> float:
        """The seconds before others than root may connect the tunnel, and have its password asked for."""
        times = self._times.get(name)
        if times is None:
            return 0.0
        return questions.pause(self._engine.tunnels[name], times.bothered, self._engine.clock(), anew=anew)

    # --- org.pptpmanager1.Manager, and the same methods of org.pptpmanager1.Tunnel ---

    def _wishes(self) -> dict[str, Method]:
        """The methods that both have."""
        return {
            "Connect": self._admitted(Action.CONNECT, self._connect),
            "Disconnect": self._admitted(Action.DISCONNECT, self._disconnect),
            "Reconnect": self._admitted(Action.CONNECT, self._reconnect, anew=True),
        }

    def _connect(self, call: Call, name: str) -> None:
        self._wait_for_up(call, name, events.ConnectAsked())

    def _reconnect(self, call: Call, name: str) -> None:
        self._wait_for_up(call, name, events.ReconnectAsked())

    def _wait_for_up(self, call: Call, name: str, event: events.Event) -> None:
        tunnel = self._known(name)
        self._wait(call, self._waiting[name].connects)
        self._limit(call, tunnel)
        self._engine.feed(name, event)

    def _limit(self, call: Call, tunnel: Tunnel) -> None:
        """Have the call wait for as long as an attempt may take, from now on."""
        turns = max(1, len(tunnel.candidates), len(tunnel.config.servers) if tunnel.config else 0)
        limit = turns * (tunnel.config.connect_timeout if tunnel.config else 0) + GRACE_SECONDS
        limit += events.PROMPT_SECONDS if tunnel.config and tunnel.config.ask_password else 0
        self._timers.start(call, limit, lambda: self._give_up_on(call, tunnel.name))

    def _give_up_on(self, call: Call, name: str) -> None:
        """A call that nothing answered; the tunnel may be waiting for the network or a stop was faster."""
        known = self._engine.tunnels.get(name)
        if known and (known.queued or (known.state is State.IDLE and self._engine.busy)):
            return self._limit(call, known)  # its turn has not come; of an idle one it is systemd that has not begun
        if known and known.state is State.UP:
            return call.reply()  # systemd, or what the unit's start waits for, is behind
        state = known.state.value if known else "unknown"
        text = f"tunnel '{name}' is not up yet, it is {state}; see: systemctl status {unit_name(name)}"
        call.fail(DBusError(errors.TIMED_OUT, text))

    def _disconnect(self, call: Call, name: str) -> None:
        if name not in self._engine.tunnels:
            self._known(name)
        idle = self._engine.tunnels[name].state is State.IDLE
        if not idle:
            self._wait(call, self._waiting[name].disconnects)
        self._engine.feed(name, events.DisconnectAsked())
        if idle:
            call.reply()

    def _reload(self, call: Call) -> None:
        self._reload_settings()
        self._manager.changed()
        if self._settings.problems:
            raise DBusError(errors.BAD_CONFIGURATION, "\n".join(self._settings.problems))
        call.reply()

    def _list(self, call: Call) -> None:
        call.reply(
            [
                (name, _object(name), self._engine.tunnels[name].state.value)
                for name in self._settings.config.tunnels
                if name in self._engine.tunnels
            ]
        )

    def _get(self, call: Call, name: str) -> None:
        self._known(name)
        call.reply(_object(name))

    def _known(self, name: str) -> Tunnel:
        """The configured tunnel of that name. Raises DBusError."""
        tunnel = self._engine.tunnels.get(name)
        if tunnel and tunnel.config:
            return tunnel
        if self._settings.problems:
            raise DBusError(
                errors.BAD_CONFIGURATION, "the configuration has errors:\n" + "\n".join(self._settings.problems)
            )
        there = ", ".join(self._settings.config.tunnels) or "none"
        raise DBusError(
            errors.UNKNOWN_TUNNEL, f"there is no tunnel {show(name)} in {self._settings.path}; there are: {there}"
        )

    def _manager_properties(self) -> dict[str, Any]:
        return {
            "Version": VERSION,
            "ConfigurationFile": self._settings.path,
            "ConfigurationProblems": list(self._settings.problems),
            "NeedReload": lambda: self._settings.outdated,
        }

    def configuration_changed(self) -> None:
        """Tell of the problems of a configuration that was read again."""
        self._manager.changed()

    # --- org.pptpmanager1.Unit ---

    def _dial(self, call: Call, name: str, run: str, pid: int, seen: str) -> None:
        _check(run)
        if pid > PID_MAX_LIMIT:
            raise DBusError(errors.INVALID_ARGS, f"{pid} is no process number")
        if fault := name_fault(name):
            return call.reply(f"exit {events.CONFIG} No tunnel can have that name: {printable(fault)}.")
        self._replace(self._waiting[name].dials, call, run)
        self._quota.wait(call, lambda: self._asker_left(call, name, run))
        self._engine.feed(name, events.DialAsked(run, seen, pid))

    def _ready(self, call: Call, name: str, run: str) -> None:
        _check(run)
        if fault := name_fault(name):
            return call.reply(f"down {printable(fault)}")
        self._replace(self._waiting[name].readies, call, run)
        self._engine.feed(name, events.ReadyAsked(run))

    def _ended(self, call: Call, name: str, run: str, code: str, status: str) -> None:
        _check(run)
        if name_fault(name):
            return call.reply()
        self._replace(self._waiting[name].ends, call, run)

        def known(unit: Any) -> None:
            asked = unit is not None and unit.job in ("stop", "restart")
            self._engine.feed(name, events.RunEnded(run, Exit(code, status), asked))

        self._units.state(name, known)

    def _name_servers(self, call: Call, name: str, run: str, servers: list[str]) -> None:
        self._engine.names.heard(name, run, servers)
        call.reply()

    def _replace(self, calls: dict[str, Call], call: Call, run: str) -> None:
        """Note the call; one of the same run that was there before has lost its caller."""
        if earlier := calls.pop(run, None):
            earlier.fail(DBusError(errors.UNKNOWN_RUN, "asked again"))
        calls[run] = call

    def _asker_left(self, call: Call, name: str, run: str) -> None:
        """The asker has left the bus: systemd has stopped it."""
        if self._waiting[name].dials.get(run) is call:
            del self._waiting[name].dials[run]
            self._engine.feed(name, events.AskerLeft(run))

    # --- properties ---

    def _age(self, tunnel: Tunnel) -> int:
        """Microseconds that the tunnel has been up."""
        return round((self._engine.clock() - (tunnel.up_since or 0.0)) * 1e6)

    def _properties(self, name: str) -> dict[str, Any]:
        t = self._engine.tunnels[name]
        up = t.state is State.UP and t.link is not None
        pausing = t.state is State.WAITING and t.not_before > self._engine.clock()
        times = self._times.setdefault(name, _Times(_now()))
        mine = [
            str(route.prefix)
            for route in self._engine.installed
            if t.link and up and isinstance(route, Route) and route.interface == t.link.index
        ]
        return {
            "Name": name,
            "Unit": unit_name(name),
            "Server": t.config.server if t.config else "",
            "ServerAddress": str(t.address or ""),
            "State": t.state.value,
            "Interface": interface_name(name),
            "LocalAddress": str(t.link.local or "") if t.link and up else "",
            "PeerAddress": str(t.link.peer or "") if t.link and up else "",
            "Mtu": t.link.mtu if t.link and up else 0,
            "Encrypted": up and t.encrypts,
            "Since": times.since,
            "Routes": sorted(mine),
            "Dns": _dns(self._engine.names.standing(name)),
            "LastError": self._last_error(t),
            "NextAttempt": times.next if pausing else 0,
            "NextAttemptMonotonic": round(t.not_before * 1e6) if pausing else 0,
            "NeedsPassword": t.prompting,
            "Attempts": times.tally.attempts,
            "Connects": times.tally.connects,
            "Reconnects": times.tally.reconnects,
            "ConnectTime": round(times.tally.connect_seconds * 1e6),
            "ReceivedBytes": lambda: _counter(name, "rx_bytes"),
            "SentBytes": lambda: _counter(name, "tx_bytes"),
        }

    def _last_error(self, t: Tunnel) -> tuple[str, str, str, int]:
        if not t.failure:
            return "", "", "", 0
        return t.failure.reason.name, t.failure.sentence, t.advice(t.failure), self._engine.failed_at(t.name)


def _dns(standing: Standing) -> dict[str, GLib.Variant]:
    """The property Dns."""
    if not (standing.dns or standing.problem):
        return {}
    dns = standing.dns or LinkDns(())
    return {
        "Servers": GLib.Variant("as", list(map(str, dns.servers))),
        "Search": GLib.Variant("as", dns.search),
        "Domains": GLib.Variant("as", dns.domains),
        "DefaultRoute": GLib.Variant("b", dns.default_route),
        "Through": GLib.Variant("s", standing.through),
        "Problem": GLib.Variant("s", standing.problem),
    }


def _declared(file: str) -> dict[str, Interface]:
    """The interfaces in a file of dbus/, by name."""
    return interfaces(Path(__file__).with_name("dbus").joinpath(file).read_text())


def _check(run: str) -> None:
    """Raises DBusError when run is no invocation id: it becomes a word for pppd and for journalctl."""
    if not _RUN.fullmatch(run):
        raise DBusError(errors.INVALID_ARGS, f"{show(run)} is no invocation id of systemd's")


def _object(tunnel: str) -> str:
    return f"{PATH}/tunnel/{escape(tunnel)}"


def _of_tunnel(method: Method) -> Method:
    """The manager's method of a tunnel as that of the tunnel's object: one function for a hundred of them."""
    return lambda call: method(call, unescape(call.invocation.get_object_path().rpartition("/")[2]))


def _now() -> int:
    return time.time_ns() // 1000


def _counter(tunnel: str, counter: str) -> int:
    """A counter of the tunnel's interface, 0 while there is none. Source: sysfs-class-net-statistics."""
    try:
        with open(f"/sys/class/net/{interface_name(tunnel)}/statistics/{counter}") as file:
            return int(file.read())
    except OSError:
        return 0
