"""Who may act, with a stand-in for polkit that says yes, no, nothing, or is not there; and that the loop goes on."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib

from pptpd_manager.admission import ACT_SECONDS, ACTS, QUESTIONS, REFUSED_SECONDS
from pptpd_manager.quota import MOST
from pptpd_manager.verdict import PROMPTING

from .clients import Client, Pending, RemoteError, until
from .fake_polkit import NAME as POLKIT
from .polkit import Polkit
from .world import CONFIG, ERROR, MANAGER, NAME, PATH, SERVER, TUNNEL, UNIT, World, tunnel_path

# Users that every Debian has (Debian policy 9.2.2); the bus takes nobody whom the machine does not know.
DAEMON, BIN = 1, 2  # also the ids of their groups
USER, OTHER = 65534, 5
USERS = (3, 4, 5, 6, 7, 8, 9, 10, 13, 33, 34, 38, 39)
INTERACTIVE = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
CHALLENGED = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
TOO_MANY = "org.freedesktop.DBus.Error.LimitsExceeded"
LISTED = CONFIG.replace("routes:", "users: [daemon, nobody-of-that-name]\n    groups: [bin]\n    routes:")
FORGETFUL = "import pptpd_manager.answers as a; a.SECONDS = 0.0\n"  # polkit is asked each time
KINDS = (("Connect", "office"), ("Connect", "home"), ("Disconnect", "office"), ("Disconnect", "home"), ("Reload",))
QUICK = FORGETFUL + "import pptpd_manager.admission as a; a.ANSWER_SECONDS, a.PROMPT_SECONDS = 0.3, 0.6"


@pytest.fixture
def polkit(bare: World) -> Polkit:
    """None yet."""
    return Polkit(bare)


@pytest.fixture
def nobody(bare: World) -> Client:
    """A client of a plain user."""
    return bare.connect_as(USER)


def begin(
    client: Client, method: str, *arguments: str, interface: str = MANAGER, flags: Any = Gio.DBusCallFlags.NONE
) -> Pending:
    """Call a method of the manager's."""
    signature = f"({'s' * len(arguments)})"
    return client.begin(NAME, PATH, f"{interface}.{method}", signature, *arguments, flags=flags)


def refused(world: World, pending: Pending) -> str:
    """The name of the error that the call ends with."""
    return str(world.error(pending).args[0])


def start(world: World, polkit: Polkit, plain: str = "yes", prompted: str = "yes", patch: str = FORGETFUL) -> None:
    """Have polkit and the daemon."""
    polkit.begin(plain, prompted)
    world.start(patch=patch)
    world.forget()


# --- whom polkit is asked for, and what follows ---


def test_root_does_not_need_polkit(bare: World) -> None:
    bare.start()
    bare.bring_up("office")
    bare.call("Reload")


def test_root_is_not_asked_for(bare: World, polkit: Polkit) -> None:
    start(bare, polkit, "no")
    bare.bring_up("office")
    assert polkit.asked() == []


def test_yes(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit)
    for method, *arguments in (("Reload",), ("Disconnect", "office"), ("Connect", "office"), ("Reconnect", "office")):
        bare.forget()
        pending = begin(nobody, method, *arguments)
        until(lambda: polkit.asked(), "polkit to be asked")
        action = {"Reload": "reload", "Disconnect": "disconnect"}.get(method, "connect")
        details = {"tunnel": "office"} if arguments else {}
        assert polkit.asked() == [(nobody.con.get_unique_name(), f"org.pptpmanager1.{action}", details, 0)]
        if action == "connect":
            order = "StartUnit" if method == "Connect" else "RestartUnit"
            bare.wait_for_order(order, "pptp@office.service", "replace")
        else:
            assert bare.answered(pending) is None


def test_the_tunnels_own_methods_are_the_same(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "no")
    for method in ("Connect", "Reconnect", "Disconnect"):
        bare.forget()
        assert refused(bare, nobody.begin(NAME, tunnel_path("home"), f"{TUNNEL}.{method}")) == DENIED
        (asked,) = polkit.asked()
        assert asked[1:3] == (f"org.pptpmanager1.{'dis' * (method == 'Disconnect')}connect", {"tunnel": "home"})
        assert bare.ordered() == []


