"""The guards of the tunnels that start at boot, made before there is a network: what pptp-guard.service runs.

A service of its own, since the manager needs D-Bus and so starts after sysinit.target; what configures the network may
come before that, as cloud-init does. It adds only: the manager takes over what is there, and removes what nobody
wants.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from pptpd_manager import configfile, planner
from pptpd_manager.config import Config, ConfigError
from pptpd_manager.netlink import Netlink
from pptpd_manager.planner import Want
from pptpd_manager.routes import Route, Rule

# systemd.unit(5): where `systemctl enable` and others say what a target wants.
UNIT_FOLDERS = tuple(f"{top}/systemd/system" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))
EX_OK, EX_OSERR, EX_CONFIG = 0, 71, 78


def enabled(folders: Iterable[str | Path] = UNIT_FOLDERS) -> frozenset[str]:
    """The tunnels whose units some target wants."""
    kinds = ("wants", "requires", "upholds")
    links = (path for folder in folders for kind in kinds for path in Path(folder).glob(f"*.{kind}/pptp@*.service"))
    return frozenset(path.name.removeprefix("pptp@").removesuffix(".service") for path in links)


def guards(config: Config, names: frozenset[str]) -> frozenset[Route | Rule]:
    """What the guards of these tunnels consist of while nothing is known of the network yet."""
    wants = [Want(tunnel, guarded=tunnel.guard and tunnel.name in names) for tunnel in config.tunnels.values()]
    return planner.summary(planner.plan(wants, []))


def run(path: str) -> int:
    """Make the guards that the file at path asks for; the exit status. What goes wrong is printed."""
    try:
        wanted = guards(configfile.load(path), enabled())
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    if not wanted:
        return EX_OK
    netlink = Netlink(lambda: None, lambda _beyond: None)
    add, _ = planner.changes(wanted, netlink.ours())
    refused = netlink.apply(add, [])
    netlink.close()
    for item, code in refused:
        print(f"the kernel refuses {item}: error {code}", file=sys.stderr)
    return EX_OSERR if refused else EX_OK
