"""The manager for who only looks: by jeepney, whose import takes a third of GDBus' time; see tests/bus/startup.py."""

from __future__ import annotations

from typing import Any

from jeepney import DBusAddress, HeaderFields, MessageFlag, MessageType, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from pptpd_manager.ctl.calls import LOOK_SECONDS, Calls, Refused, no_bus


def look() -> Calls:
    """A connection. Raises CtlError when there is no bus."""
    try:
        return _Look(open_dbus_connection("SYSTEM", auth_timeout=LOOK_SECONDS))
    except OSError as error:
        raise no_bus(f"Could not connect: {error.strerror or error}") from None
    except (RuntimeError, ValueError):  # an address that jeepney does not know: of another machine, or by a program
        from pptpd_manager.ctl.bus import Bus  # here: what it takes is the reason for all this

        return Bus()


class _Look(Calls):
    def __init__(self, connection: DBusConnection) -> None:
        self._connection = connection

    def answer(
        self, service: str, path: str, method: str, *texts: str, seconds: float = LOOK_SECONDS, start: bool = False
    ) -> tuple[Any, ...]:
        interface, _, member = method.rpartition(".")
        address = DBusAddress(path, service, interface)
        message = new_method_call(address, member, "s" * len(texts) or None, texts)
        if not start:
            message.header.flags = MessageFlag.no_auto_start
        try:
            reply = self._connection.send_and_get_reply(message, timeout=seconds)
        except TimeoutError:
            raise Refused("", "Timeout was reached", broken=True) from None
        except OSError as error:
            raise Refused("", error.strerror or str(error), broken=True) from None
        fields = reply.header.fields
        if reply.header.message_type is MessageType.error:
            raise Refused(fields[HeaderFields.error_name], str(reply.body[0]) if reply.body else "")
        return plain(fields.get(HeaderFields.signature, ""), reply.body)


def plain(signature: str, body: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of an answer with properties as GLib.Variant.unpack() has them: without the types that jeepney adds.

    For answers that are a property, properties by name, those by interface and object, or have none.
    """
    if signature == "v":
        return (body[0][1],)
    if signature == "a{sv}":
        return (_values(body[0]),)
    if signature == "a{oa{sa{sv}}}":
        objects = body[0].items()
        return ({path: {name: _values(told) for name, told in known.items()} for path, known in objects},)
    if "v" in signature:  # pptpctl does not ask for such
        raise ValueError(f"an answer of the type {signature} is not known here")
    return body


def _values(properties: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, (_type, value) in properties.items()}
