"""OpenWrt's /etc/config/network -> YAML."""

from __future__ import annotations

import pytest

from pptpd_manager.imports.uci import sections
from unit.imported import config, drafts, yaml

FILE = "/etc/config/network"
# As ppp-mod-pptp of OpenWrt has it.
OPTIONS = {
    "/etc/ppp/options.pptp": "noipdefault\nnoauth\nnobsdcomp\nnodeflate\nidle 0\n"
    "mppe required,no40,no56,stateless\nmaxfail 0\n"
}
HEAD = """\
config interface 'loopback'
\toption device 'lo'
\toption proto 'static'

config interface 'work'
\toption proto 'pptp'
\toption server 'vpn.example.com'
\toption username 'CORP\\alice'
\toption password 'it'\\''s # 1'
"""


def body(more: str = "", sections: str = "") -> str:
    """The YAML of an interface with these options besides, without what each has."""
    options = "".join(f"\t{line}\n" for line in more.splitlines())
    found = yaml("openwrt", {FILE: f"{HEAD}{options}\n{sections}", **OPTIONS})
    head = "tunnels:\n  # from /etc/config/network:5, the interface work\n  work:\n"
    assert found.startswith(head)
    common = (
        "server: vpn.example.com",
        "username: 'alice'",
        "password: 'it''s # 1'",
        "domain: 'CORP'",
        "mppe: require-128",
    )
    for line in common:
        assert f"    {line}\n" in found
        found = found.replace(f"    {line}\n", "")
    return found.removeprefix(head)


NONE = "option defaultroute '0'\noption peerdns '0'\n"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", "    default-route: true\n    dns: true\n"),
        (NONE, ""),
        (
            NONE + "list dns '192.168.10.53'\nlist dns '192.168.10.54'",
            "    dns: {servers: [192.168.10.53, 192.168.10.54]}\n",
        ),
        (
            "option dns '192.168.10.53 192.168.10.54'\noption dns_search corp.example",
            "    default-route: true\n"
            "    dns: {servers: [peer, 192.168.10.53, 192.168.10.54], search: [corp.example]}\n",
        ),
        (NONE + "option mtu '1400'", "    mtu: 1400\n    mru: 1400\n"),
        (NONE + "option keepalive '10 6'", "    lcp-echo-interval: 6\n    lcp-echo-failure: 10\n"),
        (NONE + "option keepalive '10,6'", "    lcp-echo-interval: 6\n    lcp-echo-failure: 10\n"),
        (NONE + "option keepalive '10'", "    lcp-echo-interval: 5\n    lcp-echo-failure: 10\n"),
        (
            NONE + "option keepalive '0'",
            "    # /etc/config/network:12: keepalive: echo requests cannot be turned off; the default holds\n",
        ),
        (NONE + "option ipv6 '1'", "    ipv6: true\n"),
        (NONE + "option pppd_options 'debug idle 600'", "    pppd-options: ['debug', 'idle 600']\n"),
        (NONE + "option pppd_options 'refuse-pap lcp-echo-interval 7'", "    lcp-echo-interval: 7\n"),
        (NONE + "option ip4table '100'", "    table: 100\n"),
        (
            NONE + "option demand '60'",
            "    # /etc/config/network:12: demand: a tunnel is dialled when it is told to, not by the first packet\n",
        ),
        (NONE + "option auto '0'", "    # it was not connected at boot; no tunnel is before pptpctl enable\n"),
        (NONE + "option disabled '1'", "    # it was not connected at boot; no tunnel is before pptpctl enable\n"),
        (
            NONE + "option connect '/bin/x geheim'",
            "    # /etc/config/network:12: connect: a script: use the key 'hooks'\n",
        ),
        (NONE + "option Foo 'geheim'", "    # /etc/config/network:12: not understood\n"),
        (
            "option metric '10'",
            "    # /etc/config/network:10: metric: the default route has the manager's metric\n"
            "    default-route: true\n    dns: true\n",
        ),
    ],
)
def test_an_option(more: str, found: str) -> None:
    assert body(more) == found


