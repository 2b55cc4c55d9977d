"""Passwords are looked for wherever they might have got to, for each source and through all that can happen.

All of the journal, the bus and the files is searched. Command lines and environments are looked at twenty times a
second: those of a process that lives for less may be missed. What systemd is to run for the manager is on the bus.
"""

from __future__ import annotations

import base64
import functools
import os
import secrets
import signal
import stat
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import commands as lab
import passwords
import ppp
import pytest

USER, DOMAIN = "al \"i'ce #$%n;`id`", "B-RO"
OPTIONS, KEPT, ACCEPTED = (lab.OPTIONS / name for name in ("work.options", "work.password", "accepted.yaml"))
SEARCHED = (
    "/run",
    "/tmp",
    "/var",
    "/etc",
    "/dev/shm",
    "/root",
    "/usr/lib/pptp-manager",
    "/usr/share/doc/pptp-manager",
)
SERVER = passwords.SERVER_SECRETS  # the server has to know it, too: this file and no other
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
CORE = lab.OPTIONS / "core"  # where the manager can write one, in its sandbox

# The source with which the manager logs every event: the one whose password is in events.
DEBUGGED = "password"
DROP_IN = Path("/run/systemd/system/pptp-manager.service.d/lab.conf")

# Notes what command lines and environments there are, many times a second, until its standard input is closed.
SAMPLER = """\
import os, select, sys
seen = set()
while not select.select([sys.stdin], [], [], 0.05)[0]:
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            for name in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
                        seen.add(file.read(65536))
                except OSError:
                    pass
sys.stdout.buffer.write(b"\\n".join(seen))
"""


def made_up() -> str:
    """A password with everything in it that might be taken for something else, around a word that is unique."""
    return "".join(("Q \"'\\#$%s`{x} ", secrets.token_hex(8), " \u00e4\u5bc6\\n!&;|"))


@functools.cache
def needles(password: str) -> dict[str, bytes]:
    """What to look for. The word in the middle has no character that any way of escaping would change."""
    word = password.split()[2].encode()
    assert len(word) == 16 and word.isalnum() and urllib.parse.quote(word) == word.decode()
    # As good as the password for MS-CHAPv2. pppd takes each byte for a character.
    nt_hash = ppp.md4(password.encode().decode("latin-1").encode("utf-16-le"))
    found = {"as it is": word, "UTF-16": word.decode().encode("utf-16-le"), "its NT hash": nt_hash}
    for name, raw in (("", word), (" of the NT hash", nt_hash)):
        found["hexadecimal" + name] = raw.hex().encode()
        found["HEXADECIMAL" + name] = raw.hex().upper().encode()
        for separator in (", ", ",", " "):
            found[f"decimal with '{separator}'{name}"] = separator.join(map(str, raw)).encode()
        for offset in range(3):  # where it may begin in what was encoded; without what depends on its neighbours
            coded = base64.b64encode(b"\0" * offset + raw)
            found[f"base64 at {offset}{name}"] = coded[4 if offset else 0 : len(coded) - 4]
    return found


@dataclass
class Watch:
    """What is recorded while the test runs, and the passwords to look for, which were made up at its beginning."""

    passwords: list[str] = field(default_factory=list)
    since: float = field(default_factory=time.time)
    said: bytes = b""
    processes: bytes = b""
    bus: bytes = b""

    def found(self, content: bytes) -> list[str]:
        """How any of the passwords is in the content."""
        return [how for one in self.passwords for how, needle in needles(one).items() if needle in content]

    def files(self) -> set[Path]:
        """The files that any of the passwords is in. All of them have to be root's alone."""
        changed = (path for top in SEARCHED for path in regular_files(top, self.since - 1))
        found = {path for path in changed if self.found(read(path))}
        for path in found - {SERVER}:
            status = path.stat()
            assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, 0, 0o600), path
        return found

    def run(self, *words: str) -> int:
        """Run a program, note what it says; its exit status."""
        done = lab.run(*words, timeout=120)
        self.said += (done.stdout + done.stderr).encode()
        return done.returncode


def regular_files(top: str, since: float) -> Iterator[Path]:
    """The regular files below top that were written or made since then, in whatever way: by their ctime."""
    for folder, _, names in os.walk(top):
        for name in names:
            try:
                status = os.lstat(path := os.path.join(folder, name))
            except OSError:  # it has gone
                continue
            if stat.S_ISREG(status.st_mode) and status.st_ctime >= since:
                yield Path(path)


