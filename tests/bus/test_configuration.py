"""The configuration file: broken, changed, read again."""

from __future__ import annotations

import signal
import subprocess

import pytest

from .clients import ROOT, RemoteError, until
from .world import CANARY, CONFIG, ERROR, NAME, SERVER, TUNNEL, World, tunnel_path

BROKEN = CONFIG.replace("server: 198.51.100.8", "sever: 198.51.100.8").replace(
    "[192.168.10.0/24]", "[192.168.10.1/24]"
)
OUTSIDE = "default via 192.0.2.1 dev wan0 metric 100"
ROUTE = "192.168.10.0/24 dev pptp-office proto 172 scope link"


def problems(world: World) -> list[str]:
    """What is wrong with BROKEN, as --check prints it."""
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pptpd_manager", "--check", "--config", str(world.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (78, "")
    return done.stderr.splitlines()


def test_dial_of_a_tunnel_that_is_not_configured(up: World) -> None:
    run = up.set_unit("other", "activating", "start", new_run=True)
    sentence = f"The tunnel is not in the configuration. (in {up.config}: office, home)"
    advice = "Add it under 'tunnels:' and run: pptpctl reload"
    assert up.dial("other", run) == f"exit 78 {sentence} {advice}"
    up.ended("other", run, status="78")
    up.set_unit("other", "failed", "failed")
    assert up.call("ListTunnels") == [(name, tunnel_path(name), "idle") for name in ("office", "home")]
    up.expected = [f"ERROR: tunnel other: failed: {sentence} {advice}"]


def test_broken_at_the_start(bare: World) -> None:
    """There is nothing to go on with; the manager serves, says so everywhere, and gets well without a restart."""
    bare.configure(BROKEN)
    bare.start()
    found = problems(bare)
    assert len(found) == 2
    assert bare.problems() == found
    assert bare.call("ListTunnels") == []
    run = bare.set_unit("office", "activating", "start", new_run=True)
    sentence = f"The configuration has errors. ({found[0]} and 1 more)"
    advice = "Mend the file and run: pptpctl reload"
    assert bare.dial("office", run) == f"exit 78 {sentence} {advice}"
    bare.ended("office", run, status="78")
    bare.set_unit("office", "failed", "failed")
    assert bare.error(bare.begin("Connect", "office")) == RemoteError(
        ERROR + "BadConfiguration", "the configuration has errors:\n" + "\n".join(found)
    )
    bare.notified("STATUS=no tunnels; the file has errors (2) and is not in force")
    bare.configure(CONFIG)
    bare.call("Reload")
    assert bare.problems() == []
    assert [name for name, _, _ in bare.call("ListTunnels")] == ["office", "home"]
    bare.wait_for_order("StartUnit", "pptp@office.service", "replace")
    bare.expected = [*(f"ERROR: {problem}" for problem in found), f"ERROR: tunnel office: failed: {sentence} {advice}"]


def test_a_file_that_others_can_read(bare: World) -> None:
    bare.configure(CONFIG, 0o644)
    bare.start()
    (found,) = bare.problems()
    assert found == f"{bare.config}: has mode 0644, so others can use it; run: chmod 600 {bare.config}"
    assert problems(bare) == [found]
    run = bare.set_unit("office", "activating", "start", new_run=True)
    text = f"The configuration has errors. ({found}) Mend the file and run: pptpctl reload"
    assert bare.dial("office", run) == f"exit 78 {text}"
    bare.expected = [f"ERROR: {found}", f"ERROR: tunnel office: failed: {text}"]


def test_a_tunnel_taken_out_while_no_manager_ran_is_stopped(bare: World) -> None:
    bare.start()
    bare.bring_up("office")
    bare.stop()
    text = bare.config.read_text()
    bare.configure(text[: text.index("  office:")] + text[text.index("  home:") :])
    bare.start()
    bare.wait_for_order("StopUnit", "pptp@office.service", "replace")


def test_broken_at_a_restart(bare: World) -> None:
    """The configuration that was good last stays in force."""
    bare.start()
    bare.stop()
    bare.configure(BROKEN)
    bare.start()
    assert bare.problems() == problems(bare)
    assert [name for name, _, _ in bare.call("ListTunnels")] == ["office", "home"]
    bare.bring_up("office")
    assert bare.routes() == [OUTSIDE, ROUTE]
    bare.expected = [
        *(f"ERROR: {problem}" for problem in problems(bare)),
        "WARNING: going on with the configuration that was good last: office, home",
    ]


def test_reload_of_a_broken_file(up: World) -> None:
    up.bring_up("office")
    up.configure(BROKEN)
    error = up.error(up.begin("Reload"))
    found = problems(up)
    assert error == RemoteError(ERROR + "BadConfiguration", "\n".join(found))
    assert up.problems() == found
    assert [
        s.arguments[1] for s in up.client.signals if s.member == "PropertiesChanged" and s.path.endswith("r1")
    ] == [{"ConfigurationProblems": found}]
    assert up.state("office") == "up"
    assert up.routes() == [OUTSIDE, ROUTE]
    assert up.ordered() == []
    up.notified("STATUS=1 idle, 1 up; the file has errors (2) and is not in force")
    up.expected = [f"ERROR: {problem}" for problem in found]


def test_reload_of_the_same_file_changes_nothing(up: World) -> None:
    up.bring_up("office")
    up.call("Reload")
    assert up.changes("office") == []
    assert up.ordered() == []
    assert up.routes() == [OUTSIDE, ROUTE]


