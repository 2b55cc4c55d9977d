"""Rules, tables and the guard, with the real kernel: there while wanted, put back when somebody removes them."""

from __future__ import annotations

import signal
import subprocess

from .clients import until
from .test_restart import crash
from .world import CONFIG, SERVER, World

GUARD = [
    "30128: from all lookup main suppress_prefixlength 0 proto 172",
    "30129: from all lookup 172 proto 172",
    "30130: from all unreachable proto 172",
]
GUARD_6 = [
    f"{priority}: {line.partition(' ')[2]}" for priority, line in zip((30512, 30513, 30514), GUARD, strict=True)
]
BESIDE = f"{SERVER} via 192.0.2.1 dev wan0"
FAR = "203.0.113.9"


def shown(world: World, *words: str) -> list[str]:
    """What ip(8) shows, a line each."""
    text = subprocess.check_output(world.inside("ip", *words), text=True)
    return [" ".join(line.split()).removesuffix(" pref medium") for line in text.splitlines()]


def ours(world: World) -> list[str]:
    """The routes of ours in all tables."""
    found = [shown(world, version, "route", "show", "table", "all", "proto", "172") for version in ("-4", "-6")]
    return sorted(found[0] + found[1])


def rules(world: World, version: int = 4) -> list[str]:
    """The rules of ours."""
    return [line for line in shown(world, f"-{version}", "rule") if "proto 172" in line]


def configure(world: World, *lines: str) -> None:
    """Give office these lines besides, in place of its routes."""
    world.configure(CONFIG.replace("    routes: [192.168.10.0/24]\n", "".join(f"    {line}\n" for line in lines)))
    world.call("Reload")


def stop(world: World, run: str) -> None:
    """Have somebody disconnect office, and its unit end."""
    disconnect = world.begin("Disconnect", "office")
    world.wait_for_order("StopUnit", "pptp@office.service", "replace")
    world.go_down("office", run)
    world.answered(disconnect)


def warns(world: World, *texts: str) -> None:
    """That much is logged, and no more."""
    until(lambda: all(any(text in line for line in world.log().splitlines()) for text in texts), "the log")
    world.expected = [line for line in world.log().splitlines() if not line.startswith(("INFO: ", "DEBUG: "))]
    assert len(world.expected) == len(texts), world.expected


def test_an_entry_in_full_and_a_table_with_rules(up: World) -> None:
    configure(
        up,
        "routes: [{prefix: 192.168.10.0/24, metric: 7, source: 10.9.0.2}, {prefix: 10.8.0.0/16, table: 1000}]",
        "table: 100",
        "rules: [{fwmark: 0x5/0xff}, {uid-range: 1000-1999, priority: 9}, {from: 10.1.0.0/16}]",
    )
    run, _ = up.connecting("office")
    assert rules(up) == ours(up) == []
    up.finish("office", run)
    assert ours(up) == [
        "10.8.0.0/16 dev pptp-office table 1000 scope link",
        "192.168.10.0/24 dev pptp-office table 100 scope link src 10.9.0.2 metric 7",
    ]
    assert rules(up) == [
        "9: from all uidrange 1000-1999 lookup 100 proto 172",
        "17200: from 10.1.0.0/16 lookup 100 proto 172",
        "17200: from all fwmark 0x5/0xff lookup 100 proto 172",
    ]
    stop(up, run)
    assert rules(up) == ours(up) == []


