"""pptpctl metrics: what there is to measure of the tunnels, in Prometheus' text format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.look import look
from pptpd_manager.ctl.terminal import printable

if TYPE_CHECKING:
    from pptpd_manager.ctl import measures

LACKING = "the library prometheus_client is not installed; on Debian, run: apt install python3-prometheus-client"


def run(arguments: argparse.Namespace) -> Exit:
    """The command. That there is no manager is a metric as well: who collects them is to tell people."""
    try:
        from prometheus_client import generate_latest, write_to_textfile

        from pptpd_manager.ctl import measures
    except ImportError:
        raise CtlError(Exit.PROBLEM, LACKING) from None
    registry = measures.registry(*_look())
    if not arguments.output:
        sys.stdout.write(generate_latest(registry).decode())
        return Exit.OK
    try:
        write_to_textfile(arguments.output, registry)  # a draft beside it, and a rename
    except OSError as error:
        raise CtlError(Exit.PROBLEM, f"{printable(arguments.output)} cannot be written: {error.strerror}") from None
    return Exit.OK


def _look() -> tuple[measures.Properties | None, Sequence[measures.Properties]]:
    """The manager's properties and the tunnels'; None: it does not run, or does not answer."""
    try:
        bus = look()
        return bus.manager(), list(bus.tunnels().values())
    except CtlError as error:
        if error.status is Exit.NO_MANAGER:
            return None, []
        raise
