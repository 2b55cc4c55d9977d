"""A node -> a value of one kind, or Wrong with all that is wrong in it. A kind says what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from .document import ListNode, MappingNode, Mark, Node, RefusedNode, ScalarNode

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=Enum)

MAX_ITEMS = 1000
_SHOWN = 60
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")  # a key that may be shown; "password:x" without the blank is not
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)")


class BadText(Exception):
    """Raised by a check of a text. Its message is shown as it is: it must not hold a secret."""


@dataclass(frozen=True)
class Fault:
    """suffix: the place below the value's own path, such as [1]."""

    mark: Mark
    suffix: str
    message: str


class Wrong(Exception):
    """The value cannot be used."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


class Kind(Protocol[T_co]):
    """What a value must be."""

    @property
    def says(self) -> str:
        """The kind in words, with range and unit, for documentation."""

    def decode(self, node: Node) -> T_co:
        """The value of node. Raises Wrong."""


def matching(pattern: str) -> dict[str, object]:
    """The JSON Schema of texts that match as a whole. pattern: what is the same in ECMAScript and in Python."""
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def show(text: str) -> str:
    """text in single quotes on one line, cut when long; never call it with a secret."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + "'"


def kind_of(node: Node) -> str:
    """node's kind as a noun with its article; holds nothing of the file's text."""
    match node:
        case ListNode():
            return "a list"
        case MappingNode():
            return "a mapping"
        case ScalarNode(kind="nothing" | "null" | "text"):
            return node.kind
        case ScalarNode():
            return f"a {node.kind}"
        case RefusedNode():
            return node.message


def _scalar(node: Node, wanted: str) -> ScalarNode:
    if isinstance(node, RefusedNode):
        raise _wrong(node, node.message)
    if not isinstance(node, ScalarNode) or node.kind == "nothing":
        raise _wrong(node, f"expected {wanted}, got {kind_of(node)}")
    return node


def _wrong(node: Node, message: str) -> Wrong:
    return Wrong(Fault(node.mark, "", message))


@dataclass(frozen=True)
class Text(Generic[T]):
    """A text that check takes. secret: it is never shown.

    numbers: also what YAML takes for a number, as check says more about 10.1 than "expected text".
    schema: what check takes, as far as a JSON Schema can say that, for editors; never less than check takes.
    """

    says: str
    check: Callable[[str], T]
    secret: bool = False
    numbers: bool = False
    schema: Mapping[str, object] = field(default_factory=lambda: matching(".*"), compare=False)

    def decode(self, node: Node) -> T:
        scalar = _scalar(node, "text")
        if scalar.kind != "text" and not (self.numbers and scalar.kind == "number"):
            raise _wrong(node, f"expected text, got {self._got(scalar)}")
        try:
            return self.check(scalar.text)
        except BadText as error:
            raise _wrong(node, str(error)) from None

    def _got(self, scalar: ScalarNode) -> str:
        if self.secret or len(scalar.text) > _SHOWN:
            return f"{kind_of(scalar)}; write it in quotes"
        return f'{scalar.kind} {show(scalar.text)}; write "{scalar.text}" in quotes'


@dataclass(frozen=True)
class Number:
    """A whole number, low..high, in plain decimal digits: no octal, no base 60, no underscores."""

    low: int
    high: int
    unit: str

    @property
    def says(self) -> str:
        return f"a whole number, {self.low}..{self.high} {self.unit}".rstrip()

    def decode(self, node: Node) -> int:
        scalar = _scalar(node, "a whole number")
        text = scalar.text
        if not scalar.plain or not _DECIMAL.fullmatch(text):
            raise _wrong(node, _not_decimal(scalar))
        if len(text) > 18 or not self.low <= int(text) <= self.high:  # int() refuses more than 4300 digits
            shown = text if len(text) <= 18 else text[:18] + "..."
            raise _wrong(node, f"{shown} is not in {self.low}..{self.high} {self.unit}".rstrip())
        return int(text)


@dataclass(frozen=True)
class NumberOr:
    """A whole number, or a word that stands for another number, which is not in its range."""

    number: Number
    word: str
    value: int = 0

    @property
    def says(self) -> str:
        return f"{self.word}, or {self.number.says}"

    def decode(self, node: Node) -> int:
        if isinstance(node, ScalarNode) and node.text == self.word:
            return self.value
        return self.number.decode(node)