# What polkit says without and with a prompt, what the caller lets happen; what he gets, and what polkit was asked.
REFUSALS = [
    ("no", "yes", Gio.DBusCallFlags.NONE, DENIED, [0]),
    ("no", "yes", INTERACTIVE, DENIED, [0]),
    ("challenge", "yes", Gio.DBusCallFlags.NONE, CHALLENGED, [0]),
    ("challenge", "challenge", INTERACTIVE, CHALLENGED, [0, 1]),
    ("challenge", "no", INTERACTIVE, DENIED, [0, 1]),
    ("challenge", "dismissed", INTERACTIVE, DENIED, [0, 1]),
    ("challenge", "fail", INTERACTIVE, DENIED, [0, 1]),
    ("challenge", "crash", INTERACTIVE, DENIED, [0, 1]),
    ("fail", "yes", INTERACTIVE, DENIED, [0]),
    ("crash", "yes", INTERACTIVE, DENIED, [0]),
]


def test_no(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit)
    for (plain, prompted, flags, name, questions), method in itertools.product(REFUSALS, ("Connect", "Reload")):
        if bare.client.owner(POLKIT):
            polkit.behave(plain, prompted)
        else:  # it has crashed
            polkit.begin(plain, prompted)
        bare.forget()
        arguments = ["office"] if method == "Connect" else []
        assert refused(bare, begin(nobody, method, *arguments, flags=flags)) == name, (plain, prompted)
        assert [flags for *_, flags in polkit.asked()] == questions, (plain, prompted)
        assert bare.ordered() == [] and bare.state("office") == "idle"


def test_nobody_is_asked_for_the_tunnels_password_before_polkit_says_yes(
    bare: World, polkit: Polkit, nobody: Client
) -> None:
    bare.configure(f"tunnels: {{office: {{server: {SERVER}, username: alice, ask-password: true}}}}\n")
    start(bare, polkit, "hold")
    pending = begin(nobody, "Connect", "office")
    until(lambda: polkit.asked(), "polkit to be asked")
    assert bare.ordered() == [] and bare.services() == []
    polkit.release("no")
    assert refused(bare, pending) == DENIED
    assert bare.ordered() == [] and bare.services() == []
    polkit.behave("yes")
    have_the_password_asked_for(bare, nobody)


def have_the_password_asked_for(world: World, client: Client) -> str:
    """Connect office as that client, as far as the question for its password; the run."""
    begin(client, "Connect", "office")
    world.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run = world.run_of("office")
    assert world.dial("office", run) == f"wait {PROMPTING}"
    world.ask_to_dial("office", run, PROMPTING)
    until(world.services, "the question")
    return run


def test_a_user_of_a_tunnel_cannot_have_people_asked_all_the_time(bare: World) -> None:
    """One question in a few seconds; root may. A question that is open is everybody's."""
    office = f"{{server: {SERVER}, username: alice, ask-password: true, users: [daemon]}}"
    bare.configure(f"tunnels: {{office: {office}}}\n")
    bare.start(patch="import pptpd_manager.questions as q; q.PAUSE_SECONDS = 3.0")
    listed = bare.connect_as(DAEMON)

    def too_soon(method: str) -> bool:
        error = bare.error(begin(listed, method, "office"))
        assert error.args[0] == TOO_MANY and "was asked for a moment ago; call again in " in error.args[1]
        return True

    run = have_the_password_asked_for(bare, listed)
    joins = begin(listed, "Connect", "office")
    assert too_soon("Reconnect") and not joins.done
    disconnect = begin(listed, "Disconnect", "office")
    bare.wait_for_order("StopUnit", "pptp@office.service", "replace")
    bare.ended("office", run)
    bare.set_unit("office", "inactive", "dead")
    bare.answered(disconnect)
    bare.forget()
    assert too_soon("Connect") and too_soon("Reconnect") and bare.ordered() == []
    time.sleep(3.0)
    begin(listed, "Connect", "office")
    bare.wait_for_order("StartUnit", "pptp@office.service", "replace")
    bare.forget()
    bare.begin("Reconnect", "office")
    bare.wait_for_order("RestartUnit", "pptp@office.service", "replace")


