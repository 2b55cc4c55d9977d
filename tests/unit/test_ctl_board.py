"""The lines of several tunnels."""

from __future__ import annotations

from io import StringIO

from pptpd_manager.ctl.board import Board


def test_nothing_is_written_that_a_terminal_would_obey() -> None:
    out, err = StringIO(), StringIO()
    board = Board(out, err)
    board.show("a\x1b[2J", "b\x1b")
    board.end("a\x1b[2J", "no\x1b", well=False, more="c\x1b")
    assert out.getvalue() == "a\\x1b[2J: b\\x1b\n"
    assert err.getvalue() == "a\\x1b[2J: no\\x1b\n  c\\x1b\n"
