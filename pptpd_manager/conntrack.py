"""Whether this machine's firewall tracks connections, and knows PPTP's."""

from __future__ import annotations

from pathlib import Path

_COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")  # there with nf_conntrack; counts this network namespace's
_HELPER = Path("/sys/module/nf_conntrack_pptp")


def untracked() -> bool:
    """Whether connections are tracked without the helper that relates a call's GRE packets to it.

    Then a rule that accepts what is related or established drops the server's GRE packets. Source:
    nf_conntrack-sysctl in the kernel's documentation.
    """
    try:
        return int(_COUNT.read_text()) > 0 and not _HELPER.exists()
    except (OSError, ValueError):
        return False
