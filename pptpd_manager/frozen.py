"""Frozen dataclasses that are quick to define, where there are many and few instances of them. Pure.

@dataclass(frozen=True) compiles six functions for each class, in a fifth of a millisecond: of a hundred classes that
is a quarter of all that the manager does until it is ready. Here the functions are the same for all classes.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """cls as @dataclass(frozen=True) makes it; without default_factory, __post_init__ and fields of a base class."""
    made: Any = dataclass(init=False, repr=False, eq=False)(cls)
    made.__init__, made.__repr__, made.__eq__, made.__hash__ = _init, _repr, _eq, _hash
    made.__setattr__ = made.__delattr__ = _refuse
    found: type[T] = made
    return found


def _init(self: Any, *values: Any, **named: Any) -> None:
    fields = self.__dataclass_fields__
    given = dict(zip(fields, values, strict=False))
    wrong = [name for name in named if name not in fields or name in given]
    given.update(named)
    missing = [name for name, field in fields.items() if name not in given and field.default is MISSING]
    if wrong or missing or len(values) > len(fields):
        raise TypeError(f"{type(self).__qualname__}{values}: missing {missing}, wrong {wrong}")
    self.__dict__.update(given)  # the defaults are the class's attributes


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def _repr(self: Any) -> str:
    words = zip(self.__dataclass_fields__, _values(self), strict=True)
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in words)})"


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _refuse(self: Any, name: str, *_value: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot change field {name!r}")
