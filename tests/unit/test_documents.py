"""The documents for people: what they tell to write and to run is right, and links lead somewhere."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from pptpd_manager import config
from pptpd_manager.ctl import arguments
from pptpd_manager.reasons import REASONS
from unit import documents
from unit.documents import DOCUMENTS, Block

sys.path.insert(0, str(documents.ROOT / "tests/lab"))
import documented

BLOCKS = [block for document in DOCUMENTS for block in documents.blocks(document)]
LOGIN = "    server: vpn.example.com\n    username: alice\n    password: secret\n"


def name(value: object) -> str:
    return f"{value.document}:{value.line}" if isinstance(value, Block) else str(value)


@pytest.mark.parametrize("block", BLOCKS, ids=name)
def test_each_block_is_of_a_known_kind(block: Block) -> None:
    assert block.kind, block.text


def whole(text: str) -> str:
    """A configuration with text in its place: all of it, a tunnel, or keys of one, which get a login."""
    if re.search(r"(?m)^(tunnels|defaults):", text):
        return text
    if not re.match(r"[\w-]+:$", text.split("\n")[0]) or re.match(r"(routes|hooks|dns|rules):", text):
        text = "work:\n" + indented(text)
    if "server:" not in text:
        head, _, rest = text.partition("\n")
        text = f"{head}\n{LOGIN[2:].replace('    ', '  ')}{rest}"
    return "tunnels:\n" + indented(text)


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.rstrip("\n").split("\n"))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "yaml"], ids=name)
def test_each_configuration_is_one(block: Block) -> None:
    assert config.parse(whole(block.text), name(block)).tunnels


def pptpctl_lines() -> list[str]:
    found = {
        text
        for document in DOCUMENTS
        for text in (*documents.commands(document), *documents.inline(document))
        if re.match(r"pptpctl( |$)", text)
    }
    return sorted(found)


@pytest.mark.parametrize("line", pptpctl_lines())
def test_each_line_of_pptpctl_is_right(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In text a command may be without its arguments: `pptpctl up`."""
    words = shlex.split(re.sub(r" (\||>|2>).*", "", line))[1:]
    try:
        arguments.parser().parse_args(words)
    except SystemExit as end:
        told = capsys.readouterr().err
        named = len(words) == 1 and "the following arguments are required" in told
        assert end.code == 0 or named, told


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    here = documents.ROOT / document
    broken = []
    for link in documents.links(document):
        file, _, section = link.partition("#")
        target = (here.parent / file).resolve() if file else here
        known = str(target.relative_to(documents.ROOT)) if target.is_relative_to(documents.ROOT) else ""
        if re.match(r"https?://", link):
            continue
        if not target.exists() or (section and section not in map(documents.anchor, documents.headings(known))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_row_of_a_table_has_the_cells_of_its_head(document: str) -> None:
    """A | within a cell is \\|, in code as well."""
    wide = 0
    for line in documents.prose(document).split("\n"):
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (wide and cells) or cells == wide, line
        wide = cells


def test_readme_leads_to_each_document() -> None:
    lead = set(documents.links("README.md")) | {"README.md"}
    unheard = {document for document in DOCUMENTS if not document.startswith("man/")} - lead - {"docs/states.md"}
    assert unheard == set()


# --- the two languages ---


def test_the_chinese_readme_has_the_same_structure() -> None:
    """The same headings, blocks, tables and links: only the sentences differ."""
    english, chinese = ("README.md", "README.zh-CN.md")
    assert levels(english) == levels(chinese)
    assert [without_comments(block) for block in documents.blocks(english)] == [
        without_comments(block) for block in documents.blocks(chinese)
    ]
    assert rows(english) == rows(chinese)
    assert sorted(map(neutral, documents.links(english))) == sorted(map(neutral, documents.links(chinese)))
    assert sorted(documents.inline(english)) == sorted(documents.inline(chinese))


def levels(document: str) -> list[int]:
    return [heading.index(" ") for heading in documents.headings(document)]


def without_comments(block: Block) -> str:
    return re.sub(r" *# .*", "", block.text)


def rows(document: str) -> list[list[str]]:
    """Of each row of a table the codes in it."""
    return [re.findall(r"`([^`]+)`", line) for line in documents.prose(document).split("\n") if line.startswith("|")]


def neutral(link: str) -> str:
    """A link without what has a language."""
    return re.sub(r"#.*", "#", link).replace("README.zh-CN.md", "README.md")


# --- troubleshooting ---


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_found_by_its_sentence(reason: str) -> None:
    page = DOCUMENTS["docs/troubleshooting.md"]
    assert re.search(rf"(?m)^\| {re.escape(REASONS[reason].sentence)} \|", page), REASONS[reason].sentence


def test_no_sentence_is_told_of_that_nobody_says() -> None:
    page = DOCUMENTS["docs/troubleshooting.md"].partition("## What is odd")[0]
    told = re.findall(r"(?m)^\| (?!message|---)([^|]+) \|", page)
    assert sorted(told) == sorted(reason.sentence for reason in REASONS.values())


def test_files_of_the_documents_are_installed() -> None:
    """By their folders: what a document links to is where `make install` puts documents."""
    makefile = Path(documents.ROOT, "Makefile").read_text()
    assert "install -m 0644 *.md $(DESTDIR)$(docdir)\n" in makefile


# --- what is run ---


def commands_to_run() -> set[str]:
    """All of the code blocks, and those that README.md's tables tell to run."""
    table = [code for row in rows("README.md") for code in row if code.split(" ")[0] in documents.PROGRAMS]
    return {*table, *(command for document in DOCUMENTS for command in documents.commands(document))}


def test_each_command_is_run() -> None:
    """Either in the lab by test_documented.py, or by what is named instead."""
    played = {line.command for lines in documented.PLAYS.values() for line in lines}
    assert commands_to_run() - played - {*documented.ELSEWHERE} == set()


def test_what_is_said_to_be_run_elsewhere_is_in_a_document() -> None:
    assert {*documented.ELSEWHERE} - commands_to_run() == set()
    assert [path for path in documented.ELSEWHERE.values() if not (documents.ROOT / path).exists()] == []
