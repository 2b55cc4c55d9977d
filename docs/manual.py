"""The manual pages: man/NAME.SECTION.md with what the program says of itself in it -> man/NAME.SECTION.

In the sources a line {{WHAT ARGUMENTS}} stands for what _MADE has by that name.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import grammar
import interfaces
import keytable
import roff

from pptpd_manager import VERSION, __main__
from pptpd_manager.ctl import arguments, exits
from pptpd_manager.keys import BY_NAME, Key
from pptpd_manager.values import Part

ROOT = Path(__file__).resolve().parent.parent
_PLACE = re.compile(r"^\{\{(\w+) ?(.*)\}\}$", re.MULTILINE)


def page(name: str) -> str:
    """The manual page man/NAME."""
    return roff.page(whole((ROOT / f"{name}.md").read_text()), VERSION)


def whole(source: str) -> str:
    """source with what is made in its places."""
    return _PLACE.sub(lambda place: _MADE[place[1]](place[2]), source)


def _key(names: str) -> str:
    """The keys of these names."""
    return "\n\n".join(_of_key(BY_NAME[name]) for name in names.split())


def _of_key(key: Key[object]) -> str:
    facts = [f"Value: {key.kind.says}", f"Default: {_default(key)}"]
    facts += [f"Option of pppd: {', '.join(f'`{option}`' for option in key.pppd.split(', '))}"] if key.pppd else []
    facts += [f"Example: `{key.name}: {key.example}`"]
    fields = keytable.fields(key.kind)
    parts = [_of_part(name, part) for name, part in fields.parts.items()] if fields else []
    return _definition(f"`{key.name}:`", key.meaning, facts) + textwrap.indent("".join(parts), "    ")


def _default(key: Key[object]) -> str:
    """With its unit, where it is a number."""
    default = keytable.default(key)
    return f"{default} {keytable.unit(key.kind)}".strip() if default.isdecimal() else default


def _of_part(name: str, part: Part[object]) -> str:
    facts = [f"Value: {part.kind.says}", *([f"Default: {part.default}"] if part.default else [])]
    return "\n\n" + _definition(f"`{name}:`", part.meaning, [*facts, f"Example: `{name}: {part.example}`"])


def _definition(term: str, meaning: str, facts: Sequence[str]) -> str:
    """A definition, with a line for each fact."""
    return f"{term}\n:   {meaning[0].upper()}{meaning[1:]}.\\\n    " + "\\\n    ".join(facts)


def _command(name: str) -> str:
    """A command of pptpctl: its heading, how it is called, what it does, its options."""
    parser = grammar.commands(arguments.parser())[name]
    return "\n\n".join(
        (f"### {name}", grammar.synopsis(parser), str(parser.description), grammar.options(parser))
    ).strip()


def _section(words: str) -> str:
    """What stands under a heading of a page in docs/: "configuration.md Name servers"."""
    file, _, heading = words.partition(" ")
    text = (ROOT / "docs" / file).read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise ValueError(f"no section {words}")
    # Where a reader of the manual finds the page.
    return re.sub(r"\[[\w.-]+\.md\]\(([\w.-]+\.md)\)", r"/usr/share/doc/pptp-manager/docs/\1", found[1].strip("\n"))


def _statuses(_: str) -> str:
    return "\n\n".join(f"{status.value}\n:   {meaning}" for status, meaning in exits.MEANINGS.items())


_MADE: Mapping[str, Callable[[str], str]] = {
    "keys": _key,
    "command": _command,
    "section": _section,
    "statuses": _statuses,
    "options": lambda _: grammar.options(__main__.parser()),
    "synopsis": lambda _: grammar.synopsis(__main__.parser()),
    "interface": interfaces.interface,
    "errors": lambda _: interfaces.error_list(),
    "reasons": lambda _: interfaces.reason_list(),
}
_NAMES = sorted(str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "man").glob("*.[1-8].md"))
PAGES: Mapping[str, Callable[[], str]] = {name: partial(page, name) for name in _NAMES}
"""Each manual page -> what makes its text."""
