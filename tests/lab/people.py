"""Users of the lab's machine, for tests of who may do what."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import commands as lab

# carol is listed; dave is in a listed group; erin is nobody's; frank is an administrator, as Debian has it.
PEOPLE = {"carol": "", "dave": "vpnusers", "erin": "", "frank": "sudo"}
PASSWORD = "correct horse"  # frank's


@contextmanager
def known() -> Iterator[None]:
    """The users, and their groups."""
    lab.out("groupadd", "vpnusers")
    for name, group in PEOPLE.items():
        lab.out("useradd", "--no-create-home", *(["--groups", group] if group else []), name)
    subprocess.run(["chpasswd"], input=f"frank:{PASSWORD}\n", text=True, check=True)
    yield
    for name in PEOPLE:
        lab.out("userdel", name)
    lab.out("groupdel", "vpnusers")


def user(name: str) -> tuple[str, ...]:
    """What runs the command behind it as that user, with the groups of a login."""
    return "setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"


def run_as(name: str, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command as that user."""
    return lab.run(*user(name), *command, timeout=timeout)
