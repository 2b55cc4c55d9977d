"""What the doctor says of rules that the real nft(8) lists, and what becomes of them by its commands."""

from __future__ import annotations

import subprocess

import pytest

from pptpd_manager.doctor import firewall, host
from pptpd_manager.doctor.finding import Result

RULES = """
table inet filter {
	chain input {
		type filter hook input priority 0; policy %s
		ct state established,related accept
		iifname "lo" accept
		tcp dport 22 accept
		jump more
	}
	chain more {
		%s
	}
	chain forward {
		type filter hook forward priority 0; policy drop
		ip protocol gre drop
	}
}
"""
WELL = (Result.OK, "No rule of this machine's firewall is seen to drop PPTP.")


def found() -> list[tuple[Result, str, str]]:
    return [(one.result, one.finding, one.command) for one in firewall.judge(host.firewall(), proven=False)]


@pytest.mark.parametrize(
    ("policy", "rule", "result", "finding"),
    [
        ("accept", "ip protocol gre counter drop", Result.PROBLEM, "The firewall here drops GRE: inet filter more: "),
        (
            "accept",
            "meta l4proto { 47, 50 } reject",
            Result.PROBLEM,
            "The firewall here drops GRE: inet filter more: ",
        ),
        (
            *("accept", "tcp sport { 80, 1723 } drop", Result.PROBLEM),
            "The firewall here drops TCP port 1723: inet filter more: ",
        ),
        (
            *("drop", "udp dport 53 accept", Result.WARNING),
            "The firewall here drops what no rule accepts, and none is seen to accept GRE: inet filter input.",
        ),
    ],
)
def test_what_drops_pptp_and_the_command_that_mends_it(policy: str, rule: str, result: Result, finding: str) -> None:
    assert [one[:2] for one in found()] == [(Result.OK, "This machine has no rules of a firewall.")]
    subprocess.run(["nft", "-f", "-"], input=RULES % (policy, rule), text=True, check=True)
    ((seen, told, command),) = found()
    assert seen is result and told.startswith(finding)
    subprocess.run(["sh", "-c", command], check=True)
    assert [one[:2] for one in found()] == [WELL]
