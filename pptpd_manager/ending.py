"""The end of a run: what follows from its reason, and from what systemd says of the unit. Part of machine.py."""

from __future__ import annotations

from dataclasses import replace

from pptpd_manager import reasons, retry
from pptpd_manager.config import Mppe
from pptpd_manager.diagnosis import NOT_PPPD, Circumstances, Exit, diagnose
from pptpd_manager.events import (
    NOPERM,
    TEMPFAIL,
    UNAVAILABLE,
    Action,
    AnswerEnded,
    AnswerReady,
    CancelTimer,
    LogRead,
    Moment,
    ReadLog,
    RemoveOptions,
    ResetUnit,
    RunEnded,
    Tell,
    Timer,
    UnitChanged,
)
from pptpd_manager.link import unhalted
from pptpd_manager.reasons import Failure, Phase, Retry
from pptpd_manager.tunnel import Autopsy, Refusal, State, Step, Tunnel, fresh
from pptpd_manager.verdict import KNOCK_AFTER, consider, unburdened

# We ended the link ourselves, for a better one: nothing failed that would be worth a pause.
OURS = (reasons.CONFIGURATION_CHANGED, reasons.UPLINK_CHANGED, reasons.SUSPENDED)
# A password that somebody gave is asked for anew after these.
NEW_PASSWORD = (reasons.WRONG_PASSWORD, reasons.PASSWORD_EXPIRED, reasons.PASSWORD_NOT_CHANGED)
WITHOUT_MPPE = (reasons.MPPE_REFUSED, reasons.MPPE_SILENT, reasons.MPPE_STATEFUL)


def run_ended(t: Tunnel, event: RunEnded, moment: Moment) -> Step:
    """Clean up after a run, and find out why it ended unless that is known."""
    called_off = False
    if event.run != t.run and t.ended:
        # It ended without having asked, or the manager was not there. Before it has asked only systemd knows of it.
        t, called_off = fresh(t, event.run), event.end == Exit("killed", "TERM")
    elif event.run != t.run or t.ended:
        return t, [AnswerEnded(event.run)]
    was_up, dialled = t.up_since is not None, t.address is not None
    lasted = was_up and moment.now - (t.up_since or 0.0) >= retry.LASTED_SECONDS
    actions: list[Action] = [*(CancelTimer(timer) for timer in Timer), RemoveOptions()]
    if t.starting:
        actions.append(AnswerReady(t.run, False, "The link did not come up."))
    refusal = None if t.refusal and t.refusal.status == TEMPFAIL else t.refusal  # that was for this run
    t = replace(t, ended=True, asking=False, knocking=False, starting=False, active=False)
    t = replace(t, up_since=None, deadline=None, refusal=refusal)
    if event.asked or called_off or t.leaving:  # a start that came after the stop hides that
        t = replace(unburdened(t), state=State.STOPPING, autopsy=None)
        return t, [*actions, AnswerEnded(t.run)]
    if t.hangup:
        given_up = t.state is State.FAILED
        t, more = (t, [Tell(t.hangup)]) if given_up else failed(t, t.hangup, was_up, lasted, moment)
        return t, [*actions, *more, AnswerEnded(t.run)]
    autopsy = Autopsy(t.run, event.end, was_up, lasted, t.timed_out, t.otherwise, t.killed)
    t = replace(t, state=State.STOPPING, autopsy=autopsy)
    # A link that was up is redialled while its log is read; a start that fails ends when the reason is known.
    return t, [
        *actions,
        *([AnswerEnded(t.run)] if was_up and dialled else []),
        ReadLog(t.run, t.pid, _speaks_last(event.end)),
    ]


def _speaks_last(end: Exit) -> bool:
    """Whether pppd logs a last line when it ends so.

    Not when it is killed, on an option error, when it is not root, and without PPP in the kernel (main.c, main); nor
    does what is not pppd.
    """
    return end.code in ("exited", "") and end.status not in ("2", "3", "4", *NOT_PPPD)


def log_read(t: Tunnel, event: LogRead, moment: Moment) -> Step:
    """The reason is known."""
    autopsy = t.autopsy
    if not autopsy or autopsy.run != event.run:
        return t, []
    facts = Circumstances(
        autopsy.was_up, autopsy.timed_out, t.encrypts, event.untracked, autopsy.otherwise, autopsy.killed
    )
    failure = diagnose(event.lines, autopsy.end, facts)
    if autopsy.outdated:
        failure = Failure(reasons.CONFIGURATION_CHANGED)
    t, actions = failed(replace(t, autopsy=None), failure, autopsy.was_up, autopsy.lasted, moment)
    if autopsy.final and t.run == autopsy.run and not t.called:
        t = replace(unburdened(t), state=State.FAILED)
    actions += [] if autopsy.was_up else [AnswerEnded(autopsy.run)]
    t, more = consider(t, moment)
    return t, actions + more


