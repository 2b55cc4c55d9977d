"""What a manager has to endure: link changes, D-Bus calls and real reconnects, each in steps."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import commands as lab
import fleet
import flood
from gi.repository import Gio, GLib

LINK_CHANGES, CALLS, RECONNECTS = 5000, 1000, 50  # in a step
TUNNELS = 5
SPARE = "spare"  # a tunnel that is never up
NOBODY = 65534
AT_ONCE = 10  # calls of one caller that wait
BATCH = 100  # link changes before the manager is asked something, so that it hears of each


def configured() -> dict[str, dict[str, object]]:
    """The tunnels: each with something that costs the manager more."""
    tunnels = fleet.tunnels(TUNNELS, apart=True)
    more: list[dict[str, object]] = [
        {"hooks": {"up": ["/bin/true"], "down": ["/bin/true"]}},
        {"guard": True},
        {"table": 100, "rules": [{"uid-range": "1000-1999"}]},
    ]
    for name, keys in zip(tunnels, more, strict=False):
        tunnels[name] |= keys
    return {**tunnels, SPARE: {**lab.ALICE, "server": fleet.server(TUNNELS, apart=True), "routes": []}}


def change_links() -> None:
    """A step of link changes."""
    made = ["link add brief type dummy", "link set brief up", "link set brief down", "link delete brief"]
    made[2:2] = ["address add 10.66.0.1/24 dev brief", "route add 10.67.0.0/16 dev brief"]
    lines = [*made, "link set lasting up", "link set lasting down"]
    changes = [line.startswith("link") for line in lines]
    lasting = ["ip", "-batch", "-"]
    for _ in range(LINK_CHANGES // BATCH):
        batch = lines * (BATCH // sum(changes)) + lines[-2:] * (BATCH % sum(changes) // 2)
        subprocess.run(lasting, input="\n".join(batch), text=True, check=True)
        lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".ListTunnels")


@contextlib.contextmanager
def lasting_link() -> Iterator[None]:
    """A tun link is there while the block runs."""
    lab.out("ip", "tuntap", "add", "lasting", "mode", "tun")
    try:
        yield
    finally:
        lab.out("ip", "link", "delete", "lasting")


class Callers:
    """Root and a user who may not, each with a connection that lasts."""

    def __init__(self) -> None:
        address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM)
        root = flood.Flood(address, 1, SPARE)
        os.seteuid(NOBODY)
        try:
            nobody = flood.Flood(address, 1, SPARE)
        finally:
            os.seteuid(0)
        self._callers = root, nobody
        names = {"Connect": fleet.name(1), "Disconnect": SPARE}
        more = [(lab.BUS[1], lab.BUS[2], method, GLib.Variant("(s)", (name,))) for method, name in names.items()]
        nobody.kinds += more
        # Root's Dial would be taken for that of a unit, and wait for its turn; to connect is a matter of reconnects.
        root.kinds = [kind for kind in nobody.kinds if kind[2] not in ("Dial", "Connect")] + more

    def step(self) -> None:
        """A step of calls."""
        context = GLib.MainContext.default()
        for number in range(CALLS):
            caller = self._callers[number % len(self._callers)]
            if number % 100 == 0:
                lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".Reload")
            caller.send()
            while caller.sent - caller.answered > AT_ONCE:
                context.iteration(True)
        while any(caller.answered < caller.sent for caller in self._callers):
            context.iteration(True)

    def told(self) -> str:
        """How many calls were answered with what."""
        errors = sum((caller.errors for caller in self._callers), Counter[str]())
        replies = sum(caller.replies for caller in self._callers)
        return f"Answered were {replies} with a reply; {', '.join(f'{n} with {name}' for name, n in errors.items())}."


def asked(name: str) -> None:
    """Reconnect as a user does."""
    lab.ask(lab.BUS[0], lab.BUS[1], lab.BUS[2] + ".Reconnect", name)


def off_and_on(name: str) -> None:
    """Disconnect, connect."""
    for method in ("Disconnect", "Connect"):
        lab.ask(lab.BUS[0], lab.BUS[1], f"{lab.BUS[2]}.{method}", name)


def restarted(name: str) -> None:
    """Restart the unit."""
    lab.out("systemctl", "restart", lab.unit(name))


def killed(name: str) -> None:
    """Have pppd end without a word."""
    lost(name, lambda: os.kill(lab.of_unit(lab.unit(name), "MainPID"), signal.SIGKILL))


def cut_off(name: str) -> None:
    """Have the server end the session."""

    def end() -> None:
        if pid := fleet.session_of(name):
            os.kill(pid, signal.SIGTERM)

    lost(name, end)


def lost(name: str, lose: Callable[[], object]) -> None:
    """Wait until a tunnel that something happens to is up again, in another run."""
    before = lab.show(name, "InvocationID")
    lose()

    def again() -> bool:
        return lab.show(name, "InvocationID") != before and lab.state(name) == "up"

    lab.wait_for(again, f"{name} to be up again", 120)


WAYS = (asked, off_and_on, restarted, asked, killed, off_and_on, asked, cut_off, restarted, asked)


class Reconnects:
    """All tunnels at once; no two of them have the same at the same time."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def step(self) -> None:
        """A step of reconnects."""
        with ThreadPoolExecutor(TUNNELS) as pool:
            list(pool.map(self._repeat, range(TUNNELS)))

    def _repeat(self, number: int) -> None:
        name = fleet.name(number + 1)
        for turn in range(RECONNECTS // TUNNELS):
            way = WAYS[(turn + 2 * number) % len(WAYS)]
            try:
                way(name)
            except (GLib.Error, AssertionError) as error:
                self.failures.append(f"{name}, {way.__name__}: {error}")
                print(f"NOT RECONNECTED: {self.failures[-1]}", flush=True)
