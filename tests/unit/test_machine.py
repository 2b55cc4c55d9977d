"""The state machine: stories told event by event, and a walk over everything that can be reached."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import get_args

import pytest

from pptpd_manager import reasons
from pptpd_manager.addresses import MOST
from pptpd_manager.config import Mppe
from pptpd_manager.diagnosis import Exit, Line
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
    Knock,
    Knocked,
    LinkChanged,
    LogRead,
    NetworkChanged,
    PathFound,
    Prepare,
    Prepared,
    ProcessLost,
    Prompt,
    Prompted,
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
    SleepChanged,
    StartTimer,
    StartUnit,
    StopUnit,
    Tell,
    Timer,
    TimerFired,
    TurnCame,
    UnitAccepted,
    UnitChanged,
    UnitRefused,
    Wait,
    WatchProcesses,
)
from pptpd_manager.link import GONE_SECONDS, KILL_SECONDS
from pptpd_manager.machine import step
from pptpd_manager.reasons import Failure, Reason, Retry
from pptpd_manager.tunnel import State, Tunnel
from pptpd_manager.verdict import PROMPTING

from .walk import (
    ASKED,
    BUSY,
    CALLED,
    CONFIG_WORK,
    HOST,
    LINK,
    MOMENT,
    OTHER,
    PATH,
    PROHIBITED,
    REFUSED,
    SECOND,
    SERVER,
    SILENT,
    UNROUTED,
    WIFI,
    WRONG,
    Story,
    queued,
    walk,
)


def last(reason: Reason, detail: str = "", target: IPv4Address | None = SERVER) -> str:
    """What a wait shows of the last failure."""
    return Tunnel("work", CONFIG_WORK, target=target).explain(Failure(reason, detail))


def test_a_start_from_the_question_to_the_link() -> None:
    story = Story().then(DialAsked("r1"))
    assert story.state() is State.RESOLVING
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0), Resolve("r1", HOST)]
    assert story.then(Resolved("r1", HOST, (SERVER,))).actions == [FindPath("r1", SERVER)]
    assert story.then(PathFound("r1", SERVER, PATH)).actions == [Prepare("r1", CONFIG_WORK, SERVER, False)]
    assert story.then(Prepared("r1")).actions == [Answer("r1", Dial("Connecting to vpn.example.com (203.0.113.1)"))]
    assert story.state() is State.CONNECTING
    assert story.then(LinkChanged(LINK)).actions == [] and story.t.wants_routes
    assert story.then(ReadyAsked("r1")).actions == []
    text = "Up: pptp-work 10.9.0.100 to 10.9.0.1 through vpn.example.com (203.0.113.1); routes: none"
    assert story.then(RoutesSynced()).actions == [
        CancelTimer(Timer.CONNECT),
        WatchProcesses("r1"),
        AnswerReady("r1", True, text),
    ]
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
    story.then(DialAsked("r2"))
    assert story.actions == [Answer("r2", Wait(text))], "no timer: nobody waits for this one"
    story.then(DialAsked("r2", text)).then(NetworkChanged(True), after=1000)
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0), Resolve("r2", HOST)]


def test_no_route_waits_until_routes_change() -> None:
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, None))
    text = "Waiting for the network: no route to vpn.example.com (203.0.113.1)"
    assert story.actions == [Answer("r1", Wait(text))] and story.state() is State.WAITING
    story.then(DialAsked("r1", text), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, None))
    assert story.actions == [] and story.t.asking, "nothing new to show"
    assert story.then(NetworkChanged(True)).actions == [FindPath("r1", SERVER)]
    assert story.then(PathFound("r1", SERVER, None)).actions == [] and story.state() is State.WAITING
    story.then(NetworkChanged(True), PathFound("r1", SERVER, PATH))
    assert story.actions == [Resolve("r1", HOST)], "its address may be another by now"


def test_pauses_grow_and_are_cut_short_by_connect() -> None:
    story = Story()
    for number, pause in enumerate((1, 2, 4, 8, 10, 10), 1):
        story.failing(f"r{number}", BUSY)
        assert (story.state(), story.t.failures, story.t.pause) == (State.WAITING, number, pause)
        story.then(DialAsked(f"r{number + 1}"))
        text = f"Pausing {pause:.1f} s before attempt {number + 1}. Last: {last(reasons.CALL_BUSY, 'Busy Signal')}"
        assert story.actions == [StartTimer(Timer.PAUSE, pause), Answer(f"r{number + 1}", Wait(text))]
        story.then(DialAsked(f"r{number + 1}", text))
        assert story.actions == [StartTimer(Timer.PAUSE, pause)]
        story.then(TimerFired(Timer.PAUSE), after=pause)
        assert Resolve(f"r{number + 1}", HOST) in story.actions
    story.failing("r8", BUSY).then(DialAsked("r9")).then(DialAsked("r9", story.actions[-1].verdict.text))  # type: ignore[union-attr]
    assert Resolve("r9", HOST) in story.then(ConnectAsked()).actions
    assert story.t.failures == 0


def test_an_attempt_that_took_longer_than_the_pause_has_waited_already() -> None:
    story = Story().dialling().then(RunEnded("r1", Exit("exited", "10")), LogRead("r1", CALLED + SILENT), after=20)
    assert story.t.failure == Failure(reasons.GRE_BLOCKED)
    assert (story.t.failures, story.t.pause, story.t.not_before) == (1, 0.0, story.now)


@pytest.mark.parametrize(
    ("lines", "retry", "pause"),
    [
        (BUSY, Retry.SOON, 1.0),
        (PROHIBITED, Retry.LATER, 30.0),
        (UNROUTED, Retry.NETWORK, 15.0),
        (WRONG, Retry.FEW, 2.0),
    ],
)
def test_the_class_of_the_reason_sets_the_pace(lines: tuple[Line, ...], retry: Retry, pause: float) -> None:
    story = Story().failing("r1", lines)
    assert story.t.failure and story.t.failure.reason.retry is retry and story.t.pause == pause


def test_a_local_mistake_is_never_tried_again() -> None:
    story = Story().failing("r1", (Line("pppd", "In file /etc/ppp/options: unrecognized option 'x'"),))
    assert story.state() is State.FAILED and story.t.refusal and story.t.refusal.status == NOPERM


def test_other_failures_between_do_not_make_a_third_wrong_password() -> None:
    story = Story().failing("r1", WRONG).then(after=30).failing("r2", BUSY).then(after=30).failing("r3", WRONG)
    assert story.state() is State.FAILED


def test_after_a_link_was_up_wrong_passwords_are_counted_anew() -> None:
    story = Story().failing("r1", WRONG).then(after=30).up("r2").then(LinkChanged(None))
    story.then(RunEnded("r2", Exit("exited", "16")), LogRead("r2", ()), after=30).failing("r3", WRONG)
    assert story.state() is State.WAITING


# --- knocking ---

KNOCKING = "Waiting for vpn.example.com to accept connections on TCP port 1723. Last: "


def test_the_mtu_of_the_path_gets_to_the_dial_also_after_a_knock() -> None:
    narrow = replace(PATH, mtu=1400)
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, narrow))
    assert story.actions == [Prepare("r1", CONFIG_WORK, SERVER, False, 1400)]
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, (SERVER, SECOND)), PathFound("r1", SERVER, narrow))
    assert story.then(Knocked("r1", SERVER)).actions == [Prepare("r1", CONFIG_WORK, SERVER, False, 1400)]


def test_a_path_of_another_mtu_is_no_other_path() -> None:
    story = Story().up()
    before = story.t
    assert story.then(PathFound("r1", SERVER, replace(PATH, mtu=1400))).t == before and story.actions == []


def test_a_server_that_refuses_tcp_is_knocked_at_before_the_next_call() -> None:
    story = Story().failing("r1")
    assert story.t.knock and story.t.pause == 1.0
    text = KNOCKING + last(reasons.TCP_REFUSED)
    assert story.then(DialAsked("r2")).actions == [StartTimer(Timer.PAUSE, 1.0), Answer("r2", Wait(text))]
    story.then(DialAsked("r2", text)).then(TimerFired(Timer.PAUSE), after=1)
    assert story.actions == [Resolve("r2", HOST)] and story.state() is State.WAITING
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert story.actions == [Knock("r2", SERVER)] and story.state() is State.WAITING
    story.then(Knocked("r2", SERVER, Failure(reasons.TCP_REFUSED)))
    assert story.actions == [StartTimer(Timer.PAUSE, 2.5)], "and nothing new is shown or told"
    story.then(TimerFired(Timer.PAUSE), after=2.5)
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH), Knocked("r2", SERVER))
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0), Prepare("r2", CONFIG_WORK, SERVER, False)]
    assert isinstance(story.then(Prepared("r2")).actions[0], Answer) and story.state() is State.CONNECTING


def test_knocks_that_find_another_reason_say_so() -> None:
    story = Story().failing("r1").then(DialAsked("r2", KNOCKING + last(reasons.TCP_REFUSED)), after=1)
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert story.actions == [Knock("r2", SERVER)]
    story.then(Knocked("r2", SERVER, Failure(reasons.TCP_SILENT)), after=3)
    assert story.actions == [Resolve("r2", HOST)], "a knock that took so long was a pause"
    assert story.t.failure == Failure(reasons.TCP_SILENT)
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert story.actions == [Answer("r2", Wait(KNOCKING + last(reasons.TCP_SILENT)))]


def test_a_dead_peer_is_knocked_at_first() -> None:
    story = Story().up().then(LinkChanged(None), RunEnded("r1", Exit("exited", "15")), after=60)
    story.then(LogRead("r1", (Line("pppd", "No response to 8 echo-requests"),)), DialAsked("r2"))
    assert story.actions == [Resolve("r2", HOST)] and story.t.knocking
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    text = KNOCKING + last(reasons.PEER_DEAD, "8 echo-requests")
    assert story.actions == [Answer("r2", Wait(text))]


def test_connect_calls_without_a_knock() -> None:
    story = Story().failing("r1").then(DialAsked("r2", KNOCKING + last(reasons.TCP_REFUSED)), ConnectAsked())
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert story.actions == [Prepare("r2", CONFIG_WORK, SERVER, False)]


def test_a_knock_whose_asker_has_left_is_late() -> None:
    story = Story().failing("r1").then(DialAsked("r2", KNOCKING + last(reasons.TCP_REFUSED)), after=1)
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH), AskerLeft("r2"))
    assert story.then(Knocked("r2", SERVER)).actions == []


# --- a password that is asked for ---


def prepared(story: Story, run: str = "r1") -> Story:
    """The story from an attempt's beginning to the option file, without a question."""
    story.then(Resolved(run, HOST, (SERVER,)), PathFound(run, SERVER, PATH))
    assert [type(action) for action in story.actions] == [Prepare]
    return story.then(Prepared(run))


