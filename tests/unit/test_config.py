"""Every message of the configuration compared whole; any text ends in a Config or a ConfigError."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import itertools
import pathlib
import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pptpd_manager import config, document, keys, options
from pptpd_manager.config import Config, ConfigError, Mppe, Problem, TunnelConfig, parse
from pptpd_manager.dns import DnsConfig
from pptpd_manager.hooks import Hooks
from pptpd_manager.routing import RouteEntry, RuleEntry, Scope

ROOT = pathlib.Path(__file__).parents[2]
START = ROOT / "etc" / "pptp-manager.yaml"
EXAMPLE = ROOT / "etc" / "pptp-manager.example.yaml"
OTHER = "    server: vpn.example.net\n    username: alice\n"  # what the tunnels with other passwords begin with
BASE = "tunnels:\n  work:\n    server: vpn.example.com\n    username: alice\n    password: s3cret\n"
CANARY = "Zq$9!canary.x7W"

MPPE = "require-128, require, optional, off"
PREFIX = "a prefix such as 192.168.10.0/24"
IPV4 = "an IPv4 address (four numbers 0..255 with dots)"
A_NAME = "a host name (letters, digits, inner hyphens and dots)"
NOT_A_KEY = "not a key; is a blank missing after a colon, or are quotes around a text?"
ESCAPE = '(in double quotes a backslash begins an escape, "\\\\" is a backslash)'
MERGE = "merge keys (<<) are not supported; put shared keys under 'defaults'"
ITSELF = "the password itself goes under 'password:'"
OTHERS = " (or password-file, credential, ask-password: true)"
TAG = "a YAML tag; text that begins with ! needs quotes"


LOADERS = sorted({yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)}, key=str)


@contextlib.contextmanager
def using(loader: type) -> Iterator[None]:
    """Read YAML with PyYAML's own parser or libyaml's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_LOADER", loader)
        yield


def messages(text: str) -> list[str]:
    """The lines of the error that text ends in; none if it is good."""
    try:
        parse(text, "f")
    except ConfigError as error:
        assert str(error) == "\n".join(map(str, error.problems))
        assert list(error.problems) == sorted(set(error.problems))
        return str(error).splitlines()
    return []


def entry(prefix: str) -> RouteEntry:
    return RouteEntry(ip_network(prefix))


def tunnel(lines: str = "", base: str = BASE) -> TunnelConfig:
    return parse(f"{base}    {lines}\n", "f").tunnels["work"]


# One line (line 6, from column 5) added to a good tunnel -> the one message, without file and line.
LINE = [
    # texts
    ("domain: no", "13: tunnels.work.domain: expected text, got a bool; write it in quotes"),
    ("domain: Off", "13: tunnels.work.domain: expected text, got a bool; write it in quotes"),
    ("domain: 0123", "13: tunnels.work.domain: expected text, got a number; write it in quotes"),
    ("domain: 1_000", "13: tunnels.work.domain: expected text, got a number; write it in quotes"),
    ("domain: 12:30", "13: tunnels.work.domain: expected text, got a number; write it in quotes"),
    ("domain: 1.5", "13: tunnels.work.domain: expected text, got a number; write it in quotes"),
    ("domain: 2024-01-31", "13: tunnels.work.domain: expected text, got a date; write it in quotes"),
    ("domain: null", "13: tunnels.work.domain: expected text, got null; write it in quotes"),
    ("domain: ~", "13: tunnels.work.domain: expected text, got null; write it in quotes"),
    ("users: [0123]", "13: tunnels.work.users[0]: expected text, got number '0123'; write \"0123\" in quotes"),
    ("users: [~]", "13: tunnels.work.users[0]: expected text, got null '~'; write \"~\" in quotes"),
    (f"users: [{'1' * 61}]", "13: tunnels.work.users[0]: expected text, got a number; write it in quotes"),
    ("domain: " + "1" * 61, "13: tunnels.work.domain: expected text, got a number; write it in quotes"),
    ("domain:", "12: tunnels.work.domain: expected text, got nothing"),
    ("domain: [a]", "13: tunnels.work.domain: expected text, got a list"),
    ("domain: {a: b}", "13: tunnels.work.domain: expected text, got a mapping"),
    ("domain: ''", "13: tunnels.work.domain: must not be empty; leave the key out for no domain"),
    ("domain: A\\B", "13: tunnels.work.domain: must not hold a backslash"),
    ('domain: "CORP\\alice"', f"13: tunnels.work.domain: character 5 is a control character {ESCAPE}"),
    ('domain: "CORP\\Peter"', f"13: tunnels.work.domain: character 5 is a control character {ESCAPE}"),
    ("domain: !secret x", f"13: tunnels.work.domain: {TAG}"),
    ("domain: !!str x", f"13: tunnels.work.domain: {TAG}"),
    ("domain: *x", "13: tunnels.work.domain: an alias of nothing; text that begins with * needs quotes"),
    # choices
    ("mppe: no", f"11: tunnels.work.mppe: 'no' is not one of {MPPE}"),
    ("mppe: 128", f"11: tunnels.work.mppe: '128' is not one of {MPPE}"),
    ('mppe: "a\\nb"', f"11: tunnels.work.mppe: 'a\\nb' is not one of {MPPE}"),
    ("mppe: " + "x" * 61, f"11: tunnels.work.mppe: '{'x' * 60}...' is not one of {MPPE}"),
    ("mppe:", f"10: tunnels.work.mppe: expected one of {MPPE}, got nothing"),
    ("mppe: [off]", f"11: tunnels.work.mppe: expected one of {MPPE}, got a list"),
    # true and false
    ("persist: yes", "14: tunnels.work.persist: expected true or false, got 'yes'; write true"),
    ("persist: On", "14: tunnels.work.persist: expected true or false, got 'On'; write true"),
    ("persist: y", "14: tunnels.work.persist: expected true or false, got 'y'; write true"),
    ("persist: no", "14: tunnels.work.persist: expected true or false, got 'no'; write false"),
    ("persist: OFF", "14: tunnels.work.persist: expected true or false, got 'OFF'; write false"),
    ("persist: 1", "14: tunnels.work.persist: expected true or false, got '1'"),
    (
        "persist: 'true'",
        "14: tunnels.work.persist: expected true or false, got text 'true'; remove the quotes",
    ),
    ("persist: 'x'", "14: tunnels.work.persist: expected true or false, got text 'x'"),
    ("persist:", "13: tunnels.work.persist: expected true or false, got nothing"),
    ("persist: []", "14: tunnels.work.persist: expected true or false, got a list"),
    # whole numbers
    ("mtu: 575", "10: tunnels.work.mtu: 575 is not in 576..1500 bytes"),
    ("mtu: 1501", "10: tunnels.work.mtu: 1501 is not in 576..1500 bytes"),
    ("mru: 575", "10: tunnels.work.mru: 575 is not in 576..1500 bytes"),
    ("mru: 1501", "10: tunnels.work.mru: 1501 is not in 576..1500 bytes"),
    ("lcp-echo-interval: 0", "24: tunnels.work.lcp-echo-interval: 0 is not in 1..3600 seconds"),
    ("lcp-echo-interval: 3601", "24: tunnels.work.lcp-echo-interval: 3601 is not in 1..3600 seconds"),
    ("lcp-echo-failure: 0", "23: tunnels.work.lcp-echo-failure: 0 is not in 1..100 requests"),
    ("lcp-echo-failure: 101", "23: tunnels.work.lcp-echo-failure: 101 is not in 1..100 requests"),
    ("connect-timeout: 4", "22: tunnels.work.connect-timeout: 4 is not in 5..600 seconds"),
    ("connect-timeout: 601", "22: tunnels.work.connect-timeout: 601 is not in 5..600 seconds"),
    ("mtu: -1", "10: tunnels.work.mtu: -1 is not in 576..1500 bytes"),
    ("mtu: " + "9" * 5000, f"10: tunnels.work.mtu: {'9' * 18}... is not in 576..1500 bytes"),
    ("mtu: 0123", "10: tunnels.work.mtu: '0123' has a leading zero, YAML reads it as octal 83; write 123"),
    ("mtu: 0899", "10: tunnels.work.mtu: '0899' has a leading zero; write 899"),
    ("mtu: 1_000", "10: tunnels.work.mtu: '1_000' has an underscore; write 1000"),
    ("mtu: 12:30", "10: tunnels.work.mtu: expected a whole number, got '12:30'"),
    ("mtu: 0x578", "10: tunnels.work.mtu: expected a whole number, got '0x578'"),
    ("mtu: 1e3", "10: tunnels.work.mtu: expected a whole number, got '1e3'"),
    ("mtu: +700", "10: tunnels.work.mtu: expected a whole number, got '+700'"),
    ("mtu: 700.0", "10: tunnels.work.mtu: expected a whole number, got '700.0'"),
    ("mtu: ~", "10: tunnels.work.mtu: expected a whole number, got '~'"),
    ("mtu: '700'", "10: tunnels.work.mtu: expected a whole number, got text '700'; remove the quotes"),
    ("mtu: 'x'", "10: tunnels.work.mtu: expected a whole number, got text 'x'"),
    ("mtu:", "9: tunnels.work.mtu: expected a whole number, got nothing"),
    ("mtu: {}", "10: tunnels.work.mtu: expected a whole number, got a mapping"),
    # lists
    ("routes: 10.0.0.0/8", "13: tunnels.work.routes: expected a list, got text; put [ ] around it"),
    ("routes:", "12: tunnels.work.routes: expected a list, got nothing; write [] for none"),
    ("routes: {a: b}", "13: tunnels.work.routes: expected a list, got a mapping"),
    ("routes: *x", "13: tunnels.work.routes: an alias of nothing; text that begins with * needs quotes"),
    (f"routes: [{'a,' * 1001}]", "13: tunnels.work.routes: has 1001 items; at most 1000"),
    # keys
    ("usrname: bob", "5: tunnels.work.usrname: unknown key; did you mean 'username'?"),
    ("Domain: bob", "5: tunnels.work.Domain: unknown key; did you mean 'domain'?"),
    (
        "lcp_echo_interval: 3",
        "5: tunnels.work.lcp_echo_interval: unknown key; did you mean 'lcp-echo-interval'?",
    ),
    ("user: bob", "5: tunnels.work.user: unknown key; did you mean 'username'?"),
    ("gateway: vpn", "5: tunnels.work.gateway: unknown key; did you mean 'server'?"),
    ("remote: vpn", "5: tunnels.work.remote: unknown key; did you mean 'server'?"),
    (
        "require-mppe-128: true",
        "5: tunnels.work.require-mppe-128: unknown key; did you mean 'mppe: require-128'?",
    ),
    ("nomppe: true", "5: tunnels.work.nomppe: unknown key; did you mean 'mppe: off'?"),
    ("defaultroute: true", "5: tunnels.work.defaultroute: unknown key; did you mean 'default-route'?"),
    ("nodefaultroute: true", "5: tunnels.work.nodefaultroute: unknown key; did you mean 'default-route'?"),
    ("zzzzz: {a: *b}", "5: tunnels.work.zzzzz: unknown key"),
    ("server: b", "5: tunnels.work.server: given twice (first at line 3)"),
    ("'server': b", "5: tunnels.work.server: given twice (first at line 3)"),
    ("password: [other]", "5: tunnels.work.password: given twice (first at line 5)"),
    ("<<: {a: b}", f"5: tunnels.work: {MERGE}"),
    ("<<: *x", f"5: tunnels.work: {MERGE}"),
    ("a b: 1", f"5: tunnels.work: {NOT_A_KEY}"),
    ("password:hunter2: 1", f"5: tunnels.work: {NOT_A_KEY}"),
    ("'': 1", f"5: tunnels.work: {NOT_A_KEY}"),
    ("x" * 65 + ": 1", f"5: tunnels.work: {NOT_A_KEY}"),
    ("!a b: 1", f"5: tunnels.work: {TAG}"),
    ("[a]: 1", "5: tunnels.work: expected a key, got a list"),
    ("{a: b}: 1", "5: tunnels.work: expected a key, got a mapping"),
]


