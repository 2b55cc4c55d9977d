"""Whatever is in the files: the output parses, no secret is in it, and nothing that a terminal would obey.

PPTP_MANAGER_EXAMPLES is how many values each property is tried with; 50 without it.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptpd_manager.config import parse
from pptpd_manager.imports import yamltext
from unit.imported import EXAMPLES, drafts

SECRET = "Geheim73"
PEER, CHAP = "/etc/ppp/peers/work", "/etc/ppp/chap-secrets"
NM = "/etc/NetworkManager/system-connections/work.nmconnection"
UCI = "/etc/config/network"
SCRIPT, RC = "/etc/ppp/ip-up.d/routes", "/etc/rc.d/vpn"
PTY = 'pty "pptp vpn.example.com --nolaunchpppd"\n'
KEYFILE = "[connection]\nid=work\n[vpn]\nservice-type=org.freedesktop.NetworkManager.pptp\ngateway=a.b\nuser=alice\n"
INTERFACE = "config interface work\n option proto pptp\n option server a.b\n option username alice\n"

# A line that is often not what it should be, in each file.
PPPD = st.sampled_from(
    [
        *(PTY, "name alice\n", "user a\\\\b\n", "password ", f"password {SECRET}\n", "require-mppe-128\n", "file "),
        *(
            f"file {PEER}\n",
            "call work\n",
            "set A=b\n",
            "mtu 1400\n",
            "mtu ",
            "idle 6 ",
            "plugin x.so\n",
            "10.0.0.1:\n",
        ),
        *(
            'pty "',
            "pty 'pptp ",
            "#",
            "\\",
            '"',
            "'",
            "\0",
            "\x1b[2J",
            "\xff",
            "\udcff",
            "\u2028",
            "é",
            "\n",
            " ",
            "x" * 2000,
        ),
    ]
)
KEYS = st.sampled_from(
    [
        *("[vpn]\n", "[ipv4]\n", "[connection]\n", "[vpn-secrets]\n", f"password={SECRET}\n", "password-flags=1\n"),
        *(
            "route1=10.0.0.0/8,",
            "route1=",
            "dns=",
            "dns-search=a;",
            "permissions=user:a:;",
            "id=",
            "gateway=",
            "user=a\\\\b\n",
        ),
        *(
            "route1_options=table=",
            "never-default=true\n",
            "=",
            "[",
            "]",
            "\\",
            ";",
            "1",
            "\0",
            "\x1b[2J",
            "\udcff",
            "é",
            "\n",
        ),
    ]
)
OPENWRT = st.sampled_from(
    [
        *(
            "config interface x\n",
            "config route\n",
            "option interface work\n",
            "option target 10.0.0.0/8\n",
            "option ",
        ),
        *(
            "proto pptp\n",
            "list dns ",
            f"option password {SECRET}\n",
            "option keepalive 1,2\n",
            "option pppd_options '",
        ),
        *(
            "idle 6",
            "'",
            '"',
            "\\",
            "#",
            "\n",
            " ",
            "\0",
            "\x1b[2J",
            "\udcff",
            "é",
            "option metric -1\n",
            "option mtu 9\n",
        ),
    ]
)
SHELL = st.sampled_from(
    [
        *(
            "if ",
            "[ $6 = work ]",
            "; then\n",
            "else\n",
            "fi\n",
            "case $6 in\n",
            "work)",
            "*)",
            ";;\n",
            "esac\n",
            "for x in a b",
        ),
        *(
            "; do\n",
            "done\n",
            "ip route add 10.0.0.0/8 dev $1\n",
            "route add default $1\n",
            "pon work\n",
            "pon ",
            "$x",
            "${",
            "$(",
        ),
        *(
            "&&",
            "||",
            "exit\n",
            "{",
            "}",
            "(",
            ")",
            "`",
            "'",
            '"',
            "<<E\n",
            "E\n",
            "x=$x$x\n",
            "\\",
            "\0",
            "\x1b",
            "\udcff",
            "é",
        ),
    ]
)


def made(lines: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    whole = st.lists(lines, max_size=14).map(lambda parts: "".join(parts).encode(errors="surrogateescape"))
    return whole | st.binary(max_size=40)


def proves(system: str, contents: dict[str, str | bytes]) -> None:
    """What is shown and what is written parse, and only what is written has the secret."""
    found, notes = drafts(system, contents)
    for reveal in (False, True):
        text = yamltext.whole(found, reveal=reveal, notes=notes)
        complete = [draft.name for draft in found if not draft.missing]
        assert list(parse(text, "the import").tunnels) == complete
        assert all(character.isprintable() or character == "\n" for character in text)
        assert reveal or SECRET not in text


@given(made(PPPD), made(PPPD), made(PPPD))
@settings(max_examples=EXAMPLES, deadline=None)
def test_peers(options: bytes, secrets: bytes, more: bytes) -> None:
    proves("peers", {PEER: PTY.encode() + b"name alice\n" + options, CHAP: secrets, "/etc/ppp/options": more})


@given(made(KEYS))
@settings(max_examples=EXAMPLES, deadline=None)
def test_networkmanager(content: bytes) -> None:
    proves("networkmanager", {NM: KEYFILE.encode() + content})


@given(made(OPENWRT), made(PPPD))
@settings(max_examples=EXAMPLES, deadline=None)
def test_openwrt(content: bytes, options: bytes) -> None:
    proves("openwrt", {UCI: INTERFACE.encode() + content, "/etc/ppp/options.pptp": options})


@given(made(SHELL))
@settings(max_examples=EXAMPLES, deadline=None)
def test_scripts(content: bytes) -> None:
    peer = {PEER: f"{PTY}name alice\n", CHAP: f"alice * {SECRET} *\n"}
    proves("peers", {**peer, SCRIPT: content})
    proves("ip-up", {**peer, SCRIPT: content})
    proves("rc.d", {**peer, RC: content})


@pytest.mark.parametrize(
    "line",
    [
        *(
            "password {}",
            "password '{} x'",
            "set VPN_PASSWORD={}",
            "connect 'x {}'",
            "{}",
            "--{}",
            "x {}",
            "# {}",
            "ipparam {}",
        ),
        *(
            "file {}",
            "file /{}",
            "call {}",
            "mtu {}",
            "idle {}",
            "plugin {}",
            "plugin x.so x-password {}",
            "remotename {}",
        ),
        *(
            "domain {}",
            "active-filter '{}'",
            "ip-up-script {}",
            "linkname {}",
            "logfile {}",
            "unit {}",
            "+ua {}",
            "'{}",
        ),
        *(
            "lcp-echo-interval {}",
            "10.0.0.1:{}",
            "{}:",
            "/dev/{}",
            "srp-pn-secret {}",
            "pty 'pptp --password {} a.b'",
            "\\{}",
        ),
    ],
)
def test_no_secret_among_pppds_options_is_shown(line: str) -> None:
    proves("peers", {PEER: f"{PTY}name alice\n{line.format(SECRET)}\n"})
    proves("peers", {PEER: f"name alice\n{PTY}", CHAP: f"{line.format(SECRET)}\nalice * {SECRET} {SECRET}\n"})
    proves("openwrt", {UCI: INTERFACE + f" option pppd_options {line.format(SECRET)!r}\n"})


KEYFILE_LINES = (
    *("password={}", "{}", "# {}", "dns={}", "route1={}", "route1=10.0.0.0/8,{},{}", "x={}", "=={}", "timeout={}"),
    *("route1=10.0.0.0/8\nroute1_options=src={}", "lcp-echo-interval={}"),
)
ROUTE = "config route\noption interface work\noption target "
UCI_LINES = (
    *("option password {}", "option passwort {}", "{}", "{} x", "option x", "option keepalive {}", "option mtu {}"),
    *("list dns {}", "option metric {}", "option ip4table {}", "# {}", "option 'x {}"),
    *(ROUTE + "{}", ROUTE + "10.0.0.0/8\noption source {}"),
)
COMMANDS = (
    *("ip route add {} dev $1", "ip route add 10.0.0.0/8 dev $1 src {}", "route add {}", "X={}", "pppd user {}"),
    *("ip route add 10.0.0.0/8 via {}", "ip route add 10.0.0.0/8 table {} dev $1", "pon work password {}", "echo {}"),
    "[ $6 = {} ] && ip route add 10.0.0.0/8 dev $1",
)


@pytest.mark.parametrize("group", ["vpn", "vpn-secrets", "ipv4", "connection", "other"])
def test_no_secret_in_a_keyfile_is_shown(group: str) -> None:
    for line in KEYFILE_LINES:
        proves("networkmanager", {NM: f"{KEYFILE}[{group}]\n{line.replace('{}', SECRET)}\n"})


@pytest.mark.parametrize("line", UCI_LINES)
def test_no_secret_in_uci_is_shown(line: str) -> None:
    proves("openwrt", {UCI: f"{INTERFACE}{line.format(SECRET)}\n"})


@pytest.mark.parametrize("line", COMMANDS)
def test_no_secret_in_a_script_is_shown(line: str) -> None:
    for path, system in ((SCRIPT, "ip-up"), (RC, "rc.d")):
        proves(system, {PEER: f"{PTY}name alice\n", path: f"{line.format(SECRET)}\npon work\n{line.format(SECRET)}\n"})


def test_what_is_large_takes_no_time() -> None:
    """What could grow with the square, or faster: minutes then."""
    many = 1 << 17
    proves("peers", {PEER: PTY + "name alice\n" + "x " * (many // 2)})
    proves("peers", {PEER: PTY + "name alice\n" + "debug\nx\n" * (many // 8), CHAP: "alice * x\n" * (many // 10)})
    proves("networkmanager", {NM: KEYFILE + "[ipv4]\n" + "".join(f"route{n}=10.0.0.0/8\n" for n in range(5_000))})
    proves("openwrt", {UCI: INTERFACE + "list dns 10.0.0.1\n" * (many // 20)})
    proves("peers", {PEER: PTY + "name alice\n", SCRIPT: "ip route add 10.0.0.0/8 dev $1\n" * (many // 31)})
    proves("peers", {PEER: PTY + "name alice\n", SCRIPT: "[ $6 = a ] || exit\n" * (many // 20)})
