"""Runs the hooks of the tunnels: for each tunnel one occasion after the other, as services of their own.

The agenda of a tunnel (occasions.py) is in /run/pptp-manager/NAME.hooks as long as there is something in it. It is
written before systemd is told to run anything: the next manager runs nothing a second time. What this one has begun
goes on meanwhile, and systemd knows it by a name that says whose hooks they are, so that those of the next occasion
wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pptpd_manager import journal, occasions, privatefile
from pptpd_manager.config import name_fault
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.labels import unit_name
from pptpd_manager.occasions import Agenda, Occasion
from pptpd_manager.transient import Transient
from pptpd_manager.tunnel import Tunnel

log = logging.getLogger(__name__)

HOOK_SECONDS = 30.0  # for each command


class Callouts:
    """What hooks know and are to be told, by tunnel."""

    def __init__(self, transient: Transient, files: KeptFiles, directory: str) -> None:
        """directory: of the files; it exists."""
        self._transient, self._files, self._directory = transient, files, Path(directory)
        self._agendas: dict[str, Agenda] = {}
        self._running: set[str] = set()
        self._begun = False

    def begin(self, tunnels: Mapping[str, Tunnel]) -> None:
        """All that runs is adopted: go on where the last manager ended, and tell of what happened meanwhile."""
        self._begun = True
        for path in sorted(self._directory.glob("*.hooks")):
            name = path.stem
            if name_fault(name):
                privatefile.remove(path)
                continue
            try:
                self._agendas[name] = occasions.decode(privatefile.read(path))
            except (OSError, ValueError) as error:
                log.warning("tunnel %s: what its hooks were told is lost: %s", name, error, extra=_fields(name))
                privatefile.remove(path)
                continue
            tunnel = tunnels.get(name, Tunnel(name))
            self._advance(name, occasions.observed(self._agendas[name], tunnel, tunnel))

    def stepped(self, before: Tunnel, after: Tunnel) -> None:
        """The tunnel has taken a step."""
        if not self._begun:
            return
        known = self._agendas.get(after.name, Agenda())
        agenda = occasions.observed(known, before, after)
        if agenda == known:
            return
        for occasion in known.queue:
            if occasion not in agenda.queue:
                log.warning(
                    "tunnel %s: the hooks for '%s' are left out: earlier ones still run, and there is news",
                    *(after.name, occasion.event),
                    extra=_fields(after.name),
                )
        self._advance(after.name, agenda)

    def _advance(self, name: str, agenda: Agenda) -> None:
        """Have that agenda, and begin with its first occasion unless one is under way."""
        first = None
        while name not in self._running and agenda.queue and not first:
            first, *queue = agenda.queue
            agenda = replace(agenda, queue=tuple(queue))
            first = first if first.commands else None
        self._keep(name, agenda)
        if first:
            self._run(name, first)

    def _run(self, name: str, occasion: Occasion) -> None:
        self._running.add(name)
        log.info("tunnel %s: runs the hooks for '%s'", name, occasion.event, extra=_fields(name))
        self._transient.run(
            f"pptp-hook-{name}.service",
            f"Hooks of PPTP tunnel {name}: {occasion.event}",
            occasion.commands,
            environment=dict(occasion.variables),
            seconds=HOOK_SECONDS,
            fields=_fields(name)["fields"],
            done=lambda complaint: self._done(name, occasion, complaint),
        )

    def _done(self, name: str, occasion: Occasion, complaint: str) -> None:
        if complaint:
            log.warning("tunnel %s: hooks for '%s': %s", name, occasion.event, complaint, extra=_fields(name))
        self._running.discard(name)
        self._advance(name, self._agendas.get(name, Agenda()))

    def _keep(self, name: str, agenda: Agenda) -> None:
        """Have that agenda, in the file too. One that cannot be written shall not be read by the next manager."""
        path = privatefile.path_of(self._directory, f"{name}.hooks")
        if agenda == Agenda():
            self._agendas.pop(name, None)
            self._files.remove(path)
            return
        self._agendas[name] = agenda

        def failed(error: OSError) -> None:
            log.warning("tunnel %s: %s cannot be written: %s", name, path, error.strerror, extra=_fields(name))

        self._files.write(path, occasions.encode(agenda), failed)


def _fields(name: str) -> dict[str, dict[str, str]]:
    return journal.of_tunnel(name, unit_name(name))
