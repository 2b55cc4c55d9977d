"""What the shells complete behind pptpctl, against its grammar; the shells themselves: tests/lab/test_pptpctl.py."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from pptpd_manager.ctl import arguments

COMPLETIONS = Path(__file__).resolve().parents[2] / "completions"
PARSER = arguments.parser()
(SUBPARSERS,) = [action for action in PARSER._actions if isinstance(action, argparse._SubParsersAction)]
COMMANDS: dict[str, argparse.ArgumentParser] = dict(SUBPARSERS.choices)
HELP = {action.dest: action.help for action in SUBPARSERS._choices_actions}
SYSTEMS = ["peers", "rc.d", "ip-up", "networkmanager", "openwrt"]
# Everything that is completed: a line each, and each word of it on a line behind its own.
BASH = """
source {file}
compopt() {{ echo "compopt $2"; }}
timeout() {{ printf 'home\\nwork\\n'; }}
while IFS= read -r line; do
    eval "COMP_WORDS=($line)"
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    echo "= $line"
    _pptpctl
    [ "${{#COMPREPLY[@]}}" = 0 ] || printf '%s\\n' "${{COMPREPLY[@]}}"
done
"""


def options(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a command, short and long."""
    return {option for action in parser._actions for option in action.option_strings}


def takes_tunnels(parser: argparse.ArgumentParser) -> bool:
    return any(action.metavar == "NAME" and not action.option_strings for action in parser._actions)


@pytest.fixture(scope="module")
def bash() -> dict[str, list[str]]:
    """What bash completes at the end of these lines."""
    lines = ["pptpctl -", "pptpctl ''", "pptpctl u", "pptpctl --json li", "pptpctl nonsense ''"]
    lines += [f"pptpctl {command} {end}" for command in COMMANDS for end in ("-", "''")]
    lines += ["pptpctl up w", "pptpctl up home w", "pptpctl up --timeout ''", "pptpctl import openwrt ''"]
    lines += [
        "pptpctl metrics --output ''",
        "pptpctl import --root ''",
        "pptpctl import --into ''",
        "pptpctl logs -n 5 w",
        "pptpctl import p",
    ]
    script = BASH.format(file=shlex.quote(str(COMPLETIONS / "pptpctl.bash")))
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(["bash", "-c", script], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    parts = re.split(r"^= (.*)\n", done.stdout, flags=re.MULTILINE)[1:]
    return {line: words.splitlines() for line, words in zip(parts[::2], parts[1::2], strict=True)}


def test_bash_completes_the_commands(bash: dict[str, list[str]]) -> None:
    assert set(bash["pptpctl ''"]) == set(COMMANDS)
    assert set(bash["pptpctl -"]) == options(PARSER)
    assert bash["pptpctl u"] == ["up"]
    assert bash["pptpctl --json li"] == ["list"]
    assert bash["pptpctl nonsense ''"] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_bash_completes_the_options_and_tunnels(bash: dict[str, list[str]], command: str) -> None:
    assert set(bash[f"pptpctl {command} -"]) == options(COMMANDS[command])
    if takes_tunnels(COMMANDS[command]):
        assert bash[f"pptpctl {command} ''"] == ["home", "work"]


def test_bash_completes_values_and_files(bash: dict[str, list[str]]) -> None:
    assert bash["pptpctl up w"] == bash["pptpctl up home w"] == bash["pptpctl logs -n 5 w"] == ["work"]
    assert bash["pptpctl up --timeout ''"] == bash["pptpctl list ''"] == bash["pptpctl reload ''"] == []
    assert bash["pptpctl check ''"] == bash["pptpctl import openwrt ''"] == ["compopt default"]
    assert bash["pptpctl import --root ''"] == ["compopt dirnames"]
    assert bash["pptpctl metrics --output ''"] == ["compopt default"]
    assert bash["pptpctl import --into ''"] == ["compopt default"]
    assert bash["pptpctl import ''"] == SYSTEMS
    assert bash["pptpctl import p"] == ["peers"]


def test_the_systems_are_those_of_the_grammar() -> None:
    (source,) = [action for action in COMMANDS["import"]._actions if action.dest == "source"]
    assert list(source.choices or ()) == SYSTEMS
    for name in ("pptpctl.bash", "_pptpctl", "pptpctl.fish"):
        assert " ".join(SYSTEMS) in (COMPLETIONS / name).read_text()


def test_zsh_has_the_grammar() -> None:
    """By its text: each command with its help, and behind it its options."""
    text = (COMPLETIONS / "_pptpctl").read_text()
    commands = dict(re.findall(r"""^\t\t["']([a-z]+):(.*)["']$""", text, re.MULTILINE))
    assert commands == HELP
    shared = {
        f"${name}": set(re.findall(r"--?[a-z]+(?=[,}\[])", line))
        for name, line in re.findall(r"^\t(help|json|lines)=\((.*)\)$", text, re.MULTILINE)
    }
    behind: dict[str, tuple[set[str], bool]] = {}
    for words, body in re.findall(r"^\t\t([a-z |]+)\)(.*?);;$", text, re.MULTILINE | re.DOTALL):
        own = set(re.findall(r"(?<=[ '{,])--?[a-z-]+(?=[,}\[])", body))
        found = own.union(*(named for variable, named in shared.items() if variable in body))
        behind |= dict.fromkeys(words.split(" | "), (found, "_pptpctl_tunnels" in body))
    expected = {name: (options(parser), takes_tunnels(parser)) for name, parser in COMMANDS.items()}
    assert behind == expected
    assert shared["$help"] | shared["$json"] | {"--version"} == options(PARSER)


def test_fish_has_the_grammar() -> None:
    """By its text, as above."""
    lines = [shlex.split(line) for line in (COMPLETIONS / "pptpctl.fish").read_text().splitlines()]
    found: dict[str, set[str]] = {name: {"-h", "--help"} for name in COMMANDS}
    top, commands, tunnels = {"-h", "--help"}, {}, set()
    for words in (words for words in lines if words[:1] == ["complete"]):
        given = {key: value for key, value in pairwise(words) if key in ("-n", "-s", "-l", "-a", "-d")}
        options_of = {f"-{given['-s']}"} if "-s" in given else set()
        options_of |= {f"--{given['-l']}"} if "-l" in given else set()
        behind = given.get("-n", "")
        if behind == "$none" and "-a" in given:
            commands[given["-a"]] = given["-d"]
        elif behind == "$none":
            top |= options_of
        for command in set(behind.split()) & set(COMMANDS):
            found[command] |= options_of
            if "__pptpctl_tunnels" in given.get("-a", ""):
                tunnels.add(command)
    assert (commands, top) == (HELP, options(PARSER))
    assert found == {name: options(parser) for name, parser in COMMANDS.items()}
    assert tunnels == {name for name, parser in COMMANDS.items() if takes_tunnels(parser)}
