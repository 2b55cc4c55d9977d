"""That a look at the tunnels is quick: by what it imports, since times depend on the machine. startup.py has those."""

from __future__ import annotations

import subprocess

from . import startup
from .world import World

# Each costs more than a tenth of a look.
DEAR = {"gi", "yaml", "pyroute2", "pydbus", "systemd", "logging", "subprocess", "asyncio", "inspect", "xml", "http"}
DEAR |= {"dataclasses", "shutil", "urllib"}
OURS = "pptpd_manager."


def imported(world: World, *arguments: str) -> set[str]:
    """The modules that this pptpctl has imported by its end."""
    command = (*startup.PYTHON, "-c", startup.MODULES + startup.PPTPCTL, *arguments)
    done = subprocess.run(command, env=startup.environment(world), capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_a_look_imports_little(up: World) -> None:
    for arguments, module in ((["list"], "listing"), (["list", "--names"], "listing"), (["status"], "status")):
        found = imported(up, *arguments)
        assert f"pptpd_manager.ctl.{module}" in found
        assert found & DEAR == set()
        own = {name.removeprefix(OURS) for name in found if name.startswith(OURS)}
        assert {name for name in own if not name.startswith("ctl")} <= {"errors", "labels", "entries"}, own


def test_help_needs_no_bus() -> None:
    command = (*startup.PYTHON, "-c", startup.MODULES + startup.PPTPCTL, "--help")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not DEAR & set(done.stderr.split())
