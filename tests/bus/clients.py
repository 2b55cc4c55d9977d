"""A private bus, and clients of it that wait for facts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from gi.repository import Gio, GLib

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 10.0
TICK_MS = 10  # how often facts are looked at that no message tells of
PROPERTIES = "org.freedesktop.DBus.Properties"

# Debian's system.conf in short, with our policy; root may do everything.
BUS = """<busconfig>
  <type>system</type>
  <listen>unix:path={directory}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow send_type="method_call"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


class RemoteError(Exception):
    """A call that was answered with an error. It equals one with the same name and message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteError) and other.args == self.args

    __hash__ = Exception.__hash__


@dataclass(frozen=True)
class Signal:
    """One that came by."""

    path: str
    interface: str
    member: str
    arguments: tuple[Any, ...]


class Pending:
    """A call that may not be answered yet."""

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: RemoteError | None = None

    def outcome(self) -> Any:
        """The reply's one value, or None, or its values. Raises RemoteError."""
        assert self.done, "not answered"
        if self.error:
            raise self.error
        return self.value


def until(fact: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """Run the loop until fact() is true, and return that; fail the test at the deadline."""
    over: list[bool] = []
    context = GLib.MainContext.default()
    tick = GLib.timeout_add(TICK_MS, lambda: True)
    deadline = GLib.timeout_add(round(seconds * 1000), lambda: over.append(True))
    try:
        while not (found := fact()):
            if over:
                pytest.fail(f"waited {seconds} s in vain for {what}")
            context.iteration(True)
    finally:
        GLib.source_remove(tick)
        if not over:
            GLib.source_remove(deadline)
    return found


class Client:
    """A connection that notes every signal."""

    def __init__(self, address: str) -> None:
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.con = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.signals: list[Signal] = []
        none = Gio.DBusSignalFlags.NONE
        self._watch = self.con.signal_subscribe(None, None, None, None, None, none, self._signalled)

    def close(self) -> None:
        """Leave the bus."""
        self.con.signal_unsubscribe(self._watch)
        if not self.con.is_closed():
            self.con.close_sync(None)

    def _signalled(
        self, _con: Any, _sender: str, path: str, interface: str, member: str, parameters: GLib.Variant
    ) -> None:
        self.signals.append(Signal(path, interface, member, parameters.unpack()))

    def begin(
        self,
        name: str,
        path: str,
        method: str,
        signature: str = "()",
        *arguments: Any,
        flags: Gio.DBusCallFlags = Gio.DBusCallFlags.NONE,
    ) -> Pending:
        """Call a method, INTERFACE.MEMBER, and go on."""
        pending = Pending()

        def answered(con: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
            pending.done = True
            try:
                values = con.call_finish(result).unpack()
                pending.value = values if len(values) > 1 else values[0] if values else None
            except GLib.Error as error:
                remote = Gio.DBusError.get_remote_error(error) or error.domain
                pending.error = RemoteError(remote, error.message.removeprefix(f"GDBus.Error:{remote}: "))

        interface, _, member = method.rpartition(".")
        variant = GLib.Variant(signature, arguments)
        self.con.call(name, path, interface, member, variant, None, flags, GLib.MAXINT, None, answered)
        return pending

    def call(self, name: str, path: str, method: str, signature: str = "()", *arguments: Any) -> Any:
        """Call a method and wait for its answer. Raises RemoteError."""
        pending = self.begin(name, path, method, signature, *arguments)
        until(lambda: pending.done, f"the answer to {method}")
        return pending.outcome()

    def owner(self, name: str) -> bool:
        """Whether somebody owns the name."""
        bus = "org.freedesktop.DBus"
        return bool(self.call(bus, "/org/freedesktop/DBus", bus + ".NameHasOwner", "(s)", name))


@contextmanager
def private_bus() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A dbus-daemon with our policy, whom any user can reach: its address and process."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="pptp-manager-bus-")))
        directory.chmod(0o755)
        config = directory / "bus.conf"
        config.write_text(BUS.format(directory=directory, policy=ROOT / "systemd/org.pptpmanager1.conf"))
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address"]
        daemon = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        try:
            assert daemon.stdout
            address = daemon.stdout.readline().decode().strip()
            assert address
            yield address, daemon
        finally:
            daemon.kill()


def own_memory() -> int:
    """Bytes of this process that no other one has."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


def never(*_arguments: Any) -> NoReturn:
    """For a callback that must not be called."""
    pytest.fail("called")