@pytest.mark.parametrize(("line", "message"), LINE, ids=[line[:30] for line, _ in LINE])
def test_line(line: str, message: str) -> None:
    assert messages(f"{BASE}    {line}\n") == [f"f:6:{message}"]


SERVERS = [
    ("''", "must not be empty"),
    ("no", "expected text, got a bool; write it in quotes"),
    ("300.1.1.1", f"'300.1.1.1' is not {IPV4}"),
    ("10.1", f"ends in a number and is not {IPV4}"),
    ("10.0.0.01", f"'10.0.0.01' is not {IPV4}"),
    ("10.0.0.1.", f"ends in a number and is not {IPV4}"),
    ("12", f"ends in a number and is not {IPV4}"),
    ("0x7f.1", f"ends in a number and is not {IPV4}"),
    ("vpn.12", f"ends in a number and is not {IPV4}"),
    ("0.0.0.0", "'0.0.0.0' cannot be a server's address"),
    ("224.0.0.1", "'224.0.0.1' cannot be a server's address"),
    ("255.255.255.255", "'255.255.255.255' cannot be a server's address"),
    ("2001:db8::1", "'2001:db8::1' is an IPv6 address; PPTP runs over IPv4 only"),
    ("'[2001:db8::1]'", "'[2001:db8::1]' is an IPv6 address; PPTP runs over IPv4 only"),
    ("'[::1]:1723'", "'[::1]:1723' is an IPv6 address; PPTP runs over IPv4 only"),
    ("a.example:1723", "holds a colon; PPTP's port is always 1723, write the host alone"),
    ("10.0.0.1:1723", "holds a colon; PPTP's port is always 1723, write the host alone"),
    ("pptp://a:pw@b", "write the host alone, not a URL or user@host"),
    ("127.0.0.1", "'127.0.0.1' cannot be a server's address"),
    ("0.1.2.3", "'0.1.2.3' cannot be a server's address"),
    ("240.0.0.1", "'240.0.0.1' cannot be a server's address"),
    ("s3cret!", f"character 7 is none of {A_NAME}"),
    ("alice:s3cret", "holds a colon; PPTP's port is always 1723, write the host alone"),
    ("a@b", "write the host alone, not a URL or user@host"),
    ("a_b", f"character 2 is none of {A_NAME}"),
    ("-a", f"label 1 is not one of {A_NAME}"),
    ("a..b", f"label 2 is not one of {A_NAME}"),
    ("a b", f"character 2 is none of {A_NAME}"),
    ('"a\\0b"', f"character 2 is none of {A_NAME}"),
    ("bücher.example", "is not ASCII; write an international name in its xn-- form"),
    (f"{'a' * 64}.b", "label 1 has 64 characters; at most 63"),
    (f"{'a.' * 126}aa", "a host name of 254 characters; at most 253"),
]


