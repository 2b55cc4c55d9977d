"""A run from the call to the end of its link: up, usable, lost, hung up. Part of machine.py."""

from __future__ import annotations

from dataclasses import replace

from pptpd_manager import reasons
from pptpd_manager.events import (
    Action,
    AnswerReady,
    CancelTimer,
    HangUp,
    LinkChanged,
    Moment,
    PathFound,
    ProcessLost,
    ReadyAsked,
    RoutesSynced,
    StartTimer,
    Tell,
    Timer,
    WatchProcesses,
)
from pptpd_manager.reasons import Failure
from pptpd_manager.tunnel import State, Step, Tunnel
from pptpd_manager.verdict import consider

GONE_SECONDS = 6.0  # from the loss of the address to SIGTERM; pppd gives ip-down five (child-timeout, pppd(8))
KILL_SECONDS = 3.0  # from SIGTERM to SIGKILL for a pppd that does not end


def link_changed(t: Tunnel, event: LinkChanged) -> Step:
    """The interface is another one now, or none."""
    t = replace(t, link=event.link)
    if t.state is not State.UP or (t.link and t.link.usable):
        return t, []
    # Mostly pppd's end is a moment away; or somebody set the link down, and may set it up again. Not told to end at
    # once: a signal while it waits for ip-down would have it kill that (main.c).
    gone = t.link is not None and not t.link.local
    return replace(t, state=State.STOPPING), [StartTimer(Timer.CONNECT, GONE_SECONDS) if gone else lost_timer(t)]


def lost_timer(t: Tunnel) -> StartTimer:
    """How long a link that is not usable any more may take to be so again, or pppd to end."""
    return StartTimer(Timer.CONNECT, float(t.config.connect_timeout if t.config else KILL_SECONDS))


def path_changed(t: Tunnel, event: PathFound) -> Step:
    """The kernel leads to the server by another way than when it was dialled; no way at all may be for a moment."""
    if event.run != t.run or t.ended or event.address != t.address or event.path in (None, t.path):
        return t, []
    before, t = t.path, replace(t, path=event.path, way=event.path)
    if before is None or event.path is None or t.hangup or t.state is State.STOPPING:
        return t, []
    return hang_up(t, Failure(reasons.UPLINK_CHANGED, f"{before} before, {event.path} now"))


def unhalted(t: Tunnel, moment: Moment) -> Step:
    """A run that was to end goes on, up again as soon as its routes are."""
    if t.address and not t.asking:
        return t, [lost_timer(t)]
    return consider(replace(t, state=State.WAITING), moment)


def process_lost(t: Tunnel, event: ProcessLost) -> Step:
    """pppd alone would not notice, or cannot."""
    if event.run != t.run or t.ended or t.leaving or t.hangup or t.otherwise or t.timed_out:
        return t, []
    if t.state not in (State.CONNECTING, State.UP, State.STOPPING):
        return t, []
    return hang_up(t, otherwise=event.failure)


def routes_synced(t: Tunnel, event: RoutesSynced, moment: Moment) -> Step:
    """The table is as it should be: with a usable link that means that the tunnel is up."""
    if not t.wants_routes:
        return t, []
    if event.error:
        return hang_up(t, Failure(reasons.ROUTE_REFUSED, event.error))
    if t.state is State.UP:
        return t, []
    since = moment.now if t.up_since is None else t.up_since
    t = replace(t, state=State.UP, up_since=since, few=0, deadline=None, knock=False, tried=frozenset())
    actions: list[Action] = [CancelTimer(Timer.CONNECT), WatchProcesses(t.run, t.pid)]
    if t.starting:
        t = replace(t, starting=False)
        actions.append(AnswerReady(t.run, True, f"Up: {t.summary}"))
    return t, actions + ([Tell(None)] if t.active else [])


def ready_asked(t: Tunnel, event: ReadyAsked) -> Step:
    """The unit's start is to end when the tunnel is up."""
    if event.run == t.run and not t.ended and t.state is State.UP:
        return t, [AnswerReady(t.run, True, f"Up: {t.summary}")]
    if event.run == t.run and not t.ended and not t.hangup and t.state is not State.STOPPING:
        return replace(t, starting=True), []
    return t, [AnswerReady(event.run, False, t.last)]


def hang_up(
    t: Tunnel, failure: Failure | None = None, *, otherwise: Failure | None = None, timed_out: bool = False
) -> Step:
    """End pppd, because of failure; or for a reason that its log shall tell, and if it does not, otherwise."""
    t = replace(t, hangup=failure, otherwise=otherwise, timed_out=timed_out, state=State.STOPPING)
    actions: list[Action] = [CancelTimer(Timer.CONNECT), HangUp(), StartTimer(Timer.KILL, KILL_SECONDS)]
    if t.starting:
        t = replace(t, starting=False)
        actions.append(AnswerReady(t.run, False, failure.sentence if failure else "The link did not come up."))
    return t, actions
