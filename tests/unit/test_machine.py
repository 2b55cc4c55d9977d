"""The state machine: stories told event by event, and a walk over everything that can be reached."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from ipaddress import IPv4Address
from typing import get_args

import pytest

from pptpd_manager import reasons
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
from pptpd_manager.machine import KILL_SECONDS, step
from pptpd_manager.reasons import Exit, Failure, Line
from pptpd_manager.routes import Link, Path
from pptpd_manager.tunnel import State, Tunnel

HOST, SERVER = "vpn.example.com", IPv4Address("203.0.113.1")
CONFIG_WORK = TunnelConfig(name="work", server=HOST, username="alice", password="secret")
PATH = Path(2, IPv4Address("192.0.2.1"))
LINK = Link(7, "pptp-work", True, 1396, IPv4Address("10.9.0.100"), IPv4Address("10.9.0.1"))
WRONG = (Line("pppd", "MS-CHAP authentication failed: E=691 Authentication failure"),)
REFUSED = (Line("pptp", "connect: Connection refused"),)


class Story:
    """A tunnel to which things happen. actions: of the last event."""

    def __init__(self, config: TunnelConfig | None = CONFIG_WORK) -> None:
        self.t, self.now = Tunnel("work", config), 100.0
        self.actions: list[Action] = []

    def then(self, *events: Event, after: float = 0.0) -> Story:
        """Let the events happen, that many seconds later."""
        self.now += after
        for event in events:
            self.t, self.actions = step(self.t, event, Moment(self.now))
        return self

    def state(self) -> State:
        """What the tunnel is doing now."""
        return self.t.state

    def dialling(self, run: str = "r1") -> Story:
        """From the start of a run until pppd runs."""
        return self.then(DialAsked(run), Resolved(run, HOST, (SERVER,)), PathFound(run, SERVER, PATH), Prepared(run))

    def up(self, run: str = "r1") -> Story:
        """From the start of a run until the link is up and systemd knows."""
        return self.dialling(run).then(
            LinkChanged(LINK), RoutesSynced(), ReadyAsked(run), UnitChanged("active", "running", run)
        )

    def failing(self, run: str, lines: tuple[Line, ...] = REFUSED) -> Story:
        """A whole run that fails."""
        return self.dialling(run).then(RunEnded(run, Exit("exited", "16")), LogRead(run, lines))


def test_a_start_from_the_question_to_the_link() -> None:
    story = Story().then(DialAsked("r1"))
    assert story.state() is State.RESOLVING
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0), Resolve("r1", "vpn.example.com")]
    assert story.then(Resolved("r1", HOST, (SERVER,))).actions == [FindPath("r1", SERVER)]
    assert story.then(PathFound("r1", SERVER, PATH)).actions == [Prepare("r1", CONFIG_WORK, SERVER, False)]
    assert story.then(Prepared("r1")).actions == [Answer("r1", Dial("Connecting to vpn.example.com (203.0.113.1)"))]
    assert story.state() is State.CONNECTING
    assert story.then(LinkChanged(LINK)).actions == [] and story.t.wants_routes
    assert story.then(ReadyAsked("r1")).actions == []
    text = "Up: pptp-work 10.9.0.100 to 10.9.0.1 through vpn.example.com (203.0.113.1); routes: none"
    assert story.then(RoutesSynced()).actions == [CancelTimer(Timer.CONNECT), AnswerReady("r1", True, text)]
    assert story.state() is State.UP
    assert story.then(UnitChanged("active", "running", "r1")).actions == [Tell(None)]


def test_a_start_that_waits_for_the_network_ends_at_the_timeout_and_the_next_one_waits_on() -> None:
    story = Story().then(NetworkChanged(False), DialAsked("r1"))
    text = "Waiting for the network: no interface has an IPv4 address"
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0), Answer("r1", Wait(text))]
    assert story.then(DialAsked("r1", text)).actions == [], "it is shown that already"
    story.then(TimerFired(Timer.CONNECT), after=20)
    assert Answer("r1", GiveUp(TEMPFAIL, "There is no network. See: ip address; ip route")) in story.actions
    story.then(RunEnded("r1", Exit("exited", "75")))
    assert Tell(Failure(reasons.NO_NETWORK)) in story.actions and AnswerEnded("r1") in story.actions
    story.then(DialAsked("r2"), after=2)
    assert story.actions == [Answer("r2", Wait(text))], "no timer: nobody waits for this one"
    story.then(DialAsked("r2", text)).then(NetworkChanged(True), after=1000)
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0), Resolve("r2", "vpn.example.com")]


def test_no_route_waits_until_routes_change() -> None:
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, None))
    text = "Waiting for the network: no route to vpn.example.com (203.0.113.1)"
    assert story.actions == [Answer("r1", Wait(text))] and story.state() is State.WAITING
    story.then(DialAsked("r1", text), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, None))
    assert story.actions == [] and story.t.asking, "nothing new to show"
    assert story.then(NetworkChanged(True)).actions == [FindPath("r1", SERVER)]
    assert story.then(PathFound("r1", SERVER, None)).actions == [] and story.state() is State.WAITING
    story.then(NetworkChanged(True), PathFound("r1", SERVER, PATH))
    assert story.actions == [Resolve("r1", "vpn.example.com")], "its address may be another by now"


def test_pauses_grow_and_are_cut_short_by_connect() -> None:
    story = Story()
    for number, pause in enumerate((1, 2, 4, 8, 10, 10), 1):
        story.failing(f"r{number}")
        assert (story.state(), story.t.failures, story.t.pause) == (State.WAITING, number, pause)
        story.then(DialAsked(f"r{number + 1}"))
        text = (
            f"Pausing {pause:.1f} s before attempt {number + 1}. "
            "Last: The server refuses connections to TCP port 1723."
        )
        assert story.actions == [StartTimer(Timer.PAUSE, pause), Answer(f"r{number + 1}", Wait(text))]
        story.then(DialAsked(f"r{number + 1}", text))
        assert story.actions == [StartTimer(Timer.PAUSE, pause)]
        story.then(TimerFired(Timer.PAUSE), after=pause)
        assert Resolve(f"r{number + 1}", "vpn.example.com") in story.actions
    story.failing("r8").then(DialAsked("r9")).then(DialAsked("r9", story.actions[-1].verdict.text))  # type: ignore[union-attr]
    assert Resolve("r9", "vpn.example.com") in story.then(ConnectAsked()).actions
    assert story.t.failures == 0


def test_a_wrong_password_is_tried_twice() -> None:
    story = Story().failing("r1", WRONG).then(after=10).failing("r2", WRONG)
    assert story.state() is State.FAILED
    failure = Failure(reasons.WRONG_PASSWORD, "E=691 Authentication failure")
    story.then(DialAsked("r3"))
    text = failure.advise("work")
    assert Answer("r3", GiveUp(NOPERM, text)) in story.actions
    story.then(RunEnded("r3", Exit("exited", "77")), UnitChanged("failed", "failed", "r3"))
    assert story.state() is State.FAILED
    story.then(DialAsked("r4"))
    assert Resolve("r4", "vpn.example.com") in story.actions, "started anew by somebody, it is tried again"


def test_a_new_configuration_starts_a_failed_tunnel() -> None:
    story = Story().failing("r1", WRONG).then(after=10).failing("r2", WRONG)
    story.then(DialAsked("r3"), RunEnded("r3", Exit("exited", "77")), UnitChanged("failed", "failed", "r3"))
    assert story.then(Configured(replace(CONFIG_WORK, password="right"))).actions == [StartUnit()]


def test_without_persist_the_first_failure_is_the_last() -> None:
    story = Story(replace(CONFIG_WORK, persist=False)).failing("r1")
    assert story.state() is State.FAILED
    assert isinstance(story.then(DialAsked("r2")).actions[2], Answer)
    assert story.actions[2].verdict.status == UNAVAILABLE  # type: ignore[union-attr]


def test_a_link_that_lasted_is_redialled_at_once() -> None:
    story = Story().up("r1").then(LinkChanged(None), after=3600)
    assert story.state() is State.STOPPING
    story.then(RunEnded("r1", Exit("exited", "16")))
    assert ReadLog("r1", 0) in story.actions and AnswerEnded("r1") in story.actions, "the unit goes on meanwhile"
    assert story.then(DialAsked("r2")).actions == [], "but the verdict needs the reason"
    story.then(LogRead("r1", ()))
    assert story.actions[0] == Tell(Failure(reasons.PEER_HUNG_UP))
    assert Resolve("r2", "vpn.example.com") in story.actions


def test_a_link_that_did_not_last_pauses() -> None:
    story = Story().up("r1").then(LinkChanged(None), RunEnded("r1", Exit("exited", "16")), LogRead("r1", ()), after=5)
    assert story.t.failures == 1 and story.t.not_before > story.now


def test_an_attempt_that_hangs_is_ended_and_killed_if_it_must_be() -> None:
    story = Story().dialling().then(ReadyAsked("r1")).then(TimerFired(Timer.CONNECT), after=20)
    assert story.actions == [
        CancelTimer(Timer.CONNECT),
        HangUp(),
        StartTimer(Timer.KILL, KILL_SECONDS),
        AnswerReady("r1", False, "The link did not come up."),
    ]
    assert story.then(TimerFired(Timer.KILL)).actions == [HangUp(hard=True)]
    called = (Line("pptp", "Outgoing call established (call ID 0)"),)
    story.then(RunEnded("r1", Exit("killed", "KILL")), LogRead("r1", called))
    assert story.t.failure == Failure(reasons.GRE_BLOCKED)


def test_a_link_without_its_routes_is_not_kept() -> None:
    story = Story().dialling().then(LinkChanged(LINK), RoutesSynced("192.168.10.0/24: No buffer space available"))
    assert HangUp() in story.actions and not story.t.wants_routes
    story.then(RunEnded("r1", Exit("exited", "5")))
    assert story.t.failure == Failure(reasons.ROUTE_REFUSED, "192.168.10.0/24: No buffer space available")


def test_an_interface_that_is_set_down_and_up_again_goes_on() -> None:
    story = Story().up().then(LinkChanged(replace(LINK, up=False)))
    assert story.state() is State.STOPPING and story.actions == [StartTimer(Timer.CONNECT, 20.0)]
    story.then(LinkChanged(LINK), RoutesSynced())
    assert story.state() is State.UP and story.t.up_since == 100.0
    story.then(LinkChanged(replace(LINK, up=False)), TimerFired(Timer.CONNECT), after=20)
    assert HangUp() in story.actions
    assert story.then(RunEnded("r1", Exit("exited", "5"))).t.failure == Failure(reasons.LINK_TAKEN_DOWN)


def test_a_stop_that_was_asked_for_is_no_failure() -> None:
    story = Story().up().then(RunEnded("r1", Exit("exited", "5"), asked=True))
    assert story.actions == [*map(CancelTimer, Timer), RemoveOptions(), AnswerEnded("r1")]
    story.then(UnitChanged("inactive", "dead", "r1"))
    assert story.state() is State.IDLE and story.t.failure is None
    assert story.actions == [Tell(Failure(reasons.STOPPED))]


def test_disconnect_keeps_the_link_from_coming_back_for_a_moment() -> None:
    story = Story().up().then(DisconnectAsked())
    assert story.actions == [Tell(Failure(reasons.STOPPED)), StopUnit()] and not story.t.wants_routes
    assert story.then(LinkChanged(LINK), RoutesSynced()).t.state is State.STOPPING


def test_a_stop_that_systemd_refuses_leaves_it_up() -> None:
    story = Story().up().then(DisconnectAsked(), UnitRefused())
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0)] and story.t.wants_routes
    assert story.then(RoutesSynced()).state() is State.UP


def test_connect_while_stopping_is_answered_by_the_next_run() -> None:
    story = Story().up().then(DisconnectAsked(), ConnectAsked())
    assert story.actions == [StartUnit()]
    story.then(RunEnded("r1", Exit("exited", "5"), asked=True), UnitChanged("inactive", "dead", "r1"))
    assert story.actions == [] and story.state() is State.STOPPING, "a start is under way"
    assert Tell(None) in story.up("r2").actions


def test_a_start_after_a_stop_does_not_make_a_failure_of_it() -> None:
    story = Story().up().then(DisconnectAsked(), ConnectAsked(), UnitAccepted(), RunEnded("r1", Exit("exited", "5")))
    assert story.t.failure is None and AnswerEnded("r1") in story.actions


def test_a_connect_that_a_stop_overtakes_is_told_so() -> None:
    story = Story().up().then(LinkChanged(None), ConnectAsked(), UnitAccepted())
    story.then(RunEnded("r1", Exit("exited", "5"), asked=True), UnitChanged("inactive", "dead", "r1"))
    assert story.state() is State.IDLE and story.actions == [Tell(Failure(reasons.STOPPED))]


def test_an_address_of_a_server_that_is_not_configured_any_more_is_late() -> None:
    story = Story().then(DialAsked("r1"), Configured(replace(CONFIG_WORK, server="other.example.com")))
    assert story.actions == [Resolve("r1", "other.example.com")]
    assert story.then(Resolved("r1", HOST, (SERVER,))).actions == []
    assert story.then(Resolved("r1", "other.example.com", (SERVER,))).actions == [FindPath("r1", SERVER)]


def test_a_link_lost_before_the_start_has_asked_for_it_fails_the_start() -> None:
    story = Story().dialling().then(LinkChanged(LINK), RoutesSynced(), LinkChanged(None), ReadyAsked("r1"))
    assert story.actions == [AnswerReady("r1", False, "Nothing has failed yet.")]
    story.then(RunEnded("r1", Exit("exited", "16")), LogRead("r1", ()))
    assert story.t.failure == Failure(reasons.PEER_HUNG_UP)


def test_reconnect_restarts_the_unit() -> None:
    story = Story().up().then(ReconnectAsked())
    assert story.actions == [RestartUnit()]
    story.then(LinkChanged(None), RunEnded("r1", Exit("exited", "5"), asked=True))
    assert Resolve("r2", "vpn.example.com") in story.then(DialAsked("r2")).actions


def test_optional_mppe_falls_back_once_at_once() -> None:
    refused = (Line("pppd", "MPPE required but peer refused"),)
    story = Story(replace(CONFIG_WORK, mppe=Mppe.OPTIONAL)).failing("r1", refused)
    assert story.t.plain and story.t.failures == 0
    story.then(DialAsked("r2"), Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert [action.plain for action in story.actions if isinstance(action, Prepare)] == [True]
    story.then(Prepared("r2"), RunEnded("r2", Exit("exited", "10")), LogRead("r2", refused))
    assert story.t.failures == 1, "a second refusal is a failure like any other"


def test_required_mppe_never_falls_back() -> None:
    assert not Story().failing("r1", (Line("pppd", "MPPE required but peer refused"),)).t.plain


def test_a_tunnel_that_is_not_configured_is_refused() -> None:
    story = Story(None).then(DialAsked("r1"))
    advice = "Add it under 'tunnels:' and run: systemctl reload pptp-manager"
    assert Answer("r1", GiveUp(CONFIG, f"The tunnel is not in the configuration. {advice}")) in story.actions
    assert story.state() is State.FAILED


def test_a_changed_configuration_redials_and_a_removed_one_stops() -> None:
    story = Story().up().then(Configured(replace(CONFIG_WORK, mtu=1300), redial=True))
    assert HangUp() in story.actions
    story.then(RunEnded("r1", Exit("exited", "5")))
    assert story.t.failure is None and story.t.not_before == 0
    assert Story().up().then(Configured(replace(CONFIG_WORK, persist=False))).actions == []
    assert Story().up().then(Configured(None)).actions == [StopUnit()]


def test_a_running_tunnel_is_adopted() -> None:
    story = Story().then(LinkChanged(LINK), Adopted("r1", SERVER, PATH, up_since=50.0))
    assert story.state() is State.CONNECTING and story.t.wants_routes
    story.then(UnitChanged("active", "running", "r1"), RoutesSynced())
    assert story.state() is State.UP and story.t.up_since == 50.0
    assert Story().then(Adopted("r1", None, None, -1.0)).t.state is State.WAITING


def test_a_run_whose_end_nobody_told_is_noticed() -> None:
    story = Story().up().then(UnitChanged("activating", "auto-restart", "r1"))
    assert ReadLog("r1", 0) in story.actions and story.t.ended


# --- everything that can be reached ---

RUNS = ("r1", "r2")
ALPHABET: list[Event] = [
    *(
        event
        for run in RUNS
        for event in (
            DialAsked(run),
            DialAsked(run, "Waiting for the network: no interface has an IPv4 address"),
            AskerLeft(run),
            ReadyAsked(run),
            RunEnded(run, Exit("exited", "16")),
            RunEnded(run, Exit("exited", "5"), asked=True),
            LogRead(run, ()),
            LogRead(run, WRONG),
            UnitChanged("active", "running", run),
            UnitChanged("inactive", "dead", run),
            UnitChanged("failed", "failed", run),
            UnitChanged("activating", "auto-restart", run),
            Adopted(run, SERVER, PATH, 1.0),
            Adopted(run, None, None, -1.0),
            Resolved(run, HOST, (SERVER,)),
            ResolveFailed(run, HOST, Failure(reasons.NAME_NOT_FOUND)),
            PathFound(run, SERVER, PATH),
            PathFound(run, SERVER, None),
            Prepared(run),
            Prepared(run, Failure(reasons.PPPD_MISSING)),
        )
    ),
    Configured(CONFIG_WORK),
    Configured(CONFIG_WORK, redial=True),
    Configured(None),
    ConnectAsked(),
    DisconnectAsked(),
    ReconnectAsked(),
    UnitAccepted(),
    UnitRefused(),
    NetworkChanged(True),
    NetworkChanged(False),
    LinkChanged(LINK),
    LinkChanged(replace(LINK, up=False)),
    LinkChanged(None),
    RoutesSynced(),
    RoutesSynced("refused"),
    *map(TimerFired, Timer),
]
MOMENT = Moment(1000.0)
LIMIT = 5_000  # values; enough for every pair of state and event, see the test


def plain(t: Tunnel) -> Tunnel:
    """t with what only counts or names brought down to few values, so that the walk comes round."""
    return replace(
        t,
        failures=min(t.failures, 1),
        repeats=min(t.repeats, 2),
        pause=0.0,
        not_before=2000.0 if t.not_before > 1000 else 0.0,
        deadline=None if t.deadline is None else 1.0,
        up_since=None if t.up_since is None else 1.0,
        seen="" if "network" not in t.seen else t.seen,
        failure=t.failure if t.failure and t.failure.reason is reasons.WRONG_PASSWORD else None,
    )


def check(before: Tunnel, event: Event, t: Tunnel, actions: list[Action]) -> None:
    """What must hold after every step."""
    if t.state is State.UP:
        assert t.link and t.link.usable and not t.ended and t.up_since is not None and t.address
    if t.asking:
        assert not t.ended
    if t.wants_routes:
        assert not t.ended and t.hangup is None
    if t.state in (State.RESOLVING, State.CONNECTING):
        assert t.deadline is not None and not t.ended, "an attempt has an end"
    if t.starting:
        assert not t.ended
    for action in actions:
        if isinstance(action, Answer):
            assert before.asking or isinstance(event, DialAsked), "nobody is answered who did not ask"
            assert not t.asking, "and only once"
            match action.verdict:
                case Dial():
                    assert t.state is State.CONNECTING and t.config and t.address and not t.refusal
                case GiveUp():
                    assert (action.verdict.status == TEMPFAIL) == (t.state is not State.FAILED)
        if isinstance(action, AnswerReady):
            assert not action.well or (t.state is State.UP and action.run == t.run)
        if isinstance(action, Tell) and action.failure is None:
            assert t.state is State.UP and t.active
        if isinstance(action, HangUp) and not action.hard:
            assert StartTimer(Timer.KILL, KILL_SECONDS) in actions, "pppd may not react"
    if before.asking and not t.asking and not t.ended and not isinstance(event, AskerLeft):
        answered = any(isinstance(action, Answer) for action in actions)
        assert answered or t.run != before.run, "who asked is answered"
    if isinstance(event, RunEnded) and t.ended and not t.autopsy:
        assert AnswerEnded(event.run) in actions, "the unit does not wait for nothing"


@pytest.fixture(scope="module")
def walked() -> set[Tunnel]:
    """Every value that was reached from a new tunnel, breadth first; checks each step on the way."""
    start = Tunnel("work", CONFIG_WORK)
    reached, queue = {start}, deque([start])
    pairs: set[tuple[State, type]] = set()
    while queue and len(reached) < LIMIT:
        before = queue.popleft()
        for event in ALPHABET:
            after, actions = step(before, event, MOMENT)
            check(before, event, after, actions)
            pairs.add((before.state, type(event)))
            after = plain(after)
            if after not in reached:
                reached.add(after)
                queue.append(after)
    missing = {(state, kind) for state in State for kind in get_args(Event)} - pairs
    assert not missing, missing
    return reached


def test_everything_that_can_be_reached_keeps_the_rules(walked: set[Tunnel]) -> None:
    assert len(walked) > 1000
    assert {t.state for t in walked} == set(State)


def test_what_is_late_changes_nothing(walked: set[Tunnel]) -> None:
    late: list[Event] = [
        AskerLeft("r0"),
        LogRead("r0", WRONG),
        Resolved("r0", HOST, (SERVER,)),
        ResolveFailed("r0", HOST, Failure(reasons.NAME_NOT_FOUND)),
        PathFound("r0", SERVER, PATH),
        Prepared("r0"),
    ]
    for t in walked:
        for event in late:
            assert step(t, event, MOMENT) == (t, []), (t, event)
        after, actions = step(t, ReadyAsked("r0"), MOMENT)
        assert after == t and [action.well for action in actions if isinstance(action, AnswerReady)] == [False]


def test_a_second_time_says_nothing_new(walked: set[Tunnel]) -> None:
    for t in walked:
        for event in (
            LinkChanged(LINK),
            UnitChanged("inactive", "dead", "r1"),
            NetworkChanged(False),
            Configured(None),
        ):
            once, _ = step(t, event, MOMENT)
            twice, _ = step(once, event, MOMENT)
            assert twice == once, (t, event)


def test_a_stop_ends_everything(walked: set[Tunnel]) -> None:
    """From wherever it is: systemd's stop of the run, then inactive, leaves a tunnel that nobody wants."""
    for t in walked:
        end, _ = step(t, RunEnded(t.run, Exit("exited", "5"), asked=True), MOMENT)
        end, _ = step(replace(end, called=False), UnitChanged("inactive", "dead", t.run), MOMENT)
        assert end.state is State.IDLE and end.ended and not end.asking and not end.wants_routes
        assert (end.refusal, end.failures, end.autopsy) == (None, 0, None)


def test_a_stop_in_the_moment_of_a_failure_is_a_stop() -> None:
    story = Story().dialling().then(RunEnded("r1", Exit("exited", "16")), UnitChanged("failed", "failed", "r1"))
    assert story.actions == [ResetUnit()] and story.state() is State.STOPPING
    assert story.then(LogRead("r1", REFUSED)).actions == []
    assert story.then(UnitChanged("inactive", "dead", "r1")).t.state is State.IDLE


def test_a_failed_unit_of_an_earlier_manager_stays_failed() -> None:
    story = Story().then(UnitChanged("failed", "failed", "r1"))
    assert story.state() is State.FAILED and story.actions == []
