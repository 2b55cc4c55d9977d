"""The kernel that the lab runs on: what lab/kernel.py mends. A kernel that panics ends the guest."""

from __future__ import annotations

import random
import subprocess
import time

ROUNDS = 200
FORKING = ("sh", "-c", "while :; do (:); done")


def test_who_forks_may_be_killed() -> None:
    """As each stop of a unit may do to pppd's scripts. Unmended, it lasts for some ten to a hundred rounds."""
    for _ in range(ROUNDS):
        both = [subprocess.Popen(FORKING) for _ in range(2)]
        time.sleep(random.uniform(0.005, 0.015))
        for process in both:
            process.kill()
            process.wait()
