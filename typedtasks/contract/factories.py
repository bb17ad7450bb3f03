"""Default factories: which of them certainly give an equal value every time."""

from __future__ import annotations

import builtins
import collections
import inspect
import types
from collections.abc import Mapping
from enum import Enum
from typing import Final, NewType, TypeVar, cast

from pydantic import BaseModel

__all__ = ["is_pure"]

_EMPTY: Final = (list, dict, set, frozenset, tuple, str, int, float, bool, bytes, collections.OrderedDict)
_PURE: Final = frozenset(
    {
        *("datetime", "date", "time", "timedelta", "timezone", "utc", "UTC", "fromisoformat", "decimal", "Decimal"),
        *("uuid", "UUID", "pathlib", "Path", "PurePosixPath", "ipaddress", "IPv4Address", "IPv6Address", "_datetime", "_decimal"),
        *("_uuid", "_pathlib", "_ipaddress", "_pydantic", "_builtins", "_collections", "HttpUrl", "AnyUrl", "AnyHttpUrl"),
        *("list", "dict", "set", "frozenset", "tuple", "float", "bytes", "int", "str", "bool", "deque", "OrderedDict", "Counter"),
    }
)
"""Names that a lambda may use and still give the same value every time."""


def is_pure(factory: object) -> bool:
    """Return whether a factory is known to give an equal value every time, in every process."""
    if any(factory is kind for kind in _EMPTY):
        return True
    if isinstance(factory, type) and issubclass(factory, BaseModel):
        return all(is_pure(field.default_factory) for field in factory.model_fields.values() if field.default_factory is not None)
    if isinstance(factory, types.GenericAlias):
        return is_pure(factory.__origin__)
    if not isinstance(factory, types.FunctionType) or inspect.signature(factory).parameters or factory.__closure__:
        return False
    code = factory.__code__
    if any(isinstance(constant, types.CodeType) for constant in code.co_consts):
        return False
    return all(_is_known(name, factory.__globals__, code.co_names) for name in code.co_names)


def _is_known(name: str, names: Mapping[str, object], others: tuple[str, ...]) -> bool:
    if name in _PURE and (name not in names or _is_standard(names[name])):
        return True
    found = names.get(name)
    if found is None:
        return any(_has_member(names.get(other), name) for other in others)
    if isinstance(found, NewType | TypeVar):
        return True
    marks = ("__dataclass_fields__", "_field_defaults")
    cls = cast("type[object]", found)
    return isinstance(found, type) and (issubclass(cls, BaseModel | Enum) or any(hasattr(cls, mark) for mark in marks))


def _has_member(kind: object, name: str) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum) and name in kind.__members__


def _is_standard(value: object) -> bool:
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None) or type(value).__module__
    return module.partition(".")[0] in {
        builtins.__name__,
        "datetime",
        "decimal",
        "uuid",
        "pathlib",
        "ipaddress",
        "pydantic",
        "collections",
    }
