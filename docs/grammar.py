"""A command line's grammar, as argparse has it, -> what a manual page says of it, in Markdown."""

from __future__ import annotations

import argparse
from collections.abc import Mapping


def commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The grammars of the commands; none where there are no commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def synopsis(parser: argparse.ArgumentParser) -> str:
    """How it is called, on one line."""
    return " ".join([f"`{parser.prog}`", *(_use(action) for action in _told(parser))])


def options(parser: argparse.ArgumentParser) -> str:
    """Its options and arguments, a definition each."""
    return "\n\n".join(f"{_term(action)}\n:   {_sentence(action)}" for action in _told(parser) if _sentence(action))


def _told(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What is worth telling of: options first. --help and --version go without saying."""
    hidden = (argparse._HelpAction, argparse._VersionAction, argparse._SubParsersAction)
    actions = [action for action in parser._actions if not isinstance(action, hidden)]
    return sorted(actions, key=lambda action: not action.option_strings)


def _use(action: argparse.Action) -> str:
    value = _value(action)
    if action.option_strings:
        return f"[`{action.option_strings[0]}`{f' {value}' if value else ''}]"
    return value


def _term(action: argparse.Action) -> str:
    if not action.option_strings:
        return _name(action)
    return " ".join([", ".join(f"`{name}`" for name in action.option_strings), _value(action)]).strip()


def _value(action: argparse.Action) -> str:
    """What stands for its value, with brackets where it may be left out and dots where there may be several."""
    if action.nargs == 0:
        return ""
    name = _name(action)
    forms = {"*": f"[{name} ...]", "+": f"{name} [...]", "?": f"[{name}]"}
    return forms.get(str(action.nargs), name)


def _name(action: argparse.Action) -> str:
    return f"*{action.metavar or action.dest.upper()}*"


def _sentence(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    as_it_is = any(text.startswith(str(choice)) for choice in action.choices or ())
    return f"{text if as_it_is else text[0].upper() + text[1:]}." if text else ""
