"""The scripts of ip-up.d, and the wiki's rc.d script -> the routes of tunnels."""

from __future__ import annotations

import pytest

from pptpd_manager.imports import ipup, rcd, shell
from pptpd_manager.imports.condition import When
from pptpd_manager.imports.draft import Draft, Place
from pptpd_manager.imports.routecommands import Added, Other, give, read
from pptpd_manager.imports.shell import Command, commands
from unit.imported import Memory, config, drafts, yaml

SCRIPT = "/etc/ppp/ip-up.d/50routes"
CHAP = {"/etc/ppp/chap-secrets": "alice * secret *\n"}


def peer(name: str) -> dict[str, str]:
    return {
        f"/etc/ppp/peers/{name}": 'pty "pptp vpn.example.com --nolaunchpppd"\nname alice\nrequire-mppe-128\npersist\n'
    }


FILES = {**peer("work"), **peer("home"), **CHAP}


def routes(script: str) -> dict[str, list[str]]:
    """What the script gives to two peers: their routes, and "default"."""
    tunnels = config("peers", {**FILES, SCRIPT: script}).tunnels
    return {
        name: [*(["default"] if tunnel.default_route else []), *map(str, tunnel.routes)]
        for name, tunnel in tunnels.items()
        if tunnel.routes or tunnel.default_route
    }


ADD = "ip route add 10.0.0.0/8 dev $1\n"
WORK, BOTH = {"work": ["10.0.0.0/8"]}, {"work": ["10.0.0.0/8"], "home": ["10.0.0.0/8"]}
HOME = {"home": ["10.0.0.0/8"]}


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (f"#!/bin/sh\n{ADD}", BOTH),
        (f'if [ "$6" = "work" ]; then\n  {ADD}fi\n', WORK),
        (f'if [ "$6" != "work" ]; then\n  {ADD}fi\n', HOME),
        (f'if [ ! "$6" = "work" ]; then\n  {ADD}fi\n', HOME),
        (f'if ! [ "$6" = "work" ]; then\n  {ADD}fi\n', HOME),
        (f'if [ "$6" = "work" ]\nthen\n  :\nelse\n  {ADD}fi\n', HOME),
        (f'if [ "$6" = a ]; then :; elif test work = "$6"; then {ADD}else :; fi\n', WORK),
        (f'if [[ "${{PPP_IPPARAM}}" == work ]]; then {ADD}fi\n', WORK),
        (f'if [ "x$PPP_IPPARAM" = "xwork" ]; then {ADD}fi\n', WORK),
        (f'if [ "$6" = work ] || [ "$6" = home ]; then {ADD}fi\n', BOTH),
        (f'if [ "$6" = work ] && [ "$6" != home ]; then {ADD}fi\n', WORK),
        (f'[ "$6" = work ] && {ADD}', WORK),
        (f'[ "$6" = work ] || {ADD}', HOME),
        (f'[ "$6" = work ] || exit 0\n{ADD}', WORK),
        (f'[ "$6" != work ] && exit\n{ADD}', WORK),
        (f'if [ "$6" != work ]; then exit 0; fi\n{ADD}', WORK),
        (f'test "$6" = work && {{\n{ADD}}}\n', WORK),
        (f'case "$6" in\n  work) {ADD} ;;\nesac\n', WORK),
        (f'case "$PPP_IPPARAM" in\n  (a|w*)\n {ADD} ;;\n  *) exit ;;\nesac\n', WORK),
        (f'case $6 in\n  work) ;;\n  *) {ADD} ;;\nesac\n', HOME),
        (f'case $6 in work) ;; *) exit 0;; esac\n{ADD}', WORK),
        (f'PEER=work\nif [ "$6" = "$PEER" ]; then {ADD}fi\n', WORK),
        (f'P=$6\n[ "$P" = "work" ] && {ADD}', WORK),
        (f'routes() {{\n  {ADD}}}\nroutes\n', BOTH),
        (f'[ "$6" = work ] && ( {ADD} )\n', WORK),
        ('for n in 10.1.0.0/16 10.2.0.0/16; do ip route add $n dev $1; done', None),
        ('NETS="10.1.0.0/16 10.2.0.0/16"\nfor n in $NETS\ndo\nip route add "$n" dev "$1"\ndone\n', None),
        ("NET=10.0.0.0/8\n/sbin/ip -4 ro replace ${NET} dev ${PPP_IFACE} 2>/dev/null || true\n", BOTH),
        ("cat <<EOF >/tmp/x\nip route add 10.0.0.0/8 dev $1\nEOF\n", {}),
        (f"# {ADD}", {}),
        ("echo 'ip route add 10.0.0.0/8 dev $1'\n", {}),
    ],
)  # fmt: skip
def test_for_which_peers(script: str, found: dict[str, list[str]] | None) -> None:
    each = ["10.1.0.0/16", "10.2.0.0/16"]
    assert routes(script) == ({"work": each, "home": each} if found is None else found)


