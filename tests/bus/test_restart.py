"""The manager goes and comes back: what runs is not touched, what is left over is removed."""

from __future__ import annotations

import subprocess
import time

import pytest

from .clients import PROPERTIES, until
from .world import CONFIG, NAME, SERVER, SYSTEMD, SYSTEMD_UNIT, UNIT, World

ROUTE = "192.168.10.0/24 dev pptp-office proto 172 scope link"
OUTSIDE = "default via 192.0.2.1 dev wan0 metric 100"


def crash(world: World) -> None:
    """Kill the manager and wait until the bus knows."""
    assert world.daemon
    world.daemon.kill()
    world.daemon.wait()
    until(lambda: not world.client.owner(NAME), "the name to be free")


class Monitor:
    """ip monitor route, in a world."""

    def __init__(self, world: World) -> None:
        self.world, self.file = world, world.directory / "monitor"
        with self.file.open("wb") as file:
            world.process(*world.inside("ip", "monitor", "route"), stdout=file)
        until(lambda: self._marked("203.0.113.1"), "ip monitor to listen")

    def _marked(self, address: str) -> bool:
        self.world.ip(f"route replace {address} dev wan0", f"route delete {address} dev wan0")
        return f"Deleted {address} " in self.file.read_text()

    def deleted(self) -> list[str]:
        """The routes that were deleted until now."""
        until(lambda: self._marked("203.0.113.2"), "ip monitor to see the last change")
        lines = self.file.read_text().splitlines()
        return [line for line in lines if line.startswith("Deleted ") and "203.0.113." not in line]


def since_of_unit(world: World) -> float:
    """When the unit became active, in microseconds since 1970."""
    path = "/org/freedesktop/systemd1/unit/pptp_40office_2eservice"
    member = "ActiveEnterTimestampMonotonic"
    when = world.client.call(SYSTEMD, path, PROPERTIES + ".Get", "(ss)", SYSTEMD_UNIT, member)
    return (time.time() - time.monotonic()) * 1e6 + float(when)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_tunnel_that_is_up_is_not_touched(up: World, how: str) -> None:
    up.bring_up("office")
    before = up.properties("office")
    monitor = Monitor(up)
    options = (up.runtime / "office.options").read_bytes()
    if how == "SIGKILL":
        crash(up)
    else:
        up.stop()
    assert up.routes() == [OUTSIDE, ROUTE]
    up.start()
    after = up.properties("office")
    assert abs(after["Since"] - since_of_unit(up)) < 50_000  # microseconds
    assert abs(after.pop("Since") - before.pop("Since")) < 5_000_000
    assert [after.pop(name) >= before.pop(name) for name in ("ReceivedBytes", "SentBytes")] == [True, True]
    assert [before.pop(name) for name in ("Attempts", "Connects")] == [1, 1] and before.pop("ConnectTime") > 0
    assert [after.pop(name) for name in ("Attempts", "Connects", "ConnectTime")] == [0, 0, 0], "counted anew"
    assert after == before
    assert after["State"] == "up"
    assert up.routes() == [OUTSIDE, ROUTE]
    assert (up.runtime / "office.options").read_bytes() == options
    assert monitor.deleted() == []
    assert up.ordered() == []
    assert up.call("Connect", "office") is None
    assert "Traceback" not in up.log()


def test_it_is_still_known_that_a_server_refused_to_encrypt(up: World) -> None:
    up.configure(CONFIG.replace("    routes:", "    mppe: optional\n    routes:"))
    up.call("Reload")
    up.journal("pppd: MPPE required but peer refused", "pppd: Exit.")
    first, connect = up.connecting("office")
    up.ended("office", first, status="10")
    run = up.set_unit("office", "activating", "start", new_run=True)
    up.dial_again("office", run)
    up.finish("office", run)
    up.answered(connect)
    assert not up.properties("office")["Encrypted"]
    crash(up)
    up.start()
    assert (up.state("office"), up.properties("office")["Encrypted"]) == ("up", False)
    up.expected = [line for line in up.log().splitlines() if line.startswith("WARNING: ")]


def test_a_tunnel_that_connects_goes_on(up: World) -> None:
    run, _ = up.connecting("office")
    crash(up)
    up.forget()
    up.start()
    assert up.state("office") == "connecting"
    connect = up.begin("Connect", "office")
    up.finish("office", run)
    assert up.answered(connect) is None
    assert up.routes() == [OUTSIDE, ROUTE]
    assert up.ordered() == []


def test_a_link_that_came_up_meanwhile_gets_its_routes(up: World) -> None:
    run, _ = up.connecting("office")
    crash(up)
    up.forget()
    up.link_up("office")
    up.start()
    assert up.answered(up.begin("Ready", "office", run, interface=UNIT)).startswith("up Up: pptp-office 10.9.0.2 ")
    assert up.routes() == [OUTSIDE, ROUTE]
    assert up.state("office") == "up"


def test_a_unit_that_waits_asks_again(up: World) -> None:
    run = up.set_unit("office", "activating", "start", new_run=True)
    crash(up)
    up.start()
    assert up.state("office") == "waiting"
    assert up.dial("office", run) == f"dial Connecting to {SERVER} ({SERVER})"


def test_a_tunnel_that_ended_meanwhile_leaves_nothing(up: World) -> None:
    up.bring_up("office")
    crash(up)
    up.link_down("office")
    up.set_unit("office", "inactive", "dead")
    up.start()
    assert up.state("office") == "idle"
    assert up.routes() == [OUTSIDE]
    assert list(up.runtime.glob("*.options")) == []


