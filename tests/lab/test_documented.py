"""The commands of the documents, each run where it belongs: see documented.py."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import passwords
import pytest
import remote
import ways
from documented import PLAYS, Line

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from unit import documents

LIMIT_SECONDS = 60
MOST = 4000  # characters of what a command shows, in a report
SECRET = "secret"
OPENWRT = """\
config interface 'vpn'
	option proto 'pptp'
	option server 'vpn.example.com'
	option username 'alice'
	option password 'secret'
	option defaultroute '0'
"""


class Typed:
    """A command on a terminal of its own, which is read all the time: one that is full would stop the command."""

    def __init__(self, line: Line) -> None:
        self.line, self.shown = line, ""
        self._terminal, other = pty.openpty()
        words = ("setsid", "--ctty", "sh", "-c", line.command)
        environment = {**os.environ, "TERM": "dumb", "SYSTEMD_PAGER": "cat", "NO_COLOR": "1"}
        self._process = subprocess.Popen(words, stdin=other, stdout=other, stderr=other, env=environment)
        os.close(other)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # nobody has the terminal open any more
            while part := os.read(self._terminal, 65536):
                self.shown += part.decode(errors="replace")

    def type(self, text: str) -> None:
        """Type the text when it is asked for."""
        lab.wait_for(lambda: ":" in self.shown, f"{self.line.command} to ask", LIMIT_SECONDS)
        lab.wait_for(lambda: not termios.tcgetattr(self._terminal)[3] & termios.ECHO, "no echo")
        self.press(text)

    def press(self, keys: str) -> None:
        """Press the keys."""
        os.write(self._terminal, keys.encode())

    def ended(self) -> None:
        """Wait for its end and compare that with what is told of it, each run of blanks as one."""
        status = self._process.wait(LIMIT_SECONDS)
        status = status if status >= 0 else 128 - status  # as a shell has it
        self._reader.join(LIMIT_SECONDS)
        os.close(self._terminal)
        print(f"$ {self.line.command}\n{self.shown[:MOST]}")
        plain = re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.shown))
        assert status == self.line.status, f"{self.line.command} ended with {status}:\n{self.shown}"
        assert re.search(self.line.shows, plain), f"{self.line.command} does not show that:\n{self.shown}"
        assert not re.search(rf"\b{SECRET}\b", plain) or not self.line.command.startswith("pptpctl")


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
    lab.wait_for(lambda: lab.active("work") == "failed", "the second attempt to be the last")
    yield


@contextlib.contextmanager
def credential() -> Iterator[None]:
    """... and what is made is a password that connects."""
    yield
    lab.configure({"work": passwords.tunnel("credential", "")})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    assert lab.passes()
    shutil.rmtree("/etc/credstore.encrypted")


def untouched_configuration() -> None:
    """The one that is installed. What the other tests write is JSON, which nobody adds a tunnel to by hand."""
    lab.CONFIGURATION.write_text((documents.ROOT / "etc/pptp-manager.yaml").read_text())


@contextlib.contextmanager
def pptpsetup() -> Iterator[None]:
    """... and what is written connects in its place."""
    secrets = Path("/etc/ppp/chap-secrets")
    before, peer = secrets.read_text(), Path("/etc/ppp/peers/work")
    untouched_configuration()
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
    """NetworkManager has the connection."""
    text = "[main]\nplugins=keyfile\ndns=none\nno-auto-default=*\n[keyfile]\nunmanaged-devices=interface-name:lo\n"
    with ways.nm_unmasked(text):
        vpn = ("type", "vpn", "vpn-type", "pptp", "con-name", "work", "ifname", "*", "autoconnect", "no")
        untouched_configuration()
        login = ("vpn.data", f"gateway={lab.SERVER},{ways.NM_DATA}", "vpn.secrets", f"password={SECRET}")
        lab.out("nmcli", "connection", "add", *vpn, "ipv4.never-default", "yes", *login)
        try:
            yield
        finally:
            lab.out("nmcli", "connection", "delete", "work")


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


@contextlib.contextmanager
def branch1() -> Iterator[None]:
    """ssh gets to this machine by that name, and it has a tunnel that is up."""
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    with remote.named("branch1"):
        yield
    shutil.rmtree("/var/log/journal/remote")


WAYS = (quick_start, wrong_password, bus, credential, pptpsetup, networkmanager, openwrt, branch1, resolved)
PREPARED = {prepare.__name__: prepare for prepare in WAYS}


@pytest.mark.parametrize("play", PLAYS)
def test_the_documents_commands(play: str) -> None:
    endless = []
    with PREPARED[play]():
        for line in PLAYS[play]:
            command = Typed(line)
            if line.typed:
                command.type(line.typed)
            if line.endless:
                endless.append(command)
            else:
                command.ended()
        for command in endless:
            command.press("\x03")
            command.ended()
