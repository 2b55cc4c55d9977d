"""Why a tunnel is not up: the table of reasons. The one source: D-Bus, the journal, the status and docs/reasons.md.

diagnosis.py finds the reason of a run that has ended; machine.py gives the ones that need no log. retry.py says how
long each class waits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Retry(Enum):
    """When the next attempt is made. The pauses themselves are retry.py's."""

    SOON = "soon"  # after a pause of seconds that grows: it may be well again at any moment
    LATER = "later"  # after a pause of minutes that grows: somebody has to act, or a session to run out
    NETWORK = "after a network change"  # when there is a new way to the server; now and then without
    FEW = "only a few times"  # given up after the second time: accounts get locked
    NEVER = "never"  # given up at once: the same input fails the same way


class Phase(Enum):
    """How far an attempt had got. In the order in which an attempt goes through them."""

    BEFORE = "Before anything is sent"
    MACHINE = "pppd, pptp and the kernel of this machine"
    CONTROL = "TCP and the control connection"
    CALL = "The call"
    LINK = "GRE and LCP"
    LOGIN = "Logging in"
    ENCRYPTION = "Encryption"
    ADDRESSES = "Addresses and routes"
    END = "The end of a link"


@dataclass(frozen=True)
class Reason:
    """One cause. name: stable, on D-Bus and in the journal; sentence: for people; advice: what to do about it.

    advice may hold {name}, {server} and {address}, see Tunnel.advice.
    """

    name: str
    phase: Phase
    retry: Retry
    sentence: str
    advice: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason as it happened. detail: the server's words or the value that it is about; never a secret."""

    reason: Reason
    detail: str = ""

    @property
    def sentence(self) -> str:
        """The reason's sentence with the detail of this time."""
        return f"{self.reason.sentence} ({self.detail})" if self.detail else self.reason.sentence


_UNSAFE = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII, and the two that busctl escapes


def printable(text: str, longest: int = 120) -> str:
    """text in printable ASCII without double quotes and backslashes, cut when too long: a server may send anything."""
    return _UNSAFE.sub("?", text)[:longest]


DOCTOR = "; more is told by: pptpctl doctor {name}"  # the end of the advice where a look around helps
_LOG = "See: pptpctl logs {name}"
_ADMINISTRATOR = "Ask the server's administrator"
_AGAIN = "then run: pptpctl up {name}"
_NOW = "then run: pptpctl reconnect {name}"

