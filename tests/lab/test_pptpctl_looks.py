"""pptpctl's looks with the real journal, and as users who may see less."""

from __future__ import annotations

import json
import re
import subprocess
import time

import commands as lab
import pytest

NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup")
HINT = "the log may be read by root, and by members of the groups adm and systemd-journal"
FORGED = "forged by nobody"


@pytest.fixture(autouse=True)
def tunnels(nothing_left: None) -> None:
    lab.configure({"work": lab.ALICE, "home": {**lab.ALICE, "routes": []}})


def pptpctl(*arguments: str, status: int = 0, user: tuple[str, ...] = ()) -> str:
    """What it prints on both streams; its exit status has to be that."""
    done = lab.run(*user, "pptpctl", *arguments)
    assert done.returncode == status, f"{done}\n{lab.evidence()}"
    return done.stdout + done.stderr


def programs(log: str) -> set[str]:
    """Who wrote the lines of a log."""
    return {json.loads(line)["program"] for line in log.splitlines()}


def test_the_log_is_that_of_the_tunnel_alone() -> None:
    """... from the first line to the last, and nobody else writes in it."""
    since = f"--since=@{time.time():.6f}"
    pptpctl("up", "work")
    pptpctl("up", "home")
    assert re.search(r" Status: Up: pptp-work 10\.9\.0\.\d+ to 10\.9\.0\.1 through", pptpctl("status", "work"))
    for name in ("pppd", "pptp"):
        run = lab.out("systemctl", "show", "-P", "InvocationID", "pptp@work").strip()
        text = f"work-{run[:8]} {FORGED}"
        fields = f"MESSAGE={text}\nSYSLOG_IDENTIFIER={name}\nPPTP_TUNNEL=work\nUNIT=pptp@work.service\nPRIORITY=3\n"
        subprocess.run([*NOBODY, "--clear-groups", "logger", "--journald"], input=fields, text=True, check=True)
    pptpctl("down", "work")
    lab.wait_for(lambda: FORGED in lab.out("journalctl", "--no-pager"), "the journal to have the forged line")
    log = lab.wait_for(lambda: re.search(r"(?s).*work: idle\n", pptpctl("logs", since, "work")), "the last line")[0]
    assert FORGED not in log
    assert not re.search(r"home|another", log), log
    # The manager hears of the address from the kernel, maybe before pppd has told the journal.
    for texts in (
        ("tunnel work: resolving", "tunnel work: up", "tunnel work: stopping", "tunnel work: idle"),
        ("pppd 2.", "local  IP address", "Connection terminated.", "Exit."),
        ("tunnel work: resolving", "Client connection established.", "tunnel work: up", "Connection terminated."),
    ):
        places = [log.find(text) for text in texts]
        assert -1 not in places and places == sorted(places), log
    assert programs(pptpctl("logs", since, "--json", "work")) == {"pppd", "pptp", "pptp-manager"}
    (last,) = pptpctl("logs", "-n1", "work").splitlines()
    assert last.endswith("tunnel work: idle") and last in log
    assert pptpctl("logs", "work", "--since", "+1h") == ""
    assert last in pptpctl("status", "work")


def test_a_plain_user_sees_the_tunnels_and_not_the_log() -> None:
    pptpctl("up", "work")
    user = (*NOBODY, "--clear-groups")
    assert re.search(r"work +up \d+ s +pptp-work +10\.9\.0\.\d+ -> 10\.9\.0\.1", pptpctl(user=user))
    assert pptpctl("status", "work", user=user).splitlines()[-1] == f"The log is not shown: {HINT}."
    assert pptpctl("logs", "work", status=4, user=user) == f"pptpctl: {HINT}\n"
    assert "tunnel work: up" in pptpctl("logs", "work", user=(*NOBODY, "--groups", "systemd-journal"))
    assert "Permission denied; root can read it: sudo pptpctl check" in pptpctl("check", status=4, user=user)
    assert "org.pptpmanager1.reload" in pptpctl("reload", status=4, user=user)


def test_a_changed_file_is_told_until_it_is_read_again() -> None:
    told = "The configuration file has changed; run: pptpctl reload\n"
    assert told not in pptpctl()
    lab.write({"work": {**lab.ALICE, "mtu": 9000}})
    assert pptpctl().endswith(told) and pptpctl("status", "-n0", "work").endswith(told)
    excerpt = r"tunnels\.work\.mtu: 9000 is not in 576\.\.1500 bytes\n +\d+ \| +…\n +\| +\^\n"
    assert re.search(excerpt, pptpctl("check", status=1))
    assert re.search(excerpt, pptpctl("reload", status=1))
    assert "has mistakes" in pptpctl()
    lab.write({"work": lab.ALICE})
    assert pptpctl("reload") == f"{lab.CONFIGURATION} is in force; tunnels: work\n"
    assert told not in pptpctl()
