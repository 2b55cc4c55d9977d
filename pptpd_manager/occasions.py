"""When a tunnel's hooks run and what they are told: the value of a tunnel before and after a step -> what to run.

Hooks are to see a tunnel's life in order and whole: every up is followed by a down before the next up, whatever
managers come and go. So what they have been told of is kept with what is still to run, in a value of its own, the
agenda, which outlives the manager in a file.

up: the tunnel has come up. down: one that hooks were told is up has ended. It waits until the reason is known, which
is at most seconds after the link is gone; a link that is back before pppd has ended is told as a down and an up.
failed: the tunnel has been given up (State.FAILED), and not for each attempt that fails: there may be thousands.
A link that was up and is not dialled again has both its down and its failed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from pptpd_manager import reasons
from pptpd_manager.config import interface_name
from pptpd_manager.hooks import Command, Hooks
from pptpd_manager.reasons import Failure
from pptpd_manager.tunnel import State, Tunnel

Variables = tuple[tuple[str, str], ...]
UNSEEN = Failure(reasons.UNKNOWN, "the manager was not running")


@dataclass(frozen=True)
class Occasion:
    """Something to run hooks for, perhaps none. event: up, down or failed; variables: the hooks' environment."""

    event: str
    commands: tuple[Command, ...]
    variables: Variables


@dataclass(frozen=True)
class Told:
    """A link that hooks were told is up: by the run, with these variables. down: what to run at its end."""

    run: str
    variables: Variables
    down: tuple[Command, ...]


@dataclass(frozen=True)
class Agenda:
    """What the hooks of a tunnel know (told), and what they are yet to be told, in order (queue)."""

    told: Told | None = None
    queue: tuple[Occasion, ...] = ()

    def add(self, occasion: Occasion) -> Agenda:
        """The agenda with one more occasion at its end.

        Hooks may take longer than what they are run for lasts. So an up that has not begun and its down are both
        dropped, and of several failed only the last one is kept: there are never more than three in the queue.
        """
        last = self.queue[-1].event if self.queue else ""
        if (last, occasion.event) == ("up", "down"):
            return replace(self, queue=self.queue[:-1])
        if last == occasion.event == "failed":
            return replace(self, queue=(*self.queue[:-1], occasion))
        return replace(self, queue=(*self.queue, occasion))


def observed(agenda: Agenda, before: Tunnel, after: Tunnel) -> Agenda:
    """The agenda after a step of its tunnel; or, with the same tunnel twice, after the manager was away."""
    hooks = after.config.hooks if after.config else Hooks()
    told = agenda.told
    if told and after.config:  # the configuration may be another one by now, or gone when the link ends
        told = replace(told, down=hooks.down)
        agenda = replace(agenda, told=told)
    if told and (why := _end(told, before, after)):
        down = Occasion("down", told.down, (*told.variables, *_why("down", why)))
        agenda = replace(agenda.add(down), told=None)
    if after.state is State.UP and not agenda.told:
        told = Told(after.run, _facts(after), hooks.down)
        up = Occasion("up", hooks.up, (*told.variables, *_why("up", None)))
        agenda = replace(agenda.add(up), told=told)
    if after.state is State.FAILED and before.state is not State.FAILED:
        why = after.failure or Failure(reasons.UNKNOWN)
        agenda = agenda.add(Occasion("failed", hooks.failed, (*_facts(after), *_why("failed", why))))
    return agenda


def _end(told: Told, before: Tunnel, after: Tunnel) -> Failure | None:
    """Why that link has ended; None when it has not, or nobody knows yet why."""
    if after.run == told.run and not after.ended:
        if after.hangup or after.leaving:
            return after.hangup or Failure(reasons.STOPPED)
        back = after.state is State.UP and before.state is State.STOPPING
        return Failure(reasons.LINK_TAKEN_DOWN) if back else None
    if after.autopsy and after.autopsy.run == told.run:  # its log is being read
        return None if after.state is not State.FAILED else Failure(reasons.UNKNOWN)
    if after.failure and after.failure is not before.failure:
        return after.failure
    if before.autopsy and before.autopsy.outdated:
        return Failure(reasons.CONFIGURATION_CHANGED)
    seen = before.autopsy or (before.run == told.run and not before.ended)
    return Failure(reasons.STOPPED) if seen else UNSEEN


def _facts(t: Tunnel) -> Variables:
    """What hooks are told of a tunnel. All of it always, and "" for what there is not: scripts may use `set -u`."""
    up = t.link if t.state is State.UP else None
    return (
        ("PPTP_TUNNEL", t.name),
        ("PPTP_INTERFACE", interface_name(t.name)),
        ("PPTP_LOCAL", str((up and up.local) or "")),
        ("PPTP_REMOTE", str((up and up.peer) or "")),
        ("PPTP_SERVER", t.config.server if t.config else ""),
        ("PPTP_SERVER_ADDRESS", str(t.address or t.target or "")),
    )


def _why(event: str, failure: Failure | None) -> Variables:
    return (
        ("PPTP_EVENT", event),
        ("PPTP_REASON", failure.reason.name if failure else ""),
        ("PPTP_SENTENCE", failure.sentence if failure else ""),
    )


# --- the file ---


def encode(agenda: Agenda) -> bytes:
    """The agenda as JSON."""
    told = agenda.told
    return json.dumps(
        {
            "told": {"run": told.run, "variables": told.variables, "down": told.down} if told else None,
            "queue": [{"event": o.event, "commands": o.commands, "variables": o.variables} for o in agenda.queue],
        }
    ).encode()


def decode(text: bytes) -> Agenda:
    """What encode() made text of. Raises ValueError."""
    try:
        value = json.loads(text)
        told = value["told"]
        return Agenda(
            Told(str(told["run"]), _variables(told["variables"]), _commands(told["down"])) if told else None,
            tuple(
                Occasion(str(o["event"]), _commands(o["commands"]), _variables(o["variables"])) for o in value["queue"]
            ),
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no agenda: {error!r}") from None


def _variables(value: list[list[str]]) -> Variables:
    return tuple((str(name), str(text)) for name, text in value)


def _commands(value: list[list[str]]) -> tuple[Command, ...]:
    return tuple(tuple(map(str, words)) for words in value)
