"""Who logs in: users, domains and passwords with every awkward character, against the real pppd on both sides."""

from __future__ import annotations

import commands as lab
import pytest
from passwords import known_to_the_server

PEOPLE = {
    "space": ("al ice", "a secret with spaces ", ""),
    "quotes": ("a\"li'ce", 'pa$$ w"o\'rd"', ""),
    "backslash": ("alice", "back\\slash\\\\n", "CORP"),
    "dollar": ("$HOME", "$(reboot) `id` ${x}", ""),
    "hash": ("#alice", "#no comment # here", "DOM#AIN"),
    "shell": ("a;b|c&d", "<>()[]{}*?~!%^", ""),
    "equals": ("alice@example.com", "=+-_,.:/", "example.com"),
    "latin": ("alicia", "p\u00e4ssw\u00f6rd", "B-RO"),
    "chinese": ("alicia", "\u5bc6\u7801 \u20ac", ""),
    "control": ("alicia", "tab\there", ""),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_it_logs_in(name: str) -> None:
    user, password, domain = PEOPLE[name]
    login = f"{domain}\\{user}" if domain else user
    with known_to_the_server(login, password):
        domain_key = {"domain": domain} if domain else {}
        tunnel = {**lab.ALICE, "username": user, "password": password, **domain_key, "persist": False}
        lab.configure({"work": tunnel})
        assert lab.systemctl("start", "pptp@work") == 0, lab.evidence()
        assert lab.passes()
        lab.configure({"work": {**tunnel, "password": password + "x"}})
        lab.wait_for(lambda: lab.active("work") == "failed", "the test can fail: another password is refused", 60)


def test_a_name_that_is_not_ascii_reaches_the_server_byte_for_byte() -> None:
    """As far as pppd as a server goes: it writes such a name in ASCII before it looks for it, so it never finds it.

    Source: chap-new.c, chap_handle_response, slprintf("%.*v"). Other servers take the bytes as they are.
    """
    lab.configure({"work": {**lab.ALICE, "username": "zo\u00eb", "persist": False}})
    assert lab.systemctl("start", "pptp@work") == 1
    assert "zoM-CM-+ failed CHAP authentication" in lab.out("journalctl", "-q", "-o", "cat", "-t", "pppd")