# --- before anything is sent ---
NOT_CONFIGURED = Reason(
    "not-configured",
    Phase.BEFORE,
    Retry.NEVER,
    "The tunnel is not in the configuration.",
    "Add it under 'tunnels:' and run: pptpctl reload",
)
BAD_CONFIGURATION = Reason(
    "bad-configuration",
    Phase.BEFORE,
    Retry.NEVER,
    "The configuration has errors.",
    "Mend the file and run: pptpctl reload",
)
NO_NETWORK = Reason("no-network", Phase.BEFORE, Retry.NETWORK, "There is no network.", "See: ip address; ip route")
NO_ROUTE = Reason(
    "no-route",
    Phase.BEFORE,
    Retry.NETWORK,
    "There is no route to the server.",
    "See: ip route get {address}; ip -br link",
)
NAME_NOT_FOUND = Reason(
    "name-not-found",
    Phase.BEFORE,
    Retry.LATER,
    "The server's name does not exist, or has no IPv4 address.",
    "Check 'server:', and the name server with: getent ahostsv4 {server}",
)
NAME_MISLEADS = Reason(
    "name-misleads",
    Phase.BEFORE,
    Retry.LATER,
    "The server's name leads to an address that no server can have.",
    "Check the name server with: getent ahostsv4 {server}",
)
NAME_SERVER_SILENT = Reason(
    "name-server-silent",
    Phase.BEFORE,
    Retry.SOON,
    "The server's name could not be looked up.",
    "Check the name server with: getent ahostsv4 {server}",
)
OPTIONS_NOT_WRITTEN = Reason(
    "options-not-written",
    Phase.BEFORE,
    Retry.SOON,
    "pppd's option file could not be written.",
    "Make room on /run, see: df -h /run",
)
PASSWORD_FILE_MISSING = Reason(
    "password-file-missing",
    Phase.BEFORE,
    Retry.LATER,
    "The file with the password is not there.",
    "Write the password into it as root, with umask 077, " + _NOW,
)
PASSWORD_FILE_REFUSED = Reason(
    "password-file-refused",
    Phase.BEFORE,
    Retry.LATER,
    "The file with the password cannot be used.",
    "It has to be a regular file of root's with mode 0600 that the manager can see; " + _NOW,
)
PASSWORD_UNUSABLE = Reason(
    "password-unusable",
    Phase.BEFORE,
    Retry.LATER,
    "What was found in place of the password cannot be one.",
    "A password has 1 to 255 bytes, none of them NUL; write it anew, " + _NOW,
)
CREDENTIAL_MISSING = Reason(
    "credential-missing",
    Phase.BEFORE,
    Retry.LATER,
    "systemd has no credential of that name.",
    "Make it: mkdir -p -m 0700 /etc/credstore.encrypted; systemd-ask-password -n | systemd-creds encrypt "
    "--name=CREDENTIAL - /etc/credstore.encrypted/CREDENTIAL; " + _NOW,
)
CREDENTIAL_REFUSED = Reason(
    "credential-refused",
    Phase.BEFORE,
    Retry.LATER,
    "systemd cannot decrypt the credential.",
    "Make it anew on this machine and under this name, see: systemd-creds(1); " + _NOW,
)
PASSWORD_SERVICE = Reason(
    "password-service",
    Phase.BEFORE,
    Retry.SOON,
    "systemd did not get the password.",
    "See: journalctl -b -u pptp-credential-{name} -u pptp-password-{name}",
)
PASSWORD_UNANSWERED = Reason(
    "password-unanswered",
    Phase.BEFORE,
    Retry.NEVER,
    "Nobody gave the password when it was asked for.",
    "On a terminal, which asks for it, run: pptpctl up {name}",
)
PASSWORD_CANCELLED = Reason(
    "password-cancelled",
    Phase.BEFORE,
    Retry.NEVER,
    "Whoever was asked for the password did not want to give it.",
    "To be asked again, run: pptpctl up {name}",
)

# --- this machine ---
PPPD_MISSING = Reason("pppd-missing", Phase.MACHINE, Retry.NEVER, "pppd is not installed.", "Run: apt install ppp")
PPTP_MISSING = Reason(
    "pptp-missing", Phase.MACHINE, Retry.NEVER, "The program pptp is not installed.", "Run: apt install pptp-linux"
)
UNIT_BROKEN = Reason(
    "unit-broken",
    Phase.MACHINE,
    Retry.NEVER,
    "systemd could not run the unit's program.",
    "Take back what a drop-in of the unit changes, or install pptp-manager again" + DOCTOR,
)
OPTION_ERROR = Reason(
    "option-error",
    Phase.MACHINE,
    Retry.NEVER,
    "pppd does not accept its options.",
    "Check 'pppd-options:' and /etc/ppp/options, " + _AGAIN + DOCTOR,
)
PEER_MUST_LOG_IN = Reason(
    "peer-must-log-in",
    Phase.MACHINE,
    Retry.NEVER,
    "pppd was told to make the server log in.",
    "Take 'auth' and 'require-' options out of /etc/ppp/options, " + _AGAIN,
)
NOT_ROOT = Reason(
    "not-root",
    Phase.MACHINE,
    Retry.NEVER,
    "pppd or pptp may not do its work: it is not root or lacks a capability.",
    "pppd needs CAP_NET_ADMIN and pptp CAP_NET_RAW, see: systemctl cat pptp@{name}" + DOCTOR,
)
PPP_MISSING = Reason(
    "ppp-missing",
    Phase.MACHINE,
    Retry.FEW,
    "This kernel has no PPP, or its modules are not loaded.",
    "Run: modprobe -a ppp_generic ppp_async; " + _AGAIN + DOCTOR,
)
PPP_DEVICE_MISSING = Reason(
    "ppp-device-missing",
    Phase.MACHINE,
    Retry.FEW,
    "There is no /dev/ppp.",
    "Run: modprobe ppp_generic; or, in a container: mknod /dev/ppp c 108 0; " + _AGAIN,
)
PPP_FORBIDDEN = Reason(
    "ppp-forbidden",
    Phase.MACHINE,
    Retry.NEVER,
    "/dev/ppp may not be used here.",
    "In a container, give it the device /dev/ppp and CAP_NET_ADMIN, " + _AGAIN,
)
PPP_UNIT_FAILED = Reason(
    "ppp-unit-failed",
    Phase.MACHINE,
    Retry.SOON,
    "The kernel gave pppd no interface or no pseudo-terminal.",
    "See: journalctl -k; pptpctl logs {name}",
)
INTERFACE_TAKEN = Reason(
    "interface-taken",
    Phase.MACHINE,
    Retry.SOON,
    "The interface's name is taken.",
    "See who has it: ip -d link show pptp-{name}; and: ip link delete pptp-{name}",
)
NO_PROCESS = Reason(
    "no-process",
    Phase.MACHINE,
    Retry.SOON,
    "pppd could not start pptp: the machine has no room for another process.",
    "See: systemctl status pptp@{name}; free -m; ulimit -u",
)
SOCKET_DIRECTORY = Reason(
    "socket-directory",
    Phase.MACHINE,
    Retry.FEW,
    "pptp cannot use /run/pptp, where its call manager is found.",
    "See: systemctl cat pptp@{name}; df -h /run",
)
CRASHED = Reason(
    "crashed",
    Phase.MACHINE,
    Retry.SOON,
    "pppd crashed.",
    "See: coredumpctl list pppd; pptpctl logs {name}",
)
KILLED = Reason(
    "killed",
    Phase.MACHINE,
    Retry.SOON,
    "pppd was killed from outside.",
    "See: journalctl -k; pptpctl logs {name}",
)
PPTP_KILLED = Reason(
    "pptp-killed",
    Phase.MACHINE,
    Retry.SOON,
    "pptp was killed from outside.",
    "See: journalctl -k; pptpctl logs {name}",
)
PPPD_HANGS = Reason(
    "pppd-hangs",
    Phase.MACHINE,
    Retry.SOON,
    "pppd was stopped from outside or hangs.",
    "See: journalctl -k; pptpctl logs {name}",
)

