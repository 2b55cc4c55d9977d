"""pptpctl reload: have the manager read the configuration again."""

from __future__ import annotations

import argparse
import sys

from gi.repository import Gio, GLib

from pptpd_manager import errors
from pptpd_manager.ctl.agents import Agents, agents
from pptpd_manager.ctl.bus import MANAGER, PATH, Bus, told
from pptpd_manager.ctl.exits import Exit
from pptpd_manager.ctl.loop import Loop
from pptpd_manager.ctl.terminal import Style, printable

PATIENCE_SECONDS = 30.0  # for a manager that nobody has to authorize us to
ASKED = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION


def run(arguments: argparse.Namespace) -> Exit:
    """The command. A manager that does not run is started, which reads the file, too."""
    bus = Bus()
    with agents() as started:
        error = _call(bus, started)
    file = bus.manager()["ConfigurationFile"] if error is None or _is(error, errors.BAD_CONFIGURATION) else ""
    if error is None:
        names = [name for name, _, _ in bus.call(PATH, MANAGER + ".ListTunnels")]
        print(f"{printable(file)} is in force; tunnels: {', '.join(names) or 'none'}")
        return Exit.OK
    if not file:
        raise told(error)
    print("\n".join(_mistakes(file, str(told(error)), Style(sys.stderr))), file=sys.stderr)
    print(f"pptpctl: {printable(file)} has mistakes, so nothing has changed", file=sys.stderr)
    return Exit.PROBLEM


def _call(bus: Bus, started: Agents) -> GLib.Error | None:
    """Call Reload, and let somebody be asked whether we may; what it ends with."""
    loop, ends = Loop(), []

    def call(flags: Gio.DBusCallFlags, seconds: float | None) -> None:
        bus.begin(
            *(PATH, MANAGER + ".Reload", loop.guarded(lambda _: loop.end()), loop.guarded(failed)),
            flags=flags,
            seconds=seconds,
        )

    def failed(error: GLib.Error) -> None:
        if _is(error, errors.INTERACTIVE_AUTHORIZATION_REQUIRED) and not asked:
            asked.append(True)
            started.authenticate()
            return call(ASKED, None)
        ends.append(error)
        loop.end()

    asked: list[bool] = []
    call(Gio.DBusCallFlags.NONE, PATIENCE_SECONDS)
    loop.run()
    return ends[0] if ends else None


def _is(error: GLib.Error, name: str) -> bool:
    return bool(Gio.DBusError.get_remote_error(error) == name)


def _mistakes(file: str, message: str, style: Style) -> list[str]:
    """The manager's problems, as `check` shows them if we may read the file and find the same."""
    from pptpd_manager.checking import check  # here: it reads YAML
    from pptpd_manager.ctl.check import lines

    found = check(file)
    if "\n".join(map(str, found.problems)) == message:
        return lines(found, style)
    return [printable(line) for line in message.splitlines()]
