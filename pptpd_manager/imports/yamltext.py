"""Drafts -> YAML text that our parser takes, shown with or without secrets; and such text added to a file's."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from pptpd_manager import config, document, keys
from pptpd_manager.config import Config, ConfigError, Problem, TunnelConfig
from pptpd_manager.document import MappingNode, Mark, Node, ScalarNode

from .draft import Draft, Hidden, Item, Route, Value, visible

WIDTH = 110
FILE = "the import"  # the name of the file in problems of what is only a text yet
_PLAIN = re.compile(
    r"[A-Za-z][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)+"  # vpn.example.com
    r"|[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?"  # 10.0.0.0/8
    r"|require-128|require|optional|off|peer"  # what keys of ours take
)
_FLOW = "its tunnels are written in { }; write them in lines, or add what is printed by hand"
_TEXTS = ("dns", "users", "routes", "pppd-options")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ORDER = {key.name: index for index, key in enumerate(keys.KEYS)}
_PATH = re.compile(r"tunnels\.[A-Za-z0-9_-]+(?:\.([a-z0-9-]+)(?:\[(\d+)\])?)?")


def quoted(text: str) -> str:
    """text as a YAML scalar that is read back as that text."""
    if _PLAIN.fullmatch(text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def comment(text: str, indent: str = "") -> list[str]:
    """text in lines of comment, without what a terminal would obey."""
    # No word is cut: a path that is to be found by a search stays in one piece.
    lines = textwrap.wrap(visible(text), WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
    return [f"{indent}# {line}" for line in lines]


def tunnel(draft: Draft, *, reveal: bool) -> list[str]:
    """The lines of a tunnel, indented to stand under "tunnels:". reveal: with its secrets.

    One without a server or a user name is all comment.
    """
    lines = comment(f"from {draft.origin}", "  ")
    if draft.missing:
        lines += comment(f"not complete: {', '.join(draft.missing)} could not be found", "  ")
    lines.append(f"  {draft.name}:")
    more = [f"... and {draft.more} more, which were not carried over"] if draft.more else []
    for note in [*draft.notes, *more]:
        lines += comment(note, "    ")
    for key in sorted(draft.values, key=lambda name: _ORDER[name]):
        lines += _pair(key, draft, reveal=reveal)
    if draft.missing:
        lines = [line if line.lstrip().startswith("#") else f"  #{line[1:]}" for line in lines]
    return lines


def _pair(key: str, draft: Draft, *, reveal: bool) -> list[str]:
    value = draft.values[key]
    if isinstance(value, Hidden) and not reveal:
        said = comment(
            f"the password of {draft.password_from} is not shown; --write writes it, in place of this line:", "    "
        )
        return [*said, "    ask-password: true"]
    if isinstance(value, tuple) and not reveal and (hidden := sum(isinstance(item, Hidden) for item in value)):
        shown = tuple(item for item in value if not isinstance(item, Hidden))
        said = comment(f"{key}: {hidden} more, which may hold a secret and are not shown; --write writes them", "    ")
        return [*said, *([f"    {key}: {_value(shown)}"] if shown else [])]
    one = value[0] if key == "server" and isinstance(value, tuple) and len(value) == 1 else value
    return [f"    {key}: {_value(one)}"]


def _value(value: Value | Item) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Hidden):
        return quoted(value.text)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Route):
        return _route(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_value(each)}" for name, each in value.items()) + "}"
    return "[" + ", ".join(map(_value, value)) + "]"


def _route(route: Route) -> str:
    if route == Route(route.prefix):
        return quoted(route.prefix)
    full: dict[str, Value] = {"prefix": route.prefix}
    for name, value in (("metric", route.metric), ("table", route.table), ("source", route.source)):
        if value is not None:
            full[name] = value
    return _value(full if route.link else {**full, "scope": "global"})


def whole(drafts: Sequence[Draft], *, reveal: bool, notes: Iterable[str] = ()) -> str:
    """A configuration of all drafts; notes: of what became none. Our parser takes it."""
    lines = [line for note in notes for line in comment(note)]
    complete = [draft for draft in drafts if not draft.missing]
    lines.append("tunnels:" if complete else "tunnels: {}")
    for draft in drafts:
        lines += tunnel(draft, reveal=reveal)
    return "\n".join(lines) + "\n"


def check(draft: Draft) -> None:
    """Take out of the draft what our parser would not take, with a note; what is missing then is in its `missing`."""
    _clean(draft)
    for _ in range(len(keys.KEYS) + 1):
        draft.missing = []
        problems = _problems(draft)
        if not problems:
            return
        if not _drop(draft, problems):
            break
    draft.missing = [name for name in ("server", "username") if name not in draft.values] or ["what the notes name"]


def _clean(draft: Draft) -> None:
    """Take out texts that no YAML can hold."""
    for key, value in list(draft.values.items()):
        whole = value if isinstance(value, tuple) else (value,)
        good = tuple(
            item for item in whole if not _SURROGATE.search(item.text if isinstance(item, Hidden) else str(item))
        )
        if good == whole:
            continue
        draft.note(f"{key} not carried over: it is not UTF-8")
        draft.values.pop(key)
        if isinstance(value, tuple) and good:
            draft.values[key] = tuple(item for item in value if item in good)


def _problems(draft: Draft) -> tuple[Problem, ...]:
    try:
        config.parse("\n".join(["tunnels:", *tunnel(draft, reveal=True)]) + "\n", FILE)
    except ConfigError as error:
        return error.problems
    return ()


def _drop(draft: Draft, problems: Iterable[Problem]) -> bool:
    """Take out what the problems name; whether there was anything."""
    items: dict[str, set[int]] = {}
    dropped = False
    for problem in problems:
        found = _PATH.match(problem.path)
        if not found or not found[1] or found[1] not in draft.values:
            continue
        dropped = True
        # Of these the message may show the text, and a text may be anything, a secret in the wrong place too.
        message = "what is there cannot be used here" if found[1] in _TEXTS else problem.message
        draft.note(f"{found[1]} not carried over: {message}")
        if found[2] and isinstance(draft.values[found[1]], tuple):
            items.setdefault(found[1], set()).add(int(found[2]))
        else:
            items.setdefault(found[1], set()).add(-1)
    for key, indices in items.items():
        value = draft.values.pop(key)
        if -1 not in indices and isinstance(value, tuple):
            kept = tuple(item for index, item in enumerate(value) if index not in indices)
            if kept:
                draft.values[key] = kept
        if key == "password":
            draft.values["ask-password"] = True
    return dropped


class CannotAdd(Exception):
    """The file's text has no place for tunnels; says why."""


