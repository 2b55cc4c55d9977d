"""The manager for who only looks: quicker there than by GDBus."""

from __future__ import annotations

import os
from typing import Any

from pptpd_manager.ctl import wire
from pptpd_manager.ctl.calls import LOOK_SECONDS, Calls, Refused, no_bus


def look() -> Calls:
    """A connection. Raises CtlError when there is no bus."""
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or wire.DEFAULT
    why: OSError | None = None
    for name in wire.sockets(address):
        try:
            return _Look(wire.Wire(name, LOOK_SECONDS))
        except (OSError, wire.Refused) as error:
            why = error if isinstance(error, OSError) else OSError(str(error))
    if why is None:  # by another way than a socket of this machine
        from pptpd_manager.ctl.bus import Bus  # here: what it takes is the reason for all this

        return Bus()
    raise no_bus(f"Could not connect: {why.strerror or why}") from None


class _Look(Calls):
    def __init__(self, connection: wire.Wire) -> None:
        self._wire = connection

    def answer(
        self, service: str, path: str, method: str, *texts: str, seconds: float = LOOK_SECONDS, start: bool = False
    ) -> tuple[Any, ...]:
        interface, _, member = method.rpartition(".")
        try:
            return self._wire.call(service, path, interface, member, texts, seconds=seconds, start=start)
        except wire.Refused as error:
            raise Refused(error.name, str(error)) from None
        except TimeoutError:
            raise Refused("", "Timeout was reached", broken=True) from None
        except OSError as error:
            raise Refused("", error.strerror or str(error), broken=True) from None
