"""The line of a problem with its caret, and never a secret in it."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptpd_manager.config import ConfigError, parse
from pptpd_manager.ctl.excerpt import SPOKEN, excerpt
from pptpd_manager.ctl.terminal import Style, columns
from pptpd_manager.document import Problem
from pptpd_manager.keys import BY_NAME

CANARY = "hunter2hunter2"
CONFIG = f"""\
defaults:
  username: {CANARY}
tunnels:
  work:
    server: vpn.example.com
    password: '{CANARY}'  # {CANARY}
    domain: "{CANARY}"
    routes: [192.168.10.0/24, 10.0.0.0/8]
    mtu: 1400
  flow: {{server: a.example, password: {CANARY}, mtu: 9}}
  long:
    server: b.example
    password: "{CANARY}
      {CANARY}: {CANARY}"
    hooks: {{up: [/bin/x {CANARY}]}}
    pppd-options: [password {CANARY}]
"""


@pytest.fixture
def style() -> Style:
    return Style(StringIO())


def shown(style: Style, text: str) -> list[list[str]]:
    """The excerpts of all problems of a text."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    return [excerpt(text, problem, style) for problem in caught.value.problems]


TUNNEL = "tunnels:\n  work:\n    server: a.example\n    username: alice\n    password: 'x'\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    sever: x", ["    6 |     sever: …", "      |     ^"]),
        (f"    passwrt: {CANARY}", ["    6 |     passwrt: …", "      |     ^"]),
        ("    mtu: 9000", ["    6 |     mtu: 9000", "      |          ^"]),
        ("    mtu: '9000'", ["    6 |     mtu: …", "      |          ^"]),
        (f"    domain: [{CANARY}]", ["    6 |     domain: …", "      |             ^"]),
        (f"    mtu: 9000  # {CANARY}", ["    6 |     mtu: …", "      |          ^"]),
        (
            "    routes: [10.0.0.0/8, 10.0.0.1/8]",
            ["    6 |     routes: [10.0.0.0/8, 10.0.0.1/8]", "      | " + " " * 25 + "^"],
        ),
        (f"    routes: [password: {CANARY}]", ["    6 |     routes: …", "      |             ^"]),
        ("    routes:\n    - 10.0.0.1/8", ["    7 |     - 10.0.0.1/8", "      |       ^"]),
    ],
)
def test_excerpt(style: Style, line: str, expected: list[str]) -> None:
    assert all(lines == expected for lines in shown(style, TUNNEL + line + "\n"))


def test_a_missing_key_is_told_at_the_tunnel(style: Style) -> None:
    assert shown(style, "tunnels:\n  work:\n    server: a.example\n    username: a\n") == [
        ["    2 |   work:", "      |   ^"]
    ]


def test_of_an_error_of_syntax_the_key_alone_is_shown(style: Style) -> None:
    (lines,) = shown(style, f"tunnels:\n  {CANARY}\n  work: {CANARY}\n    password: {CANARY}\n")
    assert CANARY not in "".join(lines)
    assert lines[1].endswith("^")


def test_the_caret_stands_under_a_column_behind_a_tab(style: Style) -> None:
    assert shown(style, TUNNEL + "    mtu:\t9000\n") == [["    6 |     mtu:        9000", "      |                 ^"]]


def test_the_caret_stands_where_the_hidden_begins(style: Style) -> None:
    """Whatever is before its column, such as characters of two columns."""
    problem = Problem("f", 1, 12, "tunnels.x", "m")
    assert excerpt("  中文中文: hello", problem, style) == ["    1 |   …", "      |   ^"]


def test_a_long_line_is_cut_and_the_caret_stays(style: Style) -> None:
    style.width = 40
    line = "    routes: [" + ", ".join(["10.0.0.0/8"] * 9) + ", x]"
    for text in excerpt(line, Problem("f", 1, len(line) - 1, "tunnels.x.routes[9]", "m"), style):
        assert columns(text) == 40


def test_a_file_as_a_whole_has_no_line(style: Style) -> None:
    assert excerpt("", Problem("f", 0, 0, "", "does not exist"), style) == []
    assert excerpt("a", Problem("f", 7, 1, "", "m"), style) == []


def test_no_key_whose_value_is_never_told_is_spoken() -> None:
    secret = {name for name, key in BY_NAME.items() if "secret=True" in repr(key.kind)}
    assert {"password", "username", "server", "domain"} <= secret
    assert SPOKEN & secret == set()


PIECES = ["'", '"', "{", "}", "[", "]", ":", " ", "\n", "#", "&", "*", "!", "|", ">", "-", ",", "\t", "x", "\x00", "%"]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_secret_is_shown_of_a_file_with_any_mistake(data: st.DataObject) -> None:
    """Pieces are put in or taken out anywhere but in the secret itself."""
    parts = CONFIG.split(CANARY)
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(parts) - 1))
        part = parts[number]
        at = data.draw(st.integers(0, len(part)))
        piece = data.draw(st.sampled_from([*PIECES, ""]))
        parts[number] = part[:at] + piece + part[at + (not piece) :]
    text = CANARY.join(parts)
    try:
        parse(text, "f")
    except ConfigError as error:
        for problem in error.problems:
            told = excerpt(text, problem, Style(StringIO()))
            assert CANARY not in "".join(told) or CANARY in str(problem), (problem, told)
