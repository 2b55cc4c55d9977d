"""What the real pppd and pptp log when a server refuses them in each way, and the reason that is read out of it."""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import commands as lab
import pytest
from scripted import all_scripted

SUITE = platform.freedesktop_os_release()["VERSION_CODENAME"]
AT_ONCE = 2  # one CPU: with more of them a dial takes longer than its connect-timeout, or fails by itself
OFF = {"mppe": "off"}
PAP = {**OFF, "refuse-pap": False}
MD5 = {**OFF, "refuse-chap": False}
HANGS = {"connect-timeout": 8}  # pppd or pptp would go on for longer


def short(*options: str) -> dict[str, Any]:
    """pppd loses its patience early: by itself it waits for half a minute or more."""
    return {"pppd-options": list(options)}


SHORT_LCP = {"connect-timeout": 9}  # pppd gives LCP up four seconds before, see pppd.py


@dataclass(frozen=True)
class Case:
    """A server's plan, and what comes of it.

    lines: regular expressions, each of which is all of a line in the journal: "pppd " or "pptp ", then the message, of
    pptp's without the name and the place in its source. reason: the name in LastError. keys: what the tunnel has
    besides. up: the link must have been up before it ended.
    """

    plan: dict[str, Any]
    lines: tuple[str, ...]
    reason: str
    keys: dict[str, Any] = field(default_factory=dict)
    up: bool = False
    suites: str = "bookworm trixie"


def login(code: int, text: str = "") -> dict[str, Any]:
    """The failure of MS-CHAP. RFC 2759 section 6."""
    return {"login": f"failure:E={code} R=0 C=0123456789ABCDEF0123456789ABCDEF V=3" + (f" M={text}" if text else "")}


def then(do: str, at: str = "told") -> dict[str, Any]:
    """The end that the server puts to a link."""
    return {"then": {"do": do, "at": at}}


NOT_STARTED = "pptp Negative reply received to our Start Control Connection Request"
NO_CALL = r"pptp Our outgoing call request \[callid \d+\] has not been accepted\."
NO_RESOURCE = r"pptp Error is '\(No-Resource\)', Error message: 'Insufficient resources to handle this command now'"
CALLED = r"pptp Outgoing call established \(call ID \d+, peer's call ID \d+\)\."
LOGGED_IN = "pppd CHAP authentication succeeded"
NOT_LOGGED_IN = "pppd CHAP authentication failed"
ENCRYPTED = "pppd MPPE 128-bit stateless compression enabled"
NOT_ENCRYPTED = "pppd MPPE required but peer negotiation failed"
NO_KEYS = r"pppd MPPE required, but MS-CHAP\[v2\] nor EAP-TLS auth are performed\."
NO_LCP = "pppd LCP: timeout sending Config-Requests"
DISCONNECTED = r"pptp Call disconnect notification received \(call id \d+\)"
CLOSED = "pptp read returned zero, peer has closed"
HANGUP = "pppd Modem hangup"
NO_TRIES = r"pptp Could not launch call manager after 3 tries\."


def not_started(result: int, text: str) -> tuple[str, ...]:
    """What pptp logs when the control connection is refused."""
    return NOT_STARTED, f"pptp Reply result code is {result} '{text}'. Error code is \\d+", HANGUP


def no_call(result: int, text: str) -> tuple[str, ...]:
    """What pptp logs when the call is refused."""
    return NO_CALL, f"pptp Result code is {result} '{re.escape(text)}'. Error code is \\d+, Cause code is \\d+", HANGUP


def refused(text: str) -> tuple[str, ...]:
    """What pppd logs when the server refuses an MS-CHAP login."""
    return f"pppd MS-CHAP authentication failed: {text}", NOT_LOGGED_IN


