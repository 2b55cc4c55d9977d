"""A text -> one option of pppd with its arguments, or BadText: what the manager sets is not set twice.

Every option of pppd 2.4.9 and 2.5.2 is in one of two tables: ADVICE has those that are refused, TAKEN the others and
how many arguments each takes. So what stands behind an option's last argument, in whatever quotes, is seen to be
another option. Source: the option tables in pppd's *.c; `pppd show-options` of 2.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from .values import BadText, matching

MAX_BYTES = 1000  # pppd's MAXWORDLEN is 1024; longer words are cut there

_ADVICE = (
    ("user name +ua", "use the key 'username'"),
    ("password", "use the key 'password'"),
    ("show-password", "it would write the password to the log"),
    ("remotename", "the manager sets it"),
    ("ifname unit", "the interface is named after the tunnel"),
    ("linkname", "it is the tunnel's name"),
    ("ipparam", "ipparam is the tunnel's name"),
    (
        "pty connect disconnect welcome init notty socket sync",
        "the manager starts pptp itself; use the key 'server'",
    ),
    ("multilink mp bundle", "a tunnel is one link with an interface of its own"),
    ("noip -ip", "a tunnel is up when it has an IPv4 address"),
    ("--help -h --version -v show-options", "pppd would print something and end"),
    ("file call", "pppd reads the options in this file only"),
    ("nodetach -detach detach updetach master_detach up_sdnotify dryrun", "the manager watches pppd itself"),
    ("persist nopersist maxfail holdoff demand", "the manager dials again by itself; use the key 'persist'"),
    ("logfd logfile nolog nologfd", "pppd logs to the journal"),
    ("mtu", "use the key 'mtu'"),
    ("mru default-mru -mru", "use the key 'mru'"),
    ("lcp-echo-interval", "use the key 'lcp-echo-interval'"),
    ("lcp-echo-failure", "use the key 'lcp-echo-failure'"),
    ("lcp-echo-adaptive", "the manager relies on regular echo requests"),
    # pppd.py sets these so that diagnosis.py can tell one silence from another; connect-delay shifts when LCP begins.
    ("lcp-restart lcp-max-configure chap-timeout connect-delay", "use the key 'connect-timeout'"),
    ("lcp-max-terminate", "the manager sets it: a server that is gone does not answer the second time either"),
    ("silent passive -p", "pppd speaks first and gives a silent server up; use the key 'connect-timeout'"),
    ("-all", "it would undo what the other keys set"),
    ("callback", "a PPTP server does not call back"),
    ("record", "it would write the login to a file; use the option debug, or tcpdump on the interface"),
    ("usepeerdns", "use the key 'dns'"),
    ("noipv6 -ipv6 +ipv6 ipv6", "use the key 'ipv6'"),
    ("ip-up-script ip-down-script", "use the key 'hooks'; /etc/ppp/ip-up.d and ip-down.d are run as well"),
    ("defaultroute6 nodefaultroute6 -defaultroute6", "use the key 'default-route'"),
    (
        "defaultroute nodefaultroute -defaultroute defaultroute-metric replacedefaultroute noreplacedefaultroute",
        "use the key 'default-route'",
    ),
    (
        "require-mppe require-mppe-128 require-mppe-40 nomppe nomppe-128 nomppe-40 "
        "mppe +mppe +mppe-128 +mppe-40 -mppe -mppe-128 -mppe-40 noccp -ccp",
        "use the key 'mppe'",
    ),
    ("refuse-eap -eap", "use the key 'refuse-eap'"),
    ("refuse-pap -pap", "use the key 'refuse-pap'"),
    ("refuse-chap -chap", "use the key 'refuse-chap'"),
    ("refuse-mschap -mschap", "use the key 'refuse-mschap'"),
    ("refuse-mschap-v2 -mschap-v2", "use the key 'refuse-mschap-v2'"),
    (
        "auth noauth require-eap require-pap require-chap require-mschap require-mschap-v2 "
        "+eap +pap +chap +mschap +mschap-v2 login need-peer-eap",
        "a PPTP server is not asked to authenticate itself",
    ),
)

ADVICE: Mapping[str, str] = MappingProxyType({word: advice for words, advice in _ADVICE for word in words.split()})
"""Each option of pppd that is refused -> why, or what to use. Old spellings too: pppd 2.4.9 takes them."""

_TAKEN = (
    (
        0,
        "+ipx -ac -am -bsdcomp -crtscts -d -deflate -ecp -ipx -mn -pc -predictor1 -proxyarp -vj -vjccomp "
        "cdtrcts chapms-strip-domain crtscts debug default-asyncmap dump enable-session hide-password "
        "ipcp-accept-local ipcp-accept-remote ipcp-no-address ipcp-no-addresses ipv6cp-accept-local "
        "ipv6cp-accept-remote ipv6cp-noremote ipv6cp-nosend ipv6cp-use-ipaddr ipv6cp-use-persistent "
        "ipv6cp-use-remotenumber ipx ipxcp-accept-local ipxcp-accept-network ipxcp-accept-remote ktune local lock "
        "modem mppe-stateful mpshortseq ms-lanman noaccomp nobsdcomp nocdtrcts nocrtscts nodeflate nodeflatedraft "
        "noecp noendpoint noipdefault noipx noktune nolock nomagic nomp nomppe-stateful nompshortseq nomultilink "
        "nopcomp nopredictor1 noproxyarp noremoteip noresolvconf nosendip novj novjccomp papcrypt "
        "predictor1 proxyarp receive-all srp-use-pseudonym tls-verify-key-usage usehostname usepeerwins "
        "xonxoff",
    ),
    (
        1,
        "-as active-filter allow-ip allow-number asyncmap bsdcomp ca capath cert chap-interval "
        "chap-max-challenge chap-restart chap-secrets child-timeout crl crl-dir datarate "
        "deflate domain eap-interval eap-max-rreq eap-max-sreq eap-restart eap-timeout endpoint escape idle "
        "ip-pre-up-script ipcp-max-configure ipcp-max-failure ipcp-max-terminate ipcp-restart ipv6-down-script "
        "ipv6-up-script ipv6cp-max-configure ipv6cp-max-failure ipv6cp-max-terminate ipv6cp-restart ipx-network "
        "ipx-node ipx-router-name ipx-routing ipxcp-max-configure ipxcp-max-failure ipxcp-max-terminate "
        "ipxcp-restart kdebug key lcp-max-failure lcp-rtt-file "
        "max-tls-version maxconnect maxoctets mo mo-direction mo-timeout mrru ms-dns ms-wins mschap-challenge "
        "mschap2-peer-challenge net-down-script net-init-script net-pre-up-script netmask pap-max-authreq "
        "pap-restart pap-secrets pap-timeout pass-filter pkcs12 plugin privgroup remotenumber set "
        "srp-interval srp-pn-secret stop-bits tls-verify-method unset vj-max-slots",
    ),
)
TAKEN: Mapping[str, int] = MappingProxyType({word: count for count, words in _TAKEN for word in words.split()})
"""Each other option of pppd -> the number of its arguments, the same in both versions."""

# An administrator's own plugins and scripts are where nobody but root can change them.
_PLUGIN = re.compile(r"[A-Za-z0-9_.+-]+|/usr/lib/(?!.*\.\./)[A-Za-z0-9_./+-]+")
_SCRIPT = re.compile(r"/(etc|usr|opt|bin|sbin|lib)/(?!.*\.\./)[A-Za-z0-9_./+-]+")
_SCRIPTS = (
    *("ip-pre-up-script", "net-pre-up-script", "net-init-script", "net-down-script"),
    *("ipv6-up-script", "ipv6-down-script"),
)
_CHANNEL = "it calls in another way than by pptp; use the key 'server'"
_ASKS = "it takes the password from elsewhere; use the key 'password', 'password-file' or 'credential'"
# Of ppp 2.4.9 and 2.5.2 (pppd/plugins), network-manager, network-manager-pptp, -l2tp and -sstp, connman, sstp-client.
PLUGINS: Mapping[re.Pattern[str], str] = MappingProxyType(
    {
        re.compile(r"(rp-)?pppoe\.so|pppoatm\.so|pppol2tp\.so|openl2tp\.so|sstp-pppd-plugin\.so"): _CHANNEL,
        re.compile(r"passwordfd\.so|passprompt\.so|nm-.*pppd-plugin\.so|libppp-plugin\.so"): _ASKS,
    }
)
"""Names of pppd's plugins that are refused -> why, and what to use."""

