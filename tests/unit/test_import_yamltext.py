"""Tunnels added to a configuration's text, and texts as YAML."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptpd_manager import document
from pptpd_manager.config import ConfigError, parse
from pptpd_manager.document import MappingNode, ScalarNode
from pptpd_manager.imports.draft import Draft, Hidden
from pptpd_manager.imports.yamltext import CannotAdd, added, check, quoted
from unit.imported import EXAMPLES

NEW = """\
  # from there
  new:
    server: vpn.example.com
    username: 'alice'
    password: 'secret'
"""
OLD = "  old:\n    server: 198.51.100.7\n    username: bob\n    password: 'x'\n"


def draft(name: str = "new") -> Draft:
    values = {"server": ("vpn.example.com",), "username": "alice", "password": Hidden("secret")}
    return Draft(name, "there", name=name, values=values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", f"tunnels:\n{NEW}"),
        ("# comment", f"# comment\ntunnels:\n{NEW}"),
        ("tunnels:\n", f"tunnels:\n{NEW}"),
        ("tunnels:\n  # work:\n    # server: a\n", f"tunnels:\n{NEW}  # work:\n    # server: a\n"),
        ("tunnels: {}  # none\n", f"tunnels:  # none\n{NEW}"),
        (f"tunnels:\n{OLD}", f"tunnels:\n{OLD}{NEW}"),
        (f"tunnels:\n{OLD}".rstrip("\n"), f"tunnels:\n{OLD}{NEW}"),
        (f"tunnels:\n{OLD}    # its end\n\n", f"tunnels:\n{OLD}    # its end\n{NEW}\n"),
        (f"tunnels:\n{OLD}\n# defaults\ndefaults: {{}}\n", f"tunnels:\n{OLD}{NEW}\n# defaults\ndefaults: {{}}\n"),
        (f"defaults:\n  mtu: 1400\ntunnels:\n{OLD}", f"defaults:\n  mtu: 1400\ntunnels:\n{OLD}{NEW}"),
    ],
)
def test_all_else_stays_as_it_was(text: str, found: str) -> None:
    assert added(text, "f", [draft()])[0] == found


def test_as_far_in_as_the_tunnels_that_are_there() -> None:
    text = f"tunnels:\n{OLD}".replace("  ", "      ")
    assert added(text, "f", [draft()])[0] == text + "".join(f"    {line}\n" for line in NEW.splitlines())


def test_what_the_defaults_give() -> None:
    assert added("defaults:\n  mtu: 1400\n  persist: true\ntunnels:\n", "f", [draft()])[1] == ["mtu"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"tunnels:\n{OLD}".replace("old", "new"), "there is a tunnel new in f already; nothing was written"),
        (
            '{"tunnels": {"old": {"server": "a.b", "username": "c", "password": "d"}}}',
            "its tunnels are written in { }; write them in lines, or add what is printed by hand",
        ),
        (
            '{\n "tunnels": {}\n}\n',
            "its tunnels are written in { }; write them in lines, or add what is printed by hand",
        ),
        ("tunnels: {old: {server: a.b, username: c, password: d}}\n", None),
        (f"tunnels:\n{OLD}...\n", None),
        ("defaults:\n  refuse-mschap-v2: true\ntunnels:\n", None),
    ],
)
def test_what_cannot_be_added_to(text: str, message: str | None) -> None:
    with pytest.raises(CannotAdd) as error:
        added(text, "f", [draft()])
    assert message is None or str(error.value) == message


def test_a_wrong_file_is_left_alone() -> None:
    with pytest.raises(ConfigError):
        added("tunnels:\n  old: {}\n", "f", [draft()])


def test_several() -> None:
    new, _ = added(f"tunnels:\n{OLD}", "f", [draft("a"), draft("b")])
    assert list(parse(new, "f").tunnels) == ["old", "a", "b"]


@given(st.text(max_size=30))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_text_is_read_back(text: str) -> None:
    node = document.read(f"- {{a: {quoted(text)}}}\n", "f") if "\0" not in text else None
    if node is not None:
        assert isinstance(node, document.ListNode) and isinstance(node.items[0], MappingNode)
        value = node.items[0].pairs[0][1]
        assert isinstance(value, ScalarNode) and value.text == text


@pytest.mark.parametrize(
    "word", ["no", "null", "1.2", "1e3", "~", "0x10", "1:20", "2001-01-01", "=", "<<", "y", "a.b: c"]
)
def test_what_yaml_takes_for_something_else_is_text(word: str) -> None:
    node = document.read(f"- {quoted(word)}", "f")
    assert isinstance(node, document.ListNode)
    value = node.items[0]
    assert isinstance(value, ScalarNode) and (value.text, value.kind) == (word, "text")


def test_what_the_parser_refuses_becomes_a_note() -> None:
    one = draft()
    one.values |= {"mtu": 9, "dns": {"servers": ("geheim",)}, "users": ("a\nb", "bob"), "connect-timeout": 7}
    check(one)
    assert one.missing == []
    assert sorted(one.values) == ["connect-timeout", "password", "server", "username", "users"]
    assert one.values["users"] == ("bob",)
    assert one.notes == [
        "dns not carried over: what is there cannot be used here",
        "mtu not carried over: 9 is not in 576..1500 bytes",
        "users not carried over: what is there cannot be used here",
    ]


FRAGMENTS = st.sampled_from(
    [
        *(
            "tunnels:",
            "defaults:",
            "\n",
            "\r\n",
            " ",
            "  ",
            "\u2028",
            "\x85",
            "# x",
            "{",
            "}",
            "[",
            "]",
            "---\n",
            "...\n",
        ),
        *(
            OLD,
            "tunnels: {}",
            "tunnels: |\n",
            "&a ",
            "*a",
            "? ",
            "'",
            '"',
            "\\",
            "\t",
            "old: ",
            "%YAML 1.1\n",
            "\ufeff",
        ),
    ]
)


@given(st.lists(FRAGMENTS, max_size=10).map("".join))
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_text_is_spoilt(text: str) -> None:
    """It is added to, or it is said why not."""
    try:
        new, _ = added(text, "f", [draft()])
    except (CannotAdd, ConfigError):
        return
    old = parse(text, "f").tunnels if document.read(text, "f") else {}
    assert list(parse(new, "f").tunnels) == [*old, "new"]
    lines = {line for line in text.splitlines() if "{" not in line}
    assert lines <= set(new.splitlines())
