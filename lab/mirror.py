"""The Debian mirror that the lab's packages are fetched from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import host
from progress import LabError, say

PACKAGES = ("mmdebstrap", "debian-archive-keyring")
# Names by which an apt source may call the release itself, not its updates or security fixes.
RELEASES = (*host.SUITES, "stable", "oldstable", "testing", "forky", "sid", "unstable")


def bootstrap(suite: str, folder: Path, *options: str) -> None:
    """Unpack packages of the suite in a folder that does not exist yet. options: mmdebstrap's, which packages."""
    host.install(*PACKAGES)
    command = ["mmdebstrap", "--mode=root", "--format=directory", "--aptopt=Apt::Install-Recommends false", *options]
    command += [suite, str(folder), uri()]
    lines = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if line.startswith("I: "):
                say(f"  {line[3:].rstrip()}")
    if process.returncode != 0:
        raise LabError(f"mmdebstrap failed ({process.returncode}):\n{''.join(lines[-40:])}")


def uri() -> str:
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