def test_a_prompt_that_says_yes(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "challenge", "yes")
    assert bare.answered(begin(nobody, "Disconnect", "office", flags=INTERACTIVE)) is None
    assert [flags for *_, flags in polkit.asked()] == [0, 1]


def test_without_polkit(bare: World, nobody: Client) -> None:
    bare.start()
    for flags in (Gio.DBusCallFlags.NONE, INTERACTIVE):
        error = bare.error(begin(nobody, "Connect", "office", flags=flags))
        assert error == RemoteError(
            DENIED,
            f"user {USER} may not connect tunnel 'office': polkit cannot be asked: The name {POLKIT} was not provided "
            "by any .service files (polkit action org.pptpmanager1.connect). "
            "Root may, and whom 'users' and 'groups' of the tunnel name",
        )
    assert bare.ordered() == []


def test_for_an_unknown_tunnel_nobody_is_asked(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit)
    for method in ("Connect", "Disconnect", "Reconnect"):
        for name in ("offcie", "", "../office", "a" * 1000):
            assert refused(bare, begin(nobody, method, name)) == ERROR + "UnknownTunnel"
    assert polkit.asked() == []


# --- users and groups ---


@pytest.mark.parametrize("groups", [(DAEMON, []), (USER, [BIN]), (BIN, [])], ids=["user", "member", "primary group"])
def test_who_is_listed(bare: World, polkit: Polkit, groups: tuple[int, list[int]]) -> None:
    """That tunnel, and no other; and not the configuration."""
    bare.configure(LISTED)
    start(bare, polkit, "no")
    listed = bare.connect_as(groups[0], *groups[1])
    assert bare.answered(begin(listed, "Disconnect", "office")) is None
    begin(listed, "Connect", "office")
    bare.wait_for_order("StartUnit", "pptp@office.service", "replace")
    listed.begin(NAME, tunnel_path("office"), TUNNEL + ".Reconnect")
    bare.wait_for_order("RestartUnit", "pptp@office.service", "replace")
    assert polkit.asked() == []
    ordered = bare.ordered()
    for method, *arguments in (("Connect", "home"), ("Disconnect", "home"), ("Reconnect", "home"), ("Reload",)):
        assert refused(bare, begin(listed, method, *arguments)) == DENIED
    assert refused(bare, listed.begin(NAME, tunnel_path("home"), TUNNEL + ".Connect")) == DENIED
    assert len(polkit.asked()) == 5 and bare.ordered() == ordered


def test_a_listed_user_needs_no_polkit(bare: World) -> None:
    bare.configure(LISTED)
    bare.start()
    assert bare.answered(begin(bare.connect_as(DAEMON), "Disconnect", "office")) is None


def test_a_list_is_no_refusal_of_others(bare: World, polkit: Polkit, nobody: Client) -> None:
    bare.configure(LISTED)
    start(bare, polkit)
    assert bare.answered(begin(nobody, "Disconnect", "office")) is None
    assert len(polkit.asked()) == 1


def test_a_changed_list_holds_at_once_and_touches_no_tunnel(bare: World, polkit: Polkit) -> None:
    start(bare, polkit, "no")
    bare.bring_up("office")
    daemon = bare.connect_as(DAEMON)
    assert refused(bare, begin(daemon, "Connect", "office")) == DENIED
    bare.configure(LISTED)
    bare.call("Reload")
    assert bare.answered(begin(daemon, "Connect", "office")) is None
    bare.configure(CONFIG)
    bare.call("Reload")
    assert refused(bare, begin(daemon, "Connect", "office")) == DENIED
    assert bare.ordered() == [] and bare.state("office") == "up"


