"""pptpctl up, down and reconnect, with the real manager on a private bus."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from .clients import until
from .polkit import Polkit
from .pptpctl import Pptpctl
from .world import World

# connect-timeout is half a second.
HURRY = """
from pptpd_manager.timers import Timers
start = Timers.start
Timers.start = lambda timers, key, seconds, then: start(timers, key, 0.5 if seconds == 20.0 else seconds, then)
"""
BUSY = ("pptp: anon log[x]: Received Outgoing Call Reply.", "16", "The call ended without a reason.")
LATE = (
    "pppd: CHAP authentication succeeded\npppd: MPPE 128-bit stateless compression enabled\n"
    "pppd: local  IP address 10.9.0.2\npppd: Terminating on signal 15",
    "5",
    "The link was not up within connect-timeout.",
)
UNIT = "pptp@office.service"
NOBODY = 65534
WRONG = (
    "pppd: MS-CHAP authentication failed: bad",
    "19",
    "The server refuses the user name or the password. (bad)",
)


def dialling(world: World, ctl: Pptpctl, told: str = "dialling 198.51.100.7") -> str:
    """Play the unit as far as pppd, and wait until that is told; its run."""
    world.wait_for_order("StartUnit", UNIT, "replace")
    run = world.run_of("office")
    assert world.dial("office", run).startswith("dial ")
    ctl.says(f"office: {told}")
    return run


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d s", "N s", text)


def ended(world: World, run: str, log: str, status: str, sentence: str) -> str:
    """Have pppd end, with these last lines in the log; the advice of the reason with that sentence."""
    world.journal(*log.splitlines(), "pppd: Exit.")
    world.ended("office", run, status=status)
    _, told, advice, _ = world.properties("office")["LastError"]
    assert told == sentence
    world.expected.append(f"WARNING: tunnel office: waiting: {sentence} {advice}")
    return str(advice)


def test_up(up: World) -> None:
    ctl = Pptpctl(up, "up", "office")
    up.finish("office", dialling(up, ctl))
    status, out, err = ctl.outcome()
    assert (status, err) == (0, "")
    lines = without_times(out).splitlines()
    assert lines[-2:] == [
        "office: dialling 198.51.100.7",
        "office: up on pptp-office, 10.9.0.2 -> 10.9.0.1, after N s",
    ]
    again = Pptpctl(up, "up", "office")
    assert again.outcome() == (0, "office: up on pptp-office, 10.9.0.2 -> 10.9.0.1, already\n", "")
    assert ("StopUnit", UNIT, "replace") not in up.ordered()


def test_a_wrong_password(up: World) -> None:
    """The reason, the advice and the next attempt; the second time it is given up."""
    ctl = Pptpctl(up, "up", "office")
    advice = ended(up, dialling(up, ctl), *WRONG)
    status, _, err = ctl.outcome()
    assert status == 5
    *why, prospect = err.splitlines()
    assert why == [f"office: not up: {WRONG[2]}", f"  {advice}"]
    assert re.fullmatch(r"  The next attempt is in [12] s\.|  It goes on trying\.", prospect), err


def test_down(up: World) -> None:
    run = up.bring_up("office")
    ctl = Pptpctl(up, "down", "office")
    up.wait_for_order("StopUnit", UNIT, "replace")
    ctl.says("office: hanging up\n")
    up.go_down("office", run)
    status, out, err = ctl.outcome()
    assert (status, without_times(out), err) == (0, "office: hanging up\noffice: down, after N s\n", "")
    assert Pptpctl(up, "down", "office").outcome() == (0, "office: down, already\n", "")


def redialling(up: World) -> tuple[Pptpctl, str]:
    """A pptpctl reconnect of a tunnel that was up and is dialled again; it, and the new run."""
    run = up.bring_up("office")
    ctl = Pptpctl(up, "reconnect", "office")
    up.wait_for_order("RestartUnit", UNIT, "replace")
    ctl.says("office: hanging up\n")
    up.link_down("office")
    up.ended("office", run)
    again = up.set_unit("office", "activating", "start", new_run=True)
    up.dial_again("office", again)
    return ctl, again


def test_reconnect(up: World) -> None:
    ctl, again = redialling(up)
    up.finish("office", again)
    status, out, err = ctl.outcome()
    assert (status, err) == (0, "")
    assert without_times(out).splitlines()[-1] == "office: up on pptp-office, 10.9.0.2 -> 10.9.0.1, after N s"


def test_two_at_once(up: World) -> None:
    """Each has its lines; the status is that of the first which is not well."""
    ctl = Pptpctl(up, "up", "office", "home", "office")
    run = dialling(up, ctl)
    up.wait_for_order("StartUnit", "pptp@home.service", "replace")
    home = up.run_of("home")
    assert up.dial("home", home).startswith("dial ")
    up.finish("home", home, "10.9.0.4", "10.9.0.3")
    ctl.says("home: up on pptp-home, 10.9.0.4 -> 10.9.0.3, after")
    ended(up, run, *WRONG)
    status, out, err = ctl.outcome()
    assert status == 5
    assert err.startswith("office: not up: The server refuses the user name or the password.")
    assert out.count("home: up") == 1 and "office: up" not in out


def test_an_unknown_tunnel(up: World) -> None:
    path = up.config
    for command in ("up", "down", "reconnect"):
        status, out, err = Pptpctl(up, command, "ofice").outcome()
        assert (status, out) == (3, "")
        assert err == f"ofice: there is no tunnel 'ofice' in {path}; there are: office, home\n"
    assert up.ordered() == []
    # It may be in a file that nobody has had read.
    up.configure(up.config.read_text() + "  ofice: {server: 198.51.100.9, username: bob, password: x}\n")
    status, _, err = Pptpctl(up, "up", "ofice").outcome()
    assert (status, err.splitlines()[1:]) == (3, ["The configuration file has changed; run: pptpctl reload"])


def test_a_file_with_errors(bare: World) -> None:
    """It is in force for nobody: the tunnels are not known."""
    bare.configure("tunnels: {office: {server: 198.51.100.7}}\n")
    bare.start()
    status, out, err = Pptpctl(bare, "up", "office").outcome()
    assert (status, out) == (1, "")
    problems = bare.problems()
    assert err.splitlines() == ["office: the configuration has errors:", *(f"  {line}" for line in problems)]
    # Mended, and not read: these errors are no longer those of the file.
    bare.configure("tunnels: {office: {server: 198.51.100.7, username: alice, password: x}}\n")
    status, _, err = Pptpctl(bare, "up", "office").outcome()
    assert (status, err.splitlines()[-1]) == (1, "The configuration file has changed; run: pptpctl reload")
    bare.expected = [f"ERROR: {line}" for line in problems]


def test_systemd_refuses(up: World) -> None:
    up.behave("StartUnit", "fail")
    status, _, err = Pptpctl(up, "up", "office").outcome()
    assert (status, err.splitlines()[0]) == (1, f"office: tunnel 'office': systemd refuses: Unit {UNIT} not found.")
    up.expected = [line for line in up.log().splitlines() if "WARNING" in line]


@pytest.mark.parametrize(
    ("command", "order", "doing"), [("up", "StartUnit", "starting"), ("reconnect", "RestartUnit", "restarting")]
)
def test_no_wait(up: World, command: str, order: str, doing: str) -> None:
    """It ends when the call has been let in, and the tunnel is dialled all the same."""
    ctl = Pptpctl(up, command, "--no-wait", "office")
    up.wait_for_order(order, UNIT, "replace")
    assert ctl.outcome() == (0, f"office: {doing}; not waited for\n", "")
    up.finish("office", _dial(up))
    up.wait_for_state("office", "up")


def _dial(world: World) -> str:
    run = world.run_of("office")
    assert world.dial("office", run).startswith("dial ")
    return run


def test_no_wait_for_what_is_under_way(up: World) -> None:
    up.connecting("office")
    assert Pptpctl(up, "up", "--no-wait", "office").outcome() == (
        0,
        "office: dialling 198.51.100.7; not waited for\n",
        "",
    )


def test_no_wait_for_what_waits_anyway(up: World) -> None:
    """The server refuses the call, and the unit has not begun again: a Connect changes nothing that could be seen."""
    run, connect = up.connecting("office")
    ended(up, run, *BUSY)
    up.error(connect)
    assert Pptpctl(up, "up", "--no-wait", "office").outcome() == (0, "office: starting; not waited for\n", "")


def test_the_time_is_over(up: World) -> None:
    """It goes on trying, and says so."""
    ctl = Pptpctl(up, "up", "--timeout", "0.8", "office")
    run = dialling(up, ctl)
    status, _, err = ctl.outcome()
    end = "to end that: pptpctl down office"
    assert (status, err) == (
        6,
        f"office: not up within 0.8 s: dialling 198.51.100.7; it goes on; {end}\n",
    )
    up.finish("office", run)
    up.wait_for_state("office", "up")


def test_connect_timeout_is_no_timeout_of_ours(bare: World) -> None:
    """The manager's error has the same name, but that is a failure with a reason."""
    up = bare
    up.start(patch=HURRY)
    ctl = Pptpctl(up, "up", "office")
    run = dialling(up, ctl)
    until(lambda: [order for order in up.ordered() if order[0] != "StartUnit"], "the attempt to be ended")
    ended(up, run, *LATE)
    status, _, err = ctl.outcome()
    assert (status, err.splitlines()[0]) == (5, f"office: not up: {LATE[2]}")


