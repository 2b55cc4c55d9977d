"""A real name server, dnsmasq, in one of the guest's network namespaces."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import commands as lab

NOTHING = ("--conf-file=/dev/null", "--no-resolv", "--no-hosts")  # but what it is told on its command line


@contextlib.contextmanager
def dnsmasq(namespace: str, listen: str, log: Path, *options: str) -> Iterator[None]:
    """It listens there while the block runs, with those options, and writes what it is asked to log."""
    words = [*NOTHING, f"--listen-address={listen}", "--bind-interfaces", "--pid-file=", "--keep-in-foreground"]
    words += ["--user=root", "--log-queries", f"--log-facility={log}", *options]
    with subprocess.Popen(["ip", "netns", "exec", namespace, "dnsmasq", *words]) as process:
        try:
            lab.wait_for(lambda: log.exists() and "started" in log.read_text(), f"the DNS server in {namespace}")
            yield
        finally:
            process.terminate()
