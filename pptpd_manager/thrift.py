"""Less of the libraries in memory: modules that they import and that nothing here makes use of are put off.

One that is put off is there as ever for whoever looks into it, and is imported then. So where a library turns out to
make use of it after all, that costs what it cost before, and nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


def save() -> None:
    """Put them off; called before the first of the libraries is imported."""
    for name in _PUT_OFF:
        spec = _spec(name)
        if spec and name not in sys.modules:
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            module.__class__ = _PutOff
            package, _, own = name.rpartition(".")
            if package in sys.modules:
                setattr(sys.modules[package], own, module)  # as an import does


def without_init(package: str, load: Callable[[], T]) -> T:
    """load(), which imports some modules of a package, without the package's __init__.py and all that this imports.

    Where the modules of a version need that, it is run.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations or package in sys.modules:
        return load()
    module = sys.modules[package] = ModuleType(package)
    module.__path__ = list(spec.submodule_search_locations)
    try:
        return load()
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        return load()


class _PutOff(ModuleType):
    """A module that is imported when something of it is asked for, but for what there is an answer to."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # asked by who imports it
            raise AttributeError(name)
        if name in _PUT_OFF[self.__name__]:
            return _PUT_OFF[self.__name__][name]()
        if "__path__" in vars(self) and importlib.util.find_spec(f"{self.__name__}.{name}"):
            raise AttributeError(name)  # a module of the package, which is imported next
        return getattr(_imported(self), name)


def _imported(module: ModuleType) -> ModuleType:
    """The module, imported if it was put off until now."""
    if isinstance(module, _PutOff):
        assert module.__spec__ and module.__spec__.loader
        module.__class__ = ModuleType  # type: ignore[assignment]
        module.__spec__.loader.exec_module(module)
    return module


def _asyncio_error() -> type[Exception]:
    found: type[Exception] = importlib.import_module("asyncio.exceptions").InvalidStateError
    return found


def _nothing() -> None:
    """No loop of asyncio runs, and there is no policy for them."""


class _Later:
    """A function or class that is looked up when it is called or looked into: for who imports it and goes on."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._found()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found(), name)

    def _found(self) -> Any:
        return getattr(_imported(importlib.import_module(self._module)), self._name)


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is; its package is imported for that, but for one that would import the module itself."""
    package = name.rpartition(".")[0]
    if package not in _EAGER:
        return importlib.util.find_spec(name)
    above = importlib.util.find_spec(package)
    return above and PathFinder.find_spec(name, above.submodule_search_locations)


def _annotations(of: type) -> dict[str, Any]:
    """inspect.get_annotations(of) for a class whose annotations are not to be evaluated."""
    found: dict[str, Any] = vars(of).get("__annotations__", {})
    return found


_EAGER = {"pydbus"}
# Module -> what is asked of it by who imports it -> what gives the answer.
_PUT_OFF: dict[str, dict[str, Callable[[], Any]]] = {
    # PyGObject 3.50 asks whether a loop runs, in whose place it runs its own, and so does logging of Python 3.12 where
    # asyncio is imported. It brings TLS as well: 9 MB.
    "asyncio": {
        "InvalidStateError": _asyncio_error,
        "_get_running_loop": lambda: _nothing,
        "current_task": lambda: _nothing,
        "get_event_loop_policy": lambda: _nothing,
    },
    # A parser of command lines for PyGObject, with optparse and gettext.
    "gi._option": {},
    # For signatures, in dataclasses those of classes without a docstring. With Python's own parser: 1.2 MB.
    "inspect": {
        "Parameter": lambda: _Later("inspect", "Parameter"),
        "get_annotations": lambda: _annotations,
        "signature": lambda: _Later("inspect", "signature"),
    },
    # For pydbus' proxies of other services' objects.
    "pydbus.proxy_method": {"ProxyMethod": lambda: _Later("pydbus.proxy_method", "ProxyMethod")},
    "xml.etree.ElementTree": {},
    # For the lines of source in a traceback.
    "tokenize": {},
    # For URLs of files by pathlib of Python 3.11 and 3.12.
    "urllib.parse": {"quote_from_bytes": lambda: _Later("urllib.parse", "quote_from_bytes")},
}
