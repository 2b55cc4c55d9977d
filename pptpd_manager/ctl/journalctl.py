"""The journal's entries of a tunnel, read by journalctl, which knows who may read what."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import IO

from pptpd_manager.ctl import entry
from pptpd_manager.ctl.entry import Entry, Ours
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.labels import unit_name

REFUSED = "the log may be read by root, and by members of the groups adm and systemd-journal"
_HINTS = ("insufficient permissions", "not seeing messages from other users")  # journalctl's own words
_CHUNK = 1 << 16


def ours(tunnel: str) -> Ours:
    """What tells the tunnel's entries."""
    return Ours(tunnel, unit_name(tunnel))


def entries(tunnel: str, options: Sequence[str]) -> Iterator[Entry]:
    """Those there are, oldest first. Raises CtlError, REFUSED for who may not read them."""
    return filter(ours(tunnel), _parsed(_output(tunnel, options)))


def last(tunnel: str, count: int, options: Sequence[str] = ()) -> list[Entry]:
    """The last ones, oldest first. Raises CtlError as entries()."""
    found, sure, mine = [], 0, ours(tunnel)
    with closing(_output(tunnel, ["--reverse", *options])) as output:
        for each in _parsed(output):
            found.append(each)
            sure += mine(each)
            if sure >= count:
                break
    return list(filter(ours(tunnel), reversed(found)))[-count:] if count else []


def following(tunnel: str, begun: Sequence[Entry]) -> Iterator[Entry]:
    """Those that come after the ones in begun, as they come. Raises BrokenPipeError when nobody reads stdout."""
    mine = ours(tunnel)
    for each in begun:
        mine(each)
    since = ["--no-tail", f"--after-cursor={begun[-1].cursor}"] if begun and begun[-1].cursor else ["--lines=0"]
    return filter(mine, _parsed(_output(tunnel, ["--follow", *since], _as_they_come)))


def _parsed(output: Iterable[bytes]) -> Iterator[Entry]:
    return filter(None, map(entry.parse, output))


def _as_they_come(output: IO[bytes]) -> Iterator[bytes]:
    """The lines of a pipe. That nobody reads ours is noticed while there is nothing to write, too."""
    poll, rest = select.poll(), b""
    poll.register(output, select.POLLIN)
    poll.register(sys.stdout, 0)  # POLLERR and POLLHUP
    while True:
        if sys.stdout.fileno() in dict(poll.poll()):
            raise BrokenPipeError
        chunk = os.read(output.fileno(), _CHUNK)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _output(
    tunnel: str, options: Sequence[str], read: Callable[[IO[bytes]], Iterator[bytes]] = iter
) -> Generator[bytes, None, None]:
    """The lines of a journalctl, which ends with the generator."""
    words = ["journalctl", "--output=json", f"--output-fields={','.join(entry.FIELDS)}", "--all", "--no-pager"]
    command = [*words, *options, *entry.matches(tunnel, unit_name(tunnel))]
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise CtlError(Exit.PROBLEM, f"journalctl cannot be run: {error.strerror}") from None
    with child:
        assert child.stdout and child.stderr
        try:
            yield from read(child.stdout)
            _judge(child.wait(), child.stderr.read().decode(errors="replace"))
        finally:
            child.kill()


def _judge(status: int, complaint: str) -> None:
    """Raises CtlError if journalctl could not do it."""
    if any(hint in complaint for hint in _HINTS):
        raise CtlError(Exit.REFUSED, REFUSED)
    if status:
        lines = [line for line in complaint.splitlines() if line.strip()]
        raise CtlError(Exit.PROBLEM, f"journalctl: {lines[-1] if lines else f'status {status}'}")
