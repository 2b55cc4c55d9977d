"""What of the libraries the manager does not import; on each suite, as it is run."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What each costs is in thrift.py, journald.py, rtnetlink.py and programs.py: together as much as all the rest.
DEAR = {
    *(
        "pyroute2",
        "systemd",
        "asyncio.events",
        "ssl",
        "optparse",
        "ast",
        "dis",
        "gettext",
        "xml.parsers",
    ),
    *(
        "argparse",
        "importlib.resources",
        "tempfile",
        "shutil",
        "bz2",
        "random",
        "subprocess",
        "multiprocessing",
        "difflib",
    ),
}
START = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pptpd_manager import __main__, thrift
thrift.save()
import logging
from pptpd_manager import daemon
from gi.repository import GLib
loop = GLib.MainLoop()
GLib.idle_add(loop.quit)
loop.run()
logging.makeLogRecord({{}})
"""


def printed(code: str) -> str:
    """What the code prints after such a start."""
    command = ["/usr/bin/python3", "-I", "-c", START + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_is_dear_is_not_imported() -> None:
    found = set(printed("print(*sys.modules)").split())
    assert {"pptpd_manager.engine", "gi.repository.Gio", "yaml"} <= found
    assert found & DEAR == set()


def test_what_is_put_off_is_there_for_who_makes_use_of_it() -> None:
    code = """
import asyncio, pathlib, xml.etree.ElementTree
print(xml.etree.ElementTree.fromstring("<a/>").tag, GLib.option.OptionParser.__name__)
print(pathlib.Path("/a b").as_uri(), asyncio.run(asyncio.sleep(0, "slept")))
import inspect, tokenize, pydbus.proxy, pydbus.registration
print(inspect.signature(lambda a: a), inspect.Parameter.empty is pydbus.registration.Parameter.empty)
node = xml.etree.ElementTree.fromstring('<method name="Look"><arg name="a" type="s" direction="in"/></method>')
print(pydbus.proxy.ProxyMethod("org.example", node).__name__, tokenize.COMMENT > 0)
"""
    assert printed(code) == "a OptionParser\nfile:///a%20b slept\n(a) True\nLook True\n"