def test_a_directory_that_is_slow(bare: World, polkit: Polkit, nobody: Client) -> None:
    """The loop does not wait for it; many calls are one question."""
    bare.configure(LISTED)
    slow = "import time\nimport pptpd_manager.accounts as a\nreal = a.ids_of\n"
    slow += "def ids_of(names):\n    print('INFO: looked up', file=sys.stderr, flush=True)\n"
    slow += "    time.sleep(1)\n    return real(names)\na.ids_of = ids_of\n"
    start(bare, polkit, "no", patch=slow)
    daemon = bare.connect_as(DAEMON)
    pending = [begin(daemon, "Disconnect", "office") for _ in range(20)]
    others = begin(nobody, "Disconnect", "office")
    began = time.monotonic()
    assert bare.call("ListTunnels") and time.monotonic() - began < 0.5
    assert bare.answered(begin(bare.client, "Disconnect", "office")) is None, "root's"
    assert not any(call.done for call in [*pending, others])
    assert [bare.answered(call) for call in pending] == [None] * 20
    assert refused(bare, others) == DENIED
    assert bare.log().count("looked up") == 1


def test_a_directory_that_hangs(bare: World, polkit: Polkit) -> None:
    """Then polkit decides; the next ones do not wait at all, until it answers again."""
    bare.configure(LISTED)
    gate = bare.directory / "gate"
    hang = "import os, time\nimport pptpd_manager.accounts as a\na.PATIENCE_SECONDS = 0.5\nreal = a.ids_of\n"
    hang += f"def ids_of(names):\n    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.01)\n"
    hang += "    return real(names)\na.ids_of = ids_of\n"
    start(bare, polkit, "no", patch=hang)
    daemon = bare.connect_as(DAEMON)
    assert refused(bare, begin(daemon, "Disconnect", "office")) == DENIED
    assert len(polkit.asked()) == 1
    began = time.monotonic()
    assert refused(bare, begin(daemon, "Disconnect", "office")) == DENIED
    assert time.monotonic() - began < 0.45
    gate.touch()

    def allowed() -> bool:
        pending = begin(daemon, "Disconnect", "office")
        until(lambda: pending.done, "an answer")
        return pending.error is None

    until(allowed, "the directory to answer")
    bare.expected = [
        "WARNING: users and groups (daemon, nobody-of-that-name, bin) are not found within 0 s, "
        "so they may do nothing yet; see nsswitch.conf(5)"
    ]


# --- a polkit that does not answer ---


def test_the_loop_goes_on_while_polkit_hangs(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "hold")
    pending = begin(nobody, "Connect", "office", flags=INTERACTIVE)
    until(lambda: polkit.asked(), "polkit to be asked")
    assert bare.call("ListTunnels")
    bare.bring_up("home")
    assert not pending.done
    polkit.release("yes")
    bare.wait_for_order("StartUnit", "pptp@office.service", "replace")


@pytest.mark.parametrize("how", ["hold", "stop"])
@pytest.mark.parametrize("flags", [Gio.DBusCallFlags.NONE, INTERACTIVE])
def test_no_answer_in_time_is_no(bare: World, polkit: Polkit, nobody: Client, how: str, flags: Any) -> None:
    """Whether it lives and is silent or does not run at all. A late yes changes nothing."""
    start(bare, polkit, "hold" if how == "hold" else "yes", patch=QUICK)
    if how == "stop":
        polkit.send(signal.SIGSTOP)
    began = time.monotonic()
    pending = begin(nobody, "Connect", "office", flags=flags)
    assert bare.call("ListTunnels") and not pending.done
    error = bare.error(pending)
    assert error.args[0] == DENIED and "polkit does not answer, see: systemctl status polkit" in error.args[1]
    assert time.monotonic() - began < 5
    if how == "hold":
        until(lambda: polkit.cancelled() == ["org.pptpmanager1.connect"], "the check to be cancelled")
    else:
        polkit.send(signal.SIGCONT)
        until(polkit.asked, "the check that waited for it")
        polkit.behave("no")
    assert refused(bare, begin(nobody, "Connect", "office")) == DENIED
    assert bare.ordered() == []