@pytest.mark.parametrize("wanted", ["optional", "require-128"])
def test_reload_redials_what_is_to_be_encrypted_and_is_not(up: World, wanted: str) -> None:
    off = CONFIG.replace("    routes:", "    mppe: off\n    routes:")
    up.configure(off)
    up.call("Reload")
    up.bring_up("office")
    assert not up.properties("office")["Encrypted"]
    up.configure(off.replace("mppe: off", f"mppe: {wanted}"))
    up.call("Reload")
    up.wait_for_order("Kill", "pptp@office.service", "main", "15")


def test_reload_redials_only_what_dials_differently(up: World) -> None:
    run = up.bring_up("office")
    up.bring_up("home", "10.9.1.2", "10.9.1.1")
    up.configure(CONFIG.replace("alice", "alicia"))
    up.call("Reload")
    up.wait_for_order("Kill", "pptp@office.service", "main", "15")
    assert up.told("office", "StateChanged") == [("stopping", "up", "")]
    up.link_down("office")
    up.ended("office", run)
    up.set_unit("office", "activating", "auto-restart")
    again = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", again) == f"dial Connecting to {SERVER} ({SERVER})"
    assert 'user "alicia"' in (up.runtime / "office.options").read_text()
    up.finish("office", again)
    up.wait_for_state("office", "up")
    assert up.routes() == [OUTSIDE, ROUTE]
    assert up.properties("office")["LastError"] == ("", "", "", 0)
    assert up.state("home") == "up"
    assert up.changes("home") == []
    assert up.ordered() == [("Kill", "pptp@office.service", "main", "15")]


def test_reload_of_changed_routes_does_not_redial(up: World) -> None:
    up.bring_up("office")
    up.configure(CONFIG.replace("[192.168.10.0/24]", "[192.168.10.0/24, 192.168.20.0/24]"))
    up.call("Reload")
    other = "192.168.20.0/24 dev pptp-office proto 172 scope link"
    assert up.routes() == [OUTSIDE, ROUTE, other]
    up.configure(CONFIG.replace("[192.168.10.0/24]", "[192.168.20.0/24]"))
    up.call("Reload")
    assert up.routes() == [OUTSIDE, other]
    assert up.changes("office") == [
        {"Routes": ["192.168.10.0/24", "192.168.20.0/24"]},
        {"Routes": ["192.168.20.0/24"]},
    ]
    assert up.told("office", "StateChanged") == []
    assert up.ordered() == []


def test_reload_that_removes_a_tunnel(up: World) -> None:
    run = up.bring_up("office")
    up.configure("tunnels: {}\n")
    up.call("Reload")
    assert [s.arguments for s in up.managed()] == [(tunnel_path("home"), [TUNNEL])]
    up.wait_for_order("StopUnit", "pptp@office.service", "replace")
    up.go_down("office", run)
    until(lambda: len(up.managed()) == 2, "the object to go")
    assert up.managed()[1].arguments == (tunnel_path("office"), [TUNNEL])
    assert up.ordered() == [("StopUnit", "pptp@office.service", "replace")]
    assert up.call("ListTunnels") == []
    assert up.routes() == [OUTSIDE]
    assert list(up.runtime.glob("*.options")) == []
    gone = up.client.begin(NAME, tunnel_path("office"), "org.freedesktop.DBus.Properties.GetAll", "(s)", TUNNEL)
    assert up.error(gone).args[0] == "org.freedesktop.DBus.Error.UnknownMethod"


def test_reload_that_adds_a_tunnel(up: World) -> None:
    up.configure(CONFIG + f"  new: {{server: a.example, username: a, password: '{CANARY}'}}\n")
    up.call("Reload")
    assert [(s.member, s.arguments) for s in up.managed()] == [
        ("InterfacesAdded", (tunnel_path("new"), {TUNNEL: up.properties("new")}))
    ]
    assert [name for name, _, _ in up.call("ListTunnels")] == ["office", "home", "new"]


def test_reload_during_connecting_dials_anew(up: World) -> None:
    run, connect = up.connecting("office")
    up.configure(CONFIG.replace(SERVER, "198.51.100.9"))
    up.call("Reload")
    up.wait_for_order("Kill", "pptp@office.service", "main", "15")
    up.ended("office", run)
    again = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", again) == "dial Connecting to 198.51.100.9 (198.51.100.9)"
    up.finish("office", again)
    assert up.answered(connect) is None


@pytest.mark.parametrize("text", [CONFIG.replace("office:", "new:"), BROKEN], ids=["good", "broken"])
def test_sighup_is_reload(up: World, text: str) -> None:
    up.configure(text)
    assert up.daemon
    up.daemon.send_signal(signal.SIGHUP)
    if text is BROKEN:
        until(up.problems, "problems")
        up.expected = [f"ERROR: {problem}" for problem in problems(up)]
        assert up.problems() == problems(up)
        changed = [s.arguments[1] for s in up.client.signals if s.path == "/org/pptpmanager1"]
        assert changed == [{"ConfigurationProblems": problems(up)}]
    else:
        until(lambda: len(up.managed()) == 2, "a new tunnel and the end of an old one")
        assert [name for name, _, _ in up.call("ListTunnels")] == ["new", "home"]


def test_connect_of_a_tunnel_whose_programs_are_missing(bare: World) -> None:
    up = bare
    (up.programs / "pptp").unlink()
    up.start(patch="from pptpd_manager import optionfile; optionfile.PROGRAMS_PATH = '/usr/local/sbin'")
    connect = up.begin("Connect", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run = up.run_of("office")
    sentence, advice = "The program pptp is not installed.", "Run: apt install pptp-linux"
    verdict = up.answered(up.ask_to_dial("office", run))
    assert verdict == f"exit 69 {sentence} {advice}"
    assert up.error(connect) == RemoteError(ERROR + "PptpMissing", f"tunnel 'office': {sentence} {advice}")
    up.expected = [f"ERROR: tunnel office: failed: {sentence} {advice}"]
