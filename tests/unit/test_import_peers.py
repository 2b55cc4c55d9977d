"""/etc/ppp/peers, chap-secrets and option files -> YAML."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.imported import EXAMPLES, config, yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
import getword

from pptpd_manager import options
from pptpd_manager.imports import pppoptions
from pptpd_manager.imports.words import words

PEER = "/etc/ppp/peers/work"
CHAP = "/etc/ppp/chap-secrets"
PTY = 'pty "pptp vpn.example.com --nolaunchpppd"\n'
AGAIN = "    # it is dialled again when it is lost, unless persist: false\n"
PPTPSETUP = """\
# written by pptpsetup
pty "/usr/sbin/pptp vpn.example.com --nolaunchpppd"
lock
noauth
nobsdcomp
nodeflate
name alice
remotename work
ipparam work
require-mppe-128
"""


def body(lines: str, secrets: str = "alice * secret *\n", **more: str) -> str:
    """The YAML of a peer called work with these options besides pty and the login, without what each has."""
    found = yaml("peers", {PEER: f"{PTY}name alice\npersist\n{lines}", CHAP: secrets, **more})
    head = "tunnels:\n  # from /etc/ppp/peers/work\n  work:\n"
    assert found.startswith(head)
    common = ("    server: vpn.example.com\n", "    username: 'alice'\n", "    password: 'secret'\n")
    for line in common:
        found = found.replace(line, "")
    return found.removeprefix(head)


def test_what_pptpsetup_writes() -> None:
    secrets = '\n# added by pptpsetup for work\nalice work "it\'s #1" *\n'
    found = yaml("peers", {PEER: PPTPSETUP, CHAP: secrets})
    assert (
        found
        == f"""\
tunnels:
  # from /etc/ppp/peers/work
  work:
{AGAIN}\
    server: vpn.example.com
    username: 'alice'
    password: 'it''s #1'
    mppe: require-128
"""
    )


def test_a_password_is_not_shown() -> None:
    found = yaml("peers", {PEER: PPTPSETUP, CHAP: "alice work geheim *\n"}, reveal=False)
    assert (
        found
        == f"""\
tunnels:
  # from /etc/ppp/peers/work
  work:
{AGAIN}\
    server: vpn.example.com
    username: 'alice'
    # the password of /etc/ppp/chap-secrets:1 is not shown; --write writes it, in place of this line:
    ask-password: true
    mppe: require-128
"""
    )


def test_the_domain_of_pptpsetup() -> None:
    """It writes one backslash, which pppd takes for an escape; the wiki has two."""
    for login, note in ((r"CORP\bob", True), (r"CORP\\bob", False), (r'"CORP\\bob"', False)):
        tunnel = config("peers", {PEER: f"{PTY}name {login}\n", CHAP: f"{login} * x *\n"}).tunnels["work"]
        assert (tunnel.domain, tunnel.username, tunnel.password) == ("CORP", "bob", "x")
        assert ("a single backslash" in yaml("peers", {PEER: f"{PTY}name {login}\n"})) == note


WITHOUT = """\
    # without encryption, as it was; mppe: optional has it where the server does. The login is by MS-CHAPv2
    # only, the default; a server without it needs refuse-chap: false or refuse-pap: false
