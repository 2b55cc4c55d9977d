"""The interfaces: as the XML says, for whom the policy says."""

from __future__ import annotations

import re
import subprocess
import time
from typing import Any

import pytest
from gi.repository import Gio

from .clients import PROPERTIES, ROOT, RemoteError, until
from .world import CONFIG, ERROR, MANAGER, NAME, PATH, SERVER, TUNNEL, UNIT, World, tunnel_path

DBUS = ROOT / "pptpd_manager/dbus"


def described(xml: str) -> dict[str, dict[str, Any]]:
    """The interfaces in an XML text: what matters of each."""

    def annotations(info: Any) -> dict[str, str]:
        return {annotation.key: annotation.value for annotation in info.annotations or []}

    def arguments(infos: Any) -> list[tuple[str, str]]:
        return [(argument.name, argument.signature) for argument in infos]

    return {
        interface.name: {
            "methods": {m.name: (arguments(m.in_args), arguments(m.out_args)) for m in interface.methods},
            "signals": {s.name: arguments(s.args) for s in interface.signals},
            "properties": {p.name: (p.signature, int(p.flags), annotations(p)) for p in interface.properties},
        }
        for interface in Gio.DBusNodeInfo.new_for_xml(xml).interfaces
    }


@pytest.mark.parametrize(
    ("path", "file"), [(PATH, "org.pptpmanager1.xml"), (tunnel_path("office"), "org.pptpmanager1.Tunnel.xml")]
)
def test_introspection_is_the_xml(up: World, path: str, file: str) -> None:
    told = described(up.client.call(NAME, path, "org.freedesktop.DBus.Introspectable.Introspect"))
    written = described((DBUS / file).read_text())
    assert written
    usual = {"org.freedesktop.DBus." + name for name in ("Properties", "Introspectable", "Peer")}
    assert set(told) == set(written) | usual
    for interface in written:
        assert told[interface] == written[interface]


def test_list_tunnels(up: World) -> None:
    """In the order of the file."""
    listed = [("office", tunnel_path("office"), "idle"), ("home", tunnel_path("home"), "idle")]
    assert up.call("ListTunnels") == listed


def test_get_tunnel(up: World) -> None:
    assert up.call("GetTunnel", "home") == tunnel_path("home")


def test_a_name_in_an_object_path(up: World) -> None:
    up.configure(CONFIG.replace("home:", "4-b_C:"))
    up.call("Reload")
    assert up.call("GetTunnel", "4-b_C") == f"{PATH}/tunnel/_34_2db_5fC"
    properties = up.client.call(NAME, f"{PATH}/tunnel/_34_2db_5fC", PROPERTIES + ".GetAll", "(s)", TUNNEL)
    assert (properties["Name"], properties["Interface"]) == ("4-b_C", "pptp-4-b_C")


@pytest.mark.parametrize("method", ["GetTunnel", "Connect", "Disconnect", "Reconnect"])
def test_an_unknown_tunnel(up: World, method: str) -> None:
    error = up.error(up.begin(method, "offcie"))
    assert error == RemoteError(
        ERROR + "UnknownTunnel", f"there is no tunnel 'offcie' in {up.config}; there are: office, home"
    )
    assert up.ordered() == []
    assert up.call("ListTunnels")[1:] == [("home", tunnel_path("home"), "idle")]


def test_the_managers_properties(up: World) -> None:
    assert up.client.call(NAME, PATH, PROPERTIES + ".GetAll", "(s)", MANAGER) == {
        "Version": "0.1.0",
        "ConfigurationFile": str(up.config),
        "ConfigurationProblems": [],
        "NeedReload": False,
    }
    assert up.client.call(NAME, PATH, PROPERTIES + ".GetAll", "(s)", UNIT) == {}


