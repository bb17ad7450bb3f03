"""Which types can cross a queue and come back as they were: decided on pydantic's core schema, when the task is defined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from typedtasks.contract.schemas import Node, children

__all__ = ["needs_lax_json", "obstacle"]

_REFUSED: Final[Mapping[str, str]] = {
    "any": "a value of any type does not come back as it was; name the type, or use pydantic.JsonValue",
    "callable": "a function cannot be sent; send data that says what to do",
    "generator": "an iterator does not come back as it was; use list[...]",
    "is-instance": "this class has no JSON form; use a pydantic model or a dataclass",
    "is-subclass": "a class cannot be sent; send a Literal or an Enum that stands for it",
    "custom-error": "a type with a custom error has no JSON form; use a pydantic model",
}
_TEXT: Final = frozenset({"str", "bytes", "date", "time", "datetime", "timedelta", "uuid", "decimal", "url", "multi-host-url"})
_NUMBER: Final = frozenset({"int", "float", "bool"})
_ARRAY: Final = frozenset({"list", "set", "frozenset", "tuple"})
_OBJECT: Final = frozenset({"dict", "model", "dataclass", "typed-dict"})
_KEYS: Final = _TEXT | {"int", "float", "bool"}
_SECRETS: Final = frozenset({"_serialize_secret", "_serialize_secret_field"})
_FIELDS: Final = frozenset({"model-field", "dataclass-field", "typed-dict-field"})


def obstacle(schema: Node) -> str | None:
    """Return why values of a type do not survive the round trip, and what to use instead; None where they do."""
    definitions: dict[str, Node] = {}
    for node in _walk(schema, definitions, set()):
        found = _obstacle_at(node, definitions)
        if found is not None:
            return found
    return None


def needs_lax_json(schema: Node) -> bool:
    """Return whether a user's validator stands before a type: pydantic then hands on Python values, which strict types refuse."""
    kinds = {node.get("type") for node in _walk(schema, {}, set())}
    return bool(kinds & {"function-before", "function-wrap"})