CASES: dict[str, dict[str, Case]] = {
    "control": {
        "notauth": Case(
            {"start_reply": {"result": 4}}, not_started(4, "Requester is not Authorized"), "control-not-authorized"
        ),
        "exists": Case(
            {"start_reply": {"result": 3}}, not_started(3, "Command Channel Already Exists"), "control-exists"
        ),
        "version": Case({"start_reply": {"result": 5}}, not_started(5, "Unknown Result Code"), "control-version"),
        "general": Case(
            {"start_reply": {"result": 2, "error": 4}},
            (*not_started(2, "General Error"), NO_RESOURCE),
            "control-refused",
        ),
        # pptp wants 1.0, and does not say so.
        "version2": Case(
            {"start_reply": {"version": 0x0200}},
            ("pptp Received Start Control Connection Reply", r"pptp pptp_conn_close\(2\)", NO_TRIES, HANGUP),
            "control-lost",
        ),
        "mute": Case(
            {"start_reply": "mute"},
            ("pptp Sent control packet type is 1 'Start-Control-Connection-Request'",),
            "control-silent",
            HANGS,
        ),
        "closes": Case({"start_reply": "close"}, (CLOSED, NO_TRIES, HANGUP), "control-lost"),
        "garbage": Case(
            {"start_reply": "garbage:SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"},
            (r"pptp \d+ bad bytes thrown away\.",),
            "control-silent",
            HANGS,
        ),
    },
    "call": {
        "general": Case(
            {"call_reply": {"result": 2, "error": 4}}, (*no_call(2, "General Error"), NO_RESOURCE), "call-refused"
        ),
        "carrier": Case({"call_reply": {"result": 3}}, no_call(3, "No Carrier Detected"), "call-no-carrier"),
        "busy": Case({"call_reply": {"result": 4}}, no_call(4, "Busy Signal"), "call-busy"),
        "dialtone": Case({"call_reply": {"result": 5}}, no_call(5, "No Dial Tone"), "call-no-dial-tone"),
        "time": Case({"call_reply": {"result": 6}}, no_call(6, "Time Out"), "call-timed-out"),
        "prohibit": Case(
            {"call_reply": {"result": 7}},
            no_call(7, "Not Accepted, Call is administratively prohibited"),
            "call-prohibited",
        ),
        "mute": Case(
            {"call_reply": "mute"},
            (r"pptp Client connection established\.", "pptp Sent control packet type is 7 'Outgoing-Call-Request'"),
            "call-silent",
            HANGS,
        ),
        "closes": Case({"call_reply": "close"}, (CLOSED, HANGUP), "control-lost"),
        "stops": Case(
            {"call_reply": "mute", **then("stop:3", "start")},
            (r"pptp Received Stop Control Connection Request\.", HANGUP),
            "control-lost",
        ),
    },
    "lcp": {
        "gre": Case({"gre": "mute"}, (CALLED, NO_LCP), "gre-blocked", SHORT_LCP),
        "noproto": Case({"gre": "closed"}, (r"pptp short read \(-1\): Protocol not available", HANGUP), "gre-refused"),
        "loopback": Case({"lcp": "loopback"}, (r"pppd Serial line is looped back\.",), "looped-back"),
        # Before LCP is open pppd does not log what a Terminate-Request says, so this looks like a silent server.
        "early": Case({"lcp": "terminate:go away"}, (CALLED, NO_LCP), "gre-blocked", SHORT_LCP),
        "opened": Case(then("terminate:go away", "lcp"), (r"pppd LCP terminated by peer \(go away\)",), "ppp-refused"),
        "closes": Case({**then("close", "lcp"), "login": "mute"}, (CLOSED, HANGUP), "control-lost"),
        "disc3": Case(
            {**then("disconnect:3", "lcp"), "login": "mute"},  # else the link may be up before pptp has read it
            (
                DISCONNECTED,
                "pptp Result code is 3 'Administrative Shutdown'. Error code is 0, Cause code is 0",
                HANGUP,
            ),
            "ppp-refused",
        ),
        "rras": Case(
            then("terminate:\x13\x57\x9b\xdf\x00<\xcdt\x00\x00\x02\xe6", "login"),
            (LOGGED_IN, r"pppd LCP terminated by peer \(\^SWM-\^\[M-_\^@<M-Mt\^@\^@\^BM-f\)"),
            "ppp-refused",
        ),
        "limit": Case(
            then("terminate:session limit", "login"),
            (LOGGED_IN, r"pppd LCP terminated by peer \(session limit\)"),
            "ppp-refused",
        ),
    },
    "method": {
        "pap": Case(
            {"auth": "pap"},
            (r"pppd LCP terminated by peer \(peer refused to authenticate\)",),
            "auth-protocol-refused",
            OFF,
        ),
        "v2": Case(
            {},
            (r"pppd LCP terminated by peer \(peer refused to authenticate\)",),
            "auth-protocol-refused",
            {**PAP, "refuse-mschap-v2": True},
        ),
        # pppd opens LCP without a login, and at once misses what MPPE needs.
        "papmppe": Case({"auth": "pap"}, (NO_KEYS,), "mppe-without-ms-chap"),
        "eapmppe": Case({"auth": "eap"}, (NO_KEYS,), "mppe-without-ms-chap"),
        "abort": Case({"auth": "pap", "refused": "abort:no"}, (CALLED, NO_LCP), "gre-blocked", SHORT_LCP),
        # pppd refuses for ever, and logs nothing.
        "insist": Case({"auth": "pap", "refused": "insist"}, (CALLED,), "auth-silent", HANGS),
        "inpap": Case(
            {"auth": "pap"},
            ("pppd PAP authentication succeeded", NO_KEYS),
            "mppe-without-ms-chap",
            {"refuse-pap": False},
        ),
        "inmd5": Case({"auth": "md5"}, (LOGGED_IN, NO_KEYS), "mppe-without-ms-chap", {"refuse-chap": False}),
        "none": Case({"auth": "none"}, (NO_KEYS,), "mppe-without-ms-chap"),
    },
    "login": {
        "e646": Case(login(646), refused("E=646 Restricted logon hours"), "account-restricted"),
        "e647": Case(login(647), refused("E=647 Account disabled"), "account-disabled"),
        "e648": Case(login(648), refused("E=648 Password expired"), "password-expired"),
        "e649": Case(login(649), refused("E=649 No dialin permission"), "account-no-dialin"),
        "e691": Case(login(691), refused("E=691 Authentication failure"), "wrong-password"),
        "e709": Case(login(709), refused("E=709 Error changing password"), "password-not-changed"),
        "e999": Case(
            login(999),
            (r"pppd Unknown MS-CHAP authentication failure: E=999 R=0 C=\w+ V=3", NOT_LOGGED_IN),
            "wrong-password",
        ),
        "e647m": Case(login(647, "Account disabled"), refused("Account disabled"), "account-disabled"),
        "locked": Case(login(691, "Account locked out"), refused("Account locked out"), "account-locked"),
        "expired": Case(login(691, "User account expired"), refused("User account expired"), "account-expired"),
        "e691m": Case(login(691, "Access denied"), refused("Access denied"), "wrong-password"),
        "bytes": Case({"login": "failure:go \x07\xe9 away"}, refused(r"go \^GM-i away"), "wrong-password"),
        "empty": Case({"login": "failure:"}, ("pppd MS-CHAP authentication failed:", NOT_LOGGED_IN), "wrong-password"),
        "unproven": Case(
            {"login": "unproven"}, (r"pppd MS-CHAPv2 mutual authentication failed\.", NOT_LOGGED_IN), "server-unproven"
        ),
        "malform": Case(
            {"login": "malformed"},
            (r"pppd MS-CHAPv2 Success packet is badly formed\.", NOT_LOGGED_IN),
            "server-unproven",
        ),
        "mute": Case({"login": "mute"}, ("pppd CHAP authentication timed out",), "auth-silent"),
    },
    "others": {  # the other methods' logins
        "pap": Case(
            {"auth": "pap", "login": "failure:Login incorrect"},
            ("pppd Remote message: Login incorrect", "pppd PAP authentication failed"),
            "wrong-password",
            PAP,
        ),
        "papmute": Case(
            {"auth": "pap", "login": "mute"},
            ("pppd No response to PAP authenticate-requests",),
            "auth-silent",
            {**PAP, **short("pap-restart 1", "pap-max-authreq 3")},
        ),
        "md5": Case(
            {"auth": "md5", "login": "failure:Access denied"},
            ("pppd CHAP authentication failed: Access denied", NOT_LOGGED_IN),
            "wrong-password",
            MD5,
        ),
        "v1": Case(
            {"auth": "mschap", **login(691)},
            refused("E=691 Authentication failure"),
            "wrong-password",
            {**OFF, "refuse-mschap": False},
        ),
    },
    "mppe": {
        "reject": Case({"ccp": "reject"}, (LOGGED_IN, "pppd MPPE required but peer refused"), "mppe-refused"),
        "protorej": Case({"ccp": "protocol-reject"}, (LOGGED_IN, NOT_ENCRYPTED), "mppe-refused"),
        "nak": Case(
            {"ccp": "stateful"}, ("pppd Refusing MPPE stateful mode offered by peer", NOT_ENCRYPTED), "mppe-stateful"
        ),
        "request": Case(
            {"ccp": "stateful-request"},
            ("pppd Refusing MPPE stateful mode offered by peer", NOT_ENCRYPTED),
            "mppe-stateful",
        ),
        "forty": Case({"ccp": "40-bit"}, (LOGGED_IN, NOT_ENCRYPTED), "mppe-refused"),
        "ignore": Case({"ccp": "ignore"}, (LOGGED_IN,), "mppe-silent", HANGS),
        "off": Case(
            {"ccp": "require"},
            (r"pppd LCP terminated by peer \(MPPE required but peer negotiation failed\)",),
            "mppe-demanded",
            OFF,
        ),
    },
    "ipcp": {
        "none": Case({"ipcp": "no-address"}, (ENCRYPTED, "pppd Could not determine local IP address"), "no-address"),
        "zero": Case({"ipcp": "zero"}, (ENCRYPTED, "pppd Could not determine local IP address"), "no-address"),
        "ignore": Case(
            {"ipcp": "ignore"},
            (ENCRYPTED, "pppd IPCP: timeout sending Config-Requests"),
            "ipcp-silent",
            short("ipcp-max-configure 2", "ipcp-restart 1"),
        ),
        "protorej": Case({"ipcp": "protocol-reject"}, (ENCRYPTED,), "ipcp-silent", HANGS),
        "other": Case(
            {"ipcp": "other-address"},
            ("pppd Peer refused to agree to our IP address",),
            "address-refused",
            short("10.1.2.3:"),
        ),
        # pppd 2.4.9 takes what it wants as the server's address.
        "peer": Case(
            {},
            ("pppd Peer refused to agree to his IP address",),
            "address-refused",
            short(":10.1.2.4"),
            suites="trixie",
        ),
        "nopeer": Case(
            {"ipcp": "no-peer-address", **then("close")},
            (r"pppd Could not determine remote IP address: defaulting to 10\.64\.64\.\d+", CLOSED),
            "peer-hung-up",
            up=True,
        ),
    },
    "end": {
        "term": Case(
            then("terminate:idle too long"),
            (r"pppd LCP terminated by peer \(idle too long\)",),
            "peer-hung-up",
            up=True,
        ),
        "termnone": Case(then("terminate"), ("pppd LCP terminated by peer",), "peer-hung-up", up=True),
        "lost": Case(
            then("disconnect:1"),
            (DISCONNECTED, "pptp Result code is 1 'Lost Carrier'. Error code is 0, .*"),
            "peer-hung-up",
            up=True,
        ),
        "admin": Case(
            then("disconnect:3"),
            (DISCONNECTED, "pptp Result code is 3 'Administrative Shutdown'. Error code is 0, .*"),
            "server-shut-down",
            up=True,
        ),
        "stop": Case(
            then("stop:3"), (r"pptp Received Stop Control Connection Request\.", HANGUP), "peer-hung-up", up=True
        ),
        "closes": Case(then("close"), (CLOSED, HANGUP), "peer-hung-up", up=True),
        "reset": Case(then("abort"), ("pptp read error: Connection reset by peer", HANGUP), "control-lost", up=True),
        "mute": Case(
            then("mute"),
            ("pppd No response to 3 echo-requests", r"pppd Serial link appears to be disconnected\."),
            "peer-dead",
            {"lcp-echo-interval": 1, "lcp-echo-failure": 3},
            up=True,
        ),
        "ccpterm": Case(
            then("ccp-terminate"),
            (r"pppd CCP terminated by peer", r"pppd Compression disabled by peer\.", "pppd MPPE disabled"),
            "mppe-lost",
            up=True,
        ),
        # Nothing comes of it: each packet brings its own key. RFC 3078 section 7.2.
        "ccpreset": Case(
            {"then": [{"do": "ccp-reset", "at": "told"}, {"do": "close", "at": "told", "after": 3}]},
            (ENCRYPTED, CLOSED),
            "peer-hung-up",
            up=True,
        ),
    },
}


