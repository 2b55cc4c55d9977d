"""NetworkManager's keyfiles -> YAML."""

from __future__ import annotations

import pytest

from unit.imported import config, drafts, yaml

FILE = "/etc/NetworkManager/system-connections/work.nmconnection"
# As `nmcli connection add type vpn vpn-type pptp` writes it, and what people change.
HEAD = """\
[connection]
id=work
uuid=0dd5b3e6-4f6c-4d5b-8a36-2a3a1c8b0001
type=vpn
autoconnect=false

[vpn]
gateway=vpn.example.com
password-flags=0
user=alice
require-mppe-128=yes
service-type=org.freedesktop.NetworkManager.pptp
"""
SECRETS = "\n[vpn-secrets]\npassword=secret\n"
V4 = "\n[ipv4]\nmethod=auto\n"
LAST = "\n[ipv6]\naddr-gen-mode=default\nmethod=auto\n\n[proxy]\n"


def body(vpn: str = "", ipv4: str = "", connection: str = "", secrets: str = SECRETS) -> str:
    """The YAML of a connection with these lines besides, without what each has."""
    text = HEAD.replace("type=vpn\n", f"type=vpn\n{connection}") + vpn + secrets + V4 + ipv4 + LAST
    found = yaml("networkmanager", {FILE: text})
    head = f"tunnels:\n  # from {FILE}\n  work:\n"
    assert found.startswith(head)
    for line in ("    server: vpn.example.com\n", "    username: 'alice'\n", "    password: 'secret'\n"):
        found = found.replace(line, "")
    return found.removeprefix(head)


def test_what_nmcli_writes() -> None:
    assert (
        yaml("networkmanager", {FILE: HEAD + SECRETS + V4 + LAST})
        == f"""\
tunnels:
  # from {FILE}
  work:
    server: vpn.example.com
    username: 'alice'
    password: 'secret'
    mppe: require-128
    default-route: true
    dns: true
"""
    )


M, REST = "    mppe: require-128\n", "    default-route: true\n    dns: true\n"
BEFORE = f"    # {FILE}:"


@pytest.mark.parametrize(
    ("ipv4", "found"),
    [
        ("never-default=true\n", "    dns: true\n"),
        ("never-default=true\nignore-auto-dns=true\n", ""),
        (
            "never-default=true\nroute1=192.168.10.0/24\nroute2=10.0.0.0/8,10.9.0.1,50\n",
            "    routes: [192.168.10.0/24, {prefix: 10.0.0.0/8, metric: 50}]\n    dns: true\n",
        ),
        ("never-default=true\nroute1=0.0.0.0/0\n", REST),
        ("never-default=true\nroute-table=100\n", "    table: 100\n    dns: true\n"),
        (
            "dns=192.168.10.53;192.168.10.54;\ndns-search=corp.example;~lab.example;~.;\n",
            "    default-route: true\n"
            "    dns: {servers: [peer, 192.168.10.53, 192.168.10.54], search: [corp.example], "
            "domains: [lab.example]}\n",
        ),
        (
            "ignore-auto-dns=true\ndns=192.168.10.53\n",
            "    default-route: true\n    dns: {servers: [192.168.10.53]}\n",
        ),
    ],
)
def test_addresses(ipv4: str, found: str) -> None:
    assert body(ipv4=ipv4) == M + found


@pytest.mark.parametrize(
    ("routes", "note", "found"),
    [
        (
            "route1=10.0.0.0/8\nroute1_options=table=100,src=10.9.0.2,mtu=1400\n",
            "20: mtu of this route: there is no key for it\n",
            "    routes: [{prefix: 10.0.0.0/8, table: 100, source: 10.9.0.2}]\n",
        ),
        (
            "route1=0.0.0.0/0\nroute1_options=table=7\n",
            "20: this route was not carried over: a default\n"
            "    # route in table 7; use the keys 'table' and 'default-route'\n",
            "",
        ),
        (
            "\n[ipv6]\nroute1=2001:db8::/32\nroute2=::/0\n",
            "23: this route was not carried over: a default\n"
            "    # route for IPv6 alone; 'default-route' with 'ipv6' has both\n",
            "    routes: ['2001:db8::/32']\n    ipv6: true\n",
        ),
    ],
)
def test_what_of_a_route_is_not_carried_over(routes: str, note: str, found: str) -> None:
    assert body(ipv4="never-default=true\n" + routes) == BEFORE + note + M + found + "    dns: true\n"


