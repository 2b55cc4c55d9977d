"""Types commands of pptpctl on a terminal in a guest, and writes what that got to /lab/out/session (`make picture`).

docs/picture.py draws it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/lab"))

import commands as lab

COLUMNS, LINES = 96, 40
SESSION = Path("/lab/out/session")
CONFIGURATION = """\
tunnels:
  work:
    server: vpn.example.com
    username: alice
    password: 'secret'
    routes: [192.168.10.0/24]
  customer:
    server: 203.0.113.1
    username: alice
    password: 'not the password'
    default-route: true
"""
TYPED = ("pptpctl check", "pptpctl reload", "pptpctl up work", "pptpctl up customer", "pptpctl")


def main() -> None:
    """Write the session: each command behind a prompt, and what the terminal got from it."""
    lab.CONFIGURATION.write_text(CONFIGURATION)
    lab.CONFIGURATION.chmod(0o600)
    session = b""
    for line in TYPED:
        if line == "pptpctl":
            lab.wait_for(lambda: lab.state("customer") == "failed", "it is given up after the second attempt")
        session += b"\033[1m# " + line.encode() + b"\033[0m\r\n" + seen(line) + b"\r\n"
    SESSION.write_bytes(session)


def seen(command: str) -> bytes:
    """What a terminal gets from the command."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    with subprocess.Popen(command.split(), stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        got = b""
        while part := read(master):
            got += part
        os.close(master)
    print(f"{command}: {process.returncode}\n{got.decode(errors='replace')}", flush=True)
    return got


def read(master: int) -> bytes:
    """The next bytes; none when nobody has the terminal open any more."""
    try:
        return os.read(master, 65536)
    except OSError:
        return b""


if __name__ == "__main__":
    main()
