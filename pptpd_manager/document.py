"""YAML text -> nodes with marks. Nothing is converted and no object made: each value's own reader judges it.

Events are read, not yaml.compose(): that is recursive, so 200 KB of "[" end the process with a segmentation
fault, and it hides aliases. Events come one by one: depth and number are bounded here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import yaml

MAX_DEPTH = 16
MAX_NODES = 50_000
MAX_ALIASES = 256

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.resolver.Resolver()
_KINDS = {"bool": "bool", "int": "number", "float": "number", "timestamp": "date", "null": "null"}
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong at one place of a file. line and column count from 1; line 0 is the file as a whole.

    path is like tunnels.work.routes[1]; empty for the document itself. No field ever holds a secret.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; problems holds all that is wrong, sorted by place, each once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(frozen=True, order=True)
class Mark:
    """A place in the text; both count from 1, column in characters."""

    line: int
    column: int


@dataclass(frozen=True, eq=False)
class ScalarNode:
    """A text as it is. kind: what YAML 1.1 takes it for (text, bool, number, date, null or nothing)."""

    mark: Mark
    text: str = field(repr=False)
    plain: bool
    kind: str


@dataclass(frozen=True, eq=False)
class ListNode:
    """A list's items in the text's order."""

    mark: Mark
    items: tuple[Node, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class MappingNode:
    """Pairs in the text's order; keys may repeat."""

    mark: Mark
    pairs: tuple[tuple[Node, Node], ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class RefusedNode:
    """Something YAML knows and this program does not take. message holds no text of the file."""

    mark: Mark
    message: str


Node = ScalarNode | ListNode | MappingNode | RefusedNode


def read(text: str, file: str) -> Node | None:
    """The one document in text, None if it is empty. Raises ConfigError with the first error of syntax.

    The result is a tree: an alias of a text or list is that node with the alias's mark, others are refused.
    """
    if found := _NOT_YAML.search(text):
        at = found.start()
        place = Mark(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        raise _error(file, place, "a control character; write it as an escape such as \\x1b in double quotes")
    builder = _Builder()
    # "from None" all along: PyYAML's own exceptions print pieces of the file, and so perhaps of a password.
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except _TooMuch as error:
        raise _error(file, error.mark, error.message) from None
    except yaml.MarkedYAMLError as error:
        raise _error(file, _mark(error.problem_mark or error.context_mark), _words(error)) from None
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
    ):  # PyYAML's own parser leaves chr(0xffffffff) unguarded
        raise _error(file, builder.last, "not valid YAML") from None
    return builder.root


def _error(file: str, mark: Mark, message: str) -> ConfigError:
    return ConfigError([Problem(file, mark.line, mark.column, "", message)])


def _words(error: yaml.MarkedYAMLError) -> str:
    """libyaml's words are constants; those of PyYAML's own parser quote the file, so quotes are masked."""
    words = [word for word in (error.problem, error.context) if word]
    if _LOADER is yaml.SafeLoader:
        words = [_QUOTED.sub("...", word) for word in words]
    return "not valid YAML: " + " ".join(words) if words else "not valid YAML"


class _TooMuch(Exception):
    """Reading stops here."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message


@dataclass(frozen=True, eq=False)
class _Open:
    """A list or mapping whose end is still to come."""

    start: yaml.CollectionStartEvent
    mark: Mark
    children: list[Node] = field(default_factory=list)


class _Builder:
    """Takes the events of one document in order, ends with root. last: where the last event began."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.last = Mark(1, 1)
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}  # None: begun, not ended
        self._documents = self._nodes = self._aliases = 0

    def take(self, event: yaml.Event) -> None:
        self.last = _mark(event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _TooMuch(self.last, "a second document begins here; the file holds one")
            case yaml.CollectionStartEvent():
                self._begin(event)
            case yaml.CollectionEndEvent():
                ended = self._open.pop()
                self._put(_collection(ended), ended.start.anchor)
            case yaml.AliasEvent():
                self._put(self._alias(event.anchor or ""), None)
            case yaml.ScalarEvent():
                self._put(_scalar(event, self.last), event.anchor)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._open) == MAX_DEPTH:
            raise _TooMuch(self.last, f"nested deeper than {MAX_DEPTH}")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(event, self.last))

    def _put(self, node: Node, anchor: str | None) -> None:
        self._nodes += 1 if not isinstance(node, ListNode) else 1 + len(node.items)  # an alias counts in full
        if self._nodes > MAX_NODES:
            raise _TooMuch(self.last, f"more than {MAX_NODES} values")
        if anchor:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _alias(self, name: str) -> Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _TooMuch(self.last, f"more than {MAX_ALIASES} aliases")
        if name not in self._anchors:
            # The name is not shown: an unquoted password may begin with *.
            return RefusedNode(self.last, "an alias of nothing; text that begins with * needs quotes")
        match self._anchors[name]:
            case ScalarNode() | ListNode() | RefusedNode() as node:
                return replace(node, mark=self.last)
            case MappingNode():
                return RefusedNode(self.last, "an alias of a mapping; put shared keys under 'defaults'")
            case None:
                return RefusedNode(self.last, "an alias of a list or mapping inside itself")


def _scalar(event: yaml.ScalarEvent, mark: Mark) -> Node:
    if event.tag is not None:
        return _tagged(mark)
    plain = event.implicit[0]
    return ScalarNode(mark, event.value, plain, _kind(event.value) if plain else "text")


def _kind(plain: str) -> str:
    if not plain:
        return "nothing"
    tag = _RESOLVER.resolve(yaml.ScalarNode, plain, (True, False))  # type: ignore[no-untyped-call]
    return _KINDS.get(str(tag).rpartition(":")[2], "text")


def _collection(ended: _Open) -> Node:
    if ended.start.tag is not None:
        return _tagged(ended.mark)
    children = ended.children
    if isinstance(ended.start, yaml.SequenceStartEvent):
        return ListNode(ended.mark, tuple(children))
    return MappingNode(ended.mark, tuple(zip(children[::2], children[1::2], strict=True)))


def _tagged(mark: Mark) -> RefusedNode:
    return RefusedNode(mark, "a YAML tag; text that begins with ! needs quotes")


def _mark(mark: yaml.error.Mark | yaml._yaml.Mark | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
