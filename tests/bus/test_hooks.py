"""The user's hooks: what systemd is told to run for them, in which order, and what managers that come and go do."""

from __future__ import annotations

from typing import Any

from .clients import until
from .test_restart import crash
from .world import CANARY, CONFIG, SERVER, SYSTEMD, TEST, TEST_PATH, UNIT, World

OFFICE, HOME = "pptp-hook-office.service", "pptp-hook-home.service"
HOOKS = "    hooks: {up: [/bin/up, '/bin/two $A \"b c\"'], down: [/bin/down], failed: [/bin/failed]}\n"
HOOKED = CONFIG.replace("  home:\n", HOOKS + "  home:\n") + HOOKS
FACTS = {
    "PPTP_TUNNEL": "office",
    "PPTP_INTERFACE": "pptp-office",
    "PPTP_LOCAL": "10.9.0.2",
    "PPTP_REMOTE": "10.9.0.1",
    "PPTP_SERVER": SERVER,
    "PPTP_SERVER_ADDRESS": SERVER,
    "PPTP_REASON": "",
    "PPTP_SENTENCE": "",
}
UNSEEN = ("unknown", "pppd ended for a reason that it did not tell. (the manager was not running)")
STOPPED = ("stopped", "The tunnel was stopped.")
TIMED_OUT = "/bin/up took longer than 30 s and was killed"


def hooked(world: World) -> World:
    """The world with hooks for both tunnels, and the daemon running."""
    world.configure(HOOKED)
    world.start()
    return world


def variables(properties: dict[str, Any]) -> dict[str, str]:
    """The environment of a service."""
    return dict(item.split("=", 1) for item in properties["Environment"])


def ran(world: World, unit: str = OFFICE) -> list[str]:
    """The first program and the event of each service of that name since forget()."""
    return [
        f"{properties['ExecStartEx'][0][0]} {variables(properties)['PPTP_EVENT']}"
        for name, properties in world.services()
        if name == unit
    ]


def runs(world: World, count: int, unit: str = OFFICE) -> dict[str, Any]:
    """Wait for that many services since forget(); the properties of the last one."""
    until(lambda: len(ran(world, unit)) >= count, f"{count} services {unit}")
    assert len(ran(world, unit)) == count
    return [properties for name, properties in world.services() if name == unit][-1]


def up_and_hooked(world: World) -> str:
    """The tunnel up and its hooks for that run; its run."""
    run = hooked(world).bring_up("office")
    world.finish_service(OFFICE, "success", (1, 0, 0), (1, 0, 0))
    until(lambda: not world.client.owner("no.such.name"), "a turn of the bus")
    world.forget()
    return run


def stop(world: World, run: str) -> None:
    """Disconnect the tunnel, and play its unit."""
    disconnect = world.begin("Disconnect", "office")
    world.wait_for_order("StopUnit", "pptp@office.service", "replace")
    world.go_down("office", run)
    world.answered(disconnect)


def test_up_and_down(bare: World) -> None:
    run, connect = hooked(bare).connecting("office")
    assert bare.services() == []
    bare.finish("office", run)
    properties = runs(bare, 1)
    assert properties.pop("ExecStartEx") == [
        ("/bin/up", ["/bin/up"], ["ignore-failure", "no-env-expand"]),
        ("/bin/two", ["/bin/two", "$A", "b c"], ["ignore-failure", "no-env-expand"]),
    ]
    assert variables(properties) == {**FACTS, "PPTP_EVENT": "up"}
    del properties["Environment"]
    assert [bytes(value).decode() for value in properties.pop("LogExtraFields")] == [
        "OBJECT_SYSTEMD_UNIT=pptp@office.service",
        "PPTP_TUNNEL=office",
    ]
    assert properties == {
        "Description": "Hooks of PPTP tunnel office: up",
        "Type": "oneshot",
        "TimeoutStartUSec": 30_000_000,
        "TimeoutStopUSec": 2_000_000,
        "CollectMode": "inactive-or-failed",
        "AddRef": True,
        "DefaultDependencies": False,
        "Before": ["shutdown.target"],
        "SyslogIdentifier": "pptp-hook-office",
    }
    bare.answered(connect)
    bare.finish_service(OFFICE, "success", (1, 0, 0), (1, 0, 0))
    stop(bare, run)
    properties = runs(bare, 2)
    reason, sentence = STOPPED
    told = {"PPTP_EVENT": "down", "PPTP_REASON": reason, "PPTP_SENTENCE": sentence}
    assert variables(properties) == {**FACTS, **told}
    bare.finish_service(OFFICE)
    until(lambda: not list(bare.runtime.glob("*.hooks")), "no memory of it to be left")
    assert ran(bare) == ["/bin/up up", "/bin/down down"] and ran(bare, HOME) == []


