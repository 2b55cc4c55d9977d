"""How often a tunnel was dialled and came up, and how long that took: counted from step to step. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pptpd_manager.tunnel import State, Tunnel


@dataclass(frozen=True)
class Tally:
    """What has been counted since the manager knows the tunnel.

    attempts: how often pppd was told to dial; connects: how often the tunnel came up; reconnects: how many of these
    without having been idle or failed since the time before; connect_seconds: what the last one took, from the
    beginning of the attempt; 0.0 while that is not known.
    seen: the dial under way began before our eyes, and not before an earlier manager's; again: it has been up since it
    was last idle or failed.
    """

    attempts: int = 0
    connects: int = 0
    reconnects: int = 0
    connect_seconds: float = 0.0
    seen: bool = False
    again: bool = False


def counted(tally: Tally, before: Tunnel, after: Tunnel) -> Tally:
    """The tally after a step. A link that goes and is back while its pppd runs counts as one."""
    if before.asking and not after.asking and after.state is State.CONNECTING:
        tally = replace(tally, attempts=tally.attempts + 1, seen=True)
    if after.state is State.UP and before.up_since is None and after.up_since is not None:
        tally = replace(
            tally,
            connects=tally.connects + 1,
            reconnects=tally.reconnects + tally.again,
            connect_seconds=after.up_since - after.began if tally.seen else 0.0,
        )
    if after.state is State.UP:
        return tally if tally.again and not tally.seen else replace(tally, seen=False, again=True)
    if after.state in (State.IDLE, State.FAILED) and (tally.seen or tally.again):
        return replace(tally, seen=False, again=False)
    return tally
