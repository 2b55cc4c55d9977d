"""release: whether all that names the version names the same one, and what else is not ready for a release.

Prints a line for each thing that is not, and ends with 1; or says what to do next. It changes and sends nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = "CHANGELOG.md"
DEBIAN = "debian/changelog"
PKGBUILD = "packaging/arch/PKGBUILD"
PROGRAM = "pptpd_manager/__init__.py"


def main() -> int:
    """The exit status: 0 when a release can be tagged, else 1."""
    documents = (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("man/*"))
    names = (PROGRAM, CHANGELOG, DEBIAN, PKGBUILD, *(str(path.relative_to(ROOT)) for path in documents))
    texts = {name: (ROOT / name).read_text() for name in names if (ROOT / name).is_file()}
    version = version_of(texts[PROGRAM])
    found = [*disagreements(version, texts), *not_ready(version, git("status", "--porcelain"), git("tag").split())]
    for line in found:
        print(line)
    if not found:
        print(f"{version} is ready: git tag -a v{version}; make deb")
    return 1 if found else 0


def git(*words: str) -> str:
    """What git says of this repository."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout


def version_of(program: str) -> str:
    """The version in the text of pptpd_manager/__init__.py, the one place for it."""
    found = re.search(r'^VERSION = "(.+)"$', program, re.MULTILINE)
    if not found:
        raise SystemExit(f"{PROGRAM} has no line VERSION = ...")
    return found[1]


def disagreements(version: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Where the texts (by name) name another version, or say that it is not released: a line each."""
    headings = re.findall(r"^## \[?([^\]\s]+)\]?(?: - (\d{4}-\d\d-\d\d))?$", texts[CHANGELOG], re.MULTILINE)
    if not headings or headings[0][0] != version:
        yield f"{CHANGELOG}: the top section is {headings[0][0] if headings else 'missing'}, not {version}"
    elif not headings[0][1]:
        yield f'{CHANGELOG}: the top section has no date; "## {version} - YYYY-MM-DD"'
    entry = re.match(r"pptp-manager \((.+?)\) (\S+);", texts[DEBIAN])
    if not entry or entry[1] != version:
        yield f"{DEBIAN}: the top entry is about {entry[1] if entry else 'nothing'}, not {version}"
    elif entry[2] == "UNRELEASED":
        yield f"{DEBIAN}: {version} is marked UNRELEASED; dch --release"
    pkgver = re.search(r"^pkgver=(.*)$", texts[PKGBUILD], re.MULTILINE)
    if not pkgver or pkgver[1] != version:
        yield f"{PKGBUILD}: pkgver is {pkgver[1] if pkgver else 'missing'}, not {version}"
    for name, text in texts.items():
        if name not in (CHANGELOG, DEBIAN, PKGBUILD):
            others = set(re.findall(r"\bpptp-manager[ _](\d+\.\d+\.\d+)(?!\d)", text)) - {version}
            yield from (f"{name}: names version {other}, not {version}" for other in sorted(others))


def not_ready(version: str, status: str, tags: list[str]) -> Iterator[str]:
    """What the repository lacks. status: of `git status --porcelain`."""
    for line in status.splitlines():
        yield f"not committed: {line[3:]}"
    if f"v{version}" in tags:
        yield f"the tag v{version} is there already: {PROGRAM} needs the next version"


if __name__ == "__main__":
    sys.exit(main())
