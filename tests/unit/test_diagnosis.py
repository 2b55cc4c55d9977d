"""Each row is what a real pppd or pptp of the named version logs; see the source in diagnosis.py."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pptpd_manager import reasons
from pptpd_manager.diagnosis import CAUSES, ENDINGS, Circumstances, Exit, Line, diagnose
from pptpd_manager.reasons import Failure, Reason


def pptp(text: str) -> Line:
    return Line("pptp", f"work log[ctrlp_rep:pptp_ctrl.c:259]: {text}")


def pppd(text: str) -> Line:
    return Line("pppd", text)


START = pptp("Sent control packet type is 1 'Start-Control-Connection-Request'")
STARTED = pptp("Received Start Control Connection Reply")
CALLED = pptp("Outgoing call established (call ID 0, peer's call ID 128). ")
LCP_TIMEOUT = pppd("LCP: timeout sending Config-Requests")
AUTHENTICATED = pppd("CHAP authentication succeeded")
HANGUP = pppd("Modem hangup")
REFUSED = pppd("MPPE required but peer refused")
ENCRYPTED = pppd("MPPE 128-bit stateless compression enabled")
UP = ADDRESS = pppd("local  IP address 10.9.0.100")
DISCONNECTED = pptp("Call disconnect notification received (call id 7)")
DISCONNECT = "Result code is %d '%s'. Error code is 0, Cause code is 0"
EIO = pppd("Couldn't get channel number: Input/output error")
UNIT_ENOTCONN = pppd("Couldn't attach to PPP unit 0: Transport endpoint is not connected")
TTY_EIO = pppd("Couldn't set tty to PPP discipline: Input/output error")
YOURS = pptp(DISCONNECT % (4, "(your) Request"))
CLEARED = pptp("Sent control packet type is 12 'Call-Clear-Request'")
UNREACHED = pptp("short read (-1): Protocol not available")
CLOSING = pptp("Closing connection (unhandled)")
EXIT = pppd("Exit.")
EXISTS, UNAUTHORIZED = "Command Channel Already Exists", "Requester is not Authorized"
NO_RESOURCE = "General Error: No-Resource"
LOGINS = (  # the server's number, or its words in place of it; chap_ms.c
    ("E=646 Restricted logon hours", reasons.ACCOUNT_RESTRICTED),
    ("Your account has logon hours that", reasons.ACCOUNT_RESTRICTED),
    ("E=647 Account disabled", reasons.ACCOUNT_DISABLED),
    ("Account is disabled", reasons.ACCOUNT_DISABLED),
    ("E=648 Password expired", reasons.PASSWORD_EXPIRED),
    ("Your password has expired", reasons.PASSWORD_EXPIRED),
    ("User account expired", reasons.ACCOUNT_EXPIRED),
    ("Account locked out", reasons.ACCOUNT_LOCKED),
    ("E=649 No dialin permission", reasons.ACCOUNT_NO_DIALIN),
    ("E=691 Authentication failure", reasons.WRONG_PASSWORD),
    ("E=709 Error changing password", reasons.PASSWORD_NOT_CHANGED),
    ("Access denied", reasons.WRONG_PASSWORD),
)


def start_refused(result: int, text: str, error: int = 0, name: str = "") -> list[Line]:
    """What pptp logs of a Start-Control-Connection-Reply that refuses; pptp_ctrl.c."""
    lines = [
        pptp("Negative reply received to our Start Control Connection Request"),
        pptp(f"Reply result code is {result} '{text}'. Error code is {error}"),
    ]
    return [*lines, pptp(f"Error is '{name}', Error message: '...'")] if error else lines


def call_refused(result: int, text: str, error: int = 0, name: str = "") -> list[Line]:
    """What pptp logs of an Outgoing-Call-Reply that refuses; pptp_ctrl.c."""
    lines = [
        pptp("Our outgoing call request [callid 1] has not been accepted."),
        pptp(f"Result code is {result} '{text}'. Error code is {error}, Cause code is 0"),
    ]
    return [*lines, pptp(f"Error is '{name}', Error message: '...'")] if error else lines


def failed(text: str) -> list[Line]:
    """What pppd logs of a CHAP Failure."""
    return [pppd(f"MS-CHAP authentication failed: {text}"), pppd("CHAP authentication failed"), HANGUP]


@pytest.mark.parametrize(
    ("lines", "status", "reason", "detail"),
    [
        ([pptp("connect: Connection refused"), HANGUP], "16", reasons.TCP_REFUSED, ""),
        ([pptp("connect: Connection timed out"), LCP_TIMEOUT], "10", reasons.TCP_SILENT, ""),
        ([pptp("connect: No route to host")], "16", reasons.HOST_UNREACHABLE, "No route to host"),
        ([pptp("connect: Network is unreachable")], "16", reasons.NO_ROUTE, "Network is unreachable"),
        (
            [pptp("getaddrinfo(): Name or service not known")],
            "16",
            reasons.NO_NETWORK,
            "Name or service not known",
        ),
        ([pptp("connect: Operation not permitted")], "16", reasons.NOT_SENT, "Operation not permitted"),
        (
            [pptp("socket: Operation not permitted"), pptp("Cannot bind GRE socket, aborting.")],
            "16",
            reasons.NOT_ROOT,
            "",
        ),
        (
            [pptp("bind: Cannot assign requested address"), pptp("Cannot bind GRE socket, aborting.")],
            "16",
            reasons.NO_NETWORK,
            "Cannot assign requested address",
        ),
        (
            [pptp("Could not make path to /var/run/pptp/x: Read-only file system")],
            "16",
            reasons.SOCKET_DIRECTORY,
            "Could not make path to /var/run/pptp/x: Read-only file system",
        ),
        ([pptp("Could not fork.")], "16", reasons.NO_PROCESS, ""),
        ([START, *start_refused(2, "General Error", 4, "No-Resource")], "16", reasons.CONTROL_REFUSED, NO_RESOURCE),
        ([START, *start_refused(2, "General Error")], "16", reasons.CONTROL_REFUSED, "General Error"),
        ([START, *start_refused(3, "Command Channel Already Exists")], "16", reasons.CONTROL_EXISTS, EXISTS),
        (
            [START, *start_refused(4, "Requester is not Authorized")],
            "16",
            reasons.CONTROL_NOT_AUTHORIZED,
            UNAUTHORIZED,
        ),
        ([START, *start_refused(5, "Unknown Result Code")], "16", reasons.CONTROL_VERSION, "Unknown Result Code"),
        ([START, *start_refused(9, "Unknown Result Code")], "16", reasons.CONTROL_REFUSED, "Unknown Result Code"),
        ([START, STARTED, *call_refused(2, "General Error", 4, "No-Resource")], "16", reasons.CALL_REFUSED, ""),
        (
            [START, STARTED, *call_refused(3, "No Carrier Detected")],
            "16",
            reasons.CALL_NO_CARRIER,
            "No Carrier Detected",
        ),
        ([START, STARTED, *call_refused(4, "Busy Signal")], "16", reasons.CALL_BUSY, "Busy Signal"),
        ([START, STARTED, *call_refused(5, "No Dial Tone")], "16", reasons.CALL_NO_DIAL_TONE, "No Dial Tone"),
        ([START, STARTED, *call_refused(6, "Time Out")], "16", reasons.CALL_TIMED_OUT, "Time Out"),
        (
            [START, STARTED, *call_refused(7, "Not Accepted, Call is administratively prohibited")],
            "16",
            reasons.CALL_PROHIBITED,
            "Not Accepted, Call is administratively prohibited",
        ),
        ([START, STARTED, *call_refused(8, "Unknown Result Code")], "16", reasons.CALL_REFUSED, ""),
        (
            [START, pptp("read error: Connection reset by peer")],
            "16",
            reasons.CONTROL_LOST,
            "Connection reset by peer",
        ),
        ([START, pptp("read returned zero, peer has closed")], "16", reasons.CONTROL_LOST, ""),
        (
            [START, pptp("pptp_conn_close(2)"), pptp("Could not launch call manager after 3 tries.")],
            "16",
            reasons.CONTROL_REFUSED,
            "",
        ),
        # A server's answer to our own end of the call tells nothing.
        (
            [CALLED, AUTHENTICATED, pppd("Could not determine local IP address"), CLEARED, DISCONNECTED, YOURS],
            "10",
            reasons.NO_ADDRESS,
            "",
        ),
        ([CALLED, LCP_TIMEOUT, CLEARED, DISCONNECTED, YOURS], "10", reasons.GRE_BLOCKED, ""),
        ([START, STARTED, CALLED, DISCONNECTED, HANGUP], "16", reasons.PPP_REFUSED, ""),
        ([START, STARTED, CALLED, CLOSING, HANGUP], "16", reasons.NOT_SENT, ""),
        ([CALLED, pptp("short read (-1): Message too long"), HANGUP], "16", reasons.GRE_TOO_LARGE, ""),
        ([CALLED, pppd("Serial line is looped back.")], "17", reasons.LOOPED_BACK, ""),
        ([CALLED, pppd("LCP terminated by peer")], "10", reasons.PPP_REFUSED, ""),
        *((failed(text), "19", reason, text) for text, reason in LOGINS),
        ([pppd("Unknown MS-CHAP authentication failure: E=701 R=0 V=3")], "19", reasons.WRONG_PASSWORD, "E=701"),
        (
            [pppd("CHAP authentication failed: no"), pppd("CHAP authentication failed")],
            "19",
            reasons.WRONG_PASSWORD,
            "no",
        ),
        ([pppd("PAP authentication failed")], "19", reasons.WRONG_PASSWORD, ""),
        ([pppd("No response to PAP authenticate-requests")], "19", reasons.AUTH_SILENT, ""),
        ([pppd('No CHAP secret found for authenticating us to "PPTP"')], "19", reasons.NO_SECRET, ""),
        ([pppd("MS-CHAPv2 Success packet is badly formed.")], "19", reasons.SERVER_UNPROVEN, ""),
        ([pppd("peer refused to authenticate: terminating link")], "11", reasons.PEER_MUST_LOG_IN, ""),
        (
            [AUTHENTICATED, pppd("Refusing MPPE stateful mode offered by peer"), REFUSED],
            "10",
            reasons.MPPE_STATEFUL,
            "",
        ),
        ([AUTHENTICATED, pppd("CCP: timeout sending Config-Requests")], "10", reasons.MPPE_SILENT, ""),
        ([pppd("MPPE required, but MS-CHAP[v2] auth not performed.")], "10", reasons.MPPE_WITHOUT_MS_CHAP, ""),
        (
            [pppd("MPPE required, but MS-CHAP[v2] nor EAP-TLS auth are performed.")],
            "10",
            reasons.MPPE_WITHOUT_MS_CHAP,
            "",
        ),
        ([AUTHENTICATED, pppd("Peer refused to agree to his IP address")], "10", reasons.ADDRESS_REFUSED, ""),
        ([AUTHENTICATED, pppd("Peer refused to agree to our IP address")], "10", reasons.ADDRESS_REFUSED, ""),
        ([AUTHENTICATED, pppd("IPCP: timeout sending Config-Requests")], "10", reasons.IPCP_SILENT, ""),
        (
            [AUTHENTICATED, pppd("Peer is not authorized to use remote address 10.0.0.1")],
            "10",
            reasons.ADDRESS_FORBIDDEN,
            "10.0.0.1",
        ),
        (
            [AUTHENTICATED, pppd("ioctl(SIOCSIFADDR): File exists (line 2473)")],
            "10",
            reasons.ADDRESS_NOT_SET,
            "ioctl(SIOCSIFADDR): File exists (line 2473)",
        ),
        ([pppd("Couldn't set tty to PPP discipline: Invalid argument")], "1", reasons.PPP_MISSING, ""),
        ([pppd("Couldn't open the /dev/ppp device: No such device or address")], "4", reasons.PPP_MISSING, ""),
        ([pppd("Couldn't open /dev/ppp: Permission denied")], "1", reasons.PPP_FORBIDDEN, ""),
        ([pppd("must be root to run pppd, since it is not setuid-root")], "3", reasons.NOT_ROOT, ""),
        (
            [pppd("Couldn't create new ppp unit: Device or resource busy")],
            "1",
            reasons.PPP_UNIT_FAILED,
            "Couldn't create new ppp unit: Device or resource busy",
        ),
        (
            [pppd("Couldn't create ppp interface pptp-work: File exists")],
            "1",
            reasons.INTERFACE_TAKEN,
            "pptp-work: File exists",
        ),
        (
            [pppd("Failed to create child process: Cannot allocate memory")],
            "9",
            reasons.NO_PROCESS,
            "Cannot allocate memory",
        ),
        ([pppd("Fatal signal 11")], "127", reasons.CRASHED, "Fatal signal 11"),
        (
            [pppd("Child process exec pptp (pid 12) terminated with signal 9"), HANGUP],
            "16",
            reasons.PPTP_KILLED,
            "signal 9",
        ),
        ([pppd("Child process exec pptp (pid 12) terminated with signal 15"), HANGUP], "16", reasons.HUNG_UP, ""),
        ([pppd("Terminating connection due to lack of activity.")], "12", reasons.IDLE_TIME, ""),
        ([pppd("Connect time expired")], "13", reasons.CONNECT_TIME, ""),
        ([pppd("Traffic limit reached. Limit: 1 Used: 2")], "20", reasons.TRAFFIC_LIMIT, ""),
        ([pptp("exec: pptp: not found")], "16", reasons.PPTP_MISSING, ""),
        ([EIO, pptp("connect: Connection refused")], "1", reasons.TCP_REFUSED, ""),
        ([TTY_EIO, pptp("connect: Connection refused")], "1", reasons.TCP_REFUSED, ""),
        ([UNIT_ENOTCONN, pptp("connect: Connection refused")], "1", reasons.TCP_REFUSED, ""),
        ([UNIT_ENOTCONN], "1", reasons.HUNG_UP, UNIT_ENOTCONN.text),
        (
            [pppd("Couldn't attach to PPP unit 0: Device or resource busy")],
            "1",
            reasons.PPP_UNIT_FAILED,
            "Couldn't attach to PPP unit 0: Device or resource busy",
        ),
        ([EIO], "1", reasons.HUNG_UP, "Couldn't get channel number: Input/output error"),
        ([LCP_TIMEOUT], "10", reasons.TCP_SILENT, ""),
        ([START, LCP_TIMEOUT], "10", reasons.CONTROL_SILENT, ""),
        ([START, STARTED, LCP_TIMEOUT], "10", reasons.CALL_SILENT, ""),
        ([START, STARTED, CALLED, LCP_TIMEOUT], "10", reasons.GRE_BLOCKED, ""),
        (
            [pppd("MS-CHAP authentication failed: E=691 Authentication failure"), pppd("CHAP authentication failed")],
            "19",
            reasons.WRONG_PASSWORD,
            "E=691 Authentication failure",
        ),
        ([pppd("CHAP authentication timed out"), pppd("CHAP authentication failed")], "19", reasons.AUTH_SILENT, ""),
        (
            [pppd("MS-CHAPv2 mutual authentication failed."), pppd("CHAP authentication failed")],
            "19",
            reasons.SERVER_UNPROVEN,
            "",
        ),
        (
            [pppd("LCP terminated by peer (peer refused to authenticate)")],
            "10",
            reasons.AUTH_PROTOCOL_REFUSED,
            "peer refused to authenticate",
        ),
        (
            [AUTHENTICATED, pppd("LCP terminated by peer (MPPE required but peer refused)")],
            "10",
            reasons.MPPE_DEMANDED,
            "MPPE required but peer refused",
        ),
        ([AUTHENTICATED, pppd("MPPE required but peer refused")], "10", reasons.MPPE_REFUSED, ""),
        ([AUTHENTICATED, pppd("MPPE required, but kernel has no support.")], "10", reasons.MPPE_MISSING, ""),
        ([AUTHENTICATED, pppd("Could not determine local IP address")], "10", reasons.NO_ADDRESS, ""),
        ([pppd("Couldn't open the /dev/ppp device: No such file or directory")], "4", reasons.PPP_DEVICE_MISSING, ""),
        ([pppd("Couldn't open the /dev/ppp device: Operation not permitted")], "4", reasons.PPP_FORBIDDEN, ""),
        (
            [pppd("In file /etc/ppp/options: unrecognized option 'nonsense'")],
            "2",
            reasons.OPTION_ERROR,
            "In file /etc/ppp/options: unrecognized option 'nonsense'",
        ),
        (
            [pppd("Couldn't rename interface ppp0 to pptp-work: File exists")],
            "1",
            reasons.INTERFACE_TAKEN,
            "ppp0 to pptp-work: File exists",
        ),
        ([AUTHENTICATED, pppd("No response to 8 echo-requests"), HANGUP], "15", reasons.PEER_DEAD, "8 echo-requests"),
        ([AUTHENTICATED, UP, pppd("LCP terminated by peer (going away)")], "0", reasons.PEER_HUNG_UP, "going away"),
        (
            [UNREACHED, HANGUP],
            "16",
            reasons.GRE_REFUSED,
            "Protocol not available",
        ),
        ([HANGUP], "16", reasons.HUNG_UP, ""),
        ([], "19", reasons.WRONG_PASSWORD, ""),
        ([], "2", reasons.OPTION_ERROR, ""),
        ([], "99", reasons.UNKNOWN, "exit status 99"),
        ([], "203", reasons.UNIT_BROKEN, ""),
        ([], "127", reasons.PPPD_MISSING, ""),
    ],
)
def test_an_attempt_that_failed(lines: list[Line], status: str, reason: Reason, detail: str) -> None:
    assert diagnose(lines, Exit("exited", status)) == Failure(reason, detail)
    noise = [pppd("rcvd [LCP ConfReq id=0x1]"), Line("sshd", "connect: Connection refused"), pptp("something new")]
    if lines:
        assert diagnose([noise[0], *lines, *noise], Exit("exited", status)) == Failure(reason, detail)


@pytest.mark.parametrize(
    ("lines", "end", "reason"),
    [
        ([HANGUP], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        ([DISCONNECTED], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        ([DISCONNECTED, pptp(DISCONNECT % (1, "Lost Carrier"))], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        (
            [DISCONNECTED, pptp(DISCONNECT % (3, "Administrative Shutdown"))],
            Exit("exited", "16"),
            reasons.SERVER_SHUT_DOWN,
        ),
        ([pptp("Received Stop Control Connection Request.")], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        ([pptp("closing control connection due to missing echo reply")], Exit("exited", "16"), reasons.CONTROL_LOST),
        ([pptp("read error: Connection reset by peer")], Exit("exited", "16"), reasons.CONTROL_LOST),
        ([UNREACHED, HANGUP], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        ([CALLED, UNREACHED, CLOSING, HANGUP, EXIT], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        # The call manager said nothing.
        ([CALLED, UNREACHED, HANGUP, EXIT], Exit("exited", "16"), reasons.PPTP_KILLED),
        ([CALLED, HANGUP, EXIT], Exit("exited", "16"), reasons.PPTP_KILLED),
        ([CALLED, pppd("LCP terminated by peer"), HANGUP, EXIT], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        ([pppd("MPPE disabled, closing LCP")], Exit("exited", "0"), reasons.MPPE_LOST),
        ([pppd("CCP terminated by peer"), pppd("MPPE disabled")], Exit("exited", "0"), reasons.MPPE_LOST),
        (
            [CLEARED, DISCONNECTED, pptp(DISCONNECT % (3, "Administrative Shutdown"))],
            Exit("killed", "KILL"),
            reasons.KILLED,
        ),
        ([DISCONNECTED, pptp(DISCONNECT % (3, "Administrative Shutdown"))], Exit("killed", "KILL"), reasons.KILLED),
        ([pppd("Too many MPPE errors, closing LCP")], Exit("exited", "0"), reasons.MPPE_LOST),
        ([], Exit("killed", "KILL"), reasons.KILLED),
        ([], Exit("dumped", "SEGV"), reasons.CRASHED),
        ([pppd("Terminating on signal 15")], Exit("exited", "5"), reasons.KILLED),
        ([pppd("Hangup (SIGHUP)")], Exit("exited", "5"), reasons.KILLED),
    ],
)
def test_a_link_that_ended(lines: list[Line], end: Exit, reason: Reason) -> None:
    assert diagnose([UP, *lines], end).reason is reason
    assert diagnose(lines, end, Circumstances(was_up=True)).reason is reason


def test_a_gateway_that_could_not_send() -> None:
    lines = [CALLED, UP, HANGUP, CLOSING, CLEARED]
    assert diagnose(lines, Exit("exited", "16")).reason is reasons.NOT_SENT
    told = Circumstances(was_up=True, otherwise=Failure(reasons.LINK_TAKEN_DOWN))
    ended = [*lines, pppd("Terminating on signal 15")]
    assert diagnose(ended, Exit("exited", "5"), told).reason is reasons.NOT_SENT


def test_a_link_that_we_ended_has_our_reason_unless_pppd_knows_better() -> None:
    facts = Circumstances(was_up=True, otherwise=Failure(reasons.PPTP_KILLED))
    told = pppd("Terminating on signal 15")
    assert diagnose([told], Exit("exited", "5"), facts).reason is reasons.PPTP_KILLED
    assert diagnose([told, HANGUP], Exit("exited", "16"), facts).reason is reasons.PPTP_KILLED
    assert diagnose([], Exit("killed", "KILL"), facts).reason is reasons.KILLED
    killed = Circumstances(was_up=True, otherwise=Failure(reasons.PPPD_HANGS), killed=True)
    assert diagnose([], Exit("killed", "KILL"), killed).reason is reasons.PPPD_HANGS
    assert diagnose([HANGUP, told], Exit("exited", "16"), facts).reason is reasons.PEER_HUNG_UP
    gone = pppd("LCP terminated by peer")
    assert diagnose([gone, told], Exit("exited", "5"), facts).reason is reasons.PPTP_KILLED, "the server heard of it"
    taken = Circumstances(was_up=True, otherwise=Failure(reasons.LINK_TAKEN_DOWN))
    assert diagnose([gone, told], Exit("exited", "5"), taken).reason is reasons.PEER_HUNG_UP
    assert (
        diagnose([pppd("No response to 8 echo-requests"), told], Exit("exited", "5"), facts).reason
        is reasons.PEER_DEAD
    )


def test_a_server_that_takes_mppe_down_with_the_session_has_not_refused_it() -> None:
    lines = [pppd("LCP terminated by peer (MPPE disabled)"), pppd("MPPE disabled"), HANGUP]
    up = Circumstances(was_up=True)
    assert diagnose(lines, Exit("exited", "0"), up) == Failure(reasons.PEER_HUNG_UP, "MPPE disabled")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], reasons.TCP_SILENT),
        ([START], reasons.CONTROL_SILENT),
        ([START, STARTED], reasons.CALL_SILENT),
        ([START, STARTED, CALLED], reasons.AUTH_SILENT),
        ([START, STARTED, CALLED, LCP_TIMEOUT], reasons.GRE_BLOCKED),
        ([START, STARTED, CALLED, AUTHENTICATED], reasons.MPPE_SILENT),
        ([START, STARTED, CALLED, AUTHENTICATED, ENCRYPTED], reasons.IPCP_SILENT),
        ([START, STARTED, CALLED, AUTHENTICATED, ENCRYPTED, ADDRESS], reasons.CONNECT_TIMEOUT),
    ],
)
def test_an_attempt_that_hung_is_told_by_how_far_it_got(lines: list[Line], reason: Reason) -> None:
    hung = Circumstances(timed_out=True, mppe=True)
    if ADDRESS in lines:  # its log says that it was up
        hung = Circumstances(timed_out=True, mppe=True, was_up=False)
    assert diagnose(lines, Exit("exited", "5"), hung).reason is reason


def test_blocked_gre_names_the_helper_when_this_firewall_could_be_it() -> None:
    lines = [START, STARTED, CALLED, LCP_TIMEOUT]
    assert diagnose(lines, Exit("exited", "10"), Circumstances(untracked=True)).reason is reasons.GRE_UNTRACKED
    assert "nf_conntrack_pptp" in reasons.GRE_UNTRACKED.advice
    assert (
        diagnose([START, LCP_TIMEOUT], Exit("exited", "10"), Circumstances(untracked=True)).reason
        is reasons.CONTROL_SILENT
    )


@given(
    st.lists(st.builds(Line, st.sampled_from(["pppd", "pptp", ""]), st.text())),
    st.text(),
    st.text(),
    st.booleans(),
    st.booleans(),
)
def test_nothing_that_is_logged_crashes_it_and_details_are_fit_to_print(
    lines: list[Line], code: str, status: str, was_up: bool, timed_out: bool
) -> None:
    failure = diagnose(lines, Exit(code, status), Circumstances(was_up, timed_out, timed_out, was_up))
    assert reasons.printable(failure.detail) == failure.detail


def test_a_servers_words_are_printable_and_short() -> None:
    failure = diagnose(
        [pppd('MS-CHAP authentication failed: \x1b[31m"no"\\ \N{SNOWMAN}' + "x" * 500)], Exit("exited", "19")
    )
    assert failure.detail == "?[31m?no?? ?" + "x" * (120 - 12)


# --- what a server may write ---

# How a line begins that goes on with the server's own words, and what can be read out of those: their reasons.
_SAID = {
    reasons.ACCOUNT_RESTRICTED,
    reasons.ACCOUNT_DISABLED,
    reasons.ACCOUNT_LOCKED,
    reasons.ACCOUNT_EXPIRED,
    reasons.PASSWORD_EXPIRED,
    reasons.ACCOUNT_NO_DIALIN,
    reasons.PASSWORD_NOT_CHANGED,
    reasons.WRONG_PASSWORD,
}
REPEATED = {
    "MS-CHAP authentication failed: ": _SAID,
    "Unknown MS-CHAP authentication failure: ": {reasons.WRONG_PASSWORD, reasons.HUNG_UP},
    "CHAP authentication failed: ": {reasons.WRONG_PASSWORD},
    "PAP authentication failed: ": {reasons.WRONG_PASSWORD},
    "LCP terminated by peer (": {reasons.AUTH_PROTOCOL_REFUSED, reasons.MPPE_DEMANDED, reasons.PPP_REFUSED},
    "IPCP terminated by peer (": {reasons.HUNG_UP},
    "CHAP authentication succeeded: ": {reasons.HUNG_UP},
    "Remote message: ": {reasons.HUNG_UP},
    'EAP: Notification "': {reasons.HUNG_UP},
    'EAP: Identity prompt "': {reasons.HUNG_UP},
    'rcvd [LCP TermReq id=0x2 "': {reasons.HUNG_UP},
    'rcvd [CHAP Failure id=0x1 "': {reasons.HUNG_UP},
}
# Words of every rule, and of what is asked of a log besides.
WORDS = [re.sub(r"\\b|\\|\(\?:|\(\?!.*?\)|[?^$()*+]|\[.*?\]", "", part) for rule in CAUSES + ENDINGS for part in
         rule.pattern.split("|")]  # fmt: skip
WORDS += [
    "authentication succeeded",
    "local  IP address",
    "Modem hangup",
    "Terminating on signal 15",
    "Fatal signal 11",
]
WORDS += [
    "MPPE 128-bit stateless compression enabled",
    "LCP: timeout sending Config-Requests",
    "Exit.",
    "\n",
    "\x1b[2J",
]
said = st.lists(st.sampled_from(WORDS) | st.text(max_size=20), max_size=5).map(" ".join)


@given(st.sampled_from(sorted(REPEATED)), said)
@example("MS-CHAP authentication failed: ", "unrecognized option 'x'")  # was "pppd does not accept its options"
@example("MS-CHAP authentication failed: ", "/dev/ppp: No such file or directory")
@example("LCP terminated by peer (", "No response to 4 echo-requests")
@example("Remote message: ", "Modem hangup authentication succeeded")
def test_a_servers_words_are_taken_for_nothing_else(prefix: str, text: str) -> None:
    """Whatever it says: it may tell why it refuses, but not speak for pppd, for pptp or for this machine."""
    failure = diagnose([CALLED, pppd(prefix + text), HANGUP], Exit("exited", "16"))
    assert failure.reason in REPEATED[prefix]
    assert reasons.printable(failure.detail) == failure.detail


@given(st.sampled_from(sorted(REPEATED)), said, st.sampled_from(["19", "16", "10"]))
def test_a_servers_words_hide_no_known_reason(prefix: str, text: str, status: str) -> None:
    for cause in (pptp("connect: Connection refused"), pppd("Serial line is looped back."), REFUSED):
        known = diagnose([cause], Exit("exited", status)).reason
        found = diagnose([pppd(prefix + text), cause, pppd(prefix + text)], Exit("exited", status)).reason
        assert found is known or found in REPEATED[prefix] - {reasons.HUNG_UP}, "two causes: the login's may be first"


noise = st.text().filter(lambda text: not any(rule.match(Line(name, text)) for rule in CAUSES + ENDINGS
                                              for name in ("pppd", "pptp")))  # fmt: skip


@given(st.lists(st.builds(Line, st.sampled_from(["pppd", "pptp", "sshd"]), noise), max_size=8), st.data())
def test_other_lines_hide_no_known_reason(others: list[Line], data: st.DataObject) -> None:
    for rule_line, reason in KNOWN:
        lines = list(others)
        lines.insert(data.draw(st.integers(0, len(lines))), rule_line)
        assert diagnose(lines, Exit("exited", "16")).reason is reason


KNOWN = [
    (pptp("connect: Connection refused"), reasons.TCP_REFUSED),
    (pppd("MS-CHAP authentication failed: E=691 Authentication failure"), reasons.WRONG_PASSWORD),
    (pppd("MPPE required but peer refused"), reasons.MPPE_REFUSED),
    (pppd("No response to 8 echo-requests"), reasons.PEER_DEAD),
]
