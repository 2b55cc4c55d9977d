"""pptpctl logs: what was logged of a tunnel."""

from __future__ import annotations

import argparse
import re
import sys
from collections import deque

from pptpd_manager.ctl import entry, journalctl, record
from pptpd_manager.ctl.calls import MANAGER, PATH, unknown
from pptpd_manager.ctl.entry import Entry
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.look import look
from pptpd_manager.ctl.terminal import Style

FOLLOWED = 10  # entries from before, as journalctl has it
KEPT = 1000  # entries in which the processes of a run are looked for when it is followed
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def run(arguments: argparse.Namespace) -> Exit:
    """The command."""
    _check(arguments.name)
    style, count = Style(sys.stdout), arguments.lines
    if count is None and arguments.follow and arguments.since is None:
        count = FOLLOWED
    options = ["--boot"] if arguments.boot else []
    options += [f"--since={arguments.since}"] if arguments.since is not None else []
    begun: deque[Entry] = deque(maxlen=KEPT)
    whole = count is None
    for each in (
        journalctl.entries(arguments.name, options) if whole else journalctl.last(arguments.name, count, options)
    ):
        _show(each, style, arguments.json)
        begun.append(each)
    if arguments.follow:
        sys.stdout.flush()
        for each in journalctl.following(arguments.name, begun):
            _show(each, style, arguments.json)
            sys.stdout.flush()
    return Exit.OK


def _show(each: Entry, style: Style, json: bool) -> None:
    for line in [record.line(entry.record(each))] if json else entry.lines(each, style):
        print(line)


def _check(name: str) -> None:
    """Raises CtlError if there is no such tunnel. Without a manager any name will do: its log is there."""
    try:
        names = [name for name, _, _ in look().call(PATH, MANAGER + ".ListTunnels")]
    except CtlError as error:
        if error.status is not Exit.NO_MANAGER:
            raise
        names = [name] if _NAME.fullmatch(name) else []
    if name not in names:
        raise unknown(name, names)
