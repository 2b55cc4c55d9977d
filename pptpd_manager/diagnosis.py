"""From what a run of pppd left behind to the reason why it ended. Pure.

An exit status alone decides nothing: pppd's 10 stands for a filtered port, blocked GRE, refused MPPE and a missing
password alike, and its 19 for a wrong password as well as for a server that fell silent. What counts is, in this
order, the lines that pppd and pptp logged, how far the call had got, and the status. Source of the lines: pppd 2.4.9
and 2.5.x, pptp-linux 1.10.0; of the statuses: pppd(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pptpd_manager import reasons
from pptpd_manager.reasons import Failure, Reason, printable

LAST_LINE = "Exit."  # what pppd logs last (main.c); without it the journal may not have all of its lines yet
NOT_PPPD = ("126", "127", "203", "226")  # a shell's status, or systemd's: EXIT_EXEC, EXIT_NAMESPACE


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


@dataclass(frozen=True)
class Circumstances:
    """What is known of a run besides its log.

    was_up: the link had been up; timed_out: we ended the attempt at its connect-timeout; mppe: it was required;
    untracked: this machine's firewall tracks connections without the helper for PPTP; otherwise: why we ended it,
    should the log not tell a better reason; killed: we had to kill it for that.
    """

    was_up: bool = False
    timed_out: bool = False
    mppe: bool = False
    untracked: bool = False
    otherwise: Failure | None = None
    killed: bool = False


class When(Enum):
    """To which runs a rule applies."""

    EVER = "ever"
    DIALLING = "dialling"  # the link was never up
    UP = "up"  # it had been


@dataclass(frozen=True)
class Rule:
    """A line of program that matches pattern tells reason; its last group that matched is the detail.

    A pattern that begins with ^ sees the whole line, any other one sees ours(line).
    """

    when: When
    program: str
    pattern: str
    reason: Reason

    def match(self, line: Line) -> re.Match[str] | None:
        """How the line tells the reason; None when it does not."""
        if line.program != self.program:
            return None
        text = line.text if self.pattern.startswith("^") else ours(line)
        return re.search(self.pattern, text, re.IGNORECASE)  # compiled when it is first needed, and kept by re


# What pppd says before it repeats the server's own words, to the end of the line; and packets, with `debug`.
_REPEATED = re.compile(
    r"(?:Unknown )?MS-CHAP authentication (?:failed|failure): |(?:CHAP|PAP) authentication (?:failed|succeeded): "
    r"|Remote message: |\w+ terminated by peer \(|Chap authentication succeeded! |EAP: [^\"]*\"|(?:rcvd|sent) \["
)


def ours(line: Line) -> str:
    """The line without what the server has written into it: a message is not to be taken for pppd's own."""
    repeated = _REPEATED.match(line.text) if line.program == "pppd" else None
    return line.text[: repeated.end()] if repeated else line.text


