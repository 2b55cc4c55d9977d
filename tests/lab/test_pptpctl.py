"""pptpctl with the real systemd, pppd, polkit and shells: what acts, what looks on meanwhile, what is completed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import commands as lab
import passwords
import people
import pytest
from terminals import Terminal, started

TUNNELS = {
    "work": {**lab.ALICE, "server": "vpn.example.com", "users": ["carol"]},
    "wrong": {**lab.ALICE, "password": "wrong", "routes": []},
    "home": {**lab.ALICE, "routes": []},
}
TCP = ["u32", "match", "ip", "protocol", "6", "0xff", "match", "ip", "dport", "1723", "0xffff"]
UP = r"work: up on pptp-work, 10\.9\.0\.\d+ -> 10\.9\.0\.1, after \d+\.\d s\n"


@pytest.fixture(scope="module", autouse=True)
def known_people() -> Iterator[None]:
    with people.known():
        yield


@pytest.fixture(autouse=True)
def tunnels(nothing_left: None) -> None:
    lab.configure(TUNNELS)


def pptpctl(*arguments: str, status: int = 0, user: str = "root") -> str:
    """What it prints on both streams; its exit status has to be that."""
    done = people.run_as(user, "pptpctl", *arguments, timeout=90)
    assert done.returncode == status, f"{done}\n{lab.evidence()}"
    return done.stdout + done.stderr


def at_a_terminal(*arguments: str, user: str = "root") -> AbstractContextManager[Terminal]:
    return started(*people.user(user), "pptpctl", *arguments, TERM="xterm", LANG="C.UTF-8")


@contextmanager
def looking(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A pptpctl that looks on; ended by Ctrl-C."""
    with subprocess.Popen(["pptpctl", *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def test_up_reconnect_down() -> None:
    out = pptpctl("up", "work")
    lines = out.splitlines()
    assert re.fullmatch(UP, f"{lines[-1]}\n"), out
    assert "work: dialling 203.0.113.1" in lines, out
    assert lab.passes()
    assert re.search(UP, pptpctl("reconnect", "work"))
    assert lab.passes()
    assert re.search(r"^work: up on pptp-work, .*, already$", pptpctl("up", "work"), re.MULTILINE)
    assert re.search(r"^work: down, after \d+\.\d s$", pptpctl("down", "work"), re.MULTILINE)
    assert lab.state("work") == "idle" and not lab.clients()
    assert pptpctl("down", "work") == "work: down, already\n"


def test_the_progress_at_a_terminal() -> None:
    """One line that is written anew, and at the end what has come of it."""
    with at_a_terminal("up", "work") as seen:
        with lab.drop(lab.GRE):
            seen.wait_for("work: authenticating")
        assert seen.status() == 0, seen.text
    assert "\033[1A\r\033[J" in seen.text
    assert re.search(r"\033\[Jwork: \033\[32mup on pptp-work, .*\033\[0m\r\n$", seen.text), seen.text


def test_a_wrong_password() -> None:
    out = pptpctl("up", "wrong", status=5)
    assert "wrong: not up: The server refuses the user name or the password." in out
    assert "Check 'username:'" in out
    assert re.search(r"The next attempt is in \d s\.|It goes on trying\.", out), out
    lab.wait_for(lambda: lab.state("wrong") == "failed", "it to be given up")
    assert "wrong: down, after" in pptpctl("down", "wrong")


def test_a_server_that_is_silent() -> None:
    with lab.drop(TCP):
        began = time.monotonic()
        out = pptpctl("up", "--timeout", "4", "home", status=6)
        assert time.monotonic() - began < 20
        assert "home: not up within 4 s: dialling 203.0.113.1; it goes on; to end that: pptpctl down home" in out
        assert lab.state("home") == "connecting"
        assert "home: down, after" in pptpctl("down", "home")


def test_ctrl_c_leaves_the_tunnel_alone() -> None:
    with lab.drop(lab.GRE), at_a_terminal("up", "work") as seen:
        seen.wait_for("work: (dialling|calling|authenticating)")
        seen.press("\x03")
        assert seen.status() == 130, seen.text
    assert "it goes on; to end that: pptpctl down work" in seen.text
    lab.wait_for(lambda: lab.state("work") == "up", "it to be up")
    assert not lab.pids("journalctl") and not lab.pids("systemd-tty-ask")


def test_no_wait() -> None:
    assert re.fullmatch(r"work: .*; not waited for\n", pptpctl("up", "--no-wait", "work", user="carol"))
    lab.wait_for(lambda: lab.state("work") == "up", "it to be up")
    assert re.fullmatch(r"work: .*; not waited for\n", pptpctl("down", "--no-wait", "work", user="carol"))
    lab.wait_for(lambda: lab.state("work") == "idle", "it to be down")


def test_without_a_manager() -> None:
    """It is started; and one that is restarted or hangs while we wait makes no difference."""
    lab.out("systemctl", "stop", "pptp-manager")
    assert "does not run" in pptpctl("list", status=7)
    with subprocess.Popen(["pptpctl", "up", "work"], stdout=subprocess.PIPE, text=True) as process:
        lab.wait_for(lambda: lab.active("work") == "activating", "the start")
        os.kill(lab.manager_pid(), signal.SIGKILL)
        out, _ = process.communicate(timeout=90)
    assert process.returncode == 0 and re.search(UP, out), out


# --- who may ---


def test_a_plain_user_is_refused() -> None:
    for command, action in (("up", "connect"), ("reconnect", "connect"), ("down", "disconnect")):
        out = pptpctl(command, "work", status=4, user="erin")
        assert f"polkit action org.pptpmanager1.{action}" in out and "'users' and 'groups' of the tunnel" in out, out
    out = pptpctl("enable", "--now", "work", status=4, user="erin")
    assert "org.freedesktop.systemd1.manage-unit-files" in out
    assert lab.state("work") == "idle"


def test_who_is_listed_may() -> None:
    assert re.search(UP, pptpctl("up", "work", user="carol"))
    assert "work: down, after" in pptpctl("down", "work", user="carol")


def test_an_administrator_authenticates_at_the_terminal() -> None:
    with at_a_terminal("up", "work", user="erin") as seen:
        seen.wait_for("Password: ")
        assert "AUTHENTICATING FOR org.pptpmanager1.connect" in seen.text
        assert lab.state("work") == "idle", "not before"
        seen.type(people.PASSWORD)
        assert seen.status() == 0, seen.text
        assert seen.echoes
    assert "AUTHENTICATION COMPLETE" in seen.text and "up on pptp-work" in seen.text
    assert not lab.pids("pkttyagent")


def test_two_questions_come_one_after_the_other() -> None:
    with at_a_terminal("down", "wrong", "home", user="erin") as seen:
        for count in (1, 2):
            seen.wait_for("(?s)" + "Password: .*" * count)
            seen.type(people.PASSWORD)
        assert seen.status() == 0, seen.text
    assert seen.text.count("down, already") == 2


@pytest.mark.parametrize("end", ["ctrl-c", "killed"])
def test_who_does_not_authenticate(end: str) -> None:
    """Nothing is done, nothing is left at the terminal."""
    with at_a_terminal("up", "work", user="erin") as seen:
        seen.wait_for("Password: ")
        if end == "ctrl-c":
            seen.press("\x03")
            assert seen.status() in (4, 130), seen.text
            assert seen.echoes
        else:
            os.kill(seen.pid, signal.SIGKILL)
        lab.wait_for(lambda: not lab.pids("pkttyagent") and not lab.pids("polkit-agent-he"), "the agent to end")
    assert lab.state("work") == "idle"


# --- a password that is asked for ---


def test_the_password_of_a_tunnel_at_the_terminal() -> None:
    """Nothing is written into the prompt meanwhile."""
    lab.configure({"work": passwords.tunnel("ask-password", ""), "home": TUNNELS["home"]})
    with at_a_terminal("up", "work", "home") as seen:
        seen.wait_for(r"Password of PPTP tunnel work \(203\.0\.113\.1\):")
        lab.wait_for(lambda: lab.active("home") == "active", "the other one to be up")
        time.sleep(0.5)  # the agent turns the echo off before it asks, and drops what was typed until then
        seen.read()
        assert "up on pptp-home" not in seen.text.partition("Password of")[2]
        seen.type("secret")
        assert seen.status() == 0, seen.text
    assert "up on pptp-work" in seen.text and "up on pptp-home" in seen.text and "secret" not in seen.text
    assert lab.passes()
    assert not lab.pids("systemd-tty-ask")


# --- at boot ---


def test_enable_and_disable_now() -> None:
    link = "/etc/systemd/system/multi-user.target.wants/pptp@work.service"
    out = pptpctl("enable", "--now", "work")
    assert f"Created symlink {link} -> /" in out and re.search(UP, out), out
    assert lab.out("systemctl", "is-enabled", "pptp@work") == "enabled\n"
    assert pptpctl("enable", "work") == "work: connected at every boot, already\n"
    out = pptpctl("disable", "--now", "work")
    assert f"Removed {link}\n" in out and "work: down, after" in out
    assert lab.run("systemctl", "is-enabled", "pptp@work").stdout == "disabled\n"


# --- what looks on ---


def test_monitor_and_logs_see_a_connect() -> None:
    with looking("monitor", "work") as monitor, looking("logs", "-f", "-n", "0", "work") as logs:
        assert monitor.stdout and logs.stdout
        pptpctl("up", "work")  # which takes longer than they take to begin
        pptpctl("down", "work")
        for stream, words in ((monitor.stdout, "idle"), (logs.stdout, "Connection terminated|Terminating")):
            lines = iter(stream.readline, "")
            assert any(re.search(words, line) for line in lines)


# --- what the shells complete ---

ZSH = """
zmodload zsh/zpty
export TERM=dumb
zpty z zsh -f -i
zpty -w z 'PROMPT=READY; autoload -Uz compinit; compinit -u -D'
zpty -r -m z out '*READY*READY*'
zpty -w -n z "$1"$'\\t'
zpty -r -m z out "$2"
print -r -- "$out"
"""
BASH = """
. /usr/share/bash-completion/bash_completion
_comp_load pptpctl 2>/dev/null || __load_completion pptpctl
COMP_WORDS=(pptpctl up w) COMP_CWORD=2 COMP_LINE='pptpctl up w' COMP_POINT=12
_pptpctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes() -> None:
    """As bash-completion finds it."""
    assert lab.out("bash", "-c", BASH).split() == ["work", "wrong"]


def test_zsh_completes() -> None:
    assert "work" in lab.out("zsh", "-f", "-c", ZSH, "zsh", "pptpctl up wo", "*work *", timeout=60)


def test_fish_completes() -> None:
    def completed(line: str) -> list[str]:
        text = lab.out("env", "HOME=/tmp", "fish", "--private", "-c", f"complete -C '{line}'")
        return [found.split("\t")[0] for found in text.splitlines()]

    assert completed("pptpctl up w") == ["work", "wrong"]
    assert "reconnect" in completed("pptpctl ") and "work" not in completed("pptpctl ")
    assert "--timeout" in completed("pptpctl up --")
