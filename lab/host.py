"""What the lab needs of the machine it runs on: packages, a kernel to boot, a Debian mirror."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lock import EXCLUSIVE, locked
from progress import LabError, say

PACKAGES = ("user-mode-linux", "mmdebstrap", "uml-utilities", "debian-archive-keyring")
MODULES = Path("/usr/lib/uml/modules")
SUITES = ("bookworm", "trixie")
# Names by which an apt source may call the release itself, not its updates or security fixes.
RELEASES = (*SUITES, "stable", "oldstable", "testing", "forky", "sid", "unstable")


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


def kernel_version() -> str:
    """Version of the installed User Mode Linux kernel, as its module directory is called."""
    versions = sorted(entry.name for entry in MODULES.iterdir())
    if len(versions) != 1:
        raise LabError(f"{MODULES} holds {len(versions)} kernel versions, not one: {' '.join(versions)}")
    return versions[0]


def mirror() -> str:
    """URI of the Debian archive that this host's own apt uses."""
    # Without --no-release-info apt tells of sources only whose lists it has already.
    query = [
        "apt-get",
        "indextargets",
        "--no-release-info",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        release, component, uri = line.split(" ", 2)
        if release in RELEASES and component == "main":
            return first_of_list(uri)
    raise LabError(f"apt on this host has no source with component main for any of: {' '.join(RELEASES)}")


def first_of_list(uri: str) -> str:
    """The URI itself, or the first one of the file that a mirror+file: URI of a cloud image names."""
    if not uri.startswith("mirror+file:"):
        return uri
    entries = Path(uri.removeprefix("mirror+file:").rstrip("/")).read_text().splitlines()
    return next(entry.split()[0] for entry in entries if entry.strip() and not entry.startswith("#"))