@pytest.mark.parametrize(("server", "message"), SERVERS)
def test_server_refused(server: str, message: str) -> None:
    assert messages(BASE.replace("vpn.example.com", server)) == [f"f:3:13: tunnels.work.server: {message}"]


SERVERS_TAKEN = [
    *("a", "A-1.b", "192.0.2.1", "223.255.255.255", "vpn.example.com.", "1and1.example", "a.4c"),
    f"{'a.' * 126}a",
]


@pytest.mark.parametrize("server", SERVERS_TAKEN)
def test_server_taken(server: str) -> None:
    assert tunnel(base=BASE.replace("vpn.example.com", server)).server == server


PREFIXES = [
    (
        "192.168.10.5/24",
        "192.168.10.5/24 has host bits set; did you mean 192.168.10.0/24 or 192.168.10.5/32?",
    ),
    ("10.0.0.1/0", "10.0.0.1/0 has host bits set; did you mean 0.0.0.0/0 or 10.0.0.1/32?"),
    ("0.0.0.0/0", "write default-route: true"),
    ("default", "write default-route: true"),
    ("fe80::/10", "fe80::/10 is link-local: every link has its own"),
    ("2001:db8::1%eth0", f"'2001:db8::1%eth0' is not {PREFIX}"),
    ("ff02::1", "ff02::1/128 is a multicast prefix"),
    ("2001:db8::1/32", "2001:db8::1/32 has host bits set; did you mean 2001:db8::/32 or 2001:db8::1/128?"),
    ("2001:db8::/129", f"'2001:db8::/129' is not {PREFIX}"),
    ("::/0", "write default-route: true"),
    ("127.0.0.1", "127.0.0.1/32 is a loopback prefix"),
    ("127.0.0.0/8", "127.0.0.0/8 is a loopback prefix"),
    ("224.0.0.0/4", "224.0.0.0/4 is a multicast prefix"),
    ("239.1.1.1", "239.1.1.1/32 is a multicast prefix"),
    ("255.255.255.255", "255.255.255.255/32 is the broadcast address"),
    ("0.0.0.0", "0.0.0.0/32 is in 0.0.0.0/8, which cannot be routed"),
    ("10.0.0.0/33", f"'10.0.0.0/33' is not {PREFIX}"),
    ("10.0.0.0/08", f"'10.0.0.0/08' is not {PREFIX}"),
    ("10.0.0.0/", f"'10.0.0.0/' is not {PREFIX}"),
    ("10.0.0.0/8/8", f"'10.0.0.0/8/8' is not {PREFIX}"),
    ("10.0.0.0/255.0.0.0", f"'10.0.0.0/255.0.0.0' is not {PREFIX}"),
    ("10.1", f"'10.1' is not {PREFIX}"),
    ("10/8", f"'10/8' is not {PREFIX}"),
    ("office", f"'office' is not {PREFIX}"),
    ("''", f"'' is not {PREFIX}"),
    ("no", "expected text, got bool 'no'; write \"no\" in quotes"),
    ("[]", "expected text, got a list"),
    ("172.16.0.0/12", "172.16.0.0/12 is in the list twice (first at [0])"),
]


@pytest.mark.parametrize(("prefix", "message"), PREFIXES)
def test_prefix_refused(prefix: str, message: str) -> None:
    text = f"{BASE}    routes: [172.16.0.0/12, {prefix if ':' not in prefix else repr(prefix)}]\n"
    assert messages(text) == [f"f:6:29: tunnels.work.routes[1]: {message}"]


def test_prefixes_taken() -> None:
    expected = tuple(map(entry, ("0.0.0.0/1", "128.0.0.0/1", "10.0.0.1/32", "192.168.10.0/24")))
    assert tunnel("routes: [0.0.0.0/1, 128.0.0.0/1, 10.0.0.1, 192.168.10.0/24]").routes == expected


NO_GATEWAY = "makes no sense: a tunnel has one other end, so its routes need no gateway and no interface"
# One line as in LINE, and what is wrong with it where.
ROUTING = [
    ("routes: [{metric: 5}]", "14: tunnels.work.routes[0]: 'prefix' is missing"),
    (
        "routes: [{prefix: 10.0.0.1/8}]",
        "23: tunnels.work.routes[0].prefix: 10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8 or 10.0.0.1/32?",
    ),
    ("routes: [{prefix: 10.0.0.0/8, via: 10.9.0.1}]", "35: tunnels.work.routes[0].via: " + NO_GATEWAY),
    ("routes: [{prefix: 10.0.0.0/8, gateway: 1}]", "35: tunnels.work.routes[0].gateway: " + NO_GATEWAY),
    (
        "routes: [{prefix: 10.0.0.0/8, metrik: 1}]",
        "35: tunnels.work.routes[0].metrik: unknown key; did you mean 'metric'?",
    ),
    (
        "routes: [{prefix: 10.0.0.0/8, zzz: 1}]",
        "35: tunnels.work.routes[0].zzz: unknown key; known are prefix, metric, table, source, scope",
    ),
    ("routes: [{prefix: 10.0.0.0/8, metric: -1}]", "43: tunnels.work.routes[0].metric: -1 is not in 0..4294967293"),
    (
        "routes: [{prefix: 10.0.0.0/8, table: 0}]",
        "42: tunnels.work.routes[0].table: 0 is not a routing table; a number, 1..4294967295",
    ),
    (
        "routes: [{prefix: 10.0.0.0/8, table: 4294967296}]",
        "42: tunnels.work.routes[0].table: 4294967296 is not a routing table; a number, 1..4294967295",
    ),
    ("routes: [{prefix: 10.0.0.0/8, source: 10.9}]", "43: tunnels.work.routes[0].source: '10.9' is not an IP address"),
    (
        "routes: [{prefix: 'fd00::/8', source: 'fe80::1%eth0'}]",
        "43: tunnels.work.routes[0].source: 'fe80::1%eth0': leave out the % and what follows; the interface is the "
        "tunnel's",
    ),
    (
        'routes: [{prefix: 10.0.0.0/8, source: "fd00::1"}]',
        "14: tunnels.work.routes[0]: the source fd00::1 is not of the same family as 10.0.0.0/8",
    ),
    (
        "routes: [{prefix: 10.0.0.0/8, scope: site}]",
        "42: tunnels.work.routes[0].scope: 'site' is not one of link, global",
    ),
    (
        "routes: [{prefix: 10.0.0.0/8, scope: link, scope: link}]",
        "48: tunnels.work.routes[0].scope: given twice (first at line 6)",
    ),
    (
        'routes: ["fd00::/8"]',
        "5: tunnels.work.routes: fd00::/8 is IPv6, which this tunnel does not carry; set ipv6: true",
    ),
    ("table: 255", "12: tunnels.work.table: 255 is the kernel's table of local addresses; take another number"),
    ("table: 172", "12: tunnels.work.table: 172 is the table of guarded tunnels; take another number"),
    ("table: main", "12: tunnels.work.table: main is not a routing table; a number, 1..4294967295"),
    (
        "rules: [{fwmark: 1}]",
        "5: tunnels.work.rules: every packet looks into the main table anyway; give this tunnel a 'table' of its own",
    ),
    (
        "rules: [{priority: 7}]",
        "13: tunnels.work.rules[0]: would lead every packet;"
        " name 'from', 'fwmark' or 'uid-range', or use default-route: true",
    ),
    ("rules: [{from: 0.0.0.0/0}]", "20: tunnels.work.rules[0].from: 0.0.0.0/0 is every address; leave 'from' out"),
    (
        "rules: [{fwmark: 0x11/0x10}]",
        "22: tunnels.work.rules[0].fwmark: 0x11/0x10: the mark has bits that the mask does not,"
        " so no packet would ever have it",
    ),
    ("rules: [{fwmark: red}]", "22: tunnels.work.rules[0].fwmark: red is not a mark such as 0x10 or 0x10/0xff"),
    (
        "rules: [{uid-range: 9-1}]",
        "25: tunnels.work.rules[0].uid-range: 9-1: a range goes from the lower to the higher user id, 0..4294967294",
    ),
    (
        "rules: [{uid-range: bob}]",
        "25: tunnels.work.rules[0].uid-range: bob is not a user id or a range such as 1000-1999",
    ),
    ("guard: true", "5: tunnels.work.guard: there is nothing to guard; give routes, or default-route: true"),
    ("dns: {servers: [10.9]}", "21: tunnels.work.dns.servers[0]: '10.9' is not an IP address, and not 'peer'"),
    ("dns: {servers: []}", "10: tunnels.work.dns: no server is named; write servers: [peer], or dns: false"),
    (
        "dns: {search: [~corp.example]}",
        "20: tunnels.work.dns.search[0]: '~corp.example': leave the ~ out;"
        " 'domains' are routing-only, 'search' are not",
    ),
    (
        "dns: {search: [a.example], domains: [a.example]}",
        "10: tunnels.work.dns: a.example is a search domain and a routing-only one; which?",
    ),
    ("dns: peer", "10: tunnels.work.dns: expected true or false, got 'peer'"),
    ("hooks: {up: [true]}", "18: tunnels.work.hooks.up[0]: expected text, got bool 'true'; write \"true\" in quotes"),
    (
        "hooks: {up: [notify]}",
        "18: tunnels.work.hooks.up[0]: notify is not a whole path such as /usr/local/sbin/notify",
    ),
    ('hooks: {up: ["/bin/x \'a"]}', "18: tunnels.work.hooks.up[0]: not a command: no closing quotation"),
    ("hooks: {start: []}", "13: tunnels.work.hooks.start: unknown key; known are up, down, failed"),
    ("mtu: none", "10: tunnels.work.mtu: expected a whole number, got 'none'"),
]
WHO = [
    ("users: alice", "12: tunnels.work.users: expected a list, got text; put [ ] around it"),
    (
        "users: [1000]",
        "13: tunnels.work.users[0]: expected text, got number '1000'; write \"1000\" in quotes",
    ),
    ('users: ["1000"]', "13: tunnels.work.users[0]: '1000' is a number; give the name of the account, not its id"),
    ("users: [bob, 'a:b']", "18: tunnels.work.users[1]: an account's name does not hold ':'"),
    ("users: [bob, bob]", "18: tunnels.work.users[1]: bob is in the list twice (first at [0])"),
    ("groups: [-x]", "14: tunnels.work.groups[0]: an account's name does not begin with '-'"),
    ("allow-users: [bob]", "5: tunnels.work.allow-users: unknown key; did you mean 'users'?"),
    ("group: [bob]", "5: tunnels.work.group: unknown key; did you mean 'groups'?"),
]


