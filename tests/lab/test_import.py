"""What other programs' own tools made, imported by pptpctl, connects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest
from test_network import NM_FILE, NM_TEXT, unmasked

PPP = Path("/etc/ppp")
ROUTE = "192.168.10.0/24"
# As the Arch wiki had them, with the names put in.
WIKI = {
    "options.pptp": "lock\nnoauth\nnobsdcomp\nnodeflate\nrefuse-pap\nrefuse-eap\nrefuse-chap\nrefuse-mschap\n",
    "peers/wiki": f'pty "pptp {lab.SERVER} --nolaunchpppd"\nname alice\nremotename PPTP\nrequire-mppe-128\n'
    "file /etc/ppp/options.pptp\nipparam wiki\n",
    "chap-secrets": "alice PPTP secret *\n",
}
RC = f"""\
#!/bin/bash
. /etc/rc.conf
. /etc/rc.d/functions
DAEMON=wiki-vpn
case "$1" in
 start)
   stat_busy "Starting $DAEMON"
   pon wiki updetach persist &>/dev/null && ip route add {ROUTE} dev ppp0 &>/dev/null
   if [ $? = 0 ]; then add_daemon $DAEMON; stat_done; else stat_fail; exit 1; fi
   ;;
 stop)
   poff wiki &>/dev/null
   ;;
esac
"""
UCI = f"""\
config interface 'office'
\toption proto 'pptp'
\toption server '{lab.SERVER}'
\toption username 'alice'
\toption password 'secret'
\toption defaultroute '0'
\toption peerdns '0'
\toption keepalive '10 6'

config route
\toption interface 'office'
\toption target '192.168.10.0'
\toption netmask '255.255.255.0'
"""


@pytest.fixture(autouse=True)
def configuration() -> None:
    """A configuration without tunnels, as it is installed, and a manager that runs."""
    lab.configure({})
    lab.CONFIGURATION.write_text("# mine\ntunnels:\n  # none yet\n")
    lab.CONFIGURATION.chmod(0o600)


@contextlib.contextmanager
def kept(*files: Path) -> Iterator[None]:
    """Have the files afterwards as they are."""
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        yield
    finally:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)


def imported(*words: str, name: str) -> None:
    """Import, and connect the tunnel of that name, which has a route to the inside."""
    shown = lab.out("pptpctl", "import", *words)
    assert "secret" not in shown.replace("secrets", "") and f"  {name}:\n" in shown
    told = lab.out("pptpctl", "import", *words, "--write")
    assert f"Added to /etc/pptp-manager.yaml: {name}\n" in told and "  pptpctl reload\n" in told
    assert lab.CONFIGURATION.read_text().startswith("# mine\ntunnels:\n")
    assert lab.CONFIGURATION.stat().st_mode & 0o777 == 0o600
    for command in (("pptpctl", "check"), ("pptp-manager", "--check"), ("pptpctl", "reload"), ("pptpctl", "up", name)):
        lab.out(*command)
    assert lab.passes() and f"dev pptp-{name}" in lab.route_of(ROUTE)
    again = lab.run("pptpctl", "import", *words, "--write")
    assert again.returncode == 1 and f"there is a tunnel {name} in /etc/pptp-manager.yaml already" in again.stderr
    assert lab.systemctl("stop", lab.unit(name)) == 0


def test_what_pptpsetup_made() -> None:
    script = PPP / "ip-up.d/50office"
    words = ("--server", lab.SERVER, "--username", "alice", "--password", "secret", "--encrypt")
    with kept(PPP / "chap-secrets", PPP / "peers/office", script):
        lab.out("pptpsetup", "--create", "office", *words)
        script.write_text(f'#!/bin/sh\n[ "$PPP_IPPARAM" = "office" ] && ip route add {ROUTE} dev $1\n')
        imported("peers", name="office")


def test_routes_of_ip_up() -> None:
    script = PPP / "ip-up.d/50office"
    with kept(PPP / "chap-secrets", PPP / "peers/office", PPP / "peers/home", script):
        for name in ("office", "home"):
            words = ("--server", lab.SERVER, "--username", "alice", "--password", "secret", "--encrypt")
            lab.out("pptpsetup", "--create", name, *words)
        script.write_text(f'#!/bin/sh\ncase "$6" in\n  office)\n    route add -net {ROUTE} dev "$1"\n    ;;\nesac\n')
        imported("ip-up", name="office")


def test_what_the_wiki_says() -> None:
    rc = Path("/etc/rc.d/wiki-vpn")
    rc.parent.mkdir(exist_ok=True)
    with kept(rc, *(PPP / name for name in WIKI)):
        for name, text in WIKI.items():
            (PPP / name).write_text(text)
        rc.write_text(RC)
        imported("rc.d", name="wiki")


@pytest.fixture
def networkmanager() -> Iterator[None]:
    """NetworkManager, without udev: it has no link of this machine."""
    NM_FILE.parent.mkdir(parents=True, exist_ok=True)
    NM_FILE.write_text(NM_TEXT)
    with unmasked("NetworkManager.service"):
        lab.out("systemctl", "start", "NetworkManager")
        yield
    NM_FILE.unlink()


def test_what_nmcli_made(networkmanager: None) -> None:
    data = f"gateway={lab.SERVER},user=alice,require-mppe-128=yes,password-flags=0"
    try:
        lab.out(
            *(
                "nmcli",
                "connection",
                "add",
                "type",
                "vpn",
                "vpn-type",
                "pptp",
                "con-name",
                "from nm",
                "autoconnect",
                "no",
            ),
            *("vpn.data", data, "vpn.secrets", "password=secret", "ipv4.never-default", "yes", "ipv4.routes", ROUTE),
        )
        imported("networkmanager", name="from-nm")
    finally:
        lab.run("nmcli", "connection", "delete", "from nm")


def test_what_openwrt_had(tmp_path: Path) -> None:
    file = tmp_path / "network"
    file.write_text(UCI)
    imported("openwrt", str(file), name="office")


def test_who_is_not_root_is_told_which_file() -> None:
    with kept(PPP / "peers/office"):
        (PPP / "peers/office").write_text(WIKI["peers/wiki"])
        done = lab.run("runuser", "-u", "nobody", "--", "pptpctl", "import", "peers")
        assert (done.returncode, done.stdout) == (4, "")
        assert (
            done.stderr.startswith("pptpctl: /etc/ppp/") and "may be read by root only; run it as root" in done.stderr
        )