def _not_decimal(scalar: ScalarNode) -> str:
    text = scalar.text
    if not scalar.plain:
        hint = "; remove the quotes" if _DECIMAL.fullmatch(text) else ""
        return f"expected a whole number, got text {show(text)}{hint}"
    if re.fullmatch(r"0[0-7]{1,17}", text):
        return f"{show(text)} has a leading zero, YAML reads it as octal {int(text, 8)}; write {int(text)}"
    if re.fullmatch(r"[0-9][0-9_]{1,17}", text):
        what = "an underscore" if "_" in text else "a leading zero"
        return f"{show(text)} has {what}; write {int(text.replace('_', ''))}"
    return f"expected a whole number, got {show(text)}"


@dataclass(frozen=True)
class Flag:
    """true or false as in YAML 1.2; the further words of YAML 1.1 are refused with their meaning.

    instead: where another text belongs that somebody may well write here. It is a secret then, and not shown.
    """

    says: str = "true or false"
    instead: str = ""

    def decode(self, node: Node) -> bool:
        scalar = _scalar(node, self.says)
        word = scalar.text
        if scalar.plain and word in ("true", "True", "TRUE", "false", "False", "FALSE"):
            return word[0] in "tT"
        if not scalar.plain:
            hint = "; remove the quotes" if word in ("true", "false") else self._instead
            raise _wrong(node, f"expected true or false, got text{self._shown(word)}{hint}")
        meaning = {"y": "true", "yes": "true", "on": "true", "n": "false", "no": "false", "off": "false"}
        if word.lower() in meaning:
            raise _wrong(node, f"expected true or false, got {show(word)}; write {meaning[word.lower()]}")
        got = kind_of(scalar) if self.instead else show(word)
        raise _wrong(node, f"expected true or false, got {got}{self._instead}")

    def _shown(self, word: str) -> str:
        return "" if self.instead and word not in ("true", "false") else f" {show(word)}"

    @property
    def _instead(self) -> str:
        return f"; {self.instead}" if self.instead else ""


@dataclass(frozen=True)
class Choice(Generic[E]):
    """A member of an Enum of texts. The text counts, whatever YAML takes it for: off is the word off."""

    members: type[E]

    @property
    def says(self) -> str:
        return "one of " + ", ".join(str(member.value) for member in self.members)

    def decode(self, node: Node) -> E:
        scalar = _scalar(node, self.says)
        for member in self.members:
            if member.value == scalar.text:
                return member
        raise _wrong(node, f"{show(scalar.text)} is not {self.says}")


@dataclass(frozen=True)
class Items(Generic[T]):
    """A list, each item of one kind. unique: no two may be equal."""

    item: Kind[T]
    unique: bool

    @property
    def says(self) -> str:
        return f"a list; each item {self.item.says}"

    def decode(self, node: Node) -> tuple[T, ...]:
        if isinstance(node, RefusedNode):
            raise _wrong(node, node.message)
        if not isinstance(node, ListNode):
            hint = "write [] for none" if kind_of(node) == "nothing" else "put [ ] around it"
            hint = "" if isinstance(node, MappingNode) else f"; {hint}"
            raise _wrong(node, f"expected a list, got {kind_of(node)}{hint}")
        if len(node.items) > MAX_ITEMS:
            raise _wrong(node, f"has {len(node.items)} items; at most {MAX_ITEMS}")
        return self._items(node)

    def _items(self, node: ListNode) -> tuple[T, ...]:
        faults: list[Fault] = []
        first: dict[T, int] = {}
        values: list[T] = []
        for index, item in enumerate(node.items):
            try:
                value = self.item.decode(item)
            except Wrong as error:
                faults += [Fault(f.mark, f"[{index}]{f.suffix}", f.message) for f in error.faults]
                continue
            if self.unique and value in first:
                message = f"{value} is in the list twice (first at [{first[value]}])"
                faults.append(Fault(item.mark, f"[{index}]", message))
            first.setdefault(value, index)
            values.append(value)
        if faults:
            raise Wrong(*faults)
        return tuple(values)


def key_fault(key: ScalarNode) -> str:
    """What is wrong with the form of a key, "" if nothing. Not shown: it may be a misplaced password."""
    if key.text == "<<" and key.plain:
        return "merge keys (<<) are not supported; put shared keys under 'defaults'"
    if _WORD.fullmatch(key.text):
        return ""
    return "not a key; is a blank missing after a colon, or are quotes around a text?"


Pairs = dict[str, tuple[Mark, Node]]


