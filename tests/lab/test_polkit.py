"""Who may do what, with the real polkitd, real users and groups, and a password at a terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import commands as lab
import people
import pytest
from terminals import Terminal, started

TUNNELS = {
    "work": {**lab.ALICE, "users": ["carol", "not-yet"], "groups": ["vpnusers"]},
    "home": {**lab.ALICE, "routes": []},
}
DENIED = "Access denied"  # what sd-bus makes of the text of every AccessDenied; tests/bus looks at the texts
TUNNEL = "org.pptpmanager1.Tunnel"
AUTHORITY = (
    "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1.Authority",
    "EnumerateActions",
)
RULES = Path("/etc/polkit-1/rules.d/50-pptp.rules")
PAGE = Path(__file__).resolve().parents[2] / "docs/access.md"
# In a process that keeps its number: an agent for it, and when that is there, what needs the agent.
WITH_AGENT = """
import os, subprocess, sys
told, tell = os.pipe()
subprocess.Popen(["pkttyagent", "--process", str(os.getpid()), "--notify-fd", str(tell)], pass_fds=[tell])
os.close(tell)
os.read(told, 1)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module", autouse=True)
def known_people() -> Iterator[None]:
    with people.known():
        yield


@pytest.fixture(autouse=True)
def tunnels(nothing_left: None) -> Iterator[None]:
    """The two tunnels; polkit as it is installed after the test."""
    lab.configure(TUNNELS)
    yield
    lab.run("systemctl", "kill", "--signal=CONT", "polkit")
    lab.run("systemctl", "unmask", "--runtime", "polkit")
    if RULES.exists():
        RULES.unlink()
        lab.run("systemctl", "stop", "polkit")


def call(name: str, method: str, *tunnel: str, ask: bool = False) -> str:
    """What a user's call of a manager's method ends with: "" when well, or what busctl shows of the error."""
    options = [f"--allow-interactive-authorization={'yes' if ask else 'no'}"]
    arguments = ["s", *tunnel] if tunnel else []
    done = people.run_as(name, "busctl", "--timeout=90", *options, "call", *lab.BUS, method, *arguments, timeout=95)
    assert bool(done.returncode) == bool(done.stderr), done
    return done.stderr.strip().removeprefix("Call failed: ")


def needs(what: str, action: str) -> str:
    """How a refusal begins which a password would change."""
    return f"to {what}, an administrator has to authenticate (polkit action org.pptpmanager1.{action}); let the call"


def idle() -> bool:
    """Whether no tunnel is wanted."""
    return (lab.state("work"), lab.state("home")) == ("idle", "idle") and lab.active("work") == "inactive"


# --- who may ---


def test_root_may_without_polkit() -> None:
    lab.out("systemctl", "mask", "--runtime", "--now", "polkit")
    assert lab.call("Connect", "work").returncode == 0
    assert lab.call("Reload").returncode == 0
    assert lab.call("Disconnect", "work").returncode == 0


def test_a_plain_user_may_look_and_no_more() -> None:
    assert people.run_as("erin", "busctl", "call", *lab.BUS, "ListTunnels").returncode == 0
    for method, action in (("Connect", "connect"), ("Disconnect", "disconnect"), ("Reconnect", "connect")):
        assert call("erin", method, "work").startswith(needs(f"{action} tunnel 'work'", action))
        command = ("busctl", "--allow-interactive-authorization=no", "call", lab.BUS[0])
        done = people.run_as("erin", *command, f"{lab.BUS[1]}/tunnel/work", TUNNEL, method)
        assert needs(f"{action} tunnel 'work'", action) in done.stderr
    assert call("erin", "Reload").startswith(needs("have the configuration read again", "reload"))
    assert call("frank", "Connect", "work").startswith(needs("connect tunnel 'work'", "connect")), "without a password"
    assert "no authentication agent is there to ask" in call("erin", "Connect", "work", ask=True)
    assert idle()


@pytest.mark.parametrize("name", ["carol", "dave"])
def test_who_is_listed_may_with_that_tunnel(name: str) -> None:
    assert call(name, "Connect", "work") == ""
    assert lab.active("work") == "active" and lab.passes()
    assert call(name, "Reconnect", "work") == ""
    assert lab.active("work") == "active"
    assert call(name, "Disconnect", "work") == ""
    assert idle()
    for method, action in (("Connect", "connect"), ("Disconnect", "disconnect"), ("Reconnect", "connect")):
        assert call(name, method, "home").startswith(needs(f"{action} tunnel 'home'", action))
    assert call(name, "Reload").startswith(needs("have the configuration read again", "reload"))
    assert idle()


def test_an_account_may_come_after_the_configuration() -> None:
    lab.out("useradd", "--no-create-home", "not-yet")
    try:
        lab.wait_for(
            lambda: call("not-yet", "Disconnect", "work") == "", "what was looked up before to be forgotten", 5
        )
    finally:
        lab.out("userdel", "not-yet")