def test_ctrl_c_leaves_the_tunnel_alone(up: World) -> None:
    ctl = Pptpctl(up, "up", "office")
    run = dialling(up, ctl)
    ctl.interrupt()
    status, _, err = ctl.outcome()
    assert (status, err) == (130, "office: dialling 198.51.100.7; it goes on; to end that: pptpctl down office\n")
    up.finish("office", run)
    up.wait_for_state("office", "up")


def test_a_manager_that_hangs(up: World) -> None:
    """Neither Ctrl-C nor --timeout waits for it."""
    assert up.daemon
    up.daemon.send_signal(signal.SIGSTOP)
    try:
        ctl = Pptpctl(up, "up", "--timeout", "0.5", "office")
        assert ctl.outcome() == (
            7,
            "",
            "office: not up within 0.5 s: nothing was done: pptp-manager does not answer\n",
        )
    finally:
        up.daemon.send_signal(signal.SIGCONT)
    ctl = Pptpctl(up, "up", "office")
    dialling(up, ctl)
    up.daemon.send_signal(signal.SIGSTOP)
    ctl.interrupt()
    status, _, err = ctl.outcome()
    up.daemon.send_signal(signal.SIGCONT)
    assert (status, "it goes on" in err) == (130, True)


def test_a_manager_that_is_restarted(up: World) -> None:
    """The next one is asked again, to connect: it has not to hang up a second time."""
    assert up.daemon
    ctl, again = redialling(up)
    ctl.says("office: dialling")
    up.daemon.kill()
    up.daemon.wait()
    up.forget()
    up.start()
    up.finish("office", again)
    status, out, err = ctl.outcome()
    assert (status, err) == (0, "")
    assert "office: up on pptp-office" in out
    assert not [order for order in up.ordered() if order[0] == "RestartUnit"]