@pytest.mark.parametrize(("line", "message"), WHO)
def test_who_may_act_refused(line: str, message: str) -> None:
    assert messages(f"{BASE}    {line}\n") == [f"f:6:{message}"]


def test_who_may_act_taken() -> None:
    found = tunnel("users: [alice, 'CORP\\\\bob']\n    groups: [vpn, domain users]".replace("\\\\", "\\"))
    assert (found.users, found.groups) == (("alice", "CORP\\bob"), ("vpn", "domain users"))
    assert (tunnel("users: []").users, tunnel("users: []").groups) == ((), ())


def test_who_may_act_is_no_part_of_how_it_is_dialled() -> None:
    assert tunnel("users: [alice]") == tunnel("groups: [vpn]")


@pytest.mark.parametrize(("line", "message"), ROUTING)
def test_routing_refused(line: str, message: str) -> None:
    assert messages(f"{BASE}    {line}\n") == [f"f:6:{message}"]


def test_routing_taken() -> None:
    lines = """routes: [{prefix: 10.0.0.0/8, metric: 5, table: 0x64, source: 10.9.0.2, scope: global}]
    table: 200
    rules: [{from: 10.1.0.0/16, priority: 9}, {fwmark: 0x1/0xff}, {uid-range: 1000-1999}, {uid-range: 7}]
    dns: {servers: [peer, 10.0.0.53, "fd00::53"], search: [Corp.Example.],
          domains: [lab.example], default-route: false}
    mtu: auto
    hooks: {up: ["/bin/echo 'a b' c"]}"""
    found = tunnel(lines)
    assert found.routes == (RouteEntry(ip_network("10.0.0.0/8"), 5, 100, ip_address("10.9.0.2"), Scope.GLOBAL),)
    assert (found.table, found.mtu) == (200, 0)
    assert [str(rule) for rule in found.rules] == [
        "from 10.1.0.0/16 priority 9",
        "fwmark 0x1/0xff",
        "uid-range 1000-1999",
        "uid-range 7-7",
    ]
    servers = (ip_address("10.0.0.53"), ip_address("fd00::53"))
    assert found.dns == DnsConfig(True, servers, ("corp.example",), ("lab.example",), False)
    assert found.hooks.up == (("/bin/echo", "a b", "c"),)
    assert tunnel("dns: false").dns == DnsConfig()


OPTIONS = [
    ("", "must not be empty"),
    (" ", "must not be empty"),
    ("#debug", "names no option"),
    ('""', "names no option"),
    ('idle "600', 'the quote " is not closed'),
    ("idle '600", "the quote ' is not closed"),
    ("idle 600\\", "ends with a backslash"),
    ("\\", "ends with a backslash"),
    ("idle 600\nnodetach", "must be one line without control characters"),
    ("idle\t600", "must be one line without control characters"),
    ("set A=" + "x" * 995, "has 1001 bytes; at most 1000"),
    ("password hunter2", "'password' cannot be set here: use the key 'password'"),
    ('"pass"wo\\162d hunter2', "'password' cannot be set here: use the key 'password'"),
    ("\\160ersist", "'persist' cannot be set here: the manager dials again by itself; use the key 'persist'"),
    ("\\x70ersist", "'persist' cannot be set here: the manager dials again by itself; use the key 'persist'"),
    ("\\560ersist", "'persist' cannot be set here: the manager dials again by itself; use the key 'persist'"),
    ("persist\\0x", "holds an escape for a NUL character"),
    ("persist\\x", "holds an escape for a NUL character"),
    ("ipparam x", "'ipparam' cannot be set here: ipparam is the tunnel's name"),
    ("idle 600 nodetach", "'nodetach' looks like a second option; write one in each item"),
    ('idle 600 "nodetach"', "'nodetach' looks like a second option; write one in each item"),
    ("idle 600 debug", "'debug' looks like a second option; write one in each item"),
    ("debug 'persist'", "'persist' looks like a second option; write one in each item"),
    ("radius-x 600 \\x6eodetach", "'nodetach' looks like a second option; write one in each item"),
    ("idle", "'idle' takes one argument and not 0; text with blanks needs quotes"),
    ("debug 7", "'debug' takes no argument and not 1; text with blanks needs quotes"),
    ("set A=a b", "'set' takes one argument and not 2; text with blanks needs quotes"),
    ("/dev/ttyS0", "a device cannot be set here: the manager starts pptp itself; use the key 'server'"),
    ("plugin /tmp/x.so", "a plugin is one of pppd's own, or a file below /usr/lib"),
    ("plugin ../x.so", "a plugin is one of pppd's own, or a file below /usr/lib"),
    ("plugin /usr/lib/../../tmp/x.so", "a plugin is one of pppd's own, or a file below /usr/lib"),
    ("plugin passwordfd.so", f"the plugin passwordfd.so cannot be used here: {options._ASKS}"),
    ("plugin /usr/lib/pppd/2.4.9/rp-pppoe.so", f"the plugin rp-pppoe.so cannot be used here: {options._CHANNEL}"),
    ("plugin \\160ppoatm.so", f"the plugin pppoatm.so cannot be used here: {options._CHANNEL}"),
    *(
        (f"{name} {file}", f"'{name}' takes a file below /etc, /usr or /opt, where nobody but root can change it")
        for name in ("net-init-script", "ipv6-up-script")
        for file in ("/tmp/x", "/home/alice/x", "x", "/etc/../tmp/x", "'/usr/a b'", "/var/lib/x")
    ),
    ("set PPTP_RUN=0", "the variables PPTP_... are the manager's"),
    ("unset \\120PTP_RUN", "the variables PPTP_... are the manager's"),
]


