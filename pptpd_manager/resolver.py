"""Host names to IPv4 addresses, without blocking."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from gi.repository import Gio, GLib

from pptpd_manager import reasons
from pptpd_manager.addresses import worth_a_try
from pptpd_manager.callback import guarded
from pptpd_manager.reasons import Failure, printable

PATIENCE_MS = 2000  # how long one server's name may hold up another one whose address is there

Found = Callable[[tuple[IPv4Address, ...]], None]


def resolve(servers: tuple[str, ...], found: Found, failed: Callable[[Failure], None]) -> None:
    """found(addresses), never empty, in the servers' order, each once; or failed(failure), that of the first server.

    Of each server those that are worth_a_try(). An address is its own, and told at once; names by getaddrinfo(3), in
    threads. Calls back once.
    """
    _Lookup(servers, found, failed)


class _Lookup:
    def __init__(self, servers: tuple[str, ...], found: Found, failed: Callable[[Failure], None]) -> None:
        self._servers, self._found, self._failed = servers, found, failed
        self._addresses: dict[str, tuple[IPv4Address, ...]] = {}
        self._failures: dict[str, Failure] = {}
        self._patience = 0
        self._over = False
        for server in servers:
            self._ask(server)

    def _ask(self, server: str) -> None:
        def answered(resolver: Gio.Resolver, result: Gio.AsyncResult) -> None:
            try:
                self._heard(server, [a.to_string() for a in resolver.lookup_by_name_with_flags_finish(result)])
            except GLib.Error as error:
                gone = error.matches(Gio.resolver_error_quark(), Gio.ResolverError.NOT_FOUND)
                reason = reasons.NAME_NOT_FOUND if gone else reasons.NAME_SERVER_SILENT
                self._failures[server] = Failure(reason, printable(server))
            self._look()

        try:
            self._heard(server, [server])
        except ValueError:  # it is a name
            pass
        else:
            return self._look()
        flags = Gio.ResolverNameLookupFlags.IPV4_ONLY
        Gio.Resolver.get_default().lookup_by_name_with_flags_async(server, flags, None, guarded(answered))

    def _heard(self, server: str, addresses: list[str]) -> None:
        """Take in what a server's addresses are. Raises ValueError."""
        found = list(map(IPv4Address, addresses))
        if good := worth_a_try(found):  # a name server may say anything
            self._addresses[server] = good
        else:
            told = printable(f"{server} is {', '.join(addresses)}")
            self._failures[server] = Failure(reasons.NAME_MISLEADS, told)

    def _look(self) -> None:
        """Answer when all names are looked up, or when one is and the others take too long."""
        if self._over:
            return
        if len(self._addresses) + len(self._failures) == len(self._servers):
            self._end()
        elif self._addresses and not self._patience:
            self._patience = GLib.timeout_add(PATIENCE_MS, guarded(self._run_out))

    def _run_out(self) -> bool:
        self._patience = 0
        self._end()
        return bool(GLib.SOURCE_REMOVE)

    def _end(self) -> None:
        self._over = True
        if self._patience:
            GLib.source_remove(self._patience)
        known = [address for server in self._servers for address in self._addresses.get(server, ())]
        if known:
            self._found(tuple(dict.fromkeys(known)))
        else:
            self._failed(self._failures[self._servers[0]])
