"""Faults that must change nothing, or heal by themselves; healed() is what that means."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import pytest

PROGRAMS = ["pppd", "pptpcm", "pptpgw"]
UPLINK = ("192.0.2.2/24", "dev", "uplink")
GATEWAY = ("default", "via", "192.0.2.1", "dev", "uplink")
YEAR = 365 * 86400
# What a Connect or Disconnect may end with while others say the opposite.
CROSSED = ("stopped", "has been started again before it was down", "is not up yet")


FRESH: dict[bool, int] = {}  # how many files a fresh manager has open; by whether the tunnel is up


@dataclass(frozen=True)
class Before:
    """What there was before a fault. cursor: in the journal."""

    manager: int
    pppd: int
    run: str
    cursor: str


@pytest.fixture(scope="module", autouse=True)
def fresh_manager() -> None:
    """See how many files a fresh manager has open."""
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    lab.systemctl("restart", "pptp-manager")
    FRESH[True] = settled()
    lab.systemctl("stop", "pptp@work")
    FRESH[False] = settled()
    print(f"a fresh manager's open files, with the tunnel up and down: {FRESH[True]}, {FRESH[False]}")


def settled() -> int:
    """How many files the manager has open, as soon as that does not change any more."""
    counts = [0]
    while len(counts) < 4 or len(set(counts[-4:])) > 1:
        time.sleep(0.5)
        counts.append(descriptors(lab.manager_pid()))
    return counts[-1]


@pytest.fixture(autouse=True)
def sound_manager(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a fault did to the manager for good ends with its test."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        lab.systemctl("restart", "pptp-manager")


def before(**changes: object) -> Before:
    """Have the tunnel configured, and note what there is."""
    lab.configure({"work": {**lab.ALICE, **changes}})
    return now()


def up(**changes: object) -> Before:
    """Have the tunnel up, and note what there is."""
    lab.configure({"work": {**lab.ALICE, **changes}})
    assert lab.systemctl("start", "pptp@work") == 0
    lab.wait_for(lambda: lab.state("work") == "up", "up")
    return now()


def now() -> Before:
    """What there is now."""
    manager = lab.manager_pid()
    cursor = lab.out("journalctl", "-q", "-n", "0", "--show-cursor").strip().removeprefix("-- cursor: ")
    main = int(lab.show("work", "MainPID"))
    return Before(manager, main, lab.show("work", "InvocationID"), cursor)


def descriptors(pid: int) -> int:
    """How many files the process has open; 0 when it is gone."""
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


# --- what is true ---


def facts(tunnel: str = "work") -> dict[str, object]:
    """What systemd, the manager and the kernel say of the tunnel, and all that is there because of it."""
    group = lab.show(tunnel, "ControlGroup")
    routes = lab.out("ip", "-4", "route", "show", "table", "all", "proto", "172")
    return {
        "is-active": lab.active(tunnel),
        "State": lab.state(tunnel),
        "addresses": re.findall(r"^\d+: ((?:pptp|ppp)\S*) +inet ", lab.out("ip", "-4", "-o", "address"), re.M),
        "interfaces": re.findall(r"^\d+: ((?:pptp|ppp)[^:@]*)", lab.out("ip", "-o", "link"), re.M),
        "routes": [line.strip() for line in routes.splitlines()],
        "processes": programs(Path(f"/sys/fs/cgroup{group}/cgroup.procs")) if group else [],
        "clients": sorted(name for name, pids in lab.clients().items() for _ in pids),
        "files": sorted(set(os.listdir(lab.OPTIONS)) - {"failures"}),  # why it was down before, for the next manager
        "descriptors": descriptors(lab.manager_pid()),
    }


def programs(group: Path) -> list[str]:
    """The names of a cgroup's processes."""
    found = []
    with contextlib.suppress(OSError):
        for pid in group.read_text().split():
            with contextlib.suppress(OSError):
                found.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return sorted(found)