def test_a_password_is_asked_for_when_the_server_can_be_dialled() -> None:
    story = Story(ASKED).then(DialAsked("r1"), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, PATH))
    assert story.actions == [Answer("r1", Wait(PROMPTING))] and story.state() is State.WAITING
    story.then(DialAsked("r1", PROMPTING), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, PATH))
    assert story.actions == [CancelTimer(Timer.CONNECT), Prompt("r1", ASKED)], "connect-timeout is not for people"
    assert story.then(ConnectAsked()).actions == [] and story.then(NetworkChanged(True, WIFI)).actions == []
    story.then(Prompted("r1"), after=80)
    assert story.actions == [StartTimer(Timer.CONNECT, 20.0), Resolve("r1", HOST)], "that was long ago"
    assert prepared(story).state() is State.CONNECTING


def test_a_password_is_asked_for_after_a_knock() -> None:
    story = Story(ASKED).then(DialAsked("r1", PROMPTING), Resolved("r1", HOST, BOTH), PathFound("r1", SERVER, PATH))
    assert story.actions == [Knock("r1", SERVER)]
    assert Prompt("r1", ASKED) in story.then(Knocked("r1", SERVER)).actions


def test_a_password_that_was_given_is_used_again_until_it_is_wrong() -> None:
    story = Story(ASKED).prompting().then(Prompted("r1"))
    prepared(story).then(RunEnded("r1", Exit("exited", "16")), LogRead("r1", BUSY))
    prepared(story.then(DialAsked("r2"), after=10), "r2")
    story.then(RunEnded("r2", Exit("exited", "19")), LogRead("r2", WRONG))
    assert not story.t.remembered and story.state() is State.WAITING
    story.then(after=10).prompting("r3")
    assert story.t.prompting
    prepared(story.then(Prompted("r3")), "r3").then(RunEnded("r3", Exit("exited", "19")), LogRead("r3", WRONG))
    assert story.state() is State.FAILED, "wrong twice"


