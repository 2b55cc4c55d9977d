"""pptpctl up, down and reconnect: several tunnels at once, with what they are doing."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from pptpd_manager.ctl import notices
from pptpd_manager.ctl.agents import Agents, agents
from pptpd_manager.ctl.attempt import VERBS, Attempt, Outcome
from pptpd_manager.ctl.board import Board
from pptpd_manager.ctl.bus import Bus
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.following import Follower
from pptpd_manager.ctl.loop import Loop
from pptpd_manager.ctl.progress import step, took
from pptpd_manager.labels import unit_name

REDRAW_SECONDS = 1.0
# What a tunnel is doing before it does anything.
UNDER_WAY = {"up": "starting", "down": "stopping", "reconnect": "restarting"}


def run(arguments: argparse.Namespace) -> Exit:
    """Do it; the status of the first of the tunnels that did not come to what was asked for."""
    return act(arguments.command, arguments.names, wait=not arguments.no_wait, timeout=arguments.timeout)


def act(command: str, names: list[str], *, wait: bool = True, timeout: float | None = None) -> Exit:
    """The same for enable and disable --now. timeout: seconds."""
    bus = Bus()
    with agents() as started:
        status = _Acting(bus, started, command, list(dict.fromkeys(names)), wait).run(timeout)
    if command != "down" and status in (Exit.OK, Exit.PROBLEM, Exit.UNKNOWN_TUNNEL, Exit.DOWN):
        with suppress(CtlError):
            manager = bus.manager()
            if status is not Exit.PROBLEM or manager["NeedReload"]:  # else its mistakes have been told
                notices.tell(manager)
    return status


class _Acting:
    """The tunnels of one command, until each has its outcome."""

    def __init__(self, bus: Bus, started: Agents, command: str, names: list[str], wait: bool) -> None:
        self._agents, self._command, self._wait = started, command, wait
        self._began = time.monotonic()
        self._loop, self._board = Loop(), Board(sys.stdout, sys.stderr)
        self._asking: list[tuple[Attempt, Callable[[], None]]] = []  # to be authorized, one after the other
        self._follower: Follower | None = None
        verb = VERBS[command]
        self._attempts = [
            Attempt(bus, self._loop, verb, name, wait=wait, authorize=self._authorize, told=self._told)
            for name in names
        ]

    def run(self, timeout: float | None) -> Exit:
        """Wait for all of them, for so many seconds at the most."""
        if self._wait and self._command != "down":
            self._agents.answer()
            self._follower = Follower(self._loop, [unit_name(a.name) for a in self._attempts], self._logged)
        if timeout is not None:
            self._loop.after(timeout, lambda: self._leave(f"within {timeout:g} s", Exit.TIMED_OUT))
        self._loop.after(REDRAW_SECONDS, self._redraw)
        for attempt in self._attempts:
            attempt.begin()
        try:
            return self._loop.run()
        except KeyboardInterrupt:
            self._leave("", Exit.INTERRUPTED)
            return Exit.INTERRUPTED
        finally:
            self._board.uncover()
            if self._follower:
                self._follower.close()

    def _redraw(self) -> None:
        self._cover()
        self._board.draw()
        self._loop.after(REDRAW_SECONDS, self._redraw)

    def _cover(self) -> None:
        """Nothing of ours on the terminal while somebody types there."""
        self._board.cover(any(a.asking for a in self._attempts) or self._agents.asking())

    def _logged(self, unit: str, program: str, text: str) -> None:
        words = step(program, text)
        for attempt in self._attempts:
            if words and unit == unit_name(attempt.name):
                attempt.heard(words)

    def _authorize(self, attempt: Attempt, call: Callable[[], None]) -> None:
        """polkit's agent at a terminal takes one question at a time."""
        self._asking.append((attempt, call))
        if len(self._asking) == 1:
            self._agents.authenticate()
            call()

    def _told(self, attempt: Attempt) -> None:
        """Show what has changed; at the last outcome it is over."""
        self._cover()
        if attempt.outcome is None:
            self._board.show(attempt.name, attempt.doing)
        else:
            self._conclude(attempt, attempt.outcome)
        if self._asking and not self._asking[0][0].asking:
            del self._asking[0]
            if self._asking:
                self._asking[0][1]()
        if all(a.outcome for a in self._attempts):
            self._loop.end(next((a.outcome.status for a in self._attempts if a.outcome and a.outcome.status), Exit.OK))

    def _conclude(self, attempt: Attempt, outcome: Outcome) -> None:
        """Show how it ended."""
        course, name = attempt.course, attempt.name
        if outcome.accepted:
            return self._board.end(name, f"{course.doing or UNDER_WAY[self._command]}; not waited for")
        if outcome.status is Exit.OK:
            what = f"up on {course.link}" if self._command != "down" else "down"
            when = "already" if attempt.already else f"after {took(time.monotonic() - self._began)}"
            return self._board.end(name, f"{what}, {when}")
        failure = course.failure(outcome.error)
        text, advice = (f"not up: {failure[0]}", failure[1]) if failure else (outcome.error, "")
        tried = self._command != "down" and outcome.status in (Exit.DOWN, Exit.TIMED_OUT)
        prospect = course.prospect(time.monotonic()) if tried else ""
        self._board.end(name, text, well=False, more="\n".join(filter(None, (advice, prospect))))

    def _leave(self, when: str, status: Exit) -> None:
        """Tell what becomes of those that have no outcome, and end. when: "" after Ctrl-C."""
        goal = "down" if self._command == "down" else "up"
        self._board.uncover()
        for attempt in self._attempts:
            course = attempt.course
            if attempt.outcome:
                continue
            if attempt.admitted or (attempt.called and course.goes_on and self._command == "up"):
                end = f"; to end that: pptpctl down {attempt.name}" if goal == "up" else ""
                text = f"{course.doing or UNDER_WAY[self._command]}; it goes on{end}"
            elif attempt.called:
                why = "nobody has authorized it" if attempt.asking else "it has not been answered"
                text = f"nothing was done: {why}"
            else:
                text, status = "nothing was done: pptp-manager does not answer", Exit.NO_MANAGER if when else status
            self._board.end(attempt.name, f"not {goal} {when}: {text}" if when else text, well=False)
        self._loop.end(status)