@pytest.mark.parametrize("group", CASES)
def test_the_end_and_its_reason(group: str) -> None:
    cases = {name: case for name, case in CASES[group].items() if SUITE in case.suites}
    addresses = {name: f"203.0.113.{5 + number}" for number, name in enumerate(cases)}
    since = time.time()
    with all_scripted({addresses[name]: case.plan for name, case in cases.items()}) as servers:
        common = {**lab.ALICE, "routes": [], "persist": False}
        lab.configure({name: {**common, **case.keys, "server": addresses[name]} for name, case in cases.items()})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            was_up = dict(zip(cases, pool.map(connect, cases), strict=True))
        servers.tell()
        reasons = {name: reason_of(name) for name in cases}
        print(servers.log())
    logged = lines_of(cases, since)
    wrong = []
    for name, case in cases.items():
        missing = [line for line in case.lines if not any(re.fullmatch(line, there) for there in logged[name])]
        if (missing, was_up[name], reasons[name]) != ([], case.up, case.reason):
            wrong.append(
                f"{name}: up: {was_up[name]}, {reasons[name]} and not {case.reason}, not there: {missing}, but:"
            )
            wrong += [f"    {line}" for line in logged[name]]
    print("reasons:", reasons)
    assert not wrong, "\n" + "\n".join(wrong)


