"""pptp-manager: keeps PPTP tunnels as one YAML file says, with systemd, D-Bus and netlink."""

from __future__ import annotations

VERSION = "0.1.0"