"""


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("", WITHOUT + "    mppe: off\n"),
        ("require-mppe", "    mppe: require\n"),
        ("require-mppe nomppe-40", "    mppe: require-128\n"),
        ("require-mppe-128 require-mppe-40", "    mppe: require-128\n"),
        ("require-mppe-128 nomppe", WITHOUT + "    mppe: off\n"),
        ("mppe required,no40,no56,stateless", "    mppe: require-128\n"),
        ("require-mppe-128 mppe-stateful", "    mppe: require-128\n    pppd-options: ['mppe-stateful']\n"),
        (
            "require-mppe refuse-mschap-v2 refuse-pap",
            "    mppe: require\n    refuse-mschap: false\n    refuse-mschap-v2: true\n",
        ),
    ],
)
def test_encryption(lines: str, found: str) -> None:
    assert body(lines) == found


M = "    mppe: require-128\n"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("usepeerdns", M + "    dns: true\n"),
        ("defaultroute", M + "    default-route: true\n"),
        ("replacedefaultroute", M + "    default-route: true\n"),
        ("+ipv6", M + "    ipv6: true\n"),
        ("noipv6", M),
        ("mtu 1400 mru 1410", M + "    mtu: 1400\n    mru: 1410\n"),
        ("mtu 99", "    # mtu not carried over: 99 is not in 576..1500 bytes\n" + M),
        (
            "mtu 08x",
            "    # /etc/ppp/peers/work:4: mtu: not a number that can be carried over; the default holds\n" + M,
        ),
        ("lcp-echo-interval 30\nlcp-echo-failure 4", M + "    lcp-echo-interval: 30\n    lcp-echo-failure: 4\n"),
        ("nopersist", M + "    persist: false\n"),
        ("maxfail 0 idle 0", M),
        ("idle 600 maxconnect 3600", M + "    pppd-options: ['idle 600', 'maxconnect 3600']\n"),
        ("10.0.0.1:10.0.0.2", M + "    pppd-options: ['10.0.0.1:10.0.0.2']\n"),
        ("115200 /dev/ttyS0 crtscts modem asyncmap 0", M),
        (
            "maxfail 3",
            "    # /etc/ppp/peers/work:4: maxfail: the manager dials again by itself; use the key 'persist'\n" + M,
        ),
        (
            "demand",
            "    # /etc/ppp/peers/work:4: demand: a tunnel is dialled when it is told to, not by the first packet\n"
            + M,
        ),
        ("unit 3", "    # /etc/ppp/peers/work:4: unit: the interface is named after the tunnel\n" + M),
        ("auth", "    # /etc/ppp/peers/work:4: auth: a PPTP server is not asked to authenticate itself\n" + M),
        ("\n\nhunter2 hunter3", "    # /etc/ppp/peers/work:6: pppd has no such option\n" + M),
        ("set A=b", M + "    pppd-options: ['set A=b']\n"),
        ("plugin passwordfd.so", None),
        ("plugin minconn.so minconnect 5", M + "    pppd-options: ['plugin minconn.so', 'minconnect 5']\n"),
        ('connect "chat geheim"', None),
    ],
)
def test_an_option(lines: str, found: str | None) -> None:
    whole = body(f"{lines}\nrequire-mppe-128")
    if found is None:
        assert "pppd-options" not in whole and "    # /etc/ppp/peers/work:4: " in whole and "geheim" not in whole
    else:
        assert whole == found


def test_an_argument_that_is_missing() -> None:
    assert body("require-mppe-128 idle") == "    # /etc/ppp/peers/work:4: idle: its argument is missing\n" + M


def test_every_option_of_pppd_is_read_with_its_arguments() -> None:
    """And no known one is a note of an unknown one, or stops the import."""
    for name, count in getword.table().items():
        content = f"{name}{' 1' * count}\nlast".encode()
        assert [(option.name, len(option.arguments)) for option in pppoptions.split(content, "f")] == [
            (name, count),
            ("last", 0),
        ], name
        assert next(pppoptions.split(content, "f")).known or name == "name"
    assert options.TAKEN.keys().isdisjoint(pppoptions.ONE - {"chap-secrets", "pap-secrets"})


def test_included_files() -> None:
    files = {
        PEER: "call base\nfile /etc/ppp/options.pptp\nfile /etc/ppp/none\nfile relative\ncall ../x\ncall work\n",
        "/etc/ppp/peers/base": f"{PTY}user alice\npersist\n",
        "/etc/ppp/options.pptp": "require-mppe-128\n",
        "/etc/ppp/options": "usepeerdns\nlcp-echo-interval 30\nidle 5\nnosuch\n",
        CHAP: "alice * secret *\n",
    }
    assert (
        yaml("peers", files).split("  # from /etc/ppp/peers/work\n")[1]
        == """\
  work:
    # /etc/ppp/peers/work:3: the file that is named there does not exist
    # /etc/ppp/peers/work:4: file: not a path that can be followed
    # /etc/ppp/peers/work:5: call: not a path that can be followed
    # /etc/ppp/peers/work:6: a file is included in itself
    server: vpn.example.com
    username: 'alice'
    password: 'secret'
    mppe: require-128
    dns: true
