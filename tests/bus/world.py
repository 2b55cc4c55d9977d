"""A network namespace, a bus, a systemd and the daemon, for one test."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
from ast import literal_eval
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib

from .clients import PROPERTIES, ROOT, Client, Pending, RemoteError, Signal, private_bus, until
from .zygote import PROGRAMS, Forked, Order, Zygote, stand_in

NAME, PATH = "org.pptpmanager1", "/org/pptpmanager1"
MANAGER, UNIT, TUNNEL = NAME + ".Manager", NAME + ".Unit", NAME + ".Tunnel"
ERROR = NAME + ".Error."
SYSTEMD, TEST, TEST_PATH = "org.freedesktop.systemd1", "org.test.Systemd", "/test"
SYSTEMD_UNIT = SYSTEMD + ".Unit"
SERVER = "198.51.100.7"
CANARY = "canary!7Q"
# The stand-in of journalctl has all of its lines at once, and mostly not the one that pppd ends with.
PATIENCE = "from pptpd_manager import journal; journal.PATIENCE_MS = (60, 500)"
PID = 4711  # of the units' main processes

CONFIG = f"""\
tunnels:
  office:
    server: {SERVER}
    username: alice
    password: '{CANARY}'
    routes: [192.168.10.0/24]
  home:
    server: 198.51.100.8
    username: bob
    password: '{CANARY}'
