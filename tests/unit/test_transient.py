"""What is said of commands by how systemd tells that they ended."""

from __future__ import annotations

import pytest

from pptpd_manager.transient import End, outcome

COMMANDS = [("/bin/a", "secret"), ("/bin/b",), ("/bin/c",)]
WELL = End(1, 0)


@pytest.mark.parametrize(
    ("ends", "result", "complaints", "rest"),
    [
        ([WELL, WELL, WELL], "success", [], []),
        ([WELL, End(1, 3), WELL], "success", ["/bin/b ended with status 3"], []),
        ([End(2, 9), WELL, WELL], "success", ["/bin/a was killed by signal 9"], []),
        ([WELL, WELL, End(3, 11)], "success", ["/bin/c was killed by signal 11"], []),
        ([WELL, WELL, End(1, 203)], "success", ["/bin/c cannot be run; is it there, and executable?"], []),
        ([End(2, 15)], "timeout", ["/bin/a took longer than 30 s and was killed"], COMMANDS[1:]),
        ([WELL, WELL, End(1, 0)], "timeout", ["/bin/c took longer than 30 s and was killed"], []),
        (
            [End(1, 1), End(2, 9)],
            "timeout",
            ["/bin/a ended with status 1", "/bin/b took longer than 30 s and was killed"],
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
