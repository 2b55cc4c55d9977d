"""Why a tunnel is not up: the table of reasons, and the reading of one from what a run of pppd left.

An exit status alone decides nothing: pppd's 10 stands for a filtered port, blocked GRE, refused MPPE and a
missing password alike. What counts is, in this order, the lines that pppd and pptp logged, how far the call had
got, and the status. Source of the lines: pppd 2.4.9 and 2.5.x, pptp-linux 1.10.0; of the statuses: pppd(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Retry(Enum):
    """What the next attempt waits for."""

    AGAIN = "again"  # a pause that grows
    TWICE = "twice"  # one more attempt, then given up: accounts get locked
    NEVER = "never"  # given up at once: the same input fails the same way


@dataclass(frozen=True)
class Reason:
    """One cause. name: stable, on D-Bus and in the journal; sentence: for people; advice: what to do about it."""

    name: str
    sentence: str
    advice: str
    retry: Retry = Retry.AGAIN


@dataclass(frozen=True)
class Failure:
    """A reason as it happened. detail: the server's words or the value that it is about; never a secret."""

    reason: Reason
    detail: str = ""

    @property
    def sentence(self) -> str:
        """The reason's sentence with the detail of this time."""
        return f"{self.reason.sentence} ({self.detail})" if self.detail else self.reason.sentence

    def advise(self, tunnel: str) -> str:
        """The sentence, and what to do about it for that tunnel."""
        return f"{self.sentence} {self.reason.advice.replace('NAME', tunnel)}".rstrip()


@dataclass(frozen=True)
class Line:
    """One line of the journal. program: the syslog identifier, "pppd" or "pptp"; text: the message."""

    program: str
    text: str


@dataclass(frozen=True)
class Exit:
    """How a main process ended, as systemd says it in $EXIT_CODE and $EXIT_STATUS.

    code: "exited", "killed" or "dumped"; status: a number, or the name of the signal. "" when not known.
    """

    code: str = ""
    status: str = ""


