"""What the documents for people have in them: code blocks, commands, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("man/*.md")))
}
# What a line in a code block begins with when it is a command.
PROGRAMS = (
    *("pptpctl", "pptp-manager", "systemctl", "journalctl", "busctl", "systemd-ask-password", "resolvectl", "nmcli"),
    *("ip", "ping", "nft", "sysctl", "modprobe", "getent", "sh", "mkdir", "apt", "make", "poff", "uci"),
    *("ssh", "ansible-vault", "ansible-playbook"),
    *("lab/lab", "tests/lab/run", ".venv/bin/python", ".venv/bin/ruff", ".venv/bin/mypy"),
)


@dataclass(frozen=True)
class Block:
    """A code block. line: its first one's number in the document, from 1; text: without the indentation."""

    document: str
    line: int
    text: str

    @property
    def kind(self) -> str:
        """What it is written in: "commands", "yaml", "ini", "polkit", "drawing", or "" when that cannot be told."""
        first = self.text.split("\n")[0]
        if all(_begins(command) for command in joined(self.text)):
            return "commands"
        for kind, pattern in (
            ("drawing", r"(?s).*(\+--|---[+>|])"),
            ("polkit", r"polkit\."),
            ("ini", r"\[[A-Za-z]+\]$"),
            ("yaml", r"(?:# .*|[a-z-]+:(?: .*)?)$"),
        ):
            if re.match(pattern, self.text if kind == "drawing" else first):
                return kind
        return ""


def _begins(command: str) -> bool:
    return command.split(" ")[0] in PROGRAMS


def joined(text: str) -> list[str]:
    """The commands in a block: a line each, or more lines with a backslash or a | at the end of all but the last."""
    return [re.sub(r"\s*\\?\n\s*", " ", line) for line in re.findall(r"(?:.*[\\|]\n)*.+", text) if line.strip()]


def blocks(document: str) -> list[Block]:
    """The code blocks of the document: indented by four columns after an empty line, or more in an item of a list."""
    found: list[Block] = []
    lines = DOCUMENTS[document].split("\n")
    fenced, number = False, 0
    while number < len(lines):
        fenced ^= lines[number].startswith("```")
        deep = len(lines[number]) - len(lines[number].lstrip(" "))
        item = _is_in_item(lines, number)
        if not fenced and number and not lines[number - 1].strip() and deep >= (6 if item else 4):
            end = number
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * deep)):
                end += 1
            text = "\n".join(line[deep:] for line in lines[number:end]).rstrip("\n")
            found.append(Block(document, number + 1, text))
            number = end
        else:
            number += 1
    return found


def _is_in_item(lines: list[str], number: int) -> bool:
    """Whether the line belongs to an item of a list."""
    above = [line for line in lines[:number] if line.strip() and not line.startswith(" ")]
    return bool(above) and re.match(r"(?:-|\d+\.) ", above[-1]) is not None


def inline(document: str) -> list[str]:
    """The texts between `backticks`."""
    return [re.sub(r"\s+", " ", text) for text in re.findall(r"`([^`]+)`", prose(document))]


def prose(document: str) -> str:
    """The document without its code blocks."""
    lines = DOCUMENTS[document].split("\n")
    for block in blocks(document):
        for number in range(block.line - 1, block.line + block.text.count("\n")):
            lines[number] = ""
    return re.sub(r"(?ms)^```.*?^```$", "", "\n".join(lines))


def commands(document: str) -> list[str]:
    """Each command of the code blocks, in their order."""
    return [line for block in blocks(document) if block.kind == "commands" for line in joined(block.text)]


def headings(document: str) -> list[str]:
    """Each heading, with its #."""
    return re.findall(r"(?m)^#+ .+$", prose(document))


def anchor(heading: str) -> str:
    """What a link to the heading has after its #."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def links(document: str) -> list[str]:
    """Where the links lead, as written."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(document))
