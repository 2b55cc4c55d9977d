"""The name servers of the tunnels: has systemd-resolved or resolvconf ask them while the link is up, and no longer.

Never /etc/resolv.conf itself: where neither is there, nothing is touched, and that is told. What the tunnels want
follows from their values (dns.wanted); sync() makes it so, and may be called at any time. What the next manager has to
know is in a file of each run, NAME.names beside the option file: the servers that the peer named, and the link that
resolved was told of.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gi.repository import Gio

from pptpd_manager import dns, journal, privatefile, resolvconf
from pptpd_manager.config import TunnelConfig
from pptpd_manager.dns import LinkDns
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.labels import unit_name
from pptpd_manager.reasons import printable
from pptpd_manager.resolved import Resolved
from pptpd_manager.routing import MAIN_TABLE
from pptpd_manager.transient import Transient
from pptpd_manager.tunnel import State, Tunnel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """What is known of a run. peer: the servers that its peer named, None: not yet; link: told to resolved, or 0."""

    run: str
    peer: tuple[str, ...] | None = None
    link: int = 0


@dataclass(frozen=True)
class Standing:
    """How it is with a tunnel's name servers. through: whom; "" and problem: why not."""

    dns: LinkDns | None = None
    through: str = ""
    problem: str = ""

    def __str__(self) -> str:
        """In one line; "" when there is nothing to tell."""
        used = f"{self.dns} through {self.through}" if self.dns else ""
        return f"NOT USED, {self.problem}" if self.problem else used


@dataclass(frozen=True)
class _Way:
    """Who is to be told of a tunnel's servers. resolvconf: that one; through "": nobody, because of problem."""

    through: str
    problem: str = ""
    resolvconf: bool = False


