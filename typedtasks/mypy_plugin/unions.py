"""Which members of a union are the same in JSON, as far as mypy knows. `typedtasks.contract.roundtrip` decides it at run time.

Only what is certain is reported: two models may differ in an alias, and a `Literal` may have been written as several.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, product
from typing import Final

from mypy.maptype import map_instance_to_supertype
from mypy.nodes import TypeInfo
from mypy.types import (
    Instance,
    LiteralType,
    NoneType,
    ProperType,
    TupleType,
    Type,
    TypeAliasType,
    TypedDictType,
    UnionType,
    get_proper_type,
)

from typedtasks.mypy_plugin.classes import has_own_schema, is_model, member_values

__all__ = ["TEXTS", "union_obstacle"]

TEXTS: Final = frozenset(
    {
        *("builtins.str", "builtins.bytes", "builtins.complex", "uuid.UUID", "decimal.Decimal", "_decimal.Decimal"),
        "fractions.Fraction",
        *(f"pathlib.{name}" for name in ("Path", "PurePath", "PosixPath", "PurePosixPath")),
        *(f"datetime.{name}" for name in ("date", "time", "datetime", "timedelta")),
        *(f"ipaddress.IPv{version}{kind}" for version in (4, 6) for kind in ("Address", "Network", "Interface")),
    }
)
"""Classes whose values are strings in JSON."""
_NUMBERS: Final = frozenset({"builtins.int", "builtins.float", "builtins.bool"})
_ARRAYS: Final[Mapping[str, str]] = {
    **{f"builtins.{name}": name for name in ("list", "set", "frozenset", "tuple")},
    "collections.deque": "deque",
    "typing.AbstractSet": "frozenset",
    "typing.MutableSequence": "list",
    "typing.MutableSet": "set",
    "typing.Sequence": "list",
}
"""Classes whose values are arrays in JSON, and which kind of array each is read as."""
_MAPPINGS: Final = frozenset(
    {"builtins.dict", "collections.Counter", "collections.OrderedDict", "typing.Mapping", "typing.MutableMapping"}
)
_ROOT: Final = "pydantic.root_model.RootModel"
_BY_LITERALS: Final = frozenset({"builtins.str", "builtins.int", "builtins.bool"})
"""Classes whose values may stand beside literals of the same class: each is read as what it is."""


def union_obstacle(union: UnionType) -> str | None:
    """Return which two members of a union JSON cannot tell apart; None where it is not certain that there are such."""
    items = [item for item in union.items if not isinstance(item, NoneType)]  # null is like nothing else
    found = next((pair for pair in combinations(items, 2) if _are_alike(*pair)), None) if len(items) > 1 else None
    if found is None:
        return None
    one, other = map(_shown, found)
    return (
        f"JSON cannot tell {one} from {other} in a union; use one of them, or models with a Literal field and "
        "Field(discriminator=...)"
    )


def _are_alike(first: Type, second: Type) -> bool:
    """Return whether two types have the same JSON for different values."""
    if _is_anything(first) or _is_anything(second):
        return True
    (one, is_wrapped), (other, is_other_wrapped) = _unwrapped(get_proper_type(first)), _unwrapped(get_proper_type(second))
    shape = _shape(one)
    if not shape or shape != _shape(other) or get_proper_type(first) == get_proper_type(second):
        return False
    if shape == "object":
        return not _MAPPINGS.isdisjoint((_class_name(one), _class_name(other)))
    if _is_named(one) and _is_named(other):
        return not _values(one).isdisjoint(_values(other)) and not (isinstance(one, LiteralType) and isinstance(other, LiteralType))
    if is_wrapped or is_other_wrapped:
        return True
    if shape == "array":
        return _array(one) != _array(other) or _items_are_alike(one, other)
    if _is_named(one) or _is_named(other):
        named, free = (one, other) if _is_named(one) else (other, one)
        name = _class_name(free)
        return not (isinstance(named, LiteralType) and name in _BY_LITERALS and _class_name(named) == name)
    return shape != "number"


def _is_anything(type: Type) -> bool:
    """Return whether nothing is known of the JSON of a type, so that nothing but None can be told from it."""
    if isinstance(type, TypeAliasType):
        return type.alias is not None and type.alias.fullname == "pydantic.types.JsonValue"
    return isinstance(type, Instance) and type.type.fullname == "zoneinfo.ZoneInfo"


def _unwrapped(type: ProperType) -> tuple[ProperType, bool]:
    """Return what is inside a RootModel, which leaves no trace in the JSON, and whether there was one; inside a Secret alike."""
    if isinstance(type, Instance) and type.type.has_base(_ROOT) and not has_own_schema(type.type):
        base = next(base for base in type.type.mro if base.fullname == _ROOT)
        return _unwrapped(get_proper_type(map_instance_to_supertype(type, base).args[0]))[0], True
    if isinstance(type, Instance) and type.type.fullname == "typedtasks.secret.Secret":
        return _unwrapped(get_proper_type(type.args[0]))
    return type, False


def _items_are_alike(one: ProperType, other: ProperType) -> bool:
    """Return whether some items of two lists, sets or tuples of one length cannot be told apart."""
    ones, others = _items(one), _items(other)
    if len(ones) != len(others) or isinstance(one, TupleType) != isinstance(other, TupleType):
        return False
    return any(
        _are_alike(*pair) for first, second in zip(ones, others, strict=True) for pair in product(_flat(first), _flat(second))
    )


def _items(array: ProperType) -> list[Type]:
    return array.items if isinstance(array, TupleType) else list(array.args) if isinstance(array, Instance) else []


def _flat(type: Type) -> list[Type]:
    proper = get_proper_type(type)
    if not isinstance(proper, UnionType) or _is_anything(type):
        return [type]
    return [item for item in proper.items if not isinstance(get_proper_type(item), NoneType)]


def _array(type: ProperType) -> str:
    """Return which kind of array a type is read as."""
    return _ARRAYS.get(_class_name(type), "NamedTuple")


def _shape(type: ProperType) -> str:
    """Return what a value of a type is in JSON: text, number, array or object; nothing where that is not certain."""
    name = _class_name(type)
    if _is_named(type):
        kinds = {"text" if isinstance(value, str) else "number" for value in _values(type)}
        return kinds.pop() if len(kinds) == 1 else ""
    if name in TEXTS or (isinstance(type, Instance) and type.type.has_base("pydantic.networks._BaseUrl")):
        return "text"
    if name in _NUMBERS:
        return "number"
    if name in _ARRAYS or (isinstance(type, TupleType) and type.partial_fallback.type.is_named_tuple):
        return "array"
    return "object" if isinstance(type, TypedDictType) or name in _MAPPINGS or _has_fields(type) else ""


def _has_fields(type: ProperType) -> bool:
    if not isinstance(type, Instance) or type.type.has_base(_ROOT) or has_own_schema(type.type):
        return False
    return is_model(type.type) or "dataclass" in type.type.metadata


def _is_named(type: ProperType) -> bool:
    """Return whether a type is of values that have been named: a literal, or an enum."""
    return isinstance(type, LiteralType) or (isinstance(type, Instance) and type.type.is_enum)


def _values(type: ProperType) -> set[object]:
    """Return the values of a literal or an enum as they are in JSON, as far as they are known."""
    if isinstance(type, LiteralType):
        if type.fallback.type.is_enum:
            return {value for name, value in member_values(type.fallback.type).items() if name == type.value}
        return {type.value}
    return set(member_values(type.type).values()) if isinstance(type, Instance) else set()


def _class_name(type: ProperType) -> str:
    """Return the full name of the class that decides what a value is in JSON."""
    if isinstance(type, LiteralType):
        return type.fallback.type.fullname
    if isinstance(type, TupleType):
        return type.partial_fallback.type.fullname
    return _base(type.type).fullname if isinstance(type, Instance) else ""


def _base(info: TypeInfo) -> TypeInfo:
    """Return what a `NewType` is at run time, and every other class as it is."""
    return _base(info.bases[0].type) if info.is_newtype else info


def _shown(type: Type) -> str:
    return type.type.name if isinstance(type, Instance) else str(type)
