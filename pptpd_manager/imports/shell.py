"""Shell scripts of the usual forms -> their simple commands, and for which peer each runs. Nothing is executed.

What decides is followed as far as it looks at the peer: `if`, `case`, `&&`, `||`, `exit`. What is looked at besides is
told as a condition that is not known. Loops over words are written out, variables that the script sets are put in.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from .condition import When, either
from .shelltokens import Token, tokens

MOST_COMMANDS = 2000  # that a script is written out to
MOST_CHARACTERS = 1 << 18  # of a script
MOST_OPEN = 50  # ifs, loops and groups in each other
_LONGEST = 1000  # word, with its variables put in
_VARIABLE = re.compile(r"\$(?:(\w)(?!\w)|(\w+)|\{(\w+)(?:[:%#/-][^}]*)?\}|([@*#?$!-]))")
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)
_TESTS = ("[", "[[", "test")
_MIDDLE = ("then", "do", "else", "elif")
_BEGIN, _END = ("{", "(", "while", "until", "for", "if", "case"), ("}", ")", "done", "fi", "esac")
_RESERVED = (*_BEGIN, *_MIDDLE, *_END)

# What pppd gives its scripts, under a name of ours. pppd(8), SCRIPTS; and run-parts' caller in Debian.
PPP: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("1", "PPP_IFACE", "IFNAME", "IFACE"), "$interface"),
        **dict.fromkeys(("4", "PPP_LOCAL", "IPLOCAL"), "$local"),
        **dict.fromkeys(("5", "PPP_REMOTE", "IPREMOTE"), "$remote"),
        **dict.fromkeys(("6", "PPP_IPPARAM", "LINKNAME", "IPPARAM"), "$peer"),
    }
)


@dataclass(frozen=True)
class Command:
    """A simple command with its variables put in. "$?" stands for what is not known."""

    words: tuple[str, ...]
    line: int
    when: When


@dataclass
class _Frame:
    """What is open: kind is its first word. base: what held before it; earlier: that no branch before was taken.

    test: of an if, what it tests; subject: of a case; loop: the variable of a for.
    """

    kind: str
    base: When = When()
    when: When = When()
    earlier: When = When()
    test: When = When()
    testing: bool = False
    subject: str = ""
    loop: str = ""


@dataclass
class _Walk:
    """The state on the way through a script."""

    special: Mapping[str, str]
    variables: dict[str, list[str]] = field(default_factory=dict)
    frames: list[_Frame] = field(default_factory=list)
    rest: When = When()  # after an exit
    chain: When = When()  # of && and ||
    last: When = When()  # what it means that the last command succeeded
    ors: list[When] = field(default_factory=list)  # what else makes a test true
    found: list[Command] = field(default_factory=list)

    @property
    def testing(self) -> bool:
        """Whether the commands here decide on an if or a while."""
        return bool(self.frames) and self.frames[-1].testing

    def when(self) -> When:
        """What holds where we are."""
        whole = self.rest
        for frame in self.frames:
            whole = whole.also(frame.base).also(frame.when)
        return whole.also(self.chain)


def commands(text: str, special: Mapping[str, str]) -> list[Command]:
    """The simple commands of a script. special: its variables -> what we call them."""
    walk = _Walk(special)
    words: list[Token] = []
    pattern = False  # the patterns of a case come next
    for token in itertools.chain(tokens(text[:MOST_CHARACTERS]), [Token("\n", 0, True)]):
        if len(walk.frames) > MOST_OPEN:
            break
        if pattern:
            pattern = _pattern(walk, words, token)
        elif token.operator:
            _simple(walk, words)
            words = []
            pattern = _operator(walk, token)
        elif not words and token.text in _RESERVED:
            _keyword(walk, token)
        else:
            words.append(token)
            if pattern := _case(walk, words):
                words = []
    return walk.found


def _case(walk: _Walk, words: Sequence[Token]) -> bool:
    """Whether that is the head of a case, `case SUBJECT in`; then its frame knows the subject."""
    frame = walk.frames[-1] if walk.frames else None
    if not frame or frame.kind != "case" or frame.subject or len(words) != 2 or words[1].text != "in":
        return False
    frame.subject = _known(walk, words[0].text) or "$?"
    return True


def _keyword(walk: _Walk, token: Token) -> None:
    """Take a reserved word at the beginning of a command."""
    word = token.text
    if word in _BEGIN:
        # What a group or an if is on the right of && is under its condition.
        walk.frames.append(_Frame(word, walk.chain, testing=word in ("if", "while", "until")))
        walk.chain = walk.last = When()
        return
    walk.chain = When()
    if not walk.frames:
        return
    frame = walk.frames[-1]
    if word in _END:
        walk.frames.pop()
        walk.variables.pop(frame.loop, None)
    elif word == "then" and frame.testing:
        frame.test, frame.testing = walk.last, False
        frame.when = frame.earlier.also(frame.test)
    elif word == "do" and frame.testing:
        frame.testing, frame.when = False, When(sure=False)
    elif word in ("else", "elif"):
        frame.earlier = frame.when = frame.earlier.also(frame.test.negated())
        frame.testing = word == "elif"
    walk.last = When()


def _pattern(walk: _Walk, words: list[Token], token: Token) -> bool:
    """Take a word or an operator where a case has its patterns; whether they go on."""
    if not token.operator and token.text == "esac" and not words:
        _keyword(walk, token)
        return False
    if not token.operator:
        words.append(token)
    if not token.operator or token.text != ")" or not walk.frames:
        return bool(walk.frames)
    frame = walk.frames[-1]
    patterns = tuple(part for word in words for part in _known(walk, word.text).split("|"))
    words.clear()
    if frame.subject.removeprefix("x") != "$peer":
        frame.when = When(sure=False)
    else:
        match = When() if "*" in patterns else When(patterns)
        frame.when = frame.earlier.also(match)
        frame.earlier = frame.earlier.also(match.negated())
    return False


def _operator(walk: _Walk, token: Token) -> bool:
    """Take what stands between commands; whether the patterns of a case follow."""
    if token.text == "&&":
        walk.chain = walk.chain.also(walk.last)
    elif token.text == "||" and walk.testing:
        walk.ors.append(walk.chain.also(walk.last))
        walk.chain = When()
    elif token.text == "||":
        walk.chain = walk.chain.also(walk.last.negated())
    elif token.text == ";;" and walk.frames and walk.frames[-1].kind == "case":
        walk.chain = walk.last = When()
        return True
    elif token.text == "(" or (token.text == ")" and walk.frames and walk.frames[-1].kind == "("):
        _keyword(walk, token)
    elif walk.testing and token.text != "|":
        walk.last = either([*walk.ors, walk.chain.also(walk.last)])
        walk.ors, walk.chain = [], When()
    else:
        walk.chain = walk.last = When()
    return False


def _simple(walk: _Walk, tokens: Sequence[Token]) -> None:
    """Take a simple command."""
    if not tokens:
        return
    words = [token.text for token in tokens]
    frame = walk.frames[-1] if walk.frames else None
    if frame and frame.kind == "for" and len(words) >= 2 and words[1] == "in" and not frame.loop:
        frame.loop = words[0]
        walk.variables[words[0]] = [part for word in words[2:] for part in _known(walk, word).split()] or ["$?"]
        return
    # That a command succeeds says nothing of the peer, but that the script looks at something else before it goes on.
    walk.last = When(sure=not walk.testing or words[0].rpartition("/")[2] in ("pon", "pppd"))
    if all(_ASSIGNMENT.fullmatch(word) for word in words):
        for word in words:
            name, _, value = word.partition("=")
            walk.variables[name] = [_known(walk, value)]
    elif words[0] in _TESTS or (words[0] == "!" and len(words) > 1 and words[1] in _TESTS):
        negated = words[0] == "!"
        test = _test([_known(walk, word) for word in words[1 + negated :] if word not in ("]", "]]")])
        walk.last = test.negated() if negated else test
    elif words[0] in ("exit", "return"):
        walk.rest = walk.rest.also(walk.when().negated())
    else:
        _expanded(walk, words, tokens[0].line)


def _test(words: Sequence[str]) -> When:
    """What follows for the peer from `[ ... ]`."""
    if words[:1] == ["!"]:
        return _test(words[1:]).negated()
    if len(words) != 3 or words[1] not in ("=", "==", "!="):
        return When(sure=False)
    left, right = words[0], words[2]
    if right.endswith("$peer"):
        left, right = right, left
    prefix = left.removesuffix("$peer")
    if not left.endswith("$peer") or "$" in prefix + right or not right.startswith(prefix):
        return When(sure=False)
    name = right.removeprefix(prefix)
    return When(but=(name,)) if words[1] == "!=" else When((name,))


def _known(walk: _Walk, word: str) -> str:
    """The word with its variables put in; of a loop's, all its words."""
    return _VARIABLE.sub(lambda match: _value(walk, match), word[:_LONGEST])[:_LONGEST]


def _value(walk: _Walk, match: re.Match[str]) -> str:
    name = match[1] or match[2] or match[3] or ""
    if name in walk.variables:
        return " ".join(walk.variables[name])
    return walk.special.get(name, "$?")


def _expanded(walk: _Walk, words: Sequence[str], line: int) -> None:
    """Note a command, once for each word of the loops around that it has."""
    when = walk.when()
    joined = " ".join(words)
    loops = [frame.loop for frame in walk.frames if frame.loop in walk.variables and frame.loop in joined]
    lists = [walk.variables[name] for name in loops]
    for combination in itertools.product(*lists):
        if len(walk.found) >= MOST_COMMANDS:
            return
        walk.variables |= {name: [value] for name, value in zip(loops, combination, strict=True)}
        found = tuple(part for word in words for part in _known(walk, word).split())
        walk.found.append(Command(found, line, when))
    walk.variables |= dict(zip(loops, lists, strict=True))
