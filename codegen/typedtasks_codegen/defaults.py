"""Default values and default factories: what a client can repeat, as data. What it cannot is refused."""

from __future__ import annotations

import builtins
import collections
import functools
import inspect
import json
import types
import uuid
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NewType, TypeVar, cast, get_args

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from typedtasks.contract import Misfit
from typedtasks.contract.codec import Codec
from typedtasks_codegen.annotations import IdOf
from typedtasks_codegen.forms import Value, value_of
from typedtasks_codegen.refusal import Inexpressible
from typedtasks_codegen.values import encode

__all__ = ["Default", "is_repeatable", "read_default", "read_factory"]

Default = tuple[Value, Value]
"""The Python value, and the same as it goes over the wire."""

_EMPTY: Final = (list, dict, set, frozenset, tuple, str, int, float, bool, bytes, collections.OrderedDict)
_RANDOM: Final = (uuid.uuid1, uuid.uuid4)
_PURE: Final = frozenset(
    {
        *("datetime", "date", "time", "timedelta", "timezone", "utc", "UTC", "fromisoformat", "decimal", "Decimal"),
        *("uuid", "UUID", "pathlib", "Path", "PurePosixPath", "ipaddress", "IPv4Address", "IPv6Address", "_datetime", "_decimal"),
        *("_uuid", "_pathlib", "_ipaddress", "_pydantic", "_builtins", "_collections", "HttpUrl", "AnyUrl", "AnyHttpUrl"),
        *("list", "dict", "set", "frozenset", "tuple", "float", "bytes", "int", "str", "bool", "deque", "OrderedDict", "Counter"),
    }
)
"""Names that a lambda may use and still give the same value every time."""


def read_default(value: object, annotation: object, id_of: IdOf) -> Default:
    """Return a default value as data. Raises `Inexpressible` where it does not fit its type or cannot be written."""
    data = value_of(encode(value, id_of))
    if value is None and type(None) in get_args(annotation):
        return data, data
    try:
        wire = _codec(annotation).encode(value)
    except Misfit as misfit:
        raise Inexpressible(f"its default {value!r:.80} does not fit its type: {' '.join(str(misfit).split())}") from None
    except (PydanticUserError, TypeError, NameError):
        return data, data  # a type parameter: what stands for it is not known here
    return data, value_of(json.loads(wire, parse_constant=str))


def _codec(annotation: object) -> Codec:
    """Return the codec of a type: many fields share one of a few."""
    try:
        hash(annotation)
    except TypeError:
        return Codec(annotation)
    return _shared_codec(annotation)


@functools.lru_cache
def _shared_codec(annotation: object) -> Codec:
    return Codec(annotation)


def read_factory(factory: object, annotation: object, id_of: IdOf) -> Default:
    """Return what a default factory makes. Raises `Inexpressible` where that may be another value each time."""
    if any(factory is one for one in _RANDOM):
        name = f"uuid.{cast('Callable[[], object]', factory).__name__}"
        return value_of({"$": "made", "by": name}), value_of(None)
    if not _is_pure(factory):
        raise Inexpressible(
            f"its default factory {getattr(factory, '__name__', factory)!r} may give another value each time, and the client "
            "does not have it; use a lambda of constants, uuid.uuid4, or None as the default and fill it in where the task runs"
        )
    make = cast("Callable[[], object]", factory)
    first, again = (read_default(make(), annotation, id_of) for _ in range(2))
    if first != again:
        raise Inexpressible("its default factory gives another value each time; use None and fill it in where the task runs")
    return first


def is_repeatable(factory: object) -> bool:
    """Return whether a factory is known to give an equal value every time, or a random UUID, which a client can make as well."""
    return any(factory is one for one in _RANDOM) or _is_pure(factory)


def _is_pure(factory: object) -> bool:
    if any(factory is kind for kind in _EMPTY):
        return True
    if isinstance(factory, type) and issubclass(factory, BaseModel):
        return all(_is_pure(field.default_factory) for field in factory.model_fields.values() if field.default_factory is not None)
    if isinstance(factory, types.GenericAlias):
        return _is_pure(factory.__origin__)
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
