"""The pure function that carries a tunnel from event to event.

Theory of operation. systemd's unit pptp@NAME is what says whether a tunnel is wanted: `systemctl start`, Connect and
boot all start it, `systemctl stop` and Disconnect stop it, and Restart=always has it run again when pppd ends. Each
start of the unit is a *run*, named by systemd's invocation id. The main process of a run is first a small shell that
asks the manager for a verdict (DialAsked) and then, when the verdict is Dial, pppd itself, so that every decision is
taken here: wait for a pause or for the network, resolve, dial, or give up. When the link is up and its routes are in
the table, the unit's start is told to end (ReadyAsked); after a run the unit says so (RunEnded), and the lines that
pppd and pptp left in the journal (LogRead) tell the reason.

The routes are not in here: engine.py derives the wanted ones from the value after every step and makes the kernel's
table agree, then says so with RoutesSynced.

A late event of an earlier run changes nothing: events carry the run that they are about.

The rooms: verdict.py, what a main process is told that asks to dial; link.py, from the call to the end of the link;
ending.py, what follows from the end of a run; here, what people, the configuration, the machine and time want.
"""

from __future__ import annotations

from dataclasses import replace

from pptpd_manager import reasons
from pptpd_manager.config import Mppe
from pptpd_manager.diagnosis import Exit
from pptpd_manager.ending import log_read, run_ended, unit_changed
from pptpd_manager.events import (
    TEMPFAIL,
    Action,
    Adopted,
    AskerLeft,
    Configured,
    ConnectAsked,
    DialAsked,
    DisconnectAsked,
    Event,
    FindPath,
    HangUp,
    Knocked,
    LinkChanged,
    LogRead,
    Moment,
    NetworkChanged,
    PathFound,
    Prepared,
    ProcessLost,
    Prompted,
    ReadyAsked,
    ReconnectAsked,
    Resolve,
    Resolved,
    ResolveFailed,
    RestartUnit,
    RoutesSynced,
    RunEnded,
    SleepChanged,
    StartUnit,
    StopUnit,
    Tell,
    Timer,
    TimerFired,
    TurnCame,
    UnitAccepted,
    UnitChanged,
    UnitRefused,
)
from pptpd_manager.link import (
    hang_up,
    link_changed,
    lost_timer,
    path_changed,
    process_lost,
    ready_asked,
    routes_synced,
    unhalted,
)
from pptpd_manager.reasons import Failure, Reason
from pptpd_manager.tunnel import Refusal, State, Step, Tunnel, fresh
from pptpd_manager.verdict import consider, hurried, progressed, prompted, unburdened

DIALLED = (State.CONNECTING, State.UP)  # pppd runs, and shall


def step(t: Tunnel, event: Event, moment: Moment) -> Step:
    """The next value of the tunnel and what to do now, in order. Pure; every event is legal in every state."""
    after, actions = _stepped(t, event, moment)
    return after.settled, actions


def _stepped(t: Tunnel, event: Event, moment: Moment) -> Step:
    match event:
        case DialAsked() | AskerLeft() | ReadyAsked() | RunEnded() | LogRead() | Adopted():
            return _of_run(t, event, moment)
        case Resolved() | ResolveFailed() | Knocked() | Prepared():
            return progressed(t, event, moment)
        case TurnCame():
            return consider(replace(t, queued=False), moment) if t.queued else (t, [])
        case Prompted():
            return prompted(t, event, moment)
        case PathFound() if t.state in (*DIALLED, State.STOPPING):
            return path_changed(t, event)
        case PathFound():
            return progressed(t, event, moment)
        case UnitChanged() | UnitAccepted() | UnitRefused():
            return _of_unit(t, event, moment)
        case ConnectAsked():
            return _connect_asked(t, moment)
        case DisconnectAsked():
            return _disconnect_asked(t)
        case ReconnectAsked():
            return _reconnect_asked(t)
        case Configured():
            return _configured(t, event, moment)
        case NetworkChanged():
            return _network_changed(t, event, moment)
        case SleepChanged():
            return _sleep_changed(t, event, moment)
        case LinkChanged():
            return link_changed(t, event)
        case ProcessLost():
            return process_lost(t, event)
        case RoutesSynced():
            return routes_synced(t, event, moment)
        case TimerFired():
            return _timer_fired(t, event.timer, moment)


