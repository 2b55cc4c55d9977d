"""What the lab needs of the machine it runs on: packages, a kernel to boot, a Debian mirror."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from progress import LabError, say

PACKAGES = ("user-mode-linux", "mmdebstrap", "uml-utilities", "debian-archive-keyring")
MODULES = Path("/usr/lib/uml/modules")
SUITES = ("bookworm", "trixie")
# Names by which an apt source may call the release itself, not its updates or security fixes.
RELEASES = (*SUITES, "stable", "oldstable", "testing", "forky", "sid", "unstable")


def install(*packages: str) -> None:
    """Install those of the packages that this host misses."""
    missing = [package for package in packages if not installed(package)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise LabError(f"packages missing: {' '.join(missing)}; run as root or install them")
    say(f"installing on this host: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-qq", "--no-install-recommends", *missing]
    # An image's package lists may be absent or older than the archive: the second try is after an update.
    if subprocess.run(command, env=environment, capture_output=True).returncode == 0:
        return
    say("apt-get update, then again")
    for step in (["apt-get", "update", "-qq"], command):
        done = subprocess.run(step, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise LabError(f"{' '.join(step)} failed:\n{done.stdout}")


def installed(package: str) -> bool:
    """True when dpkg has the package's files in place."""
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"


def kernel_version() -> str:
    """Version of the installed User Mode Linux kernel, as its module directory is called."""
    versions = sorted(entry.name for entry in MODULES.iterdir())
    if len(versions) != 1:
        raise LabError(f"{MODULES} holds {len(versions)} kernel versions, one expected: {' '.join(versions)}")
    return versions[0]


def mirror() -> str:
    """URI of the Debian archive that this host's own apt uses."""
    query = ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
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