# Before anything is dialled.
NOT_CONFIGURED = Reason(
    "not-configured",
    "The tunnel is not in the configuration.",
    "Add it under 'tunnels:' and run: systemctl reload pptp-manager",
    Retry.NEVER,
)
BAD_CONFIGURATION = Reason(
    "bad-configuration",
    "The configuration has errors.",
    "Mend the file and run: systemctl reload pptp-manager",
    Retry.NEVER,
)
PPPD_MISSING = Reason("pppd-missing", "pppd is not installed.", "Run: apt install ppp", Retry.NEVER)
PPTP_MISSING = Reason("pptp-missing", "The program pptp is not installed.", "Run: apt install pptp-linux", Retry.NEVER)
OPTIONS_NOT_WRITTEN = Reason(
    "options-not-written", "pppd's option file could not be written.", "Make room on /run, see: df -h /run"
)
NO_NETWORK = Reason("no-network", "There is no network.", "See: ip address; ip route")
NO_ROUTE = Reason("no-route", "There is no route to the server.", "See: ip route")
NAME_NOT_FOUND = Reason(
    "name-not-found",
    "The server's name does not exist.",
    "Check 'server:', or the name server with: getent ahostsv4 SERVER",
)
NAME_SERVER_SILENT = Reason(
    "name-server-silent",
    "The server's name could not be looked up.",
    "Check the name server with: getent ahostsv4 SERVER",
)
# TCP and the control connection.
TCP_REFUSED = Reason(
    "tcp-refused", "The server refuses connections to TCP port 1723.", "Is a PPTP server running at that address?"
)
TCP_SILENT = Reason(
    "tcp-silent",
    "The server does not answer on TCP port 1723.",
    "Is the server on, and do the firewalls on the way let TCP port 1723 pass?",
)
HOST_UNREACHABLE = Reason(
    "host-unreachable", "The server's host cannot be reached.", "See: ip route get ADDRESS; ping ADDRESS"
)
CONTROL_REFUSED = Reason(
    "control-refused",
    "The server refuses the control connection.",
    "Ask the server's administrator whether this address may connect",
)
CONTROL_SILENT = Reason(
    "control-silent",
    "The server accepts TCP port 1723 but does not speak PPTP.",
    "Is it a PPTP server that listens there, and is it well?",
)
CALL_REFUSED = Reason("call-refused", "The server refuses the call.", "Try later, or ask its administrator")
CONTROL_LOST = Reason("control-lost", "The control connection was lost.", "See the server's log")
# PPP.
GRE_BLOCKED = Reason(
    "gre-blocked",
    "The call is set up, but no GRE packet comes back from the server.",
    "Let IP protocol 47 (GRE) pass; behind NAT or a firewall load nf_conntrack_pptp there",
)
LCP_SILENT = Reason(
    "lcp-silent",
    "The server does not answer in PPP.",
    "Let TCP port 1723 and IP protocol 47 (GRE) pass; see the server's log",
)
WRONG_PASSWORD = Reason(
    "wrong-password",
    "The server refuses the user name or the password.",
    "Check 'username:', 'domain:' and 'password:', then run: systemctl start pptp@NAME",
    Retry.TWICE,
)
ACCOUNT_REFUSED = Reason(
    "account-refused",
    "The server does not let this account in.",
    "Ask the server's administrator about the account",
    Retry.TWICE,
)
AUTH_PROTOCOL_REFUSED = Reason(
    "auth-protocol-refused",
    "The server asks for an authentication method that is refused here.",
    "Compare the refuse- keys with what the server offers",
    Retry.TWICE,
)
AUTH_SILENT = Reason("auth-silent", "The server did not answer the authentication.", "See the server's log")
SERVER_UNPROVEN = Reason(
    "server-unproven",
    "The server could not prove that it knows the password.",
    "It may be another server than you think: check 'server:'",
    Retry.TWICE,
)
PEER_NOT_AUTHENTICATED = Reason(
    "peer-not-authenticated",
    "pppd was told to make the server log in.",
    "Take 'auth' and 'require-' options out of /etc/ppp/options",
    Retry.NEVER,
)
MPPE_MODULE_MISSING = Reason("mppe-module-missing", "This kernel has no MPPE.", "Run: modprobe ppp_mppe", Retry.NEVER)
MPPE_REFUSED = Reason(
    "mppe-refused",
    "The server does not encrypt as required (MPPE).",
    "Switch MPPE-128 on at the server, or lower 'mppe:' if traffic in the clear is acceptable",
)
NO_ADDRESS = Reason("no-address", "The server gives no address.", "Its address pool may be used up: try later")
# The machine here.
PPP_MODULE_MISSING = Reason(
    "ppp-module-missing", "This kernel has no PPP.", "Run: modprobe ppp_generic ppp_async", Retry.TWICE
)
PPP_FORBIDDEN = Reason(
    "ppp-forbidden",
    "/dev/ppp may not be used here.",
    "In a container, give it /dev/ppp and CAP_NET_ADMIN",
    Retry.NEVER,
)
OPTION_ERROR = Reason(
    "option-error", "pppd does not accept its options.", "Check 'pppd-options:' and /etc/ppp/options", Retry.NEVER
)
INTERFACE_TAKEN = Reason("interface-taken", "The interface's name is taken.", "See: ip -d link show pptp-NAME")
ROUTE_REFUSED = Reason("route-refused", "The kernel refused a route.", "Check 'routes:' against: ip route")
# The end of a link.
PEER_HUNG_UP = Reason("peer-hung-up", "The server ended the session.", "See the server's log")
PEER_DEAD = Reason("peer-dead", "The server stopped answering (LCP echo).", "Is the network up? See: ip route")
LINK_TAKEN_DOWN = Reason(
    "link-taken-down", "The interface was taken down from outside.", "Use: systemctl stop pptp@NAME"
)
IDLE_TIME = Reason(
    "idle-time", "pppd ended the link as its options say (idle, maxconnect or a limit).", "See 'pppd-options:'"
)
CONFIGURATION_CHANGED = Reason("configuration-changed", "The configuration was changed.", "")
STOPPED = Reason("stopped", "The tunnel was stopped.", "Run: systemctl start pptp@NAME")
TIMED_OUT = Reason(
    "timed-out",
    "The link was not up within connect-timeout.",
    "Raise 'connect-timeout:' if the way to the server is slow",
)
KILLED = Reason("killed", "pppd was killed from outside.", "See: journalctl -k; journalctl -u pptp@NAME")
HUNG_UP = Reason("hang-up", "The call ended without a reason.", "See: journalctl -u pptp@NAME")
UNIT_BROKEN = Reason(
    "unit-broken",
    "systemd could not run the unit's program.",
    "Install pptp-manager again, see: systemctl cat pptp@NAME",
)
UNKNOWN = Reason("unknown", "pppd ended for a reason that it did not tell.", "See: journalctl -u pptp@NAME")