# --- TCP and the control connection ---
TCP_REFUSED = Reason(
    "tcp-refused",
    Phase.CONTROL,
    Retry.SOON,
    "The server refuses connections to TCP port 1723.",
    "Does a PPTP server run at {address}? If so, a firewall there or on the way refuses you",
)
TCP_SILENT = Reason(
    "tcp-silent",
    Phase.CONTROL,
    Retry.SOON,
    "The server does not answer on TCP port 1723.",
    "Is the server on, and do the firewalls on the way let TCP port 1723 pass? See: ping {address}" + DOCTOR,
)
HOST_UNREACHABLE = Reason(
    "host-unreachable",
    Phase.CONTROL,
    Retry.SOON,
    "The server's host cannot be reached.",
    "See: ip route get {address}; ping {address}",
)
CONTROL_SILENT = Reason(
    "control-silent",
    Phase.CONTROL,
    Retry.SOON,
    "The server accepts TCP port 1723 but does not speak PPTP.",
    "Is it a PPTP server that listens there, and is it well? See its log" + DOCTOR,
)
CONTROL_REFUSED = Reason(
    "control-refused",
    Phase.CONTROL,
    Retry.SOON,
    "The server refuses the control connection.",
    "See the server's log",
)
CONTROL_EXISTS = Reason(
    "control-exists",
    Phase.CONTROL,
    Retry.LATER,
    "The server says that it has a control connection from here already.",
    "An old session has to run out there, or another machine behind the same address is connected",
)
CONTROL_NOT_AUTHORIZED = Reason(
    "control-not-authorized",
    Phase.CONTROL,
    Retry.LATER,
    "The server does not let this machine connect.",
    _ADMINISTRATOR + " whether this machine's address may connect",
)
CONTROL_VERSION = Reason(
    "control-version",
    Phase.CONTROL,
    Retry.LATER,
    "The server refuses this version of PPTP.",
    _ADMINISTRATOR + " which PPTP it speaks",
)
CONTROL_LOST = Reason(
    "control-lost",
    Phase.CONTROL,
    Retry.SOON,
    "The control connection was lost.",
    "See the server's log, and whether something on the way cuts idle TCP connections",
)