@pytest.mark.parametrize(("option", "message"), OPTIONS)
def test_option_refused(option: str, message: str) -> None:
    quoted = '"' + option.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
    assert messages(f"{BASE}    pppd-options: [{quoted}]\n") == [f"f:6:20: tunnels.work.pppd-options[0]: {message}"]


NAMED_OPTIONS = """
user name password remotename ifname unit linkname pty connect file call nodetach detach
updetach up_sdnotify persist nopersist maxfail holdoff demand logfd logfile nolog mtu mru noipv6 ip-up-script
lcp-echo-interval lcp-echo-failure usepeerdns
defaultroute nodefaultroute replacedefaultroute require-mppe require-mppe-128
require-mppe-40 nomppe nomppe-128 nomppe-40 refuse-eap refuse-pap refuse-chap refuse-mschap refuse-mschap-v2
auth ipparam sync
"""


@pytest.mark.parametrize("option", sorted({*NAMED_OPTIONS.split(), *options.ADVICE}))
def test_option_of_the_manager(option: str) -> None:
    message = f"'{option}' cannot be set here: {options.ADVICE[option]}"
    assert messages(f"{BASE}    pppd-options: ['{option} x']\n") == [
        f"f:6:20: tunnels.work.pppd-options[0]: {message}"
    ]
    for name in re.findall("use the key '(.*)'", options.ADVICE[option]):
        assert name in keys.BY_NAME


def test_options_taken() -> None:
    taken = (
        "debug",
        "idle 600",
        "plugin minconn.so",
        "plugin /usr/lib/pppd/2.4.9/radius.so",
        "ipv6-up-script /usr/local/sbin/six-up",
        "net-down-script /etc/ppp/net-down",
        "radius-config-file /etc/radius 7",
        "10.1.2.3:10.1.2.4",
        'set A="a \' b"',
        'domain "call"',
        "debug # nodetach",
    )
    written = ", ".join("'" + text.replace("'", "''") + "'" for text in taken)
    assert tunnel(f"pppd-options: [{written}]").pppd_options == taken