@pytest.mark.parametrize("reason", [reasons.PASSWORD_UNANSWERED, reasons.PASSWORD_CANCELLED])
def test_a_password_that_is_not_given_ends_it(reason: Reason) -> None:
    story = Story(ASKED).prompting().then(Prompted("r1", Failure(reason)))
    assert (story.state(), story.t.prompting) == (State.FAILED, False)
    answer = GiveUp(UNAVAILABLE, Tunnel("work", ASKED).explain(Failure(reason)))
    assert Answer("r1", answer) in story.actions and Tell(Failure(reason)) in story.actions


def test_a_password_that_cannot_be_asked_for_is_tried_again() -> None:
    story = Story(ASKED).prompting().then(Prompted("r1", Failure(reasons.PASSWORD_SERVICE, "no bus")))
    assert story.state() is State.WAITING
    story.then(RunEnded("r1", Exit("exited", "75")))
    assert (story.t.failures, story.t.pause) == (1, 1.0)


@pytest.mark.parametrize(
    "event",
    [
        AskerLeft("r1"),
        DisconnectAsked(),
        ReconnectAsked(),
        SleepChanged(True),
        Configured(CONFIG_WORK),
        DialAsked("r2"),
    ],
)
def test_what_ends_the_question(event: Event) -> None:
    assert not Story(ASKED).prompting().then(event).t.prompting
    assert not Story(ASKED).prompting().then(event, Prompted("r1")).t.remembered, "an answer that crosses it is late"


@pytest.mark.parametrize(
    ("event", "remembered"),
    [
        (Configured(replace(ASKED, mtu=1300), redial=True), True),
        (Configured(replace(ASKED, username="bob"), redial=True), False),
        (Configured(replace(ASKED, servers=OTHER), redial=True), False),
        (Configured(CONFIG_WORK, redial=True), False),
        (ReconnectAsked(), True),
        (DisconnectAsked(), True),  # it may be refused
        (UnitChanged("inactive", "dead", "r1"), False),
        (LinkChanged(None), True),
    ],
)
def test_how_long_a_password_is_kept(event: Event, remembered: bool) -> None:
    story = Story(ASKED).prompting().then(Prompted("r1"))
    prepared(story).then(LinkChanged(LINK), RoutesSynced())
    assert story.state() is State.UP and story.then(event).t.remembered is remembered


def test_a_password_that_the_last_manager_kept_is_used() -> None:
    story = Story(ASKED).then(Adopted("r1", None, None, -1.0, remembered=True), DialAsked("r1"))
    prepared(story)


def test_a_credential_that_does_not_come_ends_the_attempt() -> None:
    config = replace(CONFIG_WORK, password="", credential="work")
    story = Story(config).then(DialAsked("r1"), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, PATH))
    assert story.actions == [Prepare("r1", config, SERVER, False)]
    story.then(TimerFired(Timer.CONNECT), after=20)
    assert story.t.failure == Failure(reasons.PASSWORD_SERVICE)


# --- several addresses ---


BOTH = (SERVER, SECOND)


def calling(story: Story, run: str, address: IPv4Address) -> Story:
    """The story with an attempt that calls address, one of both."""
    story.then(DialAsked(run), Resolved(run, HOST, BOTH))
    assert story.actions == [FindPath(run, address)]
    story.then(PathFound(run, address, PATH))
    assert story.actions == [Knock(run, address)]
    story.then(Knocked(run, address))
    assert story.actions == [Prepare(run, CONFIG_WORK, address, False)]
    return story.then(Prepared(run))


