"""What a name server may say: addresses that no server can have are let go."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from gi.repository import Gio

from pptpd_manager import reasons, resolver
from pptpd_manager.addresses import MOST, may_serve
from pptpd_manager.reasons import Failure

BAD = ("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.0.0.53", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255")


class Resolver:
    """Stands in for Gio's, which asks the machine's own name servers."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    def lookup_by_name_with_flags_async(self, _name: str, _flags: Any, _cancellable: Any, done: Any) -> None:
        done(self, None)

    def lookup_by_name_with_flags_finish(self, _result: Any) -> list[Gio.InetAddress]:
        return [Gio.InetAddress.new_from_string(address) for address in self._addresses]


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> object:
    """The addresses that are handed on, or the failure."""
    monkeypatch.setattr(Gio.Resolver, "get_default", staticmethod(lambda: Resolver(*addresses)))
    found: list[object] = []
    resolver.resolve(("vpn.example.com",), found.append, found.append)
    (only,) = found
    return only


@pytest.mark.parametrize("address", BAD)
def test_no_server_can_be_there(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert not may_serve(IPv4Address(address))
    told = f"vpn.example.com is {address}"
    assert resolved(monkeypatch, address) == Failure(reasons.NAME_MISLEADS, told)
    assert resolved(monkeypatch, address, "192.0.2.1") == (IPv4Address("192.0.2.1"),)


def test_a_message_about_many_addresses_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = resolved(monkeypatch, *(f"127.0.{n}.1" for n in range(100)))
    assert isinstance(failure, Failure) and len(failure.detail) == 120


def test_of_many_addresses_the_first_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that no server can have do not count, nor does the same one again."""
    many = [f"192.0.2.{n}" for n in range(1, 201)]
    told = [address for n, one in enumerate(many) for address in (one, one, f"127.0.0.{n % 256}")]
    assert resolved(monkeypatch, *told) == tuple(map(IPv4Address, many[:MOST]))
