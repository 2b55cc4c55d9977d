"""Has everything looked at and judged, in the order in which it is told. What takes long goes on beside the rest."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from typing import Generic, TypeVar

from pptpd_manager import configfile, conntrack, passwordfile, reasons
from pptpd_manager.config import Config, ConfigError, Mppe, TunnelConfig, interface_name
from pptpd_manager.doctor import firewall, host, kernel, manager, network, probe, programs, sysoptions, way
from pptpd_manager.doctor.finding import Finding, of_failure, ok, unseen
from pptpd_manager.doctor.manager import Tunnel
from pptpd_manager.doctor.services import RESOLVED, Services
from pptpd_manager.doctor.way import Contact, Name
from pptpd_manager.labels import unit_name
from pptpd_manager.reasons import Failure

T = TypeVar("T")

NAME_SECONDS = 12.0  # of the resolver: resolv.conf(5) has two attempts of five seconds
CONTACT_SECONDS = 30.0  # more than probe.contact() takes
LONGEST_SECONDS = NAME_SECONDS + CONTACT_SECONDS + 5.0
Progress = Callable[[str], None]
Section = tuple[str, list[Finding]]  # its title, and what was found


@dataclass(frozen=True)
class Asked:
    """What the manager answered: its version, file and problems, and its tunnels in the file's order.

    stale: the file is another one now.
    """

    version: str
    file: str
    problems: tuple[str, ...]
    tunnels: tuple[Tunnel, ...]
    stale: bool


class Aside(Generic[T]):
    """A function at work in a thread, which does not keep the program from ending."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._found: list[T] = []
        self._thread = threading.Thread(target=lambda: self._found.append(function()), daemon=True)
        self._thread.start()

    def result(self, seconds: float) -> T | None:
        """What it returned; None: not within so many seconds."""
        self._thread.join(seconds)
        return self._found[0] if self._found else None


class Examination:
    """One look at everything. names: the tunnels to look at; none: all of them. Raises KeyError: no such tunnel."""

    def __init__(
        self, names: Sequence[str], asked: Asked | None, services: Services | None, file: str, progress: Progress
    ) -> None:
        self._asked, self._services, self._progress = asked, services, progress
        self._file = asked.file if asked else file
        self._config, self._problems = _configuration(self._file)
        known = (
            asked.tunnels if asked else tuple(map(_of_config, self._config.tunnels.values() if self._config else ()))
        )
        for name in names:
            if (asked or self._config) and name not in {tunnel.name for tunnel in known}:
                raise KeyError(name)
        self._known = known
        self._names = names
        self.tunnels = tuple(tunnel for tunnel in known if not names or tunnel.name in names)
        self._up = {tunnel.address: tunnel.name for tunnel in known if tunnel.state == "up"}
        self._ways = {
            tunnel.name: Aside(_Way(tunnel, self._up, progress).seen)
            for tunnel in self.tunnels
            if tunnel.state not in ("up", "stopping")
        }
        self._contacts: list[Contact] = []

    def sections(self) -> Iterator[Section]:
        """The findings, as they are there."""
        yield "This machine", [*self._programs(), *self._kernel(), *self._options(), *self._permissions()]
        yield "The manager", self._manager()
        for tunnel in self.tunnels:
            yield f"Tunnel {tunnel.name}", self._tunnel(tunnel)
        for name in self._names if not (self._asked or self._config) else ():
            yield f"Tunnel {name}", [unseen("configuration", f"the tunnel in {self._file}").of(name)]
        yield "The network here", self._network()

    def _configs(self) -> Iterable[TunnelConfig]:
        return (
            [self._config.tunnels[t.name] for t in self.tunnels if t.name in self._config.tunnels]
            if self._config
            else []
        )

    def _programs(self) -> list[Finding]:
        self._progress("programs")
        wanted = ["pppd", "pptp", *(["nft"] if any(config.clamp_mss for config in self._configs()) else [])]
        return [finding for name in wanted for finding in programs.judge(host.program(name))]

    def _kernel(self) -> list[Finding]:
        configs = list(self._configs())
        encrypted = not configs or any(config.mppe is not Mppe.OFF for config in configs)
        return kernel.judge(host.of_kernel(), encrypted=encrypted)

    def _options(self) -> list[Finding]:
        pppd = host.where("pppd")
        return sysoptions.judge(
            host.read(sysoptions.PATH),
            there=os.path.lexists(sysoptions.PATH),
            knows=lambda option: host.knows(pppd, option) if pppd else None,
        )

    def _permissions(self) -> list[Finding]:
        there, fault = host.private(self._file)
        return [*programs.judge_places(host.places()), programs.judge_private(self._file, fault, there=there)]

    def _manager(self) -> list[Finding]:
        unit = self._services.unit("pptp-manager.service") if self._services else None
        found = [manager.judge_manager(self._asked.version if self._asked else None, unit)]
        if self._problems is not None:  # of the file as it is now
            count = len(self._config.tunnels) if self._config else 0
            stale = self._asked is not None and self._asked.stale
            found += manager.judge_configuration(self._file, self._problems, count, stale=stale)
        elif self._asked:
            told = self._asked
            found += manager.judge_configuration(self._file, told.problems, len(told.tunnels), stale=told.stale)
        elif host.private(self._file)[0]:
            found.append(unseen("configuration", self._file))
        servers = {word for tunnel in self._known for word in (*tunnel.server.split(","), tunnel.address) if word}
        return [*found, *network.judge_calls(host.calls(), servers)]

    def _tunnel(self, tunnel: Tunnel) -> list[Finding]:
        unit = self._services.unit(unit_name(tunnel.name)) if self._services else None
        found = manager.judge_unit(tunnel.name, unit)
        if self._asked:
            found.append(manager.judge_last(tunnel))
        config = self._config.tunnels.get(tunnel.name) if self._config else None
        if config:
            found += _password(config)
        address = tunnel.address
        if tunnel.name in self._ways:
            names, contacts = self._ways[tunnel.name].result(LONGEST_SECONDS) or ([], [])
            found += self._way(tunnel, names, contacts)
            address = next((str(contact.address) for contact in contacts), address)
        elif tunnel.state == "up":
            found.append(way.judge_up(tunnel.server, tunnel.address, tunnel.name))
        else:
            found.append(way.judge_busy(tunnel.state, tunnel.name))
        if address:
            asked = tunnel.mtu or (config.mtu if config else 0)
            found.append(network.judge_route(tunnel.name, address, host.route(address), asked))
        return found

    def _way(self, tunnel: Tunnel, names: list[Name], contacts: list[Contact]) -> list[Finding]:
        """What was seen of the way to a tunnel's server."""
        self._contacts += contacts
        found = [way.judge_name(name, tunnel.name) for name in names]
        resolved = any(not isinstance(name.found, Failure) for name in names)
        if not names or (resolved and not contacts):
            found.append(unseen("tcp", "the way to the server", "it took too long").of(tunnel.name))
        untracked = conntrack.untracked()
        for contact in contacts:
            found += way.judge(contact, tunnel.server, tunnel.name, untracked=untracked)
            if other := self._up.get(str(contact.address)):
                found.append(way.judge_other(str(contact.address), other, tunnel.name))
        if tunnel.state in way.BUSY:
            found.append(way.judge_busy(tunnel.state, tunnel.name))
        return found

    def _network(self) -> list[Finding]:
        interfaces = [interface_name(tunnel.name) for tunnel in self._known]
        there = [interface for interface in interfaces if os.path.exists(f"/sys/class/net/{interface}")]
        others = self._services.others(there) if self._services else []
        names = [server for tunnel in self.tunnels for server in tunnel.server.split(",") if not _is_address(server)]
        dns = [(tunnel.name, tunnel.dns) for tunnel in self.tunnels if tunnel.dns is not None]
        resolved = bool(self._services and self._services.runs(RESOLVED))
        proven = way.passes(self._contacts, up=any(tunnel.state == "up" for tunnel in self.tunnels))
        return [
            *map(network.judge_other, others),
            *network.judge_resolver(host.resolver(resolved=resolved), names, dns),
            kernel.judge_helper(untracked=conntrack.untracked(), proven=proven),
            *firewall.judge(host.firewall(), proven=proven),
        ]


