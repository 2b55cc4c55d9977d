"""What was found by one check: good, or what is wrong, what it means, and the command that mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from pptpd_manager.reasons import DOCTOR, Failure

CHECKS = (
    *("programs", "kernel", "ppp-options", "permissions", "manager", "configuration", "clashes"),
    *("unit", "password", "last-error", "name", "tcp", "control", "gre", "mtu", "network-manager", "networkd"),
    *("resolver", "conntrack", "firewall"),
)


class Result(Enum):
    """How it is with what was looked at."""

    OK = "ok"
    PROBLEM = "problem"
    WARNING = "warning"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """What was seen by a check, in a sentence, and how it is with that; docs/json.md says it of each field.

    tunnel: "" for the whole machine; meaning, command: "" where there is nothing to be said or done.
    """

    check: str
    result: Result
    finding: str
    meaning: str = ""
    command: str = ""
    tunnel: str = ""

    def of(self, tunnel: str) -> Finding:
        """The same, as that of a tunnel."""
        return replace(self, tunnel=tunnel)

    def record(self) -> dict[str, str | None]:
        """For JSON."""
        return {
            "check": self.check,
            "tunnel": self.tunnel or None,
            "result": self.result.value,
            "finding": self.finding,
            "meaning": self.meaning or None,
            "command": self.command or None,
        }


def ok(check: str, finding: str) -> Finding:
    """It is well."""
    return Finding(check, Result.OK, finding)


def problem(check: str, finding: str, meaning: str, command: str = "") -> Finding:
    """No tunnel, or not this one, works like that."""
    return Finding(check, Result.PROBLEM, finding, meaning, command)


def warning(check: str, finding: str, meaning: str, command: str = "") -> Finding:
    """It may work in spite of it, or not for long."""
    return Finding(check, Result.WARNING, finding, meaning, command)


def unseen(check: str, what: str, why: str = "needs root") -> Finding:
    """It could not be looked at."""
    return Finding(check, Result.UNKNOWN, f"{what}: not looked at: {why}", "", "")


def of_failure(check: str, failure: Failure, name: str, server: str, address: str, command: str = "") -> Finding:
    """A reason of the manager's as a problem, with its advice."""
    advice = failure.reason.advice.removesuffix(DOCTOR).format(name=name, server=server, address=address or server)
    return problem(check, failure.sentence, advice, command)


def wrong(findings: Iterable[Finding]) -> bool:
    """Whether something is wrong."""
    return any(finding.result is Result.PROBLEM for finding in findings)
