"""What the lab's tests do to have passwords: on the server, in files and credentials, and for systemd's questions."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands as lab

SERVER_SECRETS = Path("/etc/lab/pptpd/main/chap-secrets")
FILE = Path("/etc/pptp-work.password")
CREDENTIAL = Path("/etc/credstore.encrypted/work")
QUESTIONS = Path("/run/systemd/ask-password")
PROMPTING = "Waiting for the password; to give it, run: systemd-tty-ask-password-agent"

SOURCES: dict[str, dict[str, Any]] = {
    "password": {},  # and the password itself
    "password-file": {"password-file": str(FILE)},
    "credential": {"credential": "work"},
    "ask-password": {"ask-password": True},
}


def server_word(text: str) -> str:
    """text for the server's chap-secrets; pppd(8), AUTHENTICATION."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextlib.contextmanager
def known_to_the_server(login: str, password: str) -> Iterator[None]:
    """Have the server let them in."""
    before = SERVER_SECRETS.read_text()
    SERVER_SECRETS.write_text(before + f"{server_word(login)} pptpd {server_word(password)} *\n")
    try:
        yield
    finally:
        SERVER_SECRETS.write_text(before)


def tunnel(source: str, password: str, **more: Any) -> dict[str, Any]:
    """The configuration of a tunnel whose password comes from there."""
    base = {key: value for key, value in lab.ALICE.items() if key != "password"}
    return {**base, **SOURCES[source], **({"password": password} if source == "password" else {}), **more}


def put(source: str, password: str) -> None:
    """Put the password where that source looks for it, if that is a place."""
    if source == "password-file":
        FILE.touch(0o600)
        FILE.write_text(password + "\n")
    if source == "credential":
        encrypt(password)


def encrypt(password: str, name: str = "work") -> None:
    """Write the credential of this tunnel, under that name. No TPM here."""
    CREDENTIAL.parent.mkdir(mode=0o700, exist_ok=True)
    words = ["systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", str(CREDENTIAL)]
    CREDENTIAL.unlink(missing_ok=True)
    done = subprocess.run(words, input=password.encode() + b"\n", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def remove() -> None:
    """Leave no password where it was put."""
    FILE.unlink(missing_ok=True)
    CREDENTIAL.unlink(missing_ok=True)


def questions() -> list[dict[str, str]]:
    """What systemd asks at the moment: the lines of the files. Source: https://systemd.io/PASSWORD_AGENTS."""
    found = []
    for path in QUESTIONS.glob("ask.*") if QUESTIONS.exists() else ():
        with contextlib.suppress(FileNotFoundError):
            found.append(dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE)))
    return [one for one in found if one.get("Id", "").startswith("pptp:")]


def question(seconds: float = 60) -> dict[str, str]:
    """The one question, as soon as it is there."""
    (one,) = lab.wait_for(questions, "a question", seconds)
    return one


def reply(password: str | None) -> None:
    """Answer the one question as an agent does, or with None cancel it."""
    words = ["/usr/lib/systemd/systemd-reply-password", "0" if password is None else "1", question()["Socket"]]
    subprocess.run(words, input=f"{password or ''}\n".encode(), check=True, timeout=20)
    lab.wait_for(lambda: not questions(), "the question to be over")


def reply_on_a_terminal(password: str) -> bytes:
    """Answer the one question by systemd-tty-ask-password-agent on a terminal; what it showed."""
    question()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv("/usr/bin/systemd-tty-ask-password-agent", ["systemd-tty-ask-password-agent", "--query"])
    shown = b""
    try:
        while b":" not in shown:
            shown += os.read(terminal, 4096)
        time.sleep(0.5)  # it turns the echo off before it asks, and drops what was typed until then
        os.write(terminal, password.encode() + b"\n")
        while True:
            shown += os.read(terminal, 4096)
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown
