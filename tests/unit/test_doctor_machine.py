"""What `pptpctl doctor` says of the programs, the kernel, permissions and /etc/ppp/options."""

from __future__ import annotations

import errno
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pptpd_manager.doctor import kernel, programs, sysoptions
from pptpd_manager.doctor.finding import CHECKS, Finding, Result, ok, problem, unseen, warning, wrong
from pptpd_manager.doctor.kernel import Kernel, Presence
from pptpd_manager.doctor.programs import Place, Program
from pptpd_manager.options import ADVICE, TAKEN

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
import getword

OK, PROBLEM, WARNING, UNKNOWN = Result.OK, Result.PROBLEM, Result.WARNING, Result.UNKNOWN


def told(findings: list[Finding]) -> list[tuple[Result, str, str]]:
    """Result, sentence and command of each."""
    assert all(finding.check in CHECKS for finding in findings)
    assert all(finding.meaning for finding in findings if finding.result in (PROBLEM, WARNING))
    return [(finding.result, finding.finding, finding.command) for finding in findings]


def test_only_a_problem_is_wrong() -> None:
    fine = [ok("tcp", "a"), warning("tcp", "b", "c"), unseen("tcp", "d")]
    assert not wrong(fine) and wrong([*fine, problem("tcp", "e", "f")])
    assert problem("tcp", "e", "f", "g").of("work").record() == {
        "check": "tcp",
        "tunnel": "work",
        "result": "problem",
        "finding": "e",
        "meaning": "f",
        "command": "g",
    }
    assert [key for key, value in ok("tcp", "a").record().items() if value is None] == ["tunnel", "meaning", "command"]


def test_the_checks_are_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/json.md").read_text()
    section = page[page.index("## the doctor's checks") :]
    assert tuple(re.findall(r"^\| `([a-z-]+)` \| [^|`]+ \|$", section, re.MULTILINE)) == CHECKS


# --- programs and permissions ---


@pytest.mark.parametrize(
    ("program", "result", "finding", "command"),
    [
        (Program("pppd", "/usr/sbin/pppd", "pppd version 2.4.9\n"), OK, "pppd 2.4.9 is /usr/sbin/pppd.", ""),
        (Program("pptp", "/usr/sbin/pptp", "pptp version 1.10.0"), OK, "pptp 1.10.0 is /usr/sbin/pptp.", ""),
        (Program("nft", "/usr/sbin/nft", "nftables v1.0.6 (x)"), OK, "nft 1.0.6 is /usr/sbin/nft.", ""),
        (Program("pppd", "/usr/sbin/pppd"), OK, "pppd is /usr/sbin/pppd.", ""),
        (Program("pppd", ""), PROBLEM, "pppd is not installed.", "apt install ppp"),
        (Program("pptp", ""), PROBLEM, "The program pptp is not installed.", "apt install pptp-linux"),
        (Program("nft", ""), PROBLEM, "The program nft is not installed.", "apt install nftables"),
        (
            Program("pppd", "/sbin/pppd", "pppd version 2.4.7"),
            WARNING,
            "pppd is 2.4.7, and 2.4.9 is the oldest that is tested with.",
            "apt install ppp",
        ),
        (
            Program("pppd", "/sbin/pppd", "pppd version 2.5.2", ("up_sdnotify",)),
            PROBLEM,
            "/sbin/pppd was built without the option 'up_sdnotify': "
            "telling systemd when the link is up (--enable-systemd).",
            "apt install --reinstall ppp",
        ),
    ],
)
def test_programs(program: Program, result: Result, finding: str, command: str) -> None:
    assert told(programs.judge(program)) == [(result, finding, command)]


def test_nobody_but_root_may_change_what_pppd_reads() -> None:
    good = [Place("/etc/ppp", 0, 0o40755), Place("/etc/ppp/options", 0, 0o100644), Place("/etc/ppp/ip-up", None)]
    assert [finding.result for finding in programs.judge_places(good)] == [OK]
    bad = [*good, Place("/etc/ppp/ip-up.d/a b", 0, 0o100775), Place("/etc/ppp/ip-down", 1000, 0o100755)]
    assert told(programs.judge_places(bad)) == [
        (
            PROBLEM,
            "/etc/ppp/ip-up.d/a b has mode 0775, so others than root can change it.",
            "chmod go-w '/etc/ppp/ip-up.d/a b'",
        ),
        (
            PROBLEM,
            "/etc/ppp/ip-down belongs to user id 1000, so others than root can change it.",
            "chown root /etc/ppp/ip-down",
        ),
    ]
    assert programs.judge_places([Place("/etc/ppp/options", 0, stat.S_IFREG | 0o640)])[0].result is OK


