"""What the tests of the import begin with: files that are in memory, and the YAML that comes of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pptpd_manager.config import Config, parse
from pptpd_manager.imports import yamltext
from pptpd_manager.imports.draft import Draft, named
from pptpd_manager.imports.systems import SYSTEMS

EXAMPLES = int(os.environ.get("PPTP_MANAGER_EXAMPLES", "50"))


@dataclass(frozen=True)
class Memory:
    """draft.Files of these contents, by path."""

    contents: Mapping[str, str | bytes]

    def read(self, path: str) -> bytes | None:
        content = self.contents.get(path)
        return content.encode() if isinstance(content, str) else content

    def names(self, directory: str) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self.contents if path.rpartition("/")[0] == directory)


def drafts(
    system: str, contents: Mapping[str, str | bytes], paths: Sequence[str] = ()
) -> tuple[list[Draft], list[str]]:
    """What pptpctl makes of the files: the drafts as they are shown or written, and the notes."""
    files = Memory(contents)
    found, notes = SYSTEMS[system].drafts(files, paths or SYSTEMS[system].all_of(files))
    for draft in named(found):
        yamltext.check(draft)
    return found, notes


def yaml(system: str, contents: Mapping[str, str | bytes], *, reveal: bool = True) -> str:
    """The YAML of all tunnels, which our parser takes. reveal: with the secrets, as it is written."""
    found, notes = drafts(system, contents)
    text = yamltext.whole(found, reveal=reveal, notes=notes)
    parse(text, "the import")
    return text


def config(system: str, contents: Mapping[str, str | bytes]) -> Config:
    """The configuration that is written."""
    return parse(yaml(system, contents), "the import")