def wanted(wanted_up: bool) -> dict[str, object]:
    """What facts() are to be: the tunnel up, or idle, and nothing left over."""
    return {
        "is-active": "active" if wanted_up else "inactive",
        "State": "up" if wanted_up else "idle",
        "addresses": ["pptp-work"] if wanted_up else [],
        "interfaces": ["pptp-work"] if wanted_up else [],
        "routes": ["192.168.10.0/24 dev pptp-work scope link"] if wanted_up else [],
        "processes": PROGRAMS if wanted_up else [],
        "clients": PROGRAMS if wanted_up else [],
        "files": ["accepted.yaml", "work.hooks", "work.options"] if wanted_up else ["accepted.yaml"],
        "descriptors": FRESH[wanted_up],
    }


def wrong(wanted_up: bool) -> str:
    """What is not as it is to be; "" when all is well."""
    found, right = facts(), wanted(wanted_up)
    bad = [f"{what}: {found[what]}, not {right[what]}" for what in right if found[what] != right[what]]
    if not bad and wanted_up and not lab.passes():
        bad = [f"no ping through {lab.INSIDE}"]
    return "; ".join(bad)


def healed(was: Before, *, seconds: float = 60, wanted_up: bool = True) -> None:
    """Wait until the tunnel is up (or idle, if not wanted_up), its state is true everywhere and nothing is left over.

    It has to stay so, and no callback of the manager may have raised an exception meanwhile.
    """
    begun = time.monotonic()
    while True:
        bad = wrong(wanted_up)
        took, run = time.monotonic() - begun, lab.show("work", "InvocationID")
        if not bad:
            time.sleep(0.7)
            bad = wrong(wanted_up)
            if not bad and lab.show("work", "InvocationID") == run:
                break
        assert took < seconds, f"not healed within {seconds:.0f} s: {bad}\n{lab.evidence()}"
        time.sleep(0.2)
    log = lab.out("journalctl", "-q", "-o", "cat", "-u", "pptp-manager", f"--after-cursor={was.cursor}")
    assert "internal error" not in log and "Traceback" not in log, log
    print(f"healed in {took:.1f} s" + (", same pppd" if lab.show("work", "MainPID") == str(was.pppd) else ""))


def untouched(was: Before) -> None:
    """The fault has changed nothing: the link is the same one."""
    assert (int(lab.show("work", "MainPID")), lab.show("work", "InvocationID")) == (was.pppd, was.run)


def kill(how: str, *pids: int) -> None:
    """Send a signal to processes."""
    for pid in pids:
        os.kill(pid, getattr(signal, f"SIG{how}"))


# --- states to meet a fault in ---


@contextlib.contextmanager
def dialling() -> Iterator[None]:
    """Have the tunnel dial; it comes up after the block."""
    with lab.drop(lab.GRE):
        lab.systemctl("start", "--no-block", "pptp@work")
        lab.wait_for(lambda: "pptpgw" in lab.clients() and lab.state("work") == "connecting", "it dials")
        yield


@contextlib.contextmanager
def pausing() -> Iterator[None]:
    """Have the tunnel wait for a pause, since its server refuses; it comes up after the block."""
    lab.systemctl("stop", "lab-pptpd@main")
    assert lab.systemctl("start", "pptp@work") == 1
    lab.wait_for(lambda: lab.state("work") == "waiting" and ". Last: " in lab.shown("work"), "a pause", 60)
    yield
    lab.systemctl("start", "lab-pptpd@main")


@contextlib.contextmanager
def networkless() -> Iterator[None]:
    """Have the tunnel wait for the network; it comes up after the block."""
    with lab.offline():
        lab.systemctl("start", "--no-block", "pptp@work")
        lab.wait_for(lambda: "Waiting for the network" in lab.shown("work"), "it waits for the network")
        yield


STATES: dict[str, tuple[Callable[[], contextlib.AbstractContextManager[None]], str]] = {
    "dialling": (dialling, "connecting"),
    "pausing": (pausing, "waiting"),
    "networkless": (networkless, "waiting"),
}


