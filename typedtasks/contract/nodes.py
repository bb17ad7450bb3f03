"""Where the schemas of pydantic-core keep the schemas that are inside them: by the key that they stand under.

The keys of a schema are pydantic's own. The names under `fields` and `choices` are the user's, and may be the same words: a field
called `type` or `schema`. So no schema is ever known by what it looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, cast

__all__ = ["KEYS", "NAMED", "Node", "changed", "children", "everything_inside"]

# Any: a core schema is a tree of dictionaries whose shapes pydantic-core defines by their "type" key.
Node: TypeAlias = dict[str, Any]

NAMED: Final = frozenset({"fields", "choices"})
"""Where the schemas of fields and of the members of a union stand: by name, or in a list."""
_SCHEMAS: Final = frozenset(
    {
        *("schema", "items_schema", "keys_schema", "values_schema", "extras_schema", "extras_keys_schema", "return_schema"),
        *("lax_schema", "strict_schema", "json_schema", "python_schema", "arguments_schema", "var_args_schema"),
        *("var_kwargs_schema", "steps", "definitions", "computed_fields"),
    }
)
KEYS: Final = NAMED | _SCHEMAS
"""Where schemas stand, one, several in a list, or by name; that of a serialization apart."""


def children(node: Node) -> Iterable[tuple[str, Node]]:
    """Yield the schemas that are directly inside one, each with the key (or field name) that it stands under."""
    for key, value in node.items():
        if key in NAMED and isinstance(value, dict):
            yield from ((str(name), inner) for name, inner in cast("Node", value).items() if isinstance(inner, dict))
        elif key in KEYS:
            if isinstance(value, dict):
                yield key, cast("Node", value)
            elif isinstance(value, list | tuple):
                for inner in cast("list[object]", value):
                    candidate = cast("list[object]", inner)[0] if isinstance(inner, tuple) else inner
                    if isinstance(candidate, dict):
                        yield key, cast("Node", candidate)


def everything_inside(node: Node) -> Iterable[Node]:
    """Yield the schemas that are directly inside one, that of its serialization among them."""
    for _, inner in children(node):
        yield inner
    if isinstance(node.get("serialization"), dict):
        yield cast("Node", node["serialization"])


def changed(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return a copy of a schema with each schema that is directly inside it changed."""
    made = dict(node)
    for key, value in node.items():
        if key in NAMED and isinstance(value, dict):
            named = cast("Node", value)
            made[key] = {name: _changed(inner, change) for name, inner in named.items()}
        elif key in KEYS or key == "serialization":
            made[key] = _changed(value, change)
    return made


def _changed(value: object, change: Callable[[Node], Node]) -> object:
    if isinstance(value, dict):
        return change(cast("Node", value))
    if isinstance(value, list):
        return [_changed(inner, change) for inner in cast("list[object]", value)]
    return tuple(_changed(inner, change) for inner in cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
