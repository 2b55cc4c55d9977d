"""What the lab's tests do to the machine they run on: run programs, write the configuration, wait for facts.

What a test waits for is asked of the bus: a program that asks costs the guest tens of times as much, and that is taken
from what is waited for.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from gi.repository import Gio, GLib

CONFIGURATION = Path("/etc/pptp-manager.yaml")
OPTIONS = Path("/run/pptp-manager")
HOSTS = Path("/etc/hosts")
BUS = ("org.pptpmanager1", "/org/pptpmanager1", "org.pptpmanager1.Manager")
SYSTEMD = "org.freedesktop.systemd1"
SERVER = "203.0.113.1"
INSIDE = "192.168.10.1"  # reachable only through a tunnel to the lab's server
ALICE: dict[str, Any] = {"server": SERVER, "username": "alice", "password": "secret", "routes": ["192.168.10.0/24"]}

PROPERTIES = "org.freedesktop.DBus.Properties"
T = TypeVar("T")


def run(*command: str, timeout: float = 60, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run command to its end; its output goes into an AssertionError when check fails."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    assert not check or done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done


def out(*command: str, timeout: float = 60) -> str:
    """The standard output of command, which must succeed."""
    return run(*command, timeout=timeout, check=True).stdout


def wait_for(fact: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """fact()'s value as soon as it is true; AssertionError says what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if value := fact():
            return value
        now = time.monotonic()
        assert now < deadline, f"not within {seconds} s: {what}\n{evidence()}"
        time.sleep(max(0.05, now - asked))  # half of the guest's time is for what is waited for


def evidence() -> str:
    """The last of the journal, for the message of a test that fails."""
    return run("journalctl", "--no-pager", "-n", "60", "-o", "short-precise").stdout


def systemctl(*arguments: str, timeout: float = 90) -> int:
    """systemctl's exit status."""
    return run("systemctl", *arguments, timeout=timeout).returncode


def unit(tunnel: str) -> str:
    """The name of the tunnel's unit."""
    return f"pptp@{tunnel}.service"


def ask(service: str, path: str, method: str, *texts: str) -> Any:
    """The reply of a method of a service on the bus, whose arguments are texts. Raises GLib.Error."""
    # A connection of its own, since tests restart the bus.
    kind = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM)
    con = Gio.DBusConnection.new_for_address_sync(address, kind, None, None)
    try:
        interface, _, name = method.rpartition(".")
        arguments = GLib.Variant(f"({'s' * len(texts)})", texts)
        words = (service, path, interface, name, arguments, None, Gio.DBusCallFlags.NONE, 60_000, None)
        return con.call_sync(*words).unpack()
    finally:
        con.close_sync()


def show(tunnel: str, name: str) -> str:
    """A property of the tunnel's unit, as `systemctl show` has it."""
    value = of_unit(unit(tunnel), name)
    return bytes(value).hex() if isinstance(value, list) else str(value)


def of_unit(unit: str, name: str) -> Any:
    """A property of a service; asked again while the bus is restarted, or systemd executes itself anew."""
    kind = "Unit" if name in ("ActiveState", "SubState", "InvocationID") else "Service"

    def told() -> tuple[Any] | None:
        with contextlib.suppress(GLib.Error):
            return cast(tuple[Any], ask(SYSTEMD, object_of(unit), PROPERTIES + ".Get", f"{SYSTEMD}.{kind}", name))
        return None

    return wait_for(told, f"systemd to tell {name} of {unit}", 10)[0]


@functools.cache
def object_of(unit: str) -> str:
    """The unit's object, which is always the same one."""
    return str(ask(SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD + ".Manager.LoadUnit", unit)[0])


def serving() -> None:
    """Have the lab's server run."""
    if of_unit("lab-pptpd@main.service", "ActiveState") != "active":
        out("systemctl", "start", "lab-pptpd@main")


def all_stopped() -> None:
    """Have no tunnel's unit run, or wait to, or be failed."""
    if states() - {("inactive", 0)}:
        systemctl("stop", "pptp@*.service")
    if states() - {("inactive", 0)}:
        systemctl("reset-failed", "pptp@*.service")


