"""Default values and default factories: what a client can repeat, as data. What it cannot is refused."""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable
from typing import Final, cast, get_args

from pydantic.errors import PydanticUserError

from typedtasks.contract import Misfit
from typedtasks.contract.codec import Codec
from typedtasks.contract.factories import is_pure
from typedtasks_codegen.annotations import IdOf
from typedtasks_codegen.forms import Value, value_of
from typedtasks_codegen.refusal import Inexpressible
from typedtasks_codegen.values import encode

__all__ = ["Default", "is_repeatable", "read_default", "read_factory"]

Default = tuple[Value, Value]
"""The Python value, and the same as it goes over the wire."""

_RANDOM: Final = (uuid.uuid1, uuid.uuid4)


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
    if not is_pure(factory):
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
    return any(factory is one for one in _RANDOM) or is_pure(factory)
