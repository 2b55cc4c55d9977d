"""The command line of pptp-manager."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pptpd_manager import VERSION, thrift

if TYPE_CHECKING:
    import argparse

CONFIGURATION, RUNTIME = "/etc/pptp-manager.yaml", "/run/pptp-manager"
EX_CONFIG = 78


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line: the source of --help and of pptp-manager(8)."""
    import argparse  # here, since systemd starts the manager without arguments

    grammar = argparse.ArgumentParser(prog="pptp-manager", description="Keeps PPTP tunnels as one YAML file says.")
    grammar.add_argument("--config", metavar="FILE", default=CONFIGURATION, help=f"default: {CONFIGURATION}")
    grammar.add_argument(
        "--runtime",
        metavar="DIRECTORY",
        default=RUNTIME,
        help=f"where pppd's option files are written; default: {RUNTIME}",
    )
    grammar.add_argument(
        "--check",
        action="store_true",
        help="only check the file, and the password files that it names: print every problem, exit 78",
    )
    grammar.add_argument("--guard", action="store_true", help="only make the guards of the enabled tunnels (at boot)")
    grammar.add_argument("--debug", action="store_true", help="log every event")
    grammar.add_argument("--version", action="version", version=f"pptp-manager {VERSION}")
    return grammar


def main() -> int:
    """Run the manager, or check a configuration; the exit status."""
    if not sys.argv[1:]:
        return manage(CONFIGURATION, RUNTIME)
    arguments = parser().parse_args()
    if arguments.check:
        return check(arguments.config)
    if arguments.guard:
        from pptpd_manager import boot  # as below

        return boot.run(arguments.config)
    return manage(arguments.config, arguments.runtime, debug=arguments.debug)


def manage(path: str, runtime: str, *, debug: bool = False) -> int:
    """Be the manager: see daemon.run()."""
    thrift.save()
    import logging  # now that it takes less

    from pptpd_manager import daemon  # here, so that --check needs neither D-Bus nor netlink

    os.umask(0o077)
    return daemon.run(path, runtime, logging.DEBUG if debug else logging.INFO)


def check(path: str) -> int:
    """Print what is wrong with the file at path, or with its password files; 0, or 78 when there is something."""
    from pptpd_manager import checking  # as above

    found = checking.check(path)
    if found.problems:
        print("\n".join(map(str, found.problems)), file=sys.stderr)
        return EX_CONFIG
    print(f"{path} is good; tunnels: {', '.join(found.tunnels) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