def test_a_prompt_that_nobody_answers(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "challenge", "hold", patch=QUICK)
    error = bare.error(begin(nobody, "Connect", "office", flags=INTERACTIVE))
    assert error.args[0] == DENIED and "nobody has authenticated in time" in error.args[1]
    until(lambda: polkit.cancelled() == ["org.pptpmanager1.connect"], "the prompt to go away")
    assert bare.ordered() == []


def test_polkit_vanishes_with_questions(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "hold", "hold")
    pending = [begin(nobody, *what) for what in KINDS[:3] for _ in range(2)]
    until(lambda: len(polkit.asked()) == 3, "polkit to be asked")
    polkit.send(signal.SIGKILL)
    assert {refused(bare, call) for call in pending} == {DENIED}
    assert bare.ordered() == []
    polkit.begin("yes")
    assert bare.answered(begin(nobody, "Disconnect", "office")) is None, "the next one is asked"


def test_a_caller_who_leaves_takes_the_prompt_away(bare: World, polkit: Polkit) -> None:
    start(bare, polkit, "challenge", "hold")
    leaver = bare.connect_as(USER)
    begin(leaver, "Connect", "office", flags=INTERACTIVE)
    until(lambda: len(polkit.asked()) == 2, "the prompt")
    leaver.close()
    until(lambda: polkit.cancelled() == ["org.pptpmanager1.connect"], "the prompt to go away")
    assert bare.call("ListTunnels") and bare.ordered() == []


def test_a_caller_who_leaves_before_polkit_says_yes(bare: World, polkit: Polkit) -> None:
    """polkit is told, whatever it says then changes nothing, and there is room for the user's next ones."""
    start(bare, polkit, "hold")
    leaver = bare.connect_as(USER)
    assert len(KINDS) == QUESTIONS.each + 1
    for _ in range(2):
        for what in KINDS:
            begin(leaver, *what)
    until(lambda: len(polkit.asked()) == QUESTIONS.each, "polkit to be asked")
    leaver.close()
    until(lambda: len(polkit.cancelled()) == QUESTIONS.each, "the checks to be cancelled")
    assert sorted(polkit.cancelled()) == sorted(action for _, action, _, _ in polkit.asked())
    polkit.behave("no")
    polkit.release("yes")
    assert refused(bare, begin(bare.connect_as(USER), "Connect", "office")) == DENIED
    assert len(polkit.asked()) == QUESTIONS.each + 1 and bare.ordered() == []


def test_what_waits_for_polkit_counts_among_the_calls_of_a_client(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "hold")
    most = MOST + 2  # there are two tunnels
    pending = [begin(nobody, "Connect", "office") for _ in range(most + 1)]
    error = bare.error(pending[-1])
    assert error.args[0] == TOO_MANY and f"{most} calls of yours wait already" in error.args[1]
    assert not any(call.done for call in pending[:-1])
    polkit.behave("no")
    polkit.release("no")
    assert {refused(bare, call) for call in pending[:-1]} == {DENIED}
    assert refused(bare, begin(nobody, "Connect", "office")) == DENIED


# --- what is looked at again after the answer ---


def test_the_tunnel_has_gone_before_the_answer(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "hold")
    clients = nobody, bare.connect_as(USER)
    pending = [begin(client, "Connect", "office") for client in clients for _ in range(30)]  # most of them in line
    until(lambda: polkit.asked(), "polkit to be asked")
    bare.configure(CONFIG.replace("office:", "attic:"))
    bare.call("Reload")
    polkit.behave("yes")
    polkit.release("yes")
    assert {refused(bare, call) for call in pending} == {ERROR + "UnknownTunnel"}
    assert bare.ordered() == []
    assert bare.answered(begin(nobody, "Disconnect", "attic")) is None


