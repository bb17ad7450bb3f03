"""Python values as data, for defaults, constraints and literals: what JSON cannot say is tagged with what it is."""

from __future__ import annotations

import base64
import collections
import dataclasses
import ipaddress
import math
import pathlib
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, cast
from uuid import UUID

from pydantic import AnyUrl, BaseModel, JsonValue

from typedtasks_codegen.refusal import Inexpressible

__all__ = ["encode"]

_COLLECTIONS: Final = (collections.deque, collections.OrderedDict, collections.Counter)
_BY_TEXT: Final[Mapping[type, str]] = {
    Decimal: "decimal.Decimal",
    UUID: "uuid.UUID",
    pathlib.PosixPath: "pathlib.Path",
    pathlib.PurePosixPath: "pathlib.PurePosixPath",
    ipaddress.IPv4Address: "ipaddress.IPv4Address",
    ipaddress.IPv6Address: "ipaddress.IPv6Address",
    ipaddress.IPv4Network: "ipaddress.IPv4Network",
    ipaddress.IPv6Network: "ipaddress.IPv6Network",
}


def encode(value: object, id_of: Callable[[type], str]) -> JsonValue:
    """Return a Python value as data. `id_of` gives the id of a class of the service. Raises `Inexpressible`."""
    if value is None or type(value) in (bool, int, str):
        return cast("JsonValue", value)
    if isinstance(value, float) and type(value) is float:
        return value if math.isfinite(value) else {"$": "float", "value": repr(value)}
    if isinstance(value, Enum):
        return _enum(value, id_of)
    if isinstance(value, bytes):
        return {"$": "bytes", "value": base64.b64encode(value).decode()}
    return _standard(value) or _composed(value, id_of)


def _enum(member: Enum, id_of: Callable[[type], str]) -> JsonValue:
    if member.name in type(member).__members__:
        return {"$": "member", "type": id_of(type(member)), "name": member.name}
    return {"$": "flags", "type": id_of(type(member)), "value": int(member.value)}


def _standard(value: object) -> JsonValue:
    kind = type(value)
    name = _BY_TEXT.get(kind)
    arguments: list[JsonValue] = [str(value)]
    if isinstance(value, datetime | date | time):
        name = f"datetime.{'datetime' if isinstance(value, datetime) else kind.__name__}.fromisoformat"
        arguments = [value.isoformat()]
    elif isinstance(value, timedelta):
        name = "datetime.timedelta"
        arguments = [value.days, value.seconds, value.microseconds]
    elif isinstance(value, AnyUrl) and kind.__module__.startswith("pydantic."):
        name = f"pydantic.{kind.__name__}"
    return None if name is None else {"$": "call", "name": name, "arguments": arguments}


def _composed(value: object, id_of: Callable[[type], str]) -> JsonValue:
    kind = type(value)
    if kind is list:
        return [encode(item, id_of) for item in cast("list[object]", value)]
    if kind is dict:
        pairs = cast("dict[object, object]", value).items()
        return {"$": "dict", "items": [[encode(key, id_of), encode(item, id_of)] for key, item in pairs]}
    if kind is tuple:
        return {"$": "tuple", "items": [encode(item, id_of) for item in cast("tuple[object, ...]", value)]}
    if kind in (set, frozenset):
        items = [encode(item, id_of) for item in cast("set[object]", value)]
        return {"$": kind.__name__, "items": sorted(items, key=repr)}
    if kind in _COLLECTIONS:
        given = dict(cast("dict[object, object]", value)) if isinstance(value, dict) else list(cast("list[object]", value))
        return {"$": "call", "name": f"collections.{kind.__name__}", "arguments": [encode(given, id_of)]}
    if isinstance(value, BaseModel):
        kind = value.__pydantic_generic_metadata__["origin"] or type(value)
    fields = _fields(value)
    if fields is None:
        raise Inexpressible(f"the value {value!r:.80} of the class {kind.__name__} cannot be written into a client")
    return {"$": "instance", "type": id_of(kind), "fields": {name: encode(item, id_of) for name, item in fields.items()}}


def _fields(value: object) -> dict[str, object] | None:
    """Return the keyword arguments that make an instance again."""
    if isinstance(value, BaseModel):
        known = type(value).model_fields
        if "root" in known and len(known) == 1:
            return {"root": getattr(value, "root")}  # noqa: B009 - a RootModel, which the type does not say
        return {known[name].alias or name: getattr(value, name) for name in known if name in value.model_fields_set}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    as_dict = cast("Callable[[], dict[str, object]] | None", getattr(value, "_asdict", None))
    if isinstance(value, tuple) and as_dict is not None:
        return as_dict()
    return None
