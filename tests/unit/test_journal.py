"""What journalctl prints -> lines."""

from __future__ import annotations

import contextlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptpd_manager import journal
from pptpd_manager.diagnosis import Line
from pptpd_manager.journal import Printed, _Reading, command

RUN, PID, NAME = "0123456789abcdef0123456789abcdef", 4711, "office-01234567"


def printed(*entries: dict[str, object]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def entry(program: str, text: object, run: str | None = RUN, pid: int = PID, uid: int = 0) -> dict[str, object]:
    known = {"_SYSTEMD_INVOCATION_ID": run} if run else {}
    writer = {"_PID": str(pid), "_UID": str(uid)}
    return {"SYSLOG_IDENTIFIER": program, "MESSAGE": text, "__CURSOR": "s=1", **writer, **known}


def parse(output: bytes, run: str, pid: int, log_name: str) -> tuple[Line, ...]:
    return Printed(output, {run}).lines(run, pid, log_name)


def test_nothing() -> None:
    assert parse(b"", RUN, PID, NAME) == ()
    assert parse(b"\n\n", RUN, PID, NAME) == ()


def test_lines_in_their_order() -> None:
    output = printed(entry("pppd", "Using interface ppp0"), entry("pptp", "a"), entry("pppd", "Exit."))
    assert parse(output, RUN, PID, NAME) == (
        Line("pppd", "Using interface ppp0"),
        Line("pptp", "a"),
        Line("pppd", "Exit."),
    )


def test_a_line_of_another_run_is_not_ours() -> None:
    other = "f" * 32
    output = printed(entry("pppd", "a", other), entry("pptp", f"{NAME} b", other), entry("pppd", "c"))
    assert parse(output, RUN, PID, NAME) == (Line("pppd", "c"),)


def test_of_other_runs_nothing_is_held() -> None:
    """However many there are: pptp's lines are not looked for by their run."""
    lines = [entry("pptp", f"line {number} " + 200 * "x", f"{number:032x}") for number in range(2000)]
    output = printed(*lines, entry("pppd", "Exit."))
    Printed(printed(*lines[:10]), {RUN})  # what is made once
    tracemalloc.start()
    try:
        assert Printed(output, {RUN}).lines(RUN, PID, NAME) == (Line("pppd", "Exit."),)
        assert tracemalloc.get_traced_memory()[1] < len(output) / 10
    finally:
        tracemalloc.stop()


def test_a_line_of_no_known_run() -> None:
    """pppd's was found by its number; pptp's has to begin with the name of the run."""
    output = printed(
        entry("pppd", "Exit.", None),
        entry("pppd", "of another tunnel", None, PID + 1),
        entry("pptp", f"{NAME} log[main]: a", None),
        entry("pptp", f"{NAME}9 log[main]: b", None),
        entry("pptp", "other-89abcdef log[main]: c", None),
    )
    assert parse(output, RUN, PID, NAME) == (Line("pppd", "Exit."), Line("pptp", f"{NAME} log[main]: a"))


@pytest.mark.parametrize("run", [RUN, None])
def test_a_line_of_a_plain_user_is_not_ours(run: str | None) -> None:
    """Whatever journald says of its unit: that is the user's to say."""
    forged = [entry("pppd", "must be run as root", run, uid=1000), entry("pptp", f"{NAME} a", run, uid=1000)]
    nobodys = [{key: value for key, value in line.items() if key != "_UID"} for line in forged]
    assert parse(printed(*forged, *nobodys, entry("pppd", "Exit.")), RUN, PID, NAME) == (Line("pppd", "Exit."),)


def test_journalctl_is_asked_for_roots_lines_alone() -> None:
    words = command([_Reading(RUN, pid, NAME, 0, lambda _lines: None) for pid in (PID, 0)])
    groups = " ".join(word for word in words[1:] if not word.startswith("--")).split(" + ")
    assert len(groups) == 4 and all("_UID=0" in group.split() for group in groups), groups


def test_a_message_that_is_not_printable_comes_as_bytes() -> None:
    message = list("LCP terminated by peer (\x01 zu spät)".encode("latin-1"))
    assert parse(printed(entry("pppd", message)), RUN, PID, NAME) == (
        Line("pppd", "LCP terminated by peer (\x01 zu sp\N{REPLACEMENT CHARACTER}t)"),
    )


@pytest.mark.parametrize("message", [None, ""])
def test_a_message_that_is_empty_or_too_long_for_journalctl(message: object) -> None:
    assert parse(printed(entry("pppd", message)), RUN, PID, NAME) == (Line("pppd", ""),)


@pytest.mark.parametrize("output", [b"-- No entries --\n", b'{"MESSAGE": "a"', b"\xff\n"])
def test_what_is_not_json(output: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(output, RUN, PID, NAME)


def test_the_fields_of_a_tunnels_record() -> None:
    assert journal.of_tunnel("office", "pptp@office.service", state="up", reason="") == {
        "fields": {"OBJECT_SYSTEMD_UNIT": "pptp@office.service", "PPTP_TUNNEL": "office", "PPTP_STATE": "up"}
    }


values = st.none() | st.text() | st.integers() | st.lists(st.integers(-1, 300) | st.text() | st.none(), max_size=5)


@given(
    st.lists(st.dictionaries(st.sampled_from(["SYSLOG_IDENTIFIER", "MESSAGE", "_PID", "_UID"]), values), max_size=4)
)
def test_no_entry_hides_another(odd: list[dict[str, object]]) -> None:
    """Fields may be missing, repeated, or of bytes that are no text. Source: systemd.io/JOURNAL_EXPORT_FORMATS."""
    known = entry("pppd", "Modem hangup")
    others = [{**fields, "_SYSTEMD_INVOCATION_ID": RUN} for fields in odd]
    assert Line("pppd", "Modem hangup") in parse(printed(*others, known, *others), RUN, PID, NAME)


@given(st.binary(max_size=60))
def test_any_output_is_lines_or_a_value_error(output: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse(output, RUN, PID, NAME)


@pytest.mark.parametrize("output", [b"7\n", b"[]\n", b'"text"\n', b"null\n"])
def test_what_is_no_entry(output: bytes) -> None:
    with pytest.raises(ValueError, match="an object was expected"):
        parse(output, RUN, PID, NAME)