def connect(tunnel: str) -> bool:
    """Whether Connect has brought the tunnel up."""
    return lab.call("Connect", tunnel).returncode == 0


def reason_of(tunnel: str) -> str:
    """Wait for the tunnel's end: the name of the reason."""
    deadline = time.monotonic() + 30
    while lab.active(tunnel) not in ("failed", "inactive") and time.monotonic() < deadline:
        time.sleep(0.3)
    return lab.last_error(tunnel)[0]


def lines_of(tunnels: Iterable[str], since: float) -> dict[str, list[str]]:
    """What pppd and pptp logged for each tunnel since then, as Case has it.

    journald does not know the unit of what a process logged at its very end: then its other lines tell whose it is.
    """
    text = lab.journalctl("-o", "json", f"--since=@{since:.6f}", "-t", "pppd", "-t", "pptp")
    entries = [json.loads(line) for line in text.splitlines()]
    units = {entry["_PID"]: entry["_SYSTEMD_UNIT"] for entry in entries if "_SYSTEMD_UNIT" in entry}
    logged: dict[str, list[str]] = {name: [] for name in tunnels}
    of_unit = {lab.unit(name): lines for name, lines in logged.items()}
    for entry in entries:
        begin = re.match(r"(\S+)-[0-9a-f]{8} (?:log|warn|fatal)\[\w+:\w+\.c:\d+\]: ", entry["MESSAGE"])
        unit = lab.unit(begin[1]) if begin else units.get(entry["_PID"])
        if unit in of_unit:
            message = entry["MESSAGE"][begin.end() if begin else 0 :]
            of_unit[unit].append(f"{entry['SYSLOG_IDENTIFIER']} {message}")
    return logged