def _walk(node: Node, definitions: dict[str, Node], seen: set[int]) -> Iterator[Node]:
    """Yield the schema and everything inside it that JSON values go through."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if node.get("type") == "definitions":
        definitions.update({str(inner["ref"]): inner for inner in cast("list[Node]", node["definitions"])})
    yield node
    if node.get("type") == "json-or-python":
        if cast("Node", node["python_schema"]).get("custom_error_type") == "invalid-json-value":
            return  # pydantic.JsonValue: whatever JSON reads, and nothing else
        yield from _walk(cast("Node", node["json_schema"]), definitions, seen)
    elif node.get("type") == "lax-or-strict" and "serialization" in node:
        return  # pydantic's own types, such as Path and IPv4Address: they come back from their text
    elif node.get("type") not in ("function-plain",):
        for _, inner in children(node):
            yield from _walk(inner, definitions, seen)


def _obstacle_at(node: Node, definitions: Mapping[str, Node]) -> str | None:
    kind = str(node.get("type"))
    if kind in _REFUSED and "serialization" not in node:
        return _REFUSED[kind]
    if _is_secret(node):
        return "a secret is sent as stars; send a str, or a reference to where the secret is kept"
    if kind == "function-plain" and "serialization" not in node:
        return "a plain validator says nothing about JSON; add a serializer, or use a pydantic model"
    if kind in ("list", "set", "frozenset") and _is_open(node.get("items_schema")):
        return f"the items of this {kind} have no type; write {kind}[...] with one"
    if kind == "dict":
        return _dict_obstacle(node, definitions)
    if kind == "union":
        return _union_obstacle(node, definitions)
    if kind in ("model", "typed-dict", "dataclass"):
        return _object_obstacle(node)
    if kind in _FIELDS:
        return _field_obstacle(node)
    return None


def _is_secret(node: Node) -> bool:
    serialization = cast("Node", node.get("serialization") or {})
    return getattr(serialization.get("function"), "__name__", "") in _SECRETS


def _dict_obstacle(node: Node, definitions: Mapping[str, Node]) -> str | None:
    if _is_open(node.get("keys_schema")) or _is_open(node.get("values_schema")):
        return "the keys and values of this dict have no type; write dict[str, ...]"
    key = _resolved(cast("Node", node["keys_schema"]), definitions)
    kind = str(key.get("type"))
    if kind in ("enum", "literal"):
        values = _literal_values(key)
        fits = all(isinstance(value, str) for value in values)
    else:
        fits = kind in _KEYS or (kind == "lax-or-strict" and "serialization" in key)
    if not fits:
        return f"keys of the type {_name(key)} do not come back from JSON; use str keys, or a list of pairs"
    return None


def _is_open(schema: Node | None) -> bool:
    return schema is None or schema.get("type") == "any"


def _object_obstacle(node: Node) -> str | None:
    inner = cast("Node", node.get("schema") or node)
    computed = inner.get("computed_fields")
    config = cast("Node", node.get("config") or {})
    extra = node.get("extra_behavior") or inner.get("extra_behavior") or config.get("extra_fields_behavior")
    if computed and extra == "forbid":
        return f"{_name(node)} has computed fields and forbids extra ones, so it does not read what it writes; use extra='ignore'"
    return None


def _field_obstacle(node: Node) -> str | None:
    if node.get("serialization_exclude"):
        return "a field with exclude=True is not sent; leave the field out of the model"
    if node.get("init") is False:
        return "a dataclass field with init=False does not come back; make it an ordinary field or a property"
    written, read = node.get("serialization_alias"), node.get("validation_alias")
    if written != read and not (written is None and read is None):
        return f"a field is written as {written or 'its name'!r} and read as {read or 'its name'!r}; use one alias for both"
    return None


def _union_obstacle(node: Node, definitions: Mapping[str, Node]) -> str | None:
    choices: list[Node] = []
    for choice in cast("list[Any]", node["choices"]):
        choices.append(_resolved(cast("Node", choice[0] if isinstance(choice, tuple) else choice), definitions))
    for place, one in enumerate(choices):
        for other in choices[place + 1 :]:
            if not _can_tell_apart(one, other):
                return (
                    f"JSON cannot tell {_name(one)} from {_name(other)} in a union; use one of them, or models with a "
                    "Literal field and Field(discriminator=...)"
                )
    return None


def _can_tell_apart(one: Node, other: Node) -> bool:
    shapes = _shape(one), _shape(other)
    if shapes[0] != shapes[1] or shapes[0] == "null":
        return "unknown" not in shapes
    kinds = str(one.get("type")), str(other.get("type"))
    if all(kind in ("literal", "enum") for kind in kinds):
        return not set(map(repr, _literal_values(one))) & set(map(repr, _literal_values(other)))
    if "literal" in kinds and kinds[0] != kinds[1]:
        return set(kinds) <= {"literal", "str", "int", "bool", "float"}
    if shapes[0] == "object":
        return _fields_tell_apart(one, other)
    if shapes[0] == "number":
        return True
    return kinds[0] == kinds[1] and shapes[0] == "array"


def _fields_tell_apart(one: Node, other: Node) -> bool:
    fields = _field_names(one), _field_names(other)
    if fields[0] is None or fields[1] is None:
        return False
    return fields[0] != fields[1]


def _field_names(node: Node) -> frozenset[str] | None:
    if node.get("type") == "dict":
        return None
    inner = cast("Node", node.get("schema") or node)
    while inner.get("type") not in ("model-fields", "dataclass-args", "typed-dict") and isinstance(inner.get("schema"), dict):
        inner = cast("Node", inner["schema"])
    fields = inner.get("fields")
    if isinstance(fields, dict):
        return frozenset(cast("dict[str, object]", fields))
    if isinstance(fields, list):
        return frozenset(str(field["name"]) for field in cast("list[Node]", fields))
    return None


def _shape(node: Node) -> str:
    kind = str(node.get("type"))
    if kind in ("literal", "enum"):
        values = _literal_values(node)
        kinds = {"number" if isinstance(value, int | float) else "text" if isinstance(value, str) else "null" for value in values}
        return kinds.pop() if len(kinds) == 1 else "unknown"
    if kind in _TEXT or (kind == "lax-or-strict" and "serialization" in node):
        return "text"
    for shape, members in (("number", _NUMBER), ("array", _ARRAY), ("object", _OBJECT)):
        if kind in members:
            return shape
    return "null" if kind == "none" else "unknown"


def _literal_values(node: Node) -> list[object]:
    if node.get("type") == "enum":
        return [member.value for member in cast("list[Any]", node["members"])]
    return list(cast("list[object]", node["expected"]))


def _resolved(node: Node, definitions: Mapping[str, Node]) -> Node:
    """Follow references, defaults and a user's validators to the type that gives the JSON its shape."""
    for _ in range(50):
        if node.get("type") == "definition-ref":
            found = definitions.get(str(node["schema_ref"]))
            if found is None:
                return node
            node = found
        elif node.get("type") == "json-or-python":
            node = cast("Node", node["json_schema"])
        elif str(node.get("type")) in ("function-after", "function-before", "function-wrap", "default", "nullable"):
            node = cast("Node", node["schema"])
        else:
            return node
    return node


def _name(node: Node) -> str:
    cls = node.get("cls")
    return getattr(cls, "__name__", None) or str(node.get("type"))
