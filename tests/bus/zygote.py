"""A process that has imported what the manager and the stand-ins import, and that forks itself to become one of them.

Importing takes as long as a short test. What is forked is a process of its own: it makes its own connection to the
bus, has the environment and the namespaces that it is told, and ends with a status. Only its command line and its
first environment, in /proc, are the zygote's.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
MOST_BYTES = 65536  # of an order


class Forked:
    """A process that a zygote has forked, with as much of Popen as the tests use."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end  # on which the status comes

    def poll(self) -> int | None:
        """The exit status, or minus the signal; None as long as it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """The same at its end. timeout: seconds, after which it raises TimeoutExpired."""
        status = self._ended(None if timeout is None else timeout * 1000)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout_ms: float | None) -> int | None:
        if self.returncode is None:
            watched = select.poll()
            watched.register(self._end, select.POLLIN)
            if watched.poll(timeout_ms):
                self.returncode = int(self._end.recv(16))
                self._end.close()
        return self.returncode


@dataclass(frozen=True)
class Order:
    """What to become. code: Python; namespaces: the process whose network and mount namespaces it gets, or 0."""

    code: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    namespaces: int = 0


def stand_in(module: str, *arguments: str) -> Order:
    """The order for a stand-in; arguments: of the module's main()."""
    return Order(
        f"import sys\nfrom tests.bus.{module} import main\nmain(*sys.argv[1:])", arguments, {"PATH": PROGRAMS}
    )


class Zygote:
    """The test's end of it."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self.pid = pid
        self._control = control

    @contextmanager
    def forked(self, order: Order, stderr: int = 2) -> Iterator[Forked]:
        """One more process, which is killed at the end. stderr: where its errors go."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [json.dumps(vars(order)).encode()], [stderr, theirs.fileno()])
        process = Forked(int(self._control.recv(16)), ours)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def zygote() -> Iterator[Zygote]:
    """One that has imported everything; with it ends all that it has forked."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = subprocess.Popen(
                ["/usr/bin/python3", "-m", "tests.bus.zygote", str(theirs.fileno())],
                cwd=ROOT,
                env={"PATH": PROGRAMS},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        assert ours.recv(16) == b"ready"
        yield Zygote(ours, process.pid)
    assert process.wait(10) == 0


def serve(control: socket.socket) -> Order | None:
    """Fork for each order: the order in what is forked; None in the zygote itself, when the test has gone."""
    watched = select.poll()
    watched.register(control, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}  # by the process's descriptor: its number, and where its status goes
    control.send(b"ready")
    while True:
        for ready, _ in watched.poll():
            if ready in running:
                pid, end = running.pop(ready)
                os.write(end, b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                watched.unregister(ready)
                os.close(ready)
                os.close(end)
                continue
            text, fds, _, _ = socket.recv_fds(control, MOST_BYTES, 2)
            if not text:
                for pid, _ in running.values():
                    os.kill(pid, signal.SIGKILL)
                return None
            errors, end = fds
            if not (pid := os.fork()):
                os.dup2(errors, 2)
                for inherited in (*fds, *running, *(other for _, other in running.values())):
                    os.close(inherited)
                return Order(**json.loads(text))
            os.close(errors)
            running[descriptor := os.pidfd_open(pid)] = pid, end
            watched.register(descriptor, select.POLLIN)
            control.send(b"%d" % pid)


def become(order: Order) -> None:
    """Run what was ordered, as python3 -c does."""
    libc = ctypes.CDLL(None, use_errno=True)
    for namespace in ("net", "mnt") if order.namespaces else ():
        descriptor = os.open(f"/proc/{order.namespaces}/ns/{namespace}", os.O_RDONLY)
        if libc.setns(descriptor, 0):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv = ["-c", *order.arguments]
    exec(compile(order.code, "<string>", "exec"), {"__name__": "__main__"})


def main() -> None:
    import pptpd_manager.daemon  # noqa: F401, I001
    from . import fake_logind, fake_polkit, fake_resolved, fake_systemd  # noqa: F401

    gc.collect()
    gc.freeze()  # what is not looked through is not copied
    with socket.socket(fileno=int(sys.argv[1])) as control:
        order = serve(control)
    if order:
        become(order)


if __name__ == "__main__":
    main()
