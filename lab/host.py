"""The packages that the lab needs on the machine it runs on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lock import EXCLUSIVE, locked
from progress import LabError, say

SUITES = ("bookworm", "trixie")


def install(*packages: str) -> None:
    """Install those of the packages that this host misses."""
    if not missing(packages):
        return
    with locked(Path(__file__), EXCLUSIVE):  # apt-get does not wait for another one
        lacking = missing(packages)  # that other one may have brought them
        if lacking and os.geteuid() != 0:
            raise LabError(f"packages missing: {' '.join(lacking)}; run as root or install them")
        if lacking:
            apt_get_install(lacking)


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that dpkg has not in place."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages]
    there = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    return [package for package in packages if f"{package} installed" not in there]


def apt_get_install(packages: Sequence[str]) -> None:
    """Install the packages, after an update of the package lists when it does not work without."""
    say(f"installing on this host: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-qq", "--no-install-recommends", *packages]
    # The lists may be absent (a fresh image), or older than the archive: then the update.
    if subprocess.run(install, env=environment, capture_output=True).returncode == 0:
        return
    say("apt-get update, then again")
    for step in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(step, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise LabError(f"{' '.join(step)} failed:\n{done.stdout}")
