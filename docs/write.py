"""Writes docs/reasons.md and docs/states.md from the program (`make docs`); tests/unit/test_docs.py compares them.

reasons.md is the table in reasons.py. states.md is drawn from the machine itself, from a walk over the values that a
tunnel can reach.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from unit.walk import walk  # noqa: E402

from pptpd_manager.reasons import REASONS, Phase, Reason, Retry  # noqa: E402
from pptpd_manager.retry import ATTEMPTS, KNOCK_SECONDS, PAUSES  # noqa: E402
from pptpd_manager.tunnel import State  # noqa: E402
from pptpd_manager.verdict import KNOCK_AFTER  # noqa: E402

MEANINGS = {
    State.IDLE: "nobody wants it",
    State.WAITING: "wanted; before the next attempt, for a pause, the network, the server or a password",
    State.RESOLVING: "its server's name is being looked up",
    State.CONNECTING: "pppd dials",
    State.UP: "the link is up and the routes are in the table",
    State.STOPPING: "pppd is ending, or its log is being read",
    State.FAILED: "given up, until it is started again or its configuration changes",
}

Transitions = dict[tuple[State, State], set[str]]


def main() -> None:
    """Write the pages."""
    for name, text in (("reasons.md", reasons_page()), ("states.md", states_page(transitions()))):
        (ROOT / "docs" / name).write_text(text)


def reasons_page() -> str:
    """Every reason with its sentence, what to do, and when it is tried again."""
    knocked = ", ".join(f"`{reason.name}`" for reason in KNOCK_AFTER)
    lines = [
        "# Why a tunnel is not up",
        "",
        "Made from pptpd_manager/reasons.py by `make docs`.",
        "",
        "The name of a reason is what `journalctl PPTP_REASON=NAME` takes, the first field of `LastError` on D-Bus,",
        "and, written as `WrongPassword` for `wrong-password`, the name of the error that Connect ends with. Its",
        "sentence and its advice are in `systemctl status pptp@NAME` and in the journal.",
        "",
        "When it is tried again:",
        "",
        *(f"- **{kind.value}**: {pace(kind)}." for kind in Retry),
        "",
        "A pause is counted from the beginning of one attempt to that of the next and is random by up to a half; the",
        "first attempt after a link that was up for ten seconds needs none. After the following reasons there is no",
        "call before the server accepts a TCP connection again, which is tried every"
        f" {KNOCK_SECONDS / 2:g} to {KNOCK_SECONDS:g} seconds:",
        f"{knocked}.",
    ]
    for phase in Phase:
        lines += ["", f"## {phase.value}", ""]
        lines += ["| reason | what it means | what to do | tried again |", "| --- | --- | --- | --- |"]
        lines += [row(reason) for reason in REASONS.values() if reason.phase is phase]
    return "\n".join(lines) + "\n"


def pace(kind: Retry) -> str:
    """The pauses of a class, in words."""
    first, longest = (f"{seconds:g} seconds" for seconds in PAUSES[kind])
    match kind:
        case Retry.SOON | Retry.LATER:
            return f"after {first}, then twice as long each time, at most {longest}"
        case Retry.NETWORK:
            return f"when there is a new way to the server; without one after {first}, at most {longest}"
        case Retry.FEW:
            return f"after {first}, {ATTEMPTS} attempts in all; then given up until it is started or configured anew"
        case Retry.NEVER:
            return "given up at once, until it is started or configured anew"


def row(reason: Reason) -> str:
    """A line of the table."""
    advice = reason.advice.format(name="NAME", server="SERVER", address="ADDRESS") or "Nothing"
    return f"| `{reason.name}` | {reason.sentence} | {advice}. | {reason.retry.value} |"


def transitions() -> Transitions:
    """From which state to which, and by which events."""
    found: Transitions = defaultdict(set)
    for before, event, after, _ in walk(5_000):
        if before.state is not after.state:
            found[before.state, after.state].add(type(event).__name__)
    return found


def states_page(found: Transitions) -> str:
    """A diagram and a table of the transitions."""
    lines = [
        "# The states of a tunnel",
        "",
        "Drawn by `make docs` from a walk of the machine (pptpd_manager/machine.py) over the values that it reaches.",
        "The events are those of pptpd_manager/events.py, where each is described; one that is not named for a state",
        "leaves the tunnel in it. The diagram leaves out what only happens when the manager or systemd missed",
        "something: a run that is adopted, one that begins before the end of the last one was told, a unit that was",
        "changed by hand.",
        "",
        "| state | |",
        "| --- | --- |",
        *(f"| {state.value} | {MEANINGS[state]} |" for state in State),
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> idle",
    ]
    ordered = [(start, end) for start in State for end in State if (start, end) in found]
    lines += [f"    {start.value} --> {end.value}" for start, end in ordered if usual(start, end, found[start, end])]
    lines += ["```", "", "| from | to | by |", "| --- | --- | --- |"]
    lines += [f"| {start.value} | {end.value} | {', '.join(sorted(found[start, end]))} |" for start, end in ordered]
    return "\n".join(lines) + "\n"


def usual(start: State, end: State, by: set[str]) -> bool:
    """Whether the transition belongs to the course of things."""
    running = (State.RESOLVING, State.CONNECTING, State.UP)
    missed = {"Adopted", "UnitRefused", "RunEnded" if start in (State.IDLE, State.FAILED) else ""}
    missed |= {"DialAsked"} if start in running or end is State.FAILED else set()
    missed |= set() if start is State.STOPPING or (start, end) == (State.FAILED, State.IDLE) else {"UnitChanged"}
    return bool(by - missed)


if __name__ == "__main__":
    main()
