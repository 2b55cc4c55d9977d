"""The way to a server: what was seen of its name, of TCP port 1723, of the control connection and of GRE. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from pptpd_manager import reasons
from pptpd_manager.doctor.control import Started
from pptpd_manager.doctor.finding import Finding, of_failure, ok, unseen
from pptpd_manager.reasons import Failure

# While a tunnel does that, a call from here would come in its way: some servers, and some NAT, take one at a time.
BUSY = ("resolving", "connecting", "stopping")


class Echo(Enum):
    """What became of our GRE packets."""

    CAME = "came"
    SILENT = "silent"
    NEEDS_ROOT = "needs root"


@dataclass(frozen=True)
class Name:
    """A server and its addresses, or why it has none."""

    server: str
    found: tuple[IPv4Address, ...] | Failure


@dataclass(frozen=True)
class Contact:
    """How far a call to an address went. None: it did not come to that.

    tcp: connected in so many milliseconds; control: what the server said of itself; call: placed; gre: what came back.
    """

    address: IPv4Address
    tcp: int | Failure
    control: Started | Failure | None = None
    call: Failure | None = None
    gre: Echo | Failure | None = None

    @property
    def failed(self) -> bool:
        """Whether something stands in the way."""
        steps = (self.tcp, self.control, self.call, self.gre)
        return any(isinstance(step, Failure) for step in steps) or self.gre is Echo.SILENT


def judge_name(name: Name, tunnel: str) -> Finding:
    """The name of the tunnel's server."""
    if isinstance(name.found, Failure):
        command = f"getent ahostsv4 {name.server}"
        return of_failure("name", name.found, tunnel, name.server, "", command).of(tunnel)
    if name.server in map(str, name.found):
        return ok("name", f"The server is given by its address, {name.server}.").of(tunnel)
    return ok("name", f"{name.server} is {', '.join(map(str, name.found))}.").of(tunnel)


def judge(contact: Contact, server: str, tunnel: str, *, untracked: bool) -> list[Finding]:
    """The way to one address. untracked: this machine's firewall does not know PPTP."""
    address = str(contact.address)

    def failed(check: str, failure: Failure, command: str = "") -> Finding:
        return of_failure(check, failure, tunnel, server, address, command).of(tunnel)

    if isinstance(contact.tcp, Failure):
        return [failed("tcp", contact.tcp, f"ip route get {address}")]
    found = [ok("tcp", f"{address} accepts TCP port 1723, after {contact.tcp} ms.").of(tunnel)]
    if isinstance(contact.control, Failure):
        return [*found, failed("control", contact.control)]
    if contact.control:
        found.append(ok("control", f"{address} speaks PPTP: {_who(contact.control)}.").of(tunnel))
    if contact.call:
        return [*found, failed("control", contact.call)]
    if isinstance(contact.gre, Failure):
        return [*found, failed("gre", contact.gre, _DUMP.format(address=address))]
    match contact.gre:
        case Echo.CAME:
            found.append(ok("gre", f"GRE goes to {address} and comes back.").of(tunnel))
        case Echo.SILENT:
            reason = reasons.GRE_UNTRACKED if untracked else reasons.GRE_BLOCKED
            found.append(failed("gre", Failure(reason), _DUMP.format(address=address)))
        case Echo.NEEDS_ROOT:
            found.append(unseen("gre", f"whether GRE comes back from {address}").of(tunnel))
    return found


_DUMP = "tcpdump -ni any proto 47 and host {address}"


def _who(said: Started) -> str:
    """What a server says of itself, most of which may be empty."""
    words = [f"vendor '{said.vendor}'"] if said.vendor else []
    words += [f"host name '{said.host}'"] if said.host else []
    return ", ".join([*words, f"firmware {said.firmware}"])


def passes(contacts: Collection[Contact], *, up: bool) -> bool:
    """Whether nothing stands in the way, by what was seen. up: a tunnel is."""
    return not any(contact.failed for contact in contacts) and (
        up or any(contact.gre is Echo.CAME for contact in contacts)
    )


def judge_up(server: str, address: str, tunnel: str) -> Finding:
    """A tunnel that is up has shown all that."""
    through = server if address in ("", server) else f"{server} ({address})"
    return ok("gre", f"The tunnel is up through {through}.").of(tunnel)


def judge_other(address: str, other: str, tunnel: str) -> Finding:
    """An address through which another tunnel is up: no second call is made to it."""
    return ok("gre", f"The tunnel {other} is up through {address}.").of(tunnel)


def judge_busy(state: str, tunnel: str) -> Finding:
    """A tunnel that is dialling is let be."""
    return unseen("gre", "the way to the server", f"the tunnel is {state} just now; ask again in a while").of(tunnel)
