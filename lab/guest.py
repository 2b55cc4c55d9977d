"""A guest: one boot of a root file system in User Mode Linux, of which nothing is kept."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cache
import cpu
import kernel
import rootfs
import xstate
from layer import lay
from progress import LabError, say

SOURCE = Path(__file__).resolve().parent.parent
GUEST_FILES = Path(__file__).resolve().parent / "guest"
POLL_SECONDS = 0.02
TIMED_OUT = 124


@dataclass(frozen=True)
class Machine:
    """What a guest is made of. out: host directory for /lab/out, or None for one that is thrown away."""

    suite: str
    trees: Sequence[Path] = ()
    append: str = ""
    memory: str = "1024M"
    out: Path | None = None


@dataclass(frozen=True)
class Guest:
    """A guest that boots or runs. shared is its /lab/run; console holds what kernel and systemd say."""

    process: subprocess.Popen[bytes]
    shared: Path
    console: Path

    def status(self) -> int | None:
        """Exit status of what the guest was started for, None as long as it runs."""
        try:
            return int((self.shared / "status").read_text())
        except FileNotFoundError:
            return None


class Panicked(LabError):
    """The guest's kernel has panicked."""


def run(machine: Machine, command: Sequence[str], timeout_seconds: float) -> int:
    """Exit status of the command, run in a fresh guest with its output on our stdout.

    TIMED_OUT when boot and command take longer than timeout_seconds. LabError when the guest ends before the
    command does: Panicked when its kernel has panicked.
    """
    deadline = time.monotonic() + timeout_seconds
    with workspace(machine.memory) as work, rootfs.used(machine.suite) as root:
        (work / "shared/command").write_text(f"exec {shlex.join(command)}\n")
        output = work / "shared/output"
        output.touch()
        furnish(work, machine, root, "lab-command.service")
        with booted(work, machine, root, ["con0=null,fd:1"]) as guest, output.open("rb") as stream:
            return watch(guest, deadline, lambda: forward(stream.read()))


def forward(chunk: bytes) -> None:
    """Pass on what the guest wrote, at once."""
    if chunk:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def shell(machine: Machine) -> int:
    """Exit status of an interactive shell in a fresh guest, on our terminal."""
    if not (os.isatty(0) and os.isatty(1)):
        raise LabError("a shell needs a terminal; for a command without one there is `lab run`")
    with workspace(machine.memory) as work, rootfs.used(machine.suite) as root:
        size = shutil.get_terminal_size()
        term = shlex.quote(os.environ.get("TERM", "dumb"))
        (work / "shared/terminal").write_text(f"export TERM={term}\nrows={size.lines}\ncolumns={size.columns}\n")
        furnish(work, machine, root, "lab-shell.service")
        with terminal_kept():
            terminal = (os.dup(0), os.dup(1))
            consoles = ["con0=null,fd:1", f"con1=fd:{terminal[0]},fd:{terminal[1]}"]
            with booted(work, machine, root, consoles, terminal) as guest:
                return watch(guest, float("inf"), lambda: None)


def watch(guest: Guest, deadline: float, each_time: Callable[[], None]) -> int:
    """Wait for the guest's exit status, calling each_time now and then and once after the end."""
    while True:
        status = guest.status()  # before each_time: what was written before the status is then not missed
        each_time()
        if status is not None:
            return status
        if guest.process.poll() is not None:
            kind = Panicked if "Kernel panic" in guest.console.read_text(errors="replace") else LabError
            raise kind(f"the guest ended before the command did; its console:\n{tail(guest.console)}")
        if time.monotonic() > deadline:
            say(f"timed out; the guest's console:\n{tail(guest.console)}")
            return TIMED_OUT
        time.sleep(POLL_SECONDS)


def tail(console: Path) -> str:
    """The last lines of a guest's console, without the stack of a kernel panic."""
    lines = console.read_text(errors="replace").replace("\r", "").splitlines()
    return "\n".join(f"    {line}" for line in [line for line in lines if not line.startswith(" [<")][-40:])


@contextmanager
def workspace(memory: str) -> Iterator[Path]:
    """A host directory for one guest, removed at the end with all in it."""
    work = Path(tempfile.mkdtemp(prefix="pptp-lab-", dir=memory_folder(memory)))
    try:
        work.chmod(0o755)
        for name in ("shared", "layer", "out", "uml"):
            (work / name).mkdir()
        yield work
    finally:
        shutil.rmtree(work)


