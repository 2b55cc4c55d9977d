"""PPP in the kernel: its modules, /dev/ppp, and what of both a container may have. Pure."""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from pptpd_manager import reasons
from pptpd_manager.doctor.finding import Finding, ok, problem, unseen, warning

PPP, ASYNC, MPPE = "ppp_generic", "ppp_async", "ppp_mppe"
_PURPOSE = {PPP: "PPP", ASYNC: "PPP on a pseudo-terminal, which pptp needs", MPPE: "encryption (MPPE)"}
# As `uname -r` ends with Debian's kernels, of which those for clouds have fewer modules.
_DEBIAN = re.compile(r"-(?:cloud-|rt-)?(amd64|arm64|686(?:-pae)?|armmp)$")
_BARS = re.compile(r"\s*(blacklist\s+(?P<black>\S+)|install\s+(?P<install>\S+)\s+\S*/(false|true)\b)")


class Presence(Enum):
    """Where a module is."""

    LOADED = "loaded"
    BUILT_IN = "built in"
    LOADABLE = "loaded when needed"
    BARRED = "barred"
    MISSING = "missing"


@dataclass(frozen=True)
class Kernel:
    """What was seen. release: `uname -r`; files: whether there are modules for it; container: its kind, or "".

    modules: presence and, of a barred one, where it is barred; device: what opening /dev/ppp ended with: 0, an errno,
    or None when it is there and could not be opened for want of root; fips: the kernel allows no MPPE.
    """

    release: str
    files: bool
    container: str
    modules: Mapping[str, tuple[Presence, str]]
    device: int | None
    fips: bool = False


def presence(
    module: str, *, loaded: Collection[str], builtin: str, dep: str, barred: Mapping[str, str]
) -> tuple[Presence, str]:
    """Where the module is. loaded: the names in /sys/module; builtin, dep: the texts of modules.builtin and .dep."""
    if module in loaded:
        return Presence.LOADED, ""
    if _listed(module, builtin):
        return Presence.BUILT_IN, ""
    if not _listed(module, dep):
        return Presence.MISSING, ""
    return (Presence.BARRED, barred[module]) if module in barred else (Presence.LOADABLE, "")


def _listed(module: str, text: str) -> bool:
    """Whether a list of files such as "kernel/drivers/net/ppp/ppp_async.ko.xz: ..." begins a line with it."""
    name = re.escape(module).replace("_", "[_-]")
    return re.search(rf"^(\S*/)?{name}\.ko(\.\w+)?(:|$)", text, re.MULTILINE) is not None


def bars(files: Mapping[str, str]) -> dict[str, str]:
    """The modules that files of modprobe.d(5) keep from being loaded -> FILE:LINE."""
    found: dict[str, str] = {}
    for file, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if match := _BARS.match(line):
                module = (match["black"] or match["install"]).replace("-", "_")
                found.setdefault(module, f"{file}:{number}")
    return found


def judge(kernel: Kernel, *, encrypted: bool) -> list[Finding]:
    """The modules and the device. encrypted: whether a tunnel wants MPPE."""
    wanted = (PPP, ASYNC, MPPE) if encrypted else (PPP, ASYNC)
    found = [finding for module in wanted if (finding := _module(kernel, module))]
    if not found:
        names = ", ".join(f"{module} is {kernel.modules[module][0].value}" for module in wanted)
        found.append(ok("kernel", f"The kernel has PPP: {names}."))
    if encrypted and kernel.fips:
        found.append(
            problem(
                "kernel",
                "The kernel is in FIPS mode, which has no MPPE.",
                "No tunnel with MPPE works; switch FIPS mode off, or set 'mppe: off' if traffic in the clear is "
                "acceptable.",
            )
        )
    return [*found, _device(kernel)]


def _module(kernel: Kernel, module: str) -> Finding | None:
    """What is wrong with a module; None when it is there."""
    kind, where = kernel.modules[module]
    purpose = _PURPOSE[module]
    if kind is Presence.BARRED:
        return problem(
            "kernel",
            f"The module {module} may not be loaded: {where} bars it.",
            f"There is no {purpose} without it; take that line out, then load it.",
            f"modprobe {module}",
        )
    if kind is not Presence.MISSING:
        return None
    if kernel.container:
        return problem(
            "kernel",
            f"This is a container ({kernel.container}), and its host has not loaded {module}.",
            f"There is no {purpose} without it; load it on the host, a container cannot.",
            f"modprobe {module}",
        )
    if not kernel.files:
        return problem(
            "kernel",
            f"There are no modules for the kernel that runs, {kernel.release}, and {module} is not loaded.",
            "After an upgrade of the kernel the modules of the old one are gone: start the machine anew.",
            "systemctl reboot",
        )
    finding = f"The kernel {kernel.release} has no {module}."
    if debian := _DEBIAN.search(kernel.release):
        meaning = f"There is no {purpose} without it; install the usual kernel, and start the machine anew with it."
        return problem("kernel", finding, meaning, f"apt install linux-image-{debian[1]}")
    meaning = (
        f"There is no {purpose} without it; install a kernel that has it, or the package with its other modules "
        "(Ubuntu: linux-modules-extra)."
    )
    return problem("kernel", finding, meaning, f"apt install linux-modules-extra-{kernel.release}")


_MAKE_DEVICE = "mknod /dev/ppp c 108 0"


def _device(kernel: Kernel) -> Finding:
    """/dev/ppp."""
    if kernel.device == 0:
        return ok("kernel", "/dev/ppp can be opened.")
    if kernel.device is None:
        return unseen("kernel", "/dev/ppp is there; whether it can be opened")
    if kernel.device == errno.ENOENT:
        if kernel.container:
            meaning = f"Give the container the device /dev/ppp and CAP_NET_ADMIN ({kernel.container})."
            return problem("kernel", reasons.PPP_DEVICE_MISSING.sentence, meaning, _MAKE_DEVICE)
        return problem(
            "kernel",
            reasons.PPP_DEVICE_MISSING.sentence,
            "No tunnel can be made without it.",
            "modprobe ppp_generic; [ -e /dev/ppp ] || " + _MAKE_DEVICE,
        )
    if kernel.device in (errno.ENXIO, errno.ENODEV):
        return problem(
            "kernel",
            "There is nothing behind /dev/ppp: ppp_generic is not loaded.",
            "No tunnel can be made.",
            "modprobe ppp_generic",
        )
    where = f"this container ({kernel.container})" if kernel.container else "this machine"
    return problem(
        "kernel",
        reasons.PPP_FORBIDDEN.sentence,
        f"Let {where} have the device, and the capability CAP_NET_ADMIN.",
        "ls -l /dev/ppp",
    )


def judge_helper(*, untracked: bool, proven: bool) -> Finding:
    """The firewall's helper for PPTP. untracked: see conntrack.py; proven: GRE was seen to come back."""
    if not untracked:
        return ok("conntrack", "Connections are not tracked here, or the helper for PPTP is loaded.")
    if proven:
        return ok("conntrack", "Connections are tracked without the helper for PPTP; GRE passes nevertheless.")
    return warning(
        "conntrack",
        "This machine's firewall tracks connections, and its helper for PPTP is not loaded.",
        "A rule that accepts only what is 'established' or 'related' then drops the server's GRE packets.",
        "modprobe nf_conntrack_pptp; iptables -t raw -A OUTPUT -p tcp --dport 1723 -j CT --helper pptp",
    )