def read(path: Path) -> bytes:
    """What is in the file; nothing when it has gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@contextmanager
def watched(tmp_path: Path) -> Iterator[Watch]:
    """All that is on the bus, and all command lines and environments, from here on; to be found in it at the end."""
    watch = Watch()
    with ExitStack() as stack, (tmp_path / "bus").open("wb") as capture:
        bus = stack.enter_context(subprocess.Popen(["busctl", "capture"], stdout=capture, stderr=subprocess.DEVNULL))
        stack.callback(bus.kill)
        sampler = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", SAMPLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        stack.callback(sampler.kill)
        lab.wait_for(lambda: lab.state("work") or (tmp_path / "bus").stat().st_size, "the bus to be recorded")
        yield watch
        watch.processes, _ = sampler.communicate()
        lab.out("busctl", "call", *lab.BUS, "GetTunnel", "s", "work")
        bus.send_signal(signal.SIGINT)
        bus.wait(20)
        watch.bus = (tmp_path / "bus").read_bytes()
        (tmp_path / "bus").unlink()


def configure(source: str, password: str, **more: Any) -> None:
    """The tunnel with an unusual login and its password from there, to be told everything by pppd."""
    passwords.put(source, password)
    options = ["debug", "dump", "kdebug 1"]
    login = {"username": USER, "domain": DOMAIN, "pppd-options": options, **more}
    lab.configure({"work": passwords.tunnel(source, password, **login)})


def up(reason: str) -> int:
    """pppd's process, when the tunnel is up and systemd has heard of it."""
    lab.wait_for(lambda: lab.state("work") == "up" and lab.active("work") == "active", f"up {reason}", 60)
    return int(lab.show("work", "MainPID"))


@contextmanager
def debugging() -> Iterator[None]:
    """The manager with --debug."""
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text("[Service]\nExecStart=\nExecStart=/usr/sbin/pptp-manager --debug\n")
    lab.out("systemctl", "daemon-reload")
    lab.out("systemctl", "restart", "pptp-manager")
    try:
        yield
    finally:
        lab.out("rm", "-r", str(DROP_IN.parent))
        lab.out("systemctl", "daemon-reload")
        lab.out("systemctl", "restart", "pptp-manager")


def refused(watch: Watch, source: str) -> None:
    """It fails, is tried again, and is given up."""
    if source == "ask-password":
        start = subprocess.Popen(["systemctl", "start", "pptp@work"], stderr=subprocess.DEVNULL)
        passwords.reply(watch.passwords[0])
        assert start.wait(60) == 1
        passwords.reply(watch.passwords[0])
    else:
        assert watch.run("pptpctl", "up", "work") == 5
    lab.wait_for(lambda: lab.active("work") == "failed", "given up", 60)
    assert lab.last_error("work")[0] == "wrong-password"
    watch.run("systemctl", "status", "pptp@work")
    assert watch.run("pptpctl", "status", "work") == 0


def connected(watch: Watch, source: str) -> int:
    """Up; pppd's process."""
    start = subprocess.Popen(["systemctl", "start", "pptp@work"], stderr=subprocess.DEVNULL)
    if source == "ask-password":
        assert passwords.PROMPTING in lab.wait_for(lambda: passwords.questions() and lab.status("work"), "a question")
        watch.said += passwords.reply_on_a_terminal(watch.passwords[1])
    assert start.wait(60) == 0, lab.evidence()
    assert lab.passes()
    return up("at the start")


def cores() -> list[Path]:
    """The core dumps there are. systemd has the kernel put the process's number behind the name."""
    return sorted(CORE.parent.glob(f"{CORE.name}*"))


@contextmanager
def dumping() -> Iterator[None]:
    """Have core dumps, of what may have one, in CORE."""
    before = CORE_PATTERN.read_text()
    CORE_PATTERN.write_text(str(CORE))
    try:
        yield
    finally:
        CORE_PATTERN.write_text(before)
        for path in cores():
            path.unlink()


def crash() -> None:
    """Have the manager die as by a bug, and come back."""
    pid = lab.manager_pid()
    os.kill(pid, signal.SIGSEGV)
    lab.wait_for(lambda: lab.manager_pid() not in (0, pid), "another manager")
    lab.wait_for(lambda: lab.call("ListTunnels").returncode == 0, "it to serve")


def crashes(pppd: int) -> None:
    """The manager and pppd are killed, and the manager dies such that there may be a core dump. pppd never has one.

    It catches what would make one (setup_signals in main.c), and ends.
    """
    lab.out("systemctl", "kill", "-s", "KILL", "pptp-manager")
    os.kill(pppd, signal.SIGKILL)
    lab.wait_for(lambda: int(lab.show("work", "MainPID")) not in (0, pppd), "another pppd")
    up("after it was killed")
    with dumping():
        crash()
        assert cores() == []
    up("all the while")


