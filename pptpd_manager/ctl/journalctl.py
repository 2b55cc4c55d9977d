"""The journal's entries of a tunnel, read by journalctl, which knows who may read what."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from signal import SIGKILL, SIGPIPE
from typing import IO, Any

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
    output, complaints = os.pipe(), os.pipe()
    files: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    files += [(os.POSIX_SPAWN_DUP2, pipe[1], number) for number, pipe in ((1, output), (2, complaints))]
    try:
        # Not subprocess: it takes as long to import as journalctl to start.
        child = os.posix_spawnp(command[0], command, os.environ, file_actions=files, setsigdef=[SIGPIPE])
    except OSError as error:
        raise CtlError(Exit.PROBLEM, f"journalctl cannot be run: {error.strerror}") from None
    finally:
        os.close(output[1])
        os.close(complaints[1])
    with open(output[0], "rb") as lines, open(complaints[0], errors="replace") as said:
        ended = False
        try:
            yield from read(lines)
            status, ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), True
            _judge(status, said.read())
        finally:
            if not ended:
                os.kill(child, SIGKILL)
                os.waitpid(child, 0)


def _judge(status: int, complaint: str) -> None:
    """Raises CtlError if journalctl could not do it."""
    if any(hint in complaint for hint in _HINTS):
        raise CtlError(Exit.REFUSED, REFUSED)
    if status:
        lines = [line for line in complaint.splitlines() if line.strip()]
        raise CtlError(Exit.PROBLEM, f"journalctl: {lines[-1] if lines else f'status {status}'}")
