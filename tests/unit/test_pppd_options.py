"""No value of any key is another option, another line or a shell word for pppd, and each option of pppd has its place.

PPTP_MANAGER_EXAMPLES is how many values each property is tried with; 50 without it.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
import sys
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
import getword

from pptpd_manager import keys, options, pppd
from pptpd_manager.config import Config, ConfigError, TunnelConfig, interface_name, parse
from pptpd_manager.values import BadText

EXAMPLES = int(os.environ.get("PPTP_MANAGER_EXAMPLES", "50"))
RUN = "0123456789abcdef0123456789abcdef"
ADDRESS = IPv4Address("203.0.113.1")
ARGUMENTS = getword.table()
SAFE = {"server": "vpn.example.com", "username": "alice", "password": "secret"}

# What has a meaning for pppd, for a shell, for printf or for a terminal, and what is not ASCII.
NASTY = [
    *"\n\r\0\"'\\#$`% \t\v\f\a\b\x1b\x7f;|&<>(){}[]*?!~^=:,.-_@/",
    *("ä", "\N{SNOWMAN}", "\x85", "\xa0", "\u2028", "\u200b", "\U0001f600", "\\\n", "\\x6e", "\\156", "\npersist\n"),
    *('" pty "touch /tmp/x', "$(id)", "\\", "\\0", "%n", "#\n", " persist", "nodetach", "plugin", "A", "0", "600"),
]
short = st.lists(st.sampled_from(NASTY) | st.characters(), max_size=15).map("".join)
texts = short | short.filter(bool).map(lambda text: (text * 4096)[:4096])
values = st.recursive(texts | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner, max_size=3))


def written(config: TunnelConfig) -> list[tuple[str, ...]]:
    """What pppd reads in the option file."""
    return getword.parsed(pppd.options(config, RUN, ADDRESS), ARGUMENTS)


def names(options: list[tuple[str, ...]]) -> list[str]:
    """The options without their arguments."""
    return [name for name, *_ in options]


def expected(config: TunnelConfig) -> list[tuple[str, ...]]:
    """The same for a tunnel with harmless texts, and then those of this one."""
    harmless = replace(config, name="work", username="alice", password="x", domain="", servers=("a",), pppd_options=())
    texts = {
        "pty": f"exec {pppd.CALL} {pppd.log_name(config.name, RUN)} {ADDRESS}",
        "ifname": interface_name(config.name),
        "linkname": config.name,
        "ipparam": config.name,
        "user": config.login,
        "password": config.password,
    }
    own = [(name, texts[name]) if name in texts else (name, *rest) for name, *rest in written(harmless)]
    extra = [word for line in config.pppd_options for word in getword.parsed(line.encode(), ARGUMENTS)]
    return own + extra


def yaml(value: object) -> str:
    """The value in YAML, each character that is not a letter or digit as an escape."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml(key)}: {yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in value) + '"'
    return json.dumps(value)


def accepted(tunnel: dict[str, Any], name: str = "work") -> TunnelConfig | None:
    """The tunnel; None when the configuration is refused."""
    try:
        config: Config = parse(yaml({"tunnels": {name: tunnel}}), "f")
    except ConfigError:
        return None
    return config.tunnels[name]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from([key.name for key in keys.KEYS]), values)
@example("username", '"\npersist\n"')
@example("password", "\\\n\\156odetach #$`%\x1b" + "x" * 200)
@example("domain", "a b")
@example("server", "a\npersist")
@example("server", "203.0.113.1\n")
@example("pppd-options", ['idle 600 "persist"'])
@example("password-file", "/etc/x\npersist")
@example("password-file", '/etc/"x #$`')
@example("credential", "x\npersist")
def test_no_value_of_a_key_is_anything_but_that_value_to_pppd(key: str, value: object) -> None:
    source = key in {key.name for key in keys.SOURCES}
    config = accepted({**{name: text for name, text in SAFE.items() if not source or name != "password"}, key: value})
    if config:
        assert written(config) == expected(config)
        name, command = written(config)[0]
        assert name == "pty" and shlex.split(command) == [
            "exec",
            *pppd.CALL.split(),
            "work-01234567",
            "203.0.113.1",
        ]


@settings(max_examples=EXAMPLES, deadline=None)
@given(short, short)
def test_a_login_of_any_text_is_one_word(username: str, password: str) -> None:
    config = accepted({**SAFE, "username": username, "password": password})
    if config:
        assert ("user", username) in written(config) and ("password", password) in written(config)
    halves = any("\ud800" <= character < "\ue000" for character in password)
    if username and username.isprintable() and password and "\0" not in password and not halves:
        assert config, "nothing that is harmless is refused"


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(min_size=1, max_size=60).filter(lambda raw: b"\0" not in raw))
def test_a_password_of_any_bytes_from_elsewhere_is_one_word(password: bytes) -> None:
    config = accepted({"server": "a", "username": "alice", "credential": "x"})
    assert config
    read = list(getword.words(pppd.options(config, RUN, ADDRESS, password=password)))
    assert read[read.index(b"password") + 1] == password
    assert len(read) == len(list(getword.words(pppd.options(config, RUN, ADDRESS, password=b"x"))))


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(short)
def test_a_tunnels_name_is_one_word_everywhere(name: str) -> None:
    config = accepted(SAFE, name)
    if config:
        assert written(config) == expected(config)
        assert shlex.split(f"pptp@{name}.service") == [f"pptp@{name}.service"] and "%" not in name


