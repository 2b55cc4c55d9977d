"""The scripts that pppd runs when a link is up -> their routes, each to the tunnels that it is meant for."""

from __future__ import annotations

from collections.abc import Sequence

from . import peers, routecommands, shell
from .draft import Draft, Files, Place
from .peers import Peer
from .routecommands import Added

DIRECTORY = "/etc/ppp/ip-up.d"
SCRIPTS = ("/etc/ppp/ip-up", "/etc/ppp/ip-up.local")


def all_of(files: Files) -> list[str]:
    """The paths of all scripts."""
    return [*SCRIPTS, *(f"{DIRECTORY}/{name}" for name in files.names(DIRECTORY))]


def drafts(files: Files, paths: Sequence[str]) -> tuple[list[Draft], list[str]]:
    """The tunnels that the scripts at these paths have routes for, and notes."""
    found = [made for path in peers.all_of(files) if (made := peers.peer(files, path))]
    routed, notes = give(files, paths, found)
    return [each.draft for each in found if each.draft.wish in routed], notes


def give(files: Files, paths: Sequence[str], found: Sequence[Peer]) -> tuple[set[str], list[str]]:
    """Give the tunnels the routes of the scripts: which got something, and notes on what belongs to none."""
    routed: set[str] = set()
    notes = []
    for path in paths:
        content = files.read(path)
        for command in shell.commands((content or b"").decode(errors="replace"), shell.PPP):
            said = routecommands.read(command)
            place = Place(path, command.line)
            if said is None:
                continue
            meant = [each for each in found if command.when.holds(each.param)]
            if not meant:
                notes.append(f"{place}: a command on routes, for no tunnel that is imported")
            for each in meant:
                routed.add(each.draft.wish)
                _take(each.draft, said, command, place)
    return routed, notes


def _take(draft: Draft, said: Added | routecommands.Other, command: shell.Command, place: Place) -> None:
    if not isinstance(said, Added):
        draft.note(f"a command on routes was not carried over: {said.what}", place)
        return
    routecommands.give(draft, said, place)
    if not command.when.sure:
        draft.note("this route was added under a condition of the script's, which is not carried over", place)
    end = f"# take the commands on routes out of {place.file}: the manager sets them"
    if end not in draft.ends:
        draft.ends.append(end)