def test_a_guard_is_there_from_the_wish_to_its_end(up: World) -> None:
    configure(up, "default-route: true", "guard: true")
    assert rules(up) == []
    run = up.set_unit("office", "activating", "start", new_run=True)
    assert up.dial("office", run).startswith("dial ")
    assert (rules(up), rules(up, 6)) == (GUARD, GUARD_6)
    assert ours(up) == [BESIDE]
    assert up.ip(f"route get {SERVER}", "route get 192.0.2.9").count("dev wan0") == 2
    up.begin("Ready", "office", run, interface="org.pptpmanager1.Unit")
    up.link_up("office")
    up.wait_for_state("office", "up")
    up.set_unit("office", "active", "running")
    assert ours(up) == [BESIDE, "default dev pptp-office table 172 scope link"]
    assert "dev pptp-office" in up.ip(f"route get {FAR}")
    up.link_down("office")
    up.wait_for_state("office", "stopping")
    assert (rules(up), rules(up, 6)) == (GUARD, GUARD_6)
    up.ended("office", run, status="16")
    up.set_unit("office", "activating", "auto-restart")
    assert rules(up) == GUARD
    warns(up, "The server ended the session.")
    crash(up)
    assert (rules(up), rules(up, 6)) == (GUARD, GUARD_6), "without a manager as well"
    up.start()
    assert (rules(up), rules(up, 6)) == (GUARD, GUARD_6)
    up.set_unit("office", "inactive", "dead")
    until(lambda: rules(up) == rules(up, 6) == ours(up) == [], "nothing to be left")


def test_the_way_to_a_server_behind_a_gateway_of_ipv6(up: World) -> None:
    up.ip("route replace 0.0.0.0/0 via inet6 fe80::1 dev wan0 metric 100")  # "default" would be that of IPv6
    configure(up, "default-route: true")
    run = up.bring_up("office")
    beside = f"{SERVER} via inet6 fe80::1 dev wan0"
    assert ours(up) == [beside, "default dev pptp-office scope link metric 50"]
    assert "via inet6 fe80::1 dev wan0" in up.ip(f"route get {SERVER}")
    up.ip(f"route delete {SERVER}")
    until(lambda: beside in ours(up), "the route to be back")
    warns(up, f"route {SERVER}/32 via inet6 fe80::1 was removed or replaced by somebody else, and is back")
    stop(up, run)
    assert ours(up) == []


def test_the_status_of_a_tunnel_that_is_down_tells_of_its_guard(up: World) -> None:
    configure(up, "routes: [192.168.10.0/24]", "guard: true")
    up.ip("address delete 192.0.2.2/24 dev wan0")
    run = up.set_unit("office", "activating", "start", new_run=True)
    said = up.dial("office", run)
    assert said.endswith("; guarded: 192.168.10.0/24 cannot be reached until it is up or stopped"), said


def test_a_guard_of_a_tunnel_that_gave_up_stays_until_it_is_stopped(up: World) -> None:
    configure(up, "routes: [192.168.10.0/24]", "guard: true")
    up.set_unit("office", "failed", "failed", new_run=True)
    until(lambda: len(rules(up)) == 3, "the guard")
    assert "to 192.168.10.0/24" in rules(up)[0]
    disconnect = up.begin("Disconnect", "office")
    up.set_unit("office", "inactive", "dead")
    until(lambda: rules(up) == [], "the guard to be gone")
    up.answered(disconnect)


def test_a_guard_in_a_table_of_its_own(up: World) -> None:
    configure(up, "default-route: true", "guard: true", "table: 100", "rules: [{fwmark: 5}]")
    run, _ = up.connecting("office")
    bars = [
        "unreachable default dev lo table 100 metric 4294967294",
        "unreachable default table 100 metric 4294967294",
    ]
    assert ours(up) == [f"{SERVER} via 192.0.2.1 dev wan0 table 100", *bars]
    up.finish("office", run)
    assert ours(up)[1] == "default dev pptp-office table 100 scope link"
    assert "dev wan0" in up.ip(f"route get {FAR}")
    assert "dev pptp-office" in up.ip(f"route get {FAR} mark 5")