# The first rule that matches any line wins, so what is exact stands before what is general, and the cause before
# what follows from it: a server that refuses a password hangs up as well.
_PPPD: tuple[tuple[When, str, Reason], ...] = (
    # chap_ms.c prints the server's own words (M=) and not the number when there are any.
    (When.EVER, r"^MS-CHAP authentication failed: (E=646 .*|.*\bhours\b.*)", reasons.ACCOUNT_RESTRICTED),
    (When.EVER, r"^MS-CHAP authentication failed: (E=647 .*|.*\bdisabled\b.*)", reasons.ACCOUNT_DISABLED),
    (When.EVER, r"^MS-CHAP authentication failed: (.*\block(?:ed|out)\b.*)", reasons.ACCOUNT_LOCKED),
    (When.EVER, r"^MS-CHAP authentication failed: (.*\baccount\b.*\bexpired\b.*)", reasons.ACCOUNT_EXPIRED),
    (When.EVER, r"^MS-CHAP authentication failed: (E=648 .*|.*\bexpired\b.*)", reasons.PASSWORD_EXPIRED),
    (When.EVER, r"^MS-CHAP authentication failed: (E=649 .*|.*\bdial-?in\b.*)", reasons.ACCOUNT_NO_DIALIN),
    (When.EVER, r"^MS-CHAP authentication failed: (E=709 .*)", reasons.PASSWORD_NOT_CHANGED),
    (When.EVER, r"MS-CHAPv2 mutual authentication failed|MS-CHAPv2 Success packet is badly", reasons.SERVER_UNPROVEN),
    (When.EVER, r"CHAP authentication timed out|No response to PAP authenticate-requests", reasons.AUTH_SILENT),
    (When.EVER, r"EAP: timeout waiting for Request from peer", reasons.AUTH_SILENT),
    (When.EVER, r"authentication failed due to protocol-reject", reasons.AUTH_PROTOCOL_REFUSED),
    (When.EVER, r"(?:No CHAP secret found for authenticating us to|No secret found for PAP login)", reasons.NO_SECRET),
    (When.EVER, r"(Can't open (?:chap|PAP).* (?:secret|password) file.*|Can't safely use .*)", reasons.NO_SECRET),
    (When.EVER, r"^Unknown MS-CHAP authentication failure: (E=6\d\d|E=\d+)", reasons.WRONG_PASSWORD),
    (When.EVER, r"^MS-CHAP authentication failed: (.*)", reasons.WRONG_PASSWORD),
    (When.EVER, r"^CHAP authentication failed: (.*)", reasons.WRONG_PASSWORD),  # by MD5
    (
        When.EVER,
        r"(?:CHAP|PAP) authentication failed|EAP: peer reports authentication failure",
        reasons.WRONG_PASSWORD,
    ),
    (
        When.EVER,
        r"peer refused to authenticate: terminating|required to authenticate itself",
        reasons.PEER_MUST_LOG_IN,
    ),
    (When.DIALLING, r"^LCP terminated by peer \((.*authenticat.*)\)", reasons.AUTH_PROTOCOL_REFUSED),
    (When.DIALLING, r"^LCP terminated by peer \((MPPE required.*)\)", reasons.MPPE_DEMANDED),
    (When.DIALLING, r"MPPE required, but kernel has no support", reasons.MPPE_MISSING),
    (When.DIALLING, r"MPPE required, but (?:MS-CHAP|keys are not|auth done)", reasons.MPPE_WITHOUT_MS_CHAP),
    (When.DIALLING, r"Refusing MPPE stateful mode", reasons.MPPE_STATEFUL),
    (When.DIALLING, r"MPPE required, but both 40-bit and 128-bit disabled", reasons.OPTION_ERROR),
    (When.DIALLING, r"MPPE required", reasons.MPPE_REFUSED),
    (When.DIALLING, r"CCP: timeout sending Config-Requests", reasons.MPPE_SILENT),
    (When.EVER, r"Too many MPPE errors|MPPE disabled, closing LCP", reasons.MPPE_LOST),
    (When.EVER, r"/dev/ppp(?: device)?: (?:Permission denied|Operation not permitted)", reasons.PPP_FORBIDDEN),
    (When.EVER, r"/dev/ppp(?: device)?: No such file or directory", reasons.PPP_DEVICE_MISSING),
    (
        When.EVER,
        r"/dev/ppp(?: device)?: |Please load the ppp_generic|Couldn't set tty to PPP(?!.*Input/output)",
        reasons.PPP_MISSING,
    ),
    (When.EVER, r"must be root to run|must be run as root", reasons.NOT_ROOT),
    (When.EVER, r"Couldn't (?:rename|create ppp) interface (.*)", reasons.INTERFACE_TAKEN),
    (
        When.EVER,
        r"(Couldn't (?:create new ppp unit|attach to (?:PPP|interface) unit"
        r"|allocate pseudo-tty|retrieve PPP unit id)(?!.*endpoint is not connected).*)",
        reasons.PPP_UNIT_FAILED,
    ),
    (When.EVER, r"Failed to create child process: (.*)|fork(?:ing)? failed.*", reasons.NO_PROCESS),
    (
        When.EVER,
        r"(.*(?:unrecognized option|too few parameters for option|invalid numeric parameter|option is incompatible"
        r"|requires root privilege|Couldn't load plugin|is for pppd version|Can't open options file).*)",
        reasons.OPTION_ERROR,
    ),
    (When.EVER, r"(Fatal signal \d+)", reasons.CRASHED),
    (When.EVER, r"Child process .* terminated with (signal (?!(?:1|2|15)\b)\d+)", reasons.PPTP_KILLED),
    (When.EVER, r"No response to (\d+ echo-requests)", reasons.PEER_DEAD),
    (When.EVER, r"lack of activity", reasons.IDLE_TIME),
    (When.EVER, r"Connect time expired", reasons.CONNECT_TIME),
    (When.EVER, r"Traffic limit reached", reasons.TRAFFIC_LIMIT),
    (When.DIALLING, r"Peer refused to agree to (?:our|his) IP address", reasons.ADDRESS_REFUSED),
    (When.DIALLING, r"Could not determine local IP address", reasons.NO_ADDRESS),
    (When.DIALLING, r"IPCP: timeout sending Config-Requests", reasons.IPCP_SILENT),
    (When.DIALLING, r"Peer is not authorized to use remote address (.*)", reasons.ADDRESS_FORBIDDEN),
    (When.DIALLING, r"(ioctl\(SIOCS\w+\): .*)|Interface configuration failed", reasons.ADDRESS_NOT_SET),
    (When.EVER, r"Serial line is looped back", reasons.LOOPED_BACK),
)
# Of an Outgoing-Call-Reply; pptp says a Call-Disconnect-Notify's in the same words, with texts of its own.
_CALL_RESULT = r"\bResult code is \d+ '(%s.*)'\. Error code"
_START_RESULT = r"Reply result code is %s '(.*)'\. Error code"
_PPTP: tuple[tuple[When, str, Reason], ...] = (
    (When.EVER, r"exec: pptp: not found|pptp: (?:command )?not found", reasons.PPTP_MISSING),
    (When.EVER, r"socket: Operation not permitted|setsockopt\(SO_MARK\): Operation not", reasons.NOT_ROOT),
    (When.EVER, r"connect: Connection refused", reasons.TCP_REFUSED),
    (When.EVER, r"connect: Connection timed out", reasons.TCP_SILENT),
    (When.EVER, r"connect: (No route to host)", reasons.HOST_UNREACHABLE),
    (When.EVER, r"connect: (Network is unreachable)", reasons.NO_ROUTE),
    (When.EVER, r"connect: (Operation not permitted|Permission denied)", reasons.NOT_SENT),
    (When.EVER, r"bind: (Cannot assign requested address)", reasons.NO_NETWORK),
    (When.EVER, r"getaddrinfo\(\): (.*)", reasons.NO_NETWORK),  # it is always called with an address
    (When.EVER, r"(Could not make path to .*|bind: .*|Could not open unix socket .*)", reasons.SOCKET_DIRECTORY),
    (When.EVER, r"Could not fork|fork\(\) to launch call manager failed", reasons.NO_PROCESS),
    (When.EVER, _START_RESULT % 3, reasons.CONTROL_EXISTS),
    (When.EVER, _START_RESULT % 4, reasons.CONTROL_NOT_AUTHORIZED),
    (When.EVER, _START_RESULT % 5, reasons.CONTROL_VERSION),
    (When.EVER, _START_RESULT % r"(?!1 )\d+", reasons.CONTROL_REFUSED),
    (When.EVER, r"Negative reply received to our Start", reasons.CONTROL_REFUSED),
    (When.DIALLING, _CALL_RESULT % "No Carrier", reasons.CALL_NO_CARRIER),
    (When.DIALLING, _CALL_RESULT % "Busy Signal", reasons.CALL_BUSY),
    (When.DIALLING, _CALL_RESULT % "No Dial Tone", reasons.CALL_NO_DIAL_TONE),
    (When.DIALLING, _CALL_RESULT % "Time Out", reasons.CALL_TIMED_OUT),
    (When.DIALLING, _CALL_RESULT % "Not Accepted", reasons.CALL_PROHIBITED),
    (When.EVER, r"outgoing call request .* has not been accepted", reasons.CALL_REFUSED),
    (When.DIALLING, r"short read \(-1\): (Protocol not available|Connection refused)", reasons.GRE_REFUSED),
    (When.EVER, r"short read \(-1\): Message too long|exceeds the MTU", reasons.GRE_TOO_LARGE),
)
# How the other side ends a session, the least exact of all: these lines follow from many of the causes above.
_ENDINGS: tuple[tuple[When, str, str, Reason], ...] = (
    (When.UP, "pppd", r"CCP terminated by peer", reasons.MPPE_LOST),
    (When.UP, "pptp", r"closing control connection due to missing echo reply", reasons.CONTROL_LOST),
    (When.UP, "pptp", r"read error: (.*)|write error: (.*)", reasons.CONTROL_LOST),
    (When.UP, "pppd", r"^LCP terminated by peer(?: \((.+)\))?", reasons.PEER_HUNG_UP),
    # A server that has ended a session takes no more of its GRE packets.
    (When.UP, "pptp", r"short read \(-1\): (?:Protocol not available|Connection refused)", reasons.PEER_HUNG_UP),
    (When.UP, "pptp", _CALL_RESULT % "Administrative Shutdown", reasons.SERVER_SHUT_DOWN),
    (When.UP, "pptp", r"Call disconnect notification received", reasons.PEER_HUNG_UP),
    (When.UP, "pptp", r"Received Stop Control Connection Request|peer has closed", reasons.PEER_HUNG_UP),
    (When.DIALLING, "pppd", r"^LCP terminated by peer(?: \((.+)\))?", reasons.PPP_REFUSED),
    (When.DIALLING, "pptp", r"Call disconnect notification received", reasons.PPP_REFUSED),
    (When.DIALLING, "pptp", r"read error: (.*)|write error: (.*)|missing echo reply", reasons.CONTROL_LOST),
    (When.DIALLING, "pptp", r"Received Stop Control Connection Request|peer has closed", reasons.CONTROL_LOST),
    (When.DIALLING, "pptp", r"Could not launch call manager", reasons.CONTROL_REFUSED),
    # pptp was gone before pppd had its pseudo-terminal; ENOTCONN: ppp_connect_channel in the kernel's ppp_generic.c.
    (When.DIALLING, "pppd", r"(Couldn't .*: (?:Input/output error|.*endpoint is not connected))", reasons.HUNG_UP),
    (When.DIALLING, "pppd", r"(Couldn't (?:get channel number|attach to channel).*)", reasons.PPP_UNIT_FAILED),
)
Rules = tuple[Rule, ...]


