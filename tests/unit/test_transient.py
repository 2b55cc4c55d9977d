"""What is said of commands by how systemd tells that they ended."""

from __future__ import annotations

import math

import pytest

from pptpd_manager.transient import End, outcome, read_ends

COMMANDS = [("/bin/a", "secret"), ("/bin/b",), ("/bin/c",)]
WELL, LONG = End(1, 0, 0.5), End(2, 15, 30.1)
A_TOOK_LONGER, B_TOOK_LONGER = (f"/bin/{name} took longer than 30 s and was killed" for name in "ab")


@pytest.mark.parametrize(
    ("ends", "result", "complaints", "rest"),
    [
        ([WELL, WELL, WELL], "success", [], []),
        ([WELL, End(1, 3, 0.5), WELL], "success", ["/bin/b ended with status 3"], []),
        ([End(2, 9, 0.5), WELL, WELL], "success", ["/bin/a was killed by signal 9"], []),
        ([WELL, WELL, End(3, 11, 0.5)], "success", ["/bin/c was killed by signal 11"], []),
        ([WELL, WELL, End(1, 203, 0.5)], "success", ["/bin/c cannot be run"], []),
        ([LONG, WELL, WELL], "timeout", [A_TOOK_LONGER], []),
        ([LONG, End(1, 0, 30.0), WELL], "timeout", [A_TOOK_LONGER, B_TOOK_LONGER], []),
        ([LONG], "timeout", [A_TOOK_LONGER], COMMANDS[1:]),
        (
            [End(1, 1, 0.5), End(0, 0, math.inf)],
            "timeout",
            ["/bin/a ended with status 1", B_TOOK_LONGER],
            COMMANDS[2:],
        ),
        ([], "timeout", ["systemd could not run all of it (timeout)"], []),
        ([], "resources", ["systemd could not run all of it (resources)"], []),
        ([WELL], "success", ["systemd could not run all of it (success)"], []),
        ([WELL, WELL, WELL], "oom-kill", ["systemd could not run all of it (oom-kill)"], []),
    ],
)
def test_outcome(ends: list[End], result: str, complaints: list[str], rest: list[tuple[str, ...]]) -> None:
    """A stopped service (systemctl stop) leaves the rest, with result success; so does one without room."""
    assert outcome(COMMANDS, ends, result, 30.0) == (complaints, rest)


def test_ends() -> None:
    """The times by the wall clock do not matter: it may be set meanwhile."""
    known = [
        ("/bin/a", ["/bin/a"], True, 9, 1_000_000, 5, 1_500_000, 7, 1, 3),
        ("/bin/b", ["/bin/b"], True, 9, 1_000_000, 5, 0, 7, 0, 0),
        ("/bin/c", ["/bin/c"], True, 0, 0, 0, 0, 0, 0, 0),
    ]
    assert read_ends(known) == [End(1, 3, 0.5), End(0, 0, math.inf)]
