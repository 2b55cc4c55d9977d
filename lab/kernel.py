"""The guests' kernel: User Mode Linux of Debian 13, on whatever host, with the C library that it needs.

Debian 12's, 6.1, takes three times as long for a fork and exec: since 6.11 the changes of a process's memory are
collected and made at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cache
import mirror
from progress import LabError, say

SUITE = "trixie"
LOADER = b"/lib64/ld-linux-x86-64.so.2\0"
# flush_tlb_mm() (arch/um/kernel/tlb.c) goes through a process's mappings. Where a signal has ended a fork, dup_mmap()
# (kernel/fork.c) has left XA_ZERO_ENTRY, 0x406, as a mark of their end: it takes that for a mapping, and the kernel
# panics. "test %rax,%rax; je" after mas_find() becomes "cmp %r12,%rax; jbe": %r12 is the address of mas_find(), and
# all that the kernel allocates is above its program. Behind the mark there is nothing, as for exit_mmap().
FLUSH = bytes.fromhex("41ffd4 4885c0743a 488b8b00030000488b5008488b004885c9")
MENDED = bytes.fromhex("41ffd4 4c39e0763a 488b8b00030000488b5008488b004885c9")


@dataclass(frozen=True)
class Kernel:
    """The folder that it was unpacked in, which has to be the working directory of whoever starts it."""

    folder: Path

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it, but for the kernel's own arguments."""
        libraries = self.folder / "usr/lib/x86_64-linux-gnu"
        return "env", f"LD_LIBRARY_PATH={libraries}", f"{self.folder}/usr/bin/linux.uml"

    @property
    def modules(self) -> Path:
        """The folder of its modules, which is named after its version."""
        found = list((self.folder / "usr/lib/uml/modules").iterdir())
        if len(found) != 1:
            raise LabError(f"{self.folder} holds modules of {len(found)} kernels, not of one")
        return found[0]


def ensure() -> Kernel:
    """The kernel, fetched now if the cache has none."""
    return Kernel(cache.ensure("kernel", hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16], unpack))


def unpack(folder: Path) -> None:
    """Fetch it, with what it depends on, and let it be loaded by that."""
    mirror.bootstrap(SUITE, folder, "--variant=extract", "--include=user-mode-linux")
    # The loader, too, and by a path relative to the folder: the host's may be older than the library.
    (folder / "lib64").symlink_to("usr/lib64")
    program = folder / "usr/bin/linux.uml"
    code = program.read_bytes()
    if code.count(LOADER) != 1:
        raise LabError(f"{program} does not name its loader once")
    code = code.replace(LOADER, LOADER[1:] + b"\0")
    if code.count(FLUSH) != 1:
        say("this kernel's flush_tlb_mm() is another one, and left as it is: see kernel.py")
    else:
        code = code.replace(FLUSH, MENDED)
    program.write_bytes(code)