def test_a_terminal_has_one_line_that_is_written_anew(up: World) -> None:
    """What is done stays; what is under way is cut to the width."""
    ctl = Pptpctl(up, "up", "office", "home", terminal=True, columns=24)
    run = dialling(up, ctl, "dialling 198.5\u2026")
    up.wait_for_order("StartUnit", "pptp@home.service", "replace")
    home = up.run_of("home")
    assert up.dial("home", home).startswith("dial ")
    up.finish("home", home, "10.9.0.4", "10.9.0.3")
    ctl.says("\033[Jhome: \033[32mup on pptp-home")
    up.finish("office", run)
    status, out, _ = ctl.outcome()
    assert status == 0
    # What a terminal shows of it: each erasure takes away the lines that it goes up over.
    shown = [""]
    for part in re.split(r"(\033\[\d+A\r\033\[J|\r\n)", out):
        if part == "\r\n":
            shown.append("")
        elif erased := re.fullmatch(r"\033\[(\d+)A\r\033\[J", part):
            del shown[-1 - int(erased[1]) :]
            shown.append("")
        else:
            shown[-1] += re.sub(r"\033\[\d*m", "", part)
    assert without_times("\n".join(shown)) == (
        "home: up on pptp-home, 10.9.0.4 -> 10.9.0.3, after N s\n"
        "office: up on pptp-office, 10.9.0.2 -> 10.9.0.1, after N s\n"
    )


