"""What is set in the schema of each part of a type, so that it makes the round trip: one configuration for everything.

Models and dataclasses bring a configuration of their own, which wins over that of the adapter that they are used in. So the core
schema is rewritten: everywhere in it bytes are base64, NaN survives, instances are validated again, and sets have an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticSerializationUnexpectedValue

from typedtasks.contract.doubts import CHECKS, as_dict, as_list, is_sequence
from typedtasks.contract.nodes import Node
from typedtasks.contract.unset import keep_defaults, keep_tags, tags_of

__all__ = ["CORE_CONFIG", "check", "settle"]

CORE_CONFIG: Final[Mapping[str, object]] = {
    "revalidate_instances": "always",
    "ser_json_bytes": "base64",
    "val_json_bytes": "base64",
    "ser_json_inf_nan": "constants",
    "ser_json_timedelta": "iso8601",
    "ser_json_temporal": "iso8601",
}
_WITH_CONFIG: Final = frozenset({"model", "dataclass", "typed-dict"})


def settle(made: Node, node: Node) -> None:
    """Set in the copy of one schema what it needs on the wire; `node` is the schema as pydantic made it."""
    if is_sequence(node):
        made.update(made.pop("json_schema"))
        for key in ("python_schema", "serialization"):
            del made[key]
    kind = made.get("type")
    if kind in _WITH_CONFIG:
        made["config"] = {**(made.get("config") or {}), **CORE_CONFIG}
    if kind == "typed-dict" and made.get("extra_behavior") == "ignore" and "extra" not in _config_of(made.get("cls")):
        made["extra_behavior"] = "forbid"  # inside a model pydantic would drop unknown keys without a word
    if kind == "dataclass" and not is_pydantic_dataclass(made["cls"]) and "extra" not in _config_of(made["cls"]):
        # Its __init__ takes no others. pydantic goes by what is around it: a model, a list, or nothing.
        _arguments_of(made)["extra_behavior"] = "forbid"
    if kind in ("set", "frozenset") and "serialization" not in made:
        items = {"type": "list", "items_schema": made.get("items_schema", {"type": "any"})}
        made["serialization"] = {"type": "function-plain", "function": _in_order, "return_schema": items}


def check(made: Node, node: Node, definitions: Mapping[str, Node]) -> None:
    """Set in the copy of one schema what looks at a value where it is sent."""
    kind = made.get("type")
    check = as_list if is_sequence(node) else as_dict if kind == "dict" and "strict" in node else CHECKS.get(str(kind))
    if check is not None:
        _put(made, "function-before", check)
    keep = keep_defaults(node) if kind == "model" else None
    if kind in ("union", "tagged-union") and (tags := tags_of(node, definitions)):
        keep = keep_tags(tags)
    if keep is not None:
        _put(made, "function-wrap", keep)
    if kind in ("model", "dataclass"):
        if kind == "model" and "extras_schema" in _fields_schema(node):
            _put(made, "function-before", _taken_apart(node["cls"]))
        _put(made, "function-before", _instance_check(node["cls"], drops_extra=_drops_extra(node)))


def _put(made: Node, kind: str, function: Callable[..., object]) -> None:
    """Put a function before or around a schema."""
    inner = dict(made)
    ref = inner.pop("ref", None)
    made.clear()
    made.update({"type": kind, "function": {"type": "no-info", "function": function}, "schema": inner})
    if ref is not None:
        made["ref"] = ref


def _config_of(cls: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", getattr(cls, "__pydantic_config__", None) or {})


def _arguments_of(dataclass: Node) -> Node:
    inner = cast("Node", dataclass["schema"])
    while inner.get("type") != "dataclass-args":
        inner = cast("Node", inner["schema"])
    return inner


def _fields_schema(model: Node) -> Node:
    inner = cast("Node", model["schema"])
    while inner.get("type") != "model-fields" and isinstance(inner.get("schema"), dict):
        inner = cast("Node", inner["schema"])
    return inner


def _taken_apart(cls: type) -> Callable[[object], object]:
    """Return what gives an instance as a dictionary: pydantic cannot validate one again whose extra fields have a type."""

    def take_apart(value: object) -> object:
        if not isinstance(value, BaseModel) or not isinstance(value, cls):
            return value
        return {name: getattr(value, name) for name in value.model_fields_set}

    return take_apart


def _drops_extra(model: Node) -> bool:
    inner = _fields_schema(model)
    config = cast("Node", model.get("config") or {})
    extra = inner.get("extra_behavior") or config.get("extra_fields_behavior") or "ignore"
    return inner.get("type") == "model-fields" and extra == "ignore"


def _instance_check(cls: type, *, drops_extra: bool) -> Callable[[object], object]:
    """Return a function that refuses what would vanish on the way: more fields of a subclass, more keys of a dictionary."""
    fields = set(getattr(cls, "__annotations__", ()))
    keys = _keys_of(cls)

    def check(value: object) -> object:
        kind = value.__class__
        if kind is not cls and isinstance(value, cls):
            more = sorted(_fields_of(kind) - _fields_of(cls) - fields)
            names = {"subclass": kind.__name__, "cls": cls.__name__}
            if more:
                raise PydanticCustomError(
                    "subclass_fields",
                    "Input is a {subclass}, whose field {field} is not part of {cls} and would be lost",
                    {**names, "field": more[0]},
                )
            raise PydanticCustomError(
                "subclass",
                "Input is a {subclass}, which would arrive as a {cls}; send a {cls}, or name {subclass} in the type",
                names,
            )
        if drops_extra and kind is not cls:
            unknown = _unknown_keys(value, keys)
            if unknown:
                raise PydanticCustomError(
                    "unknown_key",
                    "Input has the key {key}, which is not part of {cls} and would be lost",
                    {"key": repr(unknown[0]), "cls": cls.__name__},
                )
        return value

    return check


def _unknown_keys(value: object, keys: set[object]) -> list[object]:
    return [key for key in cast("Mapping[object, object]", value) if key not in keys] if isinstance(value, Mapping) else []


def _keys_of(cls: type) -> set[object]:
    """Return the names under which a model reads its fields."""
    keys: set[object] = set()
    for name, field in cast("Mapping[str, FieldInfo]", getattr(cls, "model_fields", None) or {}).items():
        alias = field.validation_alias
        for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            keys.add(choice.path[0] if isinstance(choice, AliasPath) else choice)
        keys.update((name, field.alias))
    return keys


def _fields_of(cls: type) -> set[str]:
    named = cast("dict[str, object] | None", getattr(cls, "model_fields", None) or getattr(cls, "__dataclass_fields__", None))
    return set(named or ())


def _in_order(value: Iterable[object]) -> list[object]:
    """Return a set's members in an order that does not depend on the process."""
    if not isinstance(value, set | frozenset):
        # Without this a union would write a dictionary as the set of its keys.
        raise PydanticSerializationUnexpectedValue("a set is expected")
    members: list[object] = list(value)
    try:
        if _WITHOUT_ORDER.isdisjoint(map(type, members)):
            return sorted(members)  # type: ignore[type-var]  # members without an order raise TypeError
    except TypeError:
        pass
    return sorted(members, key=_order)


_WITHOUT_ORDER: Final = frozenset({frozenset, tuple})
"""What can be compared, and is not ordered by it: a set is less than another if it is a part of it."""


def _order(member: object) -> str:
    """Return a text that says the same of equal members in every process."""
    if isinstance(member, frozenset):
        return f"{{{','.join(sorted(map(_order, cast('frozenset[object]', member))))}}}"
    if isinstance(member, tuple):
        return f"({','.join(map(_order, cast('tuple[object, ...]', member)))})"
    if isinstance(member, BaseModel) or hasattr(member, "__dataclass_fields__"):
        return _order((type(member).__name__, *(getattr(member, name) for name in sorted(_fields_of(type(member))))))
    return f"{type(member).__name__} {member!r}"