@pytest.mark.parametrize(
    ("vpn", "found"),
    [
        ("require-mppe=yes\n", M + REST),
        ("mppe-stateful=yes\n", M + REST + "    pppd-options: ['mppe-stateful']\n"),
        ("refuse-eap=yes\nrefuse-pap=yes\nrefuse-chap=yes\nnobsdcomp=yes\nnodeflate=yes\nno-vj-comp=yes\n", M + REST),
        ("refuse-mschapv2=yes\n", M + "    refuse-mschap: false\n    refuse-mschap-v2: true\n" + REST),
        (
            "lcp-echo-failure=5\nlcp-echo-interval=30\n",
            M + REST + "    lcp-echo-interval: 30\n    lcp-echo-failure: 5\n",
        ),
        ("domain=CORP\n", "    domain: 'CORP'\n" + M + REST),
        ("domain=A\\sB\\\\\n", None),
        ("timeout=60\n", M + REST + "    connect-timeout: 60\n"),
        ("unit=4\n", f"{BEFORE}13: [vpn] unit: there is no key for it\n" + M + REST),
        ("what is this\nGeheim=x\n", f"{BEFORE}14: not understood\n{BEFORE}13: not understood\n" + M + REST),
    ],
)
def test_the_link(vpn: str, found: str | None) -> None:
    if found is None:
        assert "    # domain not carried over: must not hold a backslash\n" in body(vpn)
    else:
        assert body(vpn) == found


def test_who_may_use_it() -> None:
    assert body(connection="permissions=user:alice:;user:bob:;\n") == M + REST + "    users: ['alice', 'bob']\n"


def test_without_encryption() -> None:
    found = yaml("networkmanager", {FILE: HEAD.replace("require-mppe-128=yes\n", "") + SECRETS})
    assert "    mppe: off\n" in found and "    # without encryption, as it was; " in found


@pytest.mark.parametrize(
    ("flags", "secrets", "note"),
    [
        (
            "1",
            "",
            "the password is not in the file but in a user's keyring; it is asked for, unless you write it here",
        ),
        ("2", SECRETS, "NetworkManager asked for the password each time; so does this"),
    ],
)
def test_a_password_that_is_not_there(flags: str, secrets: str, note: str) -> None:
    found = body(secrets=secrets, vpn=f"password-flags={flags}\n")
    assert found == f"    # {note}\n    ask-password: true\n" + M + REST


def test_escapes() -> None:
    text = HEAD + "\n[vpn-secrets]\npassword=\\sa\\\\b;'\"#\\tc\\s\n"
    assert config("networkmanager", {FILE: text}).tunnels["work"].password == " a\\b;'\"#\tc "


def test_others_are_left_alone() -> None:
    others: dict[str, str | bytes] = {
        FILE + "1": HEAD.replace("pptp", "openvpn"),
        FILE + "2": "[connection]\nid=wifi\ntype=wifi\n[wifi-security]\npsk=geheim\n",
        FILE + "3": b"\xff\x00[vpn\n",
    }
    assert drafts("networkmanager", others) == ([], [])


def test_how_it_is_turned_off() -> None:
    found, _ = drafts("networkmanager", {FILE: HEAD.replace("id=work", "id=My work; $(id)")})
    assert found[0].name == "My-work-id"
    assert found[0].ends == [
        "nmcli connection down 'My work; $(id)'",
        "nmcli connection modify 'My work; $(id)' connection.autoconnect no",
    ]