def test_several_addresses_are_tried_in_turn_and_then_there_is_a_pause() -> None:
    story = calling(Story(), "r1", SERVER).then(RunEnded("r1", Exit("exited", "16")), LogRead("r1", BUSY))
    assert AnswerEnded("r1") in story.actions and not any(isinstance(action, Tell) for action in story.actions)
    assert story.t.not_before == story.now, "no pause: there is another one"
    calling(story, "r2", SECOND).then(RunEnded("r2", Exit("exited", "16")), LogRead("r2", BUSY))
    assert Tell(Failure(reasons.CALL_BUSY, "Busy Signal")) in story.actions and story.t.pause == 2.0
    calling(story.then(after=2), "r3", SERVER)


def test_an_address_that_does_not_accept_is_passed_over_in_the_same_attempt() -> None:
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, BOTH), PathFound("r1", SERVER, PATH))
    story.then(Knocked("r1", SERVER, Failure(reasons.TCP_REFUSED)))
    assert story.actions == [FindPath("r1", SECOND)] and story.state() is State.RESOLVING
    story.then(PathFound("r1", SECOND, PATH), Knocked("r1", SECOND))
    assert story.actions == [Prepare("r1", CONFIG_WORK, SECOND, False)]


def test_when_no_address_accepts_the_attempt_has_failed() -> None:
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, BOTH), PathFound("r1", SERVER, PATH))
    story.then(Knocked("r1", SERVER, Failure(reasons.TCP_REFUSED)), PathFound("r1", SECOND, PATH))
    story.then(Knocked("r1", SECOND, Failure(reasons.TCP_SILENT)))
    assert any(isinstance(action, Answer) and action.verdict.status == TEMPFAIL for action in story.actions)  # type: ignore[union-attr]
    story.then(RunEnded("r1", Exit("exited", "75")))
    assert Tell(Failure(reasons.TCP_SILENT)) in story.actions and story.t.knock
    story.then(DialAsked("r2"), DialAsked("r2", KNOCKING + last(reasons.TCP_SILENT, target=None)), after=2)
    story.then(Resolved("r2", HOST, BOTH), PathFound("r2", SERVER, PATH))
    assert story.actions == [Knock("r2", SERVER)]
    story.then(Knocked("r2", SERVER, Failure(reasons.TCP_REFUSED)))
    assert Resolve("r2", HOST) in story.actions or story.t.failure == Failure(reasons.TCP_REFUSED)


def test_without_persist_every_address_is_tried_once() -> None:
    story = Story(replace(CONFIG_WORK, persist=False)).then(DialAsked("r1"), Resolved("r1", HOST, BOTH))
    story.then(PathFound("r1", SERVER, PATH), Knocked("r1", SERVER), Prepared("r1"))
    story.then(RunEnded("r1", Exit("exited", "16")))
    assert story.then(LogRead("r1", BUSY)).state() is State.WAITING
    story.then(DialAsked("r2"), Resolved("r2", HOST, BOTH), PathFound("r2", SECOND, PATH), Knocked("r2", SECOND))
    story.then(Prepared("r2"), RunEnded("r2", Exit("exited", "16")), LogRead("r2", BUSY))
    assert story.state() is State.FAILED


def others(number: int) -> tuple[IPv4Address, IPv4Address]:
    """Two addresses, for each number others."""
    first = IPv4Address("198.51.100.0") + 2 * number
    return first, first + 1


def test_other_addresses_at_each_question_are_tried_without_a_pause_for_one_round_only() -> None:
    story = Story(replace(CONFIG_WORK, persist=False))
    for number in range(MOST):
        run, (address, _) = f"r{number}", others(number)
        assert story.state() in (State.IDLE, State.WAITING) and story.t.not_before <= story.now
        story.then(DialAsked(run), Resolved(run, HOST, others(number)), PathFound(run, address, PATH))
        story.then(Knocked(run, address), Prepared(run), RunEnded(run, Exit("exited", "16")), LogRead(run, BUSY))
    assert story.state() is State.FAILED and len(story.t.tried) == MOST


def test_other_addresses_at_each_question_are_knocked_at_without_a_pause_for_one_round_only() -> None:
    story = Story().failing("r1").then(DialAsked("r2", KNOCKING + last(reasons.TCP_REFUSED, target=None)), after=1)
    for number in range(MOST - 1):  # the first one was called
        assert story.actions == [Resolve("r2", HOST)]
        address, _ = others(number)
        story.then(Resolved("r2", HOST, others(number)), PathFound("r2", address, PATH))
        assert story.actions == [Knock("r2", address)]
        story.then(Knocked("r2", address, Failure(reasons.TCP_REFUSED)))
    assert story.actions == [StartTimer(Timer.PAUSE, 2.5)]


def test_an_address_without_a_route_is_passed_over() -> None:
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, BOTH), PathFound("r1", SERVER, None))
    assert story.actions == [FindPath("r1", SECOND)]
    assert story.then(PathFound("r1", SECOND, PATH)).actions == [Knock("r1", SECOND)]


def test_a_session_that_the_server_ended_is_dialled_again_where_it_was() -> None:
    story = calling(Story(), "r1", SERVER)
    story.then(LinkChanged(LINK), RoutesSynced(), UnitChanged("active", "running", "r1"), LinkChanged(None))
    story.then(RunEnded("r1", Exit("exited", "16")), LogRead("r1", ()), after=60)
    calling(story, "r2", SERVER)