def searched(watch: Watch, *, debugged: bool) -> None:
    """Nothing is in what is not a file, and all of it was looked at."""
    for method in (
        "org.freedesktop.DBus.ObjectManager.GetManagedObjects",
        "org.freedesktop.DBus.Introspectable.Introspect",
    ):
        watch.run("busctl", "call", *lab.BUS[:2], *method.rpartition(".")[::2])
    for words in (("status", "-n", "1000"), ("show",), ("cat",)):
        watch.run("systemctl", *words, "--no-pager", "pptp@work", "pptp-manager")
    for command in ("status", "logs", "doctor"):
        watch.run("pptpctl", command, "work")
        watch.run("pptpctl", command, "--json", "work")
    assert watch.run("pptpctl", "check") == 0
    journal = subprocess.run(["journalctl", "-o", "export", "--no-pager"], capture_output=True, check=True).stdout
    assert b"sent [CHAP Response" in journal and b"password ??????" in journal, "pppd was told to tell everything"
    own = lab.journalctl("-o", "cat", "-u", "pptp-manager", f"--since=@{watch.since:.6f}")
    assert ("tunnel work: Configured -> " in own) == debugged, "and so was the manager"
    assert b"org.pptpmanager1.Unit" in watch.bus and b"Dial" in watch.bus
    assert b"pppd\0file\0/run/pptp-manager/work.options" in watch.processes
    for what in ("said", "processes", "bus"):
        assert watch.found(getattr(watch, what)) == [], what
    assert watch.found(journal) == []


def test_what_is_looked_for_is_found() -> None:
    """Else the search might as well find nothing."""
    password = made_up()
    watch = Watch([password])
    raw = password.encode()
    for offset in range(3):
        assert watch.found(base64.b64encode(b"xyz"[:offset] + raw + b"tail"))
    assert watch.found(raw) and watch.found(raw.hex().encode()) and watch.found(password.encode("utf-16-le"))
    assert watch.found(str(list(raw)).encode()) and watch.found(urllib.parse.quote(raw).encode())
    assert watch.found(ascii(password).encode()) and watch.found(b"\0".join([raw, b"x"]))
    assert not watch.found(made_up().encode())


@pytest.mark.parametrize("source", passwords.SOURCES)
def test_it_is_only_where_it_must_be(source: str, tmp_path: Path) -> None:
    always = {SERVER} | {"password": {lab.CONFIGURATION, ACCEPTED}, "password-file": {passwords.FILE}}.get(
        source, set()
    )
    kept = {KEPT} if source == "ask-password" else set()
    login = f"{DOMAIN}\\{USER}"
    with (
        debugging() if source == DEBUGGED else nullcontext(),
        passwords.known_to_the_server(login, right := made_up()),
        watched(tmp_path) as watch,
    ):
        watch.passwords = [made_up(), right]
        configure(source, watch.passwords[0])
        refused(watch, source)
        assert watch.files() == always, "the server knows the right one already"
        configure(source, right)
        lab.systemctl("stop", "pptp@work")
        pppd = connected(watch, source)
        assert watch.files() == always | {OPTIONS} | kept
        configure(source, right, mtu=1300)
        lab.wait_for(lambda: int(lab.show("work", "MainPID")) not in (0, pppd), "another pppd")
        crashes(up("with another configuration"))
        assert not passwords.questions() and watch.files() == always | {OPTIONS} | kept
        lab.out("systemctl", "stop", "pptp@work")
        lab.wait_for(lambda: lab.state("work") == "idle", "the manager to hear of it")
        assert watch.files() == always
    searched(watch, debugged=source == DEBUGGED)
    lab.configure({})
    passwords.remove()
    assert watch.files() == set(), "and with the last tunnel all of it is gone"


def test_a_core_dump_would_hold_it() -> None:
    """The manager without its limit: so there is something that the limit is good for."""
    password = made_up()
    lab.configure({"work": {**lab.ALICE, "password": password}})
    with dumping():
        lab.out("prlimit", f"--pid={lab.manager_pid()}", "--core=unlimited:unlimited")
        crash()
        assert [bool(Watch([password]).found(path.read_bytes())) for path in cores()] == [True]


def test_pppd_cannot_be_told_to_show_it() -> None:
    password = made_up()
    lab.write({"work": {**lab.ALICE, "password": password, "pppd-options": ["show-password"]}})
    done = lab.run("pptp-manager", "--check")
    assert (done.returncode, done.stdout) == (78, "") and "it would write the password to the log" in done.stderr
    assert not Watch([password]).found(done.stderr.encode())
