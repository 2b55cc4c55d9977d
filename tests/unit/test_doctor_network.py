"""What `pptpctl doctor` says of the manager, the units, the way to a server, the firewall and other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pptpd_manager import VERSION, reasons
from pptpd_manager.dns import NOBODY, NONE_NAMED
from pptpd_manager.doctor import control, firewall, manager, network, way
from pptpd_manager.doctor.control import Started
from pptpd_manager.doctor.finding import CHECKS, Finding, Result
from pptpd_manager.doctor.firewall import Firewall
from pptpd_manager.doctor.manager import Tunnel, Unit
from pptpd_manager.doctor.network import Call, Other, Resolver, Route
from pptpd_manager.doctor.way import Contact, Echo, Name
from pptpd_manager.reasons import Failure, Reason

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
import pptp_server

OK, PROBLEM, WARNING, UNKNOWN = Result.OK, Result.PROBLEM, Result.WARNING, Result.UNKNOWN
ADDRESS = IPv4Address("203.0.113.1")


def told(*findings: Finding) -> list[tuple[Result, str, str]]:
    """Result, sentence and command of each."""
    assert all(finding.check in CHECKS for finding in findings)
    assert all(finding.meaning for finding in findings if finding.result in (PROBLEM, WARNING))
    return [(finding.result, finding.finding, finding.command) for finding in findings]


# --- the manager and the units ---

SERVICE = Unit("pptp-manager.service")


@pytest.mark.parametrize(
    ("version", "unit", "result", "finding", "command"),
    [
        (VERSION, SERVICE, OK, f"pptp-manager {VERSION} runs.", ""),
        (
            "0.0.9",
            SERVICE,
            PROBLEM,
            f"pptp-manager 0.0.9 runs, and {VERSION} is installed.",
            "systemctl restart pptp-manager",
        ),
        (None, None, PROBLEM, "systemd does not answer on the system bus.", ""),
        (None, SERVICE, PROBLEM, "pptp-manager does not run.", "systemctl start pptp-manager"),
        (
            None,
            replace(SERVICE, load="masked"),
            PROBLEM,
            "pptp-manager does not run: its unit is masked.",
            "systemctl unmask pptp-manager && systemctl start pptp-manager",
        ),
        (
            None,
            replace(SERVICE, load="not-found"),
            PROBLEM,
            "pptp-manager does not run: its unit is not installed.",
            "systemctl daemon-reload",
        ),
        (
            None,
            replace(SERVICE, active="failed", result="exit-code"),
            PROBLEM,
            "pptp-manager has failed.",
            "journalctl -b -u pptp-manager -n 20",
        ),
        (
            None,
            replace(SERVICE, active="active"),
            PROBLEM,
            "pptp-manager runs but does not answer.",
            "systemctl status pptp-manager",
        ),
    ],
)
def test_the_manager(version: str | None, unit: Unit | None, result: Result, finding: str, command: str) -> None:
    assert told(manager.judge_manager(version, unit)) == [(result, finding, command)]


def test_the_configuration() -> None:
    judge = manager.judge_configuration
    assert told(*judge("/f", [], 2)) == [(OK, "/f is without mistakes; tunnels: 2.", "")]
    changed = told(*judge("/f", [], 2, stale=True))
    assert changed == [(WARNING, "/f has been changed since it was read.", "pptpctl reload")]
    assert told(*judge("/f", [], 0)) == [(WARNING, "/f has no tunnel.", "man pptp-manager.yaml")]
    assert told(*judge("/f", ["/f:1:2: x: y", "/f:3:4: z"], 2)) == [
        (PROBLEM, "/f:1:2: x: y", "pptpctl check /f"),
        (PROBLEM, "/f:3:4: z", "pptpctl check /f"),
    ]


UNIT = Unit("pptp@work.service", active="active", enabled="enabled", path="/usr/lib/systemd/system/pptp@.service")
DROP_IN = "/etc/systemd/system/pptp@.service.d/x.conf"


@pytest.mark.parametrize(
    ("unit", "result", "finding", "command"),
    [
        (UNIT, OK, "pptp@work.service is active; it is started at boot.", ""),
        (replace(UNIT, enabled="disabled"), OK, "pptp@work.service is active; it is not started at boot.", ""),
        (replace(UNIT, path="/usr/local/lib/systemd/system/pptp@.service", drop_ins=((DROP_IN, None),)), OK, "", ""),
        (replace(UNIT, drop_ins=((DROP_IN, "[Service]\n#ExecStart=/x\nReadWritePaths=/x\n"),)), OK, "", ""),
        (
            replace(UNIT, load="masked"),
            PROBLEM,
            "pptp@work.service is masked.",
            "systemctl unmask pptp@work.service",
        ),
        (
            replace(UNIT, load="bad-setting"),
            PROBLEM,
            "systemd has no usable pptp@work.service: bad-setting.",
            "systemctl status pptp@work.service",
        ),
        (
            replace(UNIT, active="failed", result="exit-code"),
            PROBLEM,
            "pptp@work.service has failed (exit-code).",
            "pptpctl up work",
        ),
        (
            replace(UNIT, capabilities=1 << 12),
            PROBLEM,
            "pptp@work.service lacks CAP_NET_RAW.",
            "systemctl cat pptp@work.service",
        ),
        (
            replace(UNIT, drop_ins=((DROP_IN, "[Service]\nExecStart=\n"),)),
            PROBLEM,
            f"{DROP_IN}:2 changes ExecStart= of pptp@work.service.",
            "systemctl cat pptp@work.service",
        ),
        (
            replace(UNIT, path="/etc/systemd/system/pptp@.service"),
            WARNING,
            "pptp@work.service is /etc/systemd/system/pptp@.service.",
            "rm /etc/systemd/system/pptp@.service && systemctl daemon-reload",
        ),
        (
            replace(UNIT, outdated=True),
            WARNING,
            "The files of pptp@work.service have changed since systemd read them.",
            "systemctl daemon-reload",
        ),
        (None, UNKNOWN, "the tunnel's unit: not looked at: systemd does not answer", ""),
    ],
)
def test_a_unit(unit: Unit | None, result: Result, finding: str, command: str) -> None:
    (found,) = told(*manager.judge_unit("work", unit))
    assert found == (result, finding or found[1], command)


FAILED = ("gre-blocked", "No GRE packet comes back.", "Let it pass" + reasons.DOCTOR.format(name="work"))


@pytest.mark.parametrize(
    ("tunnel", "result", "finding"),
    [
        (Tunnel("work", "a", "up", last=FAILED), OK, "The tunnel is up."),
        (Tunnel("work", "a", "idle"), OK, "The tunnel is idle; no attempt has failed."),
        (Tunnel("work", "a", "idle", last=("stopped", "x", "y")), OK, "The tunnel is idle; no attempt has failed."),
        (
            Tunnel("work", "a", "idle", last=FAILED),
            WARNING,
            "The last attempt failed (gre-blocked): No GRE packet comes back.",
        ),
        (
            Tunnel("work", "a", "failed", last=FAILED),
            PROBLEM,
            "The last attempt failed (gre-blocked): No GRE packet comes back.",
        ),
        (
            Tunnel("work", "a", "waiting", last=FAILED),
            PROBLEM,
            "The last attempt failed (gre-blocked): No GRE packet comes back.",
        ),
    ],
)
def test_why_it_is_down(tunnel: Tunnel, result: Result, finding: str) -> None:
    found = manager.judge_last(tunnel)
    assert told(found) == [(result, finding, "" if result is OK else "pptpctl logs work")]
    assert found.meaning == ("" if result is OK else "Let it pass"), "the way here is not told"


def test_every_reason_is_told_with_its_advice() -> None:
    for reason in reasons.REASONS.values():
        advice = reason.advice.format(name="work", server="vpn", address="192.0.2.1")
        found = manager.judge_last(Tunnel("work", "vpn", "failed", last=(reason.name, reason.sentence, advice)))
        assert (found.result is OK) == (reason.name in manager.PASSING), reason.name
        assert found.result is OK or (reason.sentence in found.finding and found.meaning), reason.name


# --- the way to the server ---


def test_names() -> None:
    named = Name("vpn.example.com", (ADDRESS, IPv4Address("203.0.113.2")))
    assert told(way.judge_name(named, "work")) == [(OK, "vpn.example.com is 203.0.113.1, 203.0.113.2.", "")]
    numeric = Name(str(ADDRESS), (ADDRESS,))
    assert told(way.judge_name(numeric, "work")) == [(OK, "The server is given by its address, 203.0.113.1.", "")]
    gone = Name("vpn.example.com", Failure(reasons.NAME_NOT_FOUND, "vpn.example.com"))
    sentence = "The server's name does not exist, or has no IPv4 address. (vpn.example.com)"
    assert told(way.judge_name(gone, "work")) == [(PROBLEM, sentence, "getent ahostsv4 vpn.example.com")]


SAID = Started("local", "linux", 1)
TCP_OK = (OK, "203.0.113.1 accepts TCP port 1723, after 3 ms.", "")
CONTROL_OK = (OK, "203.0.113.1 speaks PPTP: vendor 'linux', host name 'local', firmware 1.", "")
DUMP = "tcpdump -ni any proto 47 and host 203.0.113.1"


def of(contact: Contact, *, untracked: bool = False) -> list[tuple[Result, str, str]]:
    found = way.judge(contact, "vpn.example.com", "work", untracked=untracked)
    assert {finding.tunnel for finding in found} == {"work"}
    return told(*found)


def test_how_far_a_call_goes() -> None:
    refused = Failure(reasons.TCP_REFUSED)
    assert of(Contact(ADDRESS, refused)) == [(PROBLEM, refused.sentence, "ip route get 203.0.113.1")]
    assert of(Contact(ADDRESS, 3)) == [TCP_OK], "while it is dialling"
    exists = Failure(reasons.CONTROL_EXISTS, "result code 3, error code 0")
    assert of(Contact(ADDRESS, 3, exists)) == [TCP_OK, (PROBLEM, exists.sentence, "")]
    full = Failure(reasons.CALL_REFUSED, "result code 2, error code 4, cause code 0")
    assert of(Contact(ADDRESS, 3, SAID, full)) == [TCP_OK, CONTROL_OK, (PROBLEM, full.sentence, "")]
    came = (OK, "GRE goes to 203.0.113.1 and comes back.", "")
    assert of(Contact(ADDRESS, 3, SAID, gre=Echo.CAME)) == [TCP_OK, CONTROL_OK, came]
    nobody = (UNKNOWN, "whether GRE comes back from 203.0.113.1: not looked at: needs root", "")
    assert of(Contact(ADDRESS, 3, SAID, gre=Echo.NEEDS_ROOT))[2:] == [nobody]
    icmp = Failure(reasons.GRE_REFUSED, "Protocol not available")
    assert of(Contact(ADDRESS, 3, SAID, gre=icmp))[2:] == [(PROBLEM, icmp.sentence, DUMP)]


def test_gre_that_does_not_come_back() -> None:
    """The advice does not lead back to here."""
    (_, _, blocked) = way.judge(Contact(ADDRESS, 3, SAID, gre=Echo.SILENT), "vpn", "work", untracked=False)
    assert "modprobe -a nf_conntrack_pptp nf_nat_pptp; iptables -t raw -A PREROUTING " in blocked.meaning, (
        "since Linux 4.7 a module alone sees to no connection"
    )
    silent = Contact(ADDRESS, 3, SAID, gre=Echo.SILENT)
    assert of(silent)[2:] == [(PROBLEM, reasons.GRE_BLOCKED.sentence, DUMP)]
    assert of(silent, untracked=True)[2:] == [(PROBLEM, reasons.GRE_UNTRACKED.sentence, DUMP)]


def test_a_tunnel_that_is_up_or_dialling() -> None:
    assert told(way.judge_up("vpn", "203.0.113.1", "w")) == [(OK, "The tunnel is up through vpn (203.0.113.1).", "")]
    same = told(way.judge_up("203.0.113.1", "203.0.113.1", "w"))
    assert same == [(OK, "The tunnel is up through 203.0.113.1.", "")]
    other = told(way.judge_other("203.0.113.1", "home", "work"))
    assert other == [(OK, "The tunnel home is up through 203.0.113.1.", "")]
    busy = way.judge_busy("connecting", "work")
    assert busy.result is UNKNOWN and "the tunnel is connecting just now" in busy.finding


def test_when_nothing_stands_in_the_way() -> None:
    came, silent = Contact(ADDRESS, 3, SAID, gre=Echo.CAME), Contact(ADDRESS, 3, SAID, gre=Echo.SILENT)
    nobody, tcp = Contact(ADDRESS, 3, SAID, gre=Echo.NEEDS_ROOT), Contact(ADDRESS, 3)
    refused = Contact(ADDRESS, Failure(reasons.TCP_REFUSED))
    assert way.passes([came, nobody, tcp], up=False) and way.passes([tcp], up=True)
    assert not way.passes([nobody, tcp], up=False) and not way.passes([], up=False)
    assert not any(way.passes([came, failed], up=True) for failed in (silent, refused))


# --- RFC 2637, against the lab's server, which is tested against the RFC and pptp(8) ---


def server(**plan: object) -> pptp_server.Connection:
    return pptp_server.Connection(pptp_server.plan(dict(plan)), 7, lambda text: None)


def messages(octets: bytes) -> Iterator[control.Message]:
    while taken := control.first(octets):
        message, octets = taken
        yield message


def test_a_call_from_start_to_stop() -> None:
    there = server()
    there.received(control.start() + control.call(4711))
    started, called = messages(bytes(there.control_out))
    assert control.started(started.body) == Started("scripted", "scripted", 1)
    assert control.called(called.body) == 7
    there.gre_out.clear()
    there.packet(control.knock(7, 0))
    there.tick(1.0)
    assert {control.heard(b"\x45" + bytes(19) + packet) for packet in there.gre_out} == {4711}
    there.control_out.clear()
    there.received(control.clear(4711) + control.stop())
    kinds = [message.kind for message in messages(bytes(there.control_out))]
    assert kinds == [pptp_server.DISCONNECT, pptp_server.STOP_REPLY] and there.leaving == "close"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (2, reasons.CONTROL_REFUSED),
        (3, reasons.CONTROL_EXISTS),
        (4, reasons.CONTROL_NOT_AUTHORIZED),
        (5, reasons.CONTROL_VERSION),
    ],
)
def test_a_control_connection_that_is_refused(result: int, reason: Reason) -> None:
    there = server(start_reply={"result": result, "error": 1})
    there.received(control.start())
    (answer,) = messages(bytes(there.control_out))
    assert control.started(answer.body) == Failure(reason, f"result code {result}, error code 1")


def test_another_version_and_half_an_answer() -> None:
    there = server(start_reply={"version": 0x0200})
    there.received(control.start())
    (answer,) = messages(bytes(there.control_out))
    assert control.started(answer.body) == Failure(reasons.CONTROL_VERSION, "it speaks version 2.0")
    assert isinstance(control.started(answer.body[:-1]), Failure)
    assert isinstance(control.called(b""), Failure)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (2, reasons.CALL_REFUSED),
        (3, reasons.CALL_NO_CARRIER),
        (4, reasons.CALL_BUSY),
        (5, reasons.CALL_NO_DIAL_TONE),
        (6, reasons.CALL_TIMED_OUT),
        (7, reasons.CALL_PROHIBITED),
    ],
)
def test_a_call_that_is_refused(result: int, reason: Reason) -> None:
    there = server(call_reply={"result": result, "error": 4, "cause": 9})
    there.received(control.start() + control.call(1))
    _, answer = messages(bytes(there.control_out))
    codes = f"result code {result}, error code 4, cause code 9"
    assert control.called(answer.body) == Failure(reason, codes)


def test_what_a_stranger_sends() -> None:
    assert control.first(b"SSH-2.0") is None, "not all there yet"
    for octets in (b"SSH-2.0-OpenSSH\r\n", control.start()[:2] + bytes(200), b"\xff\xff" + control.start()[2:]):
        with pytest.raises(ValueError):
            control.first(octets)
    management = control.start()[:2] + b"\0\2" + control.start()[4:]
    for octets in (management, control.start()[:3] + b"\0" + control.start()[4:]):
        with pytest.raises(ValueError):
            control.first(octets)
    body = pptp_server.START_REPLY_BODY.pack(0x0100, 1, 0, 3, 3, 0, 1, b"\x1b]0;x\x07", b"\xff\xff\0hidden")
    assert control.started(body) == Started("?]0;x?", "??", 1)
    assert [control.heard(packet) for packet in (b"", b"\x45" + bytes(27), b"\x45" + bytes(19) + b"\x20\x01")] == [
        None
    ] * 3


# --- the firewall ---

NFT = """\
table inet filter { # handle 1
	chain input { # handle 1
		type filter hook input priority filter; policy %s;
		iifname "lo" accept # handle 3
		ct state established,related accept # handle 4
		tcp dport 22 accept # handle 5
		%s # handle 6
	}

	chain forward { # handle 2
		type filter hook forward priority filter; policy drop;
		ip protocol gre drop # handle 7
	}
}
"""


def rules(nft: str = "", iptables: str = "", *, helper: bool = False) -> list[tuple[Result, str, str]]:
    return told(*firewall.judge(Firewall(nft, iptables, helper), proven=False))


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("ip protocol gre drop", "GRE"),
        ("meta l4proto { udp, 47 } counter packets 0 bytes 0 reject", "GRE"),
        ("tcp sport 1723 drop", "TCP port 1723"),
        ("ip saddr 203.0.113.1 tcp sport { 22, 1723 } reject with tcp reset", "TCP port 1723"),
    ],
)
def test_a_rule_of_nftables_that_drops_pptp(rule: str, what: str) -> None:
    assert rules(NFT % ("accept", rule)) == [
        (
            PROBLEM,
            f"The firewall here drops {what}: inet filter input: {rule}",
            "nft delete rule inet filter input handle 6",
        )
    ]


@pytest.mark.parametrize(
    "rule",
    ["tcp dport 1723 drop", "ip protocol != gre drop", "ip protocol gre accept", "udp dport 47 drop", "counter"],
)
def test_a_rule_that_does_not(rule: str) -> None:
    assert [one[0] for one in rules(NFT % ("accept", rule))] == [OK]


def test_a_chain_that_drops_the_rest() -> None:
    finding = "The firewall here drops what no rule accepts, and none is seen to accept GRE: inet filter input."
    command = "nft insert rule inet filter input meta l4proto gre accept"
    assert rules(NFT % ("drop", "counter")) == [(WARNING, finding, command)]
    assert rules(NFT % ("accept", "drop")) == [(WARNING, finding, command)]
    for rule in ("ip protocol gre accept", "ip saddr 203.0.113.0/24 accept", "accept"):
        assert [one[0] for one in rules(NFT % ("drop", rule))] == [OK], rule
    assert [one[0] for one in rules(NFT % ("drop", "counter"), helper=True)] == [OK], "GRE is related"


# As firewalld and ufw have it, in short.
FIREWALLD = """\
table inet firewalld { # handle 1
	chain filter_INPUT { # handle 1
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept # handle 2
		ct status dnat accept # handle 3
		iifname "lo" accept # handle 4
		jump filter_INPUT_ZONES # handle 5
		reject with icmpx admin-prohibited # handle 6
	}

	chain filter_INPUT_ZONES { # handle 7
		iifname "eth0" goto filter_IN_public # handle 8
	}

	chain filter_IN_public { # handle 9
		tcp dport 22 accept # handle 10
		meta l4proto { icmp, ipv6-icmp } accept # handle 11%s
	}

	chain elsewhere { # handle 12
		accept # handle 13
	}
}
"""
UFW = """\
-P INPUT DROP
-P FORWARD DROP
-P OUTPUT ACCEPT
-N ufw-before-input
-N ufw-skip-to-policy-output
-A INPUT -j ufw-before-input
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-skip-to-policy-output -j ACCEPT
"""


@pytest.mark.parametrize("family", ["ip6", "arp", "bridge"])
def test_what_is_not_for_ipv4_does_not_count(family: str) -> None:
    """As where ufw or firewalld keeps a table of its own for IPv6."""
    strict = (NFT % ("drop", "meta l4proto gre drop")).replace("table inet", f"table {family}")
    assert [one[0] for one in rules(strict)] == [OK]
    assert [one[0] for one in rules(strict + NFT % ("drop", "counter"))] == [WARNING]


def test_chains_that_lead_to_others() -> None:
    assert [one[0] for one in rules(FIREWALLD % "")] == [WARNING]
    assert [one[0] for one in rules(FIREWALLD % "\nip protocol gre accept")] == [OK]
    assert [one[0] for one in rules(FIREWALLD % "\nip protocol gre drop")] == [PROBLEM]
    assert [one[0] for one in rules(iptables=UFW)] == [WARNING]
    assert [one[0] for one in rules(iptables=UFW + "-A ufw-before-input -p gre -j ACCEPT\n")] == [OK]
    nobody = UFW + "-N mine\n-A mine -p gre -j DROP\n-A ufw-before-input -p gre -j ACCEPT\n"
    assert [one[0] for one in rules(iptables=nobody)] == [OK], "nothing comes to that rule"


def test_iptables() -> None:
    base = "-P INPUT %s\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N mine\n-A INPUT -j mine\n"
    assert [one[0] for one in rules(iptables=base % "ACCEPT")] == [OK]
    assert rules(iptables=base % "ACCEPT" + "-A mine -s 203.0.113.1/32 -p gre -j DROP\n") == [
        (
            PROBLEM,
            "The firewall here drops GRE: iptables mine: -s 203.0.113.1/32 -p gre -j DROP",
            "iptables -D mine -s 203.0.113.1/32 -p gre -j DROP",
        )
    ]
    assert [one[0] for one in rules(iptables=base % "ACCEPT" + "-A mine ! -p gre -j DROP")] == [OK]
    strict = "-P OUTPUT DROP\n-A OUTPUT -p tcp -j ACCEPT\n-A OUTPUT -m state --state ESTABLISHED -j ACCEPT\n"
    assert [one[0] for one in rules(iptables=strict, helper=True)] == [WARNING], "a call's first packet is new"
    out = "-A OUTPUT -p tcp -m tcp --dport 1723 -j REJECT --reject-with icmp-port-unreachable"
    assert rules(iptables=base % "ACCEPT" + out)[0][1].startswith("The firewall here drops TCP port 1723: ")
    state = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
    warned = rules(iptables=base % "DROP" + state)
    assert [one[0] for one in warned] == [WARNING] and warned[0][2] == "iptables -I INPUT -p gre -j ACCEPT"
    assert [one[0] for one in rules(iptables=base % "DROP" + state + "-A mine -p 47 -j ACCEPT")] == [OK]


def test_no_firewall_and_one_that_was_got_past() -> None:
    assert rules() == [(OK, "This machine has no rules of a firewall.", "")]
    assert told(*firewall.judge(Firewall(None, None, False), proven=True))[0][0] is UNKNOWN
    strict = Firewall(NFT % ("drop", "ip protocol gre drop"), "", False)
    assert told(*firewall.judge(strict, proven=True))[0][0] is OK


# --- others in the network ---


@pytest.mark.parametrize(
    ("route", "asked", "result", "finding"),
    [
        (
            Route("eth0", 1500),
            0,
            OK,
            "There is room for packets of 1500 bytes to 203.0.113.1 by eth0, 1456 inside of the tunnel.",
        ),
        (
            Route("ppp0", 1492),
            1456,
            WARNING,
            "The tunnel's MTU is 1456, and on the way there is room for 1448.",
        ),
        (
            Route("lo", 65536),
            1463,
            OK,
            "There is room for packets of 1500 bytes to 203.0.113.1 by lo, 1456 inside of the tunnel.",
        ),
        (Route("wg0", 600), 0, WARNING, "On the way to the server there is room for 600 bytes only."),
        (Route("", 0), 0, PROBLEM, "There is no route to the server."),
        (Route("pptp-work", 1400), 0, PROBLEM, "The way to the server 203.0.113.1 leads into the tunnel itself."),
    ],
)
def test_the_way(route: Route, asked: int, result: Result, finding: str) -> None:
    (found,) = told(network.judge_route("work", "203.0.113.1", route, asked))
    assert found == (result, finding, "" if result is OK else "ip route get 203.0.113.1")


MANAGER = Other("NetworkManager", True, "/usr/lib/NetworkManager/conf.d/pptp-manager.conf", True)


@pytest.mark.parametrize(
    ("other", "result", "finding"),
    [
        (MANAGER, OK, "NetworkManager leaves the tunnels alone."),
        (replace(MANAGER, running=False, there=False), OK, "NetworkManager does not run."),
        (replace(MANAGER, there=False), WARNING, "NetworkManager is not told to leave the tunnels alone."),
        (
            replace(MANAGER, replaced="/etc/NetworkManager/conf.d/pptp-manager.conf"),
            WARNING,
            "NetworkManager is not told to leave the tunnels alone.",
        ),
        (
            replace(MANAGER, managed=("pptp-work",)),
            PROBLEM,
            "NetworkManager manages pptp-work, a tunnel's interface.",
        ),
    ],
)
def test_another_manager_of_networks(other: Other, result: Result, finding: str) -> None:
    (found,) = told(network.judge_other(other))
    assert found == (result, finding, "" if result is OK else "systemctl reload NetworkManager")
    networkd = network.judge_other(replace(other, name="systemd-networkd"))
    assert networkd.check == "networkd" and networkd.result is result


def test_how_networkd_is_told() -> None:
    """It reads its .network files anew when told, and its own configuration at its start."""
    links = Other("systemd-networkd", True, "/usr/lib/systemd/network/00-pptp-manager.network", there=False)
    own = replace(links, file="/usr/lib/systemd/networkd.conf.d/pptp-manager.conf")
    assert [network.judge_other(other).command for other in (links, own)] == [
        "networkctl reload",
        "systemctl restart systemd-networkd",
    ]


def test_another_call_to_the_same_server() -> None:
    mine = {"203.0.113.1", "vpn.example.com"}
    pon = Call(7, "pptp", "session-1.scope", "pptp vpn.example.com --nolaunchpppd ")
    other = Call(8, "pptpcm", "", "pptp: call manager for 198.51.100.1")
    assert told(*network.judge_calls([pon, other], mine)) == [
        (WARNING, "Another program has a call to vpn.example.com: pptp (7, session-1.scope).", "kill 7")
    ]
    assert told(*network.judge_calls([other], mine))[0][0] is OK
    manager = Call(9, "pptpcm", "", "pptp: call manager for 203.0.113.1")
    assert told(*network.judge_calls([manager], mine))[0][0] is WARNING


STUB = Resolver(("127.0.0.53",), True, True)


@pytest.mark.parametrize(
    ("resolver", "names", "dns", "result", "finding", "command"),
    [
        (STUB, [], [("work", "")], OK, "Names are looked up by systemd-resolved.", ""),
        (Resolver(("192.0.2.53",), False, False), [], [], OK, "Names are looked up by 192.0.2.53.", ""),
        (Resolver((), False, False), [], [], OK, "Names are looked up by /etc/hosts alone.", ""),
        (
            Resolver(None, False, False),
            ["vpn"],
            [],
            WARNING,
            "/etc/resolv.conf names no name server.",
            "getent ahostsv4 vpn",
        ),
        (
            Resolver(("127.0.0.53",), False, False),
            [],
            [],
            PROBLEM,
            "/etc/resolv.conf names systemd-resolved, which does not run.",
            "systemctl start systemd-resolved",
        ),
        (
            Resolver(("192.0.2.53",), True, False),
            [],
            [("work", "")],
            WARNING,
            "systemd-resolved runs, but /etc/resolv.conf names other servers.",
            "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
        ),
        (
            Resolver(("192.0.2.53",), False, False),
            [],
            [("work", NOBODY)],
            PROBLEM,
            f"Nobody asks the tunnel's name servers: {NOBODY}.",
            "apt install systemd-resolved && systemctl enable --now systemd-resolved",
        ),
        (
            STUB,
            [],
            [("work", NONE_NAMED)],
            WARNING,
            "The server names no name servers.",
            "man pptp-manager.yaml",
        ),
        (
            STUB,
            [],
            [("work", "No appropriate name servers")],
            PROBLEM,
            "Nobody asks the tunnel's name servers: No appropriate name servers.",
            "pptpctl logs work",
        ),
    ],
)
def test_the_resolver(
    resolver: Resolver, names: list[str], dns: list[tuple[str, str]], result: Result, finding: str, command: str
) -> None:
    assert told(*network.judge_resolver(resolver, names, dns)) == [(result, finding, command)]


def test_the_servers_in_resolv_conf() -> None:
    text = "# nameserver 1.1.1.1\nnameserver 192.0.2.1\n nameserver x\nnameserver\t2001:db8::1 # y\nsearch a\n"
    assert network.nameservers(text) == ("192.0.2.1", "2001:db8::1")