def new_manager(was: Before, word: str) -> None:
    """Wait until another manager has taken over, and calls the tunnel that."""
    lab.wait_for(lambda: lab.manager_pid() not in (0, was.manager) and lab.state("work") == word, "the next one", 60)


# --- processes that are killed or stopped ---


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_process_of_the_tunnel(program: str) -> None:
    was = up()
    kill("KILL", *lab.clients()[program])
    healed(was)
    assert lab.show("work", "InvocationID") != was.run


def test_the_manager_killed_while_up() -> None:
    was = up()
    with lab.pinging():
        kill("KILL", was.manager)
        new_manager(was, "up")
    healed(was)
    untouched(was)


@pytest.mark.parametrize("state", STATES)
def test_the_manager_killed_before_the_tunnel_is_up(state: str) -> None:
    was = before()
    held, word = STATES[state]
    with held():
        kill("KILL", was.manager)
        new_manager(was, word)
        assert lab.active("work") == "activating"
    healed(was)


def test_manager_and_pppd_killed_at_once() -> None:
    was = up()
    kill("KILL", was.manager, was.pppd)
    healed(was)


def test_a_stopped_pppd_that_goes_on() -> None:
    was = up()
    with lab.pinging():  # packets do not pass through pppd
        kill("STOP", was.pppd)
        time.sleep(2)
        kill("CONT", was.pppd)
    healed(was)
    untouched(was)


def test_a_stop_without_manager_and_server_leaves_nothing() -> None:
    """The call manager waits for a farewell, and the unit's last step for a manager that hangs."""
    was = up()
    with lab.drop(["u32", "match", "ip", "dst", f"{lab.SERVER}/32"]):
        kill("STOP", was.manager)
        try:
            assert lab.systemctl("stop", "pptp@work") == 0
            assert not lab.clients()
        finally:
            kill("CONT", was.manager)
    lab.wait_for(lambda: lab.state("work") == "idle", "the manager knows")
    kill("TERM", *lab.server_sessions())  # it has not been told


def test_a_stopped_pppd_whose_session_ends() -> None:
    """Nothing exits, and the interface stays as it is: the tunnel may be noticed now, or when pppd goes on."""
    was = up(**{"lcp-echo-interval": 1, "lcp-echo-failure": 2})
    kill("STOP", was.pppd)
    kill("TERM", *lab.server_sessions())
    lab.wait_for(lambda: "pptpgw" not in lab.clients(), "the gateway has ended")
    deadline = time.monotonic() + 15
    while (state := lab.state("work")) == "up" and time.monotonic() < deadline:
        time.sleep(0.5)
    print(f"while pppd is stopped and the link is dead: {state}")
    if lab.show("work", "MainPID") == str(was.pppd):
        kill("CONT", was.pppd)
    healed(was)


def test_a_stopped_pppd_is_replaced_by_reconnect() -> None:
    was = up()
    kill("STOP", was.pppd)
    kill("TERM", *lab.server_sessions())
    assert lab.call("Reconnect", "work").returncode == 0
    healed(was)


def test_a_pppd_stopped_while_it_dials_is_replaced() -> None:
    was = before(**{"connect-timeout": 5})
    with dialling():
        kill("STOP", *lab.clients()["pppd"])
    healed(was)


def test_a_stopped_gateway_is_noticed_by_lcp_echo() -> None:
    was = up(**{"lcp-echo-interval": 1, "lcp-echo-failure": 2})
    kill("STOP", *lab.clients()["pptpgw"])
    time.sleep(1)  # nothing shows yet
    healed(was)


# --- the machine's own daemons ---


def test_the_bus_restarted_while_up() -> None:
    was = up()
    with lab.pinging():
        assert lab.systemctl("restart", "dbus") == 0
        new_manager(was, "up")
    healed(was)
    untouched(was)
    hears_of_units(was)