def pairs(node: Node, check: Callable[[ScalarNode], str] = key_fault) -> tuple[Pairs | None, list[Fault]]:
    """The pairs of a mapping without keys that are malformed or repeated, and what is wrong; None: it is no mapping.

    check: what is wrong with a key, "" if nothing. Nothing at all after the colon is an empty mapping.
    """
    if isinstance(node, ScalarNode) and node.kind == "nothing":
        return {}, []
    if not isinstance(node, MappingNode):
        wanted = "" if isinstance(node, RefusedNode) else "expected a mapping, got "
        return None, [Fault(node.mark, "", wanted + kind_of(node))]
    found: Pairs = {}
    faults = []
    for key, value in node.pairs:
        if not isinstance(key, ScalarNode):
            wanted = "" if isinstance(key, RefusedNode) else "expected a key, got "
            faults.append(Fault(key.mark, "", wanted + kind_of(key)))
        elif message := check(key):
            faults.append(Fault(key.mark, "", message))
        elif key.text in found:
            faults.append(Fault(key.mark, f".{key.text}", f"given twice (first at line {found[key.text][0].line})"))
        else:
            found[key.text] = (key.mark, value)
    return found, faults


def nearest(word: str, names: Collection[str]) -> str:
    """What of names an unknown key was meant to be; "" if none."""
    import difflib  # here, since only who has made a mistake needs it

    plain = word.lower().replace("_", "-")
    found = [plain] if plain in names else difflib.get_close_matches(plain, names, 1)
    return found[0] if found else ""


@dataclass(frozen=True)
class Part(Generic[T_co]):
    """One key of a mapping. default, example: as written in the file; default "": none."""

    kind: Kind[T_co]
    meaning: str
    example: str
    default: str = ""


@dataclass(frozen=True)
class Fields(Generic[T]):
    """A mapping with these keys. make: of the given values, by their names with _ for -; may raise BadText.

    required: keys that must be given; refused: keys that somebody may well try -> why not.
    schema: more of what make takes, as a JSON Schema.
    """

    says: str
    parts: Mapping[str, Part[Any]]
    make: Callable[..., T]
    required: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    schema: Mapping[str, object] = field(default_factory=dict, compare=False)

    def decode(self, node: Node) -> T:
        found, faults = pairs(node)
        values: dict[str, object] = {}
        for name, (mark, value) in (found or {}).items():
            if name not in self.parts:
                faults.append(Fault(mark, f".{name}", self._unknown(name)))
                continue
            try:
                values[name] = self.parts[name].kind.decode(value)
            except Wrong as error:
                faults += [Fault(f.mark, f".{name}{f.suffix}", f.message) for f in error.faults]
        if found is not None:
            faults += [Fault(node.mark, "", f"'{name}' is missing") for name in self.required if name not in found]
        if faults:
            raise Wrong(*faults)
        try:
            return self.make(**{name.replace("-", "_"): value for name, value in values.items()})
        except BadText as error:
            raise _wrong(node, str(error)) from None

    def _unknown(self, name: str) -> str:
        if name in self.refused:
            return self.refused[name]
        meant = nearest(name, self.parts)
        return "unknown key" + (f"; did you mean '{meant}'?" if meant else f"; known are {', '.join(self.parts)}")


@dataclass(frozen=True)
class Either(Generic[T]):
    """A value in short as one kind, or in full as a mapping."""

    short: Kind[T]
    full: Fields[T]

    @property
    def says(self) -> str:
        return f"{self.short.says}, or {self.full.says}"

    def decode(self, node: Node) -> T:
        return self.full.decode(node) if isinstance(node, MappingNode) else self.short.decode(node)


@dataclass(frozen=True)
class As(Generic[T, U]):
    """A value of one kind, and what is made of it."""

    kind: Kind[T]
    make: Callable[[T], U]

    @property
    def says(self) -> str:
        return self.kind.says

    def decode(self, node: Node) -> U:
        return self.make(self.kind.decode(node))


@dataclass(frozen=True)
class OneOrMore(Generic[T]):
    """One item, or a list of at least one, no two of them equal."""

    item: Kind[T]

    @property
    def says(self) -> str:
        return f"{self.item.says}, or a list of them"

    def decode(self, node: Node) -> tuple[T, ...]:
        if not isinstance(node, ListNode):
            return (self.item.decode(node),)
        if not node.items:
            raise _wrong(node, "the list is empty; at least one")
        return Items(self.item, unique=True).decode(node)