def test_the_tunnel_is_up_before_the_answer(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "hold")
    pending = begin(nobody, "Connect", "office")
    until(lambda: polkit.asked(), "polkit to be asked")
    bare.bring_up("office")
    polkit.release("yes")
    assert bare.answered(pending) is None
    assert bare.ordered() == []


def test_the_list_has_changed_before_the_answer_of_the_directory(bare: World, polkit: Polkit) -> None:
    """Who is not in it any more has no right from it."""
    bare.configure(LISTED)
    gate = bare.directory / "gate"
    hang = "import os, time\nimport pptpd_manager.accounts as a\nreal = a.ids_of\n"
    hang += f"def ids_of(names):\n    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.01)\n"
    hang += "    return real(names)\na.ids_of = ids_of\n"
    start(bare, polkit, "no", patch=hang)
    pending = begin(bare.connect_as(DAEMON), "Connect", "office")
    bare.client.owner(NAME)
    bare.configure(CONFIG)
    bare.call("Reload")
    gate.touch()
    assert refused(bare, pending) == DENIED
    assert bare.ordered() == []


# --- how much is asked ---


def test_one_user_has_few_questions_under_way(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "hold")
    clients = nobody, *(bare.connect_as(USER) for _ in range(29))
    pending = [begin(client, *what) for client in clients for what in KINDS[-3:]]
    until(lambda: sum(call.done for call in pending) == 90 - 68, "what is too many to be refused")
    assert {refused(bare, call) for call in pending if call.done} == {TOO_MANY}
    until(lambda: len(polkit.asked()) >= 4, "polkit to be asked")
    assert bare.call("ListTunnels") and len(polkit.asked()) == 4
    other = begin(bare.connect_as(OTHER), "Disconnect", "office")
    until(lambda: len(polkit.asked()) == 5, "another user to be asked for")
    assert not other.done
    polkit.behave("yes")
    polkit.release("yes")
    assert bare.answered(other) is None
    assert Counter(bare.answered(call) for call in pending if not call.error) == {None: 68}


def test_a_user_with_prompts_can_be_asked_for_other_things(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "challenge", "hold")
    prompts = [begin(nobody, "Disconnect", "office", flags=INTERACTIVE) for _ in range(6)]
    until(lambda: len(polkit.asked()) == 1 + 4, "the prompts")
    assert refused(bare, begin(nobody, "Disconnect", "office")) == CHALLENGED
    assert len(polkit.asked()) == 1 + 4 + 1 and not any(call.done for call in prompts)
    polkit.behave("challenge", "yes")
    polkit.release("yes")
    assert [bare.answered(call) for call in prompts] == [None] * 6


def test_a_silent_polkit_does_not_use_up_our_calls(bare: World, polkit: Polkit) -> None:
    """The bus lets nobody have more than 128 calls that are not answered, and systemd has to be called, too."""
    start(bare, polkit, "yes", patch=QUICK)
    polkit.send(signal.SIGSTOP)
    clients = [bare.connect_as(uid) for uid in USERS for _ in range(5)]
    for _ in range(3):
        pending = [begin(client, "Connect", "home") for client in clients]
        assert {refused(bare, call) for call in pending} == {DENIED}
    bare.bring_up("office")
    pending = [begin(client, "Connect", "home") for client in clients]
    assert {refused(bare, call) for call in pending} == {DENIED}
    polkit.send(signal.SIGCONT)  # at once: nobody who has his answer is asked for now
    until(lambda: len(polkit.asked()) >= 32, "what it was asked meanwhile")
    assert bare.answered(begin(clients[0], "Disconnect", "home")) is None
    assert len(polkit.asked()) == 32 + 1 and bare.state("home") == "idle"