# --- the call ---
CALL_REFUSED = Reason(
    "call-refused", Phase.CALL, Retry.SOON, "The server refuses the call.", "See the server's log; it may be full"
)
CALL_NO_CARRIER = Reason(
    "call-no-carrier",
    Phase.CALL,
    Retry.SOON,
    "The server refuses the call: no carrier on its line.",
    _ADMINISTRATOR + ": the server dials on, and that fails",
)
CALL_BUSY = Reason(
    "call-busy", Phase.CALL, Retry.SOON, "The server is busy.", _ADMINISTRATOR + " how many may be connected"
)
CALL_NO_DIAL_TONE = Reason(
    "call-no-dial-tone",
    Phase.CALL,
    Retry.SOON,
    "The server refuses the call: no dial tone on its line.",
    _ADMINISTRATOR + ": the server dials on, and that fails",
)
CALL_TIMED_OUT = Reason(
    "call-timed-out",
    Phase.CALL,
    Retry.SOON,
    "The server gave the call up: it took it too long.",
    "See the server's log",
)
CALL_PROHIBITED = Reason(
    "call-prohibited",
    Phase.CALL,
    Retry.LATER,
    "The server's administrator prohibits the call.",
    _ADMINISTRATOR + " for permission",
)
CALL_SILENT = Reason(
    "call-silent",
    Phase.CALL,
    Retry.SOON,
    "The server does not answer the call.",
    "See the server's log; it may be overloaded",
)

# --- GRE and LCP ---
GRE_BLOCKED = Reason(
    "gre-blocked",
    Phase.LINK,
    Retry.SOON,
    "The call is set up, but no GRE packet comes back from the server.",
    "Firewalls and NAT on the way have to let IP protocol 47 (GRE) pass; a Linux router needs: "
    "modprobe -a nf_conntrack_pptp nf_nat_pptp; iptables -t raw -A PREROUTING -p tcp --dport 1723 -j CT --helper pptp"
    + DOCTOR,
)
GRE_UNTRACKED = Reason(
    "gre-untracked",
    Phase.LINK,
    Retry.SOON,
    "The call is set up, but no GRE packet comes back, and this machine's firewall tracks connections without the "
    "helper for PPTP.",
    "Run: modprobe nf_conntrack_pptp; iptables -t raw -A OUTPUT -p tcp --dport 1723 -j CT --helper pptp; if it stays, "
    "a firewall or NAT on the way drops IP protocol 47 (GRE)",
)
GRE_REFUSED = Reason(
    "gre-refused",
    Phase.LINK,
    Retry.SOON,
    "The server or a router before it refuses GRE packets.",
    "The firewalls on the way have to let IP protocol 47 (GRE) pass; is the server's PPTP service whole?",
)
GRE_TOO_LARGE = Reason(
    "gre-too-large",
    Phase.LINK,
    Retry.SOON,
    "A router on the way says that GRE packets are too large.",
    "With 'mtu: auto' the next attempt takes smaller ones; else make 'mtu:' smaller",
)
NOT_SENT = Reason(
    "not-sent",
    Phase.LINK,
    Retry.NETWORK,
    "This machine cannot send packets to the server.",
    "See: ip route get {address}; and whether its own firewall lets TCP port 1723 and IP protocol 47 (GRE) out"
    + DOCTOR,
)
LOOPED_BACK = Reason(
    "looped-back",
    Phase.LINK,
    Retry.SOON,
    "What pppd sends comes back to it.",
    "Does {server} lead to this machine, or through the tunnel itself? See: ip route get {address}",
)
PPP_REFUSED = Reason(
    "ppp-refused",
    Phase.LINK,
    Retry.SOON,
    "The server ended the call before the link was up.",
    "See the server's log",
)
CONNECT_TIMEOUT = Reason(
    "connect-timeout",
    Phase.LINK,
    Retry.SOON,
    "The link was not up within connect-timeout.",
    "Raise 'connect-timeout:' if the way to the server is slow",
)

