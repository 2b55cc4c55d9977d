"""What a run's main process is told when it asks whether to dial, and the way to that answer: wait, resolve, knock.

Part of machine.py, which has the theory of operation.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from pptpd_manager import reasons, retry
from pptpd_manager.config import TunnelConfig
from pptpd_manager.events import (
    CONFIG,
    TEMPFAIL,
    UNAVAILABLE,
    Action,
    Answer,
    CancelTimer,
    Dial,
    FindPath,
    GiveUp,
    Knock,
    Knocked,
    Moment,
    PathFound,
    Prepare,
    Prepared,
    Prompt,
    Prompted,
    Resolve,
    Resolved,
    ResolveFailed,
    StartTimer,
    Tell,
    Timer,
    Wait,
)
from pptpd_manager.reasons import Failure, Retry
from pptpd_manager.tunnel import Refusal, State, Step, Tunnel

# After these a call would only hang: the next one waits until the server accepts a TCP connection again.
KNOCK_AFTER = (reasons.TCP_REFUSED, reasons.TCP_SILENT, reasons.HOST_UNREACHABLE, reasons.PEER_DEAD)
# Of a server that is away one knock finds this and the next one that, as ARP and routers on the way have it.
AWAY = (reasons.TCP_SILENT, reasons.HOST_UNREACHABLE, reasons.PEER_DEAD)
PROMPTING = "Waiting for the password; to give it, run: systemd-tty-ask-password-agent"


def unburdened(t: Tunnel) -> Tunnel:
    """The tunnel with its past attempts forgotten."""
    return replace(
        t, refusal=None, failures=0, few=0, not_before=0.0, plain=False, knock=False, knocking=False, tried=frozenset()
    )


def hurried(t: Tunnel) -> Tunnel:
    """The tunnel with its pause cut short; never so short that attempts chase each other."""
    return replace(t, not_before=min(t.not_before, t.began + retry.SHORTEST_SECONDS), knocking=False)


def consider(t: Tunnel, moment: Moment) -> Step:
    """What to answer a main process that asks; nothing while there is something to wait for."""
    if not t.asking or t.autopsy or t.leaving or t.prompting:
        return t, []
    if t.refusal:
        return refuse(t, t.refusal)
    config = t.config
    if not config:
        return refuse(t, Refusal(CONFIG, t.absent))
    timers: list[Action] = []
    if not t.failures and not t.knock:
        # The first attempt after a start ends at connect-timeout also when it waits for the network: somebody waits
        # for the start job then, a shell or the boot. Later ones may wait for as long as it takes.
        t, timers = _with_deadline(t, config, moment)
    if t.asleep:
        t, actions = _wait(t, "Waiting for the machine to wake up")
        return t, timers + actions
    if moment.now < t.not_before:
        left = t.not_before - moment.now
        t, actions = _wait(t, _pausing(t))
        return t, [StartTimer(Timer.PAUSE, left), *actions]
    if not t.online:
        t, actions = _wait(t, "Waiting for the network: no interface has an IPv4 address")
        return t, timers + actions
    return _begin(t, config, moment, timers)


def _begin(t: Tunnel, config: TunnelConfig, moment: Moment, timers: list[Action]) -> Step:
    """Begin an attempt, or a knock before it: both begin with the server's address."""
    crowded = moment.crowded and not t.knock
    if crowded and (t.queued or not t.again):
        return _line_up(t)
    t = replace(t, began=moment.now, queued=False)
    if crowded:
        # Many dial, maybe because the server that all of them had has died. One knock tells each that shares it, and
        # a dial of each is what the machine would be busy with when the server returns.
        return replace(t, state=State.WAITING, knocking=True, deadline=None), [
            CancelTimer(Timer.CONNECT),
            Resolve(t.run, config.servers),
        ]
    if t.knock:  # for people it is waiting all the while
        return replace(t, state=State.WAITING, knocking=True), [*timers, Resolve(t.run, config.servers)]
    t, more = _with_deadline(replace(t, state=State.RESOLVING), config, moment)
    return t, [*timers, *more, Resolve(t.run, config.servers)]


def _line_up(t: Tunnel) -> Step:
    """Wait until fewer others dial; connect-timeout begins after that, since it is no fault of the server's."""
    t = replace(t, state=State.WAITING, queued=True, knock=False, knocking=False, deadline=None)
    return t, [CancelTimer(Timer.CONNECT)]


def _with_deadline(t: Tunnel, config: TunnelConfig, moment: Moment) -> tuple[Tunnel, list[Action]]:
    """The tunnel with connect-timeout running, if it was not yet."""
    if t.deadline is not None:
        return t, []
    return (
        replace(t, deadline=moment.now + config.connect_timeout),
        [StartTimer(Timer.CONNECT, float(config.connect_timeout))],
    )


def _pausing(t: Tunnel) -> str:
    """What it waits for in a pause."""
    if t.knock:
        return _knocking(t)
    if t.failure and t.failure.reason.retry is Retry.NETWORK:
        return f"Waiting for a change of the network, at most {t.pause:.1f} s. Last: {t.last}"
    return f"Pausing {t.pause:.1f} s before attempt {t.failures + 1}. Last: {t.last}"


def _knocking(t: Tunnel) -> str:
    server = t.config.server if t.config else ""
    return f"Waiting for {server} to accept connections on TCP port 1723. Last: {t.last}"


def _wait(t: Tunnel, text: str) -> Step:
    t, text = replace(t, state=State.WAITING, queued=False), t.guarding(text)
    if text == t.seen:
        return t, []
    return replace(t, asking=False, knocking=False), [Answer(t.run, Wait(text))]