class _Way:
    """The way to one tunnel's servers. up: the addresses through which tunnels are up, with those."""

    def __init__(self, tunnel: Tunnel, up: Mapping[str, str], progress: Progress) -> None:
        self._tunnel, self._up, self._progress = tunnel, up, progress

    def seen(self) -> tuple[list[Name], list[Contact]]:
        """The names and the contacts."""
        servers = self._tunnel.server.split(",")
        self._progress(f"the name {servers[0]}")
        lookups = [(server, Aside(partial(probe.look_up, server))) for server in servers]
        silent = Failure(reasons.NAME_SERVER_SILENT)
        names = [lookup.result(NAME_SECONDS) or Name(server, silent) for server, lookup in lookups]
        found = [address for name in names if not isinstance(name.found, Failure) for address in name.found]
        calling = self._tunnel.state not in way.BUSY
        contacts = [Aside(partial(self._contact, address, calling)) for address in dict.fromkeys(found)]
        return names, [contact for aside in contacts if (contact := aside.result(CONTACT_SECONDS))]

    def _contact(self, address: IPv4Address, calling: bool) -> Contact:
        return probe.contact(address, self._progress, calling=calling and str(address) not in self._up)


def _configuration(file: str) -> tuple[Config | None, tuple[str, ...] | None]:
    """The file as it is now and what is wrong with it; (None, None): it cannot be read."""
    if not os.access(file, os.R_OK):
        return None, None
    try:
        return configfile.load(file), ()
    except ConfigError as error:
        return None, tuple(map(str, error.problems))


def _of_config(config: TunnelConfig) -> Tunnel:
    return Tunnel(config.name, config.server)


def _is_address(server: str) -> bool:
    with suppress(ValueError):
        IPv4Address(server)
        return True
    return False


CREDENTIALS = (
    "/etc/credstore.encrypted",
    "/etc/credstore",
    "/run/credstore.encrypted",
    "/run/credstore",
    "/usr/lib/credstore.encrypted",
    "/usr/lib/credstore",
)


def _password(config: TunnelConfig) -> list[Finding]:
    """Where the password comes from, if that is a file. It is read and forgotten."""
    failure: Failure | None = None
    if config.password_file:
        command = f"ls -l {shlex.quote(config.password_file)}"
        read = passwordfile.read(config.password_file)
        failure = read if isinstance(read, Failure) else None
        good = f"The password in {config.password_file} can be used."
    elif config.credential:
        command = f"man systemd-creds; ls -l {' '.join(CREDENTIALS[:2])}"
        if not any(os.path.exists(os.path.join(folder, config.credential)) for folder in CREDENTIALS):
            failure = Failure(reasons.CREDENTIAL_MISSING, config.credential)
        good = f"There is a credential {config.credential}."
    else:
        return []
    if failure:
        return [of_failure("password", failure, config.name, config.server, "", command).of(config.name)]
    return [ok("password", good).of(config.name)]