def _rules(*rows: tuple[When, str, str, Reason]) -> Rules:
    return tuple(Rule(when, program, text, reason) for when, program, text, reason in rows)


CAUSES = _rules(
    *((when, "pppd", pattern, reason) for when, pattern, reason in _PPPD),
    *((when, "pptp", pattern, reason) for when, pattern, reason in _PPTP),
)
ENDINGS = _rules(*_ENDINGS)

_CLEARED = re.compile(r"Sent control packet type is 12 ")  # Call-Clear-Request: the call is over, on our side
_ANSWER = re.compile(r"Call disconnect notification|Result code is|peer has closed")  # what a server says to that
_GENERAL_ERROR = re.compile(r"Error is '\(?([^')]*)\)?', Error message")  # which, for "General Error"
_TCP_UP = re.compile(r"Sent control packet type is 1 ")
_CONTROL_UP = re.compile(r"Client connection established|Received Start Control Connection Reply")
_CALL_UP = re.compile(r"Outgoing call established")
_GATEWAY_GONE = re.compile(r"Closing connection \(unhandled\)")  # what the call manager says when the gateway ended
_LOGGED_IN = re.compile(r"authentication succeeded")
_ENCRYPTED = re.compile(r"MPPE .*compression enabled")
_ADDRESSED = re.compile(r"local  IP address")
_HANGUP = "Modem hangup"
_ENDING = re.compile(rf"{_HANGUP}|Terminating on signal")
_HUNG_UP = re.compile(_HANGUP)
_TERMINATED = re.compile(r"terminated by peer|Terminating on signal")
_EXIT = re.compile("^" + re.escape(LAST_LINE))
_LAST_WORDS = re.compile(r"Closing connection|(?:read|write) error|peer has closed|missing echo reply|disconnect|Stop")
_SILENT = re.compile(r"LCP: timeout sending Config-Requests")
_BY_STATUS = {
    "2": reasons.OPTION_ERROR,
    "3": reasons.NOT_ROOT,
    "4": reasons.PPP_MISSING,
    "9": reasons.NO_PROCESS,
    "11": reasons.PEER_MUST_LOG_IN,
    "12": reasons.IDLE_TIME,
    "13": reasons.CONNECT_TIME,
    "15": reasons.PEER_DEAD,
    "16": reasons.HUNG_UP,
    "17": reasons.LOOPED_BACK,
    "19": reasons.WRONG_PASSWORD,
    "20": reasons.TRAFFIC_LIMIT,
}