def _of_run(
    t: Tunnel, event: DialAsked | AskerLeft | ReadyAsked | RunEnded | LogRead | Adopted, moment: Moment
) -> Step:
    """What a run says of itself, in the order in which it does."""
    match event:
        case DialAsked():
            return _dial_asked(t, event, moment)
        case AskerLeft():
            return _asker_left(t, event)
        case ReadyAsked():
            return ready_asked(t, event)
        case RunEnded():
            return run_ended(t, event, moment)
        case LogRead():
            return log_read(t, event, moment)
        case Adopted():
            return _adopted(t, event, moment)


def _of_unit(t: Tunnel, event: UnitChanged | UnitAccepted | UnitRefused, moment: Moment) -> Step:
    """What systemd says of the unit."""
    match event:
        case UnitChanged():
            return unit_changed(t, event, moment)
        case UnitAccepted():
            return replace(t, called=False, halting=False), []
        case UnitRefused():
            return _unit_refused(t, moment)


# --- the run's main process ---


def _dial_asked(t: Tunnel, event: DialAsked, moment: Moment) -> Step:
    actions: list[Action] = []
    if event.run != t.run and not t.ended and t.address:
        t, actions = run_ended(t, RunEnded(t.run, Exit()), moment)  # its end is still on the way to us
    if event.run != t.run or t.ended or (t.state in (State.CONNECTING, State.UP) and not t.leaving):
        t = fresh(t, event.run)
    t = replace(t, asking=True, seen=event.seen, pid=event.pid)
    if t.halting:  # systemd may have begun it before it heard of the stop
        return replace(t, state=State.STOPPING, leaving=True), actions
    t, more = consider(t, moment)
    return t, actions + more


def _asker_left(t: Tunnel, event: AskerLeft) -> Step:
    if event.run != t.run or not t.asking:
        return t, []
    called_off = State.WAITING if t.state is State.RESOLVING else t.state
    return replace(t, asking=False, knocking=False, state=called_off), []


# --- what people, the configuration, the machine and time want ---


def _connect_asked(t: Tunnel, moment: Moment) -> Step:
    match t.state:
        case State.UP:
            return t, [Tell(None)] if t.active else []
        case State.IDLE | State.FAILED | State.STOPPING:
            return replace(unburdened(t), called=True), [StartUnit()]
        case State.WAITING:
            return consider(unburdened(t), moment)
        case State.RESOLVING | State.CONNECTING:
            return t, []


def _unit_refused(t: Tunnel, moment: Moment) -> Step:
    """What was to happen does not: a run that was to end goes on."""
    goes_on = t.leaving and not t.ended
    t = replace(t, called=False, leaving=False, halting=False)
    return unhalted(t, moment) if goes_on else (t, [])


def _disconnect_asked(t: Tunnel) -> Step:
    if t.state not in (State.IDLE, State.FAILED):
        t = replace(t, state=State.STOPPING, leaving=True, knocking=False)
    return replace(t, called=False, halting=True), [Tell(Failure(reasons.STOPPED)), StopUnit()]


def _reconnect_asked(t: Tunnel) -> Step:
    t = replace(unburdened(t), called=True, halting=True)
    if t.state not in (State.IDLE, State.FAILED):
        t = replace(t, state=State.STOPPING, leaving=True, knocking=False)
    return t, [RestartUnit()]


def _configured(t: Tunnel, event: Configured, moment: Moment) -> Step:
    if t.config and event.config and (t.config.login, t.config.servers) != (event.config.login, event.config.servers):
        t = replace(t, remembered=False)  # it was given for another login
    t = replace(t, config=event.config, absent=event.absent, prompting=False)
    if event.config is None:
        return (t, []) if t.state is State.IDLE else (t, [StopUnit()])
    if t.state is State.FAILED:
        return replace(unburdened(t), called=True), [StartUnit()]
    if t.state is State.WAITING:
        return consider(unburdened(t), moment)
    if event.redial and t.state in (State.CONNECTING, State.UP):
        return hang_up(replace(t, plain=False), Failure(reasons.CONFIGURATION_CHANGED))
    if t.state is State.RESOLVING and t.asking:
        return replace(unburdened(t), address=None, path=None), [Resolve(t.run, event.config.servers)]
    if t.autopsy:  # the next attempt is another one
        return replace(t, autopsy=replace(t.autopsy, outdated=True)), []
    if t.state is State.STOPPING and not t.ended and not t.leaving:
        return replace(t, hangup=Failure(reasons.CONFIGURATION_CHANGED)), []
    return t, []