def test_the_log_tells_how_far_it_is(up: World) -> None:
    """Lines of the journal that follow; what is none of it, or another tunnel's, tells nothing."""
    pipe = up.directory / "follow"
    os.mkfifo(pipe)
    up.program("journalctl", f'case "$*" in *--follow*) exec cat {pipe} ;; *) cat {up.directory}/journal ;; esac')
    ctl = Pptpctl(up, "up", "office")
    run = dialling(up, ctl)
    with pipe.open("w") as journal:
        for unit, program, text in (
            ("pptp@home.service", "pppd", "local  IP address 10.9.0.2"),
            (UNIT, "pptp", "anon log[main:pptp.c:1]: Client connection established."),
            (UNIT, "pppd", "CHAP authentication succeeded: Welcome"),
        ):
            print(json.dumps({"_SYSTEMD_UNIT": unit, "SYSLOG_IDENTIFIER": program, "MESSAGE": text}), file=journal)
            print("nonsense", file=journal, flush=True)
        ctl.says("office: authenticated, agreeing on addresses\n")
        up.finish("office", run)
        status, out, _ = ctl.outcome()
    told = [line for line in out.splitlines() if line.startswith("office: ")]
    assert (status, told[-4:-1]) == (
        0,
        [
            "office: dialling 198.51.100.7",
            "office: calling 198.51.100.7",
            "office: authenticated, agreeing on addresses",
        ],
    )


# --- who may ---


@pytest.fixture
def polkit(bare: World) -> Polkit:
    made = Polkit(bare)
    made.begin()
    bare.start()
    bare.forget()
    return made


def test_who_is_refused(bare: World, polkit: Polkit) -> None:
    """Nobody is asked before it is known that somebody has to be, and then once."""
    polkit.behave("challenge", "challenge")
    status, out, err = Pptpctl(bare, "up", "office", uid=NOBODY).outcome()
    assert (status, out) == (4, "office: waiting for an authorization\n")
    assert "polkit action org.pptpmanager1.connect" in err and "no authentication agent" in err
    assert [flags for *_, flags in polkit.asked()] == [0, 1]
    polkit.behave("no")
    status, _, err = Pptpctl(bare, "down", "office", uid=NOBODY).outcome()
    assert status == 4 and "polkit says no (polkit action org.pptpmanager1.disconnect)" in err
    assert bare.ordered() == []


def test_one_is_asked_at_a_time(bare: World, polkit: Polkit) -> None:
    """polkit's agent at a terminal would refuse a second question."""
    polkit.behave("challenge", "hold")
    ctl = Pptpctl(bare, "up", "--no-wait", "office", "home", uid=NOBODY)

    def prompts() -> int:
        return sum(flags for *_, flags in polkit.asked())

    until(lambda: len(polkit.asked()) == 3, "two checks and a prompt")
    assert prompts() == 1
    polkit.release("yes")
    bare.wait_for_order("StartUnit", UNIT, "replace")
    until(lambda: prompts() == 2, "the second prompt")
    polkit.release("dismissed")
    status, out, err = ctl.outcome()
    assert status == 4
    assert "office: starting; not waited for\n" in out
    assert "home: user 65534 may not connect tunnel 'home': the authentication was dismissed" in err


