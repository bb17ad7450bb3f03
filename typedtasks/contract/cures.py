"""What to write in place of a type that cannot cross a queue, for the errors that refuse it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, cast, get_args, get_origin

__all__ = ["cure"]

_WHOLE: Final[Mapping[str, str]] = {
    "typing.Any": "JsonValue",
    "builtins.object": "JsonValue",
    "builtins.list": "list[JsonValue]",
    "builtins.tuple": "list[JsonValue]",
    "builtins.dict": "dict[str, JsonValue]",
    "builtins.set": "set[str]",
    "builtins.frozenset": "frozenset[str]",
    "builtins.range": "list[int]",
    "builtins.bytearray": "bytes",
    "builtins.memoryview": "bytes",
    "collections.abc.Sequence": "list[JsonValue]",
    "collections.abc.Mapping": "dict[str, JsonValue]",
    "datetime.tzinfo": "ZoneInfo",
    "datetime.timezone": "ZoneInfo",
    "pydantic.types.SecretBytes": "Secret[bytes]",
    "pydantic.types.SecretStr": "Secret[str]",
    "re.Pattern": "str",
    "typing.LiteralString": "str",
}
"""What stands for a type by itself, also for a generic one that names no items."""
_UNIONS: Final = frozenset({"typing.Union", "types.UnionType"})
_STREAMS: Final = frozenset(
    f"collections.abc.{name}"
    for name in (
        *("Iterable", "Iterator", "Generator", "AsyncIterable", "AsyncIterator", "AsyncGenerator"),
        *("Collection", "Container", "Reversible"),
    )
)
"""What gives values one by one: a list of them can be sent."""
_AWAITED: Final = frozenset({"collections.abc.Awaitable", "collections.abc.Coroutine"})
_MAPPINGS: Final = frozenset({"builtins.dict", "collections.ChainMap", "collections.abc.Mapping", "collections.abc.MutableMapping"})
_COMPOSED: Final = frozenset(f"builtins.{name}" for name in ("tuple", "list", "set", "frozenset", "dict"))
_HOMES: Final = (("JsonValue", "pydantic"), ("Secret", "typedtasks"), ("ZoneInfo", "zoneinfo"))


def cure(hint: object) -> str:
    """Return a sentence that says which type to write in place of this one; nothing where there is none that surely fits."""
    if isinstance(hint, type) and issubclass(cast("type[object]", hint), BaseException):
        return "An exception is raised, and not sent: declare a subclass of TaskError in raises=."
    written, better = _text(hint, cured=False), _text(hint, cured=True)
    if better == written:
        return ""
    homes = ", ".join(f"{name} is in {home}" for name, home in _HOMES if re.search(rf"\b{name}\b", better))
    return f"Write {better}{f' ({homes})' if homes else ''}."


def _text(hint: object, *, cured: bool) -> str:
    """Return a type as it is written, or, where `cured`, as it should be."""
    origin, arguments = _parts(hint)
    name = _fullname(origin)
    if not arguments and hint != tuple[()]:
        if cured and name in _WHOLE:
            return _WHOLE[name]
        return "None" if origin is None or origin is type(None) else name.rpartition(".")[2]
    if name == "typing.Annotated":
        return _text(arguments[0], cured=cured)
    if name == "typing.Literal":
        return f"Literal[{', '.join(_value(one, cured=cured) for one in arguments)}]"
    if name == "collections.abc.Callable":
        return "Callable[...]"
    if name in _UNIONS:
        members = [_text(one, cured=cured) for one in arguments]
        return "JsonValue" if "JsonValue" in members else " | ".join(members)
    return _generic(name, arguments, cured=cured)


def _generic(name: str, arguments: tuple[object, ...], *, cured: bool) -> str:
    inner = ["..." if one is ... else _text(one, cured=cured) for one in arguments]
    written = name.rpartition(".")[2]
    if cured and name in _STREAMS:
        return f"list[{inner[0]}]"
    if cured and name in _AWAITED:
        return inner[-1]
    if cured and name == "re.Pattern":
        return "str"
    if cured and name in _MAPPINGS:
        key, _ = arguments
        inner[0] = "str" if inner[0] == "JsonValue" else inner[0]
        if _is_composed(key):
            return f"list[tuple[{', '.join(inner)}]]"
        written = "dict" if name == "collections.ChainMap" else written
    return f"{written}[{', '.join(inner) or '()'}]"


def _parts(hint: object) -> tuple[object, tuple[object, ...]]:
    """Return what is generic and its arguments, of every other type itself; pydantic makes classes of generic models."""
    made = cast("dict[str, object]", getattr(hint, "__pydantic_generic_metadata__", None) or {})
    if made.get("origin") is not None:
        return made["origin"], cast("tuple[object, ...]", made["args"])
    origin = cast("object", get_origin(hint))
    return (hint if origin is None else origin), get_args(hint)


def _fullname(kind: object) -> str:
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', kind)}"


def _value(value: object, *, cured: bool) -> str:
    if not isinstance(value, Enum):
        return repr(value)
    return repr(cast("object", value.value)) if cured and not isinstance(value, str | int | float) else str(value)


def _is_composed(key: object) -> bool:
    """Return whether keys have parts, so that none can be a string."""
    kind, _ = _parts(key)
    return _fullname(kind) in _COMPOSED or hasattr(kind, "__dataclass_fields__")
