"""What this machine shows in its files, processes and programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pptpd_manager import privatefile
from pptpd_manager.doctor import kernel, programs
from pptpd_manager.doctor.firewall import Firewall
from pptpd_manager.doctor.kernel import Kernel
from pptpd_manager.doctor.network import Call, Resolver, Route, nameservers
from pptpd_manager.doctor.programs import Place, Program

SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # PATH in pptp@.service
PATIENCE_SECONDS = 5
MODPROBE = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
PLACES = (
    "/etc/ppp",
    "/etc/ppp/options",
    "/etc/ppp/ip-up",
    "/etc/ppp/ip-down",
    "/etc/ppp/ip-up.d",
    "/etc/ppp/ip-down.d",
    "/run/pptp-manager",
)
PPTP = ("pptp", "pptpgw", "pptpcm")  # what pptp(8)'s processes are called


def read(path: str | Path) -> str | None:
    """The text of a file; None: it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None


def answer(*command: str) -> str | None:
    """What a program prints; None: it is not there, failed or took too long."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            stdin=subprocess.DEVNULL,
            env={"PATH": SEARCH, "LC_ALL": "C.UTF-8"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


def where(name: str) -> str:
    """Where a tunnel's unit finds a program, "" when it does not."""
    return shutil.which(name, mode=os.F_OK, path=SEARCH) or ""


def program(name: str) -> Program:
    """A program."""
    path = where(name)
    if not path or name == "nft":
        return Program(name, path, (path and answer(path, "--version")) or "")
    lacks = [option for option in programs.BUILT if name == "pppd" and knows(path, option) is False]
    return Program(name, path, answer(path, "--version") or "", tuple(lacks))


def knows(pppd: str, option: str) -> bool | None:
    """Whether pppd's file holds an option's name; None: it cannot be read."""
    try:
        return option.encode() + b"\0" in Path(pppd).read_bytes()
    except OSError:
        return None


def of_kernel() -> Kernel:
    """PPP in the kernel."""
    release = os.uname().release
    folder = Path("/lib/modules", release)
    loaded = set(os.listdir("/sys/module")) if os.path.isdir("/sys/module") else set()
    # Of a kernel without files in /lib/modules: what these modules register.
    loaded |= {kernel.PPP} if re.search(r"^108 ppp$", read("/proc/devices") or "", re.MULTILINE) else set()
    loaded |= {kernel.ASYNC} if re.search(r"^ppp\s", read("/proc/tty/ldiscs") or "", re.MULTILINE) else set()
    barred = kernel.bars({str(path): read(path) or "" for path in _modprobe_files()})
    builtin, dep = read(folder / "modules.builtin") or "", read(folder / "modules.dep") or ""
    modules = {
        module: kernel.presence(module, loaded=loaded, builtin=builtin, dep=dep, barred=barred)
        for module in (kernel.PPP, kernel.ASYNC, kernel.MPPE)
    }
    fips = (read("/proc/sys/crypto/fips_enabled") or "0").strip() == "1"
    return Kernel(release, folder.is_dir(), _container(), modules, _device(), fips)


def _modprobe_files() -> Iterable[Path]:
    """The files of modprobe.d(5); of two with one name the first."""
    found: dict[str, Path] = {}
    for folder in MODPROBE:
        for path in sorted(Path(folder).glob("*.conf")):
            found.setdefault(path.name, path)
    return found.values()


def _container() -> str:
    """The container that this is, by the name that systemd has for it, or ""."""
    if told := read("/run/systemd/container"):
        return told.strip()
    if os.path.exists("/.dockerenv"):
        return "docker"
    return "podman" if os.path.exists("/run/.containerenv") else ""


def _device() -> int | None:
    """How opening /dev/ppp ends: see Kernel.device."""
    if os.geteuid():
        return None if os.path.exists("/dev/ppp") else _errno("/dev/ppp")
    try:
        os.close(os.open("/dev/ppp", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error.errno
    return 0


def _errno(path: str) -> int:
    try:
        os.stat(path)
    except OSError as error:
        return error.errno or 0
    return 0


def places() -> list[Place]:
    """What pppd reads and runs as root, with what is in its folders."""
    found = []
    paths = [Path(path) for path in PLACES]
    for folder in ("/etc/ppp/ip-up.d", "/etc/ppp/ip-down.d"):
        with suppress(OSError):
            paths += sorted(Path(folder).iterdir())
    for path in paths:
        try:
            status = path.stat()
            found.append(Place(str(path), status.st_uid, status.st_mode))
        except OSError:
            found.append(Place(str(path), None))
    return found


def private(path: str) -> tuple[bool, str]:
    """Whether the file is there, and what is wrong with its mode and owner."""
    try:
        return True, privatefile.fault(os.stat(path), path)
    except OSError:
        return False, ""


def route(address: str) -> Route:
    """The way to an address, by ip-route(8)."""
    try:
        told = json.loads(answer("ip", "-j", "route", "get", address) or "[]")[0]
        device = str(told.get("dev", ""))
        known = [metric["mtu"] for metric in told.get("metrics", []) if "mtu" in metric]
        mtu = int(known[0]) if known else int(read(f"/sys/class/net/{device}/mtu") or 0)
    except (IndexError, ValueError, TypeError, AttributeError):
        return Route("", 0)
    return Route(device, mtu) if told.get("type", "unicast") in ("unicast", "local") else Route("", 0)


def firewall() -> Firewall:
    """The rules of the packet filter; only root can ask for them."""
    if os.geteuid():
        return Firewall(None, None, False)
    nft = answer("nft", "-a", "list", "ruleset") or ""
    # Those of iptables-nft are among nft's; to ask for others loads modules, so only where there are some.
    legacy = read("/proc/net/ip_tables_names") or ""
    iptables = answer("iptables-legacy", "-S") or answer("iptables", "-S") or "" if "filter" in legacy.split() else ""
    automatic = (read("/proc/sys/net/netfilter/nf_conntrack_helper") or "0").strip() == "1"
    helper = os.path.exists("/sys/module/nf_conntrack_pptp") and (automatic or "helper" in nft)
    return Firewall(nft, iptables, helper)


def resolver(*, resolved: bool) -> Resolver:
    """How names are resolved. resolved: systemd-resolved runs."""
    text = read("/etc/resolv.conf")
    linked = os.path.realpath("/etc/resolv.conf").startswith("/run/systemd/resolve/")
    return Resolver(None if text is None else nameservers(text), resolved, linked)


def calls() -> list[Call]:
    """The PPTP clients in this network that are no tunnel of ours: pptp(8), and pppd with the kernel's pptp."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        name = (read(folder / "comm") or "").strip()
        if name not in (*PPTP, "pppd") or not _same_network(folder):
            continue
        words = (read(folder / "cmdline") or "").replace("\0", " ")
        unit = re.search(r"[^/\n]+\.(service|scope)", read(folder / "cgroup") or "")
        if (name in PPTP or "pptp_server" in words) and not (unit and unit[0].startswith("pptp@")):
            found.append(Call(int(folder.name), name, unit[0] if unit else "", words))
    return found


def _same_network(folder: Path) -> bool:
    """Whether a process is in our network namespace; where that is not to be seen, as if it were."""
    try:
        return os.readlink(folder / "ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return True
