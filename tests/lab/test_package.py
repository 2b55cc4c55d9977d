"""Debian's package: installed, used, upgraded, removed and purged by apt; and `make install` below /usr/local.

One machine's life, so the tests build upon each other, in this order.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import commands as lab
import pytest

SOURCE = Path("/lab/src")
OLD, NEW = Path("/lab/packages/old"), Path("/lab/packages/new")  # a folder for each version's .deb
# What is on the machine for nobody but us. Not python3-gi: these tests import it.
DEPENDENCIES = (
    "pptp-linux",
    "python3-jeepney",
    "python3-pydbus",
    "python3-pyroute2",
    "python3-sdnotify",
    "python3-yaml",
)
APT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"], "TERM": "dumb"}
# Not files that a package leaves: what the kernel shows, what the boot made, records and caches of apt and dpkg, logs.
ELSEWHERE = (
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/lab", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt"),
    *("/var/lib/dpkg", "/etc/ld.so.cache"),
)
HOST_ONLY = ("git clone ", "cd pptp-manager", "make deb")
EDITORS = ("editor", "nano", "vi", "vim")


def shell(command: str, folder: Path = NEW) -> str:
    """The output of a command as somebody types it who answers yes. It must succeed."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=APT, input="y\n", text=True, timeout=180, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{lab.evidence()}"
    print(f"$ {command}\n{done.stdout}")
    return done.stdout


def listing() -> dict[str, str]:
    """Each file of the machine that a package could leave behind, with its mode and where a link leads."""
    found = {}
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ELSEWHERE]
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            found[path] = f"{mode:o}" + (f" {os.readlink(path)}" if stat.S_ISLNK(mode) else "")
    return {path: what for path, what in found.items() if path not in ELSEWHERE}


def ours() -> list[str]:
    """What there is of us: units with their files, processes, interfaces, routes, rules, files in /run."""
    units = lab.out("systemctl", "list-units", "--all", "--no-legend", "--plain", "pptp*").split("\n")
    routes = "".join(lab.out("ip", f"-{version}", "route", "show", "table", "all") for version in (4, 6))
    rules = "".join(lab.out("ip", "-d", f"-{version}", "rule") for version in (4, 6))
    lines = [line for line in (routes + rules).splitlines() if re.search(r"\bproto(col)? (pptp|172)\b|pptp-", line)]
    links = [line for line in lab.out("ip", "-o", "link").splitlines() if "pptp-" in line]
    programs = [f"{name}: {found}" for name, found in lab.clients().items()]
    manager = [line for line in lab.out("ps", "-eo", "args").splitlines() if "/pptp-manager" in line]
    files = [str(path) for path in (Path("/run/pptp-manager"), Path("/etc/ppp/resolv.conf")) if path.exists()]
    return [
        *(line for line in units if line and " not-found " not in line),
        *lines,
        *links,
        *programs,
        *manager,
        *files,
    ]


def version() -> str:
    """What the manager that answers on the bus says of itself."""
    return str(lab.ask(lab.BUS[0], lab.BUS[1], f"{lab.PROPERTIES}.Get", lab.BUS[2], "Version")[0])


def packaged(folder: Path) -> str:
    """The version of the package in a folder."""
    (deb,) = folder.glob("pptp-manager_*_all.deb")
    return deb.name.split("_")[1]


def quick_start() -> list[str]:
    """The code blocks of README.md's section "Quick start", each without its indentation or fence."""
    text = (SOURCE / "README.md").read_text().split("\n## Quick start\n")[1].split("\n## ")[0]
    fenced = [block.split("\n", 1)[1] for block in text.split("```")[1::2]]
    indented = re.findall(r"(?:^    .*\n)(?:(?:    .*)?\n)*", text, re.MULTILINE) if not fenced else []
    return fenced + [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() + "\n" for block in indented]


def typed(block: str) -> Iterator[str]:
    """The commands of a block, without those for the machine that the package is made on, and without sudo."""
    for line in block.replace("\\\n", " ").splitlines():
        command = line.split("  #")[0].strip().removeprefix("sudo ")
        if command and not command.startswith(("#", *HOST_ONLY)) and command.split()[0] not in EDITORS:
            yield command


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    """The files of the machine before any of this: without us, without what we depend on, apt sees the archive."""
    Path("/etc/apt/sources.list").write_text("deb [trusted=yes] file:/lab/archive ./\n")
    for path in Path("/etc/apt/sources.list.d").iterdir():
        path.unlink()
    shell("apt-get -qq update", Path("/"))
    shell(f"make -s -C {SOURCE} uninstall", Path("/"))
    lab.CONFIGURATION.unlink()
    return {}


def test_below_usr_local(fresh: dict[str, str]) -> None:
    """`make install prefix=/usr/local` is whole: the bus, the units and the programs find each other."""
    shell(f"make -s -C {SOURCE} install prefix=/usr/local", Path("/"))
    assert not Path("/usr/lib/pptp-manager").exists() and not Path("/usr/sbin/pptp-manager").exists()
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    assert lab.passes() and "/usr/local/lib/pptp-manager" in lab.out("systemctl", "cat", "pptp@work")
    shell("pptpctl --version && pptp-manager --check", Path("/"))
    shell(f"make -s -C {SOURCE} uninstall prefix=/usr/local", Path("/"))
    assert ours() == []
    lab.CONFIGURATION.unlink()
    for folder in (
        "lib/systemd",
        "lib/pptp-manager",
        "share/doc",
        "share/pptp-manager",
        "share/bash-completion",
        "share/zsh",
        "share/fish",
        "share/man",
    ):
        shell(f"[ ! -d /usr/local/{folder} ] || find /usr/local/{folder} -type d -empty -delete", Path("/"))
    shell(f"apt-get -qq purge --autoremove {' '.join(DEPENDENCIES)}", Path("/"))
    fresh.update(listing())


