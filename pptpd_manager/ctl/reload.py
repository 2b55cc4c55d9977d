"""pptpctl reload: have the manager read the configuration again."""

from __future__ import annotations

import argparse
import sys

from gi.repository import Gio, GLib

from pptpd_manager import errors
from pptpd_manager.ctl import authorized
from pptpd_manager.ctl.agents import agents
from pptpd_manager.ctl.bus import Bus, told
from pptpd_manager.ctl.calls import MANAGER, PATH, NotRunning
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.terminal import Style, printable

PATIENCE_SECONDS = 30.0  # for a manager that nobody has to authorize us to


def run(arguments: argparse.Namespace) -> Exit:
    """The command. A manager that does not run is started, which reads the file, too."""
    bus = Bus()
    try:
        with agents() as started:
            authorized.call(bus, started, PATH, MANAGER + ".Reload", seconds=PATIENCE_SECONDS)
    except GLib.Error as error:
        if Gio.DBusError.get_remote_error(error) == errors.BAD_CONFIGURATION:
            return _refused(bus.manager()["ConfigurationFile"], told(error))
        raise _absent(told(error)) from None
    file, names = bus.manager()["ConfigurationFile"], [name for name, _, _ in bus.call(PATH, MANAGER + ".ListTunnels")]
    print(f"{printable(file)} is in force; tunnels: {', '.join(names) or 'none'}")
    return Exit.OK


def _absent(error: CtlError) -> CtlError:
    """The error; where the manager does not run and could not be started, what becomes of the file."""
    if not isinstance(error, NotRunning):
        return error
    return CtlError(error.status, f"{error}, which reads the configuration")


def _refused(file: str, error: CtlError) -> Exit:
    """Show what is wrong with the file."""
    print("\n".join(_mistakes(file, str(error), Style(sys.stderr))), file=sys.stderr)
    print(f"pptpctl: {printable(file)} has mistakes, so nothing has changed", file=sys.stderr)
    return Exit.PROBLEM


def _mistakes(file: str, message: str, style: Style) -> list[str]:
    """The manager's problems, as `check` shows them if we may read the file and find the same."""
    from pptpd_manager.checking import check  # here: it reads YAML
    from pptpd_manager.ctl.check import lines

    found = check(file)
    if "\n".join(map(str, found.problems)) == message:
        return lines(found, style)
    return [printable(line) for line in message.splitlines()]
