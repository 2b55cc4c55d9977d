"""The systems that can be imported from: where each has its files, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from . import ipup, networkmanager, peers, rcd, uci
from .draft import Draft, Files


@dataclass(frozen=True)
class System:
    """where: the files in words; all_of: their paths; drafts: the tunnels in the files at some paths, and notes."""

    where: str
    all_of: Callable[[Files], list[str]]
    drafts: Callable[[Files, Sequence[str]], tuple[list[Draft], list[str]]]


def _peers(files: Files, paths: Sequence[str]) -> tuple[list[Draft], list[str]]:
    """The tunnels that `pon` dials, with the routes that scripts add for them."""
    made = {path: peers.peer(files, path) for path in paths}
    found = [each for each in made.values() if each]
    notes = peers.notes_on(files, [path for path, each in made.items() if each is None])
    ipup.give(files, ipup.all_of(files), found)
    return [each.draft for each in found], notes


SYSTEMS: Mapping[str, System] = MappingProxyType(
    {
        "peers": System(f"{peers.DIRECTORY}/*", peers.all_of, _peers),
        "rc.d": System(", ".join((*(f"{each}/*" for each in rcd.DIRECTORIES), *rcd.SCRIPTS)), rcd.all_of, rcd.drafts),
        "ip-up": System(", ".join((*ipup.SCRIPTS, f"{ipup.DIRECTORY}/*")), ipup.all_of, ipup.drafts),
        "networkmanager": System(f"{networkmanager.DIRECTORY}/*", networkmanager.all_of, networkmanager.drafts),
        "openwrt": System(uci.FILE, uci.all_of, uci.drafts),
    }
)
