"""Whether a server accepts connections to its PPTP port, without a call and without blocking."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from gi.repository import Gio, GLib

from pptpd_manager import reasons
from pptpd_manager.callback import guarded
from pptpd_manager.reasons import Failure

PORT = 1723  # RFC 2637, section 1.3
SECONDS = 3  # a SYN and its first retransmission, tcp(7): a new knock comes sooner than the third one


def knock(address: IPv4Address, answered: Callable[[Failure | None], None]) -> None:
    """answered(None): it accepts; answered(failure): or why not. The connection is closed at once."""
    client = Gio.SocketClient(timeout=SECONDS, enable_proxy=False)

    def connected(client: Gio.SocketClient, result: Gio.AsyncResult) -> None:
        try:
            connection = client.connect_finish(result)
        except GLib.Error as error:
            answered(_failure(error))
            return
        connection.get_socket().close()  # of the stream, close() alone would block for what is not sent
        answered(None)

    where = Gio.InetSocketAddress.new_from_string(str(address), PORT)
    client.connect_async(where, None, guarded(connected))


def _failure(error: GLib.Error) -> Failure:
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CONNECTION_REFUSED):
        return Failure(reasons.TCP_REFUSED)
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.HOST_UNREACHABLE):
        return Failure(reasons.HOST_UNREACHABLE)
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NETWORK_UNREACHABLE):
        return Failure(reasons.NO_ROUTE)
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.PERMISSION_DENIED):
        return Failure(reasons.NOT_SENT)
    return Failure(reasons.TCP_SILENT)
