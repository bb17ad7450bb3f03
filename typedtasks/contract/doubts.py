"""Where a value could come out as another one: decided once for each type, so that what is certain pays nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime, time, timedelta
from typing import Any, Final, TypeAlias, cast

from pydantic_core import PydanticCustomError

__all__ = [
    "CHECKS",
    "as_dict",
    "as_frozenset",
    "as_list",
    "has_long_number",
    "is_doubtful",
    "is_sequence",
    "serializer_obstacle",
]

# Any: a core schema is a tree of dictionaries whose shapes pydantic-core defines by their "type" key.
Node: TypeAlias = dict[str, Any]

_CERTAIN: Final = frozenset(
    {
        *("none", "bool", "int", "float", "str", "bytes", "date", "datetime", "time", "timedelta", "decimal", "uuid"),
        *("literal", "enum", "list", "set", "frozenset", "tuple", "deque", "dict", "ordered-dict", "nullable", "default"),
        *("model", "model-fields", "model-field", "dataclass", "dataclass-args", "dataclass-field", "typed-dict"),
        *("typed-dict-field", "named-tuple", "named-tuple-field", "definitions", "definition-ref", "union", "tagged-union"),
        "json-or-python",
    }
)
"""What comes back as it was by its nature, unless something of the user's is in it. A kind that is not known is doubtful."""
_SCALAR: Final = frozenset({"none", "bool", "int", "float", "str", "literal", "enum", "nullable", "default", "definition-ref"})
_CHANGING: Final = ("strip_whitespace", "to_lower", "to_upper")
_MOST_DIGITS: Final = 4300
"""How many digits of an int the JSON reader takes."""
_LONG: Final = re.compile(rb"[0-9]{%d}" % (_MOST_DIGITS + 1))


def is_doubtful(node: Node) -> bool:
    """Return whether a part of a type, as pydantic made it, may write what it reads as another value, or not at all."""
    kind = str(node.get("type"))
    if kind == "json-or-python":
        return not (is_sequence(node) or cast("Node", node["python_schema"]).get("custom_error_type") == "invalid-json-value")
    if kind not in _CERTAIN or "serialization" in node:
        return True
    match kind:
        case "str":
            return any(node.get(key) for key in _CHANGING)
        case "model" | "dataclass":
            config = cast("Node", node.get("config") or {})
            private = getattr(node["cls"], "__private_attributes__", None)
            makes = node.get("post_init") or node.get("custom_init") or private
            return bool(makes) or any(config.get(f"str_{key}") for key in _CHANGING)
        case "named-tuple":
            return cast("type", node["cls"]).__bases__ != (tuple,)
        case "default":
            return bool(node.get("on_error", "raise") != "raise")
        case "union":
            choices = cast("list[Node | tuple[Node, str]]", node["choices"])
            kinds = {str((one[0] if isinstance(one, tuple) else one).get("type")) for one in choices}
            return not kinds <= _SCALAR - {"definition-ref"}
        case _:
            return False


def serializer_obstacle(node: Node, *, is_lax: bool) -> str | None:
    """Return why what a serializer of the user's says that it writes is never read by its type; None where it may be."""
    serialization = cast("Node", node.get("serialization") or {})
    written = cast("Node", serialization.get("return_schema") or {}).get("type")
    if serialization.get("type") != "function-plain" or serialization.get("when_used", "always") in ("python", "json-unless-none"):
        return None
    while node.get("type") in ("default", "nullable", "function-after"):
        node = cast("Node", node["schema"])
    read = str(node.get("type"))
    kinds = [next((shape for shape, kinds in _SHAPES.items() if kind in kinds), None) for kind in (written, read)]
    if None in kinds or kinds[0] == kinds[1] or (is_lax and "array" not in kinds and "object" not in kinds):
        return None
    return (
        f"its serializer writes {written}, and its type reads {read}; write the serializer and a validator of the mode 'before' "
        "as a pair"
    )