def test_a_unit_that_systemd_is_about_to_start_is_guarded(bare: World) -> None:
    """At boot the manager is there before the network, and the tunnels are after it."""
    bare.configure(CONFIG.replace("routes: [192.168.10.0/24]", "default-route: true\n    guard: true"))
    bare.enqueue("office")
    bare.start()
    assert rules(bare) == GUARD
    run = bare.set_unit("office", "activating", "start", new_run=True)
    bare.call("ListTunnels")
    assert rules(bare) == GUARD and bare.state("office") == "idle", "its process has not asked yet"
    assert bare.dial("office", run).startswith("dial ")
    assert rules(bare) == GUARD
    bare.set_unit("office", "inactive", "dead")
    until(lambda: rules(bare) == [], "the guard to be gone with the unit")


def test_a_guard_outlives_its_tunnel_when_the_machine_goes_down(up: World) -> None:
    """What the tunnel is for may be stopped after it, and the network is."""
    configure(up, "default-route: true", "guard: true")
    run = up.bring_up("office")
    up.behave("SystemState", "stopping")
    stop(up, run)
    assert up.state("office") == "idle"
    assert (rules(up), rules(up, 6)) == (GUARD, GUARD_6)


def test_a_guard_goes_with_a_tunnel_that_is_stopped_together_with_the_manager(up: World) -> None:
    configure(up, "default-route: true", "guard: true")
    up.set_unit("office", "activating", "start", new_run=True)
    until(lambda: rules(up) == GUARD, "the guard")
    assert up.daemon
    up.daemon.send_signal(signal.SIGSTOP)
    up.set_unit("office", "inactive", "dead")
    up.daemon.send_signal(signal.SIGTERM)
    up.daemon.send_signal(signal.SIGCONT)
    assert up.daemon.wait(10) == 0
    assert rules(up) == rules(up, 6) == ours(up) == []


def test_a_guarded_prefix_that_a_reload_gives_to_another_tunnel_is_guarded_all_the_time(up: World) -> None:
    text = CONFIG.replace("office:", "office:\n    guard: true")
    text += "    guard: true\n    routes: [10.8.0.0/16]\n"
    up.configure(text)
    up.call("Reload")
    for name in ("office", "home"):
        up.set_unit(name, "activating", "start", new_run=True)
    until(lambda: len(rules(up)) == 2 * len(GUARD), "both guards")
    before = rules(up)
    with (up.directory / "rules").open("wb") as file:
        up.process(*up.inside("ip", "monitor", "rule"), stdout=file)
    marked = (up.directory / "rules").read_text

    def mark() -> bool:
        up.ip("rule add priority 99 to 203.0.113.9 lookup main", "rule delete priority 99")
        return "99:" in marked()

    until(mark, "ip monitor to listen")
    first, second = "[192.168.10.0/24]", "[10.8.0.0/16]"
    up.configure(text.replace(second, "").replace(first, second).replace("routes: \n", f"routes: {first}\n"))
    up.call("Reload")
    assert rules(up) == before
    assert {line.removeprefix("Deleted ").split(":")[0] for line in marked().splitlines()} == {"99"}


def test_a_route_waits_for_its_source(up: World) -> None:
    configure(up, "routes: [192.168.10.0/24, {prefix: 10.8.0.0/16, source: 10.77.0.1}]")
    up.bring_up("office")
    assert ours(up) == ["192.168.10.0/24 dev pptp-office scope link"]
    told = "10.8.0.0/16 waits for the address 10.77.0.1"
    warns(up, f"WARNING: tunnel office: {told}")
    assert any(line.startswith("INFO: tunnel office: up: ") and line.endswith(told) for line in up.log().splitlines())
    assert up.properties("office")["Routes"] == ["192.168.10.0/24"]
    up.ip("address add 10.77.0.1/32 dev wan0")
    until(lambda: len(ours(up)) == 2, "the route")
    assert "10.8.0.0/16 dev pptp-office scope link src 10.77.0.1" in ours(up)
    assert up.properties("office")["Routes"] == ["10.8.0.0/16", "192.168.10.0/24"]
    up.ip("address delete 10.77.0.1/32 dev wan0")
    until(lambda: up.log().count(told) == 3, "the word")
    warns(up, told, told)
    assert up.properties("office")["Routes"] == ["192.168.10.0/24"]


