"""How soon others than root may have people asked for a tunnel's password again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pptpd_manager.config import TunnelConfig
from pptpd_manager.questions import PAUSE_SECONDS, bothered, pause
from pptpd_manager.tunnel import State, Tunnel

QUIET = Tunnel("work", TunnelConfig("work", ("vpn.example.com",), "alice", ask_password=True))
OPEN = replace(QUIET, state=State.WAITING, prompting=True)
ANSWERED = replace(OPEN, prompting=False, remembered=True)


@pytest.mark.parametrize(
    ("before", "after", "last", "now", "expected"),
    [
        (QUIET, QUIET, None, 9.0, None),
        (QUIET, QUIET, 5.0, 9.0, 5.0),
        (QUIET, OPEN, None, 9.0, 9.0),
        (QUIET, OPEN, 5.0, 9.0, 9.0),
        (OPEN, OPEN, 5.0, 9.0, 5.0),
        (OPEN, QUIET, 5.0, 9.0, 9.0),
        (OPEN, ANSWERED, 5.0, 9.0, None),
        (ANSWERED, QUIET, None, 9.0, None),
    ],
)
def test_when_people_were_last_bothered(
    before: Tunnel, after: Tunnel, last: float | None, now: float, expected: float | None
) -> None:
    assert bothered(before, after, last, now) == expected


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize(
    ("tunnel", "last", "now", "connect", "reconnect"),
    [
        (QUIET, None, 9.0, 0.0, 0.0),
        (QUIET, 9.0, 9.0, PAUSE_SECONDS, PAUSE_SECONDS),
        (QUIET, 7.0, 9.0, PAUSE_SECONDS - 2, PAUSE_SECONDS - 2),
        (QUIET, 9.0 - PAUSE_SECONDS, 9.0, 0.0, 0.0),
        (OPEN, 9.0, 9.0, 0.0, PAUSE_SECONDS),  # it takes no new question, a reconnect does
        (ANSWERED, 9.0, 9.0, 0.0, 0.0),
        (replace(QUIET, config=None), 9.0, 9.0, 0.0, 0.0),
        (replace(QUIET, config=TunnelConfig("work", ("a",), "alice", "secret")), 9.0, 9.0, 0.0, 0.0),
    ],
)
def test_how_long_to_wait(
    tunnel: Tunnel, last: float | None, now: float, connect: float, reconnect: float, anew: bool
) -> None:
    assert pause(tunnel, last, now, anew=anew) == (reconnect if anew else connect)