def test_a_change_of_the_list_holds_and_touches_no_tunnel() -> None:
    assert call("carol", "Connect", "work") == ""
    pppd = lab.show("work", "MainPID")
    lab.configure({**TUNNELS, "work": {**TUNNELS["work"], "users": [], "groups": []}})
    assert call("carol", "Disconnect", "work").startswith(needs("disconnect tunnel 'work'", "disconnect"))
    assert lab.active("work") == "active" and lab.show("work", "MainPID") == pppd


def test_a_rule_of_the_administrator_for_one_tunnel() -> None:
    """That of docs/access.md."""
    (rule,) = re.findall(r"^ {6}(polkit\.addRule\(.*?^ {6}\}\);)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert 'isInGroup("staff")' in rule and '"work"' in rule
    RULES.write_text(rule.replace('"staff"', '"erin"'))
    lab.out("systemctl", "restart", "polkit")
    assert call("erin", "Disconnect", "work") == ""
    assert call("erin", "Connect", "work").startswith(needs("connect tunnel 'work'", "connect"))
    assert call("erin", "Disconnect", "home").startswith(needs("disconnect tunnel 'home'", "disconnect"))


# --- what nobody gets this way ---


def test_the_units_methods_are_roots_alone() -> None:
    lab.out("systemctl", "start", "pptp@work")
    run = lab.show("work", "InvocationID")
    for method, *arguments in (
        ("Dial", "ssus", "work", run, "1", ""),
        ("Ready", "ss", "work", run),
        ("Ended", "ssss", "work", run, "exited", "5"),
        ("NameServers", "ssas", "work", run, "1", "192.0.2.66"),
    ):
        done = people.run_as("carol", "busctl", "call", *lab.BUS[:2], "org.pptpmanager1.Unit", method, *arguments)
        assert done.returncode == 1 and re.search("Access denied|Permission denied|rejected", done.stderr), done.stderr
    assert lab.active("work") == "active" and lab.passes()


def test_no_file_of_ours_can_be_read() -> None:
    lab.out("systemctl", "start", "pptp@work")
    files = [lab.CONFIGURATION, lab.OPTIONS, *lab.OPTIONS.iterdir()]
    assert lab.OPTIONS / "work.options" in files
    for file in files:
        assert people.run_as("carol", "cat", str(file)).stderr.endswith("Permission denied\n"), file


def test_systemctl_follows_the_rules_of_systemd() -> None:
    """Also for who is listed: nothing of ours widens them."""
    for name in ("erin", "carol", "dave"):
        for verb in ("start", "stop", "restart"):
            done = people.run_as(name, "systemctl", "--no-ask-password", verb, "pptp@work")
            assert done.returncode != 0 and re.search("Interactive auth|Access denied", done.stderr), done.stderr
        assert people.run_as(name, "systemctl", "--no-ask-password", "reload", "pptp-manager").returncode != 0
    assert idle()
    actions = lab.out("pkaction", "--verbose", "--action-id", "org.freedesktop.systemd1.manage-units")
    assert re.findall(r"implicit \w+: +(\w+)", actions) == ["auth_admin", "auth_admin", "auth_admin_keep"]


# --- a polkit that is not well ---


def test_polkit_is_started_when_it_does_not_run() -> None:
    lab.out("systemctl", "stop", "polkit")
    assert call("erin", "Connect", "work").startswith(needs("connect tunnel 'work'", "connect"))


def test_without_polkit_it_is_no() -> None:
    lab.out("systemctl", "mask", "--runtime", "--now", "polkit")
    for ask in (False, True):
        assert call("erin", "Connect", "work", ask=ask) == DENIED
    assert call("carol", "Disconnect", "work") == "", "she needs none"
    assert idle()


def test_a_polkit_that_is_stopped_in_its_tracks() -> None:
    """No within ten seconds, and meanwhile everything goes on."""
    lab.out("systemctl", "start", "polkit")
    lab.out("systemctl", "kill", "--signal=STOP", "polkit")
    began = time.monotonic()
    command = ["busctl", "--allow-interactive-authorization=yes", "call", *lab.BUS, "Connect", "s", "home"]
    with subprocess.Popen(
        ["setpriv", "--reuid=erin", "--regid=erin", "--init-groups", *command], stderr=subprocess.PIPE, text=True
    ) as waits:
        assert lab.call("Connect", "work").returncode == 0
        assert lab.passes()
        assert call("carol", "Disconnect", "work") == ""
        others = time.monotonic() - began
        assert waits.poll() is None, f"not refused only after {others:.1f} s"
        _, text = waits.communicate(timeout=30)
    print(f"refused after {time.monotonic() - began:.1f} s; a tunnel went up and down in {others:.1f} s meanwhile")
    assert text.strip() == f"Call failed: {DENIED}"
    assert idle()
    lab.out("systemctl", "kill", "--signal=CONT", "polkit")
    assert call("erin", "Connect", "home").startswith(needs("connect tunnel 'home'", "connect"))


# --- a password at a terminal ---


def terminal(name: str, method: str, tunnel: str, language: str = "C.UTF-8") -> AbstractContextManager[Terminal]:
    """A user's call with an agent, on a terminal."""
    call = ["busctl", "--timeout=90", "--allow-interactive-authorization=yes", "call", *lab.BUS, method, "s", tunnel]
    return started(*people.user(name), sys.executable, "-c", WITH_AGENT, *call, LANG=language)


def test_an_administrator_gives_his_password() -> None:
    with terminal("erin", "Connect", "work") as seen:
        seen.wait_for("Password: ")
        assert "AUTHENTICATING FOR org.pptpmanager1.connect" in seen.text
        assert "Authentication is required to connect the PPTP tunnel 'work'." in seen.text
        assert "Authenticating as: frank" in seen.text
        assert lab.state("work") == "idle", "not before"
        assert lab.call("ListTunnels").returncode == 0, "the loop goes on"
        seen.type(people.PASSWORD)
        assert seen.status() == 0, seen.text
        assert "AUTHENTICATION COMPLETE" in seen.text
    assert lab.active("work") == "active" and lab.passes()


def test_a_wrong_password() -> None:
    with terminal("erin", "Connect", "work") as seen:
        seen.wait_for("Password: ")
        seen.type("wrong")
        assert seen.status() == 1
        assert f"Call failed: {DENIED}" in seen.text, seen.text
    assert idle()


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("zh_CN.UTF-8", "断开 PPTP 隧道“work”需要身份验证。"),
        ("zh_SG.UTF-8", "断开 PPTP 隧道“work”需要身份验证。"),
        ("zh_TW.UTF-8", "中斷 PPTP 通道「work」需要身分驗證。"),
    ],
)
def test_the_prompt_in_chinese(locale: str, text: str) -> None:
    """The texts are in the policy file: polkitd needs no catalogue and the guest no such locale."""
    with terminal("erin", "Disconnect", "work", locale) as seen:
        seen.wait_for(text)