def test_a_unit_that_failed_meanwhile(up: World) -> None:
    up.bring_up("office")
    crash(up)
    up.link_down("office")
    up.set_unit("office", "failed", "failed")
    up.start()
    assert up.state("office") == "failed"
    assert list(up.runtime.glob("*.options")) == []
    up.forget()
    assert up.dial("office", up.set_unit("office", "activating", "start", new_run=True)).startswith("dial ")


@pytest.mark.parametrize("active", ["failed", "inactive"])
def test_why_a_tunnel_failed_is_known_to_the_next_manager(bare: World, active: str) -> None:
    bare.configure(CONFIG.replace("routes:", "persist: false\n    routes:", 1))
    bare.start()
    run = bare.bring_up("office")
    bare.journal("pppd: Modem hangup", "pppd: Exit.")
    bare.link_down("office")
    bare.ended("office", run, status="16")
    until(lambda: bare.state("office") == "failed", "the reason")
    bare.main_ended("office", 1, 69)
    bare.set_unit("office", active, "failed" if active == "failed" else "dead")
    until(lambda: bare.state("office") != "failed" or active == "failed", "the unit to be reset")
    before = bare.properties("office")["LastError"]
    assert before[0] == "peer-hung-up" and before[3] > 0
    crash(bare)
    bare.start()
    assert bare.properties("office")["LastError"] == before
    assert bare.state("office") == ("failed" if active == "failed" else "idle")
    bare.expected = [line for line in bare.log().splitlines() if line.startswith("ERROR: tunnel office: failed: ")]


def test_a_unit_that_was_stopped_while_it_failed_meanwhile(up: World) -> None:
    """systemd leaves it failed; nothing was given up, and no manager was there to say so."""
    up.bring_up("office")
    crash(up)
    up.link_down("office")
    up.main_ended("office", 2, 9)
    up.set_unit("office", "failed", "failed")
    up.forget()
    up.start()
    until(lambda: up.active("office") == "inactive", "systemd to be told")
    assert up.state("office") == "idle"


def test_what_is_left_over_is_removed_and_what_is_foreign_stays(bare: World) -> None:
    bare.runtime.mkdir(0o700)
    for name in ("office", "gone"):
        (bare.runtime / f"{name}.options").write_text(
            f"# run {'0' * 32} of tunnel {name}: {SERVER} is {SERVER}, path MTU 1500\n"
        )
    bare.ip(
        "route add 203.0.113.0/24 via 192.0.2.1 proto 172",
        f"route add {SERVER} via 192.0.2.1 proto 172",
        "route add 203.0.114.0/24 via 192.0.2.1 proto static",
        "route add 192.168.10.0/24 via 192.0.2.1 proto 171",
    )
    bare.start()
    assert bare.routes() == [
        OUTSIDE,
        "192.168.10.0/24 via 192.0.2.1 dev wan0 proto 171",
        "203.0.114.0/24 via 192.0.2.1 dev wan0 proto static",
    ]
    assert [path.name for path in bare.runtime.iterdir()] == ["accepted.yaml"]


def test_a_configuration_that_changed_meanwhile(up: World) -> None:
    """Routes alone are changed in place; what dials differently is dialled anew."""
    run = up.bring_up("office")
    crash(up)
    up.configure(CONFIG.replace("192.168.10.0/24", "192.168.20.0/24"))
    up.start()
    assert up.state("office") == "up"
    assert up.routes() == [OUTSIDE, "192.168.20.0/24 dev pptp-office proto 172 scope link"]
    assert up.ordered() == []
    crash(up)
    up.configure(CONFIG.replace("alice", "alicia"))
    up.start()
    up.wait_for_order("Kill", "pptp@office.service", "main", "15")
    up.link_down("office")
    up.ended("office", run)
    again = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", again) == f"dial Connecting to {SERVER} ({SERVER})"


def test_a_second_manager_ends_and_harms_nothing(up: World) -> None:
    up.bring_up("office")
    first = up.daemon
    assert first
    other = up.directory / "other.yaml"
    other.write_text("tunnels: {}\n")
    other.chmod(0o600)
    up.spawn("--config", str(other), "--runtime", str(up.directory / "other"))
    second = up.daemon
    assert second
    until(lambda: second.poll() is not None, "the second manager to end")
    assert second.returncode == 69
    assert up.routes() == [OUTSIDE, ROUTE]
    assert up.state("office") == "up"
    up.daemon = first
    up.expected = [f"ERROR: {NAME} is taken: another manager runs"]


def test_check() -> None:
    """Without a bus, without privileges: the file alone is looked at."""
    command = ["/usr/bin/python3", "-m", "pptpd_manager", "--check", "--config", "/nonexistent"]
    done = subprocess.run(command, cwd=__file__.rpartition("/tests/")[0], capture_output=True, text=True)
    told = "/nonexistent: does not exist; run: install -m 0600 /dev/null /nonexistent\n"
    assert (done.returncode, done.stdout, done.stderr) == (78, "", told)


def test_check_of_a_good_file(bare: World) -> None:
    command = ["/usr/bin/python3", "-m", "pptpd_manager", "--check", "--config", str(bare.config)]
    done = subprocess.run(command, cwd=__file__.rpartition("/tests/")[0], capture_output=True, text=True)
    told = f"{bare.config} is good; tunnels: office, home\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")


def test_a_start_whose_main_process_was_killed_with_the_manager_is_not_waited_for(up: World) -> None:
    """systemd waits for ExecStartPost=, which waits for the link."""
    up.connecting("office")
    up.set_unit("office", "activating", "start-post")
    up.main_ended("office", 2, 9)  # CLD_KILLED, SIGKILL
    crash(up)
    up.start()
    ready = up.begin("Ready", "office", up.run_of("office"), interface=UNIT)
    assert up.answered(ready).startswith("down ")
