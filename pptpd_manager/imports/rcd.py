"""The rc.d script of the Arch wiki and its like: what it dials by `pon`, and the routing command behind it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from . import ipup, peers, routecommands, shell
from .draft import Draft, Files, Place
from .peers import Peer
from .pppoptions import split
from .routecommands import Added

DIRECTORIES = ("/etc/rc.d", "/etc/init.d")
SCRIPTS = ("/etc/rc.local", "/etc/rc.d/rc.local")
_NOTHING: Mapping[str, str] = {}


def all_of(files: Files) -> list[str]:
    """The paths of all scripts that may dial."""
    found = [f"{directory}/{name}" for directory in DIRECTORIES for name in files.names(directory)]
    return list(dict.fromkeys((*found, *SCRIPTS)))


def drafts(files: Files, paths: Sequence[str]) -> tuple[list[Draft], list[str]]:
    """The tunnels that the scripts at these paths dial, and notes on the others: none."""
    found: dict[str, Peer] = {}
    for path in paths:
        now: Peer | None = None
        content = files.read(path)
        for command in shell.commands((content or b"").decode(errors="replace"), _NOTHING):
            place = Place(path, command.line)
            if dialled := _dialled(command.words):
                name, more = dialled
                now = found.get(name) or _peer(files, name, more, place)
                found[name] = now
            elif now and (said := routecommands.read(command)):
                if isinstance(said, Added):
                    routecommands.give(now.draft, said, place)
                elif said.what != routecommands.REMOVES:
                    now.draft.note(f"a command on routes was not carried over: {said.what}", place)
    ipup.give(files, ipup.all_of(files), list(found.values()))
    return [each.draft for each in found.values()], []


def _dialled(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """The peer that `pon PEER OPTION...` or `pppd call PEER OPTION...` dials, and the options."""
    given = list(words)
    program = given[0].rpartition("/")[2] if given else ""
    if program == "pon":
        return (given[1], given[2:]) if len(given) > 1 else None
    if program == "pppd" and "call" in given[:-1]:
        at = given.index("call")
        return given[at + 1], [*given[1:at], *given[at + 2 :]]
    return None


def _peer(files: Files, name: str, more: Sequence[str], place: Place) -> Peer:
    """The tunnel of that name; one that is not complete when its file does not say what it is."""
    options = list(split("\n".join(more).encode(errors="replace"), place.file, line=place.line))
    path = f"{peers.DIRECTORY}/{name}"
    script = place.file.rpartition("/")[2]
    usable = "/" not in name and name not in ("", ".", "..")
    made = (peers.peer(files, path, options) if usable else None) or Peer(Draft(name, path), name)
    if not made.draft.values:
        made.draft.note(f"there is no such peer, or it does not call pptp: {path}", place)
    made.draft.origin = f"{place} and {path}"
    made.draft.ends = [
        f"{shlex.quote(place.file)} stop",
        f"# take {script} out of DAEMONS in /etc/rc.conf, or disable it as your system does",
    ]
    return made