def refuse(t: Tunnel, refusal: Refusal) -> Step:
    """End the run before it dials. A refusal that gives up is spent by it: what asks next was started anew."""
    given_up = refusal.status != TEMPFAIL
    t = replace(
        t,
        asking=False,
        knocking=False,
        refusal=None,
        hangup=refusal.failure,
        failure=refusal.failure,
        state=State.FAILED if given_up else State.WAITING,
        deadline=None,
    )
    return t, [
        CancelTimer(Timer.CONNECT),
        CancelTimer(Timer.PAUSE),
        Answer(t.run, GiveUp(refusal.status, t.guarding(t.explain(refusal.failure)))),
        *([Tell(refusal.failure)] if given_up else []),
    ]


def progressed(t: Tunnel, event: Resolved | ResolveFailed | PathFound | Knocked | Prepared, moment: Moment) -> Step:
    """Resolve, FindPath, Knock and Prepare have come to their ends; what this run has not asked for is late."""
    config = t.config
    if event.run != t.run or t.ended or not config:
        return t, []
    if isinstance(event, PathFound) and t.state is State.WAITING and t.asking and not t.knocking:
        return consider(t, moment) if event.path and event.address == t.address else (t, [])
    if t.state is not State.RESOLVING and not t.knocking:
        return t, []
    match event:
        case Resolved() | ResolveFailed() if event.servers != config.servers:
            return t, []
        case Resolved():
            return _next_address(replace(t, candidates=event.addresses))
        case ResolveFailed():
            return refuse(t, Refusal(TEMPFAIL, event.failure))
        case PathFound() if event.address == t.address:
            return _path_found(t, event, config)
        case Knocked() if event.address == t.address and t.knocking:
            return _knocked(t, event, config, moment)
        case Prepared() if t.path is not None:  # else of a dial that was called off
            return _prepared(t, event, config)
    return t, []


def _next_address(t: Tunnel) -> Step:
    """Take the first of the servers' addresses that has not failed in this round; after all of them the first one."""
    t = t if t.untried else replace(t, tried=frozenset())
    address = t.untried[0]
    plain = t.plain and address == t.target  # that one refused to encrypt, and no other
    path = t.path if t.knocking and address == t.address else None  # of knock after knock nothing is new
    return replace(t, address=address, target=address, path=path, plain=plain), [FindPath(t.run, address)]


def _path_found(t: Tunnel, event: PathFound, config: TunnelConfig) -> Step:
    t = replace(t, path=event.path, way=event.path)
    if event.path is None:
        t = replace(t, tried=t.tried | {event.address})
        if t.untried:
            return _next_address(t)
        which = f" ({t.address})" if len(t.candidates) == 1 else ""
        return _wait(replace(t, knocking=False), f"Waiting for the network: no route to {config.server}{which}")
    if t.knocking and t.knock:
        t, actions = _wait(t, _knocking(t))
        return t, actions or [Knock(t.run, event.address)]
    if t.knocking or len(t.candidates) > 1:  # so that a start comes up by the second one when the first one is away
        return replace(t, knocking=True), [Knock(t.run, event.address)]
    return _prepare(t, config, event.address, event.path.mtu)


def _prepare(t: Tunnel, config: TunnelConfig, address: IPv4Address, mtu: int) -> Step:
    """Write the option file, or first ask for the password: not before the server can be dialled."""
    if not config.ask_password or t.remembered:
        return t, [Prepare(t.run, config, address, t.plain, mtu)]
    t, actions = _wait(replace(t, knocking=False), PROMPTING)
    if actions:
        return t, actions
    # People have a time of their own.
    return replace(t, prompting=True, deadline=None), [CancelTimer(Timer.CONNECT), Prompt(t.run, config)]


def prompted(t: Tunnel, event: Prompted, moment: Moment) -> Step:
    """The question for the password has come to its end. Its answer may have taken long: the attempt begins anew."""
    if event.run != t.run or not t.prompting:
        return t, []
    t = replace(t, prompting=False)
    if event.failure:
        return refuse(t, _refusal(event.failure))
    return consider(replace(t, remembered=True), moment)


def _refusal(failure: Failure) -> Refusal:
    return Refusal(UNAVAILABLE if failure.reason.retry is Retry.NEVER else TEMPFAIL, failure)


def _knocked(t: Tunnel, event: Knocked, config: TunnelConfig, moment: Moment) -> Step:
    if not event.failure and moment.crowded and t.state is State.WAITING:
        return _line_up(t)
    if not event.failure:
        t, timers = _with_deadline(replace(t, state=State.RESOLVING, knocking=False, knock=False), config, moment)
        t, actions = _prepare(t, config, event.address, t.path.mtu if t.path else 0)
        return t, [*timers, *actions]
    t = replace(t, knocking=False, tried=t.tried | {event.address})
    if t.state is State.RESOLVING:  # the attempt is in the hands of a person or the boot
        return _next_address(t) if t.untried else refuse(t, Refusal(TEMPFAIL, event.failure))
    known = t.failure.reason if t.failure else None
    if known is not event.failure.reason and not (known in AWAY and event.failure.reason in AWAY):
        t = replace(t, failure=event.failure)
    pause = 0.0 if t.untried else retry.knock_pause(moment.chance)
    return consider(replace(t, knock=True, not_before=t.began + pause), moment)


def _prepared(t: Tunnel, event: Prepared, config: TunnelConfig) -> Step:
    if event.failure:
        return refuse(t, _refusal(event.failure))
    t = replace(t, state=State.CONNECTING, asking=False)
    return t, [Answer(t.run, Dial(f"Connecting to {config.server} ({t.address})"))]