REASONS: dict[str, Reason] = {value.name: value for value in list(globals().values()) if isinstance(value, Reason)}

# (program, pattern, reason); the first one that matches any line wins, so what is exact stands before what is
# general. A group becomes the detail.
_RULES: tuple[tuple[str, str, Reason], ...] = (
    ("pppd", r"MPPE required, but kernel has no support", MPPE_MODULE_MISSING),
    (
        "pppd",
        r"MPPE required|Refusing MPPE stateful mode|MPPE disabled, closing LCP|Too many MPPE errors",
        MPPE_REFUSED,
    ),
    ("pppd", r"MS-CHAPv2 mutual authentication failed|MS-CHAPv2 Success packet is badly formed", SERVER_UNPROVEN),
    ("pppd", r"(E=64[6-9] .*|E=709 .*)", ACCOUNT_REFUSED),
    ("pppd", r"CHAP authentication timed out|No response to PAP authenticate-requests", AUTH_SILENT),
    ("pppd", r"MS-CHAP authentication failed: (.*)", WRONG_PASSWORD),
    ("pppd", r"(?:CHAP|PAP|EAP) authentication failed", WRONG_PASSWORD),
    ("pppd", r"peer refused to authenticate: terminating|required to authenticate itself", PEER_NOT_AUTHENTICATED),
    ("pppd", r"LCP terminated by peer \((.*authenticat.*)\)", AUTH_PROTOCOL_REFUSED),
    ("pppd", r"/dev/ppp device: (?:Permission denied|Operation not permitted)", PPP_FORBIDDEN),
    ("pppd", r"/dev/ppp device: |Please load the ppp_generic|Couldn't set tty to PPP", PPP_MODULE_MISSING),
    ("pppd", r"Couldn't (?:rename|create ppp) interface (.*)", INTERFACE_TAKEN),
    (
        "pppd",
        r"(.*(?:unrecognized option|too few parameters for option|invalid numeric parameter|"
        r"requires root privilege|Couldn't load plugin|Can't open options file).*)",
        OPTION_ERROR,
    ),
    ("pppd", r"No response to \d+ echo-requests", PEER_DEAD),
    (
        "pppd",
        r"Could not determine local IP address|Peer refused to agree to (?:our|his) IP address|"
        r"IPCP: timeout sending",
        NO_ADDRESS,
    ),
    ("pppd", r"lack of activity|Connect time expired|Traffic limit reached", IDLE_TIME),
    ("pptp", r"connect: Connection refused", TCP_REFUSED),
    ("pptp", r"connect: Connection timed out", TCP_SILENT),
    ("pptp", r"connect: (No route to host)", HOST_UNREACHABLE),
    ("pptp", r"connect: (Network is unreachable)", NO_ROUTE),
    ("pptp", r"getaddrinfo\(\)", NO_NETWORK),
    ("pptp", r"Reply result code is \d+ '(.*)'\. Error", CONTROL_REFUSED),
    ("pptp", r"outgoing call request .* has not been accepted", CALL_REFUSED),
    ("pppd", r"LCP terminated by peer \((.+)\)", PEER_HUNG_UP),
    ("pppd", r"LCP terminated by peer", PEER_HUNG_UP),
    ("pptp", r"missing echo reply|read error: (.*)", CONTROL_LOST),
    (
        "pptp",
        r"Call disconnect notification received|Received Stop Control Connection Request|peer has closed",
        PEER_HUNG_UP,
    ),
    ("pptp", r"short read \(-1\): (Protocol not available)", GRE_BLOCKED),
)
RULES = tuple((program, re.compile(pattern), reason) for program, pattern, reason in _RULES)