@pytest.mark.parametrize(
    ("line", "words"),
    [  # each seen with pppd 2.4.9, which names the first word in "unrecognized option"
        ('zz"a b"c d', ["zza bc", "d"]),
        ("zz\\ b c", ["zz b", "c"]),
        ("zz#b c", ["zz"]),
        ("\"a'b\" 'a\\'b'", ["a'b", "a'b"]),
        ("  a   b  ", ["a", "b"]),
        ("''", [""]),
        ("# a", []),
        (r"\160ersis\x74 \s\n\q\1609", ["persist", " \nqp9"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert options.words(line) == words


PASSWORDS = [
    ("no", "expected text, got a bool; write it in quotes"),
    ("0123", "expected text, got a number; write it in quotes"),
    ("12:30", "expected text, got a number; write it in quotes"),
    ("2024-01-31", "expected text, got a date; write it in quotes"),
    ("~", "expected text, got null; write it in quotes"),
    ("#hunter2", "expected text, got nothing"),
    ("&hunter2", "expected text, got nothing"),
    ("*hunter2", "an alias of nothing; text that begins with * needs quotes"),
    ("!hunter2", TAG),
    ("[hunter2]", "expected text, got a list"),
    ("{hunter2: hunter2, hunter2: x}", "expected text, got a mapping"),
    ("''", "must not be empty"),
    ('"a\\0b"', "must not hold a NUL character"),
    ("x" * 256, "has 256 bytes in UTF-8; at most 255"),
    ("é" * 128, "has 256 bytes in UTF-8; at most 255"),
]


@pytest.mark.parametrize(("password", "message"), PASSWORDS)
def test_password_refused(password: str, message: str) -> None:
    column = {"#hunter2": 14}.get(password, 15)
    assert messages(BASE.replace("s3cret", password)) == [f"f:5:{column}: tunnels.work.password: {message}"]


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ('"pa$$ w\\"ord"', 'pa$$ w"ord'),
        ("'it''s'", "it's"),
        ("'123'", "123"),
        ("pa$$w\\ord", "pa$$w\\ord"),
        ('"a\\nb\\x7f\\u2028"', "a\nb\x7f\u2028"),
        ("pässwörd", "pässwörd"),
        ("x" * 255, "x" * 255),
        ("|-\n      two\n      lines", "two\nlines"),
    ],
)
def test_password_taken(written: str, password: str) -> None:
    found = tunnel(base=BASE.replace("s3cret", written))
    assert found.password == password
    assert password not in repr(found)


# Whole documents -> all their messages, without the file.
DOCUMENTS = [
    ("", ["1:1: 'tunnels' is missing"]),
    ("# nothing\n", ["1:1: 'tunnels' is missing"]),
    ("defaults: {}\n", ["1:1: 'tunnels' is missing"]),
    ("~", ["1:1: expected a mapping, got null"]),
    ("text", ["1:1: expected a mapping, got text"]),
    ("- a", ["1:1: expected a mapping, got a list"]),
    ("!x {}", [f"1:1: {TAG}"]),
    ("tunnels: []", ["1:10: tunnels: expected a mapping, got a list"]),
    ("tunnels: no", ["1:10: tunnels: expected a mapping, got a bool"]),
    ("tunnel: {}", ["1:1: tunnel: unknown key; did you mean 'tunnels'?"]),
    ("tunnels: {}\ndefault: {}", ["2:1: default: unknown key; did you mean 'defaults'?"]),
    ("tunnels: {}\nmtu: 1400", ["2:1: mtu: belongs under 'tunnels', in a tunnel, or under 'defaults'"]),
    ("tunnels: {}\ntunnels: {a: {}}", ["2:1: tunnels: given twice (first at line 1)"]),
    ("tunnels: {}\n<<: {}", [f"2:1: {MERGE}"]),
    ("tunnels: {a: x}", ["1:14: tunnels.a: expected a mapping, got text"]),
    (
        "tunnels: {a: 1}\ndefaults: x",
        [
            "1:14: tunnels.a: expected a mapping, got a number",
            "2:11: defaults: expected a mapping, got text",
        ],
    ),
    (
        "tunnels: {a: }",
        [
            f"1:11: tunnels.a: '{name}' is missing{more}"
            for name, more in (("password", OTHERS), ("server", ""), ("username", ""))
        ],
    ),
    (
        "tunnels: {a: {usrname: x, server: x, pass: x}}",
        [
            "1:15: tunnels.a.usrname: unknown key; did you mean 'username'?",
            "1:38: tunnels.a.pass: unknown key; did you mean 'password'?",
        ],
    ),
    (
        "defaults: {server: b, username: c, password: no, mtu: 1}\ntunnels: {a: , b: {mtu: 2}, c: {mtu: 1000}}",
        [
            "1:46: defaults.password: expected text, got a bool; write it in quotes",
            "1:55: defaults.mtu: 1 is not in 576..1500 bytes",
            "2:25: tunnels.b.mtu: 2 is not in 576..1500 bytes",
        ],
    ),
    ("defaults: {name: x}\ntunnels: {}", ["1:12: defaults.name: unknown key; did you mean 'username'?"]),
    ("tunnels: {}\n---\ntunnels: {}", ["2:1: a second document begins here; the file holds one"]),
    ("tunnels: &a [*a]", ["1:10: tunnels: expected a mapping, got a list"]),
    ("tunnels: &a {b: *a}", ["1:17: tunnels.b: an alias of a list or mapping inside itself"]),
    (
        "tunnels:\n  a: &a {server: b, username: c, password: d}\n  b: *a",
        ["3:6: tunnels.b: an alias of a mapping; put shared keys under 'defaults'"],
    ),
    ("tunnels: " + "[" * 300_000, ["1:25: nested deeper than 16"]),
    ("a: &a [" + "x," * 999 + "]\nb: [" + "*a," * 100 + "]", ["2:146: more than 50000 values"]),
    ("a: &a x\nb: [" + "*a," * 300 + "]", ["2:773: more than 256 aliases"]),
    (
        "tunnels: {}\n# \x07",
        ["2:3: a control character; write it as an escape such as \\x1b in double quotes"],
    ),
    ("\ud800", ["1:1: a control character; write it as an escape such as \\x1b in double quotes"]),
]


@pytest.mark.parametrize(("text", "expected"), DOCUMENTS, ids=[repr(text[:30]) for text, _ in DOCUMENTS])
def test_document(text: str, expected: list[str]) -> None:
    assert messages(text) == [f"f:{line}" for line in expected]


NAMES = [
    ("a b", "", "character 2 of this name is not one of A-Z a-z 0-9 _ -"),
    ("büro", "", "character 2 of this name is not one of A-Z a-z 0-9 _ -"),
    ("''", "", "a tunnel's name must not be empty"),
    ("x" * 65, "", "the name is 55 too long; at most 10 characters"),
    ("-a", ".-a", "a tunnel's name begins with a letter or digit, not with '-'"),
    ("_", "._", "a tunnel's name begins with a letter or digit, not with '_'"),
    ("abcdefghijk", ".abcdefghijk", "the name is 1 too long; at most 10 characters"),
]


@pytest.mark.parametrize(("name", "path", "message"), NAMES)
def test_name_refused(name: str, path: str, message: str) -> None:
    assert messages(BASE.replace("work", name)) == [f"f:2:3: tunnels{path}: {message}"]


@pytest.mark.parametrize("name", ["a", "0", "no", "0123", "A_b-c-9999", "password"])
def test_name_taken(name: str) -> None:
    assert list(parse(BASE.replace("work", name), "f").tunnels) == [name]
    assert len(config.interface_name(name)) <= 15


def test_interface_name() -> None:
    assert config.interface_name("work") == "pptp-work"


def refuse(*methods: str) -> str:
    return "".join(f"\n    refuse-{method}: true" for method in methods)


CLASHES = [
    (
        "domain: " + "x" * 250,
        BASE,
        "4:5: tunnels.work.username: the login has 256 bytes in UTF-8; at most 255 (DOMAIN\\username)",
    ),
    (
        "domain: D",
        BASE.replace("alice", "'C\\alice'"),
        "6:5: tunnels.work.domain: the username names a domain already, before its backslash",
    ),
    (
        "mtu: 1400",
        "defaults:\n  domain: D\n" + BASE.replace("alice", "'C\\alice'"),
        "4:3: tunnels.work.domain: the username names a domain already, before its backslash",
    ),
    (
        "mtu: 1400",
        BASE.replace("alice", "x" * 256),
        "4:5: tunnels.work.username: the login has 256 bytes in UTF-8; at most 255",
    ),
    ("mtu: 1400", BASE.replace("alice", "''"), "4:15: tunnels.work.username: must not be empty"),
    (
        "refuse-mschap-v2: true",
        BASE,
        "2:3: tunnels.work: every way to log in is refused; set refuse-mschap-v2: false",
    ),
    (
        "refuse-mschap-v2: true\n    refuse-eap: false",
        BASE,
        "2:3: tunnels.work.mppe: require-128 needs MS-CHAP; set refuse-mschap-v2: false or mppe: off",
    ),
    (
        "mppe: require\n    refuse-mschap-v2: true\n    refuse-eap: false",
        BASE,
        "6:5: tunnels.work.mppe: require needs MS-CHAP; set refuse-mschap-v2: false or mppe: off",
    ),
]


@pytest.mark.parametrize(("line", "base", "message"), CLASHES)
def test_clash(line: str, base: str, message: str) -> None:
    assert messages(f"{base}    {line}\n") == [f"f:{message}"]


def test_clash_beside_a_wrong_value() -> None:
    assert messages(f"{BASE}    mtu: 1{refuse('mschap-v2')}\n") == [
        "f:2:3: tunnels.work: every way to log in is refused; set refuse-mschap-v2: false",
        "f:6:10: tunnels.work.mtu: 1 is not in 576..1500 bytes",
    ]


def test_no_clash() -> None:
    assert tunnel("refuse-mschap-v2: true\n    refuse-mschap: false").mppe is Mppe.REQUIRE_128
    assert tunnel("refuse-mschap-v2: true\n    refuse-pap: false\n    mppe: off").mppe is Mppe.OFF
    assert tunnel("refuse-mschap-v2: true\n    refuse-pap: false\n    mppe: optional").mppe is Mppe.OPTIONAL
    assert tunnel(base=BASE.replace("alice", "'CORP\\alice'")).login == "CORP\\alice"


def test_login() -> None:
    assert tunnel().login == "alice"
    assert tunnel("domain: CORP").login == "CORP\\alice"


def test_minimal_tunnel_has_all_defaults() -> None:
    expected = TunnelConfig(name="work", servers=("vpn.example.com",), username="alice", password="s3cret")
    assert parse(BASE, "f") == Config({"work": expected})


def test_each_key_reaches_its_field() -> None:
    text = """
defaults: {lcp-echo-interval: 7, mtu: 1000, routes: [10.0.0.0/8]}
tunnels:
  b:
    server: 192.0.2.1
    username: alice
    password: "x"
    domain: CORP
    mppe: require
    refuse-eap: false
    refuse-pap: false
    refuse-chap: false
    refuse-mschap: false
    refuse-mschap-v2: true
    routes: [192.168.10.0/24]
    default-route: true
    mtu: 1001
    mru: 1002
    lcp-echo-failure: 8
    persist: false
    connect-timeout: 9
    table: 100
    rules: [{fwmark: 0x10}]
    guard: true
    ipv6: true
    clamp-mss: true
    dns: true
    hooks: {up: [/bin/true]}
    users: [carol]
    groups: [vpn]
    pppd-options: [debug]
  a: {server: c, username: d, password: e}
"""
    found = parse(text, "f")
    assert list(found.tunnels) == ["b", "a"]
    assert found.tunnels["b"] == TunnelConfig(
        name="b",
        servers=("192.0.2.1",),
        username="alice",
        password="x",
        domain="CORP",
        mppe=Mppe.REQUIRE,
        refuse_eap=False,
        refuse_pap=False,
        refuse_chap=False,
        refuse_mschap=False,
        refuse_mschap_v2=True,
        routes=(entry("192.168.10.0/24"),),
        default_route=True,
        mtu=1001,
        mru=1002,
        lcp_echo_interval=7,
        lcp_echo_failure=8,
        persist=False,
        connect_timeout=9,
        table=100,
        rules=(RuleEntry(fwmark=(0x10, 0xFFFFFFFF)),),
        guard=True,
        ipv6=True,
        clamp_mss=True,
        dns=DnsConfig(peer=True),
        hooks=Hooks(up=(("/bin/true",),)),
        pppd_options=("debug",),
    )
    assert (found.tunnels["b"].users, found.tunnels["b"].groups) == (("carol",), ("vpn",))
    assert found.tunnels["a"].routes == (entry("10.0.0.0/8"),)
    assert found.tunnels["a"].mtu == 1000


@pytest.mark.parametrize("loader", LOADERS)
def test_a_billion_laughs(loader: type) -> None:
    """Nine lists of nine of the list before."""
    lists = ["defaults:", "  routes: &a [lol, lol, lol]"]
    lists += [f"  k{n}: &{chr(ord('a') + n)} [{', '.join(['*' + chr(ord('a') + n - 1)] * 9)}]" for n in range(1, 10)]
    with using(loader):
        found = messages("\n".join([*lists, "tunnels:", "  work: {routes: *j}"]))
    assert len(found) < 40 and all(len(message) < 300 for message in found)


def test_aliases_of_texts_and_lists() -> None:
    text = "defaults: {routes: &r [10.0.0.0/8], mtu: &m 1000, username: &u b}\ntunnels:\n"
    text += "  a: {server: *u, password: c, routes: *r, mru: *m}\n"
    found = parse(text, "f").tunnels["a"]
    assert (found.server, found.routes, found.mru) == ("b", (entry("10.0.0.0/8"),), 1000)


@pytest.mark.parametrize(("word", "value"), [("true", True), ("True", True), ("TRUE", True), ("False", False)])
def test_flag(word: str, value: bool) -> None:
    assert tunnel(f"default-route: {word}").default_route is value


@pytest.mark.parametrize(
    "text", ["tunnels:", "tunnels: {}", "\ufefftunnels: {}", "%YAML 1.1\n---\ntunnels: {}\n...\n"]
)
def test_no_tunnels(text: str) -> None:
    assert parse(text, "f") == Config({})


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "text",
    [
        "tunnels: [",
        "a: 'b",
        "\t- a",
        "a: b: c",
        "@",
        '"\\q"',
        "%YAML 3.0\n--- a",
        "!x!y z",
        "*a$b",
        '"\\UFFFFFFFF"',
    ],
)
def test_syntax_error(loader: type, text: str) -> None:
    with using(loader):
        (line,) = messages(text)
    assert re.fullmatch(r"f:[12]:[0-9]+: not valid YAML(: [ -~]+)?", line)
    assert "$" not in line and "@" not in line


def test_config_cannot_be_changed() -> None:
    source = {"work": tunnel()}
    found = Config(source)
    source.clear()
    assert list(found.tunnels) == ["work"]
    with pytest.raises(TypeError):
        found.tunnels["b"] = tunnel()  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.tunnels["work"].mtu = 1  # type: ignore[misc]


def test_problem() -> None:
    assert str(Problem("f", 1, 2, "a", "b")) == "f:1:2: a: b"
    assert str(Problem("f", 1, 2, "", "b")) == "f:1:2: b"
    assert str(Problem("f", 0, 0, "", "b")) == "f: b"
    two, one = Problem("f", 10, 1, "", "b"), Problem("f", 9, 1, "", "b")
    assert ConfigError([two, one, two]).problems == (one, two)


def test_table_agrees_with_dataclass() -> None:
    key_of = {"servers": "server"}  # which takes one or several
    names = [key_of.get(field.name, field.name).replace("_", "-") for field in dataclasses.fields(TunnelConfig)]
    assert ["name", *keys.BY_NAME] == names
    for name, field in zip(names[1:], dataclasses.fields(TunnelConfig)[1:], strict=True):
        assert keys.BY_NAME[name].default == (None if field.default is dataclasses.MISSING else field.default)


def served(text: str) -> str:
    """BASE with that as its server."""
    return re.sub(r"server: .*", f"server: {text}", BASE)


def test_a_server_or_several() -> None:
    assert tunnel(base=served("[vpn.example.com]")) == tunnel(base=served("vpn.example.com"))
    assert tunnel(base=served("[192.0.2.1, vpn.example.com]")).servers == ("192.0.2.1", "vpn.example.com")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[]", "server: the list is empty; at least one"),
        ("[a.example, a.example]", "server[1]: a.example is in the list twice (first at [0])"),
        ("[a.example, '::1']", "server[1]: '::1' is an IPv6 address; PPTP runs over IPv4 only"),
        ("{a: b}", "server: expected text, got a mapping"),
    ],
)
def test_servers_that_are_wrong(given: str, message: str) -> None:
    (line,) = messages(served(given))
    assert line.endswith(f": tunnels.work.{message}")