def states() -> set[tuple[str, int]]:
    """What systemd says of the tunnels' units: ActiveState, and the job that waits for each, or 0."""
    units = ask(SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD + ".Manager.ListUnits")[0]
    return {(state, job) for name, _, _, state, _, _, _, job, _, _ in units if name.startswith("pptp@")}


def active(tunnel: str) -> str:
    """What `systemctl is-active` says of the tunnel's unit."""
    return show(tunnel, "ActiveState")


def shown(tunnel: str) -> str:
    """The "Status" of `systemctl status`."""
    return show(tunnel, "StatusText")


def status(tunnel: str) -> str:
    """What `systemctl status` shows of the tunnel's unit."""
    return run("systemctl", "status", "--no-pager", "--full", "--lines=50", unit(tunnel)).stdout


def call(method: str, *arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Call a method of the manager whose arguments are texts, as `busctl call` does."""
    signature = ["s" * len(arguments), *arguments] if arguments else []
    return run("busctl", f"--timeout={timeout:.0f}", "call", *BUS, method, *signature, timeout=timeout + 5)


def tunnels() -> list[str]:
    """The objects of the tunnels on D-Bus, also of one that is not configured any more but not forgotten yet."""
    return sorted(ask(BUS[0], BUS[1], "org.freedesktop.DBus.ObjectManager.GetManagedObjects")[0])


def state(tunnel: str) -> str:
    """The tunnel's State on D-Bus; "" when there is no such object."""
    return str(get(tunnel, "State"))


def get(tunnel: str, name: str) -> Any:
    """A property of the tunnel on D-Bus; "" when there is none."""
    with contextlib.suppress(GLib.Error):
        return ask(BUS[0], f"{BUS[1]}/tunnel/{tunnel}", PROPERTIES + ".Get", "org.pptpmanager1.Tunnel", name)[0]
    return ""


def last_error(tunnel: str, since: float = 0.0) -> tuple[str, str, str]:
    """Name, sentence and advice of the tunnel's LastError; "" for one before since, which is of time.time()."""
    name, sentence, advice, when = get(tunnel, "LastError") or ("", "", "", 0)
    return (name, sentence, advice) if when >= since * 1e6 else ("", "", "")


def doctor(*names: str, user: str = "root") -> tuple[int, list[dict[str, str]]]:
    """What `pptpctl doctor` ends with when that user runs it, and what it finds."""
    done = run("runuser", "-u", user, "--", "pptpctl", "doctor", "--json", *names)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)["findings"]


