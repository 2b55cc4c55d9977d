"""pptpctl from its arguments to its exit status."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from signal import SIGTERM

from pptpd_manager.ctl import arguments
from pptpd_manager.ctl.exits import CtlError, Exit, Terminated

# "import" cannot be a module's name; "list" would read as the type.
MODULES = {"import": "importing", "list": "listing"}
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
        print(f"pptpctl: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Terminated:
        # Nothing catches it any more. Who started us is to see what ended us.
        os.kill(os.getpid(), SIGTERM)
    except BrokenPipeError:
        # Who reads has seen enough (`pptpctl logs work | head`). Python would complain at its end once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    return int(status)
