"""The JSON Schema and the parser judge alike: what the parser takes the schema takes, and what it refuses, too.

A schema sees values and not how they are written, and no two values at once. What it therefore cannot refuse is in
BEYOND, by the parser's messages, and nothing else is let pass.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import keytable

from pptpd_manager import document
from pptpd_manager.config import ConfigError, parse
from pptpd_manager.document import ListNode, MappingNode, Node, RefusedNode, ScalarNode
from pptpd_manager.keys import KEYS
from unit import test_config

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "etc/pptp-manager.schema.json").read_text())

BEYOND = {
    "how it is written": (
        "expected text, got (a|an)? ?(bool|number|date)",  # of YAML 1.1: no, 0123, 12:30; editors read YAML 1.2
        "has a leading zero",
        "expected a whole number, got '(0x578|[+]700|1e3|700[.]0)'",
        "expected a mapping, got null",  # which is as good as nothing to an editor
    ),
    "numbers in texts": (
        "has host bits set",
        "'[0-9A-Fa-f:./]*:[0-9A-Fa-f:./]*' is not (a prefix|an IP address)",  # digits and colons, but not IPv6
        "is (link-local|a multicast prefix|the loopback address|no address)",  # of IPv6
        "is not a routing table",
        "is not a mark",
        "the mark has bits that the mask does not",
        "a range goes from the lower to the higher",
        "has [0-9]+ bytes",
    ),
    "two values, or two tunnels": (
        "is in the list twice",
        "is a search domain and a routing-only one",
        "is not of the same family",
        "every way to log in is refused",
        "needs MS-CHAP",
        "the username names a domain already",
        "the login has [0-9]+ bytes",
        "there is nothing to guard",
        "this tunnel does not carry; set ipv6",
        "every packet looks into the main table anyway",
    ),
    "quotes in commands and options": (
        "not a command",
        "cannot be set here",
        "names no option",
        "the quote . is not closed",
        "ends with a backslash",
        "holds an escape for a NUL",
        "looks like a second option",
        "takes (one|no) argument",
        "a plugin is one of pppd's own|the plugin .* cannot be used here",
        "takes a file below",
        "the variables PPTP_",
        "^ is not a whole path",  # of the empty first word
    ),
}


def whole(validator: Any, pattern: str, value: object, schema: object) -> Iterator[jsonschema.ValidationError]:
    """pattern as in ECMAScript, where $ is the end; in Python it is before a last newline as well."""
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern}")


JUDGES = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": whole})
JUDGE = JUDGES(SCHEMA)


def schema_takes(value: object) -> bool:
    """The schema's verdict."""
    return bool(JUDGE.is_valid(value))


def beyond(message: str) -> bool:
    """Whether a schema cannot know that."""
    return any(re.search(pattern, message) for patterns in BEYOND.values() for pattern in patterns)


def verdict(text: str) -> tuple[str, ...]:
    """The parser's messages."""
    try:
        parse(text, "f")
    except ConfigError as error:
        return tuple(problem.message for problem in error.problems)
    return ()


def agree(text: str, value: object) -> None:
    """Fail if the schema says of value something else than the parser of text."""
    found = verdict(text)
    if not found:
        assert schema_takes(value), (text, [error.message for error in JUDGE.iter_errors(value)])
    elif not all(map(beyond, found)):
        assert not schema_takes(value), (text, found)


# --- the corpus of test_config.py ---


def read(node: Node | None) -> object:
    """What an editor makes of a document, by YAML 1.2's core schema. Raises ValueError for what is not only values."""
    match node:
        case ListNode():
            return [read(item) for item in node.items]
        case MappingNode():
            pairs = [(read(key), read(value)) for key, value in node.pairs]
            if any(not isinstance(key, str) for key, _ in pairs) or len({key for key, _ in pairs}) < len(pairs):
                raise ValueError
            return dict(pairs)
        case RefusedNode():
            raise ValueError
        case ScalarNode(plain=True):
            return scalar(node.text)
    return node.text if node else None