def amiss(found: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """Check, result and finding of all that is not ok."""
    return [(told["check"], told["result"], told["finding"]) for told in found if told["result"] != "ok"]


def configure(tunnels: dict[str, dict[str, Any]], **changes: Any) -> None:
    """Write the configuration and have it read. changes: to every tunnel."""
    write({name: {**tunnel, **changes} for name, tunnel in tunnels.items()})
    try:
        ask(BUS[0], BUS[1], BUS[2] + ".Reload")
    except GLib.Error as error:
        raise AssertionError(f"{error.message}\n{evidence()}") from error


def write(tunnels: dict[str, dict[str, Any]]) -> None:
    """Write the configuration: JSON is YAML."""
    CONFIGURATION.write_text(json.dumps({"tunnels": tunnels}, indent=1, ensure_ascii=False))
    CONFIGURATION.chmod(0o600)


def routes() -> str:
    """All routes of all tables, rules and addresses, to the letter; of IPv6 without what the kernel counts down."""
    shown = "route show table all\nrule\naddress\n"
    four, six = (
        subprocess.run(["ip", "-d", family, "-batch", "-"], input=shown, stdout=subprocess.PIPE, text=True, check=True)
        for family in ("-4", "-6")
    )
    return four.stdout + re.sub(r" expires \S+| hoplimit \S+", "", six.stdout)


def settled() -> str:
    """routes(), once a young boot is over: the kernel tells of carriers and IPv6 addresses up to a second late."""
    words = ("linkdown", "NO-CARRIER", "DOWN ", "tentative")
    wait_for(lambda: not any(word in routes() for word in words) and "fe80:" in routes(), "carriers and addresses")
    return routes()


def route_of(prefix: str) -> str:
    """The lines of the main table that begin with prefix."""
    return "".join(line + "\n" for line in out("ip", "route").splitlines() if line.split(" ")[0] == prefix)


def passes(address: str = INSIDE, *options: str) -> bool:
    """Whether one ping gets through."""
    return run("ping", "-n", "-c", "1", "-W", "2", *options, address).returncode == 0


@contextlib.contextmanager
def pinging(address: str = INSIDE, lost: int = 0) -> Iterator[None]:
    """A ping every 100 ms while the block runs; fails when one gets lost, or more than so many."""
    ping = subprocess.Popen(["ping", "-n", "-i", "0.1", "-W", "2", address], stdout=subprocess.PIPE, text=True)
    try:
        yield
        time.sleep(0.7)  # for some pings after what was done
    finally:
        ping.send_signal(signal.SIGINT)
        text, _ = ping.communicate(timeout=20)
    counts = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    assert counts, text
    print(f"pings sent and answered: {counts[1]}, {counts[2]}")
    # The last one may have been sent in the moment of the end.
    assert int(counts[1]) - int(counts[2]) <= 1 + lost and int(counts[1]) > 3, text
    sequence = [int(number) for number in re.findall(r"icmp_seq=(\d+)", text)]
    assert sequence == sorted(sequence) and sequence[-1] - len(sequence) <= lost, text


def journal(tunnel: str, since: float) -> str:
    """What `journalctl -u` shows of the tunnel's unit since that time (time.time())."""
    return journalctl("-o", "cat", "-u", unit(tunnel), f"--since=@{since:.6f}")


def journalctl(*words: str) -> str:
    """What journalctl shows, when journald has taken all that has been logged."""
    out("journalctl", "--sync")
    return out("journalctl", "-q", *words)


def manager_pid() -> int:
    """The manager's process."""
    return int(of_unit("pptp-manager.service", "MainPID"))


def server_sessions() -> list[int]:
    """The processes of the pppds on the server's side."""
    return [pid for pid in pids("pppd") if same_network(pid, "server")]


def clients() -> dict[str, list[int]]:
    """The PPP processes on this side, by program."""
    found = {
        name: [pid for pid in pids(name) if same_network(pid, "")] for name in ("pppd", "pptp", "pptpgw", "pptpcm")
    }
    return {name: pids for name, pids in found.items() if pids}


def pids(comm: str) -> list[int]:
    """The processes of that name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == comm:
                found.append(int(path.parent.name))
    return found


def same_network(pid: int, namespace: str) -> bool:
    """Whether the process is in the network namespace of that name; "": in ours."""
    ours = os.stat(f"/run/netns/{namespace}" if namespace else "/proc/self/ns/net")
    with contextlib.suppress(OSError):
        theirs = os.stat(f"/proc/{pid}/ns/net")
        return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)
    return False


@contextlib.contextmanager
def drop(match: list[str], device: str = "uplink") -> Iterator[None]:
    """Drop the packets that leave by device and match that (tc-flower(8) or tc-u32(8) words)."""
    out("tc", "qdisc", "add", "dev", device, "clsact")
    try:
        for direction in ("ingress", "egress"):
            out("tc", "filter", "add", "dev", device, direction, "protocol", "ip", *match, "action", "drop")
        yield
    finally:
        out("tc", "qdisc", "del", "dev", device, "clsact")


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Have no network: the uplink without its address, and so without the default route."""
    out("ip", "address", "del", "192.0.2.2/24", "dev", "uplink")
    try:
        yield
    finally:
        out("ip", "address", "add", "192.0.2.2/24", "dev", "uplink")
        out("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "uplink")


GRE = ["u32", "match", "ip", "protocol", "47", "0xff"]
