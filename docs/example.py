"""etc/pptp-manager.example.yaml: every key with what it means, its default and an example."""

from __future__ import annotations

import textwrap

import keytable

from pptpd_manager.keys import KEYS, SOURCES, Key

WIDTH = 96  # of a comment
SCHEMA = "/usr/share/pptp-manager/pptp-manager.schema.json"
HEAD = f"""\
# yaml-language-server: $schema={SCHEMA}
#
# Every key of /etc/pptp-manager.yaml. Take over what you need; the rest has good defaults. A tunnel needs no more than
# server, username and password. More: man pptp-manager.yaml. To look for mistakes: pptpctl check FILE
#
# Above each key: what it means; what it may be, its default, and the option of pppd behind it, if there is one; what
# may stand in its value where that is a mapping.
# Made from the program by `make docs`.

# Keys for all tunnels that do not give them themselves; any key of a tunnel.
defaults:
  connect-timeout: 20

# Each tunnel has a name of 1 to 10 letters, digits, _ and -; its interface is pptp-NAME.
tunnels:
  work:
"""


def page() -> str:
    """The file's text."""
    others = SOURCES[1:]
    blocks = [block(key) for key in KEYS if key not in others]
    return HEAD + "\n".join(blocks) + "".join(map(other, ("home", "lab", "cafe"), others))


def block(key: Key[object]) -> str:
    """The key with its comment."""
    return comment(key) + f"    {key.name}: {key.example}\n"


def comment(key: Key[object]) -> str:
    """What there is to say of a key, and of the keys in its value."""
    told = [f"Value: {key.kind.says}; {standard(keytable.default(key))}"]
    told[0] += f"; pppd: {key.pppd}" if key.pppd else ""
    fields = keytable.fields(key.kind)
    for name, part in fields.parts.items() if fields else ():
        told.append(
            f"- {name}, as in {part.example}: {part.meaning}{f'; default: {part.default}' * bool(part.default)}"
        )
    return "".join(hashed(line) for line in (f"{key.meaning[0].upper()}{key.meaning[1:]}.", *told))


def standard(default: str) -> str:
    """The default in words."""
    return default if default == keytable.REQUIRED else f"default: {default}"


def hashed(line: str) -> str:
    """line as a comment of lines that are not too long."""
    indent = "  " * line.startswith("- ")
    lines = textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    return "".join(f"    # {one}\n" for one in lines)


def other(name: str, key: Key[object]) -> str:
    """A short tunnel that has its password from elsewhere."""
    return f"\n  {name}:\n    server: vpn.example.net\n    username: alice\n" + block(key)
