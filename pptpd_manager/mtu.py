"""How large a packet inside of a tunnel may be, so that outside it leaves in one piece. Pure.

What is put around it on its way to the server, in bytes:

    20  IP, without options (RFC 791 section 3.1)
    16  GRE as PPTP has it: 8, the sequence number 4, an acknowledgment 4 (RFC 2637 section 4.1); pptp leaves the last
        one out of a packet when nothing has come in since the one before (pptp_gre.c, encaps_gre)
     4  PPP: address and control 2 (RFC 1662 section 3.1) and the protocol 2 (RFC 1661 section 2), which become 0 and 1
        where the server asks for it, as pppd does
     4  MPPE, where it is on: 2 for its flags and counter, and 2 for the packet's own protocol, which is encrypted with
        it and never shortened (RFC 3078 section 3; mppe_compress() in the kernel's ppp_mppe.c)

So 1460 of 1500, or 1456 with MPPE. By what may be left out, packets of up to 7 bytes more would leave in one piece now
and then; nobody is told when, so this counts what every server may have.

pppd (2.4.9 to 2.5.3) sets the interface's MTU when LCP is up, to the least of its options 'mtu' and 'mru' and of the
MRU that the peer asked for (lcp.c, lcp_up), and takes MPPE_PAD, 4, off when MPPE is agreed upon (ccp.c, ccp_reqci).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from pptpd_manager.config import Mppe, TunnelConfig
from pptpd_manager.routes import Path

IP, GRE, PPP, MPPE = 20, 16, 4, 4
ETHERNET = 1500  # not more: what lies beyond an uplink with larger packets is not known, and mostly has these
SMALLEST = 576  # what every host can take (RFC 791 section 3.1), and the least that the configuration takes
SMALLEST_IPV6 = 1280  # RFC 8200 section 5; with less the kernel takes IPv6 off an interface
LEARNT_SECONDS = 86400.0


@dataclass(frozen=True)
class Bound:
    """What a link that is up has to keep to. run: of which it is; mppe: whether it encrypts.

    ceiling: the MTU that pppd gave it, 0 when it may have given it another one since; told: the one that we gave it.
    """

    run: str
    mppe: bool
    ceiling: int
    told: int


def inside(config: TunnelConfig, outside: int, *, mppe: bool) -> int:
    """The MTU of a tunnel for which a packet on the way to the server may have outside bytes; 0: that is not known."""
    fits = min(outside or ETHERNET, ETHERNET) - IP - GRE - PPP - (MPPE if mppe else 0)
    return max(fits, SMALLEST_IPV6 if config.ipv6 else SMALLEST)


def dialled(config: TunnelConfig, outside: int, *, plain: bool) -> tuple[int, int]:
    """pppd's options 'mtu' and 'mru'. outside: as of inside(); plain: without MPPE this time.

    pppd takes MPPE's part off itself, from its own MTU and, being the server's as well, from what it is sent. Since it
    keeps its MTU to its MRU as well, an automatic MRU is at least an MTU that was asked for.
    """
    mppe = config.mppe is not Mppe.OFF and not plain
    fits = inside(config, outside, mppe=mppe) + (MPPE if mppe else 0)
    mtu = config.mtu or fits
    return mtu, config.mru or max(fits, config.mtu)


def following(config: TunnelConfig, outside: int, bound: Bound) -> int:
    """The MTU that a link should have now. Never more than pppd gave it: the peer may not take that."""
    return bound.ceiling if config.mtu else min(bound.ceiling, inside(config, outside, mppe=bound.mppe))


class Learnt:
    """What routers on the way have said that they take, for a day.

    The word of a router (ICMP, fragmentation needed) ends pptp, so it should not come again with each dial. The kernel
    keeps it for ten minutes, and loses it with the route to the server.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Path, IPv4Address], tuple[int, float]] = {}

    def note(self, path: Path, address: IPv4Address, mtu: int, now: float) -> None:
        """Packets to address by path may have mtu bytes at most. now: monotonic seconds."""
        self._known = {key: value for key, value in self._known.items() if now < value[1]}
        self._known[path, address] = mtu, now + LEARNT_SECONDS

    def bounded(self, path: Path, address: IPv4Address, mtu: int, now: float) -> int:
        """The largest packet to address by path, which as far as this machine can see is mtu."""
        known, until = self._known.get((path, address), (0, 0.0))
        return min(mtu or known, known) if known and now < until else mtu