def test_the_configuration_is_roots_alone() -> None:
    judge = programs.judge_private
    file = "/etc/pptp-manager.yaml"
    assert told([judge(file, "", there=True)]) == [(OK, f"{file} is root's alone.", "")]
    assert told([judge(file, "", there=False)]) == [
        (PROBLEM, f"{file} does not exist.", f"install -m 0600 /dev/null {file}")
    ]
    fault = f"has mode 0644, so others can use it; run: chmod 600 {file}"
    assert told([judge(file, fault, there=True)]) == [
        (PROBLEM, f"{file} has mode 0644, so others can use it.", f"chmod 600 {file}")
    ]


# --- the kernel ---

DEP = """\
kernel/drivers/net/ppp/ppp_generic.ko.xz: kernel/drivers/net/slip/slhc.ko.xz
kernel/drivers/net/ppp/ppp-async.ko:
"""


def test_where_a_module_is() -> None:
    def where(module: str) -> tuple[Presence, str]:
        return kernel.presence(
            module,
            loaded={"ppp_generic"},
            builtin="kernel/drivers/net/slip/slhc.ko\n",
            dep=DEP + "kernel/net/not_ppp_mppe.ko:\nkernel/a/barred.ko:\n",
            barred={"barred": "/etc/modprobe.d/a.conf:2", "ppp_generic": "irrelevant"},
        )

    assert where("ppp_generic") == (Presence.LOADED, "")
    assert where("slhc") == (Presence.BUILT_IN, "")
    assert where("ppp_async") == (Presence.LOADABLE, "")
    assert where("ppp_mppe") == (Presence.MISSING, "")
    assert where("barred") == (Presence.BARRED, "/etc/modprobe.d/a.conf:2")


def test_what_modprobe_d_bars() -> None:
    text = "# blacklist a\nblacklist b-c\noptions d x=1\n install e /bin/false\ninstall f /sbin/modprobe -i f\n"
    assert kernel.bars({"/etc/modprobe.d/x.conf": text, "/y": "blacklist b_c"}) == {
        "b_c": "/etc/modprobe.d/x.conf:2",
        "e": "/etc/modprobe.d/x.conf:4",
    }


THERE = dict.fromkeys(("ppp_generic", "ppp_async", "ppp_mppe"), (Presence.LOADED, ""))
GOOD = Kernel("6.1", True, "", THERE, 0)


def without(module: str, kind: Presence = Presence.MISSING, where: str = "") -> Kernel:
    return replace(GOOD, modules={**THERE, module: (kind, where)})


@pytest.mark.parametrize(
    ("seen", "finding", "command"),
    [
        (
            without("ppp_async"),
            "The kernel 6.1 has no ppp_async.",
            "apt install linux-modules-extra-6.1",
        ),
        (
            replace(without("ppp_mppe"), release="6.1.0-40-cloud-amd64"),
            "The kernel 6.1.0-40-cloud-amd64 has no ppp_mppe.",
            "apt install linux-image-amd64",
        ),
        (
            replace(without("ppp_mppe"), files=False),
            "There are no modules for the kernel that runs, 6.1, and ppp_mppe is not loaded.",
            "systemctl reboot",
        ),
        (
            replace(without("ppp_generic"), container="lxc"),
            "This is a container (lxc), and its host has not loaded ppp_generic.",
            "modprobe ppp_generic",
        ),
        (
            without("ppp_mppe", Presence.BARRED, "/etc/modprobe.d/a.conf:2"),
            "The module ppp_mppe may not be loaded: /etc/modprobe.d/a.conf:2 bars it.",
            "modprobe ppp_mppe",
        ),
        (
            replace(GOOD, device=errno.ENOENT),
            "There is no /dev/ppp.",
            "modprobe ppp_generic; [ -e /dev/ppp ] || mknod /dev/ppp c 108 0",
        ),
        (
            replace(GOOD, device=errno.ENOENT, container="docker"),
            "There is no /dev/ppp.",
            "mknod /dev/ppp c 108 0",
        ),
        (
            replace(GOOD, device=errno.ENXIO),
            "There is nothing behind /dev/ppp: ppp_generic is not loaded.",
            "modprobe ppp_generic",
        ),
        (replace(GOOD, device=errno.EPERM), "/dev/ppp may not be used here.", "ls -l /dev/ppp"),
        (replace(GOOD, fips=True), "The kernel is in FIPS mode, which has no MPPE.", ""),
    ],
)
def test_what_the_kernel_lacks(seen: Kernel, finding: str, command: str) -> None:
    found = told(kernel.judge(seen, encrypted=True))
    assert [one for one in found if one[0] is not OK] == [(PROBLEM, finding, command)]


def test_a_kernel_with_ppp() -> None:
    some = replace(GOOD, modules={**THERE, "ppp_mppe": (Presence.LOADABLE, "")})
    assert told(kernel.judge(some, encrypted=True)) == [
        (
            OK,
            "The kernel has PPP: ppp_generic is loaded, ppp_async is loaded, ppp_mppe is loaded when needed.",
            "",
        ),
        (OK, "/dev/ppp can be opened.", ""),
    ]
    assert kernel.judge(replace(GOOD, device=None), encrypted=True)[-1].result is UNKNOWN
    plain = replace(without("ppp_mppe"), fips=True)
    assert not wrong(kernel.judge(plain, encrypted=False)), "no tunnel wants MPPE"