# --- the network and sleep ---


def test_a_new_way_to_the_server_ends_a_pause() -> None:
    story = Story().failing("r1", BUSY).failing("r2", BUSY).failing("r3", BUSY).then(DialAsked("r4"))
    text = story.actions[-1].verdict.text  # type: ignore[union-attr]
    story.then(DialAsked("r4", text))
    assert story.then(NetworkChanged(True, PATH), after=1.5).actions == [StartTimer(Timer.PAUSE, 2.5)]
    assert story.then(NetworkChanged(True, None)).actions == [StartTimer(Timer.PAUSE, 2.5)]
    assert Resolve("r4", HOST) in story.then(NetworkChanged(True, PATH)).actions, "it was away and is back"
    again = (
        Story()
        .failing("r1", BUSY)
        .then(DialAsked("r2", f"Pausing 1.0 s before attempt 2. Last: {last(reasons.CALL_BUSY, 'Busy Signal')}"))
    )
    again.then(NetworkChanged(True, WIFI), after=0.125)
    assert again.actions == [StartTimer(Timer.PAUSE, 0.875)], "attempts do not chase each other"


def test_another_way_to_the_server_redials_at_once() -> None:
    story = Story().up().then(PathFound("r1", SERVER, WIFI), after=60)
    assert HangUp() in story.actions and not story.t.wants_routes
    story.then(RunEnded("r1", Exit("exited", "16")))
    detail = "via 192.0.2.1 from 192.0.2.2 before, via 198.51.100.1 from 198.51.100.2 now"
    assert story.t.failure == Failure(reasons.UPLINK_CHANGED, detail) and story.t.not_before <= story.now
    assert Resolve("r2", HOST) in story.then(DialAsked("r2")).actions


def test_ways_that_change_all_the_time_are_no_hot_loop() -> None:
    story = Story()
    for number, pause in enumerate((1, 2, 4, 8, 10), 1):
        story.up(f"r{number}").then(
            PathFound(f"r{number}", SERVER, WIFI), RunEnded(f"r{number}", Exit("exited", "16"))
        )
        assert story.t.pause == pause
        story.then(after=pause)


def test_a_changed_configuration_is_not_judged_by_what_went_before() -> None:
    story = Story().failing("r1", WRONG).then(after=10).dialling("r2").then(RunEnded("r2", Exit("exited", "19")))
    story.then(Configured(replace(CONFIG_WORK, password="right"), redial=True), LogRead("r2", WRONG))
    assert story.state() is State.WAITING and (story.t.few, story.t.not_before) == (0, 0.0)
    assert Resolve("r3", HOST) in story.then(DialAsked("r3")).actions


def test_a_network_that_changes_during_a_lookup_has_the_name_looked_up_again() -> None:
    story = Story().then(DialAsked("r1"), NetworkChanged(True, WIFI))
    assert story.actions == [Resolve("r1", HOST)]


def test_an_address_that_refuses_to_encrypt_says_nothing_of_the_others() -> None:
    story = Story(replace(CONFIG_WORK, mppe=Mppe.OPTIONAL)).then(DialAsked("r1"), Resolved("r1", HOST, BOTH))
    story.then(PathFound("r1", SERVER, PATH), Knocked("r1", SERVER), Prepared("r1"))
    story.then(RunEnded("r1", Exit("exited", "10")), LogRead("r1", (Line("pppd", "MPPE required but peer refused"),)))
    assert story.t.plain
    story.then(DialAsked("r2"), Resolved("r2", HOST, BOTH), PathFound("r2", SERVER, PATH), Knocked("r2", SERVER))
    assert [action.plain for action in story.actions if isinstance(action, Prepare)] == [True]
    story.then(Prepared("r2"), RunEnded("r2", Exit("exited", "16")), LogRead("r2", BUSY))
    story.then(DialAsked("r3"), Resolved("r3", HOST, BOTH), PathFound("r3", SECOND, PATH), Knocked("r3", SECOND))
    assert [action.plain for action in story.actions if isinstance(action, Prepare)] == [False]


def test_a_way_that_is_gone_for_a_moment_is_waited_for() -> None:
    story = Story().up().then(PathFound("r1", SERVER, None))
    assert story.actions == [] and story.state() is State.UP
    assert story.then(PathFound("r1", SERVER, PATH)).actions == []


def test_sleep_hangs_up_before_and_dials_after() -> None:
    story = Story().up().then(SleepChanged(True))
    assert HangUp() in story.actions and not story.t.resting
    story.then(RunEnded("r1", Exit("exited", "5")))
    assert story.t.resting and story.t.failure == Failure(reasons.SUSPENDED)
    story.then(DialAsked("r2"), after=2)
    text = "Waiting for the machine to wake up"
    assert Answer("r2", Wait(text)) in story.actions
    story.then(DialAsked("r2", text), SleepChanged(False), after=3600)
    assert Resolve("r2", HOST) in story.actions


def test_sleep_calls_an_attempt_off() -> None:
    story = Story().then(DialAsked("r1"), SleepChanged(True))
    assert story.actions == [Answer("r1", Wait("Waiting for the machine to wake up"))]
    assert story.then(Resolved("r1", HOST, (SERVER,))).actions == []
    pausing = Story().failing("r1", BUSY).then(DialAsked("r2", "?"), SleepChanged(True), SleepChanged(False), after=1)
    assert pausing.state() is State.WAITING


