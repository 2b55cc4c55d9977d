"""The manager, the tunnels' units, and what the manager says of the tunnels. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pptpd_manager import VERSION, reasons
from pptpd_manager.doctor.finding import Finding, Result, ok, problem, unseen, warning

SERVICE = "pptp-manager"
NEEDED = {12: "CAP_NET_ADMIN", 13: "CAP_NET_RAW"}  # <linux/capability.h>
# Settings that pptp-manager relies on; a drop-in may change all others.
RELIED_ON = ("Type", "NotifyAccess", "ExecStart", "ExecStartPost", "ExecStopPost", "User", "TemporaryFileSystem")
_SETTING = re.compile(rf"({'|'.join(RELIED_ON)})\s*=")
PASSING = {reason.name for reason in (reasons.STOPPED, reasons.SUSPENDED, reasons.CONFIGURATION_CHANGED)}


@dataclass(frozen=True)
class Unit:
    """A unit as systemd has it: LoadState, ActiveState, Result, UnitFileState, FragmentPath, NeedDaemonReload.

    capabilities: CapabilityBoundingSet, a bit for each; drop_ins: paths and texts, None where they cannot be read.
    """

    name: str
    load: str = "loaded"
    active: str = "inactive"
    result: str = "success"
    enabled: str = ""
    path: str = ""
    outdated: bool = False
    capabilities: int = -1
    drop_ins: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Tunnel:
    """What the manager says of a tunnel. last: of LastError the reason's name, sentence and advice.

    mtu: of its link, 0 while it is not up; dns: the Problem of its name servers, None when it has none of its own.
    """

    name: str
    server: str
    state: str = ""
    address: str = ""
    last: tuple[str, str, str] = ("", "", "")
    mtu: int = 0
    dns: str | None = None


def judge_manager(version: str | None, unit: Unit | None) -> Finding:
    """The manager. version: what it says, None: it does not answer; unit: its own, None: systemd does not answer."""
    if version == VERSION:
        return ok("manager", f"pptp-manager {version} runs.")
    if version is not None:
        return problem(
            "manager",
            f"pptp-manager {version} runs, and {VERSION} is installed.",
            "The old one goes on until it is restarted; the tunnels stay up meanwhile.",
            f"systemctl restart {SERVICE}",
        )
    if unit is None:
        return problem("manager", "systemd does not answer on the system bus.", "pptp-manager is one of its services.")
    if unit.load == "masked":
        return problem(
            "manager",
            "pptp-manager does not run: its unit is masked.",
            "No tunnel can be dialled without it.",
            f"systemctl unmask {SERVICE} && systemctl start {SERVICE}",
        )
    if unit.load == "not-found":
        return problem(
            "manager",
            "pptp-manager does not run: its unit is not installed.",
            "No tunnel can be dialled without it; install it again.",
            "systemctl daemon-reload",
        )
    if unit.active == "failed":
        meaning = f"No tunnel can be dialled without it; systemd says {unit.result!r}. Its log tells why."
        return problem("manager", "pptp-manager has failed.", meaning, f"journalctl -b -u {SERVICE} -n 20")
    if unit.active in ("active", "activating"):
        meaning = "It may be busy starting, or hang."
        return problem("manager", "pptp-manager runs but does not answer.", meaning, f"systemctl status {SERVICE}")
    return problem(
        "manager",
        "pptp-manager does not run.",
        "No tunnel is dialled or mended without it.",
        f"systemctl start {SERVICE}",
    )


def judge_configuration(file: str, problems: Sequence[str], tunnels: int, *, stale: bool = False) -> list[Finding]:
    """The configuration in force, or as it was read. stale: the file has changed since the manager read it."""
    if problems:
        meaning = "The configuration in force stays the old one; mend the file, then: pptpctl reload"
        return [problem("configuration", line, meaning, f"pptpctl check {file}") for line in problems]
    if not tunnels:
        meaning = "Add one under 'tunnels:', then: pptpctl reload"
        return [warning("configuration", f"{file} has no tunnel.", meaning, "man pptp-manager.yaml")]
    if stale:
        meaning = "Until it is read again the tunnels are as it was before."
        return [warning("configuration", f"{file} has been changed since it was read.", meaning, "pptpctl reload")]
    return [ok("configuration", f"{file} is without mistakes; tunnels: {tunnels}.")]


def judge_unit(tunnel: str, unit: Unit | None) -> list[Finding]:
    """The unit of a tunnel."""
    if unit is None:
        return [unseen("unit", "the tunnel's unit", "systemd does not answer").of(tunnel)]
    if unit.load == "masked":
        return [
            problem(
                "unit", f"{unit.name} is masked.", "The tunnel cannot be started.", f"systemctl unmask {unit.name}"
            ).of(tunnel)
        ]
    if unit.load != "loaded":
        return [
            problem(
                "unit",
                f"systemd has no usable {unit.name}: {unit.load}.",
                "Mend it, or install pptp-manager again.",
                f"systemctl status {unit.name}",
            ).of(tunnel)
        ]
    found = _changed(unit)
    if unit.active == "failed":
        meaning = "systemd does not try again until it is started anew; mend the cause before."
        finding = f"{unit.name} has failed ({unit.result})."
        found.append(problem("unit", finding, meaning, f"pptpctl up {tunnel}"))
    boot = "is" if unit.enabled.startswith("enabled") else "is not"
    found = found or [ok("unit", f"{unit.name} is {unit.active}; it {boot} started at boot.")]
    return [finding.of(tunnel) for finding in found]


def _changed(unit: Unit) -> list[Finding]:
    """What somebody has changed of the unit that makes a difference."""
    found = []
    if lacking := [name for bit, name in NEEDED.items() if not unit.capabilities >> bit & 1]:
        meaning = "pppd needs CAP_NET_ADMIN and pptp CAP_NET_RAW; take CapabilityBoundingSet= out of the drop-in."
        found.append(
            problem("unit", f"{unit.name} lacks {', '.join(lacking)}.", meaning, f"systemctl cat {unit.name}")
        )
    if unit.path and not re.match(r"(/usr(/local)?)?/lib/", unit.path):
        meaning = "It stands in place of pptp-manager's own, and goes out of date; use a drop-in instead."
        found.append(
            warning("unit", f"{unit.name} is {unit.path}.", meaning, f"rm {unit.path} && systemctl daemon-reload")
        )
    for path, text in unit.drop_ins:
        for number, line in enumerate((text or "").splitlines(), 1):
            if match := _SETTING.match(line):
                finding = f"{path}:{number} changes {match[1]}= of {unit.name}."
                meaning = "pptp-manager relies on it; take the line out, then: systemctl daemon-reload"
                found.append(problem("unit", finding, meaning, f"systemctl cat {unit.name}"))
    if unit.outdated:
        meaning = "What runs is not what the files say."
        found.append(
            warning(
                "unit",
                f"The files of {unit.name} have changed since systemd read them.",
                meaning,
                "systemctl daemon-reload",
            )
        )
    return found


def judge_last(tunnel: Tunnel) -> Finding:
    """Why it is down: the manager's reason for the last failure."""
    name, sentence, advice = tunnel.last
    if tunnel.state == "up":
        return ok("last-error", "The tunnel is up.").of(tunnel.name)
    if not name or name in PASSING:
        return ok("last-error", f"The tunnel is {tunnel.state}; no attempt has failed.").of(tunnel.name)
    kind = Result.WARNING if tunnel.state == "idle" else Result.PROBLEM
    finding = f"The last attempt failed ({name}): {sentence}"
    meaning = advice.removesuffix(reasons.DOCTOR.format(name=tunnel.name))
    return Finding("last-error", kind, finding, meaning, f"pptpctl logs {tunnel.name}", tunnel.name)
