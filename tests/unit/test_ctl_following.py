"""What pptpctl follows of the journal while it waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib

from pptpd_manager.ctl.exits import Exit
from pptpd_manager.ctl.following import Follower
from pptpd_manager.ctl.loop import Loop

LINE = '{"_SYSTEMD_UNIT": "pptp@work.service", "SYSLOG_IDENTIFIER": "pppd", "MESSAGE": "Connect"}'


def test_a_journalctl_that_ends_is_read_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "setpriv"
    program.write_text(f"#!/bin/sh\necho '{LINE}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    loop, heard = Loop(), []
    follower = Follower(loop, ["pptp@work.service"], lambda *words: heard.append(words))
    assert follower._child

    def ended(*_arguments: Any) -> None:
        # When there is nothing else to do: reading on and on would keep this waiting.
        GLib.idle_add(loop.guarded(lambda: loop.end(Exit.OK)))

    follower._child.wait_async(None, loop.guarded(ended))
    loop.after(5, lambda: loop.end(Exit.TIMED_OUT))
    assert loop.run() is Exit.OK
    follower.close()
    assert heard == [("pptp@work.service", "pppd", "Connect")]