ROUTE = "config route\n\toption interface 'work'\n\toption target '{}'\n"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (ROUTE.format("192.168.10.0/24"), "    routes: [192.168.10.0/24]\n"),
        (ROUTE.format("192.168.10.0") + "\toption netmask '255.255.255.0'\n", "    routes: [192.168.10.0/24]\n"),
        (ROUTE.format("192.168.10.7"), "    routes: [192.168.10.7]\n"),
        (
            ROUTE.format("10.0.0.0/8") + "\toption metric '5'\n\toption table '100'\n\toption gateway '10.9.0.1'\n",
            "    routes: [{prefix: 10.0.0.0/8, metric: 5, table: 100}]\n",
        ),
        (ROUTE.format("0.0.0.0/0"), "    default-route: true\n"),
        (
            ROUTE.format("0.0.0.0/0") + "\toption table '7'\n",
            "    # /etc/config/network:13: this route was not carried over: a default route in table 7; "
            "use the keys 'table'\n    # and 'default-route'\n",
        ),
        (
            ROUTE.format("10.0.0.0/8") + "\toption mtu '1300'\n\toption onlink '1'\n",
            "    # /etc/config/network:13: mtu, onlink of this route: there is no key for it\n"
            "    routes: [10.0.0.0/8]\n",
        ),
        (ROUTE.replace("route", "route6").format("2001:db8::/32"), "    routes: ['2001:db8::/32']\n    ipv6: true\n"),
        (ROUTE.format("10.0.0.0/8") + "\toption disabled '1'\n", ""),
        (ROUTE.replace("work", "lan").format("10.0.0.0/8"), ""),
        (ROUTE.format("geheim"), "    # /etc/config/network:13: this route is not understood\n"),
        (
            ROUTE.format("10.0.0.0/8") + "\toption type 'blackhole'\n",
            "    # /etc/config/network:13: a route of this type leads nowhere; a tunnel has none such\n",
        ),
    ],
)
def test_a_route(more: str, found: str) -> None:
    assert body(NONE, more) == found


def test_a_rule_into_its_table() -> None:
    rule = "config rule\n\toption lookup '100'\n\toption src '192.168.5.0/24'\n"
    note = "    # /etc/config/network:14: a rule leads into its table; write it as an item of 'rules'\n"
    assert body(NONE + "option ip4table '100'", rule) == note + "    table: 100\n"


def test_without_the_options_of_openwrt() -> None:
    found = yaml("openwrt", {FILE: HEAD})
    assert found == yaml("openwrt", {FILE: HEAD, "/etc/ppp/options.pptp": "lock\nusepeerdns\nrefuse-mschap-v2\n"})
    note = "the encryption is that of OpenWrt's /etc/ppp/options.pptp, which is not here: 128 bits required"
    assert f"    # {note}\n" in found and "    mppe: require-128\n" in found


def test_what_is_not_complete() -> None:
    found, _ = drafts("openwrt", {FILE: "config interface\n\toption proto pptp\n"})
    assert [(draft.name, draft.missing) for draft in found] == [("pptp", ["server", "username"])]


def test_how_it_is_turned_off() -> None:
    found, _ = drafts("openwrt", {FILE: HEAD})
    assert found[0].ends == ["# on the router: ifdown work; uci set network.work.disabled=1; uci commit network"]


def test_the_syntax() -> None:
    text = "package network\nconfig a b # c\n option x \"a\\\"'b\"c'd'\\ e # f\n"
    text += "\tlist l 1\nlist l '2 3'\nnonsense\noption 'x\n"
    found, unread = sections(text)
    assert [(one.kind, one.name, one.options, one.lists) for one in found] == [
        ("a", "b", {"x": "a\"'bcd e"}, {"l": ["1", "2 3"]})
    ]
    assert unread == [6, 7]


def test_a_line_that_is_not_understood_is_told_without_its_words() -> None:
    assert "# /etc/config/network:10: not understood\n" in yaml("openwrt", {FILE: HEAD + "geheim geheim\n"})
    assert config("openwrt", {FILE: HEAD + "geheim geheim\n"}).tunnels["work"].password == "it's # 1"
