from __future__ import annotations

from ipaddress import ip_address
from itertools import product

import pytest

from pptpd_manager.dns import DnsConfig, LinkDns, everything, of_peer, wanted

PEER, OTHER, SIX = (ip_address(text) for text in ("10.9.0.1", "192.168.10.53", "fd00::53"))


def test_servers_are_the_peers_first_then_the_named_ones_each_once() -> None:
    config = DnsConfig(peer=True, servers=(OTHER, PEER, SIX))
    found = wanted(config, [PEER], default_route=False)
    assert found and found.servers == (PEER, OTHER, SIX)


@pytest.mark.parametrize("config", [DnsConfig(), DnsConfig(search=("a.example",)), DnsConfig(peer=True)])
def test_without_a_server_nothing_is_wanted(config: DnsConfig) -> None:
    assert wanted(config, [], default_route=True) is None


def test_the_peers_servers_count_only_where_they_are_asked_for() -> None:
    assert wanted(DnsConfig(), [PEER], default_route=True) is None
    assert wanted(DnsConfig(servers=(OTHER,)), [PEER], default_route=False) == LinkDns((OTHER,), default_route=True)


@pytest.mark.parametrize(
    ("configured", "domains", "search", "tunnel"),
    product((None, True, False), ((), ("a",)), ((), ("b",)), (True, False)),
)
def test_which_names(configured: bool | None, domains: tuple[str, ...], search: tuple[str, ...], tunnel: bool) -> None:
    """Other names, too: as configured, else with the default route, or when there is nothing else to ask for."""
    config = DnsConfig(servers=(OTHER,), search=search, domains=domains, default_route=configured)
    rest = configured if configured is not None else tunnel or not (domains or search)
    assert everything(config, tunnel) is rest
    assert wanted(config, (), tunnel) == LinkDns((OTHER,), search, domains, rest, rest and tunnel)


def test_a_peer_may_name_anything() -> None:
    texts = [
        "10.9.0.1",
        "0.0.0.0",
        "127.0.0.53",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.1.1",
        "::1",
        "fe80::1",
        "",
        "x; y",
        "10.9.0.1",
    ]
    assert of_peer(texts) == (PEER,)
    assert of_peer(["fd00::53", "10.9.0.1"]) == (SIX, PEER)


@pytest.mark.parametrize(
    ("dns", "text"),
    [
        (LinkDns((PEER,)), "10.9.0.1 for nothing"),
        (LinkDns((PEER,), default_route=True), "10.9.0.1 for any name"),
        (LinkDns((PEER, SIX), default_route=True, alone=True), "10.9.0.1, fd00::53 for every name"),
        (LinkDns((PEER,), ("a",), ("b",)), "10.9.0.1 for a, b"),
        (LinkDns((PEER,), ("a",), ("b",), True, True), "10.9.0.1 for a, b, every other name"),
    ],
)
def test_in_words(dns: LinkDns, text: str) -> None:
    assert str(dns) == text
