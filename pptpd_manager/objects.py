"""Objects on a D-Bus connection: late replies, error names, properties that tell what changed, ObjectManager.

On Gio, from hand-written XML: pydbus answers a call when its Python method returns, knows no ObjectManager, and takes
1.5 MB. Knows nothing of tunnels.
"""

from __future__ import annotations

import functools
import logging
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gi.repository import Gio, GLib

from pptpd_manager.errors import FAILED, DBusError
from pptpd_manager.freed import called
from pptpd_manager.timers import Timers

log = logging.getLogger(__name__)

REPLY_MS = 1000  # how long the last answer of an ObjectManager is kept

_PROPERTIES = "org.freedesktop.DBus.Properties"
# Before GLib 2.84 every call leaks its invocation, unless PyGObject works around it in Python as 3.49-3.50.0 do:
# register_object takes a reference that nobody gives back. See the test of the leak.
_CLOSURES2 = hasattr(Gio.DBusConnection, "register_object_with_closures2")
_SPARE_REFERENCE = not _CLOSURES2 and not isinstance(Gio.DBusConnection.register_object, types.FunctionType)


@functools.cache
def _ages() -> Timers:
    """Of what the objects keep for a moment: one for all, since each takes some of the loop's time."""
    return Timers()


@dataclass(eq=False)
class Call:
    """One method call in progress. It ends with exactly one reply() or fail(), now or later."""

    invocation: Gio.DBusMethodInvocation
    signature: str  # of the reply, from the XML: "(s)"
    done: bool = False
    _when_ended: list[Callable[[], None]] = field(default_factory=list)

    def when_ended(self, then: Callable[[], None]) -> None:
        """Call then() once, when the call is answered, whoever does that."""
        self._when_ended.append(then)

    @property
    def sender(self) -> str:
        """The caller's unique name."""
        return str(self.invocation.get_sender())

    @property
    def interactive(self) -> bool:
        """Whether the caller lets somebody be asked for a password, and waits for that."""
        flags = self.invocation.get_message().get_flags()
        return bool(flags & Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)

    def reply(self, *values: Any) -> None:
        """End the call with values. A value that the XML does not allow raises TypeError, before the call ends."""
        self.reply_with(GLib.Variant(self.signature, values))

    def reply_with(self, variant: GLib.Variant) -> None:
        """End the call with values that are put together already."""
        self._end().return_value(variant)
        self._release()

    def fail(self, error: DBusError) -> None:
        """End the call with a named error."""
        self._end().return_dbus_error(error.name, str(error))
        self._release()

    def _end(self) -> Gio.DBusMethodInvocation:
        if self.done:
            raise RuntimeError(f"{self.invocation.get_method_name()} was answered twice")
        self.done = True
        thens, self._when_ended = self._when_ended, []
        for then in thens:
            then()
        return self.invocation

    def _release(self) -> None:
        if _SPARE_REFERENCE:
            self.invocation._unref()


Method = Callable[..., None]  # (call, *arguments); it ends the call, now or later, or raises DBusError
# The value of every property; for one that tells no changes, a function that gives it when it is asked for.
Read = Callable[[], Mapping[str, Any]]


def perform(call: Call, method: Method, *arguments: Any) -> None:
    """Run the method, whose exceptions end the call."""
    try:
        method(call, *arguments)
    except DBusError as error:
        call.fail(error)
    except Exception:
        name = call.invocation.get_method_name()
        log.exception("internal error in %s.%s", call.invocation.get_interface_name(), name)
        if not call.done:
            call.fail(DBusError(FAILED, f"{name}: internal error, see: journalctl -u pptp-manager"))


class Interface:
    """An interface as the XML declares it: one value for all of its objects."""

    def __init__(self, info: Gio.DBusInterfaceInfo) -> None:
        self.info, self.name = info, info.name
        self.methods = {method.name for method in info.methods}
        self.replies = {
            method.name: "(" + "".join(a.signature for a in method.out_args) + ")" for method in info.methods
        }
        self.types = {property.name: property.signature for property in info.properties}
        self.loud = tuple(property.name for property in info.properties if _emits(property) != "false")


def interfaces(xml: str) -> dict[str, Interface]:
    """The interfaces in a text, by name. Raises GLib.Error."""
    return {info.name: Interface(info) for info in Gio.DBusNodeInfo.new_for_xml(xml).interfaces}


