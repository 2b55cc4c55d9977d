"""The manual pages: nothing is left out, what they show works, and Markdown becomes the right macros."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import grammar  # noqa: E402
import keytable  # noqa: E402
import manual  # noqa: E402
import roff  # noqa: E402

from pptpd_manager import document, errors, keys  # noqa: E402
from pptpd_manager.config import parse  # noqa: E402
from pptpd_manager.ctl import arguments, exits  # noqa: E402
from pptpd_manager.keys import KEYS  # noqa: E402
from pptpd_manager.values import Kind  # noqa: E402

SOURCES = {path.name: path.read_text() for path in sorted((ROOT / "man").glob("*.md"))}
WHOLE = {name: manual.whole(source) for name, source in SOURCES.items()}
LONGEST = 69  # columns of a line that is not filled; the page has 80, and indents it by 11


def code(text: str) -> Iterator[str]:
    """The blocks of code in a page's source."""
    for block in re.findall(r"(?:^|\n\n)((?: {4}.*\n|\n(?= {4}))+)", text):
        yield "\n".join(line[4:] for line in block.splitlines())


# --- nothing is left out ---


def places(name: str, kind: str) -> list[str]:
    return [word for words in re.findall(rf"{{{{{kind} (.+)}}}}", SOURCES[name]) for word in words.split()]


def test_every_key_is_in_the_manual_once() -> None:
    assert sorted(places("pptp-manager.yaml.5.md", "keys")) == sorted(keys.BY_NAME)


def test_every_command_is_in_the_manual_once() -> None:
    assert sorted(places("pptpctl.1.md", "command")) == sorted(grammar.commands(arguments.parser()))


def test_every_exit_status_is_told_of() -> None:
    assert set(exits.MEANINGS) == set(exits.Exit)


def test_every_error_is_told_of() -> None:
    names = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)}
    assert set(errors.MEANINGS) == names - {errors.PREFIX}


def test_each_page_has_what_a_page_has() -> None:
    for name, text in WHOLE.items():
        title = re.match(r"# (.+)\(\d\)\n\n## NAME\n\n(\S+) - .+\n\n## SYNOPSIS\n", text)
        assert title and title[1] == title[2] and name.startswith(title[1])
        assert re.findall(r"^## (.+)$", text, re.MULTILINE)[2] == "DESCRIPTION"
        assert "\n## EXAMPLES\n" in text and "\n## SEE ALSO\n" in text


def test_every_member_of_the_interfaces_is_told_of() -> None:
    for path in (ROOT / "pptpd_manager/dbus").glob("*.xml"):
        for kind, name in re.findall(r'<(method|signal|property) name="(\w+)"', path.read_text()):
            if name not in ("GetManagedObjects", "InterfacesAdded", "InterfacesRemoved"):  # D-Bus' own
                sign = r" \(property" if kind == "property" else r"\("
                assert re.search(rf"^`{name}`{sign}", WHOLE["org.pptpmanager1.5.md"], re.MULTILINE)


def test_documents_that_are_named_are_there() -> None:
    named = {
        name for text in WHOLE.values() for name in re.findall(r"/usr/share/doc/pptp-manager/(docs/[\w.]+\w)", text)
    }
    assert len(named) > 3
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_see_also_names_our_pages_that_there_are() -> None:
    ours = {name.removesuffix(".md") for name in SOURCES}
    for text in WHOLE.values():
        for page, section in re.findall(r"([a-z][\w@.+-]*pptp[\w@.+-]*|pptp[\w@.+-]*)\((\d)\)", text):
            assert f"{page}.{section}" in ours | {"pptp.8"}


# --- what they show works ---


@pytest.mark.parametrize("name", SOURCES)
def test_text_is_ascii_and_code_fits(name: str) -> None:
    assert WHOLE[name].isascii()
    page = (ROOT / "man" / name.removesuffix(".md")).read_text()
    blocks = re.findall(r"^\.nf\n(.*?)^\.fi$", page, re.MULTILINE | re.DOTALL)
    lines = re.sub(r"\\(?:-|\(..|e|&)", "-", "".join(blocks)).splitlines()
    assert lines and [line for line in lines if len(line) > LONGEST] == []


def test_commands_that_are_shown_are_understood() -> None:
    shown = [
        line for text in WHOLE.values() for block in code(text) for line in re.findall(r"^pptpctl.*", block, re.M)
    ]
    assert len(shown) > 5
    for line in shown:
        words = shlex.split(re.split(r" \|\|?(?: |$)", line)[0])
        assert arguments.parser().parse_args(words[1:])


def test_configurations_that_are_shown_are_good() -> None:
    shown = [block for text in WHOLE.values() for block in code(text) if "tunnels:" in block]
    assert len(shown) > 3
    for block in shown:
        assert parse(block, "f").tunnels


def decoded(kind: Kind[object], written: str) -> object:
    node = document.read(written, "f")
    assert node
    return kind.decode(node)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_examples_and_defaults_are_of_the_kind(key: keys.Key[object]) -> None:
    decoded(key.kind, key.example)
    if (default := keytable.default(key)) not in (keytable.REQUIRED, keytable.NONE):
        assert decoded(key.kind, default) == key.default
    fields = keytable.fields(key.kind)
    for part in fields.parts.values() if fields else ():
        decoded(part.kind, part.example)
        if part.default:
            decoded(part.kind, part.default)


# --- Markdown to macros ---


@pytest.mark.parametrize(
    ("text", "macros"),
    [
        ("a `b-c` *D* **e** \\ ^", r"a \fBb\-c\fP \fID\fP \fBe\fP \e \(ha"),
        ("see pppd(8), and [there](x.md)", r"see \fBpppd\fP(8), and there"),
        (".dotted", r"\&.dotted"),
        ("in /etc/ppp/ip-up.d.", r"in \fI/etc/ppp/ip\-up.d\fP."),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("`it's`", r"\fBit\(aqs\fP"),
    ],
)
def test_a_line(text: str, macros: str) -> None:
    assert roff.inline(text) == macros


@pytest.mark.parametrize(
    ("text", "macros"),
    [
        ("## A\n\nb\n\nc\\\ne", ['.SH "A"', "b", ".PP", "c", ".br", "e"]),
        ("### A\nb", ['.SS "A"', "b"]),
        ("- a\n  b\n- c", [r".IP \[u2022] 2", "a", "b", r".IP \[u2022] 2", "c"]),
        (
            "`a`\n`b`\n:   c\n\n    d\n\ne",
            [".TP", r"\fBa\fP", ".TQ", r"\fBb\fP", "c", ".RS", ".PP", "d", ".RE", ".PP", "e"],
        ),
        ("a:\n\n    .b\n\n      c\n", ["a:", ".PP", ".RS 4", ".nf", r"\&.b", "", "  c", ".fi", ".RE"]),
        ("| a | b |\n| --- | --- |\n| c | d |", [".TP", "c", "d"]),
        ("| a | b | e |\n| --- | --- | --- |\n| c | d | f |", [".TP", "c", "b: d", ".br", "e: f"]),
    ],
)
def test_blocks(text: str, macros: list[str]) -> None:
    assert roff.blocks(text.split("\n")) == macros


def test_a_page_without_a_title() -> None:
    with pytest.raises(ValueError, match="no title"):
        roff.page("## NAME\n", "1")