def _network_changed(t: Tunnel, event: NetworkChanged, moment: Moment) -> Step:
    came = event.online and not t.online
    moved = event.path is not None and event.path != t.way
    t = replace(t, online=event.online)
    if t.state is State.RESOLVING and (came or moved) and t.asking and t.address is None and t.config:
        return replace(t, way=event.path), [Resolve(t.run, t.config.servers)]  # the name server may be another one
    if t.state is not State.WAITING:
        return t, []
    t = replace(t, way=event.path)
    if came or moved:
        return consider(hurried(t), moment)
    if t.knocking:
        return t, []
    if t.asking and t.address and not t.path:  # there was no route to it
        return (t, [FindPath(t.run, t.address)]) if len(t.candidates) < 2 else consider(t, moment)
    return consider(t, moment)


def _sleep_changed(t: Tunnel, event: SleepChanged, moment: Moment) -> Step:
    """Hang up before the machine sleeps, so that the server does not keep a dead session; dial when it wakes up."""
    t = replace(t, asleep=event.asleep)
    if not event.asleep:
        return consider(hurried(t), moment) if t.state is State.WAITING else (t, [])
    if t.state in DIALLED and not t.ended and not t.leaving:
        return hang_up(t, Failure(reasons.SUSPENDED))
    if t.state in (State.WAITING, State.RESOLVING):
        return consider(replace(t, state=State.WAITING, knocking=False, prompting=False), moment)
    return t, []


def _adopted(t: Tunnel, event: Adopted, moment: Moment) -> Step:
    """Go on with a run that an earlier manager began; one that has spoken to us already we know better."""
    if not t.ended:
        return t, []
    t = replace(fresh(t, event.run), address=event.address, path=event.path, autopsy=None, began=moment.now)
    plain = event.plain and t.config is not None and t.config.mppe is Mppe.OPTIONAL
    t = replace(t, remembered=event.remembered, plain=plain)
    if event.address is None:
        return replace(t, state=State.WAITING), []
    if event.up_since >= 0:
        t = replace(t, up_since=event.up_since)
    timer = lost_timer(t)
    return replace(t, state=State.CONNECTING, deadline=moment.now + timer.seconds), [timer]


def _timer_fired(t: Tunnel, timer: Timer, moment: Moment) -> Step:
    if t.ended:
        return t, []
    if timer is Timer.PAUSE:
        return (t, []) if t.knocking else consider(t, moment)
    if timer is Timer.KILL:
        return replace(t, killed=True), [HangUp(hard=True)]
    if t.state in (State.CONNECTING, State.STOPPING) and not (t.hangup or t.otherwise or t.timed_out):
        lost = Failure(reasons.LINK_TAKEN_DOWN) if t.up_since is not None else None
        return hang_up(t, otherwise=lost, timed_out=not lost)
    if t.state in (State.WAITING, State.RESOLVING) and not t.prompting:
        return consider(replace(t, refusal=Refusal(TEMPFAIL, Failure(_waited_for(t)))), moment)
    return t, []


def _waited_for(t: Tunnel) -> Reason:
    """Why a first attempt did not even begin to dial within connect-timeout."""
    if t.asleep:
        return reasons.SUSPENDED
    if t.state is State.RESOLVING and t.path and not t.knocking:
        return reasons.PASSWORD_SERVICE  # nothing else of what follows takes any time
    if t.state is State.RESOLVING:
        return reasons.TCP_SILENT if t.knocking else reasons.NAME_SERVER_SILENT
    return reasons.NO_ROUTE if t.online else reasons.NO_NETWORK
