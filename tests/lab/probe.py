#!/usr/bin/python3
"""probe.py: tries what a sandbox is to prevent, and prints a line of JSON: what came of each try, and what this is.

test_sandbox.py has the units run it beside their programs, and runs it without a sandbox, where all of it works or
fails for another reason. Nothing that it does stays. System calls have their numbers of x86-64, as the lab has.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
LAB = "/run/lab-probe"  # what test_sandbox.py has made: other, file, and victim, a process number; and /dev/lab-disk
FOLDERS = (
    *("/boot", "/etc", "/etc/ppp", "/etc/systemd/system", "/home", "/opt", "/root", "/run", "/run/pptp-manager"),
    *(
        "/run/systemd/system",
        "/srv",
        "/tmp",
        "/usr/lib/systemd/system",
        "/var/lib",
        "/var/log",
        "/var/tmp",
    ),
)
FILES = (
    *("/etc/passwd", "/etc/ppp/resolv.conf", "/proc/sys/kernel/core_pattern", "/proc/sys/net/ipv4/ip_forward"),
    *("/sys/class/net/uplink/mtu", "/sys/fs/cgroup/cgroup.procs"),
)
DEVICES = ("/dev/kmsg", "/dev/mem", "/dev/null", "/dev/ppp", "/dev/ptmx", "/dev/lab-disk")
FAMILIES = ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_KEY", "AF_ALG", "AF_VSOCK")
INIT_MODULE, DELETE_MODULE, BPF = 175, 176, 321
SYSLOG_SIZE, PER_LINUX32, NEWNS, NEWUSER, NEWNET = 10, 8, 0x20000, 0x10000000, 0x40000000
SHOWN = ("NoNewPrivs", "Seccomp", "Seccomp_filters", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def status(pid: int | str) -> dict[str, str]:
    """The privileges of a process. Source: proc(5), /proc/PID/status."""
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in lines if name in SHOWN}


def mounts(pid: int | str) -> list[str]:
    """Where something is mounted for a process, each with ro or rw. Source: proc(5), /proc/PID/mountinfo."""
    fields = [line.split(" ") for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return sorted({f"{words[4]} {words[5].partition(',')[0]}" for words in fields})


def done(result: int) -> None:
    """Raise what a function of the C library has failed with."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "")


def create(folder: str) -> None:
    path = f"{folder}/lab-probe.{os.getpid()}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.unlink(path)


def make_device() -> None:
    path = f"{LAB}/null.{os.getpid()}"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.unlink(path)


def open_as(flags: int, path: str) -> None:
    os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY))


def open_socket(family: int, kind: int = socket.SOCK_DGRAM, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


def attempts() -> dict[str, Callable[[], object]]:
    """What is tried, by name."""
    timespec = (ctypes.c_long * 2)(-1, 0)
    victim = int(Path(LAB, "victim").read_text())
    tries: dict[str, Callable[[], object]] = {
        **{f"create in {folder}": partial(create, folder) for folder in FOLDERS},
        **{f"write {path}": partial(open_as, os.O_WRONLY, path) for path in FILES},
        **{f"open {path}": partial(open_as, os.O_RDWR, path) for path in DEVICES},
        "see /home": lambda: os.stat("/home/lab/probe"),
        "see /root": lambda: os.stat("/root/lab-probe"),
        "see /tmp": lambda: os.stat("/tmp/lab-probe"),
        "see /usr/lib/modules": lambda: os.listdir("/usr/lib/modules"),
        "read what another user's is": lambda: open_as(os.O_RDONLY, f"{LAB}/other"),
        "signal another user's process": lambda: os.kill(victim, 0),
        "become another user": lambda: os.setuid(65534),
        "make a program set-user-ID": lambda: os.chmod(f"{LAB}/file", 0o4755),
        "make a device": make_device,
        "load a module": lambda: done(LIBC.syscall(INIT_MODULE, 0, 0, b"")),
        "unload a module": lambda: done(LIBC.syscall(DELETE_MODULE, b"lab_probe", os.O_NONBLOCK)),
        "load a BPF program": lambda: done(LIBC.syscall(BPF, -1, 0, 0)),
        "mount": lambda: done(LIBC.mount(b"none", LAB.encode(), b"lab-probe", 0, None)),
        "swap": lambda: done(LIBC.swapon(b"/nonexistent", 0)),
        "set the clock": lambda: done(LIBC.clock_settime(0, timespec)),
        "set the host's name": lambda: done(LIBC.sethostname(os.uname().nodename.encode(), len(os.uname().nodename))),
        "read the kernel's log": lambda: done(LIBC.klogctl(SYSLOG_SIZE, None, 0)),
        "be traced": lambda: done(LIBC.ptrace(0, 0, None, None)),
        "have a mount namespace": lambda: done(LIBC.unshare(NEWNS)),
        "have a user namespace": lambda: done(LIBC.unshare(NEWUSER)),
        "have a network namespace": lambda: done(LIBC.unshare(NEWNET)),
        "run in real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        "run as a 32-bit program": lambda: done(LIBC.personality(PER_LINUX32)),
        "write what is executed": lambda: mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
        "raw socket": lambda: open_socket(socket.AF_INET, socket.SOCK_RAW, 47),
    }
    for name in FAMILIES:
        kind = {"AF_ALG": socket.SOCK_SEQPACKET, "AF_KEY": socket.SOCK_RAW, "AF_VSOCK": socket.SOCK_STREAM}.get(
            name, socket.SOCK_DGRAM
        )
        protocol = 2 if name == "AF_KEY" else 0  # PF_KEY_V2, linux/pfkeyv2.h
        tries[name] = partial(open_socket, getattr(socket, name), kind, protocol)
    return tries


def outcome(attempt: Callable[[], object]) -> str:
    """ok, or the name of the error, of a try in a process of its own."""
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            attempt()
        except OSError as error:
            code = error.errno or 255
        os._exit(code)
    _, ended = os.waitpid(pid, 0)
    if os.WIFSIGNALED(ended):
        return f"signal {os.WTERMSIG(ended)}"
    code = os.waitstatus_to_exitcode(ended)
    return errno.errorcode.get(code, str(code)) if code else "ok"


def main() -> None:
    tried = {name: outcome(attempt) for name, attempt in attempts().items()}
    found = {"tried": tried, "status": status("self"), "mounts": mounts("self")}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