def scalar(text: str) -> object:
    """A text without quotes. Source: YAML 1.2.2, 10.3.2."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.upper(), text.capitalize()):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]{1,400}", text):
        return int(text)
    if re.fullmatch(r"0x[0-9a-fA-F]+|0o[0-7]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text


def line(text: str) -> str:
    return f"{test_config.BASE}    {text}\n"


# Bad ones that test_config.py has no need of.
MORE = (
    *("hooks: ~", "routes: [10.0.0.1, 10.0.0.1/32]", "routes: ['1:2:3']", "routes: ['::']", "routes: ['::1']"),
    *('table: "9999999999"', 'rules: [{fwmark: "9999999999"}]', "hooks: {up: [\"'' /bin/true\"]}"),
)


def corpus() -> Iterator[str]:
    """What test_config.py has, good and bad, and some more."""
    base = test_config.BASE
    for one, *_ in (*test_config.LINE, *test_config.ROUTING, *test_config.WHO, *((one,) for one in MORE)):
        yield line(one)
    yield from (base.replace("vpn.example.com", server) for server, _ in test_config.SERVERS)
    yield from (
        line(f"routes: [{prefix if ':' not in prefix else repr(prefix)}]") for prefix, _ in test_config.PREFIXES
    )
    yield from (line(f"pppd-options: [{json.dumps(option)}]") for option, _ in test_config.OPTIONS)
    yield from (base.replace("s3cret", password) for password, _ in test_config.PASSWORDS)
    yield from (base.replace("work", name) for name, _, _ in test_config.NAMES)
    yield from (f"{clash[1]}    {clash[0]}\n" for clash in test_config.CLASHES)
    yield from (text for text, _ in test_config.DOCUMENTS if len(text) < 2000)
    for defaults, given_, *_ in (*test_config.SOURCES, *test_config.SOURCES_TAKEN):
        tunnels = base.replace("password: s3cret", given_)
        yield f"defaults: {{{defaults}}}\n{tunnels}" if defaults else tunnels
    yield from (base.replace("vpn.example.com", server) for server in test_config.SERVERS_TAKEN)
    yield (ROOT / "etc/pptp-manager.yaml").read_text()
    yield (ROOT / "etc/pptp-manager.example.yaml").read_text()


def judged() -> Iterator[tuple[str, object]]:
    """The texts of the corpus and their values, where they are nothing but values."""
    for text in corpus():
        try:
            value = read(document.read(text, "f"))
        except (ConfigError, ValueError):
            continue
        yield text, value


def test_the_corpus() -> None:
    taken = 0
    for text, value in judged():
        agree(text, value)
        taken += schema_takes(value)
    assert 50 < taken < len(list(judged())) - 150


def test_nothing_is_said_to_be_beyond_that_is_not() -> None:
    """Each pattern is there for a text that the schema takes and the parser refuses."""
    refused = [message for text, value in judged() if schema_takes(value) for message in verdict(text)]
    patterns = [pattern for some in BEYOND.values() for pattern in some]
    assert [pattern for pattern in patterns if not any(re.search(pattern, message) for message in refused)] == []


def with_examples(schema: object) -> Iterator[Mapping[str, Any]]:
    """Each schema in schema that has examples."""
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from with_examples(inner)
    if isinstance(schema, dict) and isinstance(schema.get("examples"), list):
        yield schema


def test_examples_are_taken() -> None:
    found = list(with_examples(SCHEMA))
    assert len(found) > len(KEYS)
    for schema in found:
        assert JUDGES(schema).is_valid(schema["examples"][0])


# --- made ones ---

WORDS = (
    *(
        "a",
        "10.0.0.0/8",
        "10.0.0.0/33",
        "fd00::/8",
        "127.0.0.1",
        "10.9.0.2",
        "peer",
        "auto",
        "corp.example",
        "0.0.0.0/0",
    ),
    *(
        "require",
        "/usr/bin/x y",
        "x y",
        "0x10/0xff",
        "1000-1999",
        "debug",
        "persist",
        "user x",
        "a:b",
        "x" * 256,
        "",
        " ",
    ),
    *(
        "0",
        "172",
        "0x1f",
        "vpn.example.com.",
        "::1",
        "/tmp/x",
        "/etc/x",
        "-a",
        "A_b",
        "a\\b",
        "a\u0007b",
        "link",
        "off",
    ),
)
ATOMS = st.sampled_from(WORDS) | st.integers(-1, 4_294_967_297) | st.integers(-1, 1600) | st.booleans() | st.just(1.5)
PARTS = st.sampled_from(
    [name for key in KEYS if (found := keytable.fields(key.kind)) for name in (*found.parts, *found.refused)]
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner, max_size=3), max_leaves=5
)
GOOD = {"server": "vpn.example.com", "username": "alice", "password": "s3cret"}
NAMES = st.sampled_from([*(key.name for key in KEYS), "usrname"])


def as_text(value: object) -> str:
    """As YAML: JSON is, and in it every text is in quotes."""
    return json.dumps(value, ensure_ascii=False)


@settings(max_examples=400, deadline=None)
@given(
    own=st.none() | st.dictionaries(NAMES, VALUES, max_size=2),
    defaults=st.none() | st.dictionaries(NAMES, VALUES, max_size=1),
    moved=st.sets(st.sampled_from([*GOOD])),
)
def test_any_values(own: Mapping[str, object] | None, defaults: Mapping[str, object] | None, moved: set[str]) -> None:
    """moved: the keys that stand under the defaults, where there are any, and not in the tunnel."""
    needed = {name: value for name, value in GOOD.items() if name not in moved}
    value: dict[str, object] = {"tunnels": {"work": needed | dict(own) if own is not None else None}}
    if defaults is not None:
        value["defaults"] = {name: GOOD[name] for name in moved} | dict(defaults)
    agree(as_text(value).replace('"work": null', '"work": '), value)


@pytest.mark.parametrize("key", [key.name for key in KEYS])
@pytest.mark.parametrize("value", [[[]], {"zzz": 1}, 1.5], ids=str)
def test_no_key_takes_anything(key: str, value: object) -> None:
    assert not schema_takes({"tunnels": {"work": GOOD | {key: value}}})
