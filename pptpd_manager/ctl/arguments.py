"""The grammar of pptpctl: the source of --help, of the synopsis in the man page, and of what is completed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from pptpd_manager import VERSION
from pptpd_manager.ctl.terminal import width

CONFIGURATION = "/etc/pptp-manager.yaml"
LOG_LINES = 10  # of the journal, in a status

EPILOG = """exit status: 0 done; 1 a problem; 2 wrong usage; 3 unknown tunnel; 4 refused; 5 the tunnel could not be
connected; 6 timed out; 7 no manager; 130 interrupted. See pptpctl(1)."""


def parser() -> argparse.ArgumentParser:
    """The grammar. In what it parses, `command` is the name of a module of this package, '-' and all ("list")."""
    top = argparse.ArgumentParser(
        prog="pptpctl",
        description="See and control the PPTP tunnels of pptp-manager.",
        epilog=EPILOG,
        formatter_class=_Help,
    )
    top.add_argument("--version", action="version", version=f"pptpctl {VERSION}")
    top.add_argument("--json", action="store_true", help="as JSON, see pptpctl(1)")
    top.set_defaults(command="list", names=False)
    commands = top.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Mixed)

    def command(name: str, text: str, *, json: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", formatter_class=_Help
        )
        added.set_defaults(command=name)
        if json:
            # SUPPRESS: without it the default of the command would undo a --json before the command.
            added.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as JSON")
        return added

    _looking(command)
    _acting(command)
    _finding(command)
    return top


class _Help(argparse.HelpFormatter):
    """As wide as the terminal. One is made for every argument, help or not, and would import shutil for that."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=width() - 2)


class _Mixed(argparse.ArgumentParser):
    """Takes options between the arguments, too: before Python 3.12, `import peers --write work` was wrong usage."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


Adder = Callable[..., argparse.ArgumentParser]


def _looking(command: Adder) -> None:
    """Commands that change nothing."""
    listing = command("list", "show the tunnels, a line each (the default)", json=True)
    listing.add_argument("--names", action="store_true", help="only the names")
    status = command("status", "show everything known of tunnels, with the last lines of their logs", json=True)
    status.add_argument("names", nargs="*", type=_name, metavar="NAME", help="default: all tunnels")
    status.add_argument(
        "-n",
        "--lines",
        type=_count,
        default=LOG_LINES,
        metavar="LINES",
        help=f"so many of the log; default: {LOG_LINES}",
    )
    monitor = command("monitor", "show what happens to the tunnels, as it happens", json=True)
    monitor.add_argument("names", nargs="*", type=_name, metavar="NAME", help="default: all tunnels")
    logs = command("logs", "show what pppd, pptp and the manager logged of a tunnel", json=True)
    logs.add_argument("name", type=_name, metavar="NAME")
    logs.add_argument("-f", "--follow", action="store_true", help="also what they log from now on")
    logs.add_argument(
        "-n", "--lines", type=_count, default=None, metavar="LINES", help="the last ones; default: all, with -f 10"
    )
    logs.add_argument("-b", "--boot", action="store_true", help="only since the machine has been started")
    logs.add_argument("--since", metavar="TIME", help='as in journalctl(1): "1 hour ago", "09:00"')
    metrics = command("metrics", "show what there is to measure of the tunnels, for Prometheus")
    metrics.add_argument("-o", "--output", metavar="FILE", help="write it there, at once or not at all")


def _acting(command: Adder) -> None:
    """Commands that change something. Who may is said by polkit and the tunnel's users: and groups:."""
    for name, text in (
        ("up", "connect tunnels, and stay connected"),
        ("down", "disconnect tunnels"),
        ("reconnect", "hang up and dial anew"),
    ):
        added = command(name, text)
        added.add_argument("names", nargs="+", type=_name, metavar="NAME")
        added.add_argument("--no-wait", action="store_true", help="do not wait until it is done")
        added.add_argument(
            "--timeout", type=_seconds, metavar="SECONDS", help="wait no longer than that; it goes on without us"
        )
    command("reload", "have the changed configuration used; only the tunnels that it changes are touched")
    for name, text in (
        ("enable", "connect tunnels at every boot"),
        ("disable", "no longer connect tunnels at boot"),
    ):
        added = command(name, text)
        added.add_argument("names", nargs="+", type=_name, metavar="NAME")
        doing = "connect" if name == "enable" else "disconnect"
        added.add_argument("--now", action="store_true", help=f"{doing} them now as well")


def _finding(command: Adder) -> None:
    """Commands that look for mistakes, and the import."""
    check = command("check", "show all mistakes in the configuration", json=True)
    check.add_argument("file", nargs="?", default=CONFIGURATION, metavar="FILE", help=f"default: {CONFIGURATION}")
    doctor = command("doctor", "find what stands in the way of a tunnel", json=True)
    doctor.add_argument("names", nargs="*", type=_name, metavar="NAME", help="default: all tunnels")
    importing = command("import", "write the configuration that does what another system's files say")
    importing.add_argument(
        "source",
        choices=("peers", "rc.d", "ip-up", "networkmanager", "openwrt"),
        metavar="SYSTEM",
        help="peers (pon, pptpsetup), rc.d (the Arch wiki's script), ip-up, networkmanager or openwrt",
    )
    importing.add_argument("files", nargs="*", metavar="FILE", help="default: all of that system on this machine")
    importing.add_argument("--root", default="/", metavar="DIRECTORY", help="look there instead of in /")
    importing.add_argument(
        "--write", action="store_true", help=f"add the tunnels to {CONFIGURATION}, instead of printing them"
    )
    importing.add_argument("--into", metavar="FILE", help="add them to this file; it is made when there is none")


def _name(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a tunnel: it is not UTF-8") from None
    return text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds
