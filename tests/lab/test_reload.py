"""The configuration, changed while tunnels run."""

from __future__ import annotations

import time

import commands as lab

HOME = {**lab.ALICE, "routes": ["10.99.0.0/24"]}


def main_pids() -> dict[str, str]:
    """pppd of each tunnel."""
    return {name: lab.show(name, "MainPID") for name in ("work", "home")}


def both_up() -> dict[str, str]:
    """Have two tunnels up; their pppds."""
    lab.configure({"work": lab.ALICE, "home": HOME})
    assert lab.systemctl("start", "pptp@work", "pptp@home") == 0
    return main_pids()


def test_a_good_file_touches_only_what_it_changes() -> None:
    before = both_up()
    lab.configure({"work": lab.ALICE, "home": {**HOME, "mtu": 1300}})
    lab.wait_for(lambda: lab.show("home", "MainPID") not in ("0", before["home"]), "home is dialled anew")
    lab.wait_for(lambda: lab.active("home") == "active", "home is up", 60)
    assert lab.show("work", "MainPID") == before["work"]
    assert "mtu 1296" in lab.out("ip", "link", "show", "pptp-home"), "less the four bytes of MPPE"


def test_other_routes_need_no_new_dial() -> None:
    before = both_up()
    with lab.pinging():
        lab.configure({"work": {**lab.ALICE, "routes": ["192.168.10.0/25", "172.30.0.0/16"]}, "home": HOME})
        assert lab.route_of("172.30.0.0/16") and lab.route_of("192.168.10.0/25")
        assert not lab.route_of("192.168.10.0/24")
    assert main_pids() == before


def test_a_broken_file_changes_nothing_and_is_reported() -> None:
    before = both_up()
    lab.CONFIGURATION.write_text("tunnels:\n  work:\n    servr: x\n    mtu: 9\n")
    since = time.time()
    done = lab.call("Reload")
    assert done.returncode == 1
    problems = [
        "/etc/pptp-manager.yaml:2:3: tunnels.work: 'password' is missing "
        "(or password-file, credential, ask-password: true)",
        "/etc/pptp-manager.yaml:2:3: tunnels.work: 'username' is missing",
        "/etc/pptp-manager.yaml:3:5: tunnels.work.servr: unknown key; did you mean 'server'?",
        "/etc/pptp-manager.yaml:4:10: tunnels.work.mtu: 9 is not in 576..1500 bytes",
    ]
    assert done.stderr.removeprefix("Call failed: ").strip().splitlines() == problems, done.stderr
    assert lab.systemctl("reload", "pptp-manager") == 1
    log = lab.out("journalctl", "-q", "-o", "cat", "-u", "pptp-manager", f"--since=@{since:.6f}")
    assert all(problem in log for problem in problems), log
    assert main_pids() == before and lab.state("work") == lab.state("home") == "up"
    lab.write({"work": lab.ALICE, "home": HOME})
    assert lab.systemctl("reload", "pptp-manager") == 0
    assert main_pids() == before


def test_a_hangup_signal_reloads() -> None:
    before = both_up()
    lab.write({"work": lab.ALICE, "home": {**HOME, "routes": ["172.30.0.0/16"]}})
    lab.out("kill", "-HUP", str(lab.manager_pid()))
    lab.wait_for(lambda: lab.route_of("172.30.0.0/16"), "the new route")
    assert main_pids() == before


def test_a_tunnel_that_is_taken_out_goes_down() -> None:
    before = both_up()
    lab.configure({"work": lab.ALICE})
    lab.wait_for(lambda: lab.active("home") == "inactive", "home is down")
    lab.wait_for(lambda: lab.state("home") == "", "its object is gone")
    assert lab.show("work", "MainPID") == before["work"] and lab.passes()
