"""pptpctl from its arguments to its exit status."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from signal import SIGTERM

from pptpd_manager.ctl import arguments
from pptpd_manager.ctl.exits import CtlError, Exit, Terminated
from pptpd_manager.ctl.terminal import printable

# "import" cannot be a module's name; "list" would read as the type.
MODULES = {"import": "importing", "list": "listing"}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TOGETHER = {"down": "up", "reconnect": "up", "disable": "enable"}


def main() -> int:
    """Run what sys.argv says; the exit status. A command is run(arguments) of the module of its name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another alphabet than UTF-8's
    given = arguments.parser().parse_args()
    name = TOGETHER.get(given.command, given.command)
    try:
        status = import_module(f"pptpd_manager.ctl.{MODULES.get(name, name)}").run(given)
        sys.stdout.flush()
    except CtlError as error:
        # What others have written is in it: names of files, what a server says.
        print("\n".join(map(printable, f"pptpctl: {error}".split("\n"))), file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Terminated:
        # Nothing catches it any more. Who started us is to see what ended us.
        os.kill(os.getpid(), SIGTERM)
    except BrokenPipeError:
        _discard()  # who reads has seen enough: `pptpctl logs work | head`
        return Exit.OK
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _discard()
        print(f"pptpctl: what is to be told cannot be written: {error.strerror}", file=sys.stderr)
        return Exit.PROBLEM
    return int(status)


def _discard() -> None:
    """Have what is left of the output go nowhere; Python would complain of it at its end once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
