"""What a manager that serves has not imported: see test_thrift.py for one that has only begun."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .clients import ROOT, until
from .world import NAME, World

DEAR = {"ast", "dis", "pyexpat", "ssl", "optparse", "argparse", "token", "subprocess"}
MAIN = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pptpd_manager.__main__ import manage
manage(*sys.argv[1:])
"""


def test_what_is_dear_is_not_imported(bare: World, tmp_path: Path) -> None:
    command = ["/usr/bin/python3", "-X", "importtime", "-I", "-c", MAIN, str(bare.config), str(bare.runtime)]
    environment = {"DBUS_SYSTEM_BUS_ADDRESS": bare.address, "PATH": os.environ["PATH"]}
    log = tmp_path / "imported"
    with log.open("wb") as file, subprocess.Popen(command, stderr=file, env=environment) as process:
        until(lambda: bare.client.owner(NAME), "the manager")
        process.terminate()
    imported = {line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if "import time:" in line}
    assert {"pptpd_manager.engine", "yaml"} <= imported
    assert imported & DEAR == set()