@pytest.mark.parametrize("state", STATES)
def test_the_bus_restarted_before_the_tunnel_is_up(state: str) -> None:
    was = before()
    held, word = STATES[state]
    with held():
        assert lab.systemctl("restart", "dbus") == 0
        new_manager(was, word)
    healed(was)


def test_systemd_executed_anew_while_up() -> None:
    was = up()
    with lab.pinging():
        assert lab.systemctl("daemon-reexec") == 0
    healed(was)
    untouched(was)
    assert lab.manager_pid() == was.manager
    hears_of_units(was)


def test_systemd_executed_anew_in_a_pause() -> None:
    was = before()
    with pausing():
        assert lab.systemctl("daemon-reexec") == 0
        lab.wait_for(lambda: lab.active("work") == "activating" and lab.state("work") == "waiting", "a pause goes on")
    healed(was)
    assert lab.manager_pid() == was.manager


def hears_of_units(was: Before) -> None:
    """The manager hears of what systemd does: a pppd that is killed, and a stop."""
    kill("KILL", *lab.clients()["pppd"])
    healed(was)
    assert lab.systemctl("stop", "pptp@work") == 0
    healed(was, wanted_up=False)


def test_journald_restarted() -> None:
    was = up()
    with lab.pinging():
        assert lab.systemctl("restart", "systemd-journald") == 0
    healed(was)
    untouched(was)
    kill("TERM", *lab.server_sessions())
    healed(was)
    assert lab.last_error("work")[0] == "peer-hung-up", "the reason is still read from the journal"


# --- the kernel ---


@contextlib.contextmanager
def overrun(was: Before) -> Iterator[None]:
    """Have the manager stopped for the block, which has to make the kernel say more than fits its socket."""
    lost = dropped()
    kill("STOP", was.manager)
    try:
        yield
        assert dropped() > lost, "the kernel has dropped messages"
    finally:
        kill("CONT", was.manager)


def flood() -> None:
    """Make thousands of changes to routes that have nothing to do with a tunnel."""
    routes = [f"10.{77 + number // 250}.{number % 250}.0/24 dev lo" for number in range(4000)]
    with tempfile.NamedTemporaryFile("w") as batch:
        batch.writelines(f"route {word} {route}\n" for word in ("add", "del") for route in routes)
        batch.flush()
        lab.out("ip", "-batch", batch.name, timeout=120)


LISTENS = "000405d1"  # the groups of netlink.py, as /proc/net/netlink has them


def dropped() -> int:
    """How many messages the kernel could not put into a netlink socket that listens as the manager's does."""
    lines = [line.split() for line in Path("/proc/net/netlink").read_text().splitlines()]
    return sum(int(line[8]) for line in lines if line[1] == "0" and line[3] == LISTENS)


def test_a_route_removed_in_an_overrun_is_back() -> None:
    was = up()
    with overrun(was):
        flood()
        lab.out("ip", "route", "del", "192.168.10.0/24")
    healed(was)
    untouched(was)


def test_a_route_removed_before_an_overrun_is_back() -> None:
    was = up()
    with overrun(was):
        lab.out("ip", "route", "del", "192.168.10.0/24")
        flood()
    healed(was)
    untouched(was)


def test_a_network_that_went_and_came_in_an_overrun_is_there() -> None:
    """The news that it went is delivered; that it came back is lost."""
    was = up()
    with overrun(was):
        lab.out("ip", "address", "del", *UPLINK)
        flood()
        lab.out("ip", "address", "add", *UPLINK)
        lab.out("ip", "route", "add", *GATEWAY)
    healed(was)
    kill("KILL", *lab.clients()["pppd"])
    healed(was)


def test_a_link_that_went_and_came_in_an_overrun_is_kept() -> None:
    was = up()
    with overrun(was):
        lab.out("ip", "link", "set", "pptp-work", "down")
        flood()
        lab.out("ip", "link", "set", "pptp-work", "up")
    healed(was)
    time.sleep(1)
    untouched(was)