_ESCAPES: Mapping[str, str] = MappingProxyType(
    {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "s": " ", "t": "\t"}
)
_OCTAL, _HEX = re.compile(r"[0-7]{1,3}"), re.compile(r"x([0-9A-Fa-f]{0,2})")

# For editors: an option that is not refused, as long as its name is not written in quotes or with escapes.
_REFUSED_WORDS = "|".join(word.replace("+", "[+]") for word in sorted(ADVICE))
SCHEMA = matching(rf" *(?!(?:{_REFUSED_WORDS})(?: |$))[^ /#\u0000-\u001f][^\u0000-\u001f]*") | {"maxLength": MAX_BYTES}


def option(text: str) -> str:
    """text itself if it is one option with its arguments, as on a line of pppd's options file."""
    if not text.strip():
        raise BadText("must not be empty")
    if not text.isprintable():
        raise BadText("must be one line without control characters")
    if len(text.encode()) > MAX_BYTES:
        raise BadText(f"has {len(text.encode())} bytes; at most {MAX_BYTES}")
    first, *arguments = words(text) or [""]
    if not first:
        raise BadText("names no option")
    if first in ADVICE:
        raise BadText(f"'{first}' cannot be set here: {ADVICE[first]}")
    if first.startswith("/"):
        raise BadText("a device cannot be set here: the manager starts pptp itself; use the key 'server'")
    _one(first, arguments)
    if first == "plugin":
        _plugin(arguments[0])
    if first in _SCRIPTS and not _SCRIPT.fullmatch(arguments[0]):
        raise BadText(f"'{first}' takes a file below /etc, /usr or /opt, where nobody but root can change it")
    if first in ("set", "unset") and arguments[0].startswith("PPTP_"):
        raise BadText("the variables PPTP_... are the manager's")
    return text


