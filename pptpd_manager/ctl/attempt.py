"""One tunnel that is to be connected, disconnected or dialled anew: the call, what is heard meanwhile, the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager import errors
from pptpd_manager.ctl.bus import Bus, lost, told
from pptpd_manager.ctl.calls import MANAGER, NAME, PATH, PROPERTIES, TUNNEL
from pptpd_manager.ctl.exits import Exit
from pptpd_manager.ctl.loop import Loop
from pptpd_manager.ctl.progress import Course
from pptpd_manager.labels import SYSTEMD, unit_name, unit_path

LOOK_SECONDS = 30.0  # for the first answer: the manager may have to be started
TRIES, AGAIN_SECONDS = 5, 0.5  # how often a manager may end before it has answered, and a growing pause
ADMITTED_SECONDS = 1.0  # for a refusal, where nothing else may be told


@dataclass(frozen=True)
class Verb:
    """method: of the manager; done: the states in which --no-wait has nothing to ask for; again: the method to call
    when the manager has ended in the middle of it; begun: states of the tunnel and of its unit that it leads to; goal:
    the tunnel's state in which there is nothing to do."""

    method: str
    done: tuple[str, ...]
    again: str
    begun: tuple[str, ...]
    goal: str


_DIALS = ("waiting", "resolving", "connecting", "up", "activating")
VERBS = {
    "up": Verb("Connect", ("resolving", "connecting"), "Connect", _DIALS, "up"),
    "down": Verb("Disconnect", (), "Disconnect", ("stopping", "idle", "deactivating", "inactive"), "idle"),
    "reconnect": Verb("Reconnect", (), "Connect", ("stopping", "deactivating", *_DIALS), ""),
}


@dataclass(frozen=True)
class Outcome:
    """How it ended. error: the manager's words when it is not OK; accepted: it goes on without us (--no-wait)."""

    status: Exit
    error: str = ""
    accepted: bool = False


