"""resolvconf(8), of Debian's package of that name or openresolv: the list of name servers in /etc/resolv.conf.

The manager may not write where resolvconf does, so that runs as a service of its own. Records are named after the
tunnel: vpn.pptp-NAME.pptp-manager. Both sort "vpn." before an uplink's (interface-order(5), dynamic_order in
resolvconf.conf(5)), and the end of the name is how the next manager finds what a killed one left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pptpd_manager.config import interface_name, name_fault
from pptpd_manager.dns import LinkDns
from pptpd_manager.programs import which
from pptpd_manager.transient import Transient

SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_RECORDS = tuple(Path("/run/resolvconf", folder) for folder in ("interface", "interfaces", "keys"))
_PREFIX, _SUFFIX = "vpn." + interface_name(""), ".pptp-manager"
SECONDS = 30.0  # each waits up to ten for the end of another one

Done = Callable[[str, LinkDns | None, str], None]


@dataclass(frozen=True)
class Program:
    """One that is installed. openresolv: it is that one, which can have servers for some domains only."""

    path: str
    openresolv: bool

    @property
    def name(self) -> str:
        """What people call it."""
        return "openresolv" if self.openresolv else "resolvconf"

    def add(self, record: str, dns: LinkDns) -> list[str]:
        """The command that has the record be what it reads, text()."""
        # Private: for its domains only; exclusive: no servers but these. resolvconf(8) of openresolv.
        flags = (["-x"] if dns.alone else [] if dns.default_route else ["-p"]) if self.openresolv else []
        return [self.path, *flags, "-a", record]

    def delete(self, record: str) -> list[str]:
        """The command that removes the record, if there is one."""
        return [self.path, *(["-f"] if self.openresolv else []), "-d", record]


def text(dns: LinkDns) -> bytes:
    """A record, in the form of resolv.conf(5), which knows no routing-only domains."""
    names = dns.search if dns.default_route else (*dns.search, *dns.domains)
    lines = [f"nameserver {server}" for server in dns.servers] + ([f"search {' '.join(names)}"] if names else [])
    return "".join(line + "\n" for line in lines).encode()


def installed() -> Program | None:
    """The resolvconf that is installed; systemd-resolved's of that name is of no use without resolved."""
    path = which("resolvconf", SEARCH_PATH)
    if not path or os.path.basename(os.path.realpath(path)) == "resolvectl":
        return None
    try:
        return Program(path, b"openresolv" in Path(path).read_bytes())
    except OSError:
        return None


def _left() -> set[str]:
    """The tunnels that have a record."""
    records = {path.name for folder in _RECORDS for path in folder.glob(f"{_PREFIX}*{_SUFFIX}")}
    tunnels = {record.removeprefix(_PREFIX).removesuffix(_SUFFIX) for record in records}
    return {tunnel for tunnel in tunnels if not name_fault(tunnel)}


class Resolvconf:
    """Makes the records what they are to be, one at a time. on_done(tunnel, dns, ""), or why it failed."""

    def __init__(self, transient: Transient, on_done: Done) -> None:
        self._transient, self._on_done = transient, on_done
        self._wanted: dict[str, LinkDns | None] = {}
        self._there: dict[str, LinkDns | None] = {}
        self.left = _left()  # the tunnels that have a record of an earlier manager's, whatever is in it
        self._busy = False

    def want(self, tunnel: str, dns: LinkDns | None) -> None:
        """Have the tunnel's record be that, or none."""
        if dns or tunnel in self._there or tunnel in self._wanted or tunnel in self.left:
            self._wanted[tunnel] = dns
            self._next()

    def _next(self) -> None:
        """Begin with what is not as it is to be, unless something is being done."""
        if self._busy:
            return
        for tunnel, dns in list(self._wanted.items()):
            del self._wanted[tunnel]
            if tunnel in self.left or self._there.get(tunnel) != dns:  # no record is none, however often it is said
                return self._make(tunnel, dns)

    def _make(self, tunnel: str, dns: LinkDns | None) -> None:
        """Have the record be that."""
        program = installed()
        self._there[tunnel] = dns
        self.left.discard(tunnel)
        if program is None:
            return self._ended(tunnel, dns, "resolvconf is not installed any more" if dns else "")
        self._busy = True
        record = _PREFIX + tunnel + _SUFFIX
        self._transient.run(
            f"pptp-resolvconf-{tunnel}.service",  # what a killed manager began ends first
            f"Name servers of PPTP tunnel {tunnel}",
            [program.add(record, dns) if dns else program.delete(record)],
            stdin=text(dns) if dns else b"",
            seconds=SECONDS,
            done=lambda error: self._ended(tunnel, dns, error and f"{program.name}: {error}"),
        )

    def _ended(self, tunnel: str, dns: LinkDns | None, error: str) -> None:
        self._busy = False
        if dns is None:
            self._there.pop(tunnel, None)
        self._on_done(tunnel, dns, error)
        self._next()
