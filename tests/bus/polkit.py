"""The stand-in for polkit, as a test has it."""

from __future__ import annotations

import signal
from typing import Any

from .clients import until
from .fake_polkit import CONTROL, CONTROL_PATH
from .fake_polkit import NAME as POLKIT
from .world import World
from .zygote import Forked, stand_in


class Polkit:
    """The stand-in, as a process that can be there or not."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.process: Forked | None = None

    def begin(self, plain: str = "yes", prompted: str = "yes") -> None:
        """Have one that answers so."""
        self.process = self.world.forked(stand_in("fake_polkit", self.world.address))
        until(lambda: self.world.client.owner(POLKIT), "the stand-in of polkit")
        self.behave(plain, prompted)

    def behave(self, plain: str, prompted: str = "yes") -> None:
        """Answer so from now on."""
        self.world.client.call(POLKIT, CONTROL_PATH, CONTROL + ".Behave", "(ss)", plain, prompted)

    def release(self, how: str) -> None:
        """Answer what is held."""
        self.world.client.call(POLKIT, CONTROL_PATH, CONTROL + ".Release", "(s)", how)

    def send(self, number: signal.Signals) -> None:
        """A signal to the process."""
        assert self.process
        self.process.send_signal(number)

    def asked(self) -> list[tuple[Any, ...]]:
        """The checks since forget(), also those that only another client knows of: subject, action, details, flags."""
        self.world.client.owner(POLKIT)  # the answer comes after every signal that the bus has passed on
        return [s.arguments for s in self.world.client.signals if (s.interface, s.member) == (CONTROL, "Asked")]

    def cancelled(self) -> list[str]:
        """The actions of the checks that were cancelled since forget()."""
        called = [s.arguments for s in self.world.client.signals if (s.interface, s.member) == (CONTROL, "Cancelled")]
        return [action for (action,) in called]
