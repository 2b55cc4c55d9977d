"""pppd's option file: what a dial of a tunnel says to pppd and pptp. Pure text in, pure text out.

The file is also the record of the dial: its first line says which run it was written for and which server, so a
manager that was started anew knows what runs, and whether a changed configuration would dial it differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from pptpd_manager.config import Mppe, TunnelConfig, interface_name
from pptpd_manager.mtu import dialled

# Which pppd options each strength of MPPE is. pppd without require-mppe never offers it, and rejects a peer's
# offer, so OPTIONAL is a first dial with it and, when the server refuses, a second one without (ccp.c).
# Both strengths by name, since require-mppe means 40 bits alone in pppd 2.5.2.
_MPPE = {
    Mppe.REQUIRE_128: ("require-mppe-128",),
    Mppe.REQUIRE: ("require-mppe-40", "require-mppe-128"),
    Mppe.OPTIONAL: ("require-mppe-40", "require-mppe-128"),
    Mppe.OFF: ("nomppe",),
}
LCP_RESTART_SECONDS = 2
CALL = "/usr/lib/pptp-manager/pptp-unit call"  # runs pptp
IP_UP = "/usr/lib/pptp-manager/pptp-ip-up"  # tells the manager of the peer's name servers, and runs /etc/ppp/ip-up

# What a tunnel never wants from /etc/ppp/options, which pppd reads first and always, and what supervision needs:
# one run a dial (nodetach, nopersist), up_sdnotify for the unit's READY=1 and no routes of pppd's own. pppd always
# logs to syslog; its standard output, /dev/null, gets the lines as well and is what pptp's errors go to, which are in
# syslog too (without logfd they would go to a file in /var/log).
# IPv6CP may be up first and send READY=1 before there is an IPv4 address: ExecStartPost= waits for the routes anyway.
_ALWAYS = (
    "nodetach",
    "nopersist",
    "up_sdnotify",
    "logfd 1",
    "noauth",
    "noipdefault",
    "nodefaultroute",
    "nobsdcomp",
    "nodeflate",
    "novj",
    "novjccomp",
    "hide-password",
)
_PLAIN = re.compile(rb"[A-Za-z0-9_./:,=+@%-]")
_RECORD = re.compile(
    r"# run ([0-9a-f]{32}) of tunnel ([A-Za-z0-9_-]+): (\S+) is ([0-9.]+)(?:, path MTU ([0-9]{1,5}))?$"
)
_NOTE = re.compile(rb"^# link MTU ([0-9]{1,5})\n\Z", re.MULTILINE)
_PASSWORD = re.compile(rb'^password "[^"\n]*"\n', re.MULTILINE)


@dataclass(frozen=True)
class Record:
    """What an option file says of the dial. run: the unit's invocation id; server: as configured.

    path_mtu: of the way to the server then, 0 when not known; mppe: whether the link encrypts; link_mtu: what pppd
    gave the link, 0 when that is not noted.
    """

    run: str
    tunnel: str
    server: str
    address: IPv4Address
    path_mtu: int = 0
    mppe: bool = True
    link_mtu: int = 0


def options(
    config: TunnelConfig,
    run: str,
    address: IPv4Address,
    *,
    plain: bool = False,
    path_mtu: int = 0,
    password: bytes = b"",
) -> bytes:
    """The option file for a dial of config's server at address in that run. plain: without MPPE this time.

    path_mtu: the largest packet that goes to address in one piece, 0 when not known. password: where config has none.
    Holds the password: for files that only root may read. Source: pppd(8), pptp(8).
    """
    mtu, mru = dialled(config, path_mtu, plain=plain)
    lines: list[tuple[str, ...]] = [
        (
            "pty",
            f"exec {CALL} {log_name(config.name, run)} {address}",
        ),
        ("ifname", interface_name(config.name)),
        ("linkname", config.name),
        ("ipparam", config.name),
        ("remotename", "PPTP"),
        ("user", config.login),
        ("password", config.password or password.decode(errors="surrogateescape")),
        *((f"refuse-{method}",) for method in _refused(config)),
        *((word,) for word in (("nomppe",) if plain else _MPPE[config.mppe])),
        ("mtu", str(mtu)),
        ("mru", str(mru)),
        *_patience(config.connect_timeout),
        ("lcp-echo-interval", str(config.lcp_echo_interval)),
        ("lcp-echo-failure", str(config.lcp_echo_failure)),
        *((word,) for word in _ALWAYS),
        ("+ipv6" if config.ipv6 else "noipv6",),
        ("ip-up-script", IP_UP),
        *((("usepeerdns",), ("set", f"PPTP_RUN={run}")) if config.dns.peer else ()),
    ]
    text = [f"# run {run} of tunnel {config.name}: {config.server} is {address}, path MTU {path_mtu}".encode()]
    text += [] if config.password else [b"# password from " + quoted(_source(config))]
    text += [b" ".join((words[0].encode(), *map(quoted, words[1:]))) for words in lines]
    text += [line.encode() for line in config.pppd_options]
    return b"\n".join(text) + b"\n"


def _refused(config: TunnelConfig) -> list[str]:
    """The ways not to log in by."""
    refused = {
        "eap": config.refuse_eap,
        "pap": config.refuse_pap,
        "chap": config.refuse_chap,
        "mschap": config.refuse_mschap,
        "mschap-v2": config.refuse_mschap_v2,
    }
    return [method for method, refuse in refused.items() if refuse]


def _source(config: TunnelConfig) -> str:
    """Where the password comes from that is not in config itself."""
    if config.password_file:
        return f"file {config.password_file}"
    return f"credential {config.credential}" if config.credential else "somebody"


def dials_alike(text: bytes, config: TunnelConfig, *, plain: bool) -> bool:
    """Whether config would dial again as it was dialled by the option file text, which has a record.

    plain: the server was found to refuse MPPE, which counts with 'mppe: optional' alone.
    A password that is not in config itself is as good as any: when it is another one by now, the next dial has it.
    """
    dial = record(text)
    if dial is None:
        return False
    plain = plain and config.mppe is Mppe.OPTIONAL
    made = options(config, dial.run, dial.address, plain=plain, path_mtu=dial.path_mtu)
    if config.password:
        return as_dialled(text) == made
    return _PASSWORD.sub(b"", as_dialled(text)) == _PASSWORD.sub(b"", made)


def _patience(connect_timeout: int) -> list[tuple[str, ...]]:
    """Options that have pppd itself give up, and say on what, before connect-timeout ends the attempt without a word.

    LCP begins to count with pppd, before pptp has connected. So when an attempt is ended by connect-timeout and LCP
    was not given up, LCP was up: diagnosis.py tells blocked GRE from a login that hangs by that.
    """
    tries = max(1, (connect_timeout - 4) // LCP_RESTART_SECONDS)
    return [
        ("lcp-restart", str(LCP_RESTART_SECONDS)),
        ("lcp-max-terminate", "1"),  # a dead peer does not answer the second one either
        ("lcp-max-configure", str(tries)),
        ("chap-timeout", str(max(2, connect_timeout * 3 // 4))),
    ]


def log_name(tunnel: str, run: str) -> str:
    """What each line of pptp begins with in that run."""
    return f"{tunnel}-{run[:8]}"


def record(text: bytes) -> Record | None:
    """What options() and noted() wrote; None when it is no file of ours."""
    match = _RECORD.match(text.partition(b"\n")[0].decode(errors="replace"))
    if not match:
        return None
    note = _NOTE.search(text)
    try:
        return Record(
            *(match[1], match[2], match[3], IPv4Address(match[4]), int(match[5] or 0)),
            mppe=b"nomppe" not in text.splitlines(),
            link_mtu=int(note[1]) if note else 0,
        )
    except ValueError:  # 999.1 is no address
        return None


def noted(text: bytes, link_mtu: int) -> bytes:
    """The option file of a dial with what came of it: the MTU that pppd gave the link. pppd has read it by then."""
    return as_dialled(text) + b"# link MTU %d\n" % link_mtu


def as_dialled(text: bytes) -> bytes:
    """What options() wrote, without what was noted since."""
    return _NOTE.sub(b"", text)


def quoted(word: str) -> bytes:
    r"""word as pppd's getword() reads it back: UTF-8 in double quotes, all but the plainest bytes as \ooo.

    Octal escapes leave no character that pppd, of whatever version, could take for its own. Bytes that are no UTF-8
    are surrogates in word (PEP 383).
    """
    raw = word.encode(errors="surrogateescape")
    body = b"".join(byte if _PLAIN.match(byte) else b"\\%03o" % byte[0] for byte in (bytes([value]) for value in raw))
    return b'"' + body + b'"'
