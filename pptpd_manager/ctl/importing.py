"""`pptpctl import`: the configuration that does what another system's files say, printed or added to a file."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

from pptpd_manager import privatefile
from pptpd_manager.ctl import addition
from pptpd_manager.ctl.arguments import CONFIGURATION
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.terminal import printable
from pptpd_manager.imports import peers, yamltext
from pptpd_manager.imports.draft import MOST_NOTES, Draft, named
from pptpd_manager.imports.systems import SYSTEMS

_BACKUP = ("~", ".bak", ".bkp", ".old", ".orig", ".rpmnew", ".rpmsave", ".pacnew", ".pacsave", ".swp")


class Disk:
    """The files below a root; those that were named on the command line are where they are."""

    def __init__(self, root: str, given: Iterable[str] = ()) -> None:
        self._root = Path(root)
        self._given = frozenset(given)
        self._known: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """The file's bytes, None when there is none. Raises CtlError when it may not be read, or is no plain file."""
        if path not in self._known:
            self._known[path] = self._content(path)
        return self._known[path]

    def names(self, directory: str) -> list[str]:
        """The plain files in a directory, without backups."""
        there = self.at(directory)
        try:
            found = sorted(each.name for each in there.iterdir() if each.is_file())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _unread(there, error) from None
        return [
            name for name in found if not name.startswith(".") and not name.endswith(_BACKUP) and ".dpkg-" not in name
        ]

    def at(self, path: str) -> Path:
        """Where the file is."""
        return Path(path) if path in self._given else self._root / path.lstrip("/")

    def _content(self, path: str) -> bytes | None:
        there = self.at(path)
        if "\0" in path:
            return None
        try:
            with open(there, "rb", opener=privatefile.opener) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise CtlError(Exit.PROBLEM, f"{there} is not a regular file")
                content = file.read(privatefile.MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unread(there, error) from None
        if len(content) > privatefile.MAX_BYTES:
            raise CtlError(Exit.PROBLEM, f"{there} is larger than 1 MiB")
        return content


def _unread(path: Path, error: OSError) -> CtlError:
    if isinstance(error, PermissionError):
        return CtlError(Exit.REFUSED, f"{path} may be read by root only; run it as root")
    return CtlError(Exit.PROBLEM, f"{path} cannot be read: {error.strerror}")


def run(arguments: Namespace) -> int:
    """Do what the command line says."""
    system = SYSTEMS[arguments.source]
    given = [_path(arguments, file) for file in arguments.files]
    disk = Disk(arguments.root, given)
    for path in given:
        if disk.read(path) is None:
            raise CtlError(Exit.PROBLEM, f"{path} does not exist")
    drafts, notes = system.drafts(disk, given or system.all_of(disk))
    if not drafts:
        below = "" if arguments.root == "/" else f" below {arguments.root}"
        where = ", ".join(given) or system.where + below
        raise CtlError(Exit.PROBLEM, "\n".join([f"no PPTP tunnel was found; looked at {where}", *notes]))
    for draft in named(drafts):
        yamltext.check(draft)
    if arguments.write or arguments.into:
        return _write(arguments.into or CONFIGURATION, drafts, notes)
    command = _command(arguments)
    head = [
        f"made by {command}; with --write it is added to {CONFIGURATION}, with the secrets, which are not shown here",
        *notes,
    ]
    sys.stdout.write(yamltext.whole(drafts, reveal=False, notes=head))
    return Exit.OK


def _command(arguments: Namespace) -> str:
    """What was given on the command line."""
    root = ["--root", arguments.root] if arguments.root != "/" else []
    return shlex.join(["pptpctl", "import", arguments.source, *root, *arguments.files])


def _path(arguments: Namespace, file: str) -> str:
    """The whole path of a file on the command line; a peer goes by its name, as for pon."""
    if arguments.source == "peers" and "/" not in file and not os.path.exists(file):
        return str(Path(arguments.root, peers.DIRECTORY.lstrip("/"), file).absolute())
    return os.path.abspath(file)


def _write(path: str, drafts: Sequence[Draft], notes: Sequence[str]) -> int:
    """Add the tunnels that are complete to the file, and tell what is to be done next."""
    complete = [draft for draft in drafts if not draft.missing]
    lacking = [
        f"{draft.name} is not complete and was not written: {', '.join(draft.missing)} could not be found in "
        f"{draft.origin}"
        for draft in drafts
        if draft.missing
    ]
    if not complete:
        raise CtlError(Exit.PROBLEM, "\n".join(lacking))
    defaults = addition.add(path, complete)
    lines = [f"Added to {path}: {', '.join(draft.name for draft in complete)}"]
    if defaults:
        lines.append(f"The defaults of that file hold for them, too: {', '.join(defaults)}")
    told = [*notes, *lacking, *(f"{draft.name}: {note}" for draft in complete for note in draft.notes)]
    if told:
        lines += ["To know:", *(f"  {note}" for note in told[:MOST_NOTES])]
    lines += ["Next:", *(f"  {step}" for step in _next(path, complete))]
    print("\n".join(map(printable, lines)))
    return Exit.OK


def _next(path: str, drafts: Sequence[Draft]) -> list[str]:
    """The commands to run next."""
    names = " ".join(draft.name for draft in drafts)
    ends = list(dict.fromkeys(end for draft in drafts for end in draft.ends))
    first = ["pptpctl reload"]
    if os.path.abspath(path) != CONFIGURATION:
        first = [f"pptpctl check {shlex.quote(path)}", f"# have what is in it in {CONFIGURATION}", *first]
    return [*first, *ends, f"pptpctl up {names}", f"pptpctl enable {names}   # to have it at every boot"]