def test_nothing_secret_is_told(bare: World) -> None:
    up_and_hooked(bare)
    bare.forget()
    bare.client.call(SYSTEMD, TEST_PATH, TEST + ".Behave", "(ss)", "StopUnit", "well")
    stop(bare, bare.run_of("office"))
    text = repr(runs(bare, 1)) + "".join(path.read_text() for path in bare.runtime.glob("*.hooks"))
    assert "office" in text and CANARY not in text and "alice" not in text


def test_a_lost_link_is_told_with_its_reason_and_before_the_next_one(bare: World) -> None:
    run = up_and_hooked(bare)
    bare.journal("pppd: LCP terminated by peer", "pppd: Exit.")
    bare.link_down("office")
    bare.ended("office", run, status="16")
    told = variables(runs(bare, 1))
    assert (told["PPTP_EVENT"], told["PPTP_REASON"], told["PPTP_LOCAL"]) == ("down", "peer-hung-up", "10.9.0.2")
    bare.begin("Connect", "office")  # whoever calls need not wait for the pause
    run = bare.set_unit("office", "activating", "start", new_run=True)
    bare.dial_again("office", run)
    bare.finish("office", run, "10.9.0.7")
    assert ran(bare) == ["/bin/down down"], "up waits for the end of down"
    bare.finish_service(OFFICE)
    assert variables(runs(bare, 2))["PPTP_LOCAL"] == "10.9.0.7"
    bare.expected = [line for line in bare.log().splitlines() if "The server ended the session." in line]


def test_what_is_over_before_it_has_begun_is_left_out(bare: World) -> None:
    run = hooked(bare).bring_up("office")  # and its hooks go on and on
    stop(bare, run)
    bare.forget()
    stop(bare, bare.bring_up("office"))
    assert ran(bare) == []
    bare.finish_service(OFFICE, "success", (1, 0, 0), (1, 0, 0))
    assert variables(runs(bare, 1))["PPTP_EVENT"] == "down"
    bare.finish_service(OFFICE)
    until(lambda: not list(bare.runtime.glob("*.hooks")), "all to be told")
    assert ran(bare) == ["/bin/down down"]
    bare.expected = [
        "WARNING: tunnel office: the hooks for 'up' are left out: earlier ones still run, and there is news"
    ]


def test_tunnels_do_not_wait_for_each_other(bare: World) -> None:
    hooked(bare)
    bare.bring_up("office")
    run, connect = bare.connecting("home")
    bare.finish("home", run, "10.9.1.2", "10.9.1.1")
    bare.answered(connect)
    assert variables(runs(bare, 1, HOME))["PPTP_TUNNEL"] == "home"


def test_a_hook_that_hangs_is_killed_and_the_next_goes_on(bare: World) -> None:
    run = hooked(bare).bring_up("office")
    stop(bare, run)
    bare.forget()
    bare.finish_service(OFFICE, "timeout", (2, 15, 31))
    bare.wait_for_order("KillUnit", OFFICE, "all", "9")
    assert runs(bare, 1)["ExecStartEx"][0][0] == "/bin/two"
    bare.finish_service(OFFICE, "success", (1, 3, 0))
    assert variables(runs(bare, 2))["PPTP_EVENT"] == "down"
    bare.expected = [f"WARNING: tunnel office: hooks for 'up': {TIMED_OUT}; /bin/two ended with status 3"]


def test_a_systemd_that_runs_nothing_holds_nothing_up(bare: World) -> None:
    hooked(bare).behave("StartTransientUnit", "fail")
    run = bare.bring_up("office")
    text = f"WARNING: tunnel office: hooks for 'up': Unit {OFFICE} not found."
    until(lambda: text in bare.log(), "the refusal")
    bare.behave("StartTransientUnit", "hold")
    bare.forget()
    stop(bare, run)
    assert bare.state("office") == "idle" and ran(bare) == ["/bin/down down"]
    bare.bring_up("office")
    assert ran(bare) == []
    bare.behave("StartTransientUnit", "well")
    bare.release()
    bare.finish_service(OFFICE)
    assert variables(runs(bare, 1))["PPTP_EVENT"] == "up"
    bare.expected = [text]


def test_failed_is_told_once_when_the_tunnel_is_given_up(bare: World) -> None:
    run, connect = hooked(bare).connecting("office")
    bare.ended("office", run, status="2")
    bare.error(connect)
    told = variables(runs(bare, 1))
    facts = {**FACTS, "PPTP_LOCAL": "", "PPTP_REMOTE": ""}
    assert {**told, "PPTP_SENTENCE": ""} == {**facts, "PPTP_EVENT": "failed", "PPTP_REASON": "option-error"}
    assert told["PPTP_SENTENCE"]
    run = bare.set_unit("office", "activating", "start", new_run=True)
    assert bare.dial("office", run).startswith("exit 77 ")
    bare.ended("office", run, status="77")
    bare.set_unit("office", "failed", "failed")
    bare.finish_service(OFFICE)
    crash(bare)
    bare.start()
    assert bare.state("office") == "failed" and ran(bare) == ["/bin/failed failed"]
    bare.expected = [line for line in bare.log().splitlines() if line.startswith("ERROR: tunnel office: failed")]


