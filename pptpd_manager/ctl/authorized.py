"""A call that somebody may have to authorize: at first nobody is asked, then somebody at our terminal."""

from __future__ import annotations

from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager import errors
from pptpd_manager.ctl.agents import Agents
from pptpd_manager.ctl.bus import Bus
from pptpd_manager.ctl.calls import NAME
from pptpd_manager.ctl.loop import Loop

_ASK = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION


def call(
    bus: Bus, agents: Agents, path: str, method: str, signature: str = "()", *values: Any, service: str = NAME,
    seconds: float | None = None,
) -> Any:  # fmt: skip
    """The answer as of Bus.call(); the manager is started if it does not run. Raises GLib.Error.

    seconds: for an answer while nobody is asked; None for as long as it takes.
    """
    loop, answers = Loop(), list[Any]()

    def begin(flags: Gio.DBusCallFlags, limit: float | None) -> None:
        then, otherwise = loop.guarded(answered), loop.guarded(failed)
        bus.begin(path, method, then, otherwise, signature, *values, flags=flags, seconds=limit, service=service)

    def answered(answer: Any) -> None:
        answers.append(answer)
        loop.end()

    def failed(error: GLib.Error) -> None:
        if asked or Gio.DBusError.get_remote_error(error) != errors.INTERACTIVE_AUTHORIZATION_REQUIRED:
            raise error
        asked.append(True)
        agents.authenticate()
        begin(_ASK, None)

    asked: list[bool] = []
    begin(Gio.DBusCallFlags.NONE, seconds)
    loop.run()
    return answers[0]