# What is given instead of "password: s3cret" in BASE, under defaults or in the tunnel -> the messages.
BESIDE = "'{}' is given as well; the password comes from one place"
SOURCES = [
    ("", "", [f"2:3: tunnels.work: 'password' is missing{OTHERS}"]),
    ("", "ask-password: false", [f"2:3: tunnels.work: 'password' is missing{OTHERS}"]),
    ("ask-password: true", "ask-password: false", [f"3:3: tunnels.work: 'password' is missing{OTHERS}"]),
    ("", "password: a\n    credential: b", [f"6:5: tunnels.work.credential: {BESIDE.format('password')}"]),
    (
        "",
        "ask-password: true\n    password-file: /a\n    password: b",
        [
            f"6:5: tunnels.work.password-file: {BESIDE.format('ask-password')}",
            f"7:5: tunnels.work.password: {BESIDE.format('ask-password')}",
        ],
    ),
    ("credential: b, password: a", "", [f"3:3: tunnels.work.password: {BESIDE.format('credential')}"]),
    ("", "ask-password: yes", ["5:19: tunnels.work.ask-password: expected true or false, got 'yes'; write true"]),
    ("", "ask-password: s3cret", [f"5:19: tunnels.work.ask-password: expected true or false, got text; {ITSELF}"]),
    ("", "ask-password: 's3cret'", [f"5:19: tunnels.work.ask-password: expected true or false, got text; {ITSELF}"]),
    ("", "ask-password: 5678", [f"5:19: tunnels.work.ask-password: expected true or false, got a number; {ITSELF}"]),
    (
        "",
        "ask-password: 'true'",
        ["5:19: tunnels.work.ask-password: expected true or false, got text 'true'; remove the quotes"],
    ),
    ("", "askpass: true", ["5:5: tunnels.work.askpass: unknown key; did you mean 'ask-password: true'?"]),
    (
        "",
        "password-file: secret",
        [f"5:20: tunnels.work.password-file: must be a whole path, such as /etc/pptp-work.password; {ITSELF}"],
    ),
    ("", 'password-file: "/a\\n"', ["5:20: tunnels.work.password-file: must be one line without control characters"]),
    (
        "",
        "password-file: /root/work",
        [
            "5:20: tunnels.work.password-file: the manager cannot see what is in /root (its sandbox); "
            "put the file elsewhere"
        ],
    ),
    ("", "credential: ''", ["5:17: tunnels.work.credential: must not be empty"]),
    *(
        (
            "",
            f"credential: {name}",
            [
                "5:17: tunnels.work.credential: "
                f"must be a name of at most 255 letters, digits, _ . @ + and -, and no path; {ITSELF}"
            ],
        )
        for name in ("/etc/work", "a/b", "..", "a b", "a:b", "wörk", "a" * 256)
    ),
]


