"""The MTU of tunnels that are up, and the rules for forwarded TCP."""

from __future__ import annotations

import subprocess

import pytest

from .clients import until
from .test_restart import crash
from .world import SERVER, World

TABLE = ("list", "table", "inet", "pptp-manager")


def mtu(up: World) -> int:
    """Of the interface of tunnel office."""
    return int(up.ip("link show pptp-office").partition(" mtu ")[2].split()[0])


def wait_for_mtu(up: World, value: int) -> None:
    """Wait until the interface and D-Bus have it."""
    until(lambda: (mtu(up), up.properties("office")["Mtu"]) == (value, value), f"MTU {value}")


def configure(up: World, old: str, new: str) -> None:
    """Change the configuration and have it read."""
    text = up.config.read_text()
    assert old in text
    up.configure(text.replace(old, new))
    up.call("Reload")


def heard(up: World) -> None:
    """Wait until the daemon has heard of all that has happened to links: it tells of the last."""
    up.ip("link set pptp-office mtu 1000")
    wait_for_mtu(up, 1000)


def option(up: World, name: str) -> str:
    """An option of the file that the dial was by."""
    lines = (up.runtime / "office.options").read_text().splitlines()
    return next(line.split()[1].strip('"') for line in lines if line.startswith(name + " "))


@pytest.mark.parametrize(
    ("change", "mtu", "path"),
    [
        ("link set wan0 mtu 1400", "1360", "1400"),
        ("route replace default via 192.0.2.1 metric 100 mtu 1300", "1260", "1300"),
        ("route add 198.51.100.0/24 via 192.0.2.1 mtu 1450", "1410", "1450"),
        ("route replace default via 192.0.2.1 metric 100 mtu 9000", "1460", "1500"),
    ],
)
@pytest.mark.parametrize("default", [False, True])
def test_a_dial_is_by_the_mtu_of_the_way(up: World, change: str, mtu: str, path: str, default: bool) -> None:
    if default:  # then a route of ours leads to the server, which has no such metric
        configure(up, "routes: [192.168.10.0/24]", "default-route: true")
    up.ip(change)
    run = up.bring_up("office")
    assert (option(up, "mtu"), option(up, "mru")) == (mtu, mtu)
    assert f"path MTU {path}\n" in (up.runtime / "office.options").read_text()
    up.call("Reload")
    assert up.state("office") == "up" and up.run_of("office") == run


def test_it_follows_the_uplink_without_a_redial(up: World) -> None:
    up.bring_up("office")
    for outside, inside in ((1300, 1256), (1400, 1356), (1500, 1456), (9000, 1456), (1300, 1256)):
        up.ip(f"link set wan0 mtu {outside}")
        wait_for_mtu(up, inside)
    up.ip("link set wan0 mtu 1500")
    wait_for_mtu(up, 1456)
    up.ip("route replace default via 192.0.2.1 metric 100 mtu 1350")
    wait_for_mtu(up, 1306)
    assert up.ordered() == []


def test_a_smaller_one_of_the_peers_is_never_passed(up: World) -> None:
    up.connecting("office")
    up.ip("link add pptp-office type veth peer name far", "link set far up", "link set pptp-office mtu 1396")
    up.ip("address add 10.9.0.2 peer 10.9.0.1/32 dev pptp-office", "link set pptp-office up")
    up.wait_for_state("office", "up")
    up.ip("link set wan0 mtu 1300")
    wait_for_mtu(up, 1256)
    up.ip("link set wan0 mtu 1500")
    wait_for_mtu(up, 1396)


@pytest.mark.parametrize("when", ["lowered", "untouched", "away"])
def test_the_next_manager_goes_on_with_it(up: World, when: str) -> None:
    up.bring_up("office")
    if when == "lowered":
        up.ip("link set wan0 mtu 1300")
        wait_for_mtu(up, 1256)
    crash(up)
    if when == "away":
        up.ip("link set wan0 mtu 1300")
    up.start()
    wait_for_mtu(up, 1456 if when == "untouched" else 1256)
    up.ip("link set wan0 mtu 1400")
    wait_for_mtu(up, 1356)
    up.ip("link set wan0 mtu 1500")
    wait_for_mtu(up, 1456)
    assert up.ordered() == []


def test_a_number_stays_and_one_that_becomes_automatic_follows(up: World) -> None:
    configure(up, "routes:", "mtu: 1460\n    mru: 1460\n    routes:")
    up.bring_up("office")
    up.ip("link set wan0 mtu 1300")
    heard(up)
    configure(up, "mtu: 1460\n    mru: 1460\n    ", "")  # it would dial just so
    wait_for_mtu(up, 1256)
    assert up.ordered() == []


def test_what_somebody_else_gave_it_stays_until_the_way_changes(up: World) -> None:
    up.bring_up("office")
    heard(up)
    up.ip("route add 203.0.113.0/24 via 192.0.2.1")
    up.call("Reload")
    assert mtu(up) == 1000
    up.ip("link set wan0 mtu 1300")
    wait_for_mtu(up, 1256)


