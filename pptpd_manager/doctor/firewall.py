"""This machine's packet filter: rules that PPTP does not get past. Pure. Of nftables and of iptables.

What rules do in all is not known from their texts alone: a rule that drops GRE or TCP port 1723 by its own words is
told, and a chain that drops what no rule accepts, when none of them can be one for GRE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pptpd_manager.doctor.finding import Finding, ok, problem, unseen, warning

_GRE = re.compile(r"(protocol|l4proto|-p)\s+(\{[^}]*)?\b(gre|47)\b")
_PORT = {side: re.compile(rf"\b{side}ports?\s+(\{{[^}}]*|\S*,)?\s*(1723|pptp)\b") for side in ("s", "d")}
_DROPS = re.compile(r"(^|\s|-j )(drop|reject|DROP|REJECT)\b")
_ACCEPTS = re.compile(r"(^|\s|-j )(accept|ACCEPT)\b")
# What only other packets than the server's GRE can be.
_OTHERS = re.compile(
    r"\b(tcp|udp|icmp|icmpv6|ipv6-icmp|igmp|sctp|esp|ah)\b|\bip6 |\b[io]if(name)? \"?lo\b|-[io] lo\b|ct status"
)
_KNOWN = re.compile(r"\b(established|related|ESTABLISHED|RELATED)\b")
_STATE = re.compile(r"ct state|--ctstate|--state")
_ANY = re.compile(r"(counter( packets \d+ bytes \d+)? )?(drop|reject\b.*)")
_JUMP = re.compile(r"(?:jump|goto|-j|-g) ([^\s,}]+)")
_NOT_IPV4 = ("ip6 ", "arp ", "bridge ")  # families of tables, and PPTP is IPv4's
_HANDLE = re.compile(r"\s*# handle (\d+)$")


@dataclass
class Chain:
    """A chain. hook: "input", "output", another one, or "" when it is only jumped to; where: to be named by."""

    where: str
    hook: str = ""
    policy: str = "accept"
    rules: list[tuple[str, str]] = field(default_factory=list)  # each rule, and the command that removes it


@dataclass(frozen=True)
class Firewall:
    """What was seen. nft: of `nft -a list ruleset`; iptables: of `iptables -S`; None: could not be asked for."""

    nft: str | None
    iptables: str | None
    helper: bool  # a call's GRE packets are 'related' to it


def of_nft(text: str) -> list[Chain]:
    """The chains for IPv4 in what `nft -a list ruleset` prints."""
    chains: list[Chain] = []
    table, inside = "", False
    for raw in text.splitlines():
        line = raw.strip()
        handle = _HANDLE.search(line)
        line = _HANDLE.sub("", line)
        if match := re.match(r"table (\S+ \S+) \{", line):
            table = match[1]
        elif table.startswith(_NOT_IPV4):
            continue
        elif match := re.match(r"chain (\S+) \{", line):
            chains.append(Chain(f"{table} {match[1]}"))
            inside = True
        elif line == "}":
            inside = False
        elif inside and (match := re.match(r"type \S+ hook (\S+)", line)):
            chains[-1].hook = match[1]
            if policy := re.search(r"policy (\w+);", line):
                chains[-1].policy = policy[1]
        elif inside and line:
            command = f"nft delete rule {chains[-1].where} handle {handle[1]}" if handle else "nft -a list ruleset"
            chains[-1].rules.append((line, command))
    return chains


def of_iptables(text: str) -> list[Chain]:
    """The chains in what `iptables -S` prints."""
    chains: dict[str, Chain] = {}
    for line in text.splitlines():
        action, _, rest = line.partition(" ")
        name, _, rule = rest.partition(" ")
        if action in ("-P", "-N"):
            hook = name.lower() if action == "-P" else ""
            chains[name] = Chain(f"iptables {name}", hook, rule.lower() or "accept")
        elif action == "-A" and name in chains:
            chains[name].rules.append((rule, f"iptables -D {name} {rule}"))
    return list(chains.values())


def judge(firewall: Firewall, *, proven: bool) -> list[Finding]:
    """The rules. proven: GRE was seen to come back, so none of them can be in the way."""
    if firewall.nft is None and firewall.iptables is None:
        return [unseen("firewall", "the rules of this machine's firewall")]
    chains = of_nft(firewall.nft or "") + of_iptables(firewall.iptables or "")
    if proven:
        return [ok("firewall", "This machine's firewall lets PPTP pass, as was seen.")]
    if not chains:
        return [ok("firewall", "This machine has no rules of a firewall.")]
    ways = [_reached(chain, chains) for chain in chains if chain.hook not in ("", "forward")]
    seen = {chain.where: chain for way in ways for chain in way}
    found = [finding for chain in seen.values() for finding in _rules(chain)]
    found = found or [finding for way in ways for finding in _policy(way, firewall)]
    return found or [ok("firewall", "No rule of this machine's firewall is seen to drop PPTP.")]


def _reached(chain: Chain, chains: Sequence[Chain]) -> list[Chain]:
    """The chain, and those of its table that its rules lead to."""
    table = chain.where.rpartition(" ")[0]
    named = {other.where.rpartition(" ")[2]: other for other in chains if other.where.rpartition(" ")[0] == table}
    found = [chain]
    for one in found:  # which grows
        for rule, _ in one.rules:
            for name in _JUMP.findall(rule):
                if name in named and named[name] not in found:
                    found.append(named[name])
    return found


def _rules(chain: Chain) -> list[Finding]:
    """Each rule that drops PPTP by its own words."""
    found = []
    for rule, command in chain.rules:
        if "!" in rule or not _DROPS.search(rule):
            continue
        sides = {"input": "s", "output": "d"}.get(chain.hook, "sd")
        what = "GRE" if _GRE.search(rule) else ""
        what = what or ("TCP port 1723" if any(_PORT[side].search(rule) for side in sides) else "")
        if what:
            meaning = f"A PPTP tunnel needs {what}; take the rule out unless it is for others."
            found.append(
                problem("firewall", f"The firewall here drops {what}: {chain.where}: {rule}", meaning, command)
            )
    return found


def _policy(way: Sequence[Chain], firewall: Firewall) -> list[Finding]:
    """A chain that drops the rest, when none of the rules on the way that begins there may be one that accepts GRE."""
    chain = way[0]
    if chain.hook not in ("input", "output"):
        return []
    drops = chain.policy == "drop" or any(_ANY.fullmatch(rule) or rule in _BARE for rule, _ in chain.rules)
    if not drops or any(_may_accept(rule, chain, firewall) for one in way for rule, _ in one.rules):
        return []
    family_table = " ".join(chain.where.split()[:2])
    command = (
        f"iptables -I {chain.where.split()[1]} -p gre -j ACCEPT"
        if family_table.startswith("iptables")
        else f"nft insert rule {chain.where} meta l4proto gre accept"
    )
    return [
        warning(
            "firewall",
            f"The firewall here drops what no rule accepts, and none is seen to accept GRE: {chain.where}.",
            "A PPTP tunnel needs IP protocol 47 (GRE) in both directions.",
            command,
        )
    ]


_BARE = ("-j DROP", "-j REJECT")


def _may_accept(rule: str, chain: Chain, firewall: Firewall) -> bool:
    """Whether a rule may accept the GRE packets of a call."""
    if not _ACCEPTS.search(rule) or (_OTHERS.search(rule) and not _GRE.search(rule)):
        return False
    if _STATE.search(rule) and not _GRE.search(rule):
        return firewall.helper and chain.hook == "input" and bool(_KNOWN.search(rule))
    return True