SIX = "a default route for IPv6 alone; 'default-route' with 'ipv6' has both"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("ip route add 192.168.10.0/24 dev $1", "192.168.10.0/24"),
        ("ip r a 192.168.10.0/24 dev ppp0", "192.168.10.0/24"),
        ("ip route append 192.168.10.7 via $5", "192.168.10.7/32"),
        ("ip route add to 192.168.10.7/24 dev $IFNAME scope link", "192.168.10.0/24"),
        (
            "ip route add 10.0.0.0/8 dev $1 metric 5 table 100 src 10.9.0.2",
            "10.0.0.0/8 metric 5 table 100 src 10.9.0.2",
        ),
        ("ip route add 10.0.0.0/8 dev $1 src $4 table main", "10.0.0.0/8"),
        ("ip route add default dev $1", "default"),
        ("ip route replace 0/0 dev ppp0", "default"),
        ("ip route add 0.0.0.0/1 dev $1", "0.0.0.0/1"),
        ("sudo ip -6 route add 2001:db8::/32 dev $1", "2001:db8::/32"),
        ("route add -net 192.168.10.0/24 dev $1", "192.168.10.0/24"),
        ("route add -net 192.168.10.0 netmask 255.255.255.0 $1", "192.168.10.0/24"),
        ("route add -net 172.16.0.0 mask 255.240.0.0 gw $5", "172.16.0.0/12"),
        ("route add -net 10.0.0.0 dev ppp0", "10.0.0.0/8"),
        ("route add -host 192.168.10.7 dev $1", "192.168.10.7/32"),
        ("route add 192.168.10.7 $1", "192.168.10.7/32"),
        ("/sbin/route add -net 10.0.0.0/8 metric 3 dev $1", "10.0.0.0/8 metric 3"),
        ("route add default $1", "default"),
        ("route add default gw $4", "default"),
        ("route add -net 0.0.0.0 dev $1", "default"),
        ("ip route add default dev $1 table main", "default"),
        (
            "ip route add default dev $1 table 7",
            Other("a default route in table 7; use the keys 'table' and 'default-route'"),
        ),
        ("ip -6 route add default dev $1", Other(SIX)),
        ("ip -f inet6 route add default dev $1", Other(SIX)),
        ("ip route add ::/0 dev $1", Other(SIX)),
        ("route -A inet6 add default dev $1", Other(SIX)),
        ("ip route del default", Other("it removes a route")),
        ("route del default", Other("it removes a route")),
        ("ip route add 203.0.113.1 via 192.0.2.1 dev eth0", Other("it does not lead into the tunnel")),
        ("ip route add 10.0.0.0/8 via 192.168.10.1", Other("it does not lead into the tunnel")),
        ("route add -net 10.0.0.0/8 gw 192.168.10.1", Other("it does not lead into the tunnel")),
        ("ip route add 10.0.0.0/8 dev $1 table vpn", Other("its table has a name; routes here take its number")),
        ("ip route add $UNKNOWN dev $1", Other("the prefix is not known")),
        ("ip route add $(cat x) dev $1", Other("the prefix is not known")),
        ("ip route add blackhole 10.0.0.0/8 dev $1", Other("its words are not understood")),
        ("ip route show", None),
        ("ip rule add from 10.0.0.0/8", None),
        ("route -n", None),
        ("iptables -t nat -A POSTROUTING -o $1", None),
    ],
)
def test_a_command(command: str, found: object) -> None:
    (one,) = commands(command, shell.PPP)
    said = read(one)
    if not isinstance(said, Added):
        assert said == found
    else:
        given = routes(command.replace(" -6 ", " "))["work"] if found != "2001:db8::/32" else [str(found)]
        assert given == [found] and (said.route is None) == (found == "default")


