"""Drafts of tunnels: what was found for each key, and what was not carried over."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from pptpd_manager import config
from pptpd_manager.routing import MAIN_TABLE
from pptpd_manager.values import MAX_ITEMS

MOST_NOTES = 30  # of one tunnel; further ones are counted
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]+")


Prefix = IPv4Network | IPv6Network
NO_KEY = "there is no key for it"
METHODS = ("eap", "pap", "chap", "mschap", "mschap-v2")


def word_set(text: str) -> frozenset[str]:
    """The words in text."""
    return frozenset(text.split())


class Files(Protocol):
    """What a machine has on disk. A file that is there and may not be read is the implementation's to report."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None when there is no such file."""

    def names(self, directory: str) -> list[str]:
        """The names of the files in a directory, sorted, without backups; none when there is no such directory."""


@dataclass(frozen=True)
class Place:
    """A line of a file; line 0: the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Hidden:
    """A text that may be a secret, or hold one. It is written to a file of root's and shown nowhere."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class Route:
    """A route into the tunnel; None: not said."""

    prefix: str
    metric: int | None = None
    table: int | None = None
    source: str | None = None
    link: bool = True


Item = str | Hidden | Route | Mapping[str, "Value"]
Value = bool | int | str | Hidden | tuple[Item, ...] | Mapping[str, "Value"]


@dataclass
class Draft:
    """A tunnel that is being made up. values: by the names of keys.py; origin: what it was made from.

    ends: the commands that turn off what it was made from, as its own system has them.
    """

    wish: str  # the name that it has there
    origin: str
    name: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    password_from: str = ""
    ends: list[str] = field(default_factory=list)
    more: int = 0  # notes that are not kept
    _added: set[tuple[str, str | Hidden | Route]] = field(default_factory=set)

    def note(self, text: str, place: Place | None = None) -> None:
        """Have text in a comment. It holds no secret."""
        whole = f"{place}: {text}" if place else text
        if whole in self.notes:
            return
        if len(self.notes) < MOST_NOTES:
            self.notes.append(whole)
        else:
            self.more += 1

    def add(self, key: str, item: Item) -> None:
        """Add an item to a list, if it is not there already and the list is not longer than any that is meant."""
        assert isinstance(item, str | Hidden | Route)
        there = self.values.get(key, ())
        assert isinstance(there, tuple)
        if (key, item) in self._added:
            return
        if len(there) == MAX_ITEMS:
            self.note(f"{key}: more than {MAX_ITEMS}; the others were not carried over")
            return
        self._added.add((key, item))
        self.values[key] = (*there, item)

    def route(
        self, prefix: Prefix, place: Place, *, metric: int | None = None, table: int | None = None,
        source: str | None = None, left: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Have the prefix routed into the tunnel, or a note why not. left: what else was said of it, by its names."""
        if prefix.prefixlen == 0 and (why := no_default(six=prefix.version == 6, table=table)):
            self.note(f"this route was not carried over: {why}", place)
            return
        if left:
            self.note(f"{', '.join(left)} of this route: {NO_KEY}", place)
        if prefix.prefixlen == 0:
            self.values["default-route"] = True
            return
        if prefix.version == 6:
            self.values["ipv6"] = True
        self.add("routes", Route(shown(prefix), metric, table, source))

    def encryption(self, *, required: bool, strict: bool, refused: Container[str]) -> None:
        """Take what is said of MPPE and of the ways not to log in by. strict: with 128 bits only."""
        self.values["mppe"] = ("require-128" if strict else "require") if required else "off"
        if "mschap-v2" in refused:
            self.values["refuse-mschap-v2"] = True
            accepted = [m for m in METHODS if m not in refused and (m == "mschap" or not required)]
            self.values |= {f"refuse-{method}": False for method in accepted}
        elif not required:
            self.note(
                "without encryption, as it was; mppe: optional has it where the server does. The login is by "
                "MS-CHAPv2 only, the default; a server without it needs refuse-chap: false or refuse-pap: false"
            )

    def login(self, text: str) -> None:
        """Take DOMAIN\\user or user."""
        domain, backslash, user = text.partition("\\")
        if backslash and domain and user and "\\" not in user:
            self.values["domain"], self.values["username"] = domain, user
        else:
            self.values["username"] = text

    def password(self, text: str, place: Place | str) -> None:
        """Take the password that stands at place."""
        if text.endswith("\n"):
            # pptpsetup's own question for it leaves the newline on.
            text = text[:-1]
            self.note("the password ended with a newline, which is left out", _place(place))
        if not text:
            self.values["ask-password"] = True
            self.note("the password is empty", _place(place))
        elif any(0xD800 <= ord(character) < 0xE000 for character in text):
            self.values["ask-password"] = True
            self.note(
                "the password is not UTF-8: put its bytes in a file of root's and use password-file", _place(place)
            )
        else:
            self.values["password"] = Hidden(text)
            self.password_from = str(place)


def visible(text: str) -> str:
    """text in one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def no_default(*, six: bool, table: int | None) -> str:
    """Why 'default-route' does not do what a default route does; "" if it does."""
    if six:
        return "a default route for IPv6 alone; 'default-route' with 'ipv6' has both"
    if table not in (None, MAIN_TABLE):
        return f"a default route in table {table}; use the keys 'table' and 'default-route'"
    return ""


def shown(prefix: Prefix) -> str:
    """The prefix as it is written."""
    return str(prefix.network_address) if prefix.prefixlen == prefix.max_prefixlen else str(prefix)


def _place(place: Place | str) -> Place:
    return place if isinstance(place, Place) else Place(place)


def number(text: str) -> int | None:
    """The number in decimal digits, None if it is none, or too long to be meant."""
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None


def named(drafts: Iterable[Draft]) -> list[Draft]:
    """The drafts with names that a tunnel can have, no two the same; a note says what was changed."""
    taken: set[str] = set()
    found = list(drafts)
    for draft in found:
        base = _NOT_IN_NAME.sub("-", draft.wish).strip("-_")[: config.MAX_NAME].rstrip("-_") or "tunnel"
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base[: config.MAX_NAME - len(str(count))]}{count}"
        taken.add(name)
        draft.name = name
        if name != draft.wish:
            draft.note(
                f"there it is called {draft.wish!r}; the name here is also the interface's, "
                f"{config.interface_name(name)}, and what scripts get as ipparam"
            )
    return found
