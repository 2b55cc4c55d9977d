"""The tunnels, and the events that move them: event -> machine.step -> routes -> actions -> observers.

The only mutable state there is. Every callback of the I/O modules ends here as an event; events are taken one at a
time, to the end, so an action that causes an event never re-enters a step.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Protocol

from gi.repository import GLib

from pptpd_manager import events, journal, planner, pppd, reasons
from pptpd_manager.bounds import Bounds
from pptpd_manager.callouts import Callouts
from pptpd_manager.config import Config, TunnelConfig, interface_name
from pptpd_manager.conntrack import untracked
from pptpd_manager.departures import LOOK_SECONDS, Departures
from pptpd_manager.diagnosis import Exit
from pptpd_manager.events import Action, Event, Moment
from pptpd_manager.failures import Failures
from pptpd_manager.knock import Knocks
from pptpd_manager.labels import unit_name
from pptpd_manager.machine import DIALLED, step
from pptpd_manager.names import Names
from pptpd_manager.netlink import Netlink
from pptpd_manager.nft import Nft
from pptpd_manager.optionfile import OptionFiles
from pptpd_manager.passwords import Passwords
from pptpd_manager.paths import Paths
from pptpd_manager.planner import Planner, Want
from pptpd_manager.processes import Processes
from pptpd_manager.processors import Processors
from pptpd_manager.reasons import Failure
from pptpd_manager.resolver import resolve
from pptpd_manager.routes import Kind, Path, Route, Rule
from pptpd_manager.stragglers import Stragglers
from pptpd_manager.tables import Tables
from pptpd_manager.timers import Timers
from pptpd_manager.tunnel import State, Tunnel
from pptpd_manager.units import Units, UnitState

log = logging.getLogger(__name__)

SYNC_SECONDS = 1.0  # from an error of netlink itself to the next try

Order = events.HangUp | events.StartUnit | events.StopUnit | events.ResetUnit | events.RestartUnit


class Observer(Protocol):
    """Who hears of what the engine does: the D-Bus service."""

    def changed(self, before: Tunnel, after: Tunnel) -> None: ...
    def vanished(self, name: str) -> None: ...
    def verdict(self, tunnel: str, run: str, verdict: events.Verdict) -> None: ...
    def ready(self, tunnel: str, run: str, well: bool, text: str) -> None: ...
    def ended(self, tunnel: str, run: str) -> None: ...
    def told(self, tunnel: str, failure: Failure | None) -> None: ...
    def refused(self, tunnel: str, text: str) -> None: ...


@dataclass
class Edges:
    """What the engine acts through."""

    units: Units
    netlink: Netlink
    files: OptionFiles
    passwords: Passwords
    timers: Timers
    processes: Processes
    processors: Processors
    readings: journal.Readings
    nft: Nft
    callouts: Callouts
    names: Names
    failures: Failures
    clock: Callable[[], float]  # monotonic seconds


class Engine:
    """Owns the tunnels. feed() is its one entrance for events, configure() for the configuration."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._queue: deque[tuple[str, Event]] = deque()
        self._turning = False
        self._absent = Failure(reasons.NOT_CONFIGURED)
        self._tables = Tables(edges.netlink, edges.timers, edges.clock, self.sync_routes)
        self._file_order: tuple[str, ...] = ()  # of the tunnels in the file
        self._due: set[str] = set()  # tunnels whose units run, or are about to
        self._stops: set[str] = set()  # ... and are to stop as soon as systemd begins with it
        self._halts = Counter[str]()  # how many orders to stop or restart a unit systemd has not answered yet
        self._looks = Counter[str]()  # how many of them are known to be so when the state of the unit is
        self._stragglers = Stragglers(edges.units, edges.timers)
        self._departures = Departures()
        self._knocks = Knocks(edges.clock)
        self._in_line = False  # somebody is, and the processors are looked at again and again
        self._adopting = True  # until then nobody knows which routes are wanted
        self._configuring = False  # until then only some of the tunnels have their new configuration
        self._asleep = False
        self._shutdown = False
        self._planner = Planner()
        self._synced_with = -1  # up to which burst of the kernel's news
        self._paths = Paths(edges.netlink, lambda: any(planner.bars(item) for item in self.installed))
        self._bounds = Bounds(edges.netlink, edges.files, edges.clock)
        self._unclamped = ""
        self.on_rest: Callable[[], None] = lambda: None  # called when the machine may sleep, as often as it may
        self.observer: Observer | None = None
        self.tunnels: dict[str, Tunnel] = {}

    @property
    def installed(self) -> frozenset[Route | Rule]:
        """The routes and rules of ours that are in the kernel's tables."""
        return self._tables.installed

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""
        return self._edges.clock

    # --- events ---

    def feed(self, name: str, event: Event) -> None:
        """Take an event about the tunnel of that name; one that is not known yet is made, without configuration."""
        self._queue.append((name, event))
        if self._turning:
            return
        self._turning = True
        try:
            while self._queue:
                self._turn(*self._queue.popleft())
                self._depart()
                self._rest()
        finally:
            self._turning = False

    def _turn(self, name: str, event: Event) -> None:
        before = self.tunnels.get(name)
        if before is None:
            before = self._made(name)
        if isinstance(event, events.RunEnded):
            self._bounds.learn(before)
        moment = Moment(self._edges.clock(), GLib.random_double(), self._departures.crowded(name))
        after, actions = step(before, event, moment)
        log.debug(
            "tunnel %s: %s -> %s %s",
            name,
            type(event).__name__,
            after.state.value,
            [type(action).__name__ for action in actions],
        )
        self.tunnels[name] = after
        self._departures.stepped(before, after, moment.now)
        matters = _what_matters(before) != _what_matters(after)
        if matters:
            self.sync_routes()  # before all else: packets wait for them
        for action in actions:
            if isinstance(action, events.Answer):  # and a main process for this
                self._answer(name, action)
        self._sync_passwords(before, after)  # whoever hears of a stop finds nothing left
        if after.failure is not before.failure:
            self._edges.failures.note(name, after.failure)
        self._log(before, after)
        self._edges.names.stepped(before, after)
        if self.observer and before != after:
            self.observer.changed(before, after)
        self._edges.callouts.stepped(before, after)
        for action in actions:
            if not isinstance(action, events.Answer):
                self._act(after, action)
        if matters or (before.state is not State.UP and after.state is State.UP):
            self._sync_clamp()
            self._bounds.sync([after], self._paths.to)
        if after.state is State.WAITING and before.state is not State.WAITING:
            self._catch_up(name, after)
        self._forget(name)

    def _sync_passwords(self, before: Tunnel, after: Tunnel) -> None:
        """Take back a question that nobody waits for, and forget a password that is not wanted any more."""
        if before.prompting and not after.prompting:
            self._edges.passwords.withdraw(after.name)
        if before.remembered and not after.remembered:
            self._edges.passwords.forget(after.name)

    def _forget_password(self, name: str) -> None:
        """Forget what an earlier manager kept for a tunnel that has not asked for it."""
        if name not in self.tunnels or not self.tunnels[name].remembered:
            self._edges.passwords.forget(name)

    def _depart(self) -> None:
        """Let the first in line dial if there is room."""
        if name := self._departures.next():
            self._queue.append((name, events.TurnCame()))
        self._watch_line()

    def _watch_line(self) -> None:
        """Look at the processors while there is a line."""
        if self._departures.waiting and not self._in_line:
            self._in_line = True
            self._edges.processors.spare()  # from now on
            self._edges.timers.start("line", LOOK_SECONDS, self._look_at_line)

    def _look_at_line(self) -> None:
        """Let more of those in line dial where the processors have time to spare."""
        self._in_line = False
        self._departures.look(self._edges.clock(), self._edges.processors.spare())
        if name := self._departures.next():
            self.feed(name, events.TurnCame())
        self._watch_line()

    def _catch_up(self, name: str, t: Tunnel) -> None:
        """Tell a tunnel that waits now what has changed in the network while it did not."""
        online, way = self._edges.netlink.online, self._way(t)
        if (online, way) != (t.online, t.way):
            self._queue.append((name, events.NetworkChanged(online, way)))

    def _made(self, name: str) -> Tunnel:
        link = self._edges.netlink.links().get(interface_name(name))
        online = self._edges.netlink.online
        self.tunnels[name] = made = Tunnel(
            name,
            absent=self._absent,
            online=online,
            asleep=self._asleep,
            link=link,
            unclamped=self._unclamped,
            failure=self._edges.failures.recall(name),
        )
        return made

    def _forget(self, name: str) -> None:
        """Let go of a tunnel that is neither configured nor doing anything."""
        t = self.tunnels[name]
        if (
            t.config is None
            and t.ended
            and t.autopsy is None
            and not t.called
            and not t.asking
            and t.state is State.IDLE  # a failed one is tried again when it is configured
            and not any(queued == name for queued, _ in self._queue)
        ):
            del self.tunnels[name]
            self._stops.discard(name)
            del self._halts[name]
            self._edges.failures.note(name, None)
            self._edges.processes.forget(name)
            self._paths.forget(name)
            self._departures.forget(name)
            self._bounds.forget(name)
            if self.observer:
                self.observer.vanished(name)

    def _log(self, before: Tunnel, after: Tunnel) -> None:
        """One record for each change of state, and for each failure."""
        failed = after.failure if after.failure is not before.failure else None
        if before.state is after.state and not failed:
            return
        level, why = logging.INFO, ""
        if after.state is State.UP:
            why = after.summary
        elif after.failure and (failed or after.state is State.FAILED):
            level = logging.ERROR if after.state is State.FAILED else logging.WARNING
            why = after.explain(after.failure)
        fields = journal.of_tunnel(
            after.name,
            unit_name(after.name),
            state=after.state.value,
            previous=before.state.value,
            run=after.run,
            reason=failed.reason.name if failed else "",
        )
        log.log(level, "tunnel %s: %s%s", after.name, after.state.value, f": {why}" if why else "", extra=fields)

    # --- the configuration ---

    def configure(self, config: Config, absent: Failure) -> None:
        """Make config the configuration; tunnels that it does not change are not touched. absent: of all others."""
        self._absent, self._file_order = absent, tuple(config.tunnels)
        self._configuring = True  # what moves from one tunnel to another is not to be gone in between
        try:
            for name in [*config.tunnels, *(name for name in self.tunnels if name not in config.tunnels)]:
                self._configure_one(name, config.tunnels.get(name), absent)
        finally:
            self._configuring = False
        self.sync_routes()
        self._bounds.sync(self.tunnels.values(), self._paths.to)

    def _configure_one(self, name: str, new: TunnelConfig | None, absent: Failure) -> None:
        known = self.tunnels.get(name)
        if known is None or known.config != new or (new is None and not known.ended):
            self.feed(name, events.Configured(new, bool(known and new and self._dials_anew(known, new)), absent))

    def set_absent(self, absent: Failure) -> None:
        """Tell tunnels that are not configured why."""
        self._absent = absent
        for name, t in list(self.tunnels.items()):
            if t.config is None:
                self.tunnels[name] = replace(t, absent=absent)

    def _dials_anew(self, t: Tunnel, new: TunnelConfig) -> bool:
        """Whether new would write another option file than the one that t was dialled with."""
        text = self._edges.files.read(t.name)
        record = pppd.record(text)
        return record is None or record.run != t.run or not pppd.dials_alike(text, new, plain=t.plain)

    # --- what runs already ---

    def adopt(self, name: str, unit: UnitState) -> None:
        """Take over what an earlier manager began for that tunnel: its unit is in that state."""
        self._note_due(name, unit)
        self._stragglers.seen(name, unit)
        if unit.active == "failed" and not unit.given_up:  # no manager was there to tell systemd
            self._order(name, events.ResetUnit())
        elif unit.active == "failed":
            self.feed(name, events.UnitChanged("failed", unit.sub, unit.run, unit.given_up))
        if unit.active in ("inactive", "failed"):
            return
        record = pppd.record(self._edges.files.read(name))
        address = record.address if record and record.run == unit.run else None
        since = unit.active_since if unit.active == "active" else -1.0
        path = self._paths.to(address) if address else None
        remembered, plain = self._edges.passwords.recall(name), bool(address and record and not record.mppe)
        self.feed(name, events.Adopted(unit.run, address, path, since, remembered, plain))
        self.feed(name, events.UnitChanged(unit.active, unit.sub, unit.run))
        if unit.abandoned:
            self.feed(name, events.RunEnded(unit.run, Exit()))
        t = self.tunnels.get(name)
        if t and t.config and address and t.run == unit.run and self._dials_anew(t, t.config):
            self.feed(name, events.Configured(t.config, redial=True))

    def unit_changed(self, name: str, unit: UnitState) -> None:
        """The unit is in that state; one that systemd is about to start is not taken for stopped, nor the reverse."""
        self._shutdown = unit.shutdown if unit.active == "inactive" else self._shutdown
        self._note_due(name, unit)
        self._stragglers.seen(name, unit)
        if name in self._stops and not unit.stops:
            self._accepted(name)
        if name in self.tunnels and not unit.starts and not unit.stops:
            self.feed(name, events.UnitChanged(unit.active, unit.sub, unit.run, unit.given_up))

    def is_leaving(self, name: str) -> bool:
        """Whether systemd has been told to end the run of that tunnel, and has not yet."""
        return name in self._stops or (name in self.tunnels and self.tunnels[name].leaving)

    def _note_due(self, name: str, unit: UnitState) -> None:
        """Note whether the unit is about to run, or does: its tunnel is guarded also before its process has asked."""
        before = name in self._due
        due = unit.starts or unit.active not in ("inactive", "failed")
        (self._due.add if due else self._due.discard)(name)
        if due != before:
            self.sync_routes()
        if before and not due:
            self._forget_password(name)

    def awaited(self) -> list[str]:
        """The tunnels whose units may have been stopped without our having heard of it."""
        return [name for name, t in self.tunnels.items() if self._is_wanted(t)]

    def clean(self) -> None:
        """All that runs is adopted: remove what no tunnel wants, routes and option files of an earlier manager."""
        self._adopting = False
        for name in self._edges.files.tunnels():
            if name not in self.tunnels or self.tunnels[name].ended:
                self._edges.files.remove(name)
        self._edges.files.remove_drafts()
        for name in self._edges.passwords.tunnels():
            if name not in self._due:
                self._forget_password(name)
        self._edges.failures.keep(set(self.tunnels))
        self._edges.callouts.begin(self.tunnels)
        self.sync_routes()
        self._sync_clamp()
        self._bounds.sync(self.tunnels.values(), self._paths.to)
        self._edges.names.attach(self.tunnels, self._names_changed)

    def failed_at(self, name: str) -> int:
        """When the tunnel last failed, in microseconds since 1970; 0 if it has not."""
        return self._edges.failures.when(name)

    # --- name servers ---

    @property
    def names(self) -> Names:
        """How it is with the tunnels' name servers."""
        return self._edges.names

    def _names_changed(self, name: str) -> None:
        if self.observer and name in self.tunnels:
            self.observer.changed(self.tunnels[name], self.tunnels[name])

    # --- the kernel ---

    def links_changed(self) -> None:
        """Interfaces or addresses have changed."""
        links = self._edges.netlink.links()
        for name, t in list(self.tunnels.items()):
            if t.link != links.get(interface_name(name)):
                self.feed(name, events.LinkChanged(links.get(interface_name(name))))

    def routes_changed(self, *, beyond: bool) -> None:
        """Routes or rules have changed, or links or addresses; beyond: also other ones than the tunnels' own."""
        if beyond:
            self._ways_changed()
        if self._synced_with != self._edges.netlink.heard:  # else a step has done it on the way here
            self.sync_routes()

    def _ways_changed(self) -> None:
        """Tell the tunnels of another way to their servers."""
        online = self._edges.netlink.online
        way = functools.cache(self._paths.to)  # each costs a question to the kernel
        for name, t in list(self.tunnels.items()):
            if t.state is State.WAITING or t.online != online:
                self.feed(name, events.NetworkChanged(online, self._way(t)))
            if t.state in DIALLED and t.address and self._paths.comparable(name):
                path = way(t.address)
                if path not in (None, t.path):
                    self.feed(name, events.PathFound(t.run, t.address, path))
        self._bounds.sync(self.tunnels.values(), way)

    def _way(self, t: Tunnel) -> Path | None:
        """The way to the address that was tried last, or while there is none the default route's."""
        return self._paths.to(t.target) if t.target else self._paths.out()

    def sleep_changed(self, asleep: bool) -> None:
        """The machine is about to sleep, or has woken up."""
        self._asleep = asleep
        for name in list(self.tunnels):
            self.feed(name, events.SleepChanged(asleep))
        self._rest()

    def _rest(self) -> None:
        """No pppd runs or is about to before the machine wakes up: it may sleep."""
        if self._asleep and not self._adopting and all(t.resting for t in self.tunnels.values()):
            self.on_rest()

    def _watch(self, name: str, action: events.WatchProcesses) -> None:
        """Have the processes of the tunnel's unit watched."""

        def lost(failure: Failure) -> None:
            self.feed(name, events.ProcessLost(action.run, failure))

        def known(pids: list[int]) -> None:
            if name in self.tunnels and self.tunnels[name].run == action.run and not self.tunnels[name].ended:
                self._edges.processes.watch(name, action.pid, pids, lost)

        self._edges.units.processes(name, known)

    @property
    def busy(self) -> bool:
        """Whether tunnels are being dialled."""
        return self._departures.busy

    def sync_routes(self) -> None:
        """Make our part of the kernel's tables what the tunnels want; tell those that wait for it."""
        if self._adopting or self._configuring:
            return
        try:
            self._sync()
        except OSError as error:
            log.error("the kernel's tables can be neither read nor changed, and are tried again: %s", error)
            self._edges.timers.start("sync", SYNC_SECONDS, self.sync_routes)

    def _sync(self) -> None:
        heard = self._edges.netlink.heard
        known = [(t, t.config) for name in self._names() if (t := self.tunnels[name]).config]
        guarding = any(config.guard and self._is_wanted(t) for t, config in known)
        table = []
        if any(planner.needs_table(config, t.address) for t, config in known):
            table += self._edges.netlink.table()
        if any(config.default_route and config.ipv6 for _, config in known):
            table += self._edges.netlink.table(6)
        wants = [self._want(t, config, table, guarding) for t, config in known]
        plans = self._planner.plan(wants, table)
        before = self.installed
        unknown = [(t.link, t.address) for t in self.tunnels.values() if t.config is None and not t.ended]
        outcome = self._tables.sync(plans, self._left_alone, (heard, wants, unknown, self._shutdown))
        for name, mine in plans.items():
            self._note_unsourced(name, [item for item in outcome.unsourced if item in mine.all])
        for name, mine in plans.items():
            if (
                name in self.tunnels
                and self.tunnels[name].wants_routes
                and not (outcome.late and mine.all & outcome.late)
            ):
                bad = sorted(f"{item}: {why}" for item, why in outcome.refused.items() if item in mine.all)
                self._synced(name, bad)
        self._synced_with = heard
        if not self._turning:  # else the step tells of it
            self._tell_of_routes({item.interface for item in before ^ self.installed if isinstance(item, Route)})

    def _tell_of_routes(self, interfaces: set[int]) -> None:
        """Tell of the tunnels into which routes lead now that did not before, or the reverse."""
        for t in list(self.tunnels.values()):
            if self.observer and t.link and t.link.index in interfaces:
                self.observer.changed(t, t)

    def _note_unsourced(self, name: str, waiting: list[Route]) -> None:
        """Note the routes of a tunnel that wait for the address of this machine that they are to be used with."""
        before = self.tunnels[name]
        text = ", ".join(sorted(f"{route.prefix} waits for the address {route.source}" for route in waiting))
        if text != before.unsourced:
            self.tunnels[name] = replace(before, unsourced=text)
            if text:
                log.warning("tunnel %s: %s", name, text, extra=journal.of_tunnel(name, unit_name(name)))

    def _names(self) -> list[str]:
        """The tunnels, in the order of the file."""
        known = [name for name in self._file_order if name in self.tunnels]
        return known + [name for name in self.tunnels if name not in self._file_order]

    def _sync_clamp(self) -> None:
        """Have forwarded TCP kept to the MTU of the tunnels that are up and want that."""
        if self._adopting:
            return
        mine = [t for t in self.tunnels.values() if t.config and t.config.clamp_mss]
        up = {t.link.name: t.link.mtu for t in mine if t.link and t.state is State.UP}
        self._edges.nft.want(up, needed=bool(mine))

    def clamped(self, fault: str) -> None:
        """Forwarded TCP is kept to the MTU where it is wanted, or fault says why it cannot be."""
        self._unclamped = fault
        for name, t in list(self.tunnels.items()):
            self.tunnels[name] = replace(t, unclamped=fault)
            if fault and t.config and t.config.clamp_mss and (t.unclamped != fault or t.state is State.UP):
                fields = journal.of_tunnel(name, unit_name(name))
                log.warning("tunnel %s: forwarded TCP is not clamped: %s", name, fault, extra=fields)

    def _synced(self, name: str, bad: list[str]) -> None:
        if bad or self.tunnels[name].state is not State.UP:
            self.feed(name, events.RoutesSynced(", ".join(bad)))

    def _left_alone(self, item: Route | Rule) -> bool:
        """Whether it is not to be removed.

        It may be of a tunnel that runs without being configured, so nobody knows what it wants. And the guards stay
        while the machine goes down: tunnels are stopped then before the programs that they are for, and the network.
        """
        if self._shutdown and planner.bars(item):
            return True
        unknown = [t for t in self.tunnels.values() if t.config is None and not t.ended]
        if isinstance(item, Rule) or item.kind is not Kind.UNICAST:
            return bool(unknown)
        return any(
            (t.link is not None and t.link.index == item.interface) or t.address == item.prefix.network_address
            for t in unknown
        )

    def _is_wanted(self, t: Tunnel) -> bool:
        return t.state is not State.IDLE or t.name in self._due

    def _want(self, t: Tunnel, config: TunnelConfig, table: list[Route], guarding: bool) -> Want:
        """The tunnel as the planner sees it. guarding: there is a guard, its own or another's."""
        wanted = self._is_wanted(t)
        servers = dict[IPv4Address, Path | None]()
        if guarding and wanted:  # also those that it is about to be dialled to, or knocks at
            known = {*t.candidates, *([t.target] if t.target else [])}
            servers = {address: self._paths.by_table(address, table) for address in known}
        if t.address and t.path and not t.ended:
            plain = self._paths.by_table(t.address, table)
            servers[t.address] = replace(t.path, length=plain.length if plain == t.path else 0)
        return Want(
            config,
            t.link if t.wants_routes else None,
            tuple((address, path) for address, path in servers.items() if path),
            config.guard and wanted,
        )

    # --- actions ---

    def _act(self, t: Tunnel, action: Action) -> None:
        """Carry one action out."""
        edges, name = self._edges, t.name
        match action:
            case events.StartTimer():
                edges.timers.start(
                    (name, action.timer), action.seconds, lambda: self.feed(name, events.TimerFired(action.timer))
                )
            case events.CancelTimer():
                edges.timers.cancel((name, action.timer))
            case events.Resolve():
                resolve(
                    action.servers,
                    lambda addresses: self.feed(name, events.Resolved(action.run, action.servers, addresses)),
                    lambda failure: self.feed(name, events.ResolveFailed(action.run, action.servers, failure)),
                )
            case events.Knock():
                self._knocks.at(
                    action.address,
                    lambda failure: self.feed(name, events.Knocked(action.run, action.address, failure)),
                )
            case events.FindPath():
                path = self._paths.for_dial(name, action.address)
                measured = self._bounds.measured(path, action.address) if path else None
                self.feed(name, events.PathFound(action.run, action.address, measured))
            case events.Prompt() if edges.passwords.recall(name):  # systemd was about to start it when we came
                self.feed(name, events.Prompted(action.run))
            case events.Prompt():
                edges.passwords.ask(action.config, lambda answer: self._prompted(name, action.run, answer))
            case events.Prepare():
                edges.passwords.obtain(action.config, lambda password: self._prepare(name, action, password))
            case events.RemoveOptions():
                edges.files.remove(name)
            case events.ReadLog():
                self._read_log(name, action)
            case events.WatchProcesses():
                self._watch(name, action)
            case events.HangUp() | events.StartUnit() | events.StopUnit() | events.ResetUnit() | events.RestartUnit():
                self._order(name, action)
            case events.AnswerReady() | events.AnswerEnded() | events.Tell():
                self._answer(name, action)

    def _prompted(self, name: str, run: str, answer: bytes | Failure) -> None:
        """Keep the password that somebody gave."""
        if isinstance(answer, bytes):
            self._edges.passwords.keep(name, answer)
        self.feed(name, events.Prompted(run, None if isinstance(answer, bytes) else answer))

    def _prepare(self, name: str, action: events.Prepare, password: bytes | Failure) -> None:
        """Write the option file, unless the dial has been called off while the password was got."""
        t = self.tunnels.get(name)
        if not t or t.state is not State.RESOLVING or t.path is None:
            return
        if (t.run, t.config, t.address, t.plain) != (action.run, action.config, action.address, action.plain):
            return
        failure = password if isinstance(password, Failure) else self._write(name, action, password)
        self.feed(name, events.Prepared(action.run, failure))

    def _write(self, name: str, action: events.Prepare, password: bytes) -> Failure | None:
        """Write the option file, or say why a dial could not come of it."""
        text = pppd.options(
            *(action.config, action.run, action.address),
            plain=action.plain,
            path_mtu=action.mtu,
            password=password,
        )
        return self._edges.files.write(name, text)

    def _read_log(self, name: str, action: events.ReadLog) -> None:
        """Read what a run left in the journal."""
        self._edges.readings.read(
            action.run,
            action.pid,
            pppd.log_name(name, action.run),
            action.whole,
            lambda lines: self.feed(name, events.LogRead(action.run, lines, untracked())),
        )

    def _order(self, name: str, action: Order) -> None:
        """Have systemd do something with the unit, unless it is about to be told that anyway."""
        if self._edges.units.next_job(name) == type(action).__name__:
            return
        match action:
            case events.HangUp():
                self._edges.units.kill(name, self.tunnels[name].run, hard=action.hard)
            case events.StartUnit():
                self._edges.units.start(
                    name, lambda: self._accepted(name), lambda text: self._unit_refused(name, text)
                )
            case events.StopUnit():
                self._halts[name] += 1
                self._edges.units.stop(name, lambda: self._look_at(name), lambda text: self._refused_halt(name, text))
            case events.ResetUnit():
                self._halts[name] += 1
                self._edges.units.reset(name, lambda: self._look_at(name))
            case events.RestartUnit():
                self._halts[name] += 1
                self._edges.units.restart(
                    name, lambda: self._halted(name), lambda text: self._refused_halt(name, text)
                )

    def _answer(
        self, name: str, action: events.Answer | events.AnswerReady | events.AnswerEnded | events.Tell
    ) -> None:
        if not self.observer:
            return
        match action:
            case events.Answer():
                self.observer.verdict(name, action.run, action.verdict)
            case events.AnswerReady():
                note = self.names.note(name) if action.well else ""
                self.observer.ready(name, action.run, action.well, action.text + note)
            case events.AnswerEnded():
                self.observer.ended(name, action.run)
            case events.Tell():
                self.observer.told(name, action.failure)

    def _accepted(self, name: str) -> None:
        """systemd has an order; with others under way to end the run it is not known yet what comes of it."""
        self._stops.discard(name)
        if name in self.tunnels and not self._halts[name]:
            self.feed(name, events.UnitAccepted())

    def _halt_answered(self, name: str) -> None:
        """systemd has answered an order to end the run, of a tunnel that may be forgotten by now."""
        self._halts[name] = max(0, self._halts[name] - 1)

    def _halted(self, name: str) -> None:
        """systemd has an order to end the run."""
        self._halt_answered(name)
        self._accepted(name)

    def _refused_halt(self, name: str, text: str) -> None:
        self._halt_answered(name)
        self._unit_refused(name, text)

    def _look_at(self, name: str) -> None:
        """A unit that was down already tells of no change, so it is looked at.

        While the stop has not begun, a run that has may still ask to dial: it is halted until then.
        """

        self._looks[name] += 1
        if self._looks[name] > 1:  # somebody stops it again and again
            return self._edges.units.outdate(name)
        return self._edges.units.state(name, lambda unit: self._looked_at(name, unit))

    def _looked_at(self, name: str, unit: UnitState | None) -> None:
        for _ in range(self._looks.pop(name)):
            self._halt_answered(name)
        if unit is None:
            return self._accepted(name)
        self._stops.add(name)
        return self.unit_changed(name, unit)

    def _unit_refused(self, name: str, text: str) -> None:
        log.warning("systemd refuses: %s", text, extra=journal.of_tunnel(name, unit_name(name)))
        self.feed(name, events.UnitRefused())
        if self.observer:
            self.observer.refused(name, text)


def _what_matters(t: Tunnel) -> tuple[object, ...]:
    """What of a tunnel its routes follow from."""
    idle = t.state is State.IDLE
    return (t.wants_routes, t.link, t.address, t.path, t.config, t.ended, idle, t.candidates, t.target)