def test_the_server_of_another_tunnel_is_spared_by_a_default_route(up: World) -> None:
    configure(up, "default-route: true", "guard: true")
    up.set_unit("office", "activating", "start", new_run=True)
    until(lambda: rules(up) == GUARD, "the guard")
    up.connecting("home")
    assert "198.51.100.8 via 192.0.2.1 dev wan0" in ours(up)
    assert "dev wan0" in up.ip("route get 198.51.100.8")


def test_a_reload_changes_the_guard_under_a_running_tunnel(up: World) -> None:
    run, _ = up.connecting("office")
    up.finish("office", run)
    configure(up, "routes: [192.168.10.0/24]", "guard: true")
    assert [line.split()[0] for line in ours(up)] == ["192.168.10.0/24"] and "table 172" in ours(up)[0]
    assert len(rules(up)) == 3
    configure(up, "routes: [192.168.10.0/24]")
    assert rules(up) == [] and "table" not in ours(up)[0]


def test_two_tunnels_with_the_same_prefix(up: World) -> None:
    """The first in the file has it; the kernel takes the other one when that goes down."""
    both = "routes: [192.168.10.0/24]"
    up.configure(CONFIG.replace("    server: 198.51.100.8\n", f"    server: 198.51.100.8\n    {both}\n"))
    up.call("Reload")
    up.bring_up("home", "10.8.0.2", "10.8.0.1")
    assert "dev pptp-home" in up.ip("route get 192.168.10.5")
    run = up.bring_up("office")
    assert "dev pptp-office" in up.ip("route get 192.168.10.5")
    assert ours(up) == [
        "192.168.10.0/24 dev pptp-home scope link metric 1",
        "192.168.10.0/24 dev pptp-office scope link",
    ]
    stop(up, run)
    assert "dev pptp-home" in up.ip("route get 192.168.10.5")


def test_what_somebody_removes_or_replaces_comes_back(up: World) -> None:
    configure(up, "routes: [192.168.10.0/24]", "guard: true")
    up.bring_up("office")
    before, guards = ours(up), rules(up)
    up.ip("route delete 192.168.10.0/24 table 172")
    until(lambda: ours(up) == before, "the route to be back")
    warns(up, "WARNING: the route 192.168.10.0/24 table 172 was removed or replaced by somebody else, and is back")
    up.ip("route replace 192.168.10.0/24 via 192.0.2.1 dev wan0 table 172")
    until(lambda: ours(up) == before, "the route to be back")
    assert "dev pptp-office" in up.ip("route get 192.168.10.5")
    up.ip("route delete 192.168.10.0/24 via 192.0.2.1 table 172")
    up.ip(f"rule delete priority {guards[2].split(':')[0]}")
    until(lambda: rules(up) == guards, "the rule to be back")
    warns(up, "route 192.168.10.0/24", "rule 30034: from all to 192.168.10.0/24 unreachable was removed")


def test_it_does_not_fight_for_ever(up: World) -> None:
    up.bring_up("office")
    for _ in range(5):
        up.ip("route delete 192.168.10.0/24")
        until(lambda: ours(up), "the route to be back")
    up.ip("route delete 192.168.10.0/24")
    warns(up, "is back", "ERROR: the route 192.168.10.0/24 is removed again and again by somebody else; it is left")
    up.ip("address add 192.0.2.77/32 dev wan0", "address delete 192.0.2.77/32 dev wan0")
    up.call("ListTunnels")
    assert ours(up) == []


def test_a_guard_is_fought_for(up: World) -> None:
    configure(up, "default-route: true", "guard: true")
    up.set_unit("office", "activating", "start", new_run=True)
    for _ in range(7):
        until(lambda: rules(up) == GUARD, "the rule to be back")
        up.ip("rule delete priority 30130")
    until(lambda: rules(up) == GUARD, "the rule to be back")
    warns(up, "is back", "ERROR: the rule 30130: from all unreachable is removed again and again", "is back")