def test_a_lost_call_manager_ends_the_link() -> None:
    story = Story().up().then(ProcessLost("r1", Failure(reasons.PPTP_KILLED)))
    assert HangUp() in story.actions
    story.then(RunEnded("r1", Exit("exited", "5")), LogRead("r1", ()))
    assert story.t.failure == Failure(reasons.PPTP_KILLED)
    story.then(after=10).up("r2").then(ProcessLost("r1", Failure(reasons.PPTP_KILLED)))
    assert story.actions == [], "of an earlier run"
    story.then(LinkChanged(replace(LINK, local=None)), ProcessLost("r2", Failure(reasons.PPTP_KILLED)))
    assert HangUp() in story.actions, "the server was faster"


def test_a_wrong_password_is_tried_twice() -> None:
    story = Story().failing("r1", WRONG).then(after=10).failing("r2", WRONG)
    assert story.state() is State.FAILED
    failure = Failure(reasons.WRONG_PASSWORD, "E=691 Authentication failure")
    story.then(DialAsked("r3"))
    text = story.t.explain(failure)
    assert Answer("r3", GiveUp(NOPERM, text)) in story.actions
    story.then(RunEnded("r3", Exit("exited", "77")), UnitChanged("failed", "failed", "r3"))
    assert story.state() is State.FAILED
    story.then(DialAsked("r4"))
    assert Resolve("r4", ("vpn.example.com",)) in story.actions, "started anew by somebody, it is tried again"


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
    assert Resolve("r2", HOST) in story.actions


def test_a_link_without_its_address_is_hung_up_when_pppd_does_not_end() -> None:
    story = Story().up("r1").then(LinkChanged(replace(LINK, up=False, local=None)))
    assert story.actions == [StartTimer(Timer.CONNECT, GONE_SECONDS)], "it may be waiting for ip-down"
    assert HangUp() in story.then(TimerFired(Timer.CONNECT), after=GONE_SECONDS).actions
    assert story.then(LinkChanged(LINK), RoutesSynced()).state() is State.STOPPING, "it has it back for a moment"
    story.then(RunEnded("r1", Exit("exited", "5")), LogRead("r1", (Line("pppd", "No response to 8 echo-requests"),)))
    assert story.t.failure == Failure(reasons.PEER_DEAD, "8 echo-requests")


def test_a_link_that_did_not_last_pauses() -> None:
    story = Story().up("r1")
    for number, pause in enumerate((0, 0, 1, 5, 7), 1):  # from the beginning of one attempt to that of the next
        story.then(LinkChanged(None), RunEnded(f"r{number}", Exit("exited", "16")), LogRead(f"r{number}", ()), after=3)
        assert story.t.failures == number and story.t.pause == pause
        story.then(after=pause).up(f"r{number + 1}")


def test_an_attempt_that_hangs_is_ended_and_killed_if_it_must_be() -> None:
    story = Story().dialling().then(ReadyAsked("r1")).then(TimerFired(Timer.CONNECT), after=20)
    assert story.actions == [
        CancelTimer(Timer.CONNECT),
        HangUp(),
        StartTimer(Timer.KILL, KILL_SECONDS),
        AnswerReady("r1", False, "The link did not come up."),
    ]
    assert story.then(TimerFired(Timer.KILL)).actions == [HangUp(hard=True)]
    story.then(RunEnded("r1", Exit("killed", "KILL")), LogRead("r1", CALLED))
    assert story.t.failure == Failure(reasons.AUTH_SILENT)


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
    told = (Line("pppd", "Terminating on signal 15"),)
    story.then(RunEnded("r1", Exit("exited", "5")), LogRead("r1", told))
    assert story.t.failure == Failure(reasons.LINK_TAKEN_DOWN)


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
    assert Tell(None) in story.then(UnitAccepted()).up("r2").actions


def test_a_start_after_a_stop_does_not_make_a_failure_of_it() -> None:
    story = Story().up().then(DisconnectAsked(), ConnectAsked(), UnitAccepted(), RunEnded("r1", Exit("exited", "5")))
    assert story.t.failure is None and AnswerEnded("r1") in story.actions


def test_a_run_that_systemd_begins_before_it_hears_of_the_stop_is_not_dialled() -> None:
    """Its end, which systemd brings about, is no failure, also where a Connect hides that it was asked for."""
    story = Story().up().then(RunEnded("r1", Exit("exited", "16")), DisconnectAsked(), DialAsked("r2"))
    assert story.actions == [] and story.state() is State.STOPPING
    story.then(UnitAccepted(), UnitChanged("deactivating", "stop-sigterm", "r2"), ConnectAsked(), AskerLeft("r2"))
    story.then(RunEnded("r2", Exit("killed", "TERM")))
    assert story.t.failure is None and AnswerEnded("r2") in story.actions


def test_a_run_that_a_stop_catches_before_its_question_is_here_replaces_no_stop() -> None:
    """The bus is slower with what it asks than with systemd's word that it is being stopped."""
    story = Story().up().then(RunEnded("r1", Exit("exited", "16")), DisconnectAsked(), UnitAccepted())
    story.then(UnitChanged("deactivating", "stop-sigterm", "r2"))
    assert story.state() is State.STOPPING and story.t.leaving and not story.t.ended
    assert story.then(DialAsked("r2")).actions == [] and story.t.leaving
    story.then(AskerLeft("r2"), RunEnded("r2", Exit("killed", "TERM")), UnitChanged("inactive", "dead", "r2"))
    assert story.state() is State.IDLE and story.t.failure is None


