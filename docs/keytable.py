"""The keys of a tunnel as they are told of: in README.md, pptp-manager.yaml(5), the example and the schema."""

from __future__ import annotations

from enum import Enum

from pptpd_manager.dns import DnsConfig
from pptpd_manager.hooks import Hooks
from pptpd_manager.keys import Key
from pptpd_manager.values import As, Either, Fields, Items, Kind, Number, NumberOr

REQUIRED, NONE = "required", "none"


def default(key: Key[object]) -> str:
    """The key's default as it would be written in the file, REQUIRED or NONE."""
    match key.default:
        case None:
            return REQUIRED
        case bool():
            return str(key.default).lower()
        case Enum():
            return str(key.default.value)
        case DnsConfig():
            return "false"
        case () | "" | Hooks():
            return NONE
        case 0 if isinstance(key.kind, NumberOr):
            return key.kind.word
        case _:
            return str(key.default)


def unit(kind: Kind[object]) -> str:
    """The unit that a value of this kind is in, "" if it has none."""
    match kind:
        case Number():
            return kind.unit
        case NumberOr():
            return kind.number.unit
    return ""


def fields(kind: Kind[object]) -> Fields[object] | None:
    """The mapping that a value of this kind, or an item of it, may be; None if it is none."""
    match kind:
        case Fields():
            return kind
        case Either():
            return kind.full
        case Items() | As():
            return fields(kind.item if isinstance(kind, Items) else kind.kind)
    return None
