"""How the commands of the documents are run: PLAYS by test_documented.py, ELSEWHERE by what is named there.

tests/unit/test_documents.py compares these with the documents. No imports of the lab's: it runs without one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A command as it is in a document. status: what it ends with, as a shell has it; shows: a regex of its output.

    typed: what somebody answers. endless: it goes on beside the lines that follow, until Ctrl-C.
    """

    command: str
    shows: str = ""
    status: int = 0
    typed: str = ""
    endless: bool = False


MANAGER = "org.pptpmanager1 /org/pptpmanager1 org.pptpmanager1.Manager"
TUNNEL = "org.pptpmanager1 /org/pptpmanager1/tunnel/work"

# Each in the order of the lines, on a machine that the fixture of the play's name in test_documented.py has prepared.
PLAYS: dict[str, tuple[Line, ...]] = {
    # README.md's configuration is in its place, and nothing has been told of it.
    "quick_start": (
        Line("pptpctl check", "is good; tunnels: work"),
        Line("pptp-manager --check"),
        Line("pptpctl reload", "work"),
        Line("pptpctl up work", "pptp-work"),
        Line("pptpctl enable work"),
        Line("systemctl is-enabled pptp@work", "enabled"),
        Line("pptpctl", "work +.*up.*pptp-work"),
        Line("pptpctl status work", r"10\.9\.0\.\d+"),
        Line("systemctl status pptp@work", "active"),
        Line("pptpctl doctor work"),
        Line("pptpctl logs work", "MPPE 128-bit stateless compression enabled"),
        Line("journalctl -u pptp@work", "local +IP address"),
        Line("pptpctl logs work -n 50", "local +IP address"),
        Line("pptpctl list --json", '"name": "work"'),
        Line("pptpctl status --json", '"unit_file_state": "enabled"'),
        Line("pptpctl check --json", '"problems"'),
        Line("pptpctl doctor --json", '"check"'),
        Line("pptpctl logs --json work", '"message"'),
        Line("pptpctl monitor --json", '"', status=130, endless=True),
        Line("pptpctl list --json | python3 -m json.tool", '"name": "work"'),
        Line("journalctl -u pptp-manager -n 20", "work"),
        Line("journalctl -b -u pptp-manager", "work"),
        Line("systemctl status pptp-manager", "running"),
        Line("ip route show table all proto pptp", r"192\.168\.10\.0/24"),
        Line("ip route get 192.168.10.1", "dev pptp-work"),
        Line("ping -c 3 192.168.10.1", "3 received"),
        Line("ping -c 3 -M do -s 1372 192.168.10.1", "3 received"),
        Line("pptpctl monitor", "work.*work", status=130, endless=True),
        Line("pptpctl reconnect work", "pptp-work"),
        Line("systemctl restart pptp@work"),
        Line("systemctl reload pptp-manager"),
        Line("pptpctl down work"),
        Line('pptpctl up work --timeout 60 || echo "no tunnel: $?"', "pptp-work"),
        Line("systemctl stop pptp@work"),
        Line("systemctl start pptp@work"),
        Line("systemctl stop pptp@work"),
        Line("systemctl enable pptp@work"),
        Line("systemctl disable pptp@work"),
        Line("pptpctl disable work"),
    ),
    # The server has refused the login.
    "wrong_password": (
        Line("pptpctl status work", "The server refuses the user name or the password"),
        Line("pptpctl doctor work", "The server refuses the user name or the password", status=1),
        Line("journalctl PPTP_REASON=wrong-password", "work.*The server refuses the user name or the password"),
        Line("systemctl status pptp@work", "The server refuses the user name or the password", status=3),
    ),
    "bus": (
        Line("busctl monitor org.pptpmanager1", "Member=Reconnect", status=130, endless=True),
        Line(f"busctl call {MANAGER} ListTunnels", "/org/pptpmanager1/tunnel/work"),
        Line(f"busctl call {MANAGER} Connect s work"),
        Line(f"busctl call {MANAGER} Reconnect s work"),
        Line(f"busctl call {MANAGER} Disconnect s work"),
        Line(
            "busctl get-property org.pptpmanager1 /org/pptpmanager1/tunnel/work org.pptpmanager1.Tunnel State", "idle"
        ),
        Line(f"busctl introspect {TUNNEL}", "LastError"),
    ),
    "credential": (
        Line("mkdir -p -m 0700 /etc/credstore.encrypted"),
        Line(
            "systemd-ask-password -n | systemd-creds encrypt --name=work - /etc/credstore.encrypted/work",
            typed="secret\n",
        ),
    ),
    # pptpsetup has made a tunnel that runs.
    "pptpsetup": (
        Line("pptpctl import peers", "work:"),
        Line("pptpctl import peers --write", "work"),
        Line("poff work"),
    ),
    # NetworkManager has a connection.
    "networkmanager": (
        Line("pptpctl import networkmanager", "work:"),
        Line("pptpctl import networkmanager --write", "work"),
        Line("nmcli connection modify work connection.autoconnect no"),
    ),
    "openwrt": (Line("pptpctl import openwrt /tmp/openwrt/network", "vpn:"),),
    # This machine is branch1 as well, and work is up.
    "branch1": (
        Line("ssh root@branch1 pptpctl", "work +up"),
        Line("ssh root@branch1 pptpctl status work", "pptp-work"),
        Line("ssh root@branch1 pptpctl up work"),
        Line("ssh root@branch1 pptpctl list --json", '"name": "work"'),
        Line("ssh -t root@branch1 pptpctl monitor", "work", status=130, endless=True),
        Line("ssh root@branch1 journalctl PPTP_TUNNEL=work -n 20", "tunnel work: up"),
        Line("systemctl -H root@branch1 list-units 'pptp@*'", "pptp@work.service +loaded +active"),
        Line("systemctl -H root@branch1 status pptp@work", "Up: pptp-work"),
        Line("systemctl -H root@branch1 restart pptp@work"),
        Line(f"busctl -H root@branch1 call {MANAGER} ListTunnels", '"work" "/org/pptpmanager1/tunnel/work" "up"'),
        Line(f"busctl -H root@branch1 call {MANAGER} Reconnect s work"),
        Line(f"busctl -H root@branch1 introspect {TUNNEL}", "Reconnects +property +u +[12]"),
        Line("mkdir -p /var/log/journal/remote"),
        Line(
            "ssh root@branch1 journalctl -o export PPTP_TUNNEL=work | "
            "/lib/systemd/systemd-journal-remote -o /var/log/journal/remote/branch1.journal -"
        ),
        Line(
            "journalctl --file /var/log/journal/remote/branch1.journal PPTP_TUNNEL=work PPTP_STATE=up",
            "tunnel work: up",
        ),
    ),
    "resolved": (Line("resolvectl status pptp-work", "pptp-work"),),
}

