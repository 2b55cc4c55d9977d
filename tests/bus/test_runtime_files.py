"""What lies in the manager's runtime directory at its start, and a disk that is full: no crash, nothing believed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .clients import until
from .world import CONFIG, ERROR, SERVER, World

HOOKS = CONFIG.replace("    routes:", "    hooks: {up: [/bin/true]}\n    routes:")
SUFFIXES = ("options", "hooks", "names", "new")


def fill(directory: Path, how: str) -> None:
    """Put that in the place of each file that the manager knows there."""
    directory.mkdir(mode=0o700)
    places = [directory / f"{name}.{suffix}" for name in ("office", "gone", "x\x1b[31m\nx") for suffix in SUFFIXES]
    names = ("accepted.yaml", "accepted.new", "failures", "failures.new", "nftables")
    for path in [*places, *(directory / name for name in names)]:
        if how == "directory":
            path.mkdir()
        elif how == "fifo":
            os.mkfifo(path, 0o600)
        elif how == "link":
            path.symlink_to(directory.with_name("victim"))
        else:
            path.write_bytes(b"[" * 200_000 if how == "nested" else b"\0" * (2 << 20))
            path.chmod(0o600)


@pytest.mark.parametrize("how", ["directory", "fifo", "link", "nested", "zeros"])
def test_anything_may_lie_there(bare: World, how: str) -> None:
    victim = bare.directory / "victim"
    victim.write_text("not ours")
    victim.chmod(0o600)
    fill(bare.runtime, how)
    bare.configure(HOOKS)
    bare.start()
    if how == "directory":  # a person has to look at that
        run = bare.set_unit("office", "activating", "start", new_run=True)
        answer = bare.dial("office", run)
        assert "office.options" in answer and "Is a directory" in answer, answer
        (bare.runtime / "office.new").rmdir()
        for suffix in SUFFIXES[:3]:
            (bare.runtime / f"office.{suffix}").rmdir()
        bare.set_unit("office", "inactive", "dead")
        until(lambda: bare.state("office") == "idle", "idle")
        bare.forget()
    bare.bring_up("office")
    assert victim.read_text() == "not ours"
    if how != "directory":
        left = {path.name for path in bare.runtime.iterdir()} - {"nftables"}  # goes when nft has removed the table
        assert left == {"accepted.yaml", "office.hooks", "office.options"}
    assert "\x1b" not in bare.log()
    noted = [line for line in bare.log().splitlines() if not line.startswith("INFO: ")]
    bare.expected = noted
    for line in noted:
        assert line.startswith("WARNING: "), line
    assert "Traceback" not in bare.log()


def test_a_full_disk(bare: World) -> None:
    """Nothing can be written in /run: it says so, serves, and dials when there is room."""
    bare.runtime.mkdir()
    runtime = str(bare.runtime)
    script = 'mount -t tmpfs -o size=64k,mode=0700 tmpfs "$1"; cat /dev/zero >"$1/ballast" 2>/dev/null || true'
    subprocess.run(bare.inside("sh", "-euc", script, "sh", runtime), check=True)
    bare.configure(HOOKS)
    bare.start()
    run = bare.set_unit("office", "activating", "start", new_run=True)
    answer = bare.dial("office", run)
    assert answer.startswith("exit 75 ") and "No space left on device" in answer, answer
    bare.ended("office", run, status="75")
    assert [name for name, _, _ in bare.call("ListTunnels")] == ["office", "home"]
    assert bare.error(bare.begin("Connect", "nothing")).args[0] == ERROR + "UnknownTunnel"
    subprocess.run(bare.inside("rm", f"{runtime}/ballast"), check=True)
    run = bare.set_unit("office", "activating", "start", new_run=True)
    answer = bare.dial("office", run)
    assert answer.startswith("wait Pausing ") and "Make room on /run, see: df -h /run" in answer
    assert bare.dial("office", run, answer.removeprefix("wait ")) == f"dial Connecting to {SERVER} ({SERVER})"
    noted = [line for line in bare.log().splitlines() if not line.startswith("INFO: ")]
    assert "WARNING: the good configuration cannot be kept for a restart: [Errno 28] No space left on device" in noted
    assert any(line.startswith("WARNING: tunnel office: waiting: ") and "No space left" in line for line in noted), (
        noted
    )
    bare.expected = noted
    accepted = bare.inside("test", "-s", f"{runtime}/accepted.yaml")
    until(lambda: subprocess.run(accepted).returncode == 0, "what could not be written to be written")
    assert "Traceback" not in bare.log()
