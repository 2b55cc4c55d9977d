"""The rules that keep forwarded TCP connections to the MTU of a tunnel: nftables in text. Pure.

A router's case: the ends of such a connection know nothing of the tunnel, and where the ICMP that would tell them is
dropped on the way, their full packets vanish. So the maximum segment size that each end announces in its SYN is made
smaller on its way through: TCP's payload of a packet that fits. The kernel never makes it larger (nft_exthdr.c).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TABLE = "inet pptp-manager"
TCP = 20  # without options (RFC 9293 section 3.1); so are the headers of IP (RFC 791) and IPv6 (RFC 8200)
IP, IPV6 = 20, 40
_SYN = "tcp flags & (syn | rst) == syn tcp option maxseg size set"

# At once also where there is none: adding a table that is there is no error, deleting one that is not would be.
REMOVAL = f"add table {TABLE}\ndelete table {TABLE}\n"


def ruleset(mtus: Mapping[str, int]) -> str:
    """What nft(8) is to do, in one transaction: our table with the rules for these interfaces, or no table at all.

    mtus: by interface. What leaves through the tunnel is kept to the MTU of its route (`rt mtu`), which may be less
    than the interface's; what comes out of it has another route, so there the interface's MTU counts.
    """
    if not mtus:
        return REMOVAL
    rules = "".join(f"\t\t{rule}\n" for name, mtu in sorted(mtus.items()) for rule in _rules(name, mtu))
    chain = f"\tchain forward {{\n\t\ttype filter hook forward priority mangle; policy accept;\n{rules}\t}}\n"
    return f"{REMOVAL}table {TABLE} {{\n{chain}}}\n"


def fault(words: Iterable[str]) -> str:
    """Why nft did not do it, of the lines that it wrote: what the first of its errors says."""
    lines = [line.strip() for line in words if line.strip()]
    errors = [line.partition("Error: ")[2] for line in lines if "Error: " in line]
    return (errors or lines or ["nft failed without a word"])[0]


def _rules(name: str, mtu: int) -> list[str]:
    return [
        f'oifname "{name}" {_SYN} rt mtu',
        f'iifname "{name}" meta nfproto ipv4 {_SYN} {mtu - IP - TCP}',
        f'iifname "{name}" meta nfproto ipv6 {_SYN} {mtu - IPV6 - TCP}',
    ]
