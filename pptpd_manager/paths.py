"""The ways to the servers, outside of every tunnel."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from pptpd_manager import routes
from pptpd_manager.netlink import Netlink
from pptpd_manager.routes import PROTOCOL, Path, Route


class Paths:
    """guarding: whether a rule of ours may be why the kernel has no way. All methods may raise OSError."""

    def __init__(self, netlink: Netlink, guarding: Callable[[], bool]) -> None:
        self._netlink, self._guarding = netlink, guarding
        self._table: list[Route] = []  # as last looked into, ...
        self._others: list[Route] = []  # ... without what is ours or leads into tunnels, ...
        self._found: dict[IPv4Address, Path | None] = {}  # ... and what was found there
        self._by_rules: set[str] = set()  # tunnels whose server is reached by more than the main table

    def to(self, address: IPv4Address) -> Path | None:
        """The way to address by all of the kernel's rules; None: there is none, or none with a carrier."""
        path, ours = self._netlink.path(address)
        if ours or (path is None and self._guarding()):
            path = self.by_table(address)
        return self._carried(path)

    def by_table(self, address: IPv4Address, table: list[Route] | None = None) -> Path | None:
        """The way to address by the main table alone, without our routes and tunnels. table: it, read already."""
        table = self._netlink.table() if table is None else table
        path = self._lookup(address, table)
        return self._netlink.located(path) if path else None

    def _lookup(self, address: IPv4Address, table: list[Route]) -> Path | None:
        """routes.lookup() of the table, which mostly has not changed since the last time."""
        tunnels = self._netlink.tunnel_indexes()
        if table is not self._table:
            others = [route for route in table if route.protocol != PROTOCOL and route.interface not in tunnels]
            if others != self._others:
                self._found.clear()
            self._table, self._others = table, others
        if address not in self._found:
            self._found[address] = routes.lookup(address, self._others, tunnels)
        return self._found[address]

    def out(self) -> Path | None:
        """The way of the default route; None as of to()."""
        return self._carried(self.by_table(IPv4Address(0)))

    def _carried(self, path: Path | None) -> Path | None:
        return path if path and self._netlink.running(path.interface) else None

    def for_dial(self, tunnel: str, address: IPv4Address) -> Path | None:
        """As to(). Notes whether rules of others lead there: a route of ours will hide how that changes."""
        path, plain = self.to(address), self.by_table(address)
        (self._by_rules.discard if plain and path == plain else self._by_rules.add)(tunnel)
        return path

    def comparable(self, tunnel: str) -> bool:
        """Whether the path that the tunnel was dialled over may be compared with the way as it is now."""
        return tunnel not in self._by_rules

    def forget(self, tunnel: str) -> None:
        """There is no such tunnel any more."""
        self._by_rules.discard(tunnel)