@pytest.mark.parametrize(("defaults", "given", "expected"), SOURCES)
def test_where_the_password_comes_from_refused(defaults: str, given: str, expected: list[str]) -> None:
    text = BASE.replace("password: s3cret", given)
    text = f"defaults: {{{defaults}}}\n{text}" if defaults else text
    assert messages(text) == [f"f:{line}" for line in expected]


SOURCES_TAKEN: list[tuple[str, str, dict[str, object]]] = [
    ("", "password-file: /etc/work file", {"password_file": "/etc/work file"}),
    ("", "credential: work.vpn@office", {"credential": "work.vpn@office"}),
    ("", "ask-password: true", {"ask_password": True}),
    ("ask-password: true", "", {"ask_password": True}),
    ("ask-password: true", "credential: work", {"credential": "work"}),
    ("password: a", "ask-password: true", {"ask_password": True}),
    ("ask-password: true", "ask-password: false\n    password: b", {"password": "b"}),
]


@pytest.mark.parametrize(("defaults", "given", "source"), SOURCES_TAKEN)
def test_where_the_password_comes_from_taken(defaults: str, given: str, source: dict[str, object]) -> None:
    text = f"defaults: {{{defaults}}}\n" + BASE.replace("password: s3cret", given)
    plain = TunnelConfig(name="work", servers=("vpn.example.com",), username="alice")
    assert parse(text, "f").tunnels["work"] == dataclasses.replace(plain, **source)  # type: ignore[arg-type]


def test_the_first_configuration_has_no_tunnel() -> None:
    assert parse(START.read_text(), "f") == Config({})


def test_the_first_configuration_uncommented_is_a_tunnel() -> None:
    text = re.sub(r"(?m)^( +)# ([a-z]+:( |$))", r"\1\2", START.read_text())
    (found,) = parse(text, "f").tunnels.values()
    assert found == dataclasses.replace(tunnel(), password="secret", routes=(entry("192.168.10.0/24"),))


def test_the_example_has_each_key() -> None:
    text = EXAMPLE.read_text()
    work, *others = parse(text, "f").tunnels.values()
    for key in keys.KEYS:
        (given_,) = re.findall(rf"(?m)^    {key.name}: (.+)$", text[text.index("tunnels:") :].replace(OTHER, ""))
        assert given_ == key.example
    assert work.password and [one.name for one in others if not one.password] == ["home", "lab", "cafe"]


@pytest.mark.parametrize("module", ["document", "values", "addresses", "options", "secret", "keys", "config"])
def test_module_is_pure(module: str) -> None:
    tree = ast.parse((ROOT / "pptpd_manager" / f"{module}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"os", "sys", "io", "pathlib", "socket", "time", "logging", "gi", "subprocess"}


@pytest.mark.parametrize("loader", LOADERS)
@given(text=st.text(st.characters(), max_size=60))
def test_any_text(loader: type, text: str) -> None:
    with using(loader):
        messages(text)


YAML_BITS = st.sampled_from([*":-?[]{}&*!|>'\"%@#,\\\n\t ", "\n  ", ": ", "- ", "<<", "no", "0", "&a ", "*a", "\x07"])


@pytest.mark.parametrize("loader", LOADERS)
@given(bits=st.lists(YAML_BITS | st.sampled_from(["tunnels", "work", "server", "password"]), max_size=40))
def test_any_yaml(loader: type, bits: list[str]) -> None:
    with using(loader):
        messages("".join(bits))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A good file with a few characters put in or taken out anywhere but inside the password.

    The server, which messages show, comes after it: no mutation makes the password a part of it.
    """
    quote = draw(st.sampled_from(["", "'", '"']))
    text = f"tunnels:\n  work:\n    username: alice\n    password: {quote}{CANARY}{quote}\n"
    text += "    server: vpn.example.com\n    mtu: 1400\n    routes: [10.0.0.0/8]\n  home: {}\n"
    for _ in range(draw(st.integers(1, 3))):
        at = text.index(CANARY)
        place = draw(st.integers(0, at) | st.integers(at + len(CANARY), len(text)))
        room = at - place if place <= at else len(text) - place
        gone = draw(st.integers(0, min(12, room)))
        text = text[:place] + draw(st.just("") | YAML_BITS) + text[place + gone :]
    return text


@pytest.mark.parametrize("loader", LOADERS)
@settings(max_examples=250, deadline=None)
@given(text=mutated())
def test_password_in_no_message(loader: type, text: str) -> None:
    try:
        with using(loader):
            found = parse(text, "f")
    except ConfigError as error:
        assert CANARY not in str(error) + repr(error) + repr(error.problems)
        assert error.__cause__ is None and (error.__suppress_context__ or error.__context__ is None)
    else:
        for one in found.tunnels.values():
            assert CANARY not in one.password or CANARY not in repr(one)


# What a password looks like to YAML, and how it may stand behind a key that it does not belong to.
PASSWORDS_ANYWHERE = [
    *(
        CANARY,
        "Zq9canary!",
        "Zq9 canary",
        "alice:Zq9canary",
        "alice@Zq9canary",
        "Zq9canary:1723",
        "-Zq9canary",
        "Zq9..x",
    ),
    *("82736455190", "082736455190", "8273.645519", "8273.64.55", "0x8273645519ab", "8_273_645_519", "8273:64:55"),
    *("1987-06-05", "Zq9canärÿ", "Zq9canary.82736", "!Zq9canary", "&Zq9canary", "*Zq9canary", "#Zq9canary"),
]
STYLES = {
    "plain": "{}",
    "single": "'{}'",
    "double": '"{}"',
    "list": "['{}']",
    "bare list": "[{}]",
    "mapping": "{{a: '{}'}}",
    "key": "{{'{}': a}}",
    "block": "|\n      {}",
    "tagged": "!x {}",
    "control": '"{}\\x07"',
    "long": "'{0}" + "x" * 300 + "'",
}
NEAR = ("server", "username", "domain", "password", "password-file", "credential", "ask-password")


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("key", NEAR)
def test_a_password_behind_another_key_is_in_no_message(loader: type, key: str) -> None:
    """Of the right and of wrong kinds, in a tunnel and under defaults. What a key takes is in no message either."""
    refused = set()
    for password, (style, form) in itertools.product(PASSWORDS_ANYWHERE, STYLES.items()):
        line = f"{key}: {form.format(password)}"
        lines = [one for one in BASE.splitlines() if not one.strip().startswith(f"{key}:")]
        if key in {source.name for source in keys.SOURCES}:
            lines = [one for one in lines if "password:" not in one]
        whole = "\n".join(lines)
        for text in (f"{whole}\n    {line}\n    mtu: 1\n", f"defaults:\n    {line}\n{whole}\n    mtu: 1\n"):
            with using(loader):
                found = messages(text)
            assert found, "there is one for mtu at least"
            assert not any(part in "\n".join(found) for part in (password, "Zq9", "8273", "1987-")), (line, found)
            refused |= {style} if any(f".{key}" in one for one in found) else set()
    assert refused >= {"plain", "tagged", "mapping", "key"}