@pytest.mark.parametrize("end", ["--timeout", "Ctrl-C"])
def test_who_leaves_before_anybody_has_authorized_it(bare: World, polkit: Polkit, end: str) -> None:
    polkit.behave("challenge", "hold")
    ctl = Pptpctl(bare, "up", *(["--timeout", "1"] if end == "--timeout" else []), "office", uid=NOBODY)
    until(lambda: len(polkit.asked()) == 2, "the prompt")
    if end == "Ctrl-C":
        ctl.interrupt()
    status, _, err = ctl.outcome()
    when = " not up within 1 s:" if end == "--timeout" else ""
    assert (status, err) == (
        6 if end == "--timeout" else 130,
        f"office:{when} nothing was done: nobody has authorized it\n",
    )
    until(polkit.cancelled, "the prompt to be taken away")
    assert bare.ordered() == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_terminal_has_its_echo_when_it_is_ended_in_a_prompt(up: World, how: int) -> None:
    up.program("systemd-tty-ask-password-agent", "stty -echo; echo Password:; exec sleep 60")
    ctl = Pptpctl(up, "up", "office", terminal=True)
    dialling(up, ctl)
    ctl.says("Password:")
    assert not ctl.echoes()
    ctl.process.send_signal(how)
    assert ctl.status() == (-how if how == signal.SIGTERM else 130)
    assert ctl.echoes()


# --- at boot ---

LINK = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"


def test_enable_and_disable(up: World) -> None:
    made = f"Created symlink {LINK} -> /usr/lib/systemd/system/pptp@.service\n"
    assert Pptpctl(up, "enable", "office", "office").outcome() == (0, made, "")
    assert up.ordered() == [("EnableUnitFiles", f"['{UNIT}']", "False", "False"), ("Reload",)]
    up.forget()
    already = "office: connected at every boot, already\n"
    assert Pptpctl(up, "enable", "office").outcome() == (0, already, "")
    assert ("Reload",) not in up.ordered()
    assert Pptpctl(up, "disable", "office", "nowhere").outcome()[0] == 3
    assert up.ordered()[-1] == ("Reload",), "of what was changed before the one that is not there"
    assert Pptpctl(up, "enable", "office").outcome() == (0, made, "")
    # One that is not configured any more can be disabled.
    up.configure("tunnels: {}\n")
    up.call("Reload")
    assert Pptpctl(up, "disable", "office").outcome() == (0, f"Removed {LINK}\n", "")
    gone = f"pptpctl: there is no tunnel 'office' in {up.config}; there are: none\n"
    for command in ("disable", "enable"):
        assert Pptpctl(up, command, "office").outcome() == (3, "", gone)


def test_enable_now(up: World) -> None:
    ctl = Pptpctl(up, "enable", "--now", "office")
    run = dialling(up, ctl)
    up.finish("office", run)
    status, out, err = ctl.outcome()
    assert (status, err) == (0, "")
    assert out.startswith("Created symlink") and "office: up on pptp-office" in out
    ctl = Pptpctl(up, "disable", "--now", "office")
    up.wait_for_order("StopUnit", UNIT, "replace")
    up.go_down("office", run)
    status, out, err = ctl.outcome()
    assert (status, err) == (0, "")
    assert out.startswith("Removed") and "office: down, after" in out


def test_systemd_does_not_enable(up: World) -> None:
    up.behave("EnableUnitFiles", "fail")
    status, out, err = Pptpctl(up, "enable", "--now", "office").outcome()
    assert (status, out) == (1, "")
    assert err == f"pptpctl: systemd: Unit ['{UNIT}'] not found.\n"
    assert [order[0] for order in up.ordered()] == ["EnableUnitFiles"]
