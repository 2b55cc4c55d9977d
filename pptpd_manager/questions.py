"""How soon others than root may have people asked for a tunnel's password again. Pure.

A question for a password is on every terminal of the machine. Who may connect a tunnel could have one put there after
the other: by Connect and Disconnect, or by Reconnect while one is open. Root, and whom systemd lets start units, may.
"""

from __future__ import annotations

from pptpd_manager.tunnel import Tunnel

PAUSE_SECONDS = 5.0


def bothered(before: Tunnel, after: Tunnel, last: float | None, now: float) -> float | None:
    """When people were last asked in vain, or are asked since, after that step; None: not, or they have answered.

    last: the same before the step. Times are monotonic seconds.
    """
    if after.prompting and not before.prompting:
        return now
    if before.prompting and not after.prompting:
        return None if after.remembered else now
    return last


def pause(tunnel: Tunnel, last: float | None, now: float, *, anew: bool) -> float:
    """The seconds to wait before the tunnel may be connected by others than root; 0 if nobody would be asked again.

    anew: it is dialled anew, with which an open question is withdrawn.
    """
    if last is None or not (tunnel.config and tunnel.config.ask_password) or tunnel.remembered:
        return 0.0
    if tunnel.prompting and not anew:
        return 0.0  # that question will do
    return max(0.0, last + PAUSE_SECONDS - now)