def added(text: str, file: str, drafts: Sequence[Draft]) -> tuple[str, list[str]]:
    """The text of a configuration with the drafts' tunnels at its end and all else as it was; the keys of the new
    tunnels whose values are those of its defaults.

    Raises ConfigError when text is wrong already, and CannotAdd.
    """
    root = document.read(text, file)
    old = config.parse(text, file) if root is not None else Config({})
    for draft in drafts:
        if draft.name in old.tunnels:
            raise CannotAdd(f"there is a tunnel {draft.name} in {file} already; nothing was written")
    lines = [line for draft in drafts for line in tunnel(draft, reveal=True)]
    new = _inserted(text, root, lines)
    try:
        result = config.parse(new, file)
    except ConfigError as error:
        raise CannotAdd(f"the result would not be valid, nothing was written: {error.problems[0]}") from None
    wanted = config.parse("\n".join(["tunnels:", *lines]) + "\n", FILE).tunnels
    kept = {name: result.tunnels.get(name) for name in old.tunnels} == dict(old.tunnels)
    if not kept or list(result.tunnels) != [*old.tunnels, *wanted]:
        raise CannotAdd(f"the tunnels of {file} could not be kept as they are; nothing was written")
    return new, sorted({key for name, one in wanted.items() for key in _differing(one, result.tunnels[name])})


def _differing(one: TunnelConfig, other: TunnelConfig) -> list[str]:
    """The fields, by the names of their keys."""
    names = [each.name for each in fields(TunnelConfig)]
    return [name.replace("_", "-") for name in names if getattr(one, name) != getattr(other, name)]


def _inserted(text: str, root: Node | None, lines: list[str]) -> str:
    """text with the lines of tunnels put under its "tunnels:"."""
    there = text.splitlines(keepends=True)
    if there and not there[-1].endswith("\n"):
        there[-1] += "\n"
    found = [(key, value) for key, value in (root.pairs if isinstance(root, MappingNode) else ())]
    at = [index for index, (key, _) in enumerate(found) if isinstance(key, ScalarNode) and key.text == "tunnels"]
    if not at:
        return "".join([*there, "tunnels:\n", *(f"{line}\n" for line in lines)])
    key, value = found[at[0]]
    if root is not None and _is_flow(there, root.mark):
        raise CannotAdd(_FLOW)
    if isinstance(value, MappingNode) and value.pairs:
        first = value.pairs[0][0].mark
        if _is_flow(there, value.mark):
            raise CannotAdd(_FLOW)
        end = _end(there, found[at[0] + 1][0].mark.line if at[0] + 1 < len(found) else None)
        indent = " " * (first.column - 1)
        return "".join([*there[:end], *(f"{indent}{line[2:]}\n" for line in lines), *there[end:]])
    if isinstance(value, MappingNode):  # {}
        line = there[key.mark.line - 1]
        there[key.mark.line - 1] = re.sub(r":\s*\{\s*\}", ":", line, count=1)
    end = key.mark.line
    return "".join([*there[:end], *(f"{line}\n" for line in lines), *there[end:]])


def _is_flow(there: Sequence[str], mark: Mark) -> bool:
    """Whether the mapping that begins there is in { }."""
    return there[mark.line - 1].startswith("{", mark.column - 1)


def _end(there: Sequence[str], following: int | None) -> int:
    """Behind which line the tunnels end; following: the line of the key behind them, whose comments are its own."""
    end = len(there) if following is None else following - 1
    while end and (not there[end - 1].strip() or (following is not None and there[end - 1].startswith("#"))):
        end -= 1
    return end
