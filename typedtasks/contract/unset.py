"""What is unset stays unset: a field that nobody set is not written, unless its value would be another one where it arrives.

pydantic leaves out what is not in `model_fields_set`. So what has to be written is added to it, in the copy that validation makes
where a value is sent: a default that was changed in place, one that is made anew each time, and what tells the members
of a union apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from pydantic import BaseModel

from typedtasks.contract.factories import is_pure
from typedtasks.contract.sameness import is_default

__all__ = ["keep_defaults", "keep_tags", "tags_of"]

# Any: a core schema is a tree of dictionaries whose shapes pydantic-core defines by their "type" key.
Node: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[object], object]
Keep: TypeAlias = Callable[[object, Handler], object]

_IMMUTABLE: Final = (type(None), bool, int, float, str, bytes, date, time, timedelta, Decimal, UUID, Enum)
_NEVER: Final = object()


def keep_defaults(node: Node) -> Keep | None:
    """Return what goes around the validation of a model and marks the defaults that have to be written; None where none has to."""
    cls = cast("type[BaseModel]", node["cls"])
    if node.get("root_model"):
        return None
    made_here = _made_here(node, cls)
    if not made_here:
        return None

    def keep(value: object, handler: Handler) -> object:
        made = handler(value)
        if isinstance(made, BaseModel):
            unset = made_here.keys() - made.model_fields_set
            _mark(made, [name for name in unset if not is_default(made.__dict__.get(name), made_here[name]())])
        return made

    return keep


def _made_here(node: Node, cls: type[BaseModel]) -> dict[str, Callable[[], object]]:
    """Return the fields whose default may be another value than where it arrives, each with what makes it there."""
    decorators = cls.__pydantic_decorators__
    by_code = bool(node.get("post_init") or node.get("custom_init") or decorators.model_validators)
    # Such a serializer gets the fields as a dictionary, and counts on them.
    all_written = any(found.info.mode == "wrap" for found in decorators.model_serializers.values())
    made: dict[str, Callable[[], object]] = {}
    for name, field in _fields(node).items():
        schema = cast("Node", field["schema"])
        if schema.get("type") != "default":
            continue
        factory = cast("Callable[[], object] | None", schema.get("default_factory"))
        default = cast("object", schema.get("default"))
        if all_written or (factory is not None and (schema.get("default_factory_takes_data") or not is_pure(factory))):
            made[name] = lambda: _NEVER
        elif factory is not None:
            made[name] = factory
        elif by_code or not _is_immutable(default):
            made[name] = lambda default=default: default  # type: ignore[misc]  # mypy knows no type of a lambda's default
    return made


def keep_tags(tags: Mapping[type, Iterable[str]]) -> Keep:
    """Return what goes around the validation of a union and marks, in a member, the fields that tell it from the others."""

    def keep(value: object, handler: Handler) -> object:
        made = handler(value)
        if isinstance(made, BaseModel) and type(made) in tags:
            if made is value:
                made = made.model_copy()
            _mark(made, tags[type(made)])
        return made

    return keep


def tags_of(union: Node, definitions: Mapping[str, Node]) -> dict[type, set[str]]:
    """Return, for each model of a union, the fields with a default by which JSON tells it from the others."""
    chosen = cast("object", union["choices"])
    # By their tags in a dictionary, or a list of schemas, of which one with a label of its own is a tuple.
    listed = list(cast("Node", chosen).values()) if isinstance(chosen, dict) else cast("list[object]", chosen)
    choices = [cast("tuple[object, str]", one)[0] if isinstance(one, tuple) else one for one in listed]
    found = [_resolved(cast("Node", choice), definitions) for choice in choices if isinstance(choice, dict)]
    members = {
        cast("type", node["cls"]): _fields(node) for node in found if node.get("type") == "model" and not node.get("root_model")
    }
    by = union.get("discriminator")
    tags: dict[type, set[str]] = {}
    for cls, fields in members.items():
        with_default = {name: field for name, field in fields.items() if cast("Node", field["schema"]).get("type") == "default"}
        others = [other for another, other in members.items() if another is not cls]
        names = {
            name
            for name, field in with_default.items()
            if (isinstance(by, str) and by in (name, field.get("validation_alias")))
            or (not isinstance(by, str) and any(_differ(field, other.get(name)) for other in others))
        }
        if names:
            tags[cls] = names
    return tags


def _mark(made: BaseModel, names: Iterable[str]) -> None:
    """Add to the fields that are set, in a set of their own: the given instance may have the same one."""
    if names:
        object.__setattr__(made, "__pydantic_fields_set__", made.model_fields_set.union(names))


def _differ(field: Node, other: Node | None) -> bool:
    values = [_values(one) for one in (field, other) if one is not None]
    return len(values) == 2 and all(values) and not values[0] & values[1]


def _values(field: Node) -> set[object]:
    """Return the values that a field can have, where its type names them."""
    schema = cast("Node", field["schema"])
    inner = cast("Node", schema["schema"]) if schema.get("type") == "default" else schema
    return {*inner.get("expected", ()), *(member.value for member in inner.get("members", ()))}


def _fields(model: Node) -> Mapping[str, Node]:
    inner = cast("Node", model["schema"])
    while inner.get("type") != "model-fields" and isinstance(inner.get("schema"), dict):
        inner = cast("Node", inner["schema"])
    return cast("Mapping[str, Node]", inner["fields"]) if inner.get("type") == "model-fields" else {}


def _resolved(node: Node, definitions: Mapping[str, Node]) -> Node:
    for _ in range(50):
        if node.get("type") == "definition-ref":
            node = definitions.get(str(node["schema_ref"]), {})
        elif node.get("type") in ("function-after", "function-before", "function-wrap", "default", "nullable"):
            node = cast("Node", node["schema"])
        else:
            break
    return node


def _is_immutable(value: object) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_immutable, cast("Iterable[object]", value)))
    return isinstance(value, _IMMUTABLE)