"""
    )


@pytest.mark.parametrize(
    ("secrets", "remote", "password"),
    [
        ("alice * a *\nalice PPTP b *\n* PPTP c *\n", "PPTP", "b"),
        ("* PPTP c *\nalice * a *\n", "PPTP", "a"),
        ("# alice PPTP x\nbob PPTP y *\n* * z\n", "PPTP", "z"),
        (r'"alice" PPTP "a\"b\\c\ \x41\101#"' + "\n", "PPTP", r'a"b\c AA#'),
        ("alice PPTP first *\nalice PPTP second *\n", "PPTP", "first"),
        ("alice PPTP same *\nalice OTHER same *\n", "", "same"),
        ("alice PPTP one *\nalice OTHER two *\n", "", ""),
        ("alice OTHER two *\n", "PPTP", ""),
        ("alice PPTP @/etc/ppp/word *\n", "PPTP", "of a file"),
        ('alice PPTP "ends\\x0a" *\n', "PPTP", "ends"),
        ('alice PPTP "" *\n', "PPTP", ""),
        (r"alice PPTP \344\366 *" + "\n", "PPTP", ""),  # ISO 8859-1
        ("alice PPTP\nsecret *\n", "PPTP", ""),
    ],
)
def test_the_password_is_found_as_pppd_finds_it(secrets: str, remote: str, password: str) -> None:
    files = {
        PEER: PTY + "name alice\n" + (f"remotename {remote}\n" if remote else ""),
        CHAP: secrets,
        "/etc/ppp/word": '"of a file" more\n',
    }
    tunnel = config("peers", files).tunnels["work"]
    assert (tunnel.password, tunnel.ask_password) == (password, not password)


def test_a_password_of_pap_needs_pap() -> None:
    tunnel = config("peers", {PEER: PTY + "name alice\n", "/etc/ppp/pap-secrets": "alice * x\n"}).tunnels["work"]
    assert (tunnel.password, tunnel.refuse_pap) == ("x", False)


def test_a_password_among_the_options() -> None:
    tunnel = config("peers", {PEER: PTY + "name alice\npassword 'a b'\n", CHAP: "alice * other *\n"}).tunnels["work"]
    assert tunnel.password == "a b"


@pytest.mark.parametrize(
    "pty",
    [
        "pty 'pptp vpn.example.com --nolaunchpppd'",
        'pty "exec /usr/sbin/pptp --nolaunchpppd --loglevel 0 --nohostroute vpn.example.com 2>/dev/null"',
        'pty "sudo pptp \\"vpn.example.com\\" --nolaunchpppd --logstring=x"',
        "plugin pptp.so\npptp_server vpn.example.com",
    ],
)
def test_the_server(pty: str) -> None:
    assert config("peers", {PEER: f"{pty}\nname alice\n"}).tunnels["work"].servers == ("vpn.example.com",)


def test_options_of_pptp_that_are_lost() -> None:
    pty = 'pty "pptp vpn.example.com --phone 123 --nobuffer"\n'
    found = yaml("peers", {PEER: pty + "name alice\n"})
    for name in ("--phone", "--nobuffer"):
        assert f"    # /etc/ppp/peers/work:1: pptp's option {name}: the manager starts pptp itself\n" in found


def test_what_is_no_pptp_tunnel() -> None:
    files = {"/etc/ppp/peers/provider": 'connect "/usr/sbin/chat -v"\n/dev/modem\n', PEER: PTY + "name alice\n"}
    found = yaml("peers", files)
    assert found.startswith("# /etc/ppp/peers/provider: no tunnel: its pty does not call pptp\ntunnels:\n")


def test_a_tunnel_that_is_not_complete_is_all_comment() -> None:
    assert (
        yaml("peers", {PEER: 'pty "pptp $SERVER"\nname alice\nrequire-mppe-128\npersist\n'})
        == """\
tunnels: {}
  # from /etc/ppp/peers/work
  # not complete: server could not be found
  # work:
    # no password for it in /etc/ppp/chap-secrets or /etc/ppp/pap-secrets
    # server not carried over: character 1 is none of a host name (letters, digits, inner hyphens and dots)
  #   username: 'alice'
  #   ask-password: true
  #   mppe: require-128
"""
    )


def test_names_that_no_tunnel_can_have() -> None:
    peers = ("a.long.name.of.a.peer", "a.long.name.of.b.peer", "-", "Ünicode", "ok_1")
    found = config("peers", {f"/etc/ppp/peers/{name}": PTY + "name alice\n" for name in peers})
    assert set(found.tunnels) == {"a-long-nam", "a-long-na2", "tunnel", "nicode", "ok_1"}


@given(st.binary(max_size=60) | st.text(alphabet="a \"'\\x0417n#\n\t", max_size=40).map(str.encode))
@settings(max_examples=EXAMPLES, deadline=None)
def test_words_are_those_of_pppd(content: bytes) -> None:
    ours = [word.text.encode(errors="surrogateescape") for word in words(content)]
    assert ours == list(getword.words(content))
