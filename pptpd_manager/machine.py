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
"""

from __future__ import annotations

from dataclasses import replace

from pptpd_manager import reasons, retry
from pptpd_manager.config import Mppe, TunnelConfig
from pptpd_manager.events import (
    CONFIG,
    NOPERM,
    TEMPFAIL,
    UNAVAILABLE,
    Action,
    Adopted,
    Answer,
    AnswerEnded,
    AnswerReady,
    AskerLeft,
    CancelTimer,
    Configured,
    ConnectAsked,
    Dial,
    DialAsked,
    DisconnectAsked,
    Event,
    FindPath,
    GiveUp,
    HangUp,
    LinkChanged,
    LogRead,
    Moment,
    NetworkChanged,
    PathFound,
    Prepare,
    Prepared,
    ReadLog,
    ReadyAsked,
    ReconnectAsked,
    RemoveOptions,
    ResetUnit,
    Resolve,
    Resolved,
    ResolveFailed,
    RestartUnit,
    RoutesSynced,
    RunEnded,
    StartTimer,
    StartUnit,
    StopUnit,
    Tell,
    Timer,
    TimerFired,
    UnitAccepted,
    UnitChanged,
    UnitRefused,
    Wait,
)
from pptpd_manager.reasons import Exit, Failure, Retry
from pptpd_manager.tunnel import Autopsy, Refusal, State, Tunnel

KILL_SECONDS = 3.0  # from SIGTERM to SIGKILL for a pppd that does not end

Step = tuple[Tunnel, list[Action]]


def step(t: Tunnel, event: Event, moment: Moment) -> Step:
    """The next value of the tunnel and what to do now, in order. Pure; every event is legal in every state."""
    match event:
        case Configured():
            return _configured(t, event, moment)
        case DialAsked():
            return _dial_asked(t, event, moment)
        case AskerLeft():
            return _asker_left(t, event)
        case ReadyAsked():
            return _ready_asked(t, event)
        case RunEnded():
            return _run_ended(t, event, moment)
        case LogRead():
            return _log_read(t, event, moment)
        case UnitChanged():
            return _unit_changed(t, event, moment)
        case UnitAccepted():
            return replace(t, called=False), []
        case UnitRefused():
            return _unit_refused(t, moment)
        case Adopted():
            return _adopted(t, event, moment)
        case ConnectAsked():
            return _connect_asked(t, moment)
        case DisconnectAsked():
            return _disconnect_asked(t)
        case ReconnectAsked():
            return _reconnect_asked(t)
        case NetworkChanged():
            return _network_changed(t, event, moment)
        case Resolved() | ResolveFailed() | PathFound() | Prepared():
            return _progressed(t, event, moment)
        case LinkChanged():
            return _link_changed(t, event)
        case RoutesSynced():
            return _routes_synced(t, event, moment)
        case TimerFired():
            return _timer_fired(t, event.timer, moment)


# --- the run's main process, until it becomes pppd ---


def _dial_asked(t: Tunnel, event: DialAsked, moment: Moment) -> Step:
    actions: list[Action] = []
    if event.run != t.run and not t.ended and t.address:
        t, actions = _run_ended(t, RunEnded(t.run, Exit()), moment)  # its end is still on the way to us
    if event.run != t.run or t.ended or (t.state in (State.CONNECTING, State.UP) and not t.leaving):
        t = _fresh(t, event.run)
    t, more = _consider(replace(t, asking=True, seen=event.seen, pid=event.pid), moment)
    return t, actions + more


def _asker_left(t: Tunnel, event: AskerLeft) -> Step:
    if event.run != t.run or not t.asking:
        return t, []
    called_off = State.WAITING if t.state is State.RESOLVING else t.state
    return replace(t, asking=False, state=called_off), []


def _fresh(t: Tunnel, run: str) -> Tunnel:
    """The tunnel at the beginning of a run."""
    return replace(
        t,
        state=State.WAITING,
        run=run,
        ended=False,
        leaving=False,
        asking=False,
        seen="",
        starting=False,
        called=False,
        pid=0,
        address=None,
        path=None,
        up_since=None,
        deadline=None,
        hangup=None,
        timed_out=False,
    )


def _consider(t: Tunnel, moment: Moment) -> Step:
    """What to answer a main process that asks; nothing while there is something to wait for."""
    if not t.asking or t.autopsy or t.leaving:
        return t, []
    if t.refusal:
        return _refuse(t, t.refusal)
    config = t.config
    if not config:
        return _refuse(t, Refusal(CONFIG, t.absent))
    timers: list[Action] = []
    if not t.failures:
        # The first attempt after a start ends at connect-timeout also when it waits for the network: somebody waits
        # for the start job then, a shell or the boot. Later ones may wait for as long as it takes.
        t, timers = _with_deadline(t, config, moment)
    if moment.now < t.not_before:
        left = t.not_before - moment.now
        t, actions = _wait(t, f"Pausing {t.pause:.1f} s before attempt {t.failures + 1}. Last: {t.last}")
        return t, [StartTimer(Timer.PAUSE, left), *actions]
    if not t.online:
        t, actions = _wait(t, "Waiting for the network: no interface has an IPv4 address")
        return t, timers + actions
    t, more = _with_deadline(replace(t, state=State.RESOLVING), config, moment)
    return t, [*timers, *more, Resolve(t.run, config.server)]


def _with_deadline(t: Tunnel, config: TunnelConfig, moment: Moment) -> tuple[Tunnel, list[Action]]:
    """The tunnel with connect-timeout running, if it was not yet."""
    if t.deadline is not None:
        return t, []
    return (
        replace(t, deadline=moment.now + config.connect_timeout),
        [StartTimer(Timer.CONNECT, float(config.connect_timeout))],
    )


def _wait(t: Tunnel, text: str) -> Step:
    t = replace(t, state=State.WAITING)
    if text == t.seen:
        return t, []
    return replace(t, asking=False), [Answer(t.run, Wait(text))]


def _refuse(t: Tunnel, refusal: Refusal) -> Step:
    """End the run before it dials. A refusal that gives up is spent by it: what asks next was started anew."""
    given_up = refusal.status != TEMPFAIL
    t = replace(
        t,
        asking=False,
        refusal=None,
        hangup=refusal.failure,
        failure=refusal.failure,
        state=State.FAILED if given_up else State.WAITING,
        deadline=None,
    )
    text = refusal.failure.advise(t.name)
    return t, [
        CancelTimer(Timer.CONNECT),
        CancelTimer(Timer.PAUSE),
        Answer(t.run, GiveUp(refusal.status, text)),
        *([Tell(refusal.failure)] if given_up else []),
    ]


def _progressed(t: Tunnel, event: Resolved | ResolveFailed | PathFound | Prepared, moment: Moment) -> Step:
    """Resolve, FindPath and Prepare have come to their ends; whatever was not asked for by this run is late."""
    if event.run != t.run or t.ended:
        return t, []
    if isinstance(event, PathFound) and t.state in (State.CONNECTING, State.UP, State.STOPPING):
        return (replace(t, path=event.path), []) if event.path and event.address == t.address else (t, [])
    if isinstance(event, PathFound) and t.state is State.WAITING and t.asking:
        return _consider(t, moment) if event.path and event.address == t.address else (t, [])
    config = t.config
    if t.state is not State.RESOLVING or not config:
        return t, []
    match event:
        case Resolved() | ResolveFailed() if event.server != config.server:
            return t, []
        case Resolved():
            return replace(t, address=event.addresses[0], path=None), [FindPath(t.run, event.addresses[0])]
        case ResolveFailed():
            return _refuse(t, Refusal(TEMPFAIL, event.failure))
        case PathFound():
            if event.address != t.address:
                return t, []
            if event.path is None:
                return _wait(t, f"Waiting for the network: no route to {config.server} ({event.address})")
            return replace(t, path=event.path), [Prepare(t.run, config, event.address, t.plain)]
        case Prepared():
            if t.path is None:
                return t, []  # of a dial that was called off
            if event.failure:
                never = event.failure.reason.retry is Retry.NEVER
                return _refuse(t, Refusal(UNAVAILABLE if never else TEMPFAIL, event.failure))
            t = replace(t, state=State.CONNECTING, asking=False)
            return t, [Answer(t.run, Dial(f"Connecting to {config.server} ({t.address})"))]


# --- pppd and the link ---


def _link_changed(t: Tunnel, event: LinkChanged) -> Step:
    t = replace(t, link=event.link)
    if t.state is State.UP and not (t.link and t.link.usable):
        # Mostly pppd's end is a moment away. If it stays (somebody set the link down), end it at the deadline.
        return replace(t, state=State.STOPPING), [_lost_timer(t)]
    return t, []


def _lost_timer(t: Tunnel) -> StartTimer:
    """How long a link that is not usable any more may take to be so again, or pppd to end."""
    return StartTimer(Timer.CONNECT, float(t.config.connect_timeout if t.config else KILL_SECONDS))


def _routes_synced(t: Tunnel, event: RoutesSynced, moment: Moment) -> Step:
    if not t.wants_routes:
        return t, []
    if event.error:
        return _hang_up(t, Failure(reasons.ROUTE_REFUSED, event.error))
    if t.state is State.UP:
        return t, []
    since = moment.now if t.up_since is None else t.up_since
    t = replace(t, state=State.UP, up_since=since, repeats=0, deadline=None)
    actions: list[Action] = [CancelTimer(Timer.CONNECT)]
    if t.starting:
        t = replace(t, starting=False)
        actions.append(AnswerReady(t.run, True, f"Up: {t.summary}"))
    return t, actions + ([Tell(None)] if t.active else [])


def _ready_asked(t: Tunnel, event: ReadyAsked) -> Step:
    if event.run == t.run and not t.ended and t.state is State.UP:
        return t, [AnswerReady(t.run, True, f"Up: {t.summary}")]
    if event.run == t.run and not t.ended and not t.hangup and t.state is not State.STOPPING:
        return replace(t, starting=True), []
    return t, [AnswerReady(event.run, False, t.last)]


def _hang_up(t: Tunnel, failure: Failure | None, timed_out: bool = False) -> Step:
    """End pppd, because of failure, or (None) for a reason that its log shall tell."""
    t = replace(t, hangup=failure, timed_out=timed_out, state=State.STOPPING)
    actions: list[Action] = [CancelTimer(Timer.CONNECT), HangUp(), StartTimer(Timer.KILL, KILL_SECONDS)]
    if t.starting:
        t = replace(t, starting=False)
        actions.append(AnswerReady(t.run, False, failure.sentence if failure else "The link did not come up."))
    return t, actions


def _timer_fired(t: Tunnel, timer: Timer, moment: Moment) -> Step:
    if t.ended:
        return t, []
    if timer is Timer.PAUSE:
        return _consider(t, moment)
    if timer is Timer.KILL:
        return t, [HangUp(hard=True)]
    if t.state in (State.CONNECTING, State.STOPPING) and not t.hangup and not t.timed_out:
        lost = t.up_since is not None
        return _hang_up(t, Failure(reasons.LINK_TAKEN_DOWN) if lost else None, timed_out=not lost)
    if t.state in (State.WAITING, State.RESOLVING):
        failure = (
            Failure(reasons.NAME_SERVER_SILENT)
            if t.state is State.RESOLVING
            else Failure(reasons.NO_ROUTE if t.online else reasons.NO_NETWORK)
        )
        t = replace(t, refusal=Refusal(TEMPFAIL, failure))
        return _consider(t, moment)
    return t, []


# --- the end of a run ---


def _run_ended(t: Tunnel, event: RunEnded, moment: Moment) -> Step:
    if event.run != t.run and t.ended:
        t = _fresh(t, event.run)  # it ended without having asked, or the manager was not there
    elif event.run != t.run or t.ended:
        return t, [AnswerEnded(event.run)]
    was_up, dialled = t.up_since is not None, t.address is not None
    lasted = was_up and moment.now - (t.up_since or 0.0) >= retry.LASTED_SECONDS
    actions: list[Action] = [*(CancelTimer(timer) for timer in Timer), RemoveOptions()]
    if t.starting:
        actions.append(AnswerReady(t.run, False, "The link did not come up."))
    refusal = None if t.refusal and t.refusal.status == TEMPFAIL else t.refusal  # that was for this run
    t = replace(
        t, ended=True, asking=False, starting=False, active=False, up_since=None, deadline=None, refusal=refusal
    )
    if event.asked or t.leaving:  # a start that came after the stop hides that
        t = replace(_unburdened(t), state=State.STOPPING, autopsy=None)
        return t, [*actions, AnswerEnded(t.run)]
    if t.hangup:
        given_up = t.state is State.FAILED
        t, more = (t, [Tell(t.hangup)]) if given_up else _failed(t, t.hangup, lasted, moment)
        return t, [*actions, *more, AnswerEnded(t.run)]
    t = replace(t, state=State.STOPPING, autopsy=Autopsy(t.run, event.end, was_up, lasted, t.timed_out))
    # A link that was up is redialled while its log is read; a start that fails ends when the reason is known.
    return t, [*actions, ReadLog(t.run, t.pid), *([AnswerEnded(t.run)] if was_up and dialled else [])]


def _log_read(t: Tunnel, event: LogRead, moment: Moment) -> Step:
    autopsy = t.autopsy
    if not autopsy or autopsy.run != event.run:
        return t, []
    failure = reasons.classify(event.lines, autopsy.end, was_up=autopsy.was_up, timed_out=autopsy.timed_out)
    t, actions = _failed(replace(t, autopsy=None), failure, autopsy.lasted, moment)
    actions += [] if autopsy.was_up else [AnswerEnded(autopsy.run)]
    t, more = _consider(t, moment)
    return t, actions + more


def _failed(t: Tunnel, failure: Failure, lasted: bool, moment: Moment) -> Step:
    """The tunnel after a run that failed: when to try again, or that it is given up."""
    if failure.reason is reasons.CONFIGURATION_CHANGED:
        return replace(t, state=State.WAITING, failures=0, repeats=0, not_before=0.0), []
    if failure.reason is reasons.MPPE_REFUSED and t.config and t.config.mppe is Mppe.OPTIONAL and not t.plain:
        return replace(t, state=State.WAITING, failure=failure, plain=True), []
    same = t.failure is not None and t.failure.reason is failure.reason
    failures = 0 if lasted else t.failures + 1
    repeats = t.repeats + 1 if same else 1
    t = replace(
        t,
        state=State.WAITING,
        failure=failure,
        failures=failures,
        repeats=repeats,
        pause=retry.pause(failures, moment.chance),
    )
    t = replace(t, not_before=moment.now + t.pause)
    spent = failure.reason.retry is Retry.NEVER or (failure.reason.retry is Retry.TWICE and repeats >= 2)
    if spent or not (t.config and t.config.persist):
        status = NOPERM if spent else UNAVAILABLE
        t = replace(t, state=State.FAILED, refusal=Refusal(status, failure))
    return t, [Tell(failure)]


def _unit_changed(t: Tunnel, event: UnitChanged, moment: Moment) -> Step:
    if event.run not in ("", t.run) and not t.ended:
        return t, []  # of an earlier run
    match event.active:
        case "active":
            t = replace(t, active=True)
            return t, [Tell(None)] if t.state is State.UP else []
        case "inactive" | "failed":
            return _unit_down(t, event, moment)
        case "activating" if event.sub == "auto-restart" and not t.ended:
            return _run_ended(t, RunEnded(t.run, Exit()), moment)
    return t, []


def _unit_down(t: Tunnel, event: UnitChanged, moment: Moment) -> Step:
    """systemd has nothing to run any more: a stop that was asked for, or an end that was given up."""
    actions: list[Action] = []
    if not t.ended:
        t, actions = _run_ended(t, RunEnded(t.run, Exit(), asked=True), moment)
    if event.active == "failed" and t.run and t.state is not State.FAILED and not t.called:
        # Nothing was given up: it was told to stop in the moment in which an attempt failed. So it did.
        return replace(_unburdened(t), active=False, autopsy=None, state=State.STOPPING), [*actions, ResetUnit()]
    if event.active == "failed":
        t = replace(t, state=State.FAILED)
    if event.active == "inactive" and not t.called:
        actions = [*actions, Tell(Failure(reasons.STOPPED))]
        t = replace(t, state=State.IDLE, autopsy=None)
    return replace(_unburdened(t), active=False), actions


# --- what people, the configuration and the network want ---


def _unburdened(t: Tunnel) -> Tunnel:
    """The tunnel with its past attempts forgotten."""
    return replace(t, refusal=None, failures=0, repeats=0, not_before=0.0, plain=False)


def _connect_asked(t: Tunnel, moment: Moment) -> Step:
    match t.state:
        case State.UP:
            return t, [Tell(None)] if t.active else []
        case State.IDLE | State.FAILED | State.STOPPING:
            return replace(_unburdened(t), called=True), [StartUnit()]
        case State.WAITING:
            return _consider(_unburdened(t), moment)
        case State.RESOLVING | State.CONNECTING:
            return t, []


def _unit_refused(t: Tunnel, moment: Moment) -> Step:
    """What was to happen does not: a run that was to end goes on, up again as soon as its routes are."""
    goes_on = t.leaving and not t.ended
    t = replace(t, called=False, leaving=False)
    if not goes_on:
        return t, []
    if t.address:
        return t, [_lost_timer(t)]
    return _consider(replace(t, state=State.WAITING), moment)


def _disconnect_asked(t: Tunnel) -> Step:
    if t.state not in (State.IDLE, State.FAILED):
        t = replace(t, state=State.STOPPING, leaving=True)
    return replace(t, called=False), [Tell(Failure(reasons.STOPPED)), StopUnit()]


def _reconnect_asked(t: Tunnel) -> Step:
    t = replace(_unburdened(t), called=True)
    if t.state not in (State.IDLE, State.FAILED):
        t = replace(t, state=State.STOPPING, leaving=True)
    return t, [RestartUnit()]


def _configured(t: Tunnel, event: Configured, moment: Moment) -> Step:
    t = replace(t, config=event.config, absent=event.absent)
    if event.config is None:
        return (t, []) if t.state is State.IDLE else (t, [StopUnit()])
    if t.state is State.FAILED:
        return replace(_unburdened(t), called=True), [StartUnit()]
    if t.state is State.WAITING:
        return _consider(_unburdened(t), moment)
    if event.redial and t.state in (State.CONNECTING, State.UP):
        return _hang_up(replace(t, plain=False), Failure(reasons.CONFIGURATION_CHANGED))
    if t.state is State.RESOLVING and t.asking:
        return replace(t, address=None, path=None), [Resolve(t.run, event.config.server)]
    return t, []


def _network_changed(t: Tunnel, event: NetworkChanged, moment: Moment) -> Step:
    came = event.online and not t.online
    t = replace(t, online=event.online)
    if t.state is not State.WAITING:
        return t, []
    if not came and t.asking and t.address and not t.path:
        return t, [FindPath(t.run, t.address)]  # there was no route to it
    return _consider(replace(t, not_before=0.0) if came else t, moment)


def _adopted(t: Tunnel, event: Adopted, moment: Moment) -> Step:
    """Go on with a run that an earlier manager began; one that has spoken to us already we know better."""
    if not t.ended:
        return t, []
    t = replace(_fresh(t, event.run), address=event.address, path=event.path, autopsy=None)
    if event.address is None:
        return replace(t, state=State.WAITING), []
    if event.up_since >= 0:
        t = replace(t, up_since=event.up_since)
    timer = _lost_timer(t)
    return replace(t, state=State.CONNECTING, deadline=moment.now + timer.seconds), [timer]