def diagnose(lines: Iterable[Line], end: Exit, facts: Circumstances = Circumstances()) -> Failure:
    """The failure that a run of pppd ended with.

    lines: all that pppd and pptp logged in that run, in order; end: how pppd ended. Never raises: what is not known
    is UNKNOWN.
    """
    lines = tuple(lines)
    if end.code == "exited" and end.status in NOT_PPPD and not lines:
        return Failure(reasons.UNIT_BROKEN if end.status in ("203", "226") else reasons.PPPD_MISSING)
    lines = _unanswered(lines)
    was_up = facts.was_up or _logged(lines, "pppd", _ADDRESSED)
    skipped = When.DIALLING if was_up else When.UP
    wordless = was_up and _wordless(lines)
    for rule in CAUSES if wordless or _killed(end, facts) else CAUSES + ENDINGS:  # what was killed makes the rest end
        for line in lines if rule.when is not skipped else ():
            if match := rule.match(line):
                return Failure(rule.reason, printable(_detail(match, lines)))
    return Failure(reasons.PPTP_KILLED) if wordless else _by_progress(lines, end, facts, was_up)


def _unanswered(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines without a server's answers to the end of a call that had ended on our side."""
    kept, cleared = [], False
    for line in lines:
        cleared = cleared or (line.program == "pptp" and _CLEARED.search(line.text) is not None)
        if not (cleared and line.program == "pptp" and _ANSWER.search(line.text)):
            kept.append(line)
    return tuple(kept)


def _killed(end: Exit, facts: Circumstances) -> bool:
    """Whether somebody else killed pppd, or it crashed; or one of the processes that it needs was lost before."""
    if facts.otherwise and facts.otherwise.reason in (reasons.PPTP_KILLED, reasons.PPPD_HANGS):
        return True
    return end.code in ("killed", "dumped") and not facts.killed


def _wordless(lines: tuple[Line, ...]) -> bool:
    """Whether pptp ended before pppd, and its call manager without a word: only one that is killed does that."""
    whole = _logged(lines, "pptp", _CALL_UP) and _logged(lines, "pppd", _EXIT)
    hung_up = _logged(lines, "pppd", _HUNG_UP) and not _logged(lines, "pppd", _TERMINATED)
    return whole and hung_up and not _logged(lines, "pptp", _LAST_WORDS)


def _detail(match: re.Match[str], lines: tuple[Line, ...]) -> str:
    """What the line says of this time; of a general error, which one."""
    text = match.group(match.lastindex) if match.lastindex else ""
    if text in ("General Error", "Unknown Result Code"):
        errors = [found[1] for line in lines if (found := _GENERAL_ERROR.search(line.text))]
        return f"{text}: {errors[0]}" if errors and errors[0] != "None" else text
    return text


def _by_progress(lines: tuple[Line, ...], end: Exit, facts: Circumstances, was_up: bool) -> Failure:
    """The failure when no line names it: what made us end it, how far the call had got, then the status."""
    if facts.otherwise and _by_us(lines, end, facts.killed):
        return facts.otherwise
    if facts.otherwise and end.status == "5":  # pptp had ended before, and we were no more than quicker than pppd
        end = Exit("exited", "16")
    if (facts.timed_out and not facts.was_up) or (not was_up and _logged(lines, "pppd", _SILENT)):
        return Failure(_silence(lines, facts))
    if end.code in ("killed", "dumped") or end.status == "5":
        crashed = end.code == "dumped" or end.status in ("SEGV", "ABRT", "BUS", "ILL", "FPE")
        return Failure(
            reasons.CRASHED if crashed else reasons.KILLED, printable(end.status if end.code != "exited" else "")
        )
    if end.status == "16" and _logged(lines, "pptp", _GATEWAY_GONE):
        return Failure(reasons.NOT_SENT)  # pptp ends without a word when a packet cannot be sent
    if was_up and end.status in ("0", "16"):
        return Failure(reasons.PEER_HUNG_UP)
    if end.status in _BY_STATUS:
        return Failure(_BY_STATUS[end.status])
    return Failure(reasons.UNKNOWN, printable(f"exit status {end.status}" if end.status else ""))


def _by_us(lines: tuple[Line, ...], end: Exit, killed: bool) -> bool:
    """Whether pppd ended because it was told to, and not because pptp had ended before."""
    endings = [match[0] for line in lines if line.program == "pppd" and (match := _ENDING.search(ours(line)))]
    if endings or end.code == "exited":
        return endings[0] != _HANGUP if endings else end.status not in ("0", "16")
    return killed


def _silence(lines: tuple[Line, ...], facts: Circumstances) -> Reason:
    """Who is silent: the TCP port, the PPTP server behind it, GRE, or one of PPP's protocols."""
    if _logged(lines, "pppd", _LOGGED_IN):
        if facts.mppe and not _logged(lines, "pppd", _ENCRYPTED):
            return reasons.MPPE_SILENT
        return reasons.CONNECT_TIMEOUT if _logged(lines, "pppd", _ADDRESSED) else reasons.IPCP_SILENT
    if _logged(lines, "pptp", _CALL_UP):
        if not _logged(lines, "pppd", _SILENT):
            return reasons.AUTH_SILENT  # pppd gives LCP up before connect-timeout, see pppd.py: so LCP was up
        return reasons.GRE_UNTRACKED if facts.untracked else reasons.GRE_BLOCKED
    if _logged(lines, "pptp", _CONTROL_UP):
        return reasons.CALL_SILENT
    return reasons.CONTROL_SILENT if _logged(lines, "pptp", _TCP_UP) else reasons.TCP_SILENT


def _logged(lines: tuple[Line, ...], program: str, pattern: re.Pattern[str]) -> bool:
    return any(line.program == program and pattern.search(ours(line)) for line in lines)
