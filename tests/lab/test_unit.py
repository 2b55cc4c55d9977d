"""systemctl and pptp@NAME.service: what each state means, and that it can be stopped in each of them."""

from __future__ import annotations

import time
from pathlib import Path

import commands as lab
import pytest


def test_start_returns_when_the_link_is_up_with_its_routes() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    assert lab.route_of("192.168.10.0/24") == "192.168.10.0/24 dev pptp-work proto pptp scope link \n"
    assert lab.active("work") == "active" and lab.show("work", "SubState") == "running"
    assert lab.state("work") == "up"
    assert lab.passes()
    assert lab.out("curl", "-s", f"http://{lab.INSIDE}/").strip() == "hello from behind the tunnel"
    up = f'Status: "Up: pptp-work 10.9.0.100 to 10.9.0.1 through {lab.SERVER} ({lab.SERVER}); routes: 192.168.10.0/24"'
    lab.wait_for(lambda: up in lab.status("work"), "systemctl status says so")
    assert "pppd file /run/pptp-manager/work.options" in lab.status("work"), "pppd is the unit's main process"
    assert (lab.OPTIONS / "work.options").stat().st_mode & 0o777 == 0o600
    assert lab.get("work", "Routes") == ["192.168.10.0/24"]
    assert lab.get("work", "LocalAddress") == "10.9.0.100" and lab.get("work", "PeerAddress") == "10.9.0.1"
    assert lab.get("work", "ReceivedBytes") > 0 and lab.get("work", "SentBytes") > 0


def test_stop_leaves_nothing_and_returns_when_that_is_so(untouched: str) -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    assert lab.systemctl("stop", "pptp@work") == 0
    assert lab.routes() == untouched
    assert lab.active("work") == "inactive" and lab.show("work", "Result") == "success"
    assert not (lab.OPTIONS / "work.options").exists()
    assert lab.state("work") == "idle" and lab.get("work", "LastError") == ("", "", "", 0)


def test_a_first_attempt_that_fails_is_told_and_the_next_ones_go_on() -> None:
    lab.configure({"work": lab.ALICE})
    lab.systemctl("stop", "lab-pptpd@main")
    since = time.time()
    assert lab.systemctl("start", "pptp@work") == 1
    assert lab.active("work") == "activating"
    sentence = "The server refuses connections to TCP port 1723."
    assert sentence in lab.journal("work", since)
    lab.wait_for(lambda: f". Last: {sentence}" in lab.status("work"), "systemctl status tells why")
    assert lab.last_error("work")[:2] == ("tcp-refused", sentence)
    waiting = "Waiting for 203.0.113.1 to accept connections on TCP port 1723. Last: "
    lab.wait_for(lambda: waiting in lab.status("work"), "it tells what it waits for", 60)
    assert lab.state("work") == "waiting" and not lab.clients(), "and calls nobody meanwhile"
    lab.systemctl("start", "lab-pptpd@main")
    lab.wait_for(lambda: lab.active("work") == "active", "the tunnel came up by itself", 60)
    assert lab.route_of("192.168.10.0/24") and lab.passes()


def test_a_wrong_password_is_tried_twice_and_then_given_up() -> None:
    lab.configure({"work": {**lab.ALICE, "password": "wrong"}})
    since = time.time()
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: lab.active("work") == "failed", "given up", 60)
    assert lab.show("work", "ExecMainStatus") == "77"
    text = lab.status("work")
    assert "The server refuses the user name or the password." in text
    assert "Check 'username:', 'domain:' and the password" in text
    assert lab.state("work") == "failed"
    log = lab.out("journalctl", "-q", "-o", "cat", "-u", "lab-pptpd@main", f"--since=@{since:.6f}")
    assert log.count("control connection started") == 2, log
    # It is tried again as soon as the configuration is mended.
    lab.configure({"work": lab.ALICE})
    lab.wait_for(lambda: lab.active("work") == "active", "up with the right password", 60)


def test_a_dropped_link_comes_back_with_its_routes() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    run = lab.show("work", "InvocationID")
    since = time.time()
    (session,) = lab.server_sessions()
    lab.out("kill", str(session))
    lab.wait_for(lambda: lab.show("work", "InvocationID") != run and lab.active("work") == "active", "redialled", 60)
    assert lab.route_of("192.168.10.0/24") and lab.passes()
    assert "The server ended the session. (MPPE disabled)" in lab.journal("work", since)
    assert lab.last_error("work")[0] == "peer-hung-up"


def test_a_tunnel_that_shall_not_persist_fails_for_good() -> None:
    lab.configure({"work": {**lab.ALICE, "persist": False}})
    lab.systemctl("stop", "lab-pptpd@main")
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: lab.active("work") == "failed", "failed at the first attempt")
    assert lab.show("work", "ExecMainStatus") == "69"
    lab.systemctl("start", "lab-pptpd@main")
    assert lab.systemctl("start", "pptp@work") == 0, "it can be started again"
    (session,) = lab.server_sessions()
    lab.out("kill", str(session))
    lab.wait_for(lambda: lab.active("work") == "failed", "failed when the server ended the session")
    assert "The server ended the session." in lab.status("work")


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_a_pppd_that_somebody_kills_is_replaced(signal: str) -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    run = lab.show("work", "InvocationID")
    lab.out("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", "pptp@work")
    lab.wait_for(lambda: lab.show("work", "InvocationID") != run and lab.active("work") == "active", "redialled", 60)
    assert lab.passes() and len(lab.clients()["pppd"]) == 1