def memory_folder(memory: str) -> Path:
    """Where a guest's memory file is to be: /dev/shm, or an ordinary folder when that is too small."""
    units = {"K": 10, "M": 20, "G": 30}
    size = int(memory[:-1]) << units[memory[-1].upper()]
    shm = Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).free > size:
        return shm
    return Path(tempfile.gettempdir())


def furnish(work: Path, machine: Machine, root: Path, unit: str) -> None:
    """Fill the layer: the lab's own files, the project, the caller's trees, and unit wanted at boot."""
    layer = work / "layer"
    lay(GUEST_FILES, layer, root)
    project = work / "project"
    install_project(project, root)
    for tree in (project, *machine.trees):
        lay(tree, layer, root)
    (layer / "etc/systemd/system/multi-user.target.wants" / unit).symlink_to(f"/etc/systemd/system/{unit}")


# What every package does at its installation. $0: the root file system, whose Python it takes; $1: the project.
COMPILE = """mount --bind "$1" "$0/mnt" &&
    exec chroot "$0" python3 -m compileall -q -s /mnt -p / /mnt/usr/lib/pptp-manager/pptpd_manager"""


def install_project(tree: Path, root: Path) -> None:
    """Make tree, and install the project into it, for that root. It stays empty while there is no Makefile."""
    tree.mkdir()
    make = ["make", "--no-print-directory", "-C", str(SOURCE), "install", f"DESTDIR={tree}"]
    if not (SOURCE / "Makefile").exists():
        say(f"{SOURCE} has no Makefile: the guest goes without the project")
        return
    compile_all = ["unshare", "--mount", "sh", "-c", COMPILE, str(root), str(tree)]
    for command in (make, compile_all):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)} failed:\n{done.stdout}")


@contextmanager
def booted(
    work: Path, machine: Machine, root: Path, consoles: Sequence[str], keep: Sequence[int] = ()
) -> Iterator[Guest]:
    """A guest that was started, and is gone with all its processes at the end. keep: descriptors for it."""
    uml = kernel.ensure()
    arguments = [
        f"mem={machine.memory}",
        f"umid={work.name}",
        f"uml_dir={work}/uml/",
        "root=/dev/root",
        "rootfstype=hostfs",
        f"rootflags={root}",
        "ro",
        "init=/lab/init",
        *consoles,
        "con=null",
        "ssl=null",
        "console=tty0",
        "panic=-1",
        "noreboot",
        f"LAB_RUN={work}",
        f"LAB_SRC={SOURCE}",
        f"LAB_OUT={(machine.out or work / 'out').resolve()}",
        *shlex.split(machine.append),
    ]
    # A PID namespace of its own: when its first process dies, so do the dozens that make the guest, even if
    # we ourselves were killed. That process is a shell, since the kernel in its place could not abort itself
    # at a panic.
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        '"$@"; exit $?',
        "sh",
    ]
    environment = {**os.environ, "TMPDIR": str(work)}
    if xstate.too_large():
        environment["LD_PRELOAD"] = str(xstate.preload(cache.folder()))
    console = work / "console"
    with cpu.claimed(cache.folder()) as number, cache.used(uml.folder):
        with console.open("wb") as log:
            process = subprocess.Popen(
                [*command, "taskset", "--cpu-list", str(number), *uml.command, *arguments],
                cwd=uml.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=keep,
                start_new_session=True,
                env=environment,
            )
        try:
            yield Guest(process, work / "shared", console)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the guest and return when none of its processes is left."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    # unshare waits for the namespace's first process, and that one is gone only after all the others.
    victims = children.read_text().split() if process.poll() is None else []
    for victim in victims:
        os.kill(int(victim), signal.SIGKILL)
    if not victims:
        process.kill()
    process.wait()


@contextmanager
def terminal_kept() -> Iterator[None]:
    """Our terminal is at the end as it was: a guest makes it raw, and its descriptors non-blocking."""
    before = termios.tcgetattr(0)
    try:
        yield
    finally:
        os.set_blocking(0, True)
        os.set_blocking(1, True)
        termios.tcsetattr(0, termios.TCSADRAIN, before)
