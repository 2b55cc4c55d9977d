"""What is wrong with the machine or the file is said, and nothing is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest


def refused(sentence: str, exit_status: str | None = None) -> None:
    """Connect and systemctl start both fail, and say why."""
    done = lab.call("Connect", "work")
    assert done.returncode == 1 and sentence in done.stderr, done.stderr + lab.evidence()
    lab.systemctl("stop", "pptp@work")
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: sentence in lab.status("work"), f"systemctl status says: {sentence}")
    if exit_status:
        lab.wait_for(lambda: lab.active("work") == "failed", "given up")
        assert lab.show("work", "ExecMainStatus") == exit_status


@contextlib.contextmanager
def moved_away(path: str) -> Iterator[None]:
    """Have no such file."""
    Path(path).rename(path + ".away")
    try:
        yield
    finally:
        Path(path + ".away").rename(path)


def test_a_file_that_others_may_read() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    lab.CONFIGURATION.chmod(0o644)
    done = lab.call("Reload")
    assert done.returncode == 1 and "chmod 600 /etc/pptp-manager.yaml" in done.stderr
    assert lab.passes(), "what runs goes on"
    lab.CONFIGURATION.chmod(0o600)


def test_no_file_at_all() -> None:
    lab.configure({"work": lab.ALICE})
    with moved_away(str(lab.CONFIGURATION)):
        done = lab.call("Reload")
    assert done.returncode == 1 and "/etc/pptp-manager.yaml" in done.stderr


def test_a_file_that_is_bad_from_the_beginning() -> None:
    lab.CONFIGURATION.write_text("tunnels:\n  work:\n    server: 300.1.1.1\n")
    lab.systemctl("stop", "pptp-manager")
    (lab.OPTIONS / "accepted.yaml").unlink()
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: lab.active("work") == "failed", "given up")
    text = lab.status("work")
    assert "The configuration has errors. (/etc/pptp-manager.yaml:2:3: tunnels.work: 'password' is missing" in text, (
        text
    )
    assert lab.show("work", "ExecMainStatus") == "78"
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0


@pytest.mark.parametrize(("program", "sentence"), [
    ("/usr/sbin/pppd", "pppd is not installed. Run: apt install ppp"),
    ("/usr/sbin/pptp", "The program pptp is not installed. Run: apt install pptp-linux"),
])  # fmt: skip
def test_a_program_that_is_missing(program: str, sentence: str) -> None:
    lab.configure({"work": lab.ALICE})
    with moved_away(program):
        refused(sentence, "69")
    assert lab.systemctl("start", "pptp@work") == 0


def test_a_kernel_without_ppp() -> None:
    lab.configure({"work": lab.ALICE})
    lab.systemctl("stop", "lab-pptpd@main")
    rule = Path("/etc/modprobe.d/lab.conf")
    rule.write_text("install ppp_generic /bin/false\n")
    lab.run("modprobe", "-r", "ppp_mppe", "ppp_async", "ppp_generic")
    try:
        refused("ppp_generic")  # its device may be gone as well
    finally:
        rule.unlink()
    lab.systemctl("start", "lab-pptpd@main")
    lab.systemctl("stop", "pptp@work")  # an attempt that has begun without PPP is not the one to look at
    assert lab.call("Connect", "work").returncode == 0


def test_a_name_that_does_not_resolve() -> None:
    lab.configure({"work": {**lab.ALICE, "server": "nowhere.example.com"}})
    done = lab.call("Connect", "work")
    assert done.returncode == 1
    assert "The server's name " in done.stderr and "(nowhere.example.com)" in done.stderr, done.stderr
    assert lab.state("work") == "waiting", "it goes on trying"


def test_a_line_in_etc_ppp_options_that_breaks_every_tunnel() -> None:
    options = Path("/etc/ppp/options")
    text = options.read_text()
    options.write_text(text + "nonsense-option\n")
    try:
        lab.configure({"work": lab.ALICE})
        refused("pppd does not accept its options. (In file /etc/ppp/options: unrecognized option", "77")
    finally:
        options.write_text(text)


def test_the_unit_says_what_is_wrong_with_its_name() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@a.b") == 1
    lab.wait_for(lambda: lab.active("a.b") == "failed", "failed")
    assert "No tunnel can have that name: " in lab.status("a.b")