# A command that no guest can run, and what does.
ELSEWHERE = {
    "apt install ./pptp-manager_*.deb": "tests/lab/test_package.py",
    # The packages are those of the lab, see tests/unit/test_readme.py; with them each guest is made.
    "apt install python3-gi gir1.2-glib-2.0 python3-jeepney python3-pydbus python3-pyroute2 python3-yaml "
    "python3-sdnotify ppp pptp-linux make": "lab/rootfs.py",
    "make install": "lab/guest.py",
    "apt install prometheus-node-exporter python3-prometheus-client": "lab/rootfs.py",
    "systemctl enable --now pptp-metrics.timer": "tests/lab/test_fleet.py",
    "ansible-vault create group_vars/pptp/vault.yml": "tests/lab/test_fleet.py",
    "ansible-playbook site.yml --ask-vault-pass": "tests/lab/test_fleet.py",
    ".venv/bin/python -m pytest tests/unit/test_config.py": "Makefile",
    ".venv/bin/ruff check .": "tests/lint/test_linters.py",
    ".venv/bin/ruff format .": "tests/lint/test_linters.py",
    ".venv/bin/mypy": "tests/lint/test_linters.py",
    "tests/lab/run --scenario access trixie": "Makefile",
    "lab/lab run bookworm -- pptpctl list": "tests/lab/run",
    "make shell": "Makefile",
    # The tests leave the uplink to the lab, and a VPN of NetworkManager's needs an uplink of its own.
    "nmcli connection down work": "tests/bench/ways.py",
}