words = st.sampled_from([*options.ADVICE, *options.TAKEN, "600", "a:b", "10.1.2.3:", "x y", "", "PPTP_RUN=1"])
quotings = st.sampled_from(
    [
        str,
        lambda word: f'"{word}"',
        lambda word: f"'{word}'",
        lambda word: "".join(f"\\{ord(c):03o}" for c in word),
        lambda word: "".join(f"\\x{ord(c):02x}" for c in word),
        lambda word: "\\" + word,
        lambda word: word + "#",
        lambda word: word + "\\",
    ]
)
lines = st.lists(st.builds(lambda w, q: q(w), words, quotings), min_size=1, max_size=4).map(" ".join) | texts


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(lines)
@example("\\160ersist")  # these two were taken before each escape of pppd's was read here
@example('idle 600 "nodetach"')
def test_an_extra_option_is_one_option_that_is_not_the_managers(line: str) -> None:
    try:
        options.option(line)
    except BadText:
        return
    content = line.encode() + b"\n"
    read = [word.decode(errors="replace") for word in getword.words(content)]
    assert read and read[0] not in options.ADVICE
    if read[0] in ARGUMENTS:
        assert len(read) == 1 + ARGUMENTS[read[0]]
    else:
        assert not any(word in options.ADVICE or word in ARGUMENTS for word in read[1:])
    after = list(getword.words(content + b"marker\n"))
    assert after[-1] == b"marker" and len(after) == len(read) + 1, "it takes nothing of the next line"


def test_each_option_of_pppd_has_its_place() -> None:
    """A new option of pppd's has to be looked at: does it break the manager's hold?"""
    assert not set(options.ADVICE) & set(options.TAKEN)
    of_older_ones = {"+eap", "-eap", "detach", "mppe"}
    assert set(options.ADVICE) | set(options.TAKEN) == set(ARGUMENTS) | of_older_ones
    assert {name: ARGUMENTS[name] for name in options.TAKEN} == dict(options.TAKEN)


def test_what_would_break_the_managers_hold_is_refused_by_name() -> None:
    for name in (
        *("nodetach", "updetach", "persist", "demand", "dryrun", "show-options", "--version", "logfd", "logfile"),
        *("ifname", "unit", "pty", "connect", "disconnect", "welcome", "notty", "socket", "file", "call", "multilink"),
        *(
            "lcp-restart",
            "lcp-max-configure",
            "lcp-max-terminate",
            "chap-timeout",
            "connect-delay",
            "silent",
            "passive",
        ),
        *("usepeerdns", "defaultroute", "replacedefaultroute", "defaultroute6", "auth"),
    ):
        assert name in ARGUMENTS and name in options.ADVICE


def test_each_plugin_of_debians_is_looked_at() -> None:
    """pppd's own of both versions, and those of the packages that come with one for a client."""
    taken = ("minconn.so", "radius.so", "radattr.so", "radrealms.so", "winbind.so", "dhcpv6relay.so")
    refused = (
        *("pppoe.so", "rp-pppoe.so", "pppoatm.so", "pppol2tp.so", "openl2tp.so", "passwordfd.so", "passprompt.so"),
        *("nm-pppd-plugin.so", "nm-pptp-pppd-plugin.so", "nm-l2tp-pppd-plugin.so", "sstp-pppd-plugin.so"),
        "/usr/lib/connman/scripts/libppp-plugin.so",
    )
    for name in taken:
        assert options.option(f"plugin {name}")
    for name, folder in itertools.product(refused, ("", "/usr/lib/pppd/2.5.2/", "/usr/lib/x/")):
        with pytest.raises(BadText, match=r"cannot be used here: .*; use the key '"):
            options.option(f"plugin {folder if not name.startswith('/') else ''}{name}")
    installed = {file.name for file in Path("/usr/lib/pppd").glob("*/*.so")}
    assert installed <= {*taken, *refused}, "a plugin is new to pppd"


def test_what_the_manager_sets_for_the_diagnosis_is_not_set_again() -> None:
    """An extra option stands behind the manager's and would win."""
    config = TunnelConfig("work", ("a",), "alice", "secret")
    harmless = {"noipdefault", "nobsdcomp", "nodeflate", "novj", "novjccomp", "hide-password", "set"}
    assert {name for name in names(written(config)) if name not in options.ADVICE} <= harmless
