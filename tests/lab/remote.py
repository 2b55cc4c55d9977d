"""This machine as another one, that ssh gets to: by its own keys, over the network."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import commands as lab

KEYS = Path("/root/.ssh")


@contextlib.contextmanager
def unmasked(*units: str) -> Iterator[None]:
    """Have these units run, as they do where they are installed and nobody has masked them."""
    lab.out("systemctl", "unmask", *units)
    lab.out("systemctl", "start", *units)
    try:
        yield
    finally:
        lab.out("systemctl", "stop", *units)
        lab.out("systemctl", "mask", *units)


@contextlib.contextmanager
def named(*names: str) -> Iterator[None]:
    """Have machines of these names, root of which ssh gets to without a question."""
    before = lab.HOSTS.read_text()
    lab.HOSTS.write_text(before + f"192.0.2.2 {' '.join(names)}\n")
    KEYS.mkdir(mode=0o700, exist_ok=True)
    try:
        with unmasked("ssh.service"):
            lab.out("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(KEYS / "id_ed25519"))
            shutil.copy(KEYS / "id_ed25519.pub", KEYS / "authorized_keys")
            Path("/run/nologin").unlink(missing_ok=True)  # what ends a boot is masked here
            (KEYS / "known_hosts").write_text(lab.out("ssh-keyscan", "-t", "ed25519", *names))
            yield
    finally:
        for path in KEYS.iterdir():
            path.unlink()
        lab.HOSTS.write_text(before)