def test_who_is_refused_is_not_asked_for_without_end(bare: World, polkit: Polkit) -> None:
    """A thousand calls from ten connections, a few dozen questions; and root is served meanwhile."""
    start(bare, polkit, "no", patch="")
    clients = [bare.connect_as(USER) for _ in range(10)]
    began, pending, slowest = time.monotonic(), [], 0.0
    for _ in range(20):
        pending += [begin(client, "Connect", "office") for client in clients for _ in range(5)]
        asked = time.monotonic()
        assert bare.answered(begin(bare.client, "Disconnect", "office")) is None
        slowest = max(slowest, time.monotonic() - asked)
    until(lambda: all(call.done for call in pending), "all of them")
    spent = time.monotonic() - began
    errors = Counter(refused(bare, call) for call in pending)
    print(
        f"1000 calls in {spent:.2f} s: {len(polkit.asked())} questions, {errors[TOO_MANY]} calls were too many; "
        f"root waited at most {slowest * 1000:.0f} ms"
    )
    assert set(errors) == {DENIED, TOO_MANY}
    assert errors[DENIED] > len(polkit.asked())
    assert len(polkit.asked()) <= QUESTIONS.each * (spent / REFUSED_SECONDS + 1)


def test_who_asks_the_same_at_once_is_asked_for_once(bare: World, polkit: Polkit, nobody: Client) -> None:
    start(bare, polkit, "hold")
    pending = [begin(nobody, "Disconnect", "office") for _ in range(20)]
    until(lambda: polkit.asked(), "polkit to be asked")
    assert bare.call("ListTunnels") and len(polkit.asked()) == 1
    polkit.release("yes")
    assert [bare.answered(call) for call in pending] == [None] * 20


def test_who_asks_the_same_again_is_told_the_same(bare: World, polkit: Polkit, nobody: Client) -> None:
    """Until he has asked with a prompt and it was a yes, or for something else; another client is asked for."""
    start(bare, polkit, "challenge", "yes", patch="import pptpd_manager.answers as a; a.SECONDS = 60.0")
    for _ in range(50):
        assert refused(bare, begin(nobody, "Disconnect", "office")) == CHALLENGED
    assert len(polkit.asked()) == 1
    assert refused(bare, begin(nobody, "Disconnect", "home")) == CHALLENGED
    assert refused(bare, begin(bare.connect_as(USER), "Disconnect", "office")) == CHALLENGED
    assert len(polkit.asked()) == 3
    assert bare.answered(begin(nobody, "Disconnect", "office", flags=INTERACTIVE)) is None
    assert len(polkit.asked()) == 4, "only with the prompt: that he would need one is known"
    polkit.behave("yes")
    assert bare.answered(begin(nobody, "Disconnect", "home")) is None


def test_no_descriptors_are_kept(bare: World, polkit: Polkit, nobody: Client) -> None:
    """A message may carry some. The bus refuses a plain user's; those of whom it lets go on go with the answer."""
    start(bare, polkit, "no")
    before = bare.descriptors()
    for tunnel in ("office", "office", "no-such"):
        assert with_descriptors(nobody, "Connect", tunnel) == DENIED
    assert polkit.asked() == []
    let_through(bare, OTHER)
    other = bare.connect_as(OTHER)
    errors = [with_descriptors(other, "Connect", tunnel) for tunnel in ("office",) * 4 + ("no-such",) * 4]
    assert errors == [DENIED] * 4 + [ERROR + "UnknownTunnel"] * 4 and polkit.asked() != []
    polkit.behave("hold")
    bare.forget()
    pending = threading.Thread(target=with_descriptors, args=(other, "Reload"))
    pending.start()
    until(lambda: polkit.asked() and bare.descriptors() >= before + 16, "a call that holds descriptors while it waits")
    polkit.release("no")
    pending.join()
    until(lambda: bare.descriptors() == before, "them to be closed")


def with_descriptors(client: Client, method: str, *arguments: str) -> str:
    """Call a method with as many file descriptors as a bus lets a message have; the name of the error."""
    message = Gio.DBusMessage.new_method_call(NAME, PATH, MANAGER, method)
    if arguments:
        message.set_body(GLib.Variant(f"({'s' * len(arguments)})", arguments))
    handed = Gio.UnixFDList()
    for _ in range(16):
        handed.append(0)
    message.set_unix_fd_list(handed)
    reply, _ = client.con.send_message_with_reply_sync(message, Gio.DBusSendMessageFlags.NONE, 10_000, None)
    return str(reply.get_error_name())