def test_an_uplink_that_changes_while_it_dials(up: World) -> None:
    run, _ = up.connecting("office")
    up.ip("link set wan0 mtu 1300")
    up.finish("office", run)
    wait_for_mtu(up, 1256)


def test_a_link_that_comes_back_with_another_one_is_bound_by_that(up: World) -> None:
    up.bring_up("office")
    up.ip("address flush dev pptp-office")
    up.wait_for_state("office", "stopping")
    up.ip("link set pptp-office mtu 1300", "address add 10.9.0.2 peer 10.9.0.1/32 dev pptp-office")
    up.wait_for_state("office", "up")
    up.ip("link set wan0 mtu 1320")
    wait_for_mtu(up, 1276)
    up.ip("link set wan0 mtu 1500")
    wait_for_mtu(up, 1300)


# --- clamp-mss ---


def nft(up: World, *arguments: str) -> str:
    """What nft says in the daemon's network."""
    return subprocess.run(up.inside("/usr/sbin/nft", *arguments), capture_output=True, text=True, check=False).stdout


@pytest.fixture
def clamping(up: World) -> World:
    """Tunnel office wants forwarded TCP clamped."""
    configure(up, "routes:", "clamp-mss: true\n    routes:")
    return up


def test_the_rules_are_there_while_it_is_up_and_have_its_mtu(clamping: World) -> None:
    run = clamping.bring_up("office")
    until(lambda: "size set 1416" in nft(clamping, *TABLE), "the rules")
    clamping.ip("link set wan0 mtu 1300")
    until(lambda: "size set 1216" in nft(clamping, *TABLE), "the rules follow")
    disconnect = clamping.begin("Disconnect", "office")
    clamping.wait_for_order("StopUnit", "pptp@office.service", "replace")
    clamping.go_down("office", run)
    clamping.answered(disconnect)
    until(lambda: not nft(clamping, "list", "tables"), "no table")
    assert not (clamping.runtime / "nftables").exists()


def test_switched_on_and_off_while_it_is_up(up: World) -> None:
    up.bring_up("office")
    configure(up, "routes:", "clamp-mss: true\n    routes:")
    until(lambda: "pptp-office" in nft(up, *TABLE), "the rules")
    configure(up, "clamp-mss: true", "clamp-mss: false")
    until(lambda: not nft(up, "list", "tables"), "no table")
    assert up.ordered() == []


@pytest.mark.parametrize("still", [True, False])
def test_after_a_crash_the_next_manager_puts_it_right(clamping: World, still: bool) -> None:
    clamping.bring_up("office")
    until(lambda: "pptp-office" in nft(clamping, *TABLE), "the rules")
    crash(clamping)
    if not still:
        clamping.configure(clamping.config.read_text().replace("clamp-mss: true", "clamp-mss: false"))
    nft(clamping, "add", "chain", "inet", "pptp-manager", "stale")
    clamping.start()
    until(lambda: "stale" not in nft(clamping, *TABLE), "what was left is replaced or gone")
    assert ("pptp-office" in nft(clamping, *TABLE)) is still


def test_a_ruleset_that_was_flushed_is_back_after_a_reload(clamping: World) -> None:
    clamping.bring_up("office")
    until(lambda: "pptp-office" in nft(clamping, *TABLE), "the rules")
    nft(clamping, "flush", "ruleset")
    clamping.call("Reload")
    until(lambda: "pptp-office" in nft(clamping, *TABLE), "the rules")


def test_where_nobody_clamps_nft_is_not_run(up: World) -> None:
    up.program("nft", f"touch {up.directory}/asked")
    up.stop()
    up.start()
    up.bring_up("office")
    up.call("Reload")
    assert not (up.directory / "asked").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cat >/dev/null; echo 'x: Error: Operation not supported' >&2; exit 1", "Operation not supported"),
        ("cat >/dev/null; exit 3", "nft failed without a word"),
    ],
)
def test_where_it_cannot_be_the_tunnel_is_up_and_says_why(bare: World, text: str, why: str) -> None:
    bare.program("nft", text)
    bare.configure(bare.config.read_text().replace("routes:", "clamp-mss: true\n    routes:"))
    bare.start()
    warning = f"WARNING: tunnel office: forwarded TCP is not clamped: {why}"
    until(lambda: warning in bare.log(), "the manager to know before any tunnel is up")
    run, connect = bare.connecting("office")
    ready = bare.begin("Ready", "office", run, interface="org.pptpmanager1.Unit")
    bare.link_up("office")
    summary = f"through {SERVER} ({SERVER}); routes: 192.168.10.0/24; forwarded TCP is not clamped: {why}"
    assert str(bare.answered(ready)).endswith(summary)
    bare.set_unit("office", "active", "running")
    bare.answered(connect)
    until(lambda: bare.log().count(warning) == 2, "it to be told of again")
    bare.expected = [warning] * 2
