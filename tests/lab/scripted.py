"""The servers of pptp_server.py, in the guest's network namespace `server`."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("pptp_server.py")


class Servers:
    """The servers of one process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def log(self) -> str:
        """What they have done so far, one line for each event."""
        return self._log.read_text(errors="replace")

    def tell(self) -> None:
        """Have the steps taken that wait for that: "at": "told"."""
        self._process.send_signal(signal.SIGUSR1)


@contextlib.contextmanager
def scripted(plan: dict[str, Any], address: str = "203.0.113.5") -> Iterator[Servers]:
    """A server at address that does as planned while the block runs; see pptp_server.Plan."""
    with all_scripted({address: plan}) as servers:
        yield servers


@contextlib.contextmanager
def all_scripted(plans: Mapping[str, dict[str, Any]]) -> Iterator[Servers]:
    """A server at each address, in one process."""
    words = [word for address, plan in plans.items() for word in ("--listen", address, "--plan", json.dumps(plan))]
    command = ["ip", "netns", "exec", "server", "python3", "-S", "-I", str(PROGRAM), *words]
    with (
        tempfile.NamedTemporaryFile("w+", suffix=".log") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True) as process,
    ):
        servers = Servers(process, Path(file.name))
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line == "listening\n", line + servers.log()
            yield servers
            assert process.poll() is None, "it has ended by itself\n" + servers.log()
        finally:
            process.kill()
