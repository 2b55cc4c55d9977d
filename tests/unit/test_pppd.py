from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from pptpd_manager import pppd
from pptpd_manager.config import Mppe, TunnelConfig
from pptpd_manager.dns import DnsConfig

CONFIG = TunnelConfig(name="work", servers=("vpn.example.com",), username="alice", password="secret", domain="CORP")
RUN = "0123456789abcdef0123456789abcdef"
ADDRESS = IPv4Address("203.0.113.1")


def test_the_whole_file() -> None:
    assert pppd.options(CONFIG, RUN, ADDRESS, path_mtu=1492).decode() == (
        "# run 0123456789abcdef0123456789abcdef of tunnel work: vpn.example.com is 203.0.113.1, path MTU 1492\n"
        'pty "exec\\040/usr/lib/pptp-manager/pptp-unit\\040call\\040work-01234567\\040203.0.113.1"\n'
        'ifname "pptp-work"\nlinkname "work"\nipparam "work"\nremotename "PPTP"\n'
        'user "CORP\\134alice"\npassword "secret"\n'
        "refuse-eap\nrefuse-pap\nrefuse-chap\nrefuse-mschap\nrequire-mppe-128\n"
        'mtu "1452"\nmru "1452"\nlcp-restart "2"\nlcp-max-terminate "1"\nlcp-max-configure "8"\nchap-timeout "15"\n'
        'lcp-echo-interval "2"\nlcp-echo-failure "8"\n'
        "nodetach\nnopersist\nup_sdnotify\nlogfd 1\nnoauth\nnoipdefault\nnodefaultroute\nnobsdcomp\n"
        "nodeflate\nnovj\nnovjccomp\nhide-password\nnoipv6\n"
        'ip-up-script "/usr/lib/pptp-manager/pptp-ip-up"\n'
    )


@pytest.mark.parametrize(
    ("mppe", "plain", "words"),
    [
        (Mppe.REQUIRE_128, False, {"require-mppe-128"}),
        (Mppe.REQUIRE, False, {"require-mppe-40", "require-mppe-128"}),
        (Mppe.OPTIONAL, False, {"require-mppe-40", "require-mppe-128"}),
        (Mppe.OPTIONAL, True, {"nomppe"}),
        (Mppe.OFF, False, {"nomppe"}),
    ],
)
def test_mppe(mppe: Mppe, plain: bool, words: set[str]) -> None:
    lines = pppd.options(replace(CONFIG, mppe=mppe), RUN, ADDRESS, plain=plain).decode().splitlines()
    assert {line for line in lines if "mppe" in line} == words


def test_extra_options_come_last_so_that_they_count() -> None:
    config = replace(CONFIG, pppd_options=("mppe-stateful", "idle 600"), dns=DnsConfig(peer=True))
    lines = pppd.options(config, RUN, ADDRESS).decode().splitlines()
    assert lines[-4:] == ["usepeerdns", f'set "PPTP_RUN={RUN}"', "mppe-stateful", "idle 600"]


def test_the_record_reads_back() -> None:
    record = pppd.record(pppd.options(CONFIG, RUN, ADDRESS))
    assert record == pppd.Record(RUN, "work", "vpn.example.com", ADDRESS)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"nodetach\n", b"# run x of tunnel work: a is b\n"])
def test_a_file_of_somebody_else_has_no_record(text: bytes) -> None:
    assert pppd.record(text) is None


@pytest.mark.parametrize("seconds", [5, 6, 20, 60, 600])
def test_pppd_gives_up_before_connect_timeout_does(seconds: int) -> None:
    text = pppd.options(replace(CONFIG, connect_timeout=seconds), RUN, ADDRESS).decode()
    restart, tries, chap = (
        int(re.findall(rf'^{name} "(\d+)"$', text, re.MULTILINE)[0])
        for name in ("lcp-restart", "lcp-max-configure", "chap-timeout")
    )
    assert 1 + restart * tries < seconds, "LCP begins a second after pppd (lcp.c, connect-delay)"
    assert chap < seconds and tries >= 1


def test_the_record_tells_what_the_dial_was_by() -> None:
    text = pppd.options(CONFIG, RUN, ADDRESS, path_mtu=1492)
    assert pppd.record(text) == pppd.Record(RUN, "work", "vpn.example.com", ADDRESS, 1492, True, 0)
    for plain in (
        pppd.options(CONFIG, RUN, ADDRESS, plain=True),
        pppd.options(replace(CONFIG, mppe=Mppe.OFF), RUN, ADDRESS),
    ):
        assert pppd.record(plain) == pppd.Record(RUN, "work", "vpn.example.com", ADDRESS, 0, False, 0)


def test_what_is_noted_since_is_told_apart_from_the_dial() -> None:
    text = pppd.options(replace(CONFIG, pppd_options=("debug # link MTU 1",)), RUN, ADDRESS)
    noted = pppd.noted(pppd.noted(text, 1456), 1400)
    assert noted == text + b"# link MTU 1400\n"
    record = pppd.record(noted)
    assert record and record.link_mtu == 1400
    assert pppd.as_dialled(noted) == text


def test_a_record_without_an_mtu_is_one() -> None:
    text = f"# run {RUN} of tunnel work: vpn.example.com is 203.0.113.1\nnomppe\n".encode()
    assert pppd.record(text) == pppd.Record(RUN, "work", "vpn.example.com", ADDRESS, 0, False, 0)


@pytest.mark.parametrize(
    ("changes", "alike"),
    [
        ({}, True),
        ({"persist": False}, True),
        ({"mtu": 1300}, False),
        ({"username": "bob"}, False),
        ({"credential": "b"}, False),
        ({"credential": "", "password_file": "/a"}, False),
        ({"credential": "", "ask_password": True}, False),
        ({"credential": "", "password": "x"}, False),
    ],
)
def test_another_password_from_the_same_place_is_no_other_dial(changes: dict[str, object], alike: bool) -> None:
    config = replace(CONFIG, password="", credential="a", mppe=Mppe.OPTIONAL)
    text = pppd.noted(pppd.options(config, RUN, ADDRESS, plain=True, path_mtu=1492, password=b"x"), 1400)
    assert pppd.dials_alike(text, replace(config, **changes), plain=True) is alike  # type: ignore[arg-type]


@pytest.mark.parametrize("mppe", Mppe)
@pytest.mark.parametrize("plain", [False, True])
def test_what_is_not_encrypted_dials_alike_where_it_need_not_be(mppe: Mppe, plain: bool) -> None:
    text = pppd.options(replace(CONFIG, mppe=Mppe.OPTIONAL), RUN, ADDRESS, plain=True)
    alike = mppe is Mppe.OFF or (mppe is Mppe.OPTIONAL and plain)
    assert pppd.dials_alike(text, replace(CONFIG, mppe=mppe), plain=plain) is alike


def test_another_password_in_the_configuration_is_another_dial() -> None:
    text = pppd.options(CONFIG, RUN, ADDRESS)
    assert pppd.dials_alike(text, CONFIG, plain=False)
    assert not pppd.dials_alike(text, replace(CONFIG, password="other"), plain=False)
    assert not pppd.dials_alike(b"", CONFIG, plain=False)
