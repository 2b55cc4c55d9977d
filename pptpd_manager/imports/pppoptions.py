"""pppd's options in a file, or in a text -> each with its arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pptpd_manager import options

from .draft import Place, word_set
from .words import Word, words

# Of the options that have a key here, or none, those that take an argument; options.TAKEN has the others.
ONE = word_set(
    "+ua bundle call callback chap-timeout connect connect-delay defaultroute-metric disconnect file holdoff ifname "
    "init ip-down-script ip-up-script ipparam ipv6 lcp-echo-failure lcp-echo-interval lcp-max-configure "
    "lcp-max-terminate lcp-restart linkname logfd logfile maxfail mppe mru mtu name password pptp_phone pptp_server "
    "pty record remotename socket unit user welcome"
)
ADDRESSES = re.compile(r"([0-9.]{7,15})?:([0-9.]{7,15})?")


@dataclass(frozen=True)
class Option:
    """One option with its arguments. shared: it is in the file that pppd reads for our tunnels, too."""

    name: str
    arguments: tuple[Word, ...] = field(repr=False)
    place: Place
    shared: bool = False

    @property
    def known(self) -> bool:
        """Whether pppd itself has it; else its name may be anything, a secret too."""
        return self.name in options.ADVICE or self.name in options.TAKEN or self.name in ONE

    @property
    def argument(self) -> str:
        """The first argument; "" when it is missing."""
        return self.arguments[0].text if self.arguments else ""


def split(content: bytes, file: str, *, line: int = 0, shared: bool = False) -> Iterator[Option]:
    """The options in a file, or in a text that stands on that line of a file."""
    found = list(words(content))
    at = 0
    while at < len(found):
        word = found[at]
        count = _count(found, at)
        place = Place(file, line or word.line)
        yield Option(word.text, tuple(found[at + 1 : at + 1 + count]), place, shared)
        at += 1 + count


def _count(found: Sequence[Word], at: int) -> int:
    """How many arguments the option takes: of one that nobody knows, what stands on its line."""
    name = found[at].text
    if name in ONE:
        return 1
    if name in options.ADVICE or is_place(name):
        return 0
    if name in options.TAKEN:
        return options.TAKEN[name]
    end = at + 1
    while end < len(found) and not found[end].first:
        end += 1
    return end - at - 1


def is_place(name: str) -> bool:
    """Whether an option without a name is meant: a device, a speed, addresses."""
    return name.startswith(("/dev/", "tty")) or name.isdecimal() or bool(ADDRESSES.fullmatch(name))
