"""The boots of the lab's tests: what lies in the guest's root before systemd starts, and which tests look at it."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILDING = threading.Lock()  # of the suites one makes the packages, and the others wait

WORK = {
    "server": "203.0.113.1",
    "username": "alice",
    "password": "secret",
    "routes": ["192.168.10.0/24"],
    "guard": True,
}


@dataclass(frozen=True)
class Scenario:
    """prepare: fills the tree; tests: pytest's arguments, relative to tests/lab."""

    prepare: Callable[[Path], None]
    tests: tuple[str, ...]


def bare(root: Path) -> None:
    """No tunnel is enabled."""


def enabled(root: Path) -> None:
    """pptp@work is enabled, as `systemctl enable` does it."""
    configuration = root / "etc/pptp-manager.yaml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(json.dumps({"tunnels": {"work": WORK}}))
    configuration.chmod(0o600)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "pptp@work.service").symlink_to("/usr/lib/systemd/system/pptp@.service")


def late_network(root: Path) -> None:
    """... and the uplink has no address."""
    enabled(root)
    drop_in(root, "lab-network", "[Service]\nExecStartPost=/usr/sbin/ip address del 192.0.2.2/24 dev uplink\n")


def server_away(root: Path) -> None:
    """... and there is no PPTP server."""
    enabled(root)
    drop_in(root, "lab-pptpd@main", "[Unit]\nConditionPathExists=/nonexistent\n")


def drop_in(root: Path, unit: str, text: str) -> None:
    """Change a unit of the lab."""
    path = root / f"etc/systemd/system/{unit}.service.d/away.conf"
    path.parent.mkdir(parents=True)
    path.write_text(text)


@functools.cache
def packages() -> Path:
    """A folder with this tree's package, and in another folder the same as a version before it; made once."""
    folder = Path(tempfile.mkdtemp(prefix="pptp-packages-"))
    atexit.register(shutil.rmtree, folder)
    for name, *words in (("old", "--unchecked", "--as", "0.0.1"), ("new",)):
        subprocess.run([TOP / "packaging/deb", *words, folder / name], check=True)
    return folder


def packaged(root: Path) -> None:
    """Packages to install are in /lab/packages."""
    with BUILDING:
        shutil.copytree(packages(), root / "lab/packages")


# Each in a boot of its own, so that no guest runs for too long; they begin in this order, the longest first.
APART = {
    "reasons": ("test_reasons.py", "test_scripted.py"),
    "hostile": (
        *("test_option_files.py", "test_hostile_server.py", "test_hostile_names.py"),
        *("test_hostile_callers.py", "test_forged_lines.py"),
    ),
    "faults": ("test_faults.py",),
    "recovery": ("test_recovery.py", "test_sleep.py", "test_uplink.py"),
    "secrets": ("test_passwords.py", "test_canary.py"),
    "routing": ("test_routes.py", "test_guard.py", "test_leftovers.py", "test_mtu.py"),
    "access": ("test_polkit.py",),
    "doctor": ("test_doctor.py",),
    "documented": ("test_documented.py",),
    "network": ("test_hooks.py", "test_network.py", "test_names.py"),
    "tools": ("test_pptpctl.py", "test_pptpctl_looks.py", "test_import.py"),
    "sandbox": ("test_sandbox.py",),
}
# What takes long, and in what it shows depends on nothing that differs between the suites: on the first one only.
ONCE = (
    "test_uplink.py::test_a_minute_of_loss_is_no_dead_peer",
    "test_recovery.py::test_it_comes_back_by_itself[away]",
    "test_connect.py::test_each_connect_has_its_route_and_the_figures_are_these",
    "test_mtu.py::test_the_throughput_is_this",
    "test_passwords.py::test_without_an_answer_it_is_given_up",
    # pptp, whom the server talks to before there is a call, is of the same version everywhere
    "test_scripted.py::test_the_end_and_its_reason[control]",
    "test_scripted.py::test_the_end_and_its_reason[call]",
    "test_hostile_server.py::test_the_start_is_answered_in_every_shape",
    "test_hostile_server.py::test_the_call_is_answered_in_every_shape",
)
SCENARIOS = {
    "running": Scenario(
        bare,
        (
            ".",
            "--ignore=boot",
            "--ignore=test_package.py",
            "--ignore=test_fleet.py",
            *(f"--ignore={name}" for names in APART.values() for name in names),
        ),
    ),
    **{name: Scenario(bare, names) for name, names in APART.items()},
    "fleet": Scenario(packaged, ("test_fleet.py",)),
    "package": Scenario(packaged, ("test_package.py",)),
    "boot-late-network": Scenario(late_network, ("boot", "-k", "late_network")),
    "boot-server-away": Scenario(server_away, ("boot", "-k", "server_away")),
    "boot": Scenario(enabled, ("boot", "-k", "well or reboot")),
}