class Exported:
    """One interface of one object on the bus.

    It keeps what its properties were, but no GLib.Variant of any: a hundred tunnels have two thousand, and each takes
    a quarter of a kilobyte.
    """

    __slots__ = (
        "_id",
        "_interface",
        "_lasting_ms",
        "_read",
        "_told",
        "_values",
        "con",
        "methods",
        "name",
        "path",
        "version",
    )

    def __init__(
        self,
        con: Gio.DBusConnection,
        path: str,
        interface: Interface,
        methods: Mapping[str, Method],
        read: Read,
        lasting_ms: int = 0,
    ) -> None:
        """methods: by name, all that the XML has; read: gives all of its properties. Raises GLib.Error, ValueError.

        lasting_ms: how long the properties that were read serve also who asks next, unless changed() is called.
        """
        self.con, self.path, self.name, self.methods, self._read = con, path, interface.name, methods, read
        if interface.methods != set(methods):
            raise ValueError(f"{self.name}: XML and code differ in {sorted(interface.methods ^ set(methods))}")
        self._interface = interface
        self._told = self._loud()
        self._values: dict[str, GLib.Variant] = {}
        self._lasting_ms = lasting_ms
        self.version = 0  # of values()
        if _CLOSURES2:
            self._id = con.register_object_with_closures2(path, interface.info, self._on_call, self._on_get, None)
        else:
            self._id = con.register_object(path, interface.info, self._on_call, self._on_get, None)

    def close(self) -> None:
        """Take it off the bus."""
        self._forget()
        self.con.unregister_object(self._id)

    def values(self) -> dict[str, GLib.Variant]:
        """All properties, typed as the XML says; what was read a moment ago, so that many who ask cost little.

        Before GLib 2.84 each GetAll asks once for each property.
        """
        if self._values:
            return self._values
        self.version += 1
        values = self.read()
        if values and self._lasting_ms:
            self._values = values
            _ages().start(self, self._lasting_ms / 1000, self._forget)
        return values

    def read(self) -> dict[str, GLib.Variant]:
        """As values(), of now and kept by nobody."""
        now, types = self._read(), self._interface.types
        read = {name: value() if callable(value) else value for name, value in now.items() if name in types}
        return {name: GLib.Variant(types[name], value) for name, value in read.items()}

    def _loud(self) -> tuple[Any, ...]:
        """The values of the properties that tell their changes."""
        now = self._read()
        return tuple(map(now.get, self._interface.loud))

    def _forget(self) -> None:
        """Have the properties read again for who asks next."""
        self._values = {}
        _ages().cancel(self)

    def changed(self) -> None:
        """Tell the bus exactly the properties whose value differs from the one told last."""
        self._forget()
        before, self._told = self._told, self._loud()
        pairs = zip(self._interface.loud, before, self._told, strict=True)
        news = {name: GLib.Variant(self._interface.types[name], new) for name, old, new in pairs if new != old}
        if news:
            self.con.emit_signal(
                None, self.path, _PROPERTIES, "PropertiesChanged", GLib.Variant("(sa{sv}as)", (self.name, news, []))
            )

    def emit(self, signal: str, signature: str, *values: Any) -> None:
        """Emit one of the interface's signals."""
        self.con.emit_signal(None, self.path, self.name, signal, GLib.Variant(signature, values))

    def _on_call(
        self,
        _con: Gio.DBusConnection,
        _sender: str,
        _path: str,
        interface: str,
        method: str,
        parameters: GLib.Variant,
        invocation: Gio.DBusMethodInvocation,
    ) -> None:
        called()
        if interface == _PROPERTIES:  # closures2 hands Properties calls over as well
            return self._on_properties(method, parameters, invocation)
        perform(Call(invocation, self._interface.replies[method]), self.methods[method], *parameters.unpack())

    def _on_properties(self, method: str, parameters: GLib.Variant, invocation: Gio.DBusMethodInvocation) -> None:
        values = self.values()
        if method == "GetAll":
            Call(invocation, "(a{sv})").reply(values)
        elif method == "Get":
            Call(invocation, "(v)").reply(values[parameters.unpack()[1]])
        else:
            Call(invocation, "()").fail(
                DBusError("org.freedesktop.DBus.Error.PropertyReadOnly", "there are no properties that can be set")
            )

    def _on_get(self, _con: Gio.DBusConnection, _sender: str, _path: str, _interface: str, name: str) -> GLib.Variant:
        called()
        return self.values()[name]


class ObjectManager:
    """org.freedesktop.DBus.ObjectManager over the objects that are added to it."""

    def __init__(self, con: Gio.DBusConnection, path: str, interface: Interface) -> None:
        """Export it at path. Raises GLib.Error."""
        self._objects: dict[str, Exported] = {}
        self._reply: tuple[list[tuple[str, int]], GLib.Variant | None] = [], None  # for who asks next
        self._ageing = False
        self._own = Exported(con, path, interface, {"GetManagedObjects": self._get}, dict)

    def add(self, exported: Exported) -> None:
        """Tell of a new object."""
        self._reply = [], None
        self._objects[exported.path] = exported
        self._own.emit("InterfacesAdded", "(oa{sa{sv}})", exported.path, {exported.name: exported.read()})

    def remove(self, exported: Exported) -> None:
        """Tell that an object is gone, and take it off the bus."""
        self._reply = [], None
        self._objects.pop(exported.path).close()
        self._own.emit("InterfacesRemoved", "(oas)", exported.path, [exported.name])

    def _get(self, call: Call) -> None:
        found = {path: {exported.name: exported.values()} for path, exported in self._objects.items()}
        versions = [(path, self._objects[path].version) for path in found]
        known, reply = self._reply
        if reply is None or known != versions:
            reply = GLib.Variant(call.signature, (found,))
            self._reply = versions, reply
            if not self._ageing:
                self._ageing = True
                _ages().start(self, REPLY_MS / 1000, self._aged)
        call.reply_with(reply)

    def _aged(self) -> None:
        """A reply on a hundred tunnels is a megabyte."""
        self._reply, self._ageing = ([], None), False


def _emits(property: Gio.DBusPropertyInfo) -> str:
    """The property's EmitsChangedSignal annotation, "true" without one."""
    found = [
        a.value for a in property.annotations or [] if a.key == "org.freedesktop.DBus.Property.EmitsChangedSignal"
    ]
    return str(found[0]) if found else "true"