class Names:
    """attach() comes first, then sync(). The tunnels are looked at only."""

    def __init__(self, con: Gio.DBusConnection, transient: Transient, files: KeptFiles, directory: str) -> None:
        self._files, self._directory = files, Path(directory)
        self._records: dict[str, Record] = {}
        self._told: dict[str, tuple[int, LinkDns]] = {}  # to resolved, as long as that one runs
        self._failed: dict[str, tuple[LinkDns, str]] = {}
        self._standings: dict[str, Standing] = {}
        self._tunnels: Mapping[str, Tunnel] = {}
        self._on_change: Callable[[str], None] = lambda _name: None
        self._program: resolvconf.Program | None = None  # what is to be used, as of the last sync
        self._resolved = Resolved(con, self._resolved_changed)
        self._resolvconf = resolvconf.Resolvconf(transient, self._written)

    def attach(self, tunnels: Mapping[str, Tunnel], on_change: Callable[[str], None]) -> None:
        """Begin: these are the tunnels, with all that runs. on_change(name): standing(name) is another."""
        self._tunnels, self._on_change = tunnels, on_change
        for path in self._directory.glob("*.names"):
            record = decode(path)
            if record and path.stem in tunnels and _runs(tunnels[path.stem], record.run):
                self._records[path.stem] = record
            else:
                privatefile.remove(path)
        for name in self._resolvconf.left - set(tunnels):
            self._resolvconf.want(name, None)
        self.sync()

    def heard(self, name: str, run: str, servers: Sequence[str]) -> None:
        """The peer of that run names these servers."""
        if name in self._tunnels and _runs(self._tunnels[name], run):
            record = self._records.get(name)
            if not record or record.run != run:
                record = Record(run)
            self._keep(name, replace(record, peer=tuple(servers)))
            self.sync()

    def standing(self, name: str) -> Standing:
        """How it is now."""
        return self._standings.get(name, Standing())

    def note(self, name: str) -> str:
        """What to add to the line that tells that the tunnel is up, before its peer has named its servers, too."""
        t = self._tunnels.get(name)
        if not (t and t.config and t.config.dns.wanted):
            return ""
        way = self._way(t.config)
        told = (
            str(self.standing(name))
            or str(Standing(problem=way.problem))
            or f"those that the server names, through {way.through}"
        )
        return f"; name servers: {told}"

    def stepped(self, before: Tunnel, after: Tunnel) -> None:
        """A tunnel has taken a step: sync(), if it may have changed what is wanted."""
        if _what_matters(before) != _what_matters(after):
            self.sync()

    def sync(self) -> None:
        """Make it as the tunnels want it."""
        if self._resolved.running is None:
            return  # it will tell in a moment
        self._program = None if self._resolved.running else resolvconf.installed()
        for name, t in list(self._tunnels.items()):
            if not _left_alone(t):
                self._sync(name, t)
        for name in set(self._records) - set(self._tunnels):
            self._forget(name)
        for name in set(self._standings) - set(self._tunnels):
            del self._standings[name]

    def _sync(self, name: str, t: Tunnel) -> None:
        record = self._records.get(name)
        if record and not _runs(t, record.run):
            self._forget(name)
            record = None
        peer = record.peer if record else None
        config = t.config if t.state is State.UP and t.link else None
        want = wanted(config, peer or ()) if config else None
        way = self._way(config) if config and want else _Way("")
        nothing_named = config and config.dns.peer and peer is not None and not want
        self._stand(name, want, dns.NONE_NAMED if nothing_named else way.problem, way.through)
        self._resolvconf.want(name, want if way.resolvconf else None)
        self._tell(name, t, want if way.through and not way.resolvconf else None)

    def _stand(self, name: str, want: LinkDns | None, problem: str, through: str) -> None:
        """Note how it is, and tell."""
        failed = self._failed.get(name)
        if failed and failed[0] == want:
            problem = failed[1]
        else:
            self._failed.pop(name, None)
        standing = Standing(want, "" if problem else through, problem)
        if standing == self.standing(name):
            return
        self._standings[name] = standing
        if str(standing):
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "tunnel %s: name servers: %s", name, standing, extra=_of(name))
        self._on_change(name)

    def _fail(self, name: str, want: LinkDns, error: str) -> None:
        """That was to be, and is not: until something else is to be, or resolved comes or goes."""
        self._failed[name] = want, printable(error)
        self.sync()

    def _tell(self, name: str, t: Tunnel, want: LinkDns | None) -> None:
        """Have resolved know that of the tunnel's link, if it runs."""
        record = self._records.get(name, Record(t.run))
        if want is None or t.link is None:
            self._told.pop(name, None)
            if record.link and self._resolved.running:
                if t.link and t.link.index == record.link:
                    self._resolved.tell(record.link, None, lambda error: _complain(name, error))
                self._keep(name, replace(record, link=0))
            return
        told = (t.link.index, want)
        if self._told.get(name) == told:
            return
        if record.link != t.link.index:
            self._keep(name, replace(record, link=t.link.index))  # before it is so: we may be killed in between
        self._told[name] = told

        def done(error: str) -> None:
            if error and self._told.get(name) == told:
                self._fail(name, want, f"systemd-resolved: {error}")

        self._resolved.tell(t.link.index, want, done)

    def _written(self, name: str, want: LinkDns | None, error: str) -> None:
        """resolvconf has ended."""
        if not want:
            _complain(name, error)
        elif error and self.standing(name).dns == want:
            self._fail(name, want, error)

    def _way(self, config: TunnelConfig) -> _Way:
        """Whom to tell of the servers of a tunnel with that configuration."""
        if self._resolved.running is not False:
            return _Way("systemd-resolved")
        if self._program is None:
            return _Way("", dns.NOBODY)
        if not (self._program.openresolv or dns.everything(config.dns, _has_default(config))):
            return _Way("", dns.NO_SPLIT)
        return _Way(self._program.name, resolvconf=True)

    def _resolved_changed(self) -> None:
        self._told.clear()
        self._failed.clear()
        self.sync()

    # --- the records ---

    def _keep(self, name: str, record: Record) -> None:
        """Have the next manager know of it, too."""
        self._records[name] = record

        def failed(error: OSError) -> None:
            log.warning("tunnel %s: %s cannot be written: %s", name, self._path(name), error.strerror, extra=_of(name))

        self._files.write(self._path(name), encode(record), failed, outdated=True)

    def _forget(self, name: str) -> None:
        """The run is over."""
        del self._records[name]
        self._told.pop(name, None)
        self._files.remove(self._path(name))

    def _path(self, name: str) -> Path:
        return privatefile.path_of(self._directory, f"{name}.names")


def wanted(config: TunnelConfig, peer: Sequence[str]) -> LinkDns | None:
    """What a tunnel with that configuration has its link be, when it is up and its peer has named those servers."""
    return dns.wanted(config.dns, dns.of_peer(peer), _has_default(config))


def _has_default(config: TunnelConfig) -> bool:
    return config.default_route and config.table == MAIN_TABLE


def _what_matters(t: Tunnel) -> tuple[object, ...]:
    return t.state, t.link, t.config, t.run, t.ended


def _runs(t: Tunnel, run: str) -> bool:
    return t.run == run and not t.ended


def _left_alone(t: Tunnel) -> bool:
    """Whether nobody knows what it wants, or it is about to be up, again or under a new manager."""
    return not t.ended and (t.config is None or t.state is State.CONNECTING)


def _complain(name: str, error: str) -> None:
    if error:
        log.warning("tunnel %s: name servers: %s", name, error, extra=_of(name))


def _of(name: str) -> dict[str, dict[str, str]]:
    """The journal's fields of that tunnel."""
    return journal.of_tunnel(name, unit_name(name))


def encode(record: Record) -> bytes:
    """The text of a record's file."""
    return json.dumps({"run": record.run, "peer": record.peer, "link": record.link}).encode()


def decode(path: Path) -> Record | None:
    """What encode() wrote; None when it cannot be read."""
    try:
        found = json.loads(privatefile.read(path))
        peer = found["peer"]
        return Record(str(found["run"]), None if peer is None else tuple(map(str, peer)), int(found["link"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