def test_a_run_that_is_stopped_before_it_has_asked_has_not_failed() -> None:
    story = Story().then(RunEnded("r1", Exit("killed", "TERM")))
    assert AnswerEnded("r1") in story.actions
    assert story.t.autopsy is None and story.t.failure is None


def test_a_run_that_is_begun_after_the_stop_is_dialled() -> None:
    """Somebody started the unit in the moment between the stop and its answer."""
    story = Story().up().then(DisconnectAsked(), RunEnded("r1", Exit("exited", "5"), asked=True), DialAsked("r2"))
    assert story.state() is State.STOPPING
    story.then(UnitAccepted(), UnitChanged("activating", "start", "r2"))
    assert Resolve("r2", HOST) in story.actions and not story.t.leaving


def test_a_connect_that_a_stop_overtakes_is_told_so() -> None:
    story = Story().up().then(LinkChanged(None), ConnectAsked(), UnitAccepted())
    story.then(RunEnded("r1", Exit("exited", "5"), asked=True), UnitChanged("inactive", "dead", "r1"))
    assert story.state() is State.IDLE and story.actions == [Tell(Failure(reasons.STOPPED))]


def test_an_address_of_a_server_that_is_not_configured_any_more_is_late() -> None:
    story = Story().then(DialAsked("r1"), Configured(replace(CONFIG_WORK, servers=OTHER)))
    assert story.actions == [Resolve("r1", OTHER)]
    assert story.then(Resolved("r1", HOST, (SERVER,))).actions == []
    assert story.then(Resolved("r1", OTHER, (SERVER,))).actions == [FindPath("r1", SERVER)]


def test_a_link_lost_before_the_start_has_asked_for_it_fails_the_start() -> None:
    story = Story().dialling().then(LinkChanged(LINK), RoutesSynced(), LinkChanged(None), ReadyAsked("r1"))
    assert story.actions == [AnswerReady("r1", False, "Nothing has failed yet.")]
    story.then(RunEnded("r1", Exit("exited", "16")), LogRead("r1", ()))
    assert story.t.failure == Failure(reasons.PEER_HUNG_UP)


def test_reconnect_restarts_the_unit() -> None:
    story = Story().up().then(ReconnectAsked())
    assert story.actions == [RestartUnit()]
    story.then(UnitChanged("active", "running", "r1"), UnitAccepted())  # systemd tells of the job before it answers
    assert story.actions == [] and story.state() is State.STOPPING
    story.then(LinkChanged(None), RunEnded("r1", Exit("exited", "5"), asked=True))
    assert Resolve("r2", HOST) in story.then(DialAsked("r2")).actions


def test_reconnect_of_a_run_that_waits_is_not_undone_by_the_word_of_its_job() -> None:
    story = Story().then(DialAsked("r1"), ReconnectAsked(), UnitChanged("activating", "start", "r1"))
    assert story.actions == [] and story.state() is State.STOPPING


def test_a_stop_that_a_start_replaces_before_it_begins_leaves_the_link_up() -> None:
    story = Story().up().then(DisconnectAsked(), ConnectAsked(), UnitAccepted(), UnitAccepted())
    story.then(UnitChanged("active", "running", "r1"))
    assert story.t.wants_routes
    assert Tell(None) in story.then(RoutesSynced()).actions and story.state() is State.UP


def test_a_run_that_waits_for_a_route_goes_on_when_its_stop_is_replaced() -> None:
    story = Story().then(DialAsked("r1"), Resolved("r1", HOST, (SERVER,)), PathFound("r1", SERVER, None))
    assert story.state() is State.WAITING and story.t.address
    story.then(
        DialAsked("r1", "Waiting"),
        DisconnectAsked(),
        ConnectAsked(),
        UnitAccepted(),
        UnitChanged("activating", "start", "r1"),
    )
    assert story.state() is not State.STOPPING


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
    advice = "Add it under 'tunnels:' and run: pptpctl reload"
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


@pytest.mark.parametrize(("mppe", "plain"), [(Mppe.OPTIONAL, True), (Mppe.OFF, False)])
def test_that_the_server_refused_to_encrypt_is_known_of_an_adopted_tunnel(mppe: Mppe, plain: bool) -> None:
    story = Story(replace(CONFIG_WORK, mppe=mppe)).then(
        LinkChanged(LINK), Adopted("r1", SERVER, PATH, 50.0, plain=True)
    )
    story.then(UnitChanged("active", "running", "r1"), RoutesSynced())
    assert story.state() is State.UP
    assert ("NOT ENCRYPTED" in story.t.summary) is plain


def test_a_run_whose_end_nobody_told_is_noticed() -> None:
    story = Story().up().then(UnitChanged("activating", "auto-restart", "r1"))
    assert ReadLog("r1", 0) in story.actions and story.t.ended


# --- everything that can be reached ---


def check(before: Tunnel, event: Event, t: Tunnel, actions: list[Action]) -> None:
    """What must hold after every step."""
    if t.state is State.UP:
        assert t.link and t.link.usable and not t.ended and t.up_since is not None and t.address
    if t.asking:
        assert not t.ended
    if t.prompting:
        assert t.asking and t.state is State.WAITING and t.deadline is None, "people have a time of their own"
        assert before.prompting or Prompt(t.run, ASKED) in actions
    if t.remembered:
        assert t.config and t.config.ask_password and t.state not in (State.IDLE, State.FAILED)
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
                case Dial() if t.config and t.config.ask_password:
                    assert t.state is State.CONNECTING and t.address
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