def _plugin(file: str) -> None:
    """Refuse a plugin that others could change, or that does what the manager does."""
    if not _PLUGIN.fullmatch(file):
        raise BadText("a plugin is one of pppd's own, or a file below /usr/lib")
    name = file.rpartition("/")[2]
    for pattern, why in PLUGINS.items():
        if pattern.fullmatch(name):
            raise BadText(f"the plugin {name} cannot be used here: {why}")


def _one(first: str, arguments: Sequence[str]) -> None:
    """Refuse a second option behind the first one. Of a plugin's own option the number of arguments is not known."""
    count = TAKEN.get(first)
    for word in arguments[count or 0 :]:
        if word in ADVICE or word in TAKEN:
            raise BadText(f"'{word}' looks like a second option; write one in each item")
    if count is not None and len(arguments) != count:
        wanted = "one argument" if count else "no argument"
        raise BadText(f"'{first}' takes {wanted} and not {len(arguments)}; text with blanks needs quotes")


def words(line: str) -> list[str]:
    r"""The words of a line as pppd reads them. Raises BadText.

    As getword() in pppd's options.c: quotes of both sorts anywhere in a word, a backslash also inside them, with
    C's escapes, \s, \ooo and \xhh; # ends a word and begins a comment. An open quote or a last backslash would take in
    the next line. A NUL, which would end the word for pppd, is refused.
    """
    found: list[str] = []
    word: str | None = None
    quote, at = "", 0
    while at < len(line):
        c, at = line[at], at + 1
        if c == "\\":
            escaped, at = _escaped(line, at)
            word = (word or "") + escaped
        elif c == quote:
            quote = ""
        elif not quote and c in "\"'":
            word, quote = word or "", c
        elif not quote and (c == " " or c == "#"):
            if word is not None:
                found.append(word)
            word = None
            if c == "#":
                break
        else:
            word = (word or "") + c
    if quote:
        raise BadText(f"the quote {quote} is not closed")
    return found if word is None else [*found, word]


def _escaped(line: str, at: int) -> tuple[str, int]:
    """What the escape means whose backslash stands before at, and where the next character is."""
    if at == len(line):
        raise BadText("ends with a backslash")
    if match := _OCTAL.match(line, at):
        value = int(match[0], 8) & 0xFF  # pppd keeps eight bits
    elif match := _HEX.match(line, at):
        value = int(match[1] or "0", 16)
    else:
        return _ESCAPES.get(line[at], line[at]), at + 1
    if not value:
        raise BadText("holds an escape for a NUL character")
    return chr(value), match.end()
