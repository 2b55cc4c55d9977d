"""What pptpctl asks systemd."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from pptpd_manager.ctl.calls import Refused
from pptpd_manager.ctl.unit import Systemd, Unit

NO_REPLY, NO_UNIT = "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.systemd1.NoSuchUnit"


@pytest.mark.parametrize(("error", "asked"), [(NO_REPLY, 1), (NO_UNIT, 4)])
def test_a_systemd_that_does_not_answer_is_asked_once(error: str, asked: int) -> None:
    calls: list[str] = []

    def answer(*words: Any, **_more: Any) -> NoReturn:
        calls.append(words[2])
        raise Refused(error, "x")

    bus: Any = SimpleNamespace(answer=answer)
    systemd = Systemd(bus)
    assert [systemd.look(f"pptp@{name}.service") for name in ("a", "b")] == [Unit(), Unit()]
    assert len(calls) == asked
