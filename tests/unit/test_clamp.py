from __future__ import annotations

import pytest

from pptpd_manager import clamp

RULES = """\
add table inet pptp-manager
delete table inet pptp-manager
table inet pptp-manager {
	chain forward {
		type filter hook forward priority mangle; policy accept;
		oifname "pptp-a" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
		iifname "pptp-a" meta nfproto ipv4 tcp flags & (syn | rst) == syn tcp option maxseg size set 1416
		iifname "pptp-a" meta nfproto ipv6 tcp flags & (syn | rst) == syn tcp option maxseg size set 1396
	}
}
"""


def test_the_rules_of_a_tunnel() -> None:
    assert clamp.ruleset({"pptp-a": 1456}) == RULES


def test_each_tunnel_has_its_rules_and_without_any_there_is_no_table() -> None:
    both = clamp.ruleset({"pptp-b": 1400, "pptp-a": 1456})
    assert both.count("oifname") == 2 and both.index('"pptp-a"') < both.index('"pptp-b"')
    assert clamp.ruleset({}) == "".join(RULES.splitlines(keepends=True)[:2])


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ([], "nft failed without a word"),
        (["", " bad luck "], "bad luck"),
        (["/dev/stdin:1:1-2: Error: first", "x", "Error: second"], "first"),
    ],
)
def test_the_first_error_is_why(said: list[str], fault: str) -> None:
    assert clamp.fault(said) == fault
