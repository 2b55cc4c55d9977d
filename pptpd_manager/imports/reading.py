"""What pppd's options say of a tunnel, taken one after the other as pppd does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pptpd_manager import options, pppd
from pptpd_manager.values import BadText

from .draft import NO_KEY, Draft, Files, Hidden, Place, number, word_set
from .pppoptions import ADDRESSES, ONE, Option, is_place, split
from .words import Word

DIRECTORY = "/etc/ppp"
OPTIONS = f"{DIRECTORY}/options"  # which pppd reads first, whoever starts it
MOST_FILES = 100  # of one peer
# What the manager sets itself, what it makes no difference to, and what only a serial line knows.
_SILENT = word_set(
    "lock nolock noauth nobsdcomp -bsdcomp nodeflate -deflate novj -vj novjccomp -vjccomp nodetach -detach detach "
    "updetach hide-password noipdefault noproxyarp -proxyarp nodefaultroute -defaultroute noreplacedefaultroute "
    "linkname logfd logfile nolog nologfd asyncmap default-asyncmap -am crtscts nocrtscts -crtscts modem "
    "local xonxoff noipx -ipx noipv6 -ipv6 nomultilink nomp nopredictor1 -predictor1 up_sdnotify default-mru -mru"
)
_FLAGS: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "defaultroute": ("default-route", True),
        "replacedefaultroute": ("default-route", True),
        "usepeerdns": ("dns", True),
        "+ipv6": ("ipv6", True),
        "ipv6": ("ipv6", True),
        "nopersist": ("persist", False),
    }
)
_NUMBERS = frozenset(("mtu", "mru", "lcp-echo-interval", "lcp-echo-failure"))
_REFUSED = re.compile(r"(?:refuse)?-(eap|pap|chap|mschap|mschap-v2)")
_MPPE: Mapping[str, tuple[frozenset[str], frozenset[str]]] = MappingProxyType(
    {
        word: (frozenset(added.split()), frozenset(removed.split()))
        for words_, added, removed in (
            ("require-mppe +mppe mppe", "any", ""),
            ("require-mppe-128 +mppe-128", "128", ""),
            ("require-mppe-40 +mppe-40", "40", ""),
            ("nomppe -mppe noccp -ccp", "", "any 128 40"),
            ("nomppe-128 -mppe-128", "", "128"),
            ("nomppe-40 -mppe-40", "no40", "40"),
        )
        for word in words_.split()
    }
)
# The options of pptp(8) and how many arguments each takes; and those that make a difference.
_PPTP: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(word_set("--nolaunchpppd --nohostroute --sync --nobuffer --debug"), 0),
        **dict.fromkeys(word_set("--logstring --loglevel --max-echo-wait --idle-wait --test-type --test-rate"), 1),
        **dict.fromkeys(word_set("--phone --quirks --timeout --localbind --rtmark --missing-window"), 1),
    }
)
_PPTP_MORE = word_set("--phone --quirks --timeout --localbind --rtmark --missing-window --sync --nobuffer")
_NUMERIC = re.compile(r"[0-9.:+-]*")
_FILE = re.compile(r"/[A-Za-z0-9_./+-]+|[A-Za-z0-9_.+-]+\.so")
_SINGLE_BACKSLASH = re.compile(r"\"?([A-Za-z0-9_.-]+)\\(?!x[0-9a-fA-F]|[0-7]{3})([A-Za-z0-9_.@-]+)\"?")


@dataclass
class Reading:
    """What the options of one tunnel have said so far, in pppd's order."""

    draft: Draft
    files: Files
    user: Word | None = None
    name: Word | None = None
    remote: str | None = None
    param: str = ""
    password: tuple[str, Place] | None = None
    secrets: dict[str, str] = field(default_factory=dict)  # chap-secrets, pap-secrets -> path
    mppe: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    persist: bool = False
    plugins: bool = False
    serverless: bool = True
    _open: list[str] = field(default_factory=list)
    _files: int = 0

    def file(self, path: str, asked: Place | None = None, *, shared: bool = False) -> None:
        """Take all options of a file, and of those that it includes."""
        if path in self._open or self._files >= MOST_FILES:
            self.draft.note("a file is included in itself" if path in self._open else "too many files", asked)
            return
        content = self.files.read(path)
        if content is None:
            if asked:
                self.draft.note("the file that is named there does not exist", asked)
            return
        self._open.append(path)
        self._files += 1
        self.all(split(content, path, shared=shared))
        self._open.pop()

    def all(self, given: Iterable[Option]) -> None:
        """Take these options."""
        for option in given:
            self._take(option)

    def _take(self, option: Option) -> None:
        name = option.name
        if (name in ONE or options.TAKEN.get(name)) and not option.arguments:
            self.draft.note(f"{name}: its argument is missing", option.place)
        elif not (self._included(option) or self._said(option) or self._login(option)):
            self._other(option)

    def _included(self, option: Option) -> bool:
        """Take `file` and `call`."""
        path = option.argument
        if option.name == "call" and not path.startswith("/") and ".." not in path.split("/"):
            self.file(f"{DIRECTORY}/peers/{path}", option.place)
        elif option.name == "file" and path.startswith("/"):
            self.file(path, option.place)
        elif option.name in ("call", "file"):
            self.draft.note(f"{option.name}: not a path that can be followed", option.place)
        return option.name in ("call", "file")

    def _said(self, option: Option) -> bool:
        """Take what is the value of a key."""
        name, draft = option.name, self.draft
        if found := _REFUSED.fullmatch(name):
            self.refused.add(found[1])
        elif name in _MPPE:
            self._encryption(option)
        elif name in _FLAGS:
            key, value = _FLAGS[name]
            draft.values[key] = value
        elif name in _NUMBERS:
            self._number(option)
        elif name == "persist":
            self.persist = True
        elif name in ("idle", "maxfail") and option.argument == "0":
            pass
        elif name in ("pty", "pptp_server"):
            self._server(option)
        else:
            return False
        return True

    def _encryption(self, option: Option) -> None:
        """Take an option of MPPE; `mppe required,no40,no56,stateless` is that of a patched pppd, as OpenWrt has it."""
        added, removed = _MPPE[option.name]
        if option.name == "mppe":
            parts = option.argument.split(",")
            added = frozenset(
                {"required": "any", "no40": "no40"}[part] for part in parts if part in ("required", "no40")
            )
            if "stateful" in parts:
                self.draft.add("pppd-options", "mppe-stateful")
        self.mppe = (self.mppe - removed) | added

    def _number(self, option: Option) -> None:
        value = number(option.argument)
        if option.shared and option.name.startswith("lcp-"):
            return  # of every link of that machine, modems too; ours finds a dead server sooner
        if value is None or (value == 0 and option.name.startswith("lcp-")):
            self.draft.note(f"{option.name}: not a number that can be carried over; the default holds", option.place)
        else:
            self.draft.values[option.name] = value

    def _server(self, option: Option) -> None:
        """Take `pty "pptp SERVER --nolaunchpppd"`, or the same of the plugin pptp.so."""
        text = option.argument
        given = [text] if option.name == "pptp_server" else []
        rest: list[str] = []
        if option.name == "pty":
            command = _shell_words(text)
            at = [index for index, word in enumerate(command) if word.rpartition("/")[2] == "pptp"]
            if not at:
                return
            given, rest = _arguments(command[at[0] + 1 :])
        self.serverless = False
        if given:
            self.draft.values["server"] = (given[0],)
        for name in rest:
            self.draft.note(f"pptp's option {name}: the manager starts pptp itself", option.place)

    def _login(self, option: Option) -> bool:
        """Take what is said of the login."""
        if option.name == "user":
            self.user = option.arguments[0]
        elif option.name == "name":
            self.name = option.arguments[0]
        elif option.name == "remotename":
            self.remote = option.argument
        elif option.name == "ipparam":
            self.param = option.argument
        elif option.name == "password":
            self.password = (option.argument, option.place)
        elif option.name in ("chap-secrets", "pap-secrets"):
            self.secrets[option.name] = option.argument
        else:
            return False
        return True

    def _other(self, option: Option) -> None:
        """Take what no key is for."""
        draft, name = self.draft, option.name
        if option.shared or name in _SILENT or (name == "plugin" and option.argument.endswith("pptp.so")):
            return
        self.plugins = self.plugins or name == "plugin"
        if name in ("unit", "ifname"):
            draft.note(f"{name}: the interface is named after the tunnel", option.place)
        elif name == "demand":
            draft.note("demand: a tunnel is dialled when it is told to, not by the first packet", option.place)
        elif name in options.ADVICE or name in ONE:
            advice = options.ADVICE.get(name, NO_KEY)
            draft.note(f"{name}: {advice}", option.place)
        elif is_place(name) and not ADDRESSES.fullmatch(name):
            return
        elif option.known or ADDRESSES.fullmatch(name) or self.plugins:
            self._passed(option)
        else:
            # What it is called is not shown: in the wrong place a password looks like an option.
            draft.note("pppd has no such option", option.place)

    def _passed(self, option: Option) -> None:
        """Have it in pppd-options, if it can be there."""
        text = " ".join(map(_word, [option.name, *(word.text for word in option.arguments)]))
        try:
            options.option(text)
        except BadText as error:
            self.draft.note(str(error) if option.known else "cannot be carried over", option.place)
            return
        except UnicodeEncodeError:
            self.draft.note("cannot be carried over: it is not UTF-8", option.place)
            return
        shape = _FILE if option.name == "plugin" or option.name.endswith("-script") else _NUMERIC
        plain = all(shape.fullmatch(word.text) for word in option.arguments)
        named = option.known or bool(ADDRESSES.fullmatch(option.name))
        self.draft.add("pppd-options", text if plain and named else Hidden(text))

    def finish(self) -> None:
        """Have the draft say what follows from all options together."""
        draft = self.draft
        if word := self.user or self.name:
            single = _SINGLE_BACKSLASH.fullmatch(word.raw)
            if single:
                # pptpsetup writes it so, and pppd reads an escape.
                draft.note("a single backslash, which pppd takes for an escape, was meant to divide domain and user")
            draft.login(f"{single[1]}\\{single[2]}" if single else word.text)
        draft.encryption(
            required=not self.mppe.isdisjoint(("any", "128", "40")),
            strict=not self.mppe.isdisjoint(("128", "no40")),
            refused=self.refused,
        )

    @property
    def client(self) -> str:
        """The name that pppd logs in with."""
        word = self.user or self.name
        return word.text if word else ""


def _shell_words(text: str) -> list[str]:
    """The words of a shell's command line; those between blanks if it has an open quote."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _arguments(words_: Sequence[str]) -> tuple[list[str], list[str]]:
    """The plain words of pptp's command line, and those of its options that say more than the manager does.

    None of the plain words when pptp would not take the line.
    """
    given: list[str] = []
    rest: list[str] = []
    following = iter(words_)
    for word in following:
        name, equals, _ = word.partition("=")
        if name in _PPTP and not equals:
            for _ in range(_PPTP[name]):
                next(following, "")
        if name.startswith("--") and name not in _PPTP:
            return [], rest
        if name in _PPTP_MORE:
            rest.append(name)
        elif not name.startswith("-"):
            given.append(word)
    return given, rest


def _word(text: str) -> str:
    """text as one word of pppd."""
    return text if re.fullmatch(r"[A-Za-z0-9_./:,=+@%-]+", text) else pppd.quoted(text).decode()