class Attempt:
    """The calls for one tunnel."""

    def __init__(
        self,
        bus: Bus,
        loop: Loop,
        verb: Verb,
        name: str,
        *,
        wait: bool,
        authorize: Callable[[Attempt, Callable[[], None]], None],
        told: Callable[[Attempt], None],
    ) -> None:
        """wait: until it is done, and not only accepted. authorize: runs what it is given as soon as somebody can be
        asked. told: something has changed; see course, asking and outcome."""
        self._bus, self._loop, self._verb, self.name, self._wait = bus, loop, verb, name, wait
        self._authorize, self._told = authorize, told
        self.course = Course()
        self.asking = self._asked = False  # somebody is asked to authorize the call, and has been
        self.admitted = False  # it goes on without us
        self.already = False  # there was nothing to do
        self.outcome: Outcome | None = None
        self._method = verb.method
        self.called = False  # it is known what the tunnel was before, and the manager has been asked
        self._tries = 0
        self._signals: list[int] = []

    def begin(self) -> None:
        """Look for the tunnel, then call."""
        self.called = False
        self._ask(PATH, MANAGER + ".GetTunnel", self._found, "(s)", self.name, seconds=LOOK_SECONDS)

    def _found(self, path: str) -> None:
        self._path = path
        for signal in self._signals:
            self._bus.con.signal_unsubscribe(signal)
        self._signals = [
            self._subscribe(NAME, path, self._changed),
            self._subscribe(SYSTEMD, unit_path(unit_name(self.name)), self._shown),
        ]
        self._ask(path, PROPERTIES + ".GetAll", self._looked, "(s)", TUNNEL, seconds=LOOK_SECONDS)

    def _looked(self, properties: dict[str, Any]) -> None:
        self.course.change(properties)
        self.already = not self._tries and self.course.state == self._verb.goal
        if not self._wait and self.course.state in self._verb.done:
            return self._end(Outcome(Exit.OK, accepted=True))
        self._call(Gio.DBusCallFlags.NONE)
        self._told(self)

    def _call(self, flags: Gio.DBusCallFlags) -> None:
        self.called = True
        method = f"{TUNNEL}.{self._method}"
        self._bus.begin(
            self._path, method, self._loop.guarded(self._answered), self._loop.guarded(self._failed), flags=flags
        )
        if not self._wait and self.course.state == "waiting":
            self._loop.after(ADMITTED_SECONDS, self._let_in)

    def _let_in(self) -> None:
        """It may be that nothing changes: the tunnel is wanted anyway, and waits for the network or its server."""
        if self.outcome is None and self.called and not self.asking:
            self._end(Outcome(Exit.OK, accepted=True))

    def _ask(self, path: str, method: str, then: Callable[[Any], None], *values: Any, seconds: float) -> None:
        guarded = self._loop.guarded
        self._bus.begin(path, method, guarded(then), guarded(self._failed), *values, seconds=seconds)

    def _subscribe(self, sender: str, path: str, heard: Callable[[dict[str, Any]], None]) -> int:
        """Hear of the changed properties of an object; the subscription."""

        def signalled(*arguments: Any) -> None:
            heard(arguments[5].unpack()[1])

        none, callback = Gio.DBusSignalFlags.NONE, self._loop.guarded(signalled)
        member = "PropertiesChanged"
        return int(self._bus.con.signal_subscribe(sender, PROPERTIES, member, path, None, none, callback))

    @property
    def doing(self) -> str:
        """What is going on; "" when that is not known."""
        if self.asking:
            return "waiting for an authorization"
        return self.course.doing or ("authorized" if self._asked and self.course.state in ("idle", "waiting") else "")

    # --- what is heard ---

    def _changed(self, properties: dict[str, Any]) -> None:
        if self.outcome:
            return
        self._noticed(self.course.state if self.course.change(properties) else "")

    def _noticed(self, state: str) -> None:
        """state: which the tunnel or its unit has come to; it may be what was asked for."""
        if self.called and state in self._verb.begun:
            self.asking, self.admitted = False, True
            if not self._wait:
                return self._end(Outcome(Exit.OK, accepted=True))
        self._told(self)

    def _shown(self, properties: dict[str, Any]) -> None:
        if self.outcome:
            return
        self.course.status = properties.get("StatusText", self.course.status)
        self._noticed(properties.get("ActiveState", ""))

    def heard(self, step: str) -> None:
        """The log has told how far the dial is."""
        if self.outcome is None and self.course.state == "connecting":
            self.course.step = step
            self._told(self)

    # --- how it ends ---

    def _answered(self, _nothing: None) -> None:
        self._look_once_more(Outcome(Exit.OK))

    def _failed(self, error: GLib.Error) -> None:
        if self.outcome:
            return
        if Gio.DBusError.get_remote_error(error) == errors.INTERACTIVE_AUTHORIZATION_REQUIRED and not self.asking:
            self.asking = self._asked = True
            self._told(self)
            return self._authorize(self, lambda: self._call(Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION))
        self.asking = False
        if (self.called or self._tries) and lost(error) and self._tries < TRIES:
            self._tries += 1
            self._method = self._verb.again if self.admitted else self._verb.method
            self._loop.after((self._tries - 1) * AGAIN_SECONDS, self.begin)
            return
        failure = told(error)
        outcome = Outcome(failure.status, str(failure))
        if self.called and failure.status in (Exit.DOWN, Exit.TIMED_OUT):
            return self._look_once_more(outcome)
        self._end(outcome)

    def _look_once_more(self, outcome: Outcome) -> None:
        """The answer may come before the last changes of the properties."""

        def looked(properties: dict[str, Any]) -> None:
            self.admitted |= self.course.change(properties)
            self._end(outcome)

        self.asking = False
        seen, unseen = self._loop.guarded(looked), self._loop.guarded(lambda _error: self._end(outcome))
        self._bus.begin(self._path, PROPERTIES + ".GetAll", seen, unseen, "(s)", TUNNEL, seconds=LOOK_SECONDS)

    def _end(self, outcome: Outcome) -> None:
        if self.outcome is None:
            self.outcome, self.asking = outcome, False
            self._told(self)