def test_a_tunnel_waits_while_others_are_to_dial_first() -> None:
    story = queued()
    assert story.state() is State.WAITING and story.t.queued and story.t.deadline is None
    assert not [action for action in story.actions if isinstance(action, Answer)], "who asks is told nothing yet"
    assert story.then(NetworkChanged(True, WIFI)).t.queued, "it keeps its place"
    story.crowded = False
    story.then(TurnCame(), after=100)
    assert Resolve("r1", HOST) in story.actions and not story.t.queued
    assert story.t.deadline == story.now + CONFIG_WORK.connect_timeout, "the wait before does not count"
    assert story.then(TurnCame()).actions == []


def test_a_server_that_is_back_is_dialled_in_turn() -> None:
    story = Story().failing("r1").then(DialAsked("r2", KNOCKING + last(reasons.TCP_REFUSED)), after=1)
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    story.crowded = True
    story.then(Knocked("r2", SERVER))
    assert story.t.queued and not story.t.knocking
    story.crowded = False
    assert Resolve("r2", HOST) in story.then(TurnCame()).actions and story.state() is State.RESOLVING


def lost_in_a_crowd() -> Story:
    """Many sessions have ended, and that of this tunnel, which asks whether to dial again."""
    story = Story().up("r1").then(RunEnded("r1", Exit("exited", "16")), LogRead("r1", ()), after=100)
    story.crowded = True
    return story.then(DialAsked("r2"))


def test_of_many_that_redial_each_knocks_before_it_waits_for_its_turn() -> None:
    story = lost_in_a_crowd().then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert story.actions == [Knock("r2", SERVER)] and story.t.deadline is None
    assert story.then(Knocked("r2", SERVER)).t.queued
    assert story.then(NetworkChanged(True, WIFI)).t.queued, "it keeps its place"
    story.crowded = False
    story.then(TurnCame(), after=30).then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert [type(action) for action in story.actions] == [Prepare], "one knock is enough"


def test_of_many_whose_server_has_died_none_dials() -> None:
    story = lost_in_a_crowd().then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    story.then(Knocked("r2", SERVER, Failure(reasons.TCP_REFUSED)))
    assert story.state() is State.WAITING and not story.t.queued and story.t.failure == Failure(reasons.TCP_REFUSED)
    assert Answer("r2", Wait(KNOCKING + last(reasons.TCP_REFUSED))) in story.actions
    story.crowded = False
    story.then(DialAsked("r2", KNOCKING + last(reasons.TCP_REFUSED)), TimerFired(Timer.PAUSE), after=5)
    story.then(Resolved("r2", HOST, (SERVER,)), PathFound("r2", SERVER, PATH))
    assert story.actions == [Knock("r2", SERVER)]


def test_a_stop_ends_the_wait_for_a_turn() -> None:
    assert not queued().then(AskerLeft("r1")).t.queued
    story = queued().then(DisconnectAsked())
    assert not story.t.queued and story.then(TurnCame()).actions == []


@pytest.fixture(scope="module")
def walked() -> set[Tunnel]:
    """The values that can be reached; checks each step on the way."""
    reached, pairs = set[Tunnel](), set[tuple[State, type]]()
    for before, event, after, actions in walk():
        check(before, event, after, actions)
        pairs.add((before.state, type(event)))
        reached.add(before)
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
        Knocked("r0", SERVER),
        Prompted("r0"),
        ProcessLost("r0", Failure(reasons.PPTP_KILLED)),
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


def test_a_unit_that_systemd_fails_before_its_log_is_read_has_its_reason_then() -> None:
    story = Story().then(DialAsked("r1"), RunEnded("r1", Exit("exited", "203")))
    assert story.then(UnitChanged("failed", "failed", "r1", "203")).actions == []
    story.then(LogRead("r1", ()))
    assert story.state() is State.FAILED and story.t.failure == Failure(reasons.UNIT_BROKEN)
    assert Resolve("r2", HOST) in story.then(DialAsked("r2")).actions, "the next start is not refused for this one"


@pytest.mark.parametrize(("end", "whole"), [("1", True), ("16", True), ("2", False), ("4", False), ("203", False)])
def test_the_last_line_of_a_log_is_waited_for_where_there_is_one(end: str, whole: bool) -> None:
    story = Story().dialling().then(RunEnded("r1", Exit("exited", end)))
    assert ReadLog("r1", 0, whole=whole) in story.actions


def test_a_unit_that_failed_without_telling_of_its_end_has_its_reason() -> None:
    story = Story().then(DialAsked("r1"), UnitChanged("failed", "failed", "r1", "203"))
    assert ReadLog("r1", 0, whole=False) in story.actions
    story.then(LogRead("r1", ()))
    assert story.state() is State.FAILED and story.t.failure == Failure(reasons.UNIT_BROKEN)


def test_a_tunnel_that_is_given_up_is_so_when_its_unit_does_not_tell_of_its_end() -> None:
    story = Story().failing("r1", WRONG).then(after=10).failing("r2", WRONG).then(DialAsked("r3"))
    assert story.then(UnitChanged("failed", "failed", "r3", "77")).t.state is State.FAILED
    assert story.t.failure and story.t.failure.reason is reasons.WRONG_PASSWORD


def test_a_failed_unit_of_an_earlier_manager_stays_failed() -> None:
    story = Story().then(UnitChanged("failed", "failed", "r1"))
    assert story.state() is State.FAILED and story.actions == []