class TestStop:
    """`systemctl stop` ends a tunnel in each state, without having to be killed."""

    def stop(self) -> None:
        begun = time.monotonic()
        assert lab.systemctl("stop", "pptp@work", timeout=20) == 0
        print(f"stopped in {time.monotonic() - begun:.2f} s")
        # A stop in the moment in which an attempt fails leaves "failed" to systemd; the manager makes that good.
        lab.wait_for(lambda: lab.active("work") == "inactive", "inactive")
        assert lab.show("work", "Result") == "success"
        assert not lab.clients()
        lab.wait_for(lambda: lab.state("work") == "idle", "the manager has heard of it")

    def test_while_it_is_inactive(self) -> None:
        lab.configure({"work": lab.ALICE})
        self.stop()

    def test_while_it_dials(self) -> None:
        lab.configure({"work": lab.ALICE})
        with lab.drop(lab.GRE):
            lab.systemctl("start", "--no-block", "pptp@work")
            lab.wait_for(lambda: lab.clients().get("pptpcm") or len(lab.clients().get("pptp", [])) > 1, "pptp dials")
            assert lab.active("work") == "activating"
            self.stop()

    def test_while_it_waits_for_a_pause(self) -> None:
        lab.configure({"work": lab.ALICE})
        lab.systemctl("stop", "lab-pptpd@main")
        assert lab.systemctl("start", "pptp@work") == 1
        lab.wait_for(lambda: "to accept connections" in lab.shown("work"), "it waits for the server", 60)
        self.stop()

    def test_while_it_waits_for_the_network(self) -> None:
        lab.configure({"work": lab.ALICE})
        with lab.offline():
            lab.systemctl("start", "--no-block", "pptp@work")
            lab.wait_for(lambda: "Waiting for the network" in lab.shown("work"), "it waits for the network")
            self.stop()

    def test_when_it_has_failed(self) -> None:
        lab.configure({"work": {**lab.ALICE, "persist": False}})
        lab.systemctl("stop", "lab-pptpd@main")
        assert lab.systemctl("start", "pptp@work") == 1
        lab.wait_for(lambda: lab.active("work") == "failed", "failed")
        assert lab.systemctl("stop", "pptp@work") == 0
        assert lab.call("Disconnect", "work").returncode == 0
        lab.wait_for(lambda: lab.active("work") == "inactive" and lab.state("work") == "idle", "nobody wants it")


def test_ten_tunnels_to_one_server_pass_traffic_at_once() -> None:
    names = [f"t{number}" for number in range(10)]
    lab.configure({name: {**lab.ALICE, "routes": []} for name in names})
    assert lab.systemctl("start", *(f"pptp@{name}" for name in names), timeout=300) == 0
    assert {name: lab.active(name) for name in names} == dict.fromkeys(names, "active")
    addresses = {lab.get(name, "LocalAddress") for name in names}
    assert len(addresses) == 10
    for _ in range(2):
        assert {name: lab.passes("10.9.0.1", "-I", f"pptp-{name}") for name in names} == dict.fromkeys(names, True)


def test_the_network_comes_after_the_start() -> None:
    lab.configure({"work": {**lab.ALICE, "connect-timeout": 5}})
    since = time.time()
    with lab.offline():
        assert lab.systemctl("start", "pptp@work") == 1, "the start job ends at the connect timeout"
        assert "There is no network." in lab.journal("work", since)
        text = "Waiting for the network: no interface has an IPv4 address"
        lab.wait_for(lambda: text in lab.status("work"), "waiting")
    lab.wait_for(lambda: lab.active("work") == "active", "up with the network", 60)
    assert lab.passes()


def test_a_connect_that_hangs_ends_at_the_timeout_with_its_reason() -> None:
    lab.configure({"work": {**lab.ALICE, "connect-timeout": 6}})
    with lab.drop(lab.GRE):
        done = lab.call("Connect", "work", timeout=25)
        assert done.returncode == 1
        assert "The call is set up, but no GRE packet comes back from the server." in done.stderr, done.stderr
        assert "nf_conntrack_pptp" in done.stderr
    lab.wait_for(lambda: lab.active("work") == "active", "up when GRE passes again", 90)


def test_what_pppd_writes_is_for_root_but_for_the_name_servers() -> None:
    lab.configure({"work": {**lab.ALICE, "dns": True}})
    assert lab.systemctl("start", "pptp@work") == 0
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path("/run").glob("*-work.pid")}
    assert modes == {"ppp-work.pid": 0o600, "pptp-work.pid": 0o600}
    assert Path("/etc/ppp/resolv.conf").stat().st_mode & 0o777 == 0o644