def test_who_leaves_takes_the_prompt_away() -> None:
    """And the state is looked at again after an answer: nothing is connected for him."""
    with terminal("erin", "Connect", "work") as seen:
        seen.wait_for("Password: ")
        os.kill(seen.pid, signal.SIGKILL)
        os.waitpid(seen.pid, 0)
        lab.wait_for(lambda: not lab.pids("polkit-agent-he"), "the prompt to go away")
    assert idle()


def test_polkit_crashes_while_somebody_is_asked() -> None:
    """That is a no, at once; the next call has D-Bus start another one, which is asked."""
    with terminal("erin", "Connect", "work") as seen:
        seen.wait_for("Password: ")
        pid = lab.of_unit("polkit.service", "MainPID")
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        assert seen.status() == 1
        assert time.monotonic() - killed < 10, "not only when its answer is late"
        assert f"Call failed: {DENIED}" in seen.text, seen.text
    assert idle()
    assert call("erin", "Connect", "work").startswith(needs("connect tunnel 'work'", "connect"))
    assert lab.of_unit("polkit.service", "MainPID") not in (0, pid)


def test_the_tunnel_goes_while_somebody_is_asked() -> None:
    with terminal("erin", "Connect", "work") as seen:
        seen.wait_for("Password: ")
        lab.configure({"home": TUNNELS["home"]})
        seen.type(people.PASSWORD)
        assert seen.status() == 1
        assert "there is no tunnel 'work' in /etc/pptp-manager.yaml; there are: home" in seen.text, seen.text


# --- the actions ---


def test_the_actions_are_known_to_polkit() -> None:
    simplified = ("连接 PPTP 隧道", "断开 PPTP 隧道", "重新加载 PPTP 隧道的配置")
    traditional = ("連接 PPTP 通道", "中斷 PPTP 通道", "重新載入 PPTP 通道的設定")
    for locale, words in (
        ("zh_CN", simplified),
        ("zh_SG", simplified),
        ("zh_TW", traditional),
        ("zh_HK", traditional),
    ):
        asked = (*AUTHORITY, "s", f"{locale}.UTF-8")
        shown = lab.out("busctl", "--json=short", "call", "org.freedesktop.PolicyKit1", *asked)
        assert [word for word in words if word not in shown] == [], locale
    for action in ("connect", "disconnect", "reload"):
        told = lab.out("pkaction", "--verbose", "--action-id", f"org.pptpmanager1.{action}")
        assert re.findall(r"implicit \w+: +(\w+)", told) == ["auth_admin", "auth_admin", "auth_admin_keep"]
