"""pptpctl's commands that look, against the real manager."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .clients import ROOT, until
from .pptpctl import Pptpctl
from .world import CANARY, CONFIG, SERVER, World

BROKEN = CONFIG.replace("server: 198.51.100.8", "sever: 198.51.100.8")
USER = 65534


def run(world: World, *arguments: str, **options: Any) -> tuple[int, str, str]:
    """What pptpctl ends with and writes."""
    return Pptpctl(world, *arguments, **{"LC_ALL": "C", **options}).outcome()


def shown(world: World, *arguments: str, **options: Any) -> str:
    """The same of one that is to end well and complain of nothing."""
    status, out, err = run(world, *arguments, **options)
    assert (status, err) == (0, ""), err
    return out


def log(world: World, *lines: tuple[str, ...]) -> None:
    """What journalctl finds from now on: the program, its text, other fields."""
    entries = []
    for number, (program, text, *fields) in enumerate(lines):
        entry = {"SYSLOG_IDENTIFIER": program, "MESSAGE": text, "_PID": "7", "_UID": "0", "PRIORITY": "6"}
        entry |= {"__REALTIME_TIMESTAMP": str(1_700_000_000_000_000 + number), "__CURSOR": f"c{number}"}
        entries.append(json.dumps(entry | dict(field.split("=") for field in fields)) + "\n")
    (world.directory / "journal").write_text("".join(entries))


def fail(world: World, tunnel: str = "office") -> None:
    """Have an attempt of a tunnel end with a reason."""
    world.journal("pppd: Remote message: Authentication failure", "pppd: CHAP authentication failed", "pppd: Exit.")
    run, connect = world.connecting(tunnel)
    world.ended(tunnel, run, status="19")
    assert "password" in world.error(connect).args[1]
    world.expected = [line for line in world.log().splitlines() if line.startswith(("WARNING: ", "ERROR: "))]


# --- list ---


def test_list(up: World) -> None:
    up.bring_up("office")
    head, office, home = shown(up).splitlines()
    assert head.split() == ["TUNNEL", "STATE", "INTERFACE", "ADDRESSES", "RECEIVED", "SENT"]
    assert office.split()[:2] == ["*", "office"] and "pptp-office  10.9.0.2 -> 10.9.0.1" in office
    assert home.split()[:3] == ["-", "home", "idle"]
    assert shown(up, "list", "--names") == "office\nhome\n"
    found = json.loads(shown(up, "--json"))
    assert list(found) == ["tunnels", "manager"]
    assert [(t["name"], t["state"]) for t in found["tunnels"]] == [("office", "up"), ("home", "idle")]
    assert found["manager"]["need_reload"] is False
    shown(up, "enable", "office")
    assert "(connected at boot)" in shown(up, "status", "-n0", "office")
    narrow = Pptpctl(up, terminal=True, columns=30, LC_ALL="C.UTF-8").outcome()[1]
    assert narrow.splitlines()[0] == "\x1b[1m  TUNNEL  STATE\x1b[0m"
    assert narrow.splitlines()[1].startswith("\x1b[32m●\x1b[0m \x1b[1moffice\x1b[0m  \x1b[32mup ")
    assert "\x1b" not in Pptpctl(up, terminal=True, NO_COLOR="1").outcome()[1]
    assert "\x1b" not in Pptpctl(up, terminal=True, TERM="dumb").outcome()[1]


def test_a_user_may_look(up: World) -> None:
    assert shown(up, uid=USER).splitlines()[1].split()[1] == "office"


def test_a_file_that_has_changed_is_told_and_read_again(up: World) -> None:
    up.configure("tunnels: {}\n")
    status, out, err = run(up, "list")
    assert (status, err) == (0, "The configuration file has changed; run: pptpctl reload\n")
    assert len(out.splitlines()) == 3
    assert shown(up, "reload") == f"{up.config} is in force; tunnels: none\n"
    told = f"There are no tunnels. Add one under 'tunnels:' in {up.config}, see pptp-manager.yaml(5), then run: "
    assert shown(up) == shown(up, "status") == told + "pptpctl reload\n"


def test_a_file_with_mistakes(up: World) -> None:
    up.configure(BROKEN)
    status, out, err = run(up, "reload")
    mistake = f"{up.config}:8:5: tunnels.home.sever: unknown key; did you mean 'server'?"
    excerpt = ["    8 |     sever: …", "      |     ^"]
    assert (status, out) == (1, "")
    assert err.splitlines() == [mistake, *excerpt, f"pptpctl: {up.config} has mistakes, so nothing has changed"]
    up.expected = [f"ERROR: {mistake}"]
    status, out, err = run(up)
    assert status == 0 and len(out.splitlines()) == 3
    assert err.splitlines()[1:] == [f"  {mistake}"]
    assert json.loads(run(up, "--json")[1])["manager"]["configuration_problems"] == [mistake]


@pytest.mark.parametrize("command", [[], ["status"], ["reload"], ["list", "--names"]])
def test_without_a_manager(bare: World, command: list[str]) -> None:
    text = "pptpctl: pptp-manager does not run; start it by: systemctl start pptp-manager"
    more = ", which reads the configuration" if command == ["reload"] else ""
    assert run(bare, *command) == (7, "", f"{text}{more}\n")


def test_without_a_bus(bare: World) -> None:
    status, out, err = run(bare, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")
    assert (status, out) == (7, "") and err.startswith("pptpctl: there is no system bus: ")


# --- status ---


def test_status(up: World) -> None:
    up.bring_up("office")
    log(up, ("pppd", "local  IP address 10.9.0.2\x1b[2J", "_SYSTEMD_UNIT=pptp@office.service"))
    out = shown(up, "status", "office", "home").splitlines()
    assert out[0] == f"* office - PPTP tunnel to {SERVER}"
    facts = dict(line.strip().split(": ", 1) for line in out[1:9])
    assert facts.pop("State").startswith("up since ")
    assert facts.pop("Traffic").endswith(" sent")
    assert facts == {
        "Unit": "pptp@office.service (not connected at boot)",
        "Server": SERVER,
        "Interface": "pptp-office",
        "Addresses": "10.9.0.2 -> 10.9.0.1",
        "MTU": "1456 bytes",
        "Routes": "192.168.10.0/24",
    }
    assert out[10].endswith("pppd[7]: local  IP address 10.9.0.2\\x1b[2J")
    assert out[12].startswith("- home - ")
    found = json.loads(shown(up, "status", "--json", "-n1", "office"))["tunnels"]
    assert [t["name"] for t in found] == ["office"]
    assert (found[0]["unit_file_state"], found[0]["log"][0]["time"]) == ("disabled", "2023-11-14T22:13:20.000000Z")


def test_status_of_a_tunnel_that_is_down(up: World) -> None:
    fail(up)
    (line,) = [line for line in shown(up).splitlines() if "office" in line]
    assert re.search(
        r"waiting \d+ s  next attempt in \d+ s: The server refuses the user name or the password", line
    ), line
    out = shown(up, "status", "-n0", "office")
    assert re.search(r"Last error: The server refuses .*wrong-password, \d+ s ago\)\n +Advice: ", out), out
    wrapped = Pptpctl(up, "status", "-n0", "office", terminal=True, columns=50).outcome()[1]
    assert max(len(re.sub("\x1b[^m]*m", "", line)) for line in wrapped.splitlines()) <= 50
    assert json.loads(shown(up, "--json"))["tunnels"][0]["last_error"]["reason"] == "wrong-password"


def test_an_unknown_tunnel(up: World) -> None:
    text = "pptpctl: there is no tunnel 'offcie'; there are: office, home; did you mean 'office'?\n"
    for command in ("status", "logs", "monitor"):
        assert run(up, command, "offcie") == (3, "", text)


def test_who_may_not_read_the_log_is_told_so(up: World) -> None:
    hint = "Hint: You are currently not seeing messages from other users and the system."
    up.program("journalctl", f"echo '{hint}' >&2; exit 1")
    reason = "the log may be read by root, and by members of the groups adm and systemd-journal"
    status, out, err = run(up, "status", "home")
    assert (status, err) == (0, f"The log is not shown: {reason}.\n") and out.startswith("- home")
    assert json.loads(run(up, "status", "--json", "home")[1])["tunnels"][0]["log"] is None
    assert run(up, "logs", "home") == (4, "", f"pptpctl: {reason}\n")


# --- logs ---


def test_logs(up: World) -> None:
    log(
        up,
        ("pppd", "ours", "_SYSTEMD_UNIT=pptp@office.service"),
        ("pptp", "office-0123abcd ours, late"),
        ("pptp", "home-0123abcd another's, late"),
        ("pppd", "of the same process, late"),
        ("pppd", "another's, late", "_PID=8"),
        ("pptp-manager", "one\ntwo", "PPTP_TUNNEL=office", "_SYSTEMD_UNIT=pptp-manager.service", "PPTP_STATE=up"),
        ("pppd", "forged", "_SYSTEMD_UNIT=pptp@office.service", "_UID=1000"),
        ("systemd", "Failed.", "UNIT=pptp@office.service", "_PID=1", "_SYSTEMD_UNIT=init.scope", "PRIORITY=4"),
    )
    expected = ["pppd[7]: ours", "pptp[7]: office-0123abcd ours, late", "pppd[7]: of the same process, late"]
    expected += ["pptp-manager[7]: one", "two", "systemd[1]: Failed."]
    out = shown(up, "logs", "office", TZ="UTC")
    assert [re.sub(r"^Nov 14 22:13:20 ", "", line).strip() for line in out.splitlines()] == expected
    first, *_, manager, _ = map(json.loads, shown(up, "logs", "--json", "office").splitlines())
    assert first["message"] == "ours"
    assert (manager["message"], manager["state"]) == ("one\ntwo", "up")
    assert shown(up, "logs", "home").endswith("another's, late\n")


def test_logs_that_are_followed_end_with_who_reads_them(up: World) -> None:
    path = up.directory / "journal"
    log(up, ("pppd", "ours", "_SYSTEMD_UNIT=pptp@office.service"))
    up.program("journalctl", f'case "$*" in *--follow*) cat {path}; exec sleep 60;; *) cat {path};; esac')
    followed = Pptpctl(up, "logs", "-f", "office")
    until(lambda: followed.out.count("ours") == 2, "the line from before and the one that comes")
    assert followed.process.stdout
    followed.process.stdout.close()
    assert followed.process.wait(10) == 0


def test_what_journalctl_complains_of_is_told(up: World) -> None:
    up.program("journalctl", "echo 'Failed to parse timestamp: x' >&2; exit 1")
    text = "pptpctl: journalctl: Failed to parse timestamp: x\n"
    assert run(up, "logs", "office", "--since", "x") == (1, "", text)


# --- check ---


def test_check(bare: World) -> None:
    assert shown(bare, "check", str(bare.config)) == f"{bare.config} is good; tunnels: office, home\n"
    bare.configure(BROKEN.replace("password:", "passwort:") + "    mtu: 9000\n")
    status, out, err = run(bare, "check", str(bare.config))
    assert (status, err) == (1, "") and CANARY not in out
    assert out.splitlines()[-3:] == [
        f"{bare.config}:11:10: tunnels.home.mtu: 9000 is not in 576..1500 bytes",
        "   11 |     mtu: 9000",
        "      |          ^",
    ]
    status, out, err = run(bare, "check", "--json", str(bare.config))
    found = json.loads(out)
    assert (status, found["file"], found["good"]) == (1, str(bare.config), False)
    assert list(found) == ["file", "good", "problems"]
    assert found["problems"][-1] == {
        "file": str(bare.config),
        "line": 11,
        "column": 10,
        "path": "tunnels.home.mtu",
        "message": "9000 is not in 576..1500 bytes",
    }


def test_check_by_who_may_not_read_the_file(bare: World) -> None:
    bare.directory.chmod(0o755)
    for folder in bare.directory.parents[:2]:
        folder.chmod(0o755)
    status, out, err = run(bare, "check", str(bare.config), uid=USER)
    told = f"{bare.config}: cannot be read: Permission denied; root can read it: sudo pptpctl check {bare.config}"
    assert (status, out, err) == (4, "", f"pptpctl: {told}\n")


def test_reload_by_who_may_not(up: World) -> None:
    status, out, err = run(up, "reload", uid=USER)
    assert (status, out) == (4, "") and "org.pptpmanager1.reload" in err


# --- monitor ---


def test_monitor(up: World) -> None:
    monitor, records = Pptpctl(up, "monitor", "office"), Pptpctl(up, "monitor", "--json")
    monitor.says("office: idle\n")
    records.says('"home"')
    up.bring_up("office")
    monitor.says("office: routes 192.168.10.0/24\n")
    up.configure(CONFIG + f"  new: {{server: a.example, username: a, password: '{CANARY}'}}\n")
    up.call("Reload")
    up.stop()
    monitor.says("does not run")
    up.start()
    until(lambda: '"running": true' in records.out, "the manager to be back")
    up.configure(CONFIG)
    up.call("Reload")
    records.says('"removed"')
    records.interrupt()
    assert records.status() == 130 and records.err == ""
    told = [json.loads(line) for line in records.out.splitlines()]
    office = [r for r in told if r.get("tunnel") == "office"]
    states = [r["state"] for r in office if r["event"] == "state"]
    assert (states[0], states[-1]) == ("idle", "up")
    assert [r["previous"] for r in office if r["event"] == "state"] == [None, *states[:-1]]
    assert [r["local_address"] for r in office if r["event"] == "link"] == ["10.9.0.2"]
    others = [r for r in told if r not in office and r["event"] != "state"]
    assert [(r["event"], r.get("tunnel", r.get("running"))) for r in others] == [
        ("added", "new"),
        ("manager", False),
        ("manager", True),
        ("removed", "new"),
    ]
    assert "home" not in monitor.out
    assert monitor.process.stdout
    monitor.process.stdout.close()
    assert monitor.process.wait(10) == 0, "it ends with who reads it, without an event"


def test_monitor_waits_for_a_manager_and_tells_of_mistakes(bare: World) -> None:
    monitor = Pptpctl(bare, "monitor")
    monitor.says("does not run")
    bare.start()
    monitor.says("home: idle")
    bare.configure(BROKEN)
    mistake = bare.error(bare.begin("Reload")).args[1]
    monitor.says(f"the configuration file has mistakes: {mistake}\n")
    bare.expected = [f"ERROR: {mistake}"]
    bare.configure(CONFIG)
    bare.call("Reload")
    monitor.says("the configuration file is good\n")


# --- metrics ---


def measured(text: str) -> set[str]:
    """The samples, without their values."""
    return {re.sub(r" \S+$", "", line) for line in text.splitlines() if not line.startswith("#")}


def test_metrics(up: World) -> None:
    """To the terminal, and into a file, which is whole whenever somebody reads it, and everybody's to read."""
    up.bring_up("office")
    text = shown(up, "metrics")
    assert 'pptp_tunnel_state{state="up",tunnel="office"} 1.0\n' in text
    assert 'pptp_tunnel_state{state="up",tunnel="home"} 0.0\n' in text
    assert 'pptp_tunnel_connects_total{tunnel="office"} 1.0\n' in text
    assert re.search(r'^pptp_tunnel_connect_seconds{tunnel="office"} 0\.\d+$', text, re.MULTILINE)
    assert CANARY not in text
    folder = up.directory / "textfile"
    folder.mkdir()
    file = folder / "pptp.prom"
    file.write_text("old")
    file.chmod(0o444)
    assert shown(up, "metrics", "--output", str(file), uid=0) == ""
    assert measured(file.read_text()) == measured(text) and list(folder.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o644
    status, _, err = run(up, "metrics", "-o", str(folder / "none/pptp.prom"))
    assert (status, err) == (1, f"pptpctl: {folder}/none/pptp.prom cannot be written: No such file or directory\n")


def test_metrics_without_a_manager_or_the_library(bare: World) -> None:
    """The first is a metric, and starts no manager; the second is a mistake of the machine's."""
    text = shown(bare, "metrics")
    assert text.splitlines()[-1] == "pptp_manager_up 0.0" and len(text.splitlines()) == 3
    away = bare.directory / "away"
    away.mkdir()
    (away / "prometheus_client.py").write_text("raise ModuleNotFoundError('prometheus_client')\n")
    status, out, err = run(bare, "metrics", PYTHONPATH=f"{away}:{ROOT}")
    assert (status, out) == (1, "")
    assert err.endswith("is not installed; on Debian, run: apt install python3-prometheus-client\n")
