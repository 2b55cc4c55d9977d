"""Tunnels added to a configuration file: all of them or none, and nothing else in it changed."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pptpd_manager import configfile, privatefile
from pptpd_manager.config import ConfigError
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.imports import yamltext
from pptpd_manager.imports.draft import Draft

_HEAD = "# The tunnels of pptp-manager, see pptp-manager.yaml(5). Owner root, mode 0600: it holds passwords.\n"


def add(path: str, drafts: Sequence[Draft]) -> list[str]:
    """Add the drafts' tunnels to the file, which is made when there is none; the keys that its defaults give them.

    Raises CtlError; then the file is as it was.
    """
    try:
        # What a link leads to is replaced, and not the link.
        there = Path(path).resolve()
        before = _status(there)
        if before is None and os.path.islink(path):
            raise CtlError(Exit.PROBLEM, f"{path} is a link that leads to no file; nothing was written")
        text = configfile.read(str(there)) if before else _HEAD
        # read() judges what it opens. What is written has the owner and the mode that were seen here.
        if before and (fault := privatefile.fault(before, path)):
            raise CtlError(Exit.PROBLEM, f"{path} {fault}\nnothing was written")
        new, defaults = yamltext.added(text, path, drafts)
        if len(new.encode()) > configfile.MAX_BYTES:
            raise CtlError(Exit.PROBLEM, f"{path} would be larger than 1 MiB; nothing was written")
        _replace(there, new.encode(), before)
    except ConfigError as error:
        refused = isinstance(error.__cause__, PermissionError)
        raise CtlError(Exit.REFUSED if refused else Exit.PROBLEM, f"{error}\nnothing was written") from None
    except yamltext.CannotAdd as error:
        raise CtlError(Exit.PROBLEM, f"{path}: {error}") from None
    except PermissionError:
        raise CtlError(Exit.REFUSED, f"{path} may be written by root only; run it as root") from None
    except OSError as error:
        raise CtlError(Exit.PROBLEM, f"{path} cannot be written: {error.strerror}") from None
    return defaults


def _status(path: Path) -> os.stat_result | None:
    """The file's; None when there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes, before: os.stat_result | None) -> None:
    """Put content in the place of the file, with its owner and mode, unless it is another one than before."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            if before:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        now = _status(path)
        if (now and configfile.version(now)) != (before and configfile.version(before)):
            raise CtlError(Exit.PROBLEM, f"{path} has been changed meanwhile; nothing was written")
        if before:
            os.replace(name, path)
        else:
            os.link(name, path)
    finally:
        privatefile.remove(Path(name))
