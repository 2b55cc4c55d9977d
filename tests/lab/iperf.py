"""TCP through a tunnel, by iperf3(1): its server is behind the lab's PPTP server."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence

import commands as lab

SERVER = ("ip", "netns", "exec", "server", "iperf3", "--server", "--one-off", "--forceflush")


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Have a server for one transfer on all of the addresses behind the tunnel.

    One that serves several takes a client whose tunnel went away for one that still sends.
    """
    with subprocess.Popen(SERVER, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            while "listening" not in (line := process.stdout.readline()):
                assert line, "iperf3 ended"
            yield
        finally:
            process.kill()


def command(address: str, amount: Sequence[str], *, down: bool) -> tuple[str, ...]:
    """To send to the server at address, or with down to have it send. amount: iperf3's options for how much."""
    return ("iperf3", "--client", address, *amount, "--json", *(["--reverse"] if down else []))


def rate(address: str, amount: Sequence[str], *, down: bool) -> float:
    """Mbit/s that came in. Raises AssertionError, subprocess.TimeoutExpired."""
    with serving():
        told = json.loads(lab.out(*command(address, amount, down=down), timeout=20))
    assert "sum_received" in told["end"], told
    return float(told["end"]["sum_received"]["bits_per_second"]) / 1e6