# --- logging in ---
WRONG_PASSWORD = Reason(
    "wrong-password",
    Phase.LOGIN,
    Retry.FEW,
    "The server refuses the user name or the password.",
    "Check 'username:', 'domain:' and the password, " + _AGAIN,
)
ACCOUNT_LOCKED = Reason(
    "account-locked",
    Phase.LOGIN,
    Retry.FEW,
    "The account is locked.",
    _ADMINISTRATOR + " to unlock it, " + _AGAIN,
)
ACCOUNT_DISABLED = Reason(
    "account-disabled",
    Phase.LOGIN,
    Retry.FEW,
    "The account is disabled.",
    _ADMINISTRATOR + " to enable it, " + _AGAIN,
)
ACCOUNT_EXPIRED = Reason(
    "account-expired",
    Phase.LOGIN,
    Retry.FEW,
    "The account has expired.",
    _ADMINISTRATOR + " to extend it, " + _AGAIN,
)
ACCOUNT_RESTRICTED = Reason(
    "account-restricted",
    Phase.LOGIN,
    Retry.LATER,
    "The account may not log in at this hour.",
    "Wait for the hours in which it may, or ask the server's administrator",
)
ACCOUNT_NO_DIALIN = Reason(
    "account-no-dialin",
    Phase.LOGIN,
    Retry.FEW,
    "The account has no permission to dial in.",
    _ADMINISTRATOR + " for the permission, " + _AGAIN,
)
PASSWORD_EXPIRED = Reason(
    "password-expired",
    Phase.LOGIN,
    Retry.FEW,
    "The password has expired: the server wants it changed.",
    "Change it on another machine or have it reset, put the new one in place of the old one, " + _AGAIN,
)
PASSWORD_NOT_CHANGED = Reason(
    "password-not-changed",
    Phase.LOGIN,
    Retry.FEW,
    "The server could not change the password.",
    "Have it reset by the server's administrator, put the new one in place of the old one, " + _AGAIN,
)
NO_SECRET = Reason(
    "no-secret",
    Phase.LOGIN,
    Retry.FEW,
    "pppd found no password for the server.",
    "Take 'name', 'remotename' and 'user' out of /etc/ppp/options and 'pppd-options:', " + _AGAIN,
)
AUTH_PROTOCOL_REFUSED = Reason(
    "auth-protocol-refused",
    Phase.LOGIN,
    Retry.FEW,
    "The server asks for a way to log in that is refused here.",
    "Compare the 'refuse-' keys with what the server offers, " + _AGAIN,
)
AUTH_SILENT = Reason(
    "auth-silent",
    Phase.LOGIN,
    Retry.SOON,
    "The login came to no end: the server does not answer it, or insists on a way that is refused here.",
    "See the server's log, and compare the 'refuse-' keys with what it offers",
)
SERVER_UNPROVEN = Reason(
    "server-unproven",
    Phase.LOGIN,
    Retry.FEW,
    "The server could not prove that it knows the password.",
    "It may be another server than you think: check 'server:'; or it spells the domain otherwise: check 'domain:'",
)

# --- encryption ---
MPPE_MISSING = Reason(
    "mppe-missing",
    Phase.ENCRYPTION,
    Retry.FEW,
    "This kernel has no MPPE.",
    "Run: modprobe ppp_mppe (a kernel in FIPS mode has none); " + _AGAIN,
)
MPPE_REFUSED = Reason(
    "mppe-refused",
    Phase.ENCRYPTION,
    Retry.LATER,
    "The server does not encrypt as required (MPPE).",
    "Switch MPPE-128 on at the server, or lower 'mppe:' if traffic in the clear is acceptable",
)
MPPE_DEMANDED = Reason(
    "mppe-demanded",
    Phase.ENCRYPTION,
    Retry.LATER,
    "The server requires encryption (MPPE).",
    "Raise 'mppe:' to require-128",
)
MPPE_SILENT = Reason(
    "mppe-silent",
    Phase.ENCRYPTION,
    Retry.LATER,
    "The server does not answer the request to encrypt (MPPE).",
    "Switch MPPE-128 on at the server, or lower 'mppe:' if traffic in the clear is acceptable",
)
MPPE_STATEFUL = Reason(
    "mppe-stateful",
    Phase.ENCRYPTION,
    Retry.LATER,
    "The server offers only stateful encryption (MPPE).",
    "Have the server do stateless MPPE; stateful is weak, and lossy: pppd-options: [mppe-stateful]",
)
MPPE_WITHOUT_MS_CHAP = Reason(
    "mppe-without-ms-chap",
    Phase.ENCRYPTION,
    Retry.FEW,
    "Encryption (MPPE) needs a login by MS-CHAP, and the server offers none that is not refused here.",
    "Have the server do MS-CHAPv2, and leave 'refuse-mschap-v2: false'; or lower 'mppe:', " + _AGAIN,
)
MPPE_LOST = Reason(
    "mppe-lost",
    Phase.ENCRYPTION,
    Retry.SOON,
    "The encryption (MPPE) was lost.",
    "See the server's log; much loss on the way can cause it",
)