def test_a_tunnels_properties(up: World) -> None:
    properties = up.properties("office")
    assert 0 <= time.time() - properties.pop("Since") / 1e6 < 10
    assert properties == {
        "Name": "office",
        "Unit": "pptp@office.service",
        "Server": SERVER,
        "ServerAddress": "",
        "State": "idle",
        "Interface": "pptp-office",
        "LocalAddress": "",
        "PeerAddress": "",
        "Mtu": 0,
        "Encrypted": False,
        "Routes": [],
        "Dns": {},
        "LastError": ("", "", "", 0),
        "NextAttempt": 0,
        "NextAttemptMonotonic": 0,
        "NeedsPassword": False,
        "Attempts": 0,
        "Connects": 0,
        "Reconnects": 0,
        "ConnectTime": 0,
        "ReceivedBytes": 0,
        "SentBytes": 0,
    }


def test_the_counters(up: World) -> None:
    up.bring_up("office")
    send = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.168.10.1', 9))"
    subprocess.run(up.inside("/usr/bin/python3", "-c", send), check=True)
    until(lambda: up.properties("office")["SentBytes"], "bytes to be counted")
    assert [change for change in up.changes("office") if "SentBytes" in change] == []


def test_properties_cannot_be_set(up: World) -> None:
    pending = up.client.begin(NAME, tunnel_path("office"), PROPERTIES + ".Get", "(ss)", TUNNEL, "Nothing")
    assert up.error(pending).args[0] == "org.freedesktop.DBus.Error.InvalidArgs"


def test_managed_objects(up: World) -> None:
    told = up.call("GetManagedObjects", interface="org.freedesktop.DBus.ObjectManager")
    assert told == {tunnel_path(name): {TUNNEL: up.properties(name)} for name in ("office", "home")}


def test_what_systemd_is_told(up: World) -> None:
    assert up.notified("STATUS=2 idle") == ["READY=1", "STATUS=2 idle"]
    up.call("Reload")
    assert up.notified("READY=1") == ["RELOADING=1", "READY=1"]
    up.bring_up("office")
    told = up.notified("STATUS=1 idle, 1 up")
    assert {text.partition("=")[0] for text in told} == {"STATUS"}
    up.stop()
    assert up.notified("STOPPING=1") == ["STOPPING=1"]


def test_everybody_may_look_and_root_alone_may_act(up: World) -> None:
    """The bus has the policy that is installed, between the rules of Debian's system bus."""

    def nobody(method: str, *arguments: str, path: str = PATH) -> str:
        interface, _, member = method.rpartition(".")
        command = ["busctl", f"--address={up.address}", "call", NAME, path, interface, member, *arguments]
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            until(lambda: process.poll() is not None, "busctl")
            out, errors = process.communicate()
        return out if process.returncode == 0 else errors

    listed = f'a(sos) 2 "office" "{tunnel_path("office")}" "idle" "home" "{tunnel_path("home")}" "idle"\n'
    assert nobody(f"{MANAGER}.ListTunnels") == listed
    assert nobody(f"{MANAGER}.GetTunnel", "s", "office") == f'o "{tunnel_path("office")}"\n'
    assert nobody(f"{PROPERTIES}.Get", "ss", MANAGER, "Version") == 'v s "0.1.0"\n'
    assert nobody(f"{PROPERTIES}.GetAll", "s", TUNNEL, path=tunnel_path("home")).startswith("a{sv} 23 ")
    assert nobody("org.freedesktop.DBus.ObjectManager.GetManagedObjects").startswith("a{oa{sa{sv}}} 2 ")
    assert nobody("org.freedesktop.DBus.Peer.Ping") == ""
    refused = [
        (f"{MANAGER}.Connect", "s", "office"),
        (f"{MANAGER}.Disconnect", "s", "office"),
        (f"{MANAGER}.Reconnect", "s", "office"),
        (f"{MANAGER}.Reload",),
        (f"{UNIT}.Dial", "ssus", "office", "0", "1", ""),
        (f"{UNIT}.Ready", "ss", "office", "0"),
        (f"{UNIT}.Ended", "ssss", "office", "0", "", ""),
        (f"{UNIT}.NameServers", "ssas", "office", "0", "0"),
        (f"{PROPERTIES}.Set", "ssv", MANAGER, "Version", "s", "1"),
    ]
    for method, *arguments in refused:
        assert re.search("not allowed|Access denied|AccessDenied|rejected", nobody(method, *arguments)), method
    assert re.search("denied|rejected", nobody(f"{TUNNEL}.Connect", path=tunnel_path("office")))
    assert up.ordered() == []
