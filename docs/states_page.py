"""docs/states.md: drawn from the machine itself, from a walk over the values that a tunnel can reach."""

from __future__ import annotations

from collections import defaultdict

from unit.walk import walk

from pptpd_manager.tunnel import State

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


def transitions() -> Transitions:
    """From which state to which, and by which events."""
    found: Transitions = defaultdict(set)
    for before, event, after, _ in walk(5_000):
        if before.state is not after.state:
            found[before.state, after.state].add(type(event).__name__)
    return found


def page() -> str:
    """A diagram and a table of the transitions."""
    found = transitions()
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