def test_words_that_no_key_is_for() -> None:
    for command in (
        "ip route add 10.0.0.0/8 dev $1 mtu 1300 advmss 1260",
        "route add -net 10.0.0.0/8 mss 1260 dev $1",
    ):
        (one,) = commands(command, shell.PPP)
        said = read(one)
        assert isinstance(said, Added) and said.left in (("mtu", "advmss"), ("mss",))
        draft = Draft("work", "x")
        give(draft, said, Place("f", 1))
        assert draft.notes == [f"f:1: {', '.join(said.left)} of this route: there is no key for it"]


def test_what_follows_from_a_condition() -> None:
    work, unsure = When(("work",)), When(sure=False)
    assert work.negated() == When(but=("work",)) and work.negated().negated() == work
    assert not work.also(When(but=("work",))).holds("work")
    assert not work.also(unsure).sure and unsure.negated() == unsure
    assert When().negated() == When(()) and When(()).negated() == When()


def test_a_condition_that_is_not_known_is_told() -> None:
    found = yaml(
        "peers", {**peer("work"), **CHAP, SCRIPT: "if [ -x /sbin/ip ]; then\nip route add 10.0.0.0/8 dev $1\nfi\n"}
    )
    assert (
        found
        == """\
tunnels:
  # from /etc/ppp/peers/work
  work:
    # /etc/ppp/ip-up.d/50routes:2: this route was added under a condition of the script's, which is not carried
    # over
    server: vpn.example.com
    username: 'alice'
    password: 'secret'
    mppe: require-128
    routes: [10.0.0.0/8]
"""
    )


def test_only_tunnels_with_routes_come_from_ip_up() -> None:
    script = '[ "$6" = work ] && ip route add 10.0.0.0/8 dev $1\n[ "$6" = modem ] && ip route add default dev $1\n'
    found, notes = drafts("ip-up", {**FILES, SCRIPT: script})
    assert [draft.name for draft in found] == ["work"]
    assert notes == ["/etc/ppp/ip-up.d/50routes:2: a command on routes, for no tunnel that is imported"]
    assert found[0].ends == [
        "poff work",
        "# take the commands on routes out of /etc/ppp/ip-up.d/50routes: the manager sets them",
    ]


def test_the_parameter_counts_and_not_the_name_of_the_peer() -> None:
    files = {**peer("work"), **CHAP, SCRIPT: '[ "$6" = office ] && ip route add 10.0.0.0/8 dev $1\n'}
    files["/etc/ppp/peers/work"] += "ipparam office\n"
    assert [str(route) for route in config("peers", files).tunnels["work"].routes] == ["10.0.0.0/8"]


LOOPS = "for a in 1 2 3 4 5 6 7 8 9; do for b in 1 2 3 4 5 6 7 8 9; do " * 20 + "x $a $b"
OPEN = ("case ", "case x in", "for", "if", "then", "fi", "esac", ";;", ") )", "((((", "<<", "<<E", "'", '"', "`", "$(")