def let_through(world: World, uid: int) -> None:
    """Have the bus refuse nothing of that user's."""
    config = Path(world.address.removeprefix("unix:path=").partition(",")[0]).with_name("bus.conf")
    rule = f'<policy user="{uid}"><allow send_destination="{NAME}"/></policy></busconfig>'
    config.write_text(config.read_text().replace("</busconfig>", rule))
    bus = "org.freedesktop.DBus"
    world.client.call(bus, "/org/freedesktop/DBus", bus + ".ReloadConfig")


def test_who_is_listed_does_not_have_systemd_called_without_end(bare: World) -> None:
    """Every one of these is a call of systemd."""
    bare.configure(LISTED)
    bare.start()
    daemons = [bare.connect_as(DAEMON) for _ in range(5)]
    bare.forget()
    began = time.monotonic()
    pending = [begin(client, "Disconnect", "office") for client in daemons for _ in range(100)]
    assert bare.answered(begin(bare.client, "Disconnect", "home")) is None
    until(lambda: all(call.done for call in pending), "all of them")
    spent = time.monotonic() - began
    refusals = [refused(bare, call) for call in pending if call.error]
    made = 500 - len(refusals)
    print(f"500 calls in {spent:.2f} s: {made} were made, {len(refusals)} were too many")
    order = ("StopUnit", "pptp@office.service", "replace")
    until(lambda: bare.ordered().count(order) >= made, "systemd to be called")
    assert bare.ordered().count(order) == made
    assert ACTS.each_line <= made <= ACTS.each * (spent / ACT_SECONDS + 1) and set(refusals) == {TOO_MANY}


# --- the bus ---


UNIT_METHODS: list[tuple[str, str, tuple[object, ...]]] = [
    ("Dial", "(ssus)", ("office", "0", 1, "")),
    ("Ready", "(ss)", ("office", "0")),
    ("Ended", "(ssss)", ("office", "0", "", "")),
    ("NameServers", "(ssas)", ("office", "0", [])),
]


def test_the_units_methods_are_roots_alone(bare: World, polkit: Polkit, nobody: Client) -> None:
    """Also for a call that names no interface, which is for the bus to refuse: the methods have different names."""
    start(bare, polkit)
    replies: list[Any] = []

    def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        replies.append(con.send_message_with_reply_finish(result))

    for (method, signature, arguments), interface in itertools.product(UNIT_METHODS, (UNIT, None)):
        message = Gio.DBusMessage.new_method_call(NAME, PATH, interface, method)
        message.set_body(GLib.Variant(signature, arguments))
        sent = nobody.con.send_message_with_reply(message, Gio.DBusSendMessageFlags.NONE, 5000, None, answered)
        assert sent
        until(lambda: replies, "the answer")
        reply = replies.pop()
        assert (reply.get_error_name(), reply.get_sender()) == (DENIED, "org.freedesktop.DBus"), (method, interface)
    assert polkit.asked() == []


def test_nothing_of_a_refused_call_stays(bare: World, polkit: Polkit) -> None:
    """Clients that come, are refused and go: no file is left open, and no match rule."""
    start(bare, polkit, "challenge", "no")
    assert bare.daemon

    files = Path(f"/proc/{bare.daemon.pid}/fd")

    def rules() -> int:
        stats = bare.client.call(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus.Debug.Stats.GetConnectionStats",
            "(s)",
            NAME,
        )
        return int(stats["MatchRules"])

    def turn() -> None:
        client = bare.connect_as(USER)
        assert refused(bare, begin(client, "Connect", "office", flags=INTERACTIVE)) == DENIED
        client.close()

    turn()
    before = len(list(files.iterdir())), rules()
    for _ in range(10):
        turn()
    until(lambda: (len(list(files.iterdir())), rules()) == before, "as many as before")
