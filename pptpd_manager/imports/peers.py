"""/etc/ppp/peers, with what pppd reads besides -> drafts of tunnels."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from . import secretsfile
from .draft import Draft, Files, Place, visible
from .pppoptions import Option
from .reading import OPTIONS, Reading

DIRECTORY = "/etc/ppp/peers"


@dataclass(frozen=True)
class Peer:
    """A tunnel, and what scripts know it by."""

    draft: Draft
    param: str


def all_of(files: Files) -> list[str]:
    """The paths of all peers."""
    return [f"{DIRECTORY}/{name}" for name in files.names(DIRECTORY)]


def peer(files: Files, path: str, more: Sequence[Option] = ()) -> Peer | None:
    """The tunnel that `pppd call` makes of the file; None if that would not call pptp, or there is no file.

    more: the options behind its name on the command line.
    """
    if files.read(path) is None:
        return None
    name = path.rpartition("/")[2]
    draft = Draft(name, path, ends=[f"poff {shlex.quote(visible(name))}"])
    reading = Reading(draft, files)
    reading.file(OPTIONS, shared=True)
    reading.file(path)
    reading.all(more)
    if reading.serverless:
        return None
    reading.finish()
    _password(reading)
    if not reading.persist and "persist" not in draft.values:
        draft.note("it is dialled again when it is lost, unless persist: false")
    return Peer(draft, reading.param or name)


def _password(reading: Reading) -> None:
    """Find the password where pppd does."""
    draft, files = reading.draft, reading.files
    if reading.password:
        draft.password(*reading.password)
        return
    paths = [reading.secrets.get(path.rpartition("/")[2], path) for path in secretsfile.FILES]
    for path, default in zip(paths, secretsfile.FILES, strict=True):
        found = secretsfile.find(files, path, reading.client, reading.remote) if reading.client else []
        texts = {secretsfile.value(files, one) for one in found}
        if len(texts) > 1:
            places = ", ".join(str(one.place) for one in found)
            draft.note(f"which password is this server's cannot be seen without a remotename: {places}")
            break
        if texts:
            if default == secretsfile.FILES[1]:
                draft.values["refuse-pap"] = False
            draft.password(texts.pop(), found[0].place)
            return
    else:
        draft.note(f"no password for it in {' or '.join(paths)}")
    draft.values["ask-password"] = True


def notes_on(files: Files, paths: Sequence[str]) -> list[str]:
    """What became of the files that made no tunnel."""
    return [f"{Place(path)}: no tunnel: its pty does not call pptp" for path in paths if files.read(path) is not None]