# --- the manager goes and comes back ---


def test_an_adopted_tunnel_is_not_told_again(bare: World) -> None:
    run = up_and_hooked(bare)
    crash(bare)
    bare.start()
    assert bare.state("office") == "up" and ran(bare) == []
    stop(bare, run)
    assert variables(runs(bare, 1)) == {
        **FACTS,
        "PPTP_EVENT": "down",
        "PPTP_REASON": STOPPED[0],
        "PPTP_SENTENCE": STOPPED[1],
    }


def test_a_crash_between_the_hooks_and_the_end_of_the_start(bare: World) -> None:
    """The unit is not active yet, so by that alone the next manager would take the link for a new one."""
    run, _ = hooked(bare).connecting("office")
    bare.link_up("office")
    runs(bare, 1)
    crash(bare)
    bare.start()
    assert bare.call("Ready", "office", run, interface=UNIT).startswith("up ")
    bare.finish_service(OFFICE, "success", (1, 0, 0), (1, 0, 0))
    assert ran(bare) == ["/bin/up up"]


def test_a_tunnel_that_went_up_while_nobody_looked_is_told(bare: World) -> None:
    hooked(bare).connecting("office")
    crash(bare)
    bare.link_up("office")
    bare.start()
    assert variables(runs(bare, 1))["PPTP_EVENT"] == "up"


def test_a_tunnel_that_ended_while_nobody_looked_is_told(bare: World) -> None:
    up_and_hooked(bare)
    crash(bare)
    bare.link_down("office")
    bare.set_unit("office", "inactive", "dead")
    bare.configure("tunnels: {}\n")
    bare.start()
    told = variables(runs(bare, 1))
    assert told == {**FACTS, "PPTP_EVENT": "down", "PPTP_REASON": UNSEEN[0], "PPTP_SENTENCE": UNSEEN[1]}
    bare.finish_service(OFFICE)
    until(lambda: not list(bare.runtime.glob("*.hooks")), "no memory of it to be left")


def test_the_next_manager_goes_on_with_the_queue_when_the_running_one_ends(bare: World) -> None:
    run = hooked(bare).bring_up("office")
    stop(bare, run)
    crash(bare)
    bare.start()
    runs(bare, 1)  # which is refused: the hooks that the first one began still run
    bare.forget()
    bare.client.call(SYSTEMD, TEST_PATH, TEST + ".Remove", "(s)", OFFICE)
    runs(bare, 1)  # which is refused again: systemd only read its units anew
    bare.forget()
    bare.finish_service(OFFICE, "success", (1, 0, 0), (1, 0, 0))
    told = variables(runs(bare, 1))
    assert (told["PPTP_EVENT"], told["PPTP_REASON"]) == ("down", "stopped")
    bare.finish_service(OFFICE)
    until(lambda: not list(bare.runtime.glob("*.hooks")), "all to be told")


def test_a_memory_that_cannot_be_read(bare: World) -> None:
    bare.runtime.mkdir(0o700)
    (bare.runtime / "office.hooks").write_text('{"told": 7}')
    (bare.runtime / "office.hooks").chmod(0o600)
    hooked(bare)
    assert not list(bare.runtime.glob("*.hooks"))
    text = "WARNING: tunnel office: what its hooks were told is lost: no agenda: "
    assert text in bare.log()
    bare.expected = [line for line in bare.log().splitlines() if line.startswith(text)]


# --- the configuration changes ---


def test_down_is_what_the_configuration_says_by_then(bare: World) -> None:
    run = up_and_hooked(bare)
    bare.configure(HOOKED.replace("/bin/down", "/bin/other"))
    bare.call("Reload")
    assert ran(bare) == [] and bare.state("office") == "up"
    stop(bare, run)
    runs(bare, 1)
    assert ran(bare) == ["/bin/other down"]


def test_a_tunnel_that_is_taken_out_is_told_of_its_end(bare: World) -> None:
    run = up_and_hooked(bare)
    bare.configure("tunnels: {}\n")
    bare.call("Reload")
    bare.wait_for_order("StopUnit", "pptp@office.service", "replace")
    bare.go_down("office", run)
    runs(bare, 1)
    assert ran(bare) == ["/bin/down down"]


def test_hooks_that_come_later_are_not_told_what_was_before(bare: World) -> None:
    bare.start()
    run = bare.bring_up("office")
    bare.configure(HOOKED)
    bare.call("Reload")
    crash(bare)
    bare.start()
    assert bare.state("office") == "up"
    stop(bare, run)
    runs(bare, 1)
    assert ran(bare) == ["/bin/down down"]