def failed(t: Tunnel, failure: Failure, was_up: bool, lasted: bool, moment: Moment) -> Step:
    """The tunnel after a run that failed: when to try again, or that it is given up."""
    if failure.reason in OURS:
        return _renewed(t, failure, lasted, moment), []
    if failure.reason in WITHOUT_MPPE and t.config and t.config.mppe is Mppe.OPTIONAL and not t.plain:
        return replace(t, state=State.WAITING, failure=failure, plain=True), []
    t = _tried(t, failure, was_up)
    failures = 0 if lasted else t.failures + (not t.untried or not t.failures)  # a round counts once
    few = t.few + (failure.reason.retry is Retry.FEW)
    # The class is about attempts. A link that was up shows that one may well succeed.
    pace = Retry.SOON if was_up else failure.reason.retry
    # While there are addresses that have not been tried in this round there is nothing to pause for.
    pause = 0.0 if t.untried else retry.pause(pace, failures, moment.chance)
    not_before = max(moment.now, t.began + pause)
    t = replace(
        t,
        state=State.WAITING,
        failure=failure,
        failures=failures,
        few=few,
        pause=not_before - moment.now,
        not_before=not_before,
        knock=failure.reason in KNOCK_AFTER and not t.untried,
        remembered=t.remembered and failure.reason not in NEW_PASSWORD,
        plain=t.plain and was_up,  # else the next one asks for encryption again
    )
    spent = failure.reason.retry is Retry.NEVER or (failure.reason.retry is Retry.FEW and few >= retry.ATTEMPTS)
    if spent or not (t.untried or (t.config and t.config.persist)):
        t = replace(t, state=State.FAILED, refusal=Refusal(NOPERM if spent else UNAVAILABLE, failure))
    return t, [] if t.untried and not t.refusal else [Tell(failure)]


def _renewed(t: Tunnel, failure: Failure, lasted: bool, moment: Moment) -> Tunnel:
    """The tunnel after a run that we ended ourselves: it is dialled again at once, unless that goes on."""
    if failure.reason is reasons.CONFIGURATION_CHANGED:
        return replace(unburdened(t), state=State.WAITING)
    failures = 0 if lasted else t.failures + 1
    not_before = max(moment.now, t.began + retry.pause(Retry.SOON, failures, moment.chance))
    pause = not_before - moment.now
    t = replace(t, state=State.WAITING, failure=failure, failures=failures, knock=False)
    return replace(t, not_before=not_before, pause=pause)


def _tried(t: Tunnel, failure: Failure, was_up: bool) -> Tunnel:
    """The tunnel with its address marked as tried in this round, if another one may do better."""
    servers = failure.reason.phase not in (Phase.BEFORE, Phase.MACHINE)
    another = failure.reason.retry in (Retry.SOON, Retry.LATER) and (not was_up or failure.reason is reasons.PEER_DEAD)
    if t.target and servers and another:
        return replace(t, tried=t.tried | {t.target})
    return replace(t, candidates=())


def unit_changed(t: Tunnel, event: UnitChanged, moment: Moment) -> Step:
    """systemd says what the unit is now."""
    if event.active == "deactivating" and t.leaving and t.ended and event.run not in ("", t.run):
        # The stop has caught the next run. What that asks is on the way to us, and may come later than this.
        t = replace(fresh(t, event.run), state=State.STOPPING, leaving=True, called=t.called)
    if event.run not in ("", t.run) and not t.ended:
        return t, []  # of an earlier run
    match event.active:
        case "active" if t.leaving and not t.halting:  # a start replaced the stop before that began
            return unhalted(replace(t, active=True, leaving=False), moment)
        case "active":
            t = replace(t, active=True)
            return t, [Tell(None)] if t.state is State.UP else []
        case "inactive" | "failed":
            return _unit_down(t, event, moment)
        case "activating" if event.sub == "auto-restart" and not t.ended:
            return run_ended(t, RunEnded(t.run, Exit()), moment)
        case "activating" if t.leaving and not t.halting and not t.ended:  # it was started after the stop
            return unhalted(replace(t, leaving=False), moment)
    return t, []


def _unit_down(t: Tunnel, event: UnitChanged, moment: Moment) -> Step:
    """systemd has nothing to run any more: a stop that was asked for, or an end that was given up."""
    actions: list[Action] = []
    if not t.ended:
        end = Exit("exited", event.given_up) if event.given_up else Exit()
        t, actions = run_ended(t, RunEnded(t.run, end, asked=not event.given_up), moment)
    if event.given_up and t.autopsy:  # systemd did not wait for the reason, or nobody told of the end
        t = replace(t, active=False, autopsy=replace(t.autopsy, final=True))
        return t, actions
    if event.active == "failed" and t.run and t.state is not State.FAILED and not t.called:
        # Nothing was given up: it was told to stop in the moment in which an attempt failed. So it did.
        return replace(unburdened(t), active=False, autopsy=None, state=State.STOPPING), [*actions, ResetUnit()]
    if event.active == "failed":
        t = replace(t, state=State.FAILED)
    if event.active == "inactive" and not t.called:
        actions = [*actions, Tell(Failure(reasons.STOPPED))]
        t = replace(t, state=State.IDLE, autopsy=None)
    return replace(unburdened(t), active=False), actions
