"""The lab's command line."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

import guest
import host
import rootfs
from progress import LabError, say

FAILED = 125


def main() -> int:
    """Run what sys.argv says; the process's exit status."""
    arguments = parser().parse_args()
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    try:
        return dispatch(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def interrupted(number: int, frame: FrameType | None) -> None:
    """Leave through every `finally`, so that the guest ends and nothing stays behind."""
    sys.exit(128 + number)


def dispatch(arguments: argparse.Namespace) -> int:
    """Exit status of the chosen command."""
    if arguments.action == "rootfs":
        print(rootfs.ensure(arguments.suite))
        return 0
    machine = guest.Machine(arguments.suite, tuple(arguments.tree), arguments.append, arguments.memory, arguments.out)
    if arguments.action == "shell":
        return guest.shell(machine)
    for _ in range(arguments.panics):
        try:
            return guest.run(machine, arguments.command, arguments.timeout)
        except guest.Panicked as error:
            say(f"{error}\nOnce more, in another guest.")
    return guest.run(machine, arguments.command, arguments.timeout)


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(prog="lab", description=sys.modules["__main__"].__doc__)
    actions = top.add_subparsers(dest="action", required=True)
    build = actions.add_parser("rootfs", help="build the cached root file system")
    run = actions.add_parser(
        "run",
        help="run a command in a fresh guest",
        epilog="Ends with the command's exit status, 124 (too late) or 125 (no guest).",
    )
    shell = actions.add_parser("shell", help="a root shell in a fresh guest")
    for action in (build, run, shell):
        action.add_argument("suite", choices=host.SUITES)
    for action in (run, shell):
        action.add_argument(
            "--tree",
            type=folder,
            action="append",
            default=[],
            metavar="DIR",
            help="folder of files to lay over the guest's root; may be given again",
        )
        action.add_argument("--append", default="", metavar="ARGS", help="more for the guest's kernel line")
        action.add_argument("--memory", default="1024M", metavar="SIZE", help="with unit K, M or G")
        action.add_argument("--out", type=folder, metavar="DIR", help="folder to be the guest's /lab/out")
    run.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="boot included")
    run.add_argument(
        "--panics",
        type=int,
        default=0,
        metavar="N",
        help="run it again in another guest when the kernel panics, so many times",
    )
    run.add_argument("command", nargs="+", metavar="COMMAND")
    return top


def folder(name: str) -> Path:
    """An existing folder."""
    path = Path(name)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{name} is not a folder")
    return path
