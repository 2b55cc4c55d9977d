"""Whether a server accepts connections to its PPTP port, without a call and without blocking."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from gi.repository import Gio, GLib

from pptpd_manager import reasons
from pptpd_manager.callback import guarded
from pptpd_manager.reasons import Failure

PORT = 1723  # RFC 2637, section 1.3
LASTING_SECONDS = 1.0  # that an answer serves also who asks next; less than between two knocks of one tunnel
SECONDS = 3  # a SYN and its first retransmission, tcp(7): a new knock comes sooner than the third one


Answered = Callable[[Failure | None], None]


class Knocks:
    """One knock serves all who wait for the same server: a hundred tunnels are no more work for it than one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: monotonic seconds."""
        self._clock = clock
        self._waiting: dict[IPv4Address, list[Answered]] = {}
        self._known: dict[IPv4Address, tuple[float, Failure | None]] = {}  # until when

    def at(self, address: IPv4Address, answered: Answered) -> None:
        """As knock(), with the answer of a moment ago where there is one."""
        self._known = {one: known for one, known in self._known.items() if known[0] > self._clock()}
        if address in self._known:
            return answered(self._known[address][1])
        waiting = self._waiting.setdefault(address, [])
        waiting.append(answered)
        if len(waiting) == 1:
            knock(address, lambda failure: self._tell(address, failure))

    def _tell(self, address: IPv4Address, failure: Failure | None) -> None:
        self._known[address] = self._clock() + LASTING_SECONDS, failure
        for answered in self._waiting.pop(address):
            guarded(answered)(failure)


def knock(address: IPv4Address, answered: Answered) -> None:
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