_CONTROL_UP = re.compile(r"Client connection established|Received Start Control Connection Reply")
_CALL_UP = re.compile(r"Outgoing call established")
_TCP_UP = re.compile(r"Sent control packet type is 1 ")
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII, and the two that busctl escapes


def classify(lines: Iterable[Line], end: Exit, *, was_up: bool = False, timed_out: bool = False) -> Failure:
    """The failure that a run of pppd ended with.

    lines: all that pppd and pptp logged in that run, in order; end: how pppd ended; was_up: the link had been up;
    timed_out: we ended the attempt at its connect-timeout. Never raises: what is not known is UNKNOWN.
    """
    lines = tuple(lines)
    if end.code == "exited" and end.status in ("126", "127", "203") and not lines:
        return Failure(UNIT_BROKEN if end.status == "203" else PPPD_MISSING)
    for program, pattern, reason in RULES:
        for line in lines:
            match = pattern.search(line.text) if line.program == program else None
            if match:
                return Failure(reason, printable(match.group(match.lastindex) if match.lastindex else ""))
    return _by_progress(lines, end, was_up, timed_out)


def _by_progress(lines: tuple[Line, ...], end: Exit, was_up: bool, timed_out: bool) -> Failure:
    """The failure when no line names it: how far the call had got, then the status."""
    if not was_up and (timed_out or any("timeout sending Config-Requests" in line.text for line in lines)):
        return Failure(_silence(lines))
    if end.code in ("killed", "dumped") or end.status == "5":
        return Failure(KILLED, printable(end.status if end.code != "exited" else ""))
    if was_up and end.status in ("0", "16"):
        return Failure(PEER_HUNG_UP)
    by_status = {
        "2": OPTION_ERROR,
        "3": PPP_FORBIDDEN,
        "4": PPP_MODULE_MISSING,
        "15": PEER_DEAD,
        "16": HUNG_UP,
        "19": WRONG_PASSWORD,
    }
    return (
        Failure(by_status[end.status])
        if end.status in by_status
        else Failure(UNKNOWN, printable(f"exit status {end.status}" if end.status else ""))
    )


def _silence(lines: tuple[Line, ...]) -> Reason:
    """Who is silent: the TCP port, the PPTP server behind it, GRE, or PPP."""
    pptp = [line.text for line in lines if line.program == "pptp"]
    if any(_CALL_UP.search(text) for text in pptp):
        heard = any(line.program == "pppd" and "authentication succeeded" in line.text for line in lines)
        return TIMED_OUT if heard else GRE_BLOCKED
    if any(_CONTROL_UP.search(text) for text in pptp):
        return CALL_REFUSED
    if any(_TCP_UP.search(text) for text in pptp):
        return CONTROL_SILENT
    return TCP_SILENT


def printable(text: str, longest: int = 120) -> str:
    """text in printable ASCII without double quotes and backslashes, cut when too long: a server may send anything."""
    return _UNSAFE.sub("?", text)[:longest]
