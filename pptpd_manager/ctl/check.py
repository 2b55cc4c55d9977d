"""pptpctl check: all that is wrong with a configuration file, without the manager."""

from __future__ import annotations

import argparse
import shlex
import sys

from pptpd_manager.checking import Checked, check
from pptpd_manager.ctl import record
from pptpd_manager.ctl.excerpt import excerpt
from pptpd_manager.ctl.exits import CtlError, Exit
from pptpd_manager.ctl.terminal import Style, printable
from pptpd_manager.document import Problem


def run(arguments: argparse.Namespace) -> Exit:
    """The command."""
    found = check(arguments.file)
    if arguments.json:
        problems = [record_of(problem) for problem in found.problems]
        print(record.document({"file": arguments.file, "good": not problems, "problems": problems}))
    elif found.refused:
        command = f"sudo pptpctl check {shlex.quote(arguments.file)}"
        raise CtlError(Exit.REFUSED, f"{found.problems[0]}; root can read it: {command}")
    elif found.problems:
        print("\n".join(lines(found, Style(sys.stdout))))
    else:
        print(f"{printable(arguments.file)} is good; tunnels: {', '.join(found.tunnels) or 'none'}")
    return Exit.REFUSED if found.refused else Exit.PROBLEM if found.problems else Exit.OK


def lines(found: Checked, style: Style) -> list[str]:
    """The problems, each with the line that it is in."""
    shown = []
    for problem in found.problems:
        shown += [style.paint(printable(str(problem)), "bold"), *excerpt(found.text, problem, style)]
    return shown


def record_of(problem: Problem) -> record.Json:
    """A problem as JSON, see docs/json.md."""
    return {
        "file": problem.file,
        "line": problem.line or None,
        "column": problem.column or None,
        "path": problem.path or None,
        "message": problem.message,
    }
