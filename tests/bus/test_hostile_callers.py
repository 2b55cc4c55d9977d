"""Who calls may be anybody: wrong arguments, odd names, floods, and callers that do not wait for the answer.

PPTP_MANAGER_FLOOD is how many seconds the flood takes, 1 without it; and twice as many thousand calls are made before
the memory is looked at. With 30 it is half a minute, and 60000 calls.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.quota import MOST

from .clients import PROPERTIES, ROOT, Client, until
from .latency import described
from .world import ERROR, MANAGER, NAME, PATH, UNIT, World, tunnel_path

FLOOD_SECONDS = int(os.environ.get("PPTP_MANAGER_FLOOD", "1"))
CALLS = 2000 * FLOOD_SECONDS
FLOOD = ROOT / "tests/lab/flood.py"
RATE, CONNECTIONS = 1000, 10


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The figures of a flood."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return dict(json.loads(out))


def test_a_flood_of_a_plain_users_calls(up: World) -> None:
    """Every call is answered, root's among them; figures are shown."""
    up.bring_up("office")
    before = up.memory(), up.descriptors()
    command = [sys.executable, str(FLOOD), str(FLOOD_SECONDS), str(RATE), str(CONNECTIONS)]
    process = subprocess.Popen(
        [*command, "--bus", up.address, "--tunnel", "office"], stdout=subprocess.PIPE, text=True
    )
    seconds = []
    while process.poll() is None:
        begun = time.monotonic()
        up.client.con.call_sync(NAME, PATH, MANAGER, "ListTunnels", None, None, Gio.DBusCallFlags.NONE, 10_000, None)
        seconds.append(time.monotonic() - begun)
        time.sleep(0.01)
    found = ended(process)
    print(found, f"memory {before[0] >> 10} -> {up.memory() >> 10} KiB", sep="\n")
    print(described("root's calls meanwhile", seconds))
    ordered = sorted(seconds)
    assert ordered[len(ordered) // 2 if FLOOD_SECONDS < 10 else len(ordered) * 99 // 100] <= 0.1
    assert found["sent"] >= RATE * FLOOD_SECONDS * 0.9
    assert (found["lost"], found["closed"]) == (0, 0)
    assert found["replies"] >= found["sent"] * 0.5
    refusals = {f"org.freedesktop.DBus.Error.{what}" for what in ("AccessDenied", "InvalidArgs")}
    too_many = {"org.freedesktop.DBus.Error.LimitsExceeded"}  # if the answers take longer than there is room for calls
    assert {*found["errors"]} - too_many == {*refusals, ERROR + "UnknownTunnel"}
    assert up.descriptors() == before[1]
    assert up.state("office") == "up"


def value_of(signature: str) -> object:
    """A value of that D-Bus type."""
    values = {"s": "x", "u": 7, "as": ["x"], "o": "/", "t": 7, "b": True, "v": GLib.Variant("s", "x"), "i": -1}
    return values[signature]


def test_every_method_with_every_wrong_argument(up: World) -> None:
    """The bus refuses what the XML does not allow before a method of ours runs, and nothing comes of it."""
    up.forget()
    types = ("s", "u", "as", "o", "t", "b", "v", "i")
    tried = 0
    for path, file in ((PATH, "org.pptpmanager1.xml"), (tunnel_path("office"), "org.pptpmanager1.Tunnel.xml")):
        xml = (ROOT / "pptpd_manager/dbus" / file).read_text()
        for interface in Gio.DBusNodeInfo.new_for_xml(xml).interfaces:
            for method in interface.methods:
                right = [argument.signature for argument in method.in_args]
                wrong = [[*right, "s"], *([right[:-1]] if right else [])]
                for n, own in enumerate(right):
                    wrong += [[*right[:n], other, *right[n + 1 :]] for other in types if other != own]
                for kinds in wrong:
                    name, signature = f"{interface.name}.{method.name}", f"({''.join(kinds)})"
                    name = up.error(up.client.begin(NAME, path, name, signature, *map(value_of, kinds))).args[0]
                    assert name == "org.freedesktop.DBus.Error.InvalidArgs", (method.name, kinds, name)
                    tried += 1
    assert tried > 100
    assert up.ordered() == [] and [state for _, _, state in up.call("ListTunnels")] == ["idle", "idle"]


ODD_NAMES = [
    *(
        "",
        " ",
        "office ",
        "office\n",
        "../office",
        "/",
        "office/../home",
        "%n",
        "$(id)",
        "-",
        "--help",
        "_x",
        "a" * 11,
    ),
    *(
        "office.service",
        "pptp@office.service",
        "*",
        "\x1b[2J",
        "\u202e",
        "ä",
        "\U0001f600",
        "x" * 100_000,
        "office\x7f",
    ),
]


def test_odd_names(up: World) -> None:
    """Refused, and what is said of them may be printed on a terminal."""
    up.forget()
    run = "0" * 32
    for name in ODD_NAMES:
        for method in ("Connect", "Disconnect", "Reconnect", "GetTunnel"):
            error = up.error(up.begin(method, name))
            assert error.args[0] == ERROR + "UnknownTunnel"
            assert str(error.args[1]).isprintable() and len(error.args[1]) < 500
        answer = up.dial(name, run)
        assert answer.isprintable() and answer.startswith("exit 78 ")
        assert up.call("Ready", name, run, interface=UNIT).startswith("down ")
        up.ended(name, run)
        assert up.client.call(NAME, PATH, UNIT + ".NameServers", "(ssas)", name, run, ["\x1b[2J"]) is None
    assert up.ordered() == [] and [path.name for path in up.runtime.iterdir()] == ["accepted.yaml"]
    assert up.log().count("\n") == 1


def test_a_run_is_an_invocation_id(up: World) -> None:
    """It becomes a word in the option file, of a shell's, and for journalctl."""
    methods: list[tuple[str, str, list[object]]] = [("Dial", "(ssus)", [1, ""]), ("Ready", "(ss)", [])]
    methods += [("Ended", "(ssss)", ["exited", "5"])]
    runs = ("", "0", "a\npersist\n", "0" * 33, "G" * 32, "\x1b[2J")
    for run, (method, signature, rest) in itertools.product(runs, methods):
        error = up.error(up.client.begin(NAME, PATH, f"{UNIT}.{method}", signature, "office", run, *rest))
        assert error.args[0] == "org.freedesktop.DBus.Error.InvalidArgs" and str(error.args[1]).isprintable()


def test_a_client_has_so_many_calls_that_wait(up: World) -> None:
    """One more for each tunnel. Of another client's there is room, and what is answered makes room."""
    most = MOST + len(up.call("ListTunnels"))
    pending = [up.begin("Connect", "office") for _ in range(most + 1)]
    error = up.error(pending[-1])
    assert error.args[0] == "org.freedesktop.DBus.Error.LimitsExceeded"
    other = up.connect().begin(NAME, PATH, MANAGER + ".Connect", "(s)", "office")
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run = up.run_of("office")
    up.dial("office", run)
    up.finish("office", run)
    until(lambda: other.done and all(call.done for call in pending), "the answers")
    assert other.error is None and [call.error for call in pending[:-1]] == [None] * most
    assert up.call("Connect", "office") is None


def test_clients_that_vanish_before_the_answer(up: World) -> None:
    """What they set going goes on; nothing of them is kept. The second ones of each are of a client that stays."""
    before = up.descriptors()
    up.begin("Connect", "office")
    for _ in range(50):
        leaver = Client(up.address)
        for method in ("Connect", "Reconnect", "GetTunnel"):
            leaver.begin(NAME, PATH, f"{MANAGER}.{method}", "(s)", "office")
        leaver.con.flush_sync(None)
        leaver.close()
    up.wait_for_order("StartUnit", "pptp@office.service", "replace")
    run = up.run_of("office")
    assert up.dial("office", run).startswith("dial ")
    up.finish("office", run)
    assert up.call("Connect", "office") is None
    assert up.descriptors() == before
    assert "Traceback" not in up.log()


def test_the_memory_does_not_grow_with_the_calls(up: World) -> None:
    """Reads, refusals, what somebody else would have to say yes to, and Connect of a tunnel that is up."""
    up.bring_up("office")
    root, nobody = up.client.con, up.connect_as(65534).con
    connect = MANAGER, "Connect", GLib.Variant("(s)", ("office",))
    kinds = [(root, MANAGER, "ListTunnels", None), (root, *connect), (nobody, *connect)]
    kinds += [(root, MANAGER, "GetTunnel", GLib.Variant("(s)", ("x" * 2000,)))]
    kinds += [(root, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None)]
    kinds += [(root, PROPERTIES, "GetAll", GLib.Variant("(s)", (MANAGER,)))]
    errors: Counter[str] = Counter()

    def ask(times: int) -> None:
        for con, interface, method, arguments in itertools.islice(itertools.cycle(kinds), times):
            try:
                con.call_sync(NAME, PATH, interface, method, arguments, None, Gio.DBusCallFlags.NONE, 10_000, None)
            except GLib.Error as error:
                errors[Gio.DBusError.get_remote_error(error)] += 1

    ask(1200)
    before = up.memory(), up.descriptors()
    ask(CALLS)
    print(f"{CALLS} calls: memory {before[0] >> 10} -> {up.memory() >> 10} KiB, {dict(errors)}")
    assert up.memory() - before[0] <= 1 << 20
    assert up.descriptors() == before[1]
    assert set(errors) == {ERROR + "UnknownTunnel", "org.freedesktop.DBus.Error.AccessDenied"}
