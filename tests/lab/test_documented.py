"""The commands of the documents, each run where it belongs: see documented.py."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import passwords
import pytest
import recovery
from documented import PLAYS, Line

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from unit import documents

LIMIT_SECONDS = 60
SECRET = "secret"
OPENWRT = """\
config interface 'vpn'
	option proto 'pptp'
	option server 'vpn.example.com'
	option username 'alice'
	option password 'secret'
	option defaultroute '0'
"""


@dataclass
class Typed:
    """A command on a terminal of its own."""

    line: Line
    pid: int
    terminal: int
    shown: str = ""

    def read(self, until: str = "") -> None:
        """Take in what it shows until it ends, or until that is to be seen; AssertionError when it takes too long."""
        deadline = time.monotonic() + LIMIT_SECONDS
        with contextlib.suppress(OSError):  # nobody has the terminal open any more
            while not (until and until in self.shown):
                ready, _, _ = select.select([self.terminal], [], [], deadline - time.monotonic())
                assert ready, f"{self.line.command} takes too long:\n{self.shown}\n{lab.evidence()}"
                self.shown += os.read(self.terminal, 65536).decode(errors="replace")

    def ended(self) -> None:
        """Wait for its end and compare that with what is told of it."""
        self.read()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.terminal)
        print(f"$ {self.line.command}\n{self.shown}")
        assert os.waitstatus_to_exitcode(status) == self.line.status, f"{self.line.command}:\n{self.shown}"
        assert re.search(self.line.shows, self.shown), f"{self.line.command}:\n{self.shown}"
        assert not re.search(rf"\b{SECRET}\b", self.shown) or not self.line.command.startswith("pptpctl")


def begin(line: Line) -> Typed:
    """Type the line, and the answer when it is asked for."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("sh", ["sh", "-c", line.command], {**os.environ, "TERM": "dumb", "SYSTEMD_PAGER": "cat"})
    command = Typed(line, pid, terminal)
    if line.typed:
        command.read(until=":")
        lab.wait_for(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "no echo")
        os.write(terminal, line.typed.encode())
    return command


# --- what the machine is prepared with ---


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """README.md's own configuration is written, and the manager has been told nothing."""
    text = next(block.text for block in documents.blocks("README.md") if block.kind == "yaml")
    lab.CONFIGURATION.write_text(text + "\n")
    lab.CONFIGURATION.chmod(0o600)
    yield
    assert lab.run("systemctl", "is-enabled", "pptp@work").stdout == "disabled\n"


@contextlib.contextmanager
def bus() -> Iterator[None]:
    lab.configure({"work": lab.ALICE})
    yield


@contextlib.contextmanager
def wrong_password() -> Iterator[None]:
    lab.configure({"work": {**lab.ALICE, "password": "wrong"}})
    assert lab.systemctl("start", "pptp@work") != 0
    yield


@contextlib.contextmanager
def credential() -> Iterator[None]:
    """... and what is made is a password that connects."""
    yield
    lab.configure({"work": passwords.tunnel("credential", "")})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    assert lab.passes()
    shutil.rmtree("/etc/credstore.encrypted")


@contextlib.contextmanager
def pptpsetup() -> Iterator[None]:
    """... and what is written connects in its place."""
    secrets = Path("/etc/ppp/chap-secrets")
    before, peer = secrets.read_text(), Path("/etc/ppp/peers/work")
    login = ("--server", lab.SERVER, "--username", "alice", "--password", SECRET)
    lab.out("pptpsetup", "--create", "work", *login, "--encrypt")
    try:
        lab.out("pon", "work")
        lab.wait_for(lambda: "10.9.0." in lab.out("ip", "address"), "pon's tunnel is up")
        yield
        lab.wait_for(lambda: not lab.clients(), "pon's tunnel has ended")
        lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".Reload")
        assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    finally:
        lab.run("poff", "work")
        secrets.write_text(before)
        peer.unlink()
        lab.run("ip", "route", "del", lab.SERVER)  # pptp's, which it leaves behind


@contextlib.contextmanager
def networkmanager() -> Iterator[None]:
    """NetworkManager has the tunnel up, and the uplink is not its own."""
    text = "[main]\nplugins=keyfile\ndns=none\nno-auto-default=*\n[keyfile]\nunmanaged-devices=interface-name:lo\n"
    with recovery.nm_unmasked(text):
        vpn = ("type", "vpn", "vpn-type", "pptp", "con-name", "work", "ifname", "*", "autoconnect", "no")
        login = ("vpn.data", recovery.NM_DATA, "vpn.secrets", f"password={SECRET}")
        lab.out("nmcli", "connection", "add", *vpn, "ipv4.never-default", "yes", *login)
        try:
            lab.wait_for(lambda: ":connected" in lab.out("nmcli", "-t", "device"), "it knows the uplink")
            lab.out("nmcli", "--wait", "60", "connection", "up", "work")
            yield
        finally:
            lab.out("nmcli", "connection", "delete", "work")
            lab.run("ip", "route", "del", lab.SERVER)  # pptp's, which it leaves behind


@contextlib.contextmanager
def openwrt() -> Iterator[None]:
    """A router's file has been copied here."""
    file = Path("/tmp/openwrt/network")
    file.parent.mkdir()
    file.write_text(OPENWRT)
    yield
    shutil.rmtree(file.parent)


@contextlib.contextmanager
def resolved() -> Iterator[None]:
    """systemd-resolved runs, and a tunnel has name servers."""
    lab.out("systemctl", "unmask", "systemd-resolved")
    lab.out("systemctl", "start", "systemd-resolved")
    lab.configure({"work": {**lab.ALICE, "dns": True}})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    try:
        yield
    finally:
        lab.out("systemctl", "stop", "systemd-resolved")
        lab.out("systemctl", "mask", "systemd-resolved")


WAYS = (quick_start, wrong_password, bus, credential, pptpsetup, networkmanager, openwrt, resolved)
PREPARED = {prepare.__name__: prepare for prepare in WAYS}


@pytest.mark.parametrize("play", PLAYS)
def test_the_documents_commands(play: str) -> None:
    endless = []
    with PREPARED[play]():
        for line in PLAYS[play]:
            command = begin(line)
            if line.endless:
                endless.append(command)
            else:
                command.ended()
        for command in endless:
            os.write(command.terminal, b"\x03")
            command.ended()