def test_the_firewalls_helper() -> None:
    judge = kernel.judge_helper
    assert judge(untracked=False, proven=False).result is OK and judge(untracked=True, proven=True).result is OK
    assert judge(untracked=True, proven=False).result is WARNING
    assert "modprobe nf_conntrack_pptp" in judge(untracked=True, proven=False).command


# --- /etc/ppp/options ---

DEBIAN = """\
# /etc/ppp/options
asyncmap 0
auth
crtscts
lock
hide-password
modem
lcp-echo-interval 30
lcp-echo-failure 4
noipx
"""


def tables(option: str) -> bool | None:
    """A pppd whose file cannot be read."""
    return None


def lines(text: str, knows: Callable[[str], bool | None] = tables) -> list[tuple[Result, str, str]]:
    return told(sysoptions.judge(text, there=True, knows=knows))


GOES = [(OK, "No line of /etc/ppp/options stands in the way.", "")]


def test_a_file_that_breaks_nothing() -> None:
    assert lines(DEBIAN) == GOES and lines("") == GOES
    assert lines("115200\nuser bob\npassword 'dryrun'\nmtu 1300\n") == GOES
    assert lines("mtu 0x500\nmru 02400\nlcp-echo-interval 030\n") == GOES, "strtol(3) knows these"
    assert told(sysoptions.judge(None, there=False, knows=tables))[0][0] is OK
    assert told(sysoptions.judge(None, there=True, knows=tables))[0][0] is UNKNOWN


def test_the_arguments_are_those_of_pppd() -> None:
    for name, count in getword.table().items():
        assert sysoptions.arguments(name) == count, name
    assert set(sysoptions.BREAKS) | set(sysoptions.MAY_BREAK) <= set(ADVICE) | set(TAKEN)


# Measured with pppd 2.4.9 and 2.5.2 in the lab; tests/lab/test_doctor.py does so again with some.
@pytest.mark.parametrize(
    "line",
    [
        *("notty", "socket 192.0.2.1:1723", "sync", "record /tmp/x", "demand", "noip", "noccp", "-all", "dryrun"),
        *("refuse-mschap-v2", "need-peer-eap", "allow-number 1*", "pass-filter tcp", "+ua /x", "show-options"),
        *(
            "/dev/ttyS0",
            "ttyS0",
            "10.1.2.3:10.1.2.4",
            ":10.1.2.4",
            "mtu 100",
            "mtu x",
            "mtu 1_400",
            "mru 50000",
            "mtu",
        ),
    ],
)
def test_a_line_that_breaks_every_tunnel(line: str) -> None:
    name = line.split()[0]
    assert lines(DEBIAN + "\n" + line + "\n") == [
        (PROBLEM, f"/etc/ppp/options, line 12: {name!r}", "sed -i '12s/^/#/' /etc/ppp/options")
    ]


@pytest.mark.parametrize("option", ["connect", "init", "file", "call", "plugin", "idle", "maxconnect", "maxoctets"])
def test_a_line_that_may(option: str) -> None:
    assert lines(f"{option} 5") == [
        (WARNING, f"/etc/ppp/options, line 1: {option!r}", "sed -i '1s/^/#/' /etc/ppp/options")
    ]


def test_what_pppd_itself_knows_counts() -> None:
    assert lines("vrf", {"vrf": True}.get) == GOES, "newer than our tables"
    assert [one[0] for one in lines("+ipx", {"+ipx": False}.get)] == [PROBLEM], "this pppd has it no more"
    after = lines("plugin radius.so\nradius-config-file /x\n")
    assert [one[0] for one in after] == [WARNING] * 3, "a plugin's options are not known"


def test_a_word_that_is_no_option() -> None:
    assert lines("lock\nnonsense\n") == [
        (
            PROBLEM,
            "/etc/ppp/options, line 2: a word that is no option of this pppd",
            "sed -i '2s/^/#/' /etc/ppp/options",
        )
    ]


def test_words_are_as_pppd_reads_them() -> None:
    assert lines("mtu\n1300\n'user' \"dryrun\"\t# demand\n") == GOES
    assert [one[:2] for one in lines("lock\nuser 'bob\n")] == [
        (WARNING, "/etc/ppp/options, line 2: the quote ' is not closed")
    ]


def test_no_argument_is_shown() -> None:
    """A password may stand in the wrong place."""
    found = sysoptions.judge("+ua hunter2\nconnect hunter2\nmtu hunter2\nuser bob hunter2\n", there=True, knows=tables)
    assert len(found) == 4 and "hunter2" not in repr(found)
