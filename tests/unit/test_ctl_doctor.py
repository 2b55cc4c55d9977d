"""How pptpctl shows findings."""

from __future__ import annotations

import io
import sys

import pytest

from pptpd_manager.ctl.doctor import Progress, lines, summary
from pptpd_manager.ctl.terminal import Style
from pptpd_manager.doctor.finding import ok, problem, unseen, warning

LONG = "It breaks every tunnel: pppd ends at once."
FOUND = [
    ok("programs", "pppd is there."),
    problem(
        "ppp-options", "A line is wrong.", LONG, "sed -i '1s/^/#/' /etc/ppp/options # whole, so that it can be copied"
    ),
    unseen("gre", "GRE"),
    warning("mtu", "It is \x1b[31msmall.", "See."),
]


def test_a_section() -> None:
    """In columns that can be read, the command whole, and nothing that a terminal would obey."""
    style = Style(io.StringIO())
    style.width = 60
    assert lines("This machine", FOUND, style) == [
        "This machine",
        "ok       pppd is there.",
        "problem  A line is wrong. It breaks every tunnel: pppd ends",
        "         at once.",
        "           sed -i '1s/^/#/' /etc/ppp/options # whole, so that it can be copied",
        "unknown  GRE: not looked at: needs root",
        "warning  It is \\x1b[31msmall. See.",
    ]


def test_the_last_line() -> None:
    assert summary([ok("tcp", "x")], root=True) == "Nothing is wrong."
    assert summary(FOUND, root=False) == (
        "1 problem and 1 warning. Not looked at: 1; root sees more: sudo pptpctl doctor"
    )
    assert summary([unseen("gre", "x"), *FOUND[1:2] * 2], root=True) == "2 problems. Not looked at: 1."


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("wanted", "stream", "term", "shown"),
    [
        (True, Terminal, "xterm", "\r\033[Klooking at TCP port 1723 of \\x1b ...\r\033[K\r\033[K"),
        (True, Terminal, "dumb", ""),
        (True, io.StringIO, "xterm", ""),
        (False, Terminal, "xterm", ""),  # with --json
    ],
)
def test_what_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, wanted: bool, stream: type[io.StringIO], term: str, shown: str
) -> None:
    """On a terminal, where others find their lines free of it."""
    monkeypatch.setattr(sys, "stderr", error := stream())
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", term)
    progress = Progress(wanted)
    progress.show("TCP port 1723 of \x1b")
    with progress.away():
        pass
    progress.end()
    progress.show("what comes too late")
    assert error.getvalue() == shown
