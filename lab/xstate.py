"""A way round a limit of User Mode Linux on processors with AMX."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import host
from progress import LabError

SOURCE = Path(__file__).resolve().parent / "xstate.c"


def too_large() -> bool:
    """True when the processor's XSAVE area, 11 KiB with AMX, is larger than User Mode Linux has room for.

    Such a kernel before 6.13 panics with "ptrace set fp regs failed" at its first process.
    """
    return " amx_tile" in Path("/proc/cpuinfo").read_text()


def preload(cache: Path) -> Path:
    """The shared object made of SOURCE, from the cache or compiled into it now."""
    target = cache / f"xstate-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if not target.exists():
        host.install("tcc")
        part = target.with_suffix(f".{os.getpid()}.part")
        compiler = ["tcc", "-shared", "-nostdlib", "-o", str(part), str(SOURCE)]
        done = subprocess.run(compiler, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise LabError(f"{' '.join(compiler)} failed:\n{done.stdout}")
        part.rename(target)
    return target
