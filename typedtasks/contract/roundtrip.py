"""Which types can cross a queue and come back as they were: decided on pydantic's core schema, when the task is defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple, cast

from pydantic import BaseModel

from typedtasks.contract.nodes import Node, children
from typedtasks.contract.refusals import OTHER_VALUES, REFUSED

__all__ = ["is_secret", "obstacle_at", "written_inside"]

_TEXT: Final = frozenset({"str", "bytes", "date", "time", "datetime", "timedelta", "uuid", "decimal", "url", "multi-host-url"})
_NUMBER: Final = frozenset({"int", "float", "bool"})
_ARRAY: Final = frozenset({"list", "set", "frozenset", "tuple", "deque"})
_NAMED_TUPLE: Final = frozenset({"named-tuple", "call"})
"""A NamedTuple in newer and in older versions of pydantic."""
_MAPPING: Final = frozenset({"dict", "ordered-dict", "counter"})
_OBJECT: Final = _MAPPING | {"model", "dataclass", "typed-dict"}
_NO_KEYS: Final = frozenset({"complex", "fraction"})
"""Kinds of text as values, but not as the keys of a dictionary."""
_KEYS: Final = _TEXT | {"int", "float", "bool"}
_SECRETS: Final = frozenset({"_serialize_secret", "_serialize_secret_field"})
_DEPTH: Final = 20
_FIELDS: Final = frozenset({"model-field", "dataclass-field", "typed-dict-field"})


def is_secret(node: Node) -> bool:
    """Return whether a part of a type is a `typedtasks.Secret`."""
    return "typedtasks_secret" in cast("Node", node.get("metadata") or {})


def written_inside(node: Node) -> list[Node]:
    """Return the schemas directly inside one that JSON values go through, in the order in which they are written."""
    if node.get("type") == "json-or-python":
        # pydantic.JsonValue is whatever JSON reads, and nothing else.
        is_open = cast("Node", node["python_schema"]).get("custom_error_type") == "invalid-json-value"
        return [] if is_open else [cast("Node", node["json_schema"])]
    if node.get("type") == "lax-or-strict" and "serialization" in node:
        # pydantic's own types, such as Path and IPv4Address, come back from their text; a defaultdict is written as a dict.
        written = cast("Node", node["serialization"]).get("schema")
        return [cast("Node", written)] if written else []
    return [] if node.get("type") == "function-plain" else [inner for _, inner in children(node)]


def obstacle_at(node: Node, definitions: Mapping[str, Node]) -> str | None:
    """Return why values of one part of a type do not survive the round trip, and what to use instead; None where they do."""
    kind = str(node.get("type"))
    if kind in REFUSED and "serialization" not in node:
        return REFUSED[kind]
    if _is_pydantics_secret(node):
        return "a secret of pydantic is sent as stars; use typedtasks.Secret[...], or a reference to where the secret is kept"
    other = OTHER_VALUES.get(_function_name(node))
    if other is not None:
        return other
    if kind == "function-plain" and "serialization" not in node:
        return "a plain validator says nothing about JSON; add a serializer, or use a pydantic model"
    if kind == "function-after" and _resolved(node, definitions).get("type") == "enum" and "serialization" in node:
        return "use_enum_values makes another value of a member; leave it out of the model's configuration"
    if kind in _COMPOSED:
        return _COMPOSED[kind](node, definitions)
    return _SIMPLE[kind](node) if kind in _SIMPLE else None


def _is_pydantics_secret(node: Node) -> bool:
    serialization = cast("Node", node.get("serialization") or {})
    return getattr(serialization.get("function"), "__name__", "") in _SECRETS


def _function_name(node: Node) -> str:
    function = node.get("function")
    called = cast("Node", function).get("function") if isinstance(function, dict) else None
    name = str(getattr(called, "__qualname__", ""))
    return name if str(getattr(called, "__module__", "")).startswith("pydantic.") else ""


def _values_obstacle(node: Node) -> str | None:
    """Return why members of an enum, or values of a literal, cannot be told from their JSON."""
    is_enum = node.get("type") == "enum"
    for value in _literal_values(node):
        fits = value is None or isinstance(value, str | int | float)  # members of StrEnum and IntEnum are that, too
        if not fits or value != value:
            what = f"member of {_name(node)}" if is_enum else "literal"
            return f"the {what} with the value {value!r} does not come back from JSON; use a str or an int as its value"
    return None


def _nullable_obstacle(node: Node, definitions: Mapping[str, Node]) -> str | None:
    for one in _alternatives(cast("Node", node["schema"]), definitions):
        kind = one.node.get("type")
        null = kind in ("none", "any") or (kind in ("literal", "enum") and None in _literal_values(one.node))
        if null and one.roots:
            return f"JSON cannot tell None from {one.roots[0].__name__} around None; leave one of the two None out"
        if null and kind == "enum":
            return f"JSON cannot tell None from the member of {_name(one.node)} whose value is None; give it another value"
    return None


def _dict_obstacle(node: Node, definitions: Mapping[str, Node]) -> str | None:
    if _is_open(node.get("keys_schema")) or _is_open(node.get("values_schema")):
        return "the keys and values of this dict have no type; write dict[str, ...]"
    key = _resolved(cast("Node", node["keys_schema"]), definitions, through_none=False)
    kind = str(key.get("type"))
    if kind in ("enum", "literal"):
        values = _literal_values(key)
        fits = all(isinstance(value, str) for value in values)
    else:
        fits = kind in _KEYS or (_shape(key) == "text" and kind not in _NO_KEYS)
    if not fits:
        return f"keys of the type {_name(key)} do not come back from JSON; use str keys, or a list of pairs"
    return None


def _items_obstacle(node: Node) -> str | None:
    kind = node.get("type")
    return f"the items of this {kind} have no type; write {kind}[...] with one" if _is_open(node.get("items_schema")) else None


def _is_open(schema: Node | None) -> bool:
    return schema is None or schema.get("type") == "any"


def _object_obstacle(node: Node) -> str | None:
    if node.get("cls") is BaseModel:
        return "BaseModel itself has no fields; name the model"
    inner = cast("Node", node.get("schema") or node)
    computed = inner.get("computed_fields")
    config = cast("Node", node.get("config") or {})
    extra = node.get("extra_behavior") or inner.get("extra_behavior") or config.get("extra_fields_behavior")
    if extra == "allow" and not (node.get("extras_schema") or inner.get("extras_schema")):
        return f"{_name(node)} allows extra fields of any type; annotate __pydantic_extra__, or use extra='ignore'"
    written = {field.get("alias") or field["property_name"] for field in cast("list[Node]", computed or ())}
    if written & _fields(node).keys():
        return f"{_name(node)} has a computed field with the name of a field in JSON; give it another alias"
    if computed and extra == "forbid":
        return f"{_name(node)} has computed fields and forbids extra ones, so it does not read what it writes; use extra='ignore'"
    return None


def _field_obstacle(node: Node) -> str | None:
    if node.get("serialization_exclude") or node.get("serialization_exclude_if"):
        return "a field with exclude=True or exclude_if=... is not sent; leave the field, or that option, out of the model"
    if node.get("init_only") and _is_required(node):
        return "a dataclass field with InitVar is not sent; make it an ordinary field, or give it a default"
    if node.get("init") is False:
        return "a dataclass field with init=False does not come back; make it an ordinary field or a property"
    written, read = node.get("serialization_alias"), node.get("validation_alias")
    if written != read and not (written is None and read is None):
        return f"a field is written as {written or 'its name'!r} and read as {read or 'its name'!r}; use one alias for both"
    return None


def _union_obstacle(node: Node, definitions: Mapping[str, Node]) -> str | None:
    choices = _choices(node)
    comparison = _Comparison(definitions, takes_first=node.get("mode") == "left_to_right")
    for place, one in enumerate(choices):
        for other in choices[place + 1 :]:
            if not comparison.can_tell_apart(one, other):
                names = [_name(_resolved(choice, definitions)) for choice in (one, other)]
                return (
                    f"JSON cannot tell {names[0]} from {names[1]} in a union; use one of them, or models with a "
                    "Literal field and Field(discriminator=...)"
                )
    return None


_COMPOSED: Final = {
    "nullable": _nullable_obstacle,
    **dict.fromkeys(_MAPPING, _dict_obstacle),
    "union": _union_obstacle,
}
_SIMPLE: Final = {
    "enum": _values_obstacle,
    "literal": _values_obstacle,
    "list": _items_obstacle,
    "set": _items_obstacle,
    "frozenset": _items_obstacle,
    "model": _object_obstacle,
    "typed-dict": _object_obstacle,
    "dataclass": _object_obstacle,
    **dict.fromkeys(_FIELDS, _field_obstacle),
}


def _choices(node: Node) -> list[Node]:
    # One with a label of its own is a tuple.
    choices = cast("list[Node | tuple[Node, str]]", node["choices"])
    return [choice[0] if isinstance(choice, tuple) else choice for choice in choices]


class _Alternative(NamedTuple):
    """One type that the JSON of a value may have, and the RootModels around it, which leave no trace in the JSON."""

    node: Node
    roots: tuple[type, ...]


def _alternatives(node: Node, definitions: Mapping[str, Node], roots: tuple[type, ...] = ()) -> list[_Alternative]:
    node = _resolved(node, definitions, through_none=False)
    if len(roots) > _DEPTH:
        return [_Alternative({"type": "any"}, roots)]
    if node.get("type") == "nullable":
        return [_Alternative({"type": "none"}, roots), *_alternatives(cast("Node", node["schema"]), definitions, roots)]
    if node.get("type") == "model" and node.get("root_model"):
        return _alternatives(cast("Node", node["schema"]), definitions, (*roots, cast("type", node["cls"])))
    if node.get("type") == "union":
        return [found for choice in _choices(node) for found in _alternatives(choice, definitions, roots)]
    return [_Alternative(node, roots)]


class _Comparison:
    """Tells whether no JSON is read as two types, or means the same value in both."""

    def __init__(self, definitions: Mapping[str, Node], *, takes_first: bool) -> None:
        self._definitions = definitions
        self._takes_first = takes_first
        self._known: dict[tuple[int, int], bool] = {}

    def can_tell_apart(self, one: Node, other: Node) -> bool:
        pair = (id(one), id(other))
        if pair not in self._known:
            self._known[pair] = False  # for types that contain themselves
            self._known[pair] = all(
                self._alternatives_differ(first, second)
                for first in _alternatives(one, self._definitions)
                for second in _alternatives(other, self._definitions)
            )
        return self._known[pair]

    def _alternatives_differ(self, first: _Alternative, second: _Alternative) -> bool:
        one, other = first.node, second.node
        same_value_will_do = first.roots == second.roots
        shape = _shape(one)
        if "unknown" in (shape, _shape(other)):
            return False
        if shape != _shape(other):
            return True
        kinds = {str(one.get("type")), str(other.get("type"))}
        if kinds <= {"literal", "enum"}:
            return not set(_literal_values(one)) & set(_literal_values(other))
        if shape == "object":
            return not kinds & _MAPPING and _fields_tell_apart(_fields(one), _fields(other), self.can_tell_apart)
        if shape == "array":
            return same_value_will_do and len(kinds) == 1 and self._items_differ(one, other)
        return same_value_will_do and (shape == "null" or self._read_alike(one, other, kinds))

    def _items_differ(self, one: Node, other: Node) -> bool:
        ones, others = _items(one), _items(other)
        if len(ones) != len(others):
            return "variadic_item_index" not in one and "variadic_item_index" not in other
        return all(self.can_tell_apart(first, second) for first, second in zip(ones, others, strict=True))

    def _read_alike(self, one: Node, other: Node, kinds: set[str]) -> bool:
        """Return whether two kinds of text or number read the same JSON as the same value of the same type."""
        if "literal" in kinds:
            literal = one if one.get("type") == "literal" else other
            kind = (kinds - {"literal"}).pop()
            return kind in ("str", "int", "bool") and {type(value).__name__ for value in _literal_values(literal)} == {kind}
        return kinds <= _NUMBER and not self._takes_first


def _items(node: Node) -> list[Node]:
    items = node.get("items_schema") or {"type": "any"}
    return cast("list[Node]", items) if isinstance(items, list) else [cast("Node", items)]


def _fields_tell_apart(ones: Mapping[str, Node], others: Mapping[str, Node], differ: Callable[[Node, Node], bool]) -> bool:
    """Return whether each has a required field that the other lacks, or both have one whose literals differ."""
    for name in ones.keys() & others.keys():
        tags = [cast("Node", fields[name]["schema"]) for fields in (ones, others)]
        if all(_without_default(tag).get("type") in ("literal", "enum") for tag in tags) and differ(tags[0], tags[1]):
            return True
    return any(map(_is_required, _lacking(ones, others))) and any(map(_is_required, _lacking(others, ones)))


def _without_default(node: Node) -> Node:
    return cast("Node", node["schema"]) if node.get("type") == "default" else node


def _lacking(fields: Mapping[str, Node], others: Mapping[str, Node]) -> list[Node]:
    return [field for name, field in fields.items() if name not in others]


def _is_required(field: Node) -> bool:
    if field.get("type") == "typed-dict-field":
        return bool(field.get("required"))
    return cast("Node", field["schema"]).get("type") != "default"


def _fields(node: Node) -> dict[str, Node]:
    """Return the fields of a model, dataclass or TypedDict by the names that they have in JSON."""
    inner = cast("Node", node.get("schema") or node)
    while inner.get("type") not in ("model-fields", "dataclass-args", "typed-dict") and isinstance(inner.get("schema"), dict):
        inner = cast("Node", inner["schema"])
    fields = inner.get("fields")
    if isinstance(fields, list):
        return {_json_name(field, str(field["name"])): field for field in cast("list[Node]", fields)}
    return {_json_name(field, name): field for name, field in cast("dict[str, Node]", fields or {}).items()}


def _json_name(field: Node, name: str) -> str:
    alias = field.get("serialization_alias")
    return alias if isinstance(alias, str) else name


def _shape(node: Node) -> str:
    kind = str(node.get("type"))
    if kind in ("literal", "enum"):
        values = _literal_values(node)
        kinds = {"number" if isinstance(value, int | float) else "text" if isinstance(value, str) else "null" for value in values}
        return kinds.pop() if len(kinds) == 1 else "unknown"
    if kind == "lax-or-strict" and "serialization" in node:
        return "object" if cast("Node", node["serialization"]).get("schema") else "text"
    if kind in _TEXT or kind in _NO_KEYS:
        return "text"
    if kind in _NAMED_TUPLE:
        return "array"
    for shape, members in (("number", _NUMBER), ("array", _ARRAY), ("object", _OBJECT)):
        if kind in members:
            return shape
    return "null" if kind == "none" else "unknown"


def _literal_values(node: Node) -> list[object]:
    if node.get("type") == "enum":
        return [member.value for member in cast("list[Enum]", node["members"])]
    return list(cast("list[object]", node["expected"]))


def _resolved(node: Node, definitions: Mapping[str, Node], *, through_none: bool = True) -> Node:
    """Follow references, defaults and a user's validators to the type that gives the JSON its shape."""
    for _ in range(50):
        if node.get("type") == "definition-ref":
            found = definitions.get(str(node["schema_ref"]))
            if found is None:
                return node
            node = found
        elif node.get("type") == "json-or-python":
            node = cast("Node", node["json_schema"])
        elif node.get("type") == "nullable" and not through_none:
            return node
        elif str(node.get("type")) in ("function-after", "function-before", "function-wrap", "default", "nullable"):
            node = cast("Node", node["schema"])
        else:
            return node
    return node


def _name(node: Node) -> str:
    cls = node.get("cls")
    return getattr(cls, "__name__", None) or str(node.get("type"))