def test_a_pppd_killed_in_an_overrun() -> None:
    was = up()
    with overrun(was):
        flood()
        kill("KILL", was.pppd)
        lab.wait_for(lambda: "pptp-work" not in lab.out("ip", "-o", "link"), "its interface is gone")
    healed(was)


# --- /run, the clock ---


@contextlib.contextmanager
def full() -> Iterator[Callable[[], None]]:
    """Have no room on /run; yields what fills it again, since others remove files there."""
    ballast = Path("/run/lab-ballast")
    with ballast.open("wb", buffering=0) as file:

        def fill() -> None:
            place = os.statvfs("/run")
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), max(1, place.f_bavail * place.f_frsize))
            file.seek(0, os.SEEK_END)
            with contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass

        fill()
        try:
            yield fill
        finally:
            ballast.unlink()


def test_a_redial_with_a_full_run() -> None:
    was = up()
    with full():  # the last dial's option file leaves room for the next one's, unless somebody else takes it
        kill("TERM", *lab.server_sessions())
        lab.wait_for(lambda: lab.show("work", "InvocationID") != was.run, "the next run", 60)
        time.sleep(1)
    healed(was)


def test_a_start_with_a_full_run() -> None:
    was = before()
    with full() as fill:

        def says_so() -> bool:
            fill()
            return lab.last_error("work")[0] == "options-not-written"

        lab.systemctl("start", "--no-block", "pptp@work")
        lab.wait_for(says_so, "it says why not", 60)
        assert lab.active("work") not in ("active", "failed") and not list(lab.OPTIONS.glob("*.new"))
    healed(was)


@contextlib.contextmanager
def clock_kept() -> Iterator[None]:
    """Have the clock right again after the block."""
    offset = time.time() - time.monotonic()
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, time.monotonic() + offset)


def jump(seconds: float) -> None:
    """Set the clock forward or back."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_the_clock_set_while_up(seconds: float) -> None:
    was = up()
    with clock_kept():
        with lab.pinging():
            jump(seconds)
        healed(was)
        untouched(was)
        kill("TERM", *lab.server_sessions())
        healed(was)
        assert lab.last_error("work")[0] == "peer-hung-up", "the reason is still read from the journal"
    healed(was)


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_the_clock_set_in_a_pause(seconds: float) -> None:
    was = before()
    with clock_kept():
        with pausing():
            jump(seconds)
        healed(was, seconds=30)
    healed(was)


# --- what people do ---


CALLS = 4  # of each of five people


def test_calls_at_random() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    was = up()
    ends: Counter[str] = Counter()

    def client(number: int) -> None:
        choose = random.Random(f"{seed} {number}")
        for _ in range(CALLS):
            time.sleep(choose.uniform(0, 6))
            done = lab.call(choose.choice(["Connect", "Disconnect"]), "work", timeout=60)
            ends[done.stderr.strip() or "well"] += 1

    clients = [threading.Thread(target=client, args=(number,)) for number in range(5)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    for end, count in ends.items():
        print(f"{count:3} {end}")
    assert ends.total() == 5 * CALLS
    assert not [end for end in ends if end != "well" and not any(word in end for word in CROSSED)]
    assert lab.call("Connect", "work").returncode == 0
    healed(was)
    assert lab.call("Disconnect", "work").returncode == 0
    healed(was, wanted_up=False)


def test_a_reload_while_it_dials() -> None:
    was = before()
    with dialling():
        first = lab.show("work", "MainPID")
        lab.configure({"work": lab.ALICE})
        lab.configure({"work": {**lab.ALICE, "routes": ["192.168.10.0/24", "172.30.0.0/16"]}})
        time.sleep(1)
        assert lab.show("work", "MainPID") == first, "what changes nothing of the dial does not disturb it"
        lab.configure({"work": {**lab.ALICE, "mtu": 1300}})
        lab.wait_for(lambda: lab.show("work", "MainPID") not in ("0", first), "what changes it begins it anew")
    healed(was)
    assert "mtu 1296" in lab.out("ip", "link", "show", "pptp-work"), "less the four bytes of MPPE"
