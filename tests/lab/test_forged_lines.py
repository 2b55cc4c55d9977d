"""A plain user logs in pppd's name, as part of the tunnel's run: nothing follows from it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import commands as lab

UID = 65534
UNIT = Path(f"/sys/fs/cgroup/user.slice/user-{UID}.slice/user@{UID}.service/app.slice/x.service")
IDS = Path(f"/run/user/{UID}/systemd/units")
# "not-root" is for good, "wrong-password" may be, after the third all encryption is given up, and so ends a log.
FORGED = (
    "must be run as root",
    "MS-CHAP authentication failed: E=691 R=0",
    "MPPE required but peer refused",
    "Exit.",
)


@contextlib.contextmanager
def logging_as_pppd(run: str) -> Iterator[None]:
    """A user's unit x.service, to which the user has given the invocation id of the run, logs all of FORGED.

    A process in the cgroup that the user's systemd would have made, and the link that it would have: the lab has no
    logind to start one. Source: journald-context.c, client_context_read_invocation_id.
    """
    UNIT.mkdir(parents=True)
    IDS.mkdir(parents=True)
    for path in (IDS.parents[1], IDS.parents[0], IDS):
        os.chown(path, UID, UID)
    user = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
    subprocess.run([*user, "ln", "-s", run, str(IDS / "invocation:x.service")], check=True)
    enter = f"echo $$ >{UNIT}/cgroup.procs && exec {' '.join(user)} logger --tag pppd"
    with subprocess.Popen(["sh", "-euc", enter], stdin=subprocess.PIPE, text=True) as logger:
        assert logger.stdin
        try:
            for text in FORGED:
                print(text, file=logger.stdin, flush=True)
            lab.wait_for(lambda: forged(run) == [*FORGED], "journald to believe the user")
            yield
        finally:
            logger.stdin.close()
    IDS.joinpath("invocation:x.service").unlink()
    UNIT.rmdir()


def forged(run: str) -> list[str]:
    """What the journal has of a plain user's, as lines of that run."""
    return lab.journalctl(
        "-o", "cat", f"_SYSTEMD_INVOCATION_ID={run}", f"_UID={UID}", "SYSLOG_IDENTIFIER=pppd"
    ).splitlines()


def test_lines_of_a_plain_user_are_not_pppds() -> None:
    lab.configure({"work": lab.ALICE})
    assert lab.systemctl("start", "pptp@work") == 0
    run = lab.out("systemctl", "show", "-P", "InvocationID", lab.unit("work")).strip()
    with logging_as_pppd(run):
        since = time.time()
        for pid in lab.server_sessions():
            os.kill(pid, signal.SIGTERM)
        lab.wait_for(lambda: reasons(since), "the reason")
        lab.wait_for(lambda: lab.state("work") == "up", "the next call", 60)
    assert reasons(since) == ["peer-hung-up"]


def reasons(since: float) -> list[str]:
    """Those that the manager has told."""
    entries = lab.journalctl("-o", "json", f"--since=@{since:.6f}", "PPTP_TUNNEL=work").splitlines()
    return [entry["PPTP_REASON"] for entry in map(json.loads, entries) if "PPTP_REASON" in entry]
