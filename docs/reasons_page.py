"""docs/reasons.md: the table in reasons.py."""

from __future__ import annotations

from pptpd_manager.reasons import REASONS, Phase, Reason, Retry
from pptpd_manager.retry import ATTEMPTS, KNOCK_SECONDS, PAUSES
from pptpd_manager.verdict import KNOCK_AFTER


def page() -> str:
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
    first, longest = (f"{seconds:g} second{'s' if seconds != 1 else ''}" for seconds in PAUSES[kind])
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
    advice = advice.replace("|", r"\|")
    return f"| `{reason.name}` | {reason.sentence} | {advice}. | {reason.retry.value} |"
