"""The programs that a tunnel needs, and who may change what they read. Pure."""

from __future__ import annotations

import re
import shlex
import stat
from dataclasses import dataclass

from pptpd_manager import reasons
from pptpd_manager.doctor.finding import Finding, ok, problem, warning

OLDEST = (2, 4, 9)  # of pppd, that is tested with
# What pppd has only if it was built with it, as a text in its table of options: the option, and what it is for.
BUILT = {"up_sdnotify": "telling systemd when the link is up (--enable-systemd)", "require-mppe-128": "MPPE"}
_PACKAGE = {"pppd": "ppp", "pptp": "pptp-linux", "nft": "nftables"}
_VERSION = re.compile(r"(?:version |v)?(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class Program:
    """A program. path: "" when there is none; said: what it answers to --version, "" when it could not be asked.

    lacks: of BUILT, what is not in pppd's file.
    """

    name: str
    path: str
    said: str = ""
    lacks: tuple[str, ...] = ()


def judge(program: Program) -> list[Finding]:
    """One program."""
    missing = {"pppd": reasons.PPPD_MISSING.sentence, "pptp": reasons.PPTP_MISSING.sentence}
    if not program.path:
        return [
            problem(
                "programs",
                missing.get(program.name, f"The program {program.name} is not installed."),
                "clamp-mss cannot be done without it." if program.name == "nft" else "No tunnel works without it.",
                f"apt install {_PACKAGE[program.name]}",
            )
        ]
    version = _VERSION.search(program.said)
    number = f" {version[1]}" if version else ""
    found = [
        problem(
            "programs",
            f"{program.path} was built without the option '{option}': {BUILT[option]}.",
            "pptp-manager needs it; install the distribution's pppd in its place.",
            "apt install --reinstall ppp",
        )
        for option in program.lacks
    ]
    if program.name == "pppd" and version and _numbers(version[1]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        found.append(
            warning(
                "programs",
                f"pppd is{number}, and {oldest} is the oldest that is tested with.",
                "It may not know all options that it is given.",
                "apt install ppp",
            )
        )
    return found or [ok("programs", f"{program.name}{number} is {program.path}.")]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


@dataclass(frozen=True)
class Place:
    """A file or folder that root's programs read or run. owner, mode: of stat(2), None when it is not there."""

    path: str
    owner: int | None
    mode: int = 0


def judge_places(places: list[Place]) -> list[Finding]:
    """Whether nobody but root can change them."""
    found = []
    for place in places:
        if place.owner is None:
            continue
        path = shlex.quote(place.path)
        if place.owner:
            finding, command = f"belongs to user id {place.owner}", f"chown root {path}"
        elif place.mode & 0o022:
            finding, command = f"has mode {stat.S_IMODE(place.mode):04o}", f"chmod go-w {path}"
        else:
            continue
        found.append(
            problem(
                "permissions",
                f"{place.path} {finding}, so others than root can change it.",
                "pppd reads and runs what is there as root.",
                command,
            )
        )
    return found or [ok("permissions", "Nobody but root can change what pppd reads and runs.")]


def judge_private(path: str, fault: str, *, there: bool) -> Finding:
    """The configuration file. fault: as privatefile.fault() tells it; there: whether it exists."""
    if not there:
        return problem(
            "permissions",
            f"{path} does not exist.",
            "There is no tunnel without it.",
            f"install -m 0600 /dev/null {shlex.quote(path)}",
        )
    if not fault:
        return ok("permissions", f"{path} is root's alone.")
    finding, _, command = fault.partition("; run: ")
    return problem("permissions", f"{path} {finding}.", "pptp-manager does not read it: it holds passwords.", command)
