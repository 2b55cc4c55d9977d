"""Host names to IPv4 addresses, without blocking."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from gi.repository import Gio, GLib

from pptpd_manager import reasons
from pptpd_manager.guard import guarded
from pptpd_manager.reasons import Failure


def resolve(server: str, found: Callable[[tuple[IPv4Address, ...]], None], failed: Callable[[Failure], None]) -> None:
    """found(addresses), never empty, or failed(failure). An address is its own. By getaddrinfo(3), in a thread."""

    def answered(resolver: Gio.Resolver, result: Gio.AsyncResult) -> None:
        try:
            addresses = resolver.lookup_by_name_with_flags_finish(result)
        except GLib.Error as error:
            gone = error.matches(Gio.resolver_error_quark(), Gio.ResolverError.NOT_FOUND)
            failed(Failure(reasons.NAME_NOT_FOUND if gone else reasons.NAME_SERVER_SILENT, server))
            return
        found(tuple(IPv4Address(address.to_string()) for address in addresses))

    Gio.Resolver.get_default().lookup_by_name_with_flags_async(
        server, Gio.ResolverNameLookupFlags.IPV4_ONLY, None, guarded(answered)
    )
