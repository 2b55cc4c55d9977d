"""pppd's own parser on generated option files: `pppd file PATH dryrun` prints what is in effect, and where it is from.

PPTP_MANAGER_EXAMPLES is how many files; 60 without it, since a start of a program takes long in the lab. The seed is
printed, and always the same.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import commands as lab
import getword
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from pptpd_manager import options, pppd
from pptpd_manager.config import TunnelConfig
from pptpd_manager.values import BadText

EXAMPLES = int(os.environ.get("PPTP_MANAGER_EXAMPLES", "60"))
SEED = 20250107
RUN = "0123456789abcdef0123456789abcdef"
ADDRESS = IPv4Address("203.0.113.1")
BASE = TunnelConfig("work", ("a",), "alice", "secret")
PPPD = ["pppd"]
VERSION = re.compile(r"version (\d+\.\d+\.\d+)")
NASTY = [chr(value) for value in range(1, 128)] + ["ä", "\x85", "\xa0", "\N{SNOWMAN}", "\U0001f600"]
NASTY += [
    "\npersist\n",
    '" persist "',
    "' persist '",
    "\\156",
    "\\x6e",
    "\\\n",
    "#",
    "$(id)",
    "`id`",
    "%n%s",
    "\\",
] * 4


def texts() -> Iterator[str]:
    """Hostile texts, for ever. Each byte takes up to four when pppd prints it, and it prints 255."""
    chance = random.Random(SEED)
    yield from NASTY[:132]
    while True:
        text = "".join(chance.choice(NASTY) for _ in range(chance.randint(1, 25)))
        yield text.encode()[:60].decode(errors="ignore") or "x"


def effective(tmp_path: Path, content: bytes) -> dict[str, str]:
    """The options that pppd has with a file of that content, as it prints them: by name, the argument or "".

    Nothing when it refuses the file. Where it says that an option is from is not looked at: 2.5.2 prints memory there
    that it has given back.
    """
    path = tmp_path / "options"
    path.write_bytes(content)
    done = subprocess.run([*PPPD, "file", str(path), "dryrun"], capture_output=True, timeout=60, check=False)
    shown = done.stdout.decode(errors="surrogateescape") + done.stderr.decode(errors="surrogateescape")
    if done.returncode:
        assert re.search("invalid numeric parameter|missing = in name=value", shown), (content, shown)
        return {}
    found: dict[str, str] = {}
    for text in re.findall(r"^(.*?)\n?\t\t# \(from .*\)$", shown, re.MULTILINE):  # it breaks what is too long
        name, _, argument = text.partition(" ")
        found[name] = argument
    return found


def quoted(text: str) -> str:
    """How pppd prints a text of an option: %q of vslprintf() in utils.c."""
    plain = {9: "\\t", 10: "\\n", 8: "\\b", 12: "\\f", 34: '\\"', 92: "\\\\"}
    shown = [
        plain.get(byte, f"\\x{byte:02x}") if byte in plain or byte < 32 or 127 <= byte < 160 else chr(byte)
        for byte in text.encode()
    ]
    return "".join(shown).encode("latin-1").decode(errors="surrogateescape")


def word(tmp_path: Path, text: bytes) -> bytes:
    """The one word that pppd reads in text: it complains of a number that is none, in up to 900 bytes as they are.

    So what it would not show, or would cut, is seen whole.
    """
    path = tmp_path / "word"
    path.write_bytes(b"mtu lab" + text + b"\n")
    done = subprocess.run([*PPPD, "file", str(path), "dryrun"], capture_output=True, timeout=60, check=False)
    begin, end = b"pppd: invalid numeric parameter 'lab", b"' for mtu option\n"
    assert done.returncode == 2 and done.stderr.startswith(begin) and done.stderr.endswith(end), (text, done.stderr)
    return done.stderr.removeprefix(begin).removesuffix(end)


def arguments(content: bytes) -> dict[str, bytes]:
    """What stands in an option file behind the name of each option."""
    lines = (line.partition(b" ") for line in content.splitlines() if not line.startswith(b"#"))
    return {name.decode(): rest for name, _, rest in lines}


def configured(number: int, text: str, other: str) -> tuple[TunnelConfig, bytes]:
    """A tunnel with both texts, by turns in each key that may be any text; and the password, if from elsewhere."""
    password = other.encode()
    return [
        (replace(BASE, username=text, password=other), b""),
        (replace(BASE, username=text, password="", password_file=other), password),
        (replace(BASE, username=text, password="", credential=other), password),
        (replace(BASE, username="x", domain=text, password="", ask_password=True), password),
    ][number % 4]


def test_every_text_is_one_word_for_pppd(tmp_path: Path) -> None:
    """In the keys by turns. No other option is in effect than with harmless texts."""
    print("seed", SEED)
    some = texts()
    plain = effective(tmp_path, pppd.options(BASE, RUN, ADDRESS))
    for number in range(EXAMPLES):
        text, other = next(some), next(some)
        config, password = configured(number, text, other)
        content = pppd.options(config, RUN, ADDRESS, password=password)
        found = effective(tmp_path, content)
        read = {name: (given or [""])[0] for name, *given in getword.parsed(content, getword.table())}
        assert found["user"] == quoted(config.login) == quoted(read["user"]), text
        assert set(found) == set(plain), "no other option"
        assert {name: value for name, value in found.items() if name != "user"} == {
            name: value for name, value in plain.items() if name != "user"
        }
        secret = config.password.encode() or password
        assert word(tmp_path, arguments(content)["password"]) == secret, "pppd shows ?????? of it"


def test_the_longest_texts_are_one_word_for_pppd(tmp_path: Path) -> None:
    """255 bytes of a login and of a password, 1000 of an extra option: the most that the configuration takes."""
    chance = random.Random(SEED)
    plain = effective(tmp_path, pppd.options(BASE, RUN, ADDRESS))
    for number in range(max(5, EXAMPLES // 10)):
        text, other = ("".join(chance.choices(NASTY, k=255)).encode()[:255].decode(errors="ignore") for _ in range(2))
        config, password = configured(number, text, other)
        extra = f"set LAB={'x' * (1000 - len('set LAB='))}"
        config = replace(config, pppd_options=(extra,))
        content = pppd.options(config, RUN, ADDRESS, password=password)
        found = effective(tmp_path, content)
        assert set(plain) < set(found) and {name[:6] for name in set(found) - set(plain)} == {"LAB=xx"}
        lines = arguments(content)
        assert word(tmp_path, lines["user"]) == config.login.encode()
        assert word(tmp_path, lines["password"]) == config.password.encode() or password
        assert options.option(extra) == extra and len(extra) == 1000


def test_four_kilobytes_are_refused_and_would_be_no_other_option(tmp_path: Path) -> None:
    """pppd itself cuts a word at 1023 bytes, and takes none of what is behind for another one."""
    text = ("x\" persist # '\n persist\n" * 200)[:4096]
    keys = {"username": text, "password": text, "domain": text, "server": text, "pppd-options": [f"idle {text}"]}
    lab.write({name: {**lab.ALICE, key: value} for name, (key, value) in zip("abcde", keys.items(), strict=True)})
    done = lab.run("pptp-manager", "--check")
    told = {line.split(": ")[1].partition("[")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 78
    assert told == {f"tunnels.{name}.{key}" for name, key in zip("abcde", keys, strict=True)}, done.stderr
    assert len(done.stderr) < 2000, done.stderr
    plain = effective(tmp_path, pppd.options(BASE, RUN, ADDRESS))
    for number in range(4):
        config, password = configured(number, text, text)
        found = effective(tmp_path, pppd.options(config, RUN, ADDRESS, password=password))
        assert set(found) == set(plain)
        assert quoted(config.login).startswith(found["user"])


def test_an_extra_option_is_that_one_alone(tmp_path: Path) -> None:
    """What pppd-options takes of generated lines: no option of ours is another one for pppd."""
    plain = effective(tmp_path, pppd.options(BASE, RUN, ADDRESS))
    chance = random.Random(SEED)
    words = [
        "debug",
        "idle",
        "600",
        "persist",
        "nodetach",
        "nopersist",
        "maxconnect",
        "'600'",
        '"600"',
        "\\x36",
        "\\066",
    ]
    words += [
        '"nodetach"',
        "'persist'",
        "\\160ersist",
        "\\x70ersist",
        "p\\145rsist",
        "#",
        "a\\ b",
        "set",
        "A=b",
        "idle#",
    ]
    lines = {" ".join(chance.choice(words) for _ in range(chance.randint(1, 3))) for _ in range(3000)}
    taken = []
    for line in sorted(lines):
        try:
            taken.append(options.option(line))
        except BadText:
            continue
    taken = [line for line in taken if next(getword.words(line.encode())).decode() in getword.table()]
    chance.shuffle(taken)
    assert len(taken) > 20
    seen = 0
    for line in taken[:EXAMPLES]:
        found = effective(tmp_path, pppd.options(replace(BASE, pppd_options=(line,)), RUN, ADDRESS))
        if not found:
            continue
        seen += 1
        name = next(getword.words(line.encode())).decode()
        assert set(found) - set(plain) <= {name}, line
        assert {key: found[key] for key in plain if key != name} == {k: v for k, v in plain.items() if k != name}, line
    assert seen > 5


def test_each_option_of_this_pppd_is_known() -> None:
    """`show-options` is there from 2.5 on; of 2.4.9 the table was made from its source."""
    version = VERSION.search(lab.run(*PPPD, "--version").stdout)
    assert version
    shown = lab.run(*PPPD, "noauth", "dryrun", "pty", "x", "show-options")
    names = re.findall(r"^    (\S+)(?: \S+)* {2,}", shown.stdout + shown.stderr, re.MULTILINE)
    if version[1].startswith("2.4."):
        assert "unrecognized option 'show-options'" in shown.stdout + shown.stderr
        return
    assert len(names) > 200
    named = set(names) - {"device", "tty", "IP"}  # "device name", "tty speed" and "IP addresses" are no words
    assert named <= set(getword.table(version[1])), named - set(getword.table(version[1]))


@pytest.mark.parametrize("word", ["/dev/null", "null", "115200"])
def test_a_device_or_a_speed_is_no_way_around_the_pty(tmp_path: Path, word: str) -> None:
    """pppd takes these words without a name. Those that options.py lets through change nothing, or pppd refuses."""
    try:
        options.option(word)
    except BadText:
        return
    path = tmp_path / "options"
    path.write_bytes(pppd.options(replace(BASE, pppd_options=(word,)), RUN, ADDRESS))
    done = lab.run(*PPPD, "file", str(path), "dryrun")
    shown = done.stdout + done.stderr
    assert done.returncode != 0 or f"pty {quoted(f'exec {pppd.CALL} work-01234567 {ADDRESS}')}" in shown
