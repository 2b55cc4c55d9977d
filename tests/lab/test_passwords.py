"""Passwords from files, from credentials that the real systemd decrypts, and from people that it asks."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import commands as lab
import passwords
import pytest

KEPT = lab.OPTIONS / "work.password"

# The module on its own: what a program writes, and what it complains of.
HANDED = """\
import os
import pydbus
from gi.repository import GLib
from pptpd_manager.transient import Transient
loop, transient = GLib.MainLoop(), Transient(pydbus.SystemBus().con)
pydbus.SystemBus().con.call_sync(
    "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
    "Subscribe", None, None, 0, -1, None)
output = os.memfd_create("output")
def done(text):
    print(repr(text), os.pread(output, 100, 0))
    loop.quit()
transient.run("lab-handed.service", "For a test", [["/bin/sh", "-c", "echo said; echo >&2 complained; exit 3"]],
    seconds=20, output=output, done=done)
loop.run()
"""


@pytest.fixture(autouse=True)
def nothing_put() -> Iterator[None]:
    yield
    passwords.remove()
    lab.systemctl("stop", "pptp@work")
    lab.wait_for(lambda: not passwords.questions() and not KEPT.exists(), "nothing to be left")
    assert "pptp-password" not in lab.out("systemctl", "list-units", "--all", "--plain")


def starting() -> subprocess.Popen[bytes]:
    """A `systemctl start` that has begun."""
    return subprocess.Popen(["systemctl", "start", "pptp@work"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def fails(source: str, password: str, reason: str, detail: str) -> None:
    """A start fails with that reason, and says so in the status and the journal."""
    since = time.time()
    lab.configure({"work": passwords.tunnel(source, password)})
    assert lab.systemctl("start", "pptp@work") == 1
    name, sentence, advice = lab.last_error("work")
    assert (name, detail in sentence) == (reason, True), (name, sentence, lab.evidence())
    assert advice
    lab.wait_for(lambda: sentence in lab.status("work"), "the status to say so")
    assert sentence in lab.out("journalctl", "-q", "-o", "cat", f"PPTP_REASON={reason}", f"--since=@{since:.6f}")
    lab.systemctl("stop", "pptp@work")


def test_what_a_program_complains_of_is_not_taken_for_a_password() -> None:
    since = time.time()
    done = lab.run("env", "PYTHONPATH=/usr/lib/pptp-manager", "/usr/bin/python3", "-c", HANDED, check=True)
    assert done.stdout == "'/bin/sh ended with status 3' b'said\\n'\n"
    log = lab.out("journalctl", "-q", "-o", "cat", "-t", "lab-handed", f"--since=@{since:.6f}")
    assert log == "complained\n"


@pytest.mark.parametrize("source", ["password-file", "credential"])
def test_it_connects_and_a_changed_one_is_used_by_the_next_dial(source: str) -> None:
    passwords.put(source, "secret")
    lab.configure({"work": passwords.tunnel(source, "")})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    assert lab.passes()
    passwords.put(source, "other")
    with lab.pinging():
        assert lab.call("Reload").returncode == 0
        lab.out("systemctl", "restart", "pptp-manager")
    with passwords.known_to_the_server("bob", "other"):
        lab.configure({"work": passwords.tunnel(source, "", username="bob")})
        options = lab.OPTIONS / "work.options"
        lab.wait_for(lambda: options.exists() and "bob" in lab.out("sh", "-c", f"cat {options} || true"), "a redial")
        lab.wait_for(lambda: lab.state("work") == "up", "up with the other one")


def test_a_file_that_is_no_good() -> None:
    fails("password-file", "", "password-file-missing", str(passwords.FILE))
    passwords.put("password-file", "secret")
    passwords.FILE.chmod(0o644)
    fails(
        "password-file",
        "",
        "password-file-refused",
        f"has mode 0644, so others can use it; run: chmod 600 {passwords.FILE}",
    )
    passwords.FILE.chmod(0o600)
    passwords.FILE.write_text("")
    fails("password-file", "", "password-unusable", "is empty")


def test_a_file_that_is_mended_is_used_without_a_restart_of_anything() -> None:
    passwords.put("password-file", "secret")
    passwords.FILE.chmod(0o644)
    lab.configure({"work": passwords.tunnel("password-file", "")})
    assert lab.systemctl("start", "pptp@work") == 1
    passwords.FILE.chmod(0o600)
    assert lab.call("Connect", "work").returncode == 0, lab.evidence()
    assert lab.passes()


def test_a_credential_that_is_no_good() -> None:
    fails("credential", "", "credential-missing", "(work)")
    passwords.encrypt("secret", name="another")
    fails("credential", "", "credential-refused", "(work)")
    passwords.encrypt("secret")
    text = passwords.CREDENTIAL.read_text()
    passwords.CREDENTIAL.write_text(text[:60] + ("A" if text[60] != "A" else "B") + text[61:])
    fails("credential", "", "credential-refused", "(work)")
    passwords.encrypt("")
    fails("credential", "", "password-unusable", "the credential work is empty")


def test_who_starts_it_is_asked_on_a_terminal_and_redials_do_not_ask() -> None:
    lab.configure({"work": passwords.tunnel("ask-password", "", **{"connect-timeout": 10})})
    start = starting()
    asked = passwords.question()
    assert asked["Message"] == f"Password of PPTP tunnel work ({lab.SERVER}):" and asked["Id"] == "pptp:work"
    assert passwords.PROMPTING in lab.status("work") and lab.state("work") == "waiting"
    time.sleep(11)  # longer than connect-timeout
    shown = passwords.reply_on_a_terminal("secret")
    assert start.wait(60) == 0, lab.evidence()
    assert b"tunnel work" in shown and b"secret" not in shown
    assert lab.passes() and KEPT.stat().st_mode & 0o777 == 0o600
    pppd = int(lab.show("work", "MainPID"))
    lab.out("systemctl", "kill", "-s", "KILL", "pptp-manager")
    lab.out("kill", "-KILL", str(pppd))
    lab.wait_for(lambda: lab.state("work") == "up" and int(lab.show("work", "MainPID")) not in (0, pppd), "up again")
    lab.out("systemctl", "stop", "pptp-manager")
    assert lab.systemctl("restart", "pptp@work") == 0, "the manager is back, and knows the password"
    assert not passwords.questions() and lab.passes()
    assert lab.systemctl("stop", "pptp@work") == 0
    lab.wait_for(lambda: not KEPT.exists(), "it to be forgotten")


def test_a_wrong_password_is_asked_for_again() -> None:
    lab.configure({"work": passwords.tunnel("ask-password", "")})
    start = starting()
    passwords.reply("wrong")
    assert start.wait(60) == 1
    assert lab.last_error("work")[0] == "wrong-password"
    passwords.reply("secret")
    lab.wait_for(lambda: lab.state("work") == "up", "up with the right one")


def test_who_does_not_want_to_is_not_asked_again() -> None:
    lab.configure({"work": passwords.tunnel("ask-password", "")})
    start = starting()
    passwords.reply(None)
    assert start.wait(60) == 1
    lab.wait_for(lambda: lab.active("work") == "failed", "given up")
    assert lab.last_error("work")[0] == "password-cancelled"


def test_the_question_goes_with_the_tunnel_and_survives_the_manager() -> None:
    lab.configure({"work": passwords.tunnel("ask-password", "")})
    start = starting()
    first = passwords.question()
    lab.out("systemctl", "kill", "-s", "KILL", "pptp-manager")
    lab.wait_for(lambda: any(one != first for one in passwords.questions()), "the new manager's question")
    lab.wait_for(lambda: len(passwords.questions()) == 1, "the old one to be gone")
    assert start.poll() is None
    assert lab.systemctl("stop", "pptp@work") == 0
    lab.wait_for(lambda: not passwords.questions(), "the question to be taken back")
    assert start.wait(30) != 0


def test_without_an_answer_it_is_given_up() -> None:
    lab.configure({"work": passwords.tunnel("ask-password", "")})
    begun = time.monotonic()
    assert lab.systemctl("start", "pptp@work", timeout=150) == 1
    assert 88 < time.monotonic() - begun < 110
    lab.wait_for(lambda: lab.active("work") == "failed", "given up")
    assert lab.last_error("work")[0] == "password-unanswered"