@pytest.mark.parametrize("script", ["A=xx\n" + "A=$A$A\n" * 100 + "ip $A", "{ " * 1000 + "a", LOOPS, *OPEN])
def test_a_script_cannot_grow(script: str) -> None:
    found = commands(script, shell.PPP)
    assert len(found) <= shell.MOST_COMMANDS and sum(len(word) for one in found for word in one.words) < 1 << 20


def test_lines_of_commands() -> None:
    script = "# x\na \\\n b\n\nc 'd\ne' && f # g\n"
    assert commands(script, {}) == [
        Command(("a", "b"), 2, When()),
        Command(("c", "d", "e"), 5, When()),
        Command(("f",), 6, When()),
    ]


# --- rc.d ---

RC = "/etc/rc.d/work-vpn"
RCD = """\
#!/bin/bash

. /etc/rc.conf
. /etc/rc.d/functions

DAEMON=work-vpn
ARGS=

[ -r /etc/conf.d/$DAEMON ] && . /etc/conf.d/$DAEMON

case "$1" in
 start)
   stat_busy "Starting $DAEMON"
   pon work updetach persist mtu 1400 &>/dev/null && ip route add 192.168.10.0/24 dev ppp0 &>/dev/null
   if [ $? = 0 ]; then
     add_daemon $DAEMON
     stat_done
   else
     stat_fail
     exit 1
   fi
   ;;
 stop)
   stat_busy "Stopping $DAEMON"
   ip route del 192.168.10.0/24 dev ppp0
   poff work &>/dev/null
   ;;
 restart)
   $0 stop
   sleep 1
   $0 start
   ;;
 *)
   echo "usage: $0 {start|stop|restart}"
esac
exit 0
"""


def test_the_script_of_the_wiki() -> None:
    files = {**FILES, RC: RCD}
    files["/etc/ppp/peers/work"] = files["/etc/ppp/peers/work"].replace("persist\n", "")
    assert (
        yaml("rc.d", files)
        == """\
tunnels:
  # from /etc/rc.d/work-vpn:14 and /etc/ppp/peers/work
  work:
    server: vpn.example.com
    username: 'alice'
    password: 'secret'
    mppe: require-128
    routes: [192.168.10.0/24]
    mtu: 1400
"""
    )
    assert drafts("rc.d", files)[0][0].ends == [
        "/etc/rc.d/work-vpn stop",
        "# take work-vpn out of DAEMONS in /etc/rc.conf, or disable it as your system does",
    ]


@pytest.mark.parametrize(
    "routing",
    ["ip route add default dev ppp0", "route add default ppp0", "route add -net 0.0.0.0 netmask 0.0.0.0 dev ppp0"],
)
def test_all_traffic(routing: str) -> None:
    files = {**FILES, "/etc/rc.local": f"T=work\nif pppd call $T persist; then\n{routing}\nfi\n"}
    assert config("rc.d", files).tunnels["work"].default_route


def test_a_script_with_two_tunnels() -> None:
    script = "pon work && ip route add 10.1.0.0/16 dev ppp0\npon home && ip route add 10.2.0.0/16 dev ppp1\n"
    found = config("rc.d", {**FILES, RC: script}).tunnels
    assert {name: [str(route) for route in tunnel.routes] for name, tunnel in found.items()} == {
        "work": ["10.1.0.0/16"],
        "home": ["10.2.0.0/16"],
    }


def test_a_peer_that_is_not_there() -> None:
    found, _ = drafts("rc.d", {RC: "pon ../x\npon gone && ip route add 10.0.0.0/8 dev ppp0\n"})
    assert [(draft.name, draft.missing) for draft in found] == [
        ("x", ["server", "username"]),
        ("gone", ["server", "username"]),
    ]


def test_where_they_are_looked_for() -> None:
    files = Memory({RC: "", "/etc/init.d/a": "", SCRIPT: ""})
    assert rcd.all_of(files) == [RC, "/etc/init.d/a", "/etc/rc.local", "/etc/rc.d/rc.local"]
    assert ipup.all_of(files) == ["/etc/ppp/ip-up", "/etc/ppp/ip-up.local", SCRIPT]
