"""All that is wrong with a configuration file, and with the password files that it names; for people who check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pptpd_manager import configfile, document, keys, passwordfile
from pptpd_manager.config import ConfigError, Problem, TunnelConfig, parse
from pptpd_manager.document import MappingNode, Mark, Node, ScalarNode
from pptpd_manager.reasons import Failure


@dataclass(frozen=True)
class Checked:
    """tunnels: their names, empty when there are problems; text: the file's, "" when it could not be read.

    refused: it may not be read by who runs this.
    """

    tunnels: tuple[str, ...]
    problems: tuple[Problem, ...]
    text: str = ""
    refused: bool = False


def check(path: str) -> Checked:
    """What is wrong with the file at path."""
    try:
        text = configfile.read(path)
    except ConfigError as error:
        return Checked((), error.problems, refused=isinstance(error.__cause__, PermissionError))
    try:
        config = parse(text, path)
    except ConfigError as error:
        return Checked((), error.problems, text)
    if problems := _password_files(path, text, config.tunnels):
        return Checked((), problems, text)
    return Checked(tuple(config.tunnels), (), text)


def _password_files(path: str, text: str, tunnels: Mapping[str, TunnelConfig]) -> tuple[Problem, ...]:
    """What is wrong with the password files that a good configuration names, where it names them."""
    found = []
    for name, tunnel in tunnels.items():
        fault = passwordfile.read(tunnel.password_file) if tunnel.password_file else b""
        if isinstance(fault, Failure):
            root, key = document.read(text, path), keys.PASSWORD_FILE.name
            mark = _key(root, "tunnels", name, key) or _key(root, "defaults", key) or Mark(0, 0)
            found.append(Problem(path, mark.line, mark.column, f"tunnels.{name}.{key}", fault.sentence))
    return tuple(found)


def _key(node: Node | None, *names: str) -> Mark | None:
    """Where the last of the names is a key, each a key in the mapping of the one before; None if it is not."""
    mark = None
    for name in names:
        pairs = node.pairs if isinstance(node, MappingNode) else ()
        found = [(key.mark, value) for key, value in pairs if isinstance(key, ScalarNode) and key.text == name]
        if not found:
            return None
        mark, node = found[0]
    return mark
