"""The D-Bus interfaces, from their XML and the comments in it, -> what org.pptpmanager1(5) says of them, in Markdown.

A comment is about what follows it, up to the next one; where it has "NAME: ..." for several, each has its own.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pptpd_manager import errors
from pptpd_manager.reasons import REASONS, Phase

FOLDER = Path(__file__).resolve().parent.parent / "pptpd_manager/dbus"
_ROW = re.compile(r"(\S.*?) {2,}(\S.*)")
_SIGNALS = "EmitsChangedSignal"
_SIGNALLED = {"const": "It never changes.", "false": "Its changes are not signalled."}


def interface(name: str) -> str:
    """An interface: what is said of it, and its members."""
    for path in sorted(FOLDER.glob("*.xml")):
        parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
        about = ""
        for element in ElementTree.parse(path, parser).getroot():
            if callable(element.tag):
                about = element.text or ""
            elif element.get("name") == name:
                return "\n\n".join(filter(None, (_paragraphs(about), *map(_definition, _members(element)))))
            else:
                about = ""
    raise KeyError(name)


def error_list() -> str:
    """The errors that are not a reason's."""
    return "\n\n".join(f"`{name}`\n:   {meaning}" for name, meaning in errors.MEANINGS.items())


def reason_list() -> str:
    """The errors of the reasons, in the order in which an attempt may meet them."""
    blocks = []
    for phase in Phase:
        blocks.append(f"### {phase.value}")
        found = (reason for reason in REASONS.values() if reason.phase is phase)
        blocks += [
            f"`{errors.of_reason(reason.name).removeprefix(errors.PREFIX)}`\n:   {reason.sentence}" for reason in found
        ]
    return "\n\n".join(blocks)


def _members(interface: Element) -> Iterator[tuple[list[Element], str]]:
    """The members of an interface by the comments that are about them, and these."""
    group: list[Element] = []
    comment = ""
    for element in interface:
        if callable(element.tag):
            if group:
                yield group, comment
            group, comment = [], element.text or ""
        else:
            group.append(element)
    yield group, comment


def _definition(of: tuple[list[Element], str]) -> str:
    """A definition of these members by that comment, or one of each."""
    members, comment = of
    names = [str(member.get("name")) for member in members]
    text = textwrap.dedent("\n" + comment.strip())
    own = re.split(rf"\b({'|'.join(names)}): ", text.strip())
    if len(names) > 1 and own[1::2] == names:
        return "\n\n".join(_one([member], text) for member, text in zip(members, own[2::2], strict=True))
    start = ", ".join(names) + ":"
    if not text.strip().startswith(start):
        raise ValueError(f"the comment begins with other names than {start}")
    return _one(members, text.strip().removeprefix(start))


def _one(members: list[Element], text: str) -> str:
    told = {_SIGNALLED.get(note.get("value", ""), "") for member in members for note in member.iter("annotation")}
    body = "\n\n".join(filter(None, (_paragraphs(text), *sorted(told))))
    return "\n".join(map(_signature, members)) + "\n:   " + textwrap.indent(body, "    ").lstrip()


def _signature(member: Element) -> str:
    name = f"`{member.get('name')}`"
    if member.tag == "property":
        return f"{name} (property, {member.get('type')})"
    given = ", ".join(_argument(arg) for arg in member.iter("arg") if arg.get("direction") != "out")
    answers = ", ".join(_argument(arg) for arg in member.iter("arg") if arg.get("direction") == "out")
    return f"{name}({given})" + (f" -> {answers}" if answers else "") + (" (signal)" if member.tag == "signal" else "")


def _argument(arg: Element) -> str:
    return f"{arg.get('type')} *{arg.get('name')}*"


def _paragraphs(comment: str) -> str:
    """A comment's text; lines of two columns in it become definitions."""
    out: list[str] = []
    for line in comment.strip().split("\n"):
        line = line.strip()
        if row := _ROW.fullmatch(line):
            out.append(f"\n`{row[1]}`\n:   {row[2]}")
        else:
            out.append(line)
    text = "\n".join(out).strip()
    return text[:1].upper() + text[1:]