_SHAPES: Final[Mapping[str, Set[str]]] = {
    "text": frozenset({"str"}),
    "number": frozenset({"int", "float", "bool"}),
    "array": frozenset({"list", "set", "frozenset", "tuple", "deque"}),
    "object": frozenset({"dict"}),
}


def is_sequence(node: Node) -> bool:
    """Return whether a part of a type is pydantic's for `collections.abc.Sequence[...]`."""
    read = cast("Node", node.get("json_schema") or {})
    first = cast("list[Node]", cast("Node", node.get("python_schema") or {}).get("steps") or [{}])[0]
    return read.get("type") == "list" and getattr(first.get("cls"), "__origin__", first.get("cls")) is Sequence


def has_long_number(written: bytes) -> bool:
    """Return whether JSON has more digits in a row than its reader takes as one number."""
    # Every such row covers a place at one of these steps: to look at every byte would cost more than to read the JSON again.
    steps = range(_MOST_DIGITS, len(written), _MOST_DIGITS + 1)
    return any(0x30 <= written[place] <= 0x39 for place in steps) and _LONG.search(written) is not None


def as_list(value: object) -> object:
    """Return any sequence as the list that arrives where a type says `Sequence`; text is none, although type checkers think so."""
    if isinstance(value, str | bytes | bytearray):
        kind = type(value).__name__
        raise PydanticCustomError("sequence_str", "'{kind}' instances are not allowed as a Sequence value", {"kind": kind})
    return list(cast("Sequence[object]", value)) if _is_other(value, Sequence, list) else value


def as_frozenset(value: object) -> object:
    """Return any set as a frozenset: `collections.abc.Set` and `frozenset` look the same in a core schema."""
    return frozenset(cast("Set[object]", value)) if _is_other(value, Set, frozenset) else value


def as_dict(value: object) -> object:
    """Return any mapping as the dictionary that arrives where a type says `Mapping`."""
    return dict(cast("Mapping[object, object]", value)) if _is_other(value, Mapping, dict) else value


def _is_other(value: object, kind: type, plain: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, plain)


def _check_moment(value: object) -> object:
    """Refuse what ISO 8601, as pydantic writes it, has no place for."""
    if not isinstance(value, datetime | time):
        return value
    offset = value.utcoffset()
    if offset is None and value.tzinfo is not None:
        raise PydanticCustomError(
            "lost_zone",
            "Input has a time zone whose offset depends on the day, which would be lost; send a datetime, or a fixed offset",
        )
    if offset is None and value.fold:
        raise PydanticCustomError(
            "lost_fold",
            "Input has fold=1 without a time zone that it says something of, and would lose it; add the zone, or leave it out",
        )
    if offset is not None and offset % timedelta(minutes=1):
        raise PydanticCustomError(
            "lost_offset",
            "Input has an offset of {offset} from UTC, whose seconds would be lost; send it in UTC: value.astimezone(UTC)",
            {"offset": str(offset)},
        )
    if getattr(value, "nanosecond", 0):
        raise PydanticCustomError("lost_nanoseconds", "Input has nanoseconds, which would be lost; round it to microseconds")
    return value


def _check_deque(value: object) -> object:
    """Refuse a deque that knows its limit: what arrives would have none."""
    limit = cast("object", getattr(value, "maxlen", None))
    if limit is not None:
        raise PydanticCustomError(
            "lost_maxlen",
            "Input has maxlen={maxlen}, which would be lost; send deque(value), and set the limit where the task runs",
            {"maxlen": str(limit)},
        )
    return value


CHECKS: Final[Mapping[str, Callable[[object], object]]] = {
    "datetime": _check_moment,
    "time": _check_moment,
    "deque": _check_deque,
    "frozenset": as_frozenset,
}
"""What looks at each value of a kind where it is sent: a check costs less than to read back the whole."""
