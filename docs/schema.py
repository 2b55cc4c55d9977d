"""etc/pptp-manager.schema.json: what the configuration may be, as a JSON Schema, for editors.

Of draft 7, which is the newest that yaml-language-server (VS Code and others) knows. A schema can say less than the
parser: tests/unit/test_schema.py has what it cannot. It never refuses what the parser takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum

import keytable
import yaml

from pptpd_manager.config import MAX_NAME
from pptpd_manager.keys import KEYS, SOURCES, Key
from pptpd_manager.values import (
    MAX_ITEMS,
    As,
    Choice,
    Either,
    Fields,
    Flag,
    Items,
    Kind,
    Number,
    NumberOr,
    OneOrMore,
    Text,
)

Schema = dict[str, object]
MANUAL = "See pptp-manager.yaml(5)."


def page() -> str:
    """The file's text."""
    return json.dumps(document(), indent=2) + "\n"


def document() -> Schema:
    """The schema of the whole file."""
    names = f"^[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_NAME - 1}}}$"
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pptp-manager.yaml",
        "description": f"The tunnels of pptp-manager. {MANUAL}",
        "type": "object",
        "required": ["tunnels"],
        "additionalProperties": False,
        "properties": {
            "defaults": {
                "description": "Keys for all tunnels that do not give them themselves.",
                "allOf": [{"$ref": "#/definitions/tunnel"}],
            },
            "tunnels": {
                "description": "The tunnels by their names, of 1 to 10 letters, digits, _ and -.",
                "type": ["object", "null"],
                "propertyNames": {"pattern": names},
                "additionalProperties": {"$ref": "#/definitions/tunnel"},
            },
        },
        "allOf": [
            *(unless_default({"required": [key.name]}, True) for key in KEYS if key.default is None),
            unless_default(one_source(), {"anyOf": [{"type": "null"}, one_source(), no_source()]}),
        ],
        "definitions": {"tunnel": tunnel()},
    }


def tunnel() -> Schema:
    """A tunnel, or the defaults; nothing at all is an empty mapping."""
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {key.name: of_key(key) for key in KEYS},
    }


def one_source() -> Schema:
    """That it is said once where the password comes from. A false says nothing."""
    said: list[Schema] = []
    for key in SOURCES:
        value: Schema = {key.name: {"not": {"const": False}}}
        said.append({"required": [key.name], "properties": value})
    return {"oneOf": said}


def no_source() -> Schema:
    """That nothing is said of that, no false either."""
    return {"not": {"anyOf": [{"required": [key.name]} for key in SOURCES]}}


def unless_default(rule: Schema, other: Schema | bool) -> Schema:
    """Every tunnel is as rule says; where the defaults are, as other says."""
    whole = {"type": "object", **rule}
    return {
        "if": {"required": ["defaults"], "properties": {"defaults": whole}},
        "then": each_tunnel(other),
        "else": each_tunnel(whole),
    }


def each_tunnel(rule: Schema | bool) -> Schema:
    """That rule for every tunnel."""
    return {"properties": {"tunnels": {"additionalProperties": rule}}}


def of_key(key: Key[object]) -> Schema:
    """A key's value, and what an editor tells of it."""
    default = keytable.default(key)
    told = [f"{key.meaning[0].upper()}{key.meaning[1:]}.", f"Value: {key.kind.says}.", f"Default: {default}."]
    told += [f"pppd: {key.pppd}."] if key.pppd else []
    schema = {"description": "\n".join(told), **of(key.kind), "examples": [yaml.safe_load(key.example)]}
    match key.default:
        case bool() | int() as value if default == str(value).lower():
            schema["default"] = value
        case Enum():
            schema["default"] = default
    return schema


def of(kind: Kind[object]) -> Schema:
    """What a value of this kind may be."""
    match kind:
        case Text():
            return {**kind.schema, "patternErrorMessage": f"expected {kind.says}"}
        case Number():
            return {"type": "integer", "minimum": kind.low, "maximum": kind.high}
        case NumberOr():
            return {"anyOf": [of(kind.number), {"const": kind.word}], "default": kind.word}
        case Flag():
            return {"type": "boolean"}
        case Choice():
            return {"enum": [member.value for member in kind.members]}
        case As():
            return of(kind.kind)
        case Items():
            return {"type": "array", "items": of(kind.item), "uniqueItems": kind.unique, "maxItems": MAX_ITEMS}
        case OneOrMore():
            return {"anyOf": [of(kind.item), {**of(Items(kind.item, unique=True)), "minItems": 1}]}
        case Either():
            return {"anyOf": [of(kind.short), {**mapping(kind.full), "type": "object"}]}
        case Fields():
            return mapping(kind)
    raise TypeError(f"no schema is known for {kind}")


def mapping(fields: Fields[object]) -> Schema:
    """A mapping; nothing at all is an empty one."""
    properties: Mapping[str, Schema] = {
        name: {
            "description": f"{part.meaning[0].upper()}{part.meaning[1:]}.",
            **of(part.kind),
            "examples": [yaml.safe_load(part.example)],
        }
        for name, part in fields.parts.items()
    }
    schema: Schema = {"type": ["object", "null"], "additionalProperties": False, "properties": properties}
    schema |= {"required": list(fields.required)} if fields.required else {}
    return schema | ({"allOf": [fields.schema]} if fields.schema else {})