def test_the_quick_start_to_the_letter(fresh: dict[str, str]) -> None:
    """From the package to a tunnel by what README.md says, with real dependencies."""
    for block in quick_start():
        if block.startswith("tunnels:"):
            assert stat.S_IMODE(lab.CONFIGURATION.stat().st_mode) == 0o600 and lab.CONFIGURATION.stat().st_uid == 0
            lab.CONFIGURATION.write_text(block)
        else:
            for command in typed(block):
                shell(command, OLD)
    lab.wait_for(lambda: lab.active("work") == "active" and lab.passes(), "the tunnel that the quick start makes")
    assert lab.out("systemctl", "is-enabled", "pptp@work", "pptp-manager").split() == ["enabled", "enabled"]
    assert (version(), lab.out("dpkg", "--verify", "pptp-manager")) == (packaged(OLD), "")
    assert "172\tpptp" in Path("/etc/iproute2/rt_protos.d/pptp-manager.conf").read_text()
    assert "proto pptp" in lab.route_of("192.168.10.0/24")


def test_an_upgrade_loses_no_ping() -> None:
    """The tunnel stays up as it is, the new manager has it, and the configuration is not touched."""
    text, sessions, before = lab.CONFIGURATION.read_text(), lab.clients(), lab.manager_pid()
    with lab.pinging():
        shell("apt-get install -y ./pptp-manager_*.deb", NEW)
    assert (version(), packaged(NEW) != packaged(OLD)) == (packaged(NEW), True)
    assert lab.clients() == sessions and lab.manager_pid() not in (0, before)
    lab.wait_for(lambda: lab.state("work") == "up", "the new manager knows that it is up")
    assert lab.CONFIGURATION.read_text() == text and stat.S_IMODE(lab.CONFIGURATION.stat().st_mode) == 0o600
    assert lab.out("dpkg", "--verify", "pptp-manager") == ""


def test_a_manager_that_was_stopped_and_disabled_stays_so() -> None:
    """By an upgrade to the same version."""
    lab.out("systemctl", "stop", "pptp@work")
    lab.out("systemctl", "disable", "--now", "pptp-manager")
    shell("apt-get install -y --reinstall ./pptp-manager_*.deb")
    assert lab.run("systemctl", "is-active", "pptp-manager").stdout == "inactive\n"
    assert lab.run("systemctl", "is-enabled", "pptp-manager").stdout == "disabled\n"
    lab.out("systemctl", "enable", "--now", "pptp-manager")


def test_removed_with_tunnels_up_and_a_guard() -> None:
    """Nothing of it runs, no rule keeps anything back, and of its files what somebody may have written is left."""
    lab.configure({"work": {**lab.ALICE, "guard": True}})
    text = lab.CONFIGURATION.read_text()
    assert lab.systemctl("restart", "pptp@work") == 0, lab.evidence()
    assert lab.passes() and "unreachable" in lab.out("ip", "rule")
    shell("apt-get remove -y pptp-manager")
    lab.wait_for(lambda: not ours(), f"nothing is left: {ours()}")
    left = [path for path in lab.out("dpkg", "-L", "pptp-manager").split() if Path(path).is_file()]
    assert sorted(left) == [f"/etc/iproute2/{name}.d/pptp-manager.conf" for name in ("rt_protos", "rt_tables")]
    assert lab.CONFIGURATION.read_text() == text
    assert not Path("/usr/lib/pptp-manager").exists()


def test_installed_again_it_has_the_old_configuration() -> None:
    shell("apt-get install -y ./pptp-manager_*.deb")
    assert stat.S_IMODE(lab.CONFIGURATION.stat().st_mode) == 0o600
    assert lab.run("systemctl", "is-enabled", "pptp@work").stdout == "enabled\n"
    assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
    assert lab.passes() and "unreachable" in lab.out("ip", "rule")


def test_purged_at_once() -> None:
    """From up and guarded to nothing, with the configuration and what enabled the tunnel."""
    draft = Path(tempfile.mkstemp(dir="/etc", prefix=f".{lab.CONFIGURATION.name}.")[1])  # as ctl/addition.py has it
    shell("apt-get purge -y pptp-manager")
    lab.wait_for(lambda: not ours(), f"nothing is left: {ours()}")
    assert not lab.CONFIGURATION.exists() and not draft.exists()
    assert lab.run("systemctl", "is-enabled", "pptp@work").stdout != "enabled\n"


def test_where_no_systemd_runs() -> None:
    """As in a chroot: every step goes through, the files are there and gone, and nothing is started or stopped."""
    (deb,) = NEW.glob("*.deb")
    here = "mount -t tmpfs -o mode=0755 none /run"
    steps = (f"dpkg -i {deb}", "test -s /etc/pptp-manager.yaml", "pptp-manager --check", "dpkg -r pptp-manager")
    shell(f"unshare --mount sh -exc '{here}; {'; '.join(steps)}; dpkg -P pptp-manager'")
    assert not lab.CONFIGURATION.exists() and ours() == []


def test_nothing_is_left_on_the_machine(fresh: dict[str, str]) -> None:
    """The same files as before, to the mode, when what came with it has gone, too."""
    shell("apt-get -y autoremove --purge")
    now = listing()
    assert {path: now[path] for path in sorted(now.keys() - fresh.keys())} == {}
    gone = {path: fresh[path] for path in sorted(fresh.keys() - now.keys())}
    assert {
        path: mode for path, mode in gone.items() if not mode.startswith("40")
    } == {}  # but folders of an uninstall
    assert {path: (fresh[path], now[path]) for path in now if fresh.get(path) != now[path]} == {}