"""

# wan0 leads to the world. The programs that the manager looks for, or runs, are stand-ins: $1 is their directory.
NETWORK = """
mount -t sysfs sysfs /sys
mount --bind "$1" /usr/local/sbin
ip -batch - <<IP
link set lo up
link add wan0 type veth peer name far0
link set far0 up
link set wan0 up
address add 192.0.2.2/24 dev wan0
route add default via 192.0.2.1 metric 100
IP
echo ready
exec cat
"""


class World:
    """What a test acts with. ip(), bus calls, the units' gate, and the daemon as a process."""

    def __init__(self, directory: Path, stack: ExitStack, zygote: Zygote) -> None:
        self.directory, self.stack, self.zygote = directory, stack, zygote
        self.config, self.runtime, self.programs = (
            directory / "pptp-manager.yaml",
            directory / "run",
            directory / "bin",
        )
        self.programs.mkdir()
        for program in ("pppd", "pptp"):
            self.program(program, "exit 1")
        self.program("journalctl", f"cat {shlex.quote(str(directory / 'journal'))}")
        self.journal("pppd: Exit.")
        self.configure(CONFIG)
        self.expected: list[str] = []  # what the daemon logs at warning level and above
        self.daemon: subprocess.Popen[bytes] | Forked | None = None
        self.notify = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        self.notify.bind(str(directory / "notify"))
        self._notified: list[str] = []  # read as it comes: the daemon would wait for room in a full socket
        watch = GLib.io_add_watch(self.notify.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, self._read_notify)
        stack.callback(GLib.source_remove, watch)
        holder = self._hold_namespace()
        self.namespace = holder.pid
        self.address, self.bus = stack.enter_context(private_bus())
        self.client = self.connect()
        self.systemd = self.forked(stand_in("fake_systemd", self.address))
        assert holder.stdout and holder.stdout.readline() == b"ready\n"
        until(lambda: self.client.owner(SYSTEMD), "the stand-in of systemd")

    # --- processes ---

    def process(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """A process that ends with the test."""
        process = self.stack.enter_context(subprocess.Popen(command, **options))
        self.stack.callback(process.kill)
        return process

    def forked(self, order: Order, stderr: int = 2) -> Forked:
        """The same of the zygote's."""
        return self.stack.enter_context(self.zygote.forked(order, stderr))

    def _hold_namespace(self) -> subprocess.Popen[bytes]:
        command = ["unshare", "--net", "--mount", "sh", "-euc", NETWORK, "sh", str(self.programs)]
        return self.process(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def inside(self, *command: str) -> list[str]:
        """command, to be run in the namespaces."""
        namespaces = [
            f"--{kind}=/proc/{self.namespace}/ns/{file}" for kind, file in (("net", "net"), ("mount", "mnt"))
        ]
        return ["nsenter", *namespaces, *command]

    def ip(self, *lines: str) -> str:
        """Run the lines by ip(8); what that prints."""
        command = self.inside("ip", "-batch", "-")
        done = subprocess.run(command, input="\n".join(lines), stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    def routes(self) -> list[str]:
        """The routes of the main table that are not the kernel's own, as ip(8) shows them."""
        return [line.strip() for line in self.ip("route").splitlines() if "proto kernel" not in line]

    def program(self, name: str, text: str) -> None:
        """Put a stand-in for a program in the daemon's path."""
        (self.programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.programs / name).chmod(0o755)

    def journal(self, *lines: str) -> None:
        """What journalctl finds of every run from now on: lines "PROGRAM: TEXT"."""
        split = [line.split(": ", 1) for line in lines]
        entries = [{"SYSLOG_IDENTIFIER": name, "MESSAGE": text, "_PID": str(PID), "_UID": "0"} for name, text in split]
        (self.directory / "journal").write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    def configure(self, text: str, mode: int = 0o600) -> None:
        """Write the configuration file."""
        self.config.write_text(text)
        self.config.chmod(mode)

    # --- the daemon ---

    def start(self, *arguments: str, patch: str = "", program: bool = False) -> None:
        """Start the daemon and wait until it is ready.

        patch: Python that is run in it first. program: start Python for it, so that /proc shows its own command line.
        """
        self.spawn(*arguments, patch=patch, program=program)
        assert self.daemon
        process = self.daemon
        until(lambda: process.poll() is not None or "READY=1" in self._notified, "the daemon to be ready")
        assert process.poll() is None, self.log()
        self.problems()  # by then all that it told the bus before has come here, too; READY=1 came another way

    def spawn(self, *arguments: str, patch: str = "", program: bool = False) -> None:
        """Start the daemon."""
        code = f"import sys\nfrom pptpd_manager.__main__ import main\n{PATIENCE}\n{patch}\nsys.exit(main())"
        words = ("--config", str(self.config), "--runtime", str(self.runtime), *arguments)
        environment = {
            "PATH": PROGRAMS,
            "PYTHONPATH": str(ROOT),
            "DBUS_SYSTEM_BUS_ADDRESS": self.address,
            "NOTIFY_SOCKET": str(self.directory / "notify"),
        }
        self._notified.clear()
        with (self.directory / "log").open("ab") as log:
            if program:
                command = self.inside("/usr/bin/python3", "-c", code, *words)
                self.daemon = self.process(*command, env=environment, stderr=log)
            else:
                self.daemon = self.forked(Order(code, words, environment, self.namespace), log.fileno())

    def stop(self) -> None:
        """End the daemon as systemd does, if it runs; what it logged must be what was expected."""
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            assert self.daemon.wait(10) == 0
        noted = [line for line in self.log().splitlines() if not line.startswith(("INFO: ", "DEBUG: "))]
        if noted != self.expected:
            pytest.fail("\n".join(["the daemon logged:", *noted, "and not:", *self.expected]))

    def log(self) -> str:
        """What the daemons of this test wrote to stderr."""
        path = self.directory / "log"
        return path.read_text() if path.exists() else ""

    def memory(self) -> int:
        """The daemon's resident memory in bytes."""
        assert self.daemon
        fields = Path(f"/proc/{self.daemon.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    def descriptors(self) -> int:
        """How many files the daemon has open."""
        assert self.daemon
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def notified(self, last: str) -> list[str]:
        """What the daemon tells systemd by sd_notify, since the last time and up to last."""
        until(lambda: last in self._notified, f"systemd to be told {last}")
        end = self._notified.index(last) + 1
        found, self._notified = self._notified[:end], self._notified[end:]
        return found

    def _read_notify(self, *_arguments: object) -> bool:
        while True:
            try:
                self._notified.append(self.notify.recv(4096).decode())
            except BlockingIOError:
                return True

    # --- the bus ---

    def connect(self) -> Client:
        """One more client."""
        client = Client(self.address)
        self.stack.callback(client.close)
        return client

    def connect_as(self, uid: int, *groups: int) -> Client:
        """A client of that user: the bus takes the credentials of the moment in which a connection is made."""
        before = os.getgroups()
        os.setgroups(groups)
        os.setegid(uid)
        os.seteuid(uid)
        try:
            return self.connect()
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(before)

    def begin(self, method: str, *arguments: str, interface: str = MANAGER) -> Pending:
        """Call a method of /org/pptpmanager1 whose arguments are texts."""
        return self.client.begin(NAME, PATH, f"{interface}.{method}", f"({'s' * len(arguments)})", *arguments)

    def call(self, method: str, *arguments: str, interface: str = MANAGER) -> Any:
        """Call a method of /org/pptpmanager1 and wait. Raises RemoteError."""
        pending = self.begin(method, *arguments, interface=interface)
        self.answered(pending, method)
        return pending.outcome()

    def answered(self, pending: Pending, what: str = "an answer") -> Any:
        """Wait for the call's end. Raises RemoteError."""
        until(lambda: pending.done, what)
        return pending.outcome()

    def error(self, pending: Pending) -> RemoteError:
        """Wait for the call's end, which has to be an error."""
        until(lambda: pending.done, "an error")
        assert pending.error, f"answered with {pending.value!r}"
        return pending.error

    def properties(self, tunnel: str) -> dict[str, Any]:
        """A tunnel's properties."""
        found = self.client.call(NAME, tunnel_path(tunnel), PROPERTIES + ".GetAll", "(s)", TUNNEL)
        assert isinstance(found, dict)
        return found

    def state(self, tunnel: str) -> str:
        """A tunnel's State."""
        return str(self.properties(tunnel)["State"])

    def wait_for_state(self, tunnel: str, state: str) -> None:
        """Wait until the tunnel tells that it is in that state, or find it there."""
        if self.state(tunnel) != state:
            until(
                lambda: [s for s in self.told(tunnel, "StateChanged") if s[0] == state],
                f"tunnel {tunnel} to be {state}",
            )

    def problems(self) -> list[str]:
        """ConfigurationProblems."""
        found = self.client.call(NAME, PATH, PROPERTIES + ".Get", "(ss)", MANAGER, "ConfigurationProblems")
        return list(found)

    def told(self, tunnel: str, member: str) -> list[tuple[Any, ...]]:
        """The arguments of a tunnel's signals since forget()."""
        path = tunnel_path(tunnel)
        return [s.arguments for s in self.client.signals if (s.path, s.member) == (path, member)]

    def changes(self, tunnel: str) -> list[dict[str, Any]]:
        """The property changes that the tunnel told since forget()."""
        told = self.told(tunnel, "PropertiesChanged")
        assert all((interface, gone) == (TUNNEL, []) for interface, _, gone in told)
        return [changed for _, changed, _ in told]

    def managed(self) -> list[Signal]:
        """What the object manager told since forget()."""
        return [s for s in self.client.signals if s.interface == "org.freedesktop.DBus.ObjectManager"]

    def forget(self) -> None:
        """Take no more notice of the signals up to now."""
        self.client.signals.clear()

    # --- systemd ---

    def ordered(self) -> list[tuple[str, ...]]:
        """The calls to systemd since forget(), but for those that ask only."""
        called = [s.arguments for s in self.client.signals if (s.interface, s.member) == (TEST, "Called")]
        asking = ("Subscribe", "ListUnitsByPatterns", "ResetFailedUnit", "StartTransientUnit", "UnrefUnit")
        return [(method, *arguments) for method, arguments in called if method not in asking]

    def wait_for_order(self, *order: str) -> None:
        """Wait until systemd has been called so."""
        until(lambda: order in self.ordered(), f"systemd to be told {order}")

    def wait_for_call(self, method: str, *arguments: str) -> None:
        """The same of any call, also one that ordered() leaves out."""
        expected = (method, list(arguments))
        until(lambda: expected in [s.arguments for s in self.client.signals if s.member == "Called"], f"a {method}")

    def behave(self, method: str, how: str) -> None:
        """Have the stand-in answer a method "well", "hold" or "queue" it, or "fail" it."""
        self.client.call(SYSTEMD, TEST_PATH, TEST + ".Behave", "(ss)", method, how)

    def release(self) -> None:
        """Have the stand-in answer what it holds."""
        self.client.call(SYSTEMD, TEST_PATH, TEST + ".Release")

    def set_unit(self, tunnel: str, active: str, sub: str, *, new_run: bool = False) -> str:
        """Have a unit be in a state; its invocation id."""
        return str(self.client.call(SYSTEMD, TEST_PATH, TEST + ".Set", "(sssb)", tunnel, active, sub, new_run))

    def enqueue(self, tunnel: str) -> None:
        """Have a job wait that starts the unit."""
        self.client.call(SYSTEMD, TEST_PATH, TEST + ".Enqueue", "(s)", tunnel)

    def main_ended(self, tunnel: str, code: int, status: int) -> None:
        """Have the main process of the unit have ended so."""
        self.client.call(SYSTEMD, TEST_PATH, TEST + ".Ended", "(sii)", tunnel, code, status)

    def run_of(self, tunnel: str) -> str:
        """The invocation id of a unit."""
        path = f"/org/freedesktop/systemd1/unit/pptp_40{tunnel}_2eservice"
        return bytes(self.client.call(SYSTEMD, path, PROPERTIES + ".Get", "(ss)", SYSTEMD_UNIT, "InvocationID")).hex()

    def active(self, tunnel: str) -> str:
        """The ActiveState of a unit."""
        path = f"/org/freedesktop/systemd1/unit/pptp_40{tunnel}_2eservice"
        return str(self.client.call(SYSTEMD, path, PROPERTIES + ".Get", "(ss)", SYSTEMD_UNIT, "ActiveState"))

    def services(self) -> list[tuple[str, dict[str, Any]]]:
        """The transient services that systemd was told to run since forget(): names and properties."""
        called = [s.arguments for s in self.client.signals if (s.interface, s.member) == (TEST, "Called")]
        return [(a[0], dict(literal_eval(a[2]))) for method, a in called if method == "StartTransientUnit"]

    def finish_service(self, unit: str, result: str = "success", *ends: tuple[int, int, int]) -> None:
        """Have a transient service end so. ends: of its commands that were begun: code, status, seconds."""
        self.client.call(SYSTEMD, TEST_PATH, TEST + ".Finish", "(ssa(iit))", unit, result, list(ends or [(1, 0, 0)]))

    def print_as_service(self, unit: str, text: bytes) -> None:
        """Have a transient service write to the output that it was given."""
        self.client.call(SYSTEMD, TEST_PATH, TEST + ".Print", "(say)", unit, text)

    # --- a tunnel ---

    def link_up(self, tunnel: str, local: str = "10.9.0.2", peer: str = "10.9.0.1") -> None:
        """What pppd does when IPCP is up."""
        self.ip(
            f"link add pptp-{tunnel} type veth peer name far-{tunnel}",
            f"link set far-{tunnel} up",
            f"link set pptp-{tunnel} mtu 1456",
            f"address add {local} peer {peer}/32 dev pptp-{tunnel}",
            f"link set pptp-{tunnel} up",
        )

    def link_down(self, tunnel: str) -> None:
        """What happens when pppd ends."""
        self.ip(f"link delete pptp-{tunnel}")

    def ask_to_dial(self, tunnel: str, run: str, seen: str = "") -> Pending:
        """Ask for the verdict as the unit's main process does."""
        return self.client.begin(NAME, PATH, UNIT + ".Dial", "(ssus)", tunnel, run, PID, seen)

    def dial(self, tunnel: str, run: str, seen: str = "") -> str:
        """Ask for the verdict as the unit's main process does, and wait for it."""
        return str(self.answered(self.ask_to_dial(tunnel, run, seen), "the verdict"))

    def dial_again(self, tunnel: str, run: str) -> None:
        """Ask as often as pptp-unit does, once more after each thing to wait for, until it is to dial."""
        verdict = self.dial(tunnel, run)
        while verdict.startswith("wait "):
            verdict = self.dial(tunnel, run, verdict.removeprefix("wait "))
        assert verdict.startswith("dial "), verdict

    def ended(self, tunnel: str, run: str, code: str = "exited", status: str = "5") -> None:
        """Tell of the end of a run as ExecStopPost= does, and wait for the answer."""
        self.call("Ended", tunnel, run, code, status, interface=UNIT)

    def connecting(self, tunnel: str) -> tuple[str, Pending]:
        """Connect the tunnel as far as pppd: its run and the pending Connect."""
        connect = self.begin("Connect", tunnel)
        self.wait_for_order("StartUnit", f"pptp@{tunnel}.service", "replace")
        run = self.run_of(tunnel)
        assert self.dial(tunnel, run).startswith("dial ")
        return run, connect

    def bring_up(self, tunnel: str, local: str = "10.9.0.2", peer: str = "10.9.0.1") -> str:
        """Connect the tunnel, play its unit, and wait until it is up; its run."""
        run, connect = self.connecting(tunnel)
        self.finish(tunnel, run, local, peer)
        self.answered(connect, "Connect")
        self.forget()
        return run

    def finish(self, tunnel: str, run: str, local: str = "10.9.0.2", peer: str = "10.9.0.1") -> None:
        """From pppd's dial to the active unit."""
        ready = self.begin("Ready", tunnel, run, interface=UNIT)
        self.link_up(tunnel, local, peer)
        assert self.answered(ready, "Ready").startswith("up ")
        self.set_unit(tunnel, "active", "running")

    def go_down(self, tunnel: str, run: str) -> None:
        """Play the stop of a unit that systemd was told to stop."""
        self.link_down(tunnel)
        self.ended(tunnel, run)
        self.set_unit(tunnel, "inactive", "dead")


def tunnel_path(tunnel: str) -> str:
    """The object of a tunnel whose name has letters alone."""
    return f"{PATH}/tunnel/{tunnel}"


@contextmanager
def world(directory: Path, zygote: Zygote) -> Iterator[World]:
    """All of it but the daemon, and nothing left of it."""
    with ExitStack() as kept:
        with ExitStack() as stack:
            made = World(directory, stack, zygote)
            # While it is open here, no namespace of another test gets its number.
            network = kept.enter_context(open(f"/proc/{made.namespace}/ns/net", "rb")).fileno()
            yield made
            made.stop()
        inode = os.fstat(network).st_ino
        until(lambda: inode not in {found for _, found in namespaces()}, "the last process in the namespace to end")


def namespaces() -> Iterator[tuple[str, int]]:
    """(process id, inode of its network namespace) of each process there is."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            yield process, os.stat(f"/proc/{process}/ns/net").st_ino
        except OSError:  # it has ended
            continue


def children(process: int | str = "self") -> list[str]:
    """A process's children, zombies too."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]