# --- addresses and routes ---
NO_ADDRESS = Reason(
    "no-address",
    Phase.ADDRESSES,
    Retry.SOON,
    "The server gives no address.",
    "Its pool of addresses may be used up: see its log, or ask its administrator",
)
ADDRESS_REFUSED = Reason(
    "address-refused",
    Phase.ADDRESSES,
    Retry.LATER,
    "The server does not agree to the addresses that are asked for.",
    "Take fixed addresses out of 'pppd-options:' and /etc/ppp/options",
)
IPCP_SILENT = Reason(
    "ipcp-silent",
    Phase.ADDRESSES,
    Retry.SOON,
    "The server does not answer the request for an address.",
    "See the server's log",
)
ADDRESS_NOT_SET = Reason(
    "address-not-set",
    Phase.ADDRESSES,
    Retry.LATER,
    "The address could not be put on the interface.",
    "See: pptpctl logs {name}; is the address used by another interface? ip address",
)
ADDRESS_FORBIDDEN = Reason(
    "address-forbidden",
    Phase.ADDRESSES,
    Retry.LATER,
    "pppd does not let the server have the address that it wants.",
    "See the addresses in /etc/ppp/chap-secrets, and 'noipdefault' or 'ipcp-accept-remote' in pppd(8)",
)
ROUTE_REFUSED = Reason(
    "route-refused", Phase.ADDRESSES, Retry.SOON, "The kernel refused a route.", "Check 'routes:' against: ip route"
)

# --- the end of a link ---
PEER_HUNG_UP = Reason("peer-hung-up", Phase.END, Retry.SOON, "The server ended the session.", "See the server's log")
SERVER_SHUT_DOWN = Reason(
    "server-shut-down",
    Phase.END,
    Retry.LATER,
    "The server's administrator ended the session.",
    _ADMINISTRATOR + " if it happens again",
)
PEER_DEAD = Reason(
    "peer-dead",
    Phase.END,
    Retry.SOON,
    "The server stopped answering (LCP echo).",
    "Is it on, and the way to it open? See: ping {address}",
)
UPLINK_CHANGED = Reason(
    "uplink-changed", Phase.END, Retry.SOON, "The way to the server changed.", "See: ip route get {address}"
)
SUSPENDED = Reason("suspended", Phase.END, Retry.SOON, "The machine was put to sleep.", "")
LINK_TAKEN_DOWN = Reason(
    "link-taken-down",
    Phase.END,
    Retry.SOON,
    "The interface was taken down from outside.",
    "To stop the tunnel use: pptpctl down {name}",
)
IDLE_TIME = Reason(
    "idle-time", Phase.END, Retry.SOON, "pppd ended the idle link.", "Take 'idle' out of 'pppd-options:'"
)
CONNECT_TIME = Reason(
    "connect-time",
    Phase.END,
    Retry.SOON,
    "pppd ended the link after its longest time.",
    "Take 'maxconnect' out of 'pppd-options:'",
)
TRAFFIC_LIMIT = Reason(
    "traffic-limit",
    Phase.END,
    Retry.LATER,
    "pppd ended the link at its traffic limit.",
    "Take 'maxoctets' out of 'pppd-options:'",
)
CONFIGURATION_CHANGED = Reason("configuration-changed", Phase.END, Retry.SOON, "The configuration was changed.", "")
STOPPED = Reason("stopped", Phase.END, Retry.NEVER, "The tunnel was stopped.", "Run: pptpctl up {name}")
HUNG_UP = Reason("hang-up", Phase.END, Retry.SOON, "The call ended without a reason.", _LOG + DOCTOR)
UNKNOWN = Reason("unknown", Phase.END, Retry.SOON, "pppd ended for a reason that it did not tell.", _LOG + DOCTOR)

REASONS: dict[str, Reason] = {value.name: value for value in list(globals().values()) if isinstance(value, Reason)}
