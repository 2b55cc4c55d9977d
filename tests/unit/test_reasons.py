"""Each row is what a real pppd or pptp of the named version logs; see the source in reasons.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptpd_manager import reasons
from pptpd_manager.reasons import Exit, Failure, Line, Reason, classify


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


@pytest.mark.parametrize(
    ("lines", "status", "reason", "detail"),
    [
        ([pptp("connect: Connection refused"), HANGUP], "16", reasons.TCP_REFUSED, ""),
        ([pptp("connect: Connection timed out"), LCP_TIMEOUT], "10", reasons.TCP_SILENT, ""),
        ([pptp("connect: No route to host")], "16", reasons.HOST_UNREACHABLE, "No route to host"),
        ([pptp("connect: Network is unreachable")], "16", reasons.NO_ROUTE, "Network is unreachable"),
        ([pptp("getaddrinfo(): Name or service not known")], "16", reasons.NO_NETWORK, ""),
        (
            [START, pptp("Reply result code is 4 'Requester is not Authorized'. Error code is 0")],
            "16",
            reasons.CONTROL_REFUSED,
            "Requester is not Authorized",
        ),
        (
            [START, STARTED, pptp("Our outgoing call request [callid 1] has not been accepted.")],
            "16",
            reasons.CALL_REFUSED,
            "",
        ),
        ([LCP_TIMEOUT], "10", reasons.TCP_SILENT, ""),
        ([START, LCP_TIMEOUT], "10", reasons.CONTROL_SILENT, ""),
        ([START, STARTED, LCP_TIMEOUT], "10", reasons.CALL_REFUSED, ""),
        ([START, STARTED, CALLED, LCP_TIMEOUT], "10", reasons.GRE_BLOCKED, ""),
        (
            [pppd("MS-CHAP authentication failed: E=691 Authentication failure"), pppd("CHAP authentication failed")],
            "19",
            reasons.WRONG_PASSWORD,
            "E=691 Authentication failure",
        ),
        (
            [pppd("MS-CHAP authentication failed: E=647 Account disabled")],
            "19",
            reasons.ACCOUNT_REFUSED,
            "E=647 Account disabled",
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
        ([AUTHENTICATED, pppd("MPPE required but peer refused")], "10", reasons.MPPE_REFUSED, ""),
        ([AUTHENTICATED, pppd("MPPE required, but kernel has no support.")], "10", reasons.MPPE_MODULE_MISSING, ""),
        ([AUTHENTICATED, pppd("Could not determine local IP address")], "10", reasons.NO_ADDRESS, ""),
        ([pppd("Couldn't open the /dev/ppp device: No such file or directory")], "4", reasons.PPP_MODULE_MISSING, ""),
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
        ([AUTHENTICATED, pppd("No response to 5 echo-requests"), HANGUP], "15", reasons.PEER_DEAD, ""),
        ([AUTHENTICATED, pppd("LCP terminated by peer (going away)")], "0", reasons.PEER_HUNG_UP, "going away"),
        (
            [pptp("short read (-1): Protocol not available"), HANGUP],
            "16",
            reasons.GRE_BLOCKED,
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
    assert classify(lines, Exit("exited", status)) == Failure(reason, detail)
    noise = [pppd("rcvd [LCP ConfReq id=0x1]"), Line("sshd", "connect: Connection refused"), pptp("something new")]
    if lines:
        assert classify([noise[0], *lines, *noise], Exit("exited", status)) == Failure(reason, detail)


@pytest.mark.parametrize(
    ("lines", "end", "reason"),
    [
        ([HANGUP], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        ([pptp("Call disconnect notification received (call id 7)")], Exit("exited", "16"), reasons.PEER_HUNG_UP),
        ([pptp("closing control connection due to missing echo reply")], Exit("exited", "16"), reasons.CONTROL_LOST),
        ([], Exit("killed", "KILL"), reasons.KILLED),
        ([pppd("Terminating on signal 15")], Exit("exited", "5"), reasons.KILLED),
    ],
)
def test_a_link_that_ended(lines: list[Line], end: Exit, reason: Reason) -> None:
    assert classify(lines, end, was_up=True).reason is reason


def test_a_server_that_takes_mppe_down_with_the_session_has_not_refused_it() -> None:
    lines = [pppd("LCP terminated by peer (MPPE disabled)"), pppd("MPPE disabled"), HANGUP]
    assert classify(lines, Exit("exited", "0"), was_up=True) == Failure(reasons.PEER_HUNG_UP, "MPPE disabled")


def test_an_attempt_that_hung_is_told_by_how_far_it_got() -> None:
    ended = Exit("exited", "5")
    assert classify([], ended, timed_out=True).reason is reasons.TCP_SILENT
    assert classify([START], ended, timed_out=True).reason is reasons.CONTROL_SILENT
    assert classify([START, STARTED, CALLED], ended, timed_out=True).reason is reasons.GRE_BLOCKED
    assert classify([START, STARTED, CALLED, AUTHENTICATED], ended, timed_out=True).reason is reasons.TIMED_OUT


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
    failure = classify(lines, Exit(code, status), was_up=was_up, timed_out=timed_out)
    assert reasons.printable(failure.detail) == failure.detail


def test_a_servers_words_are_printable_and_short() -> None:
    failure = classify(
        [pppd('MS-CHAP authentication failed: \x1b[31m"no"\\ \N{SNOWMAN}' + "x" * 500)], Exit("exited", "19")
    )
    assert failure.detail == "?[31m?no?? ?" + "x" * (120 - 12)


def test_names_are_stable_words() -> None:
    for name, reason in reasons.REASONS.items():
        assert name == reason.name and name.replace("-", "").isalpha() and name == name.lower()
        assert reason.sentence.endswith(".")
