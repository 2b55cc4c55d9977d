from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptpd_manager import mtu
from pptpd_manager.config import Mppe, TunnelConfig
from pptpd_manager.mtu import Bound, Learnt
from pptpd_manager.routes import Path

CONFIG = TunnelConfig(name="work", servers=("vpn.example.com",), username="alice", password="secret")
OFF, IPV6 = replace(CONFIG, mppe=Mppe.OFF), replace(CONFIG, ipv6=True)
SERVER = IPv4Address("203.0.113.1")
PATH = Path(2, IPv4Address("192.0.2.1"), mtu=1500)


@pytest.mark.parametrize(
    ("outside", "with_mppe", "without"),
    [
        (1500, 1456, 1460),
        (1492, 1448, 1452),  # PPPoE
        (0, 1456, 1460),
        (9000, 1456, 1460),
        (1280, 1236, 1240),
        (620, 576, 580),
        (619, 576, 579),
        (68, 576, 576),
    ],
)
def test_what_fits(outside: int, with_mppe: int, without: int) -> None:
    assert mtu.inside(CONFIG, outside, mppe=True) == with_mppe
    assert mtu.inside(CONFIG, outside, mppe=False) == without


def test_ipv6_keeps_what_it_needs() -> None:
    assert mtu.inside(IPV6, 1500, mppe=True) == 1456
    assert mtu.inside(IPV6, 1300, mppe=True) == 1280
    assert mtu.dialled(IPV6, 1300, plain=False) == (1284, 1284)
    assert mtu.following(IPV6, 1300, Bound("r", True, 1456, 1456)) == 1280


@pytest.mark.parametrize(
    ("config", "plain", "options"),
    [
        (CONFIG, False, (1460, 1460)),  # pppd takes MPPE_PAD off
        (CONFIG, True, (1460, 1460)),
        (OFF, False, (1460, 1460)),
        (replace(CONFIG, mtu=1400), False, (1400, 1460)),
        (replace(CONFIG, mtu=1500), False, (1500, 1500)),
        (replace(CONFIG, mru=1300), False, (1460, 1300)),
        (replace(CONFIG, mtu=1500, mru=1000), False, (1500, 1000)),
    ],
)
def test_what_pppd_is_told(config: TunnelConfig, plain: bool, options: tuple[int, int]) -> None:
    assert mtu.dialled(config, 1500, plain=plain) == options


@given(st.integers(620, 20000), st.booleans())
def test_what_pppd_makes_of_it_fits_and_the_next_larger_one_would_not(outside: int, encrypted: bool) -> None:
    """For a peer that asks for nothing, and an uplink as most are."""
    config = CONFIG if encrypted else OFF
    option, mru = mtu.dialled(config, outside, plain=False)
    link = min(option, mru, 1500) - (4 if encrypted else 0)  # lcp.c, ccp.c
    assert link == mtu.inside(config, outside, mppe=encrypted)
    around = 20 + 16 + 4 + (4 if encrypted else 0)
    assert link + around == min(outside, 1500)
    assert mtu.following(config, outside, Bound("r", encrypted, link, link)) == link


def test_it_follows_up_to_what_pppd_had_set_and_a_number_stays() -> None:
    bound = Bound("r", True, 1400, 1400)  # the peer asked for 1404
    assert [mtu.following(CONFIG, outside, bound) for outside in (1500, 1444, 1443, 1300)] == [1400, 1400, 1399, 1256]
    assert mtu.following(replace(CONFIG, mtu=1404), 1300, bound) == 1400


def test_the_word_of_a_router_counts_for_a_day_on_its_path_to_its_server() -> None:
    learnt = Learnt()
    learnt.note(PATH, SERVER, 1400, 100.0)
    assert learnt.bounded(PATH, SERVER, 1500, 101.0) == 1400
    assert learnt.bounded(replace(PATH, mtu=1300), SERVER, 1300, 101.0) == 1300
    assert learnt.bounded(PATH, SERVER, 0, 101.0) == 1400
    assert learnt.bounded(replace(PATH, interface=3), SERVER, 1500, 101.0) == 1500
    assert learnt.bounded(PATH, IPv4Address("203.0.113.2"), 1500, 101.0) == 1500
    assert learnt.bounded(PATH, SERVER, 1500, 100.0 + mtu.LEARNT_SECONDS) == 1500
