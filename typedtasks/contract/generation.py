"""From a type to its core schema, in which classes that are built already are not made anew.

Models and pydantic's dataclasses carry their schemas. Those of other dataclasses, typed dictionaries and named tuples pydantic
makes for each type that leads to them, with all that is inside: time and memory would grow with the square of their number. But it
takes a class that has a definition already as it is, and a type may bring definitions. So each type comes with one for each class
that is built, which says no more than its name, and afterwards the schema that was made before is put there.

What pydantic makes of such a class depends on the configuration around it. Only classes that were made under the configuration of
the whole type are known again, and only under that one.
"""

from __future__ import annotations

import builtins
from typing import Any, Final, cast
from weakref import WeakValueDictionary

from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema

from typedtasks.contract.classes import Built, build, built_at, lock
from typedtasks.contract.nodes import Node, everything_inside

__all__ = ["build_type", "generate"]

_KINDS: Final = frozenset({"dataclass", "typed-dict", "named-tuple"})
"""Classes that do not carry their schemas."""
_OWN: Final = ("__pydantic_config__", "__get_pydantic_core_schema__")
"""What makes pydantic treat a class in its own way."""
_WITH_CONFIG: Final = frozenset({"model", "dataclass", "typed-dict"})
_MARK: Final = "typedtasks_known"


def generate(type: object, config: ConfigDict | None) -> Node:
    """Return the schema of a type as pydantic makes it. Raises pydantic's errors."""
    # Any: which type it is, only run time knows.
    adapter = TypeAdapter[object](cast("Any", type), config=config)
    if not adapter.pydantic_complete:
        adapter.rebuild(force=True)  # a model with defer_build=True
    return cast("Node", adapter.core_schema)


def build_type(type: object, config: ConfigDict) -> Built:
    """Return what is built of a type, whose parts are made under a configuration: always the same one."""
    if isinstance(type, builtins.type) and "__pydantic_core_schema__" in vars(type):
        return build(generate(type, None))
    with lock:
        known = dict(_known.items())  # which keeps them while it looks
    found = _Found(config, known)
    try:
        core = _generate(type, config, found)
    except Exception:
        if not known:
            raise
        # Such as a discriminator: pydantic has to see what is in the classes. What has other reasons is raised again.
        found = _Found(config, {})
        core = _generate(type, config, found)
    built = build(core, _definitions_of(found.used) if found.has_union else {})
    with lock:
        for ref, node in found.classes():
            one = built_at(node)
            if one is not None:
                one.place = {"type": "is-instance", "cls": _Nothing, "ref": ref, "metadata": {_MARK: ref}}
                _known[ref] = one
    return built


_known: Final[WeakValueDictionary[str, Built]] = WeakValueDictionary()
"""The classes that are known again, by pydantic's names, which tell them apart as long as they exist."""


def _generate(type: object, config: ConfigDict, found: _Found) -> Node:
    """Return the schema of a type, made with known classes."""
    places = [one.place for one in found.known.values()]

    def bring(_source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast("CoreSchema", {"type": "definitions", "schema": {"type": "none"}, "definitions": places})

    bringing = builtins.type("Known", (), {"__get_pydantic_core_schema__": staticmethod(bring)})
    core = generate(tuple[bringing, type], config)  # type: ignore[valid-type]  # made at run time
    whole = core
    while whole["type"] == "definitions":
        whole = cast("Node", whole["schema"])
    inside = cast("list[Node]", whole["items_schema"])[1]
    if whole is not core:
        inside = {**core, "schema": inside}
    found.look_through(inside)
    return inside


class _Nothing:
    """What no value is of: where a schema was not put in its place, nothing is taken."""


class _Unclear(Exception):
    """A known class is perhaps not what pydantic would have made in its place."""


class _Found:
    """What is found in a schema that pydantic has made."""

    def __init__(self, around: ConfigDict, known: dict[str, Built]) -> None:
        self.known = known
        self.used: list[Built] = []
        """The known classes that the schema leads to."""
        self.has_union = False
        self._around = around
        self._in_place: list[Node] = []
        self._in_definitions: list[Node] = []
        self._has_others = False
        """Whether there are classes with a configuration of their own."""
        self._is_clear = True

    def classes(self) -> list[tuple[str, Node]]:
        """Return the classes that may be known again, by their names."""
        if not self._is_clear:
            return []
        # A class that is inside a model, too, is perhaps defined as it is made there.
        nodes = self._in_place if self._has_others else [*self._in_place, *self._in_definitions]
        # A generic class with arguments, and one with constraints, has a name that says more. It tells nothing apart for long.
        return [(node["ref"], node) for node in nodes if str(node.get("ref")).endswith(f":{id(node['cls'])}")]

    def look_through(self, core: Node) -> None:
        """Put the schemas of known classes in their places. Raises `_Unclear`."""
        definitions: list[Node] = []
        while core["type"] == "definitions":
            definitions = core["definitions"] = [self._opened(one) for one in cast("list[Node]", core["definitions"])]
            core = cast("Node", core["schema"])
        names = {str(one.node.get("ref")) for one in self.used}
        self._look(core, self._in_place)
        for one in definitions:
            if one["ref"] not in names:
                self._look(one, self._in_definitions)
        if self.known and not self._is_clear:
            raise _Unclear

    def _opened(self, node: Node) -> Node:
        ref = _known_name(node)
        if ref is None:
            return node
        self.used.append(self.known[ref])
        return {**self.known[ref].node, "ref": ref}

    def _look(self, core: Node, classes: list[Node]) -> None:
        waiting = [core]
        while waiting:
            node = waiting.pop()
            ref = _known_name(node)
            kind = node["type"]
            if ref is not None:
                made = self._opened(node)
                node.clear()
                node.update(made)
            elif kind in _WITH_CONFIG and self._has_own_config(node):
                self._has_others = True
                self._is_clear &= _carries_schema(node["cls"]) and "[" not in str(node.get("ref"))
            else:
                self.has_union |= kind in ("union", "tagged-union")
                if kind in _KINDS and not any(hasattr(node["cls"], name) for name in _OWN):
                    classes.append(node)
                waiting += everything_inside(node)

    def _has_own_config(self, node: Node) -> bool:
        config: object = getattr(node.get("cls"), "__pydantic_config__", None)
        return node["type"] == "model" or (config is not None and config is not self._around)


def _carries_schema(cls: type) -> bool:
    own = cls.__dict__
    return "__pydantic_core_schema__" in own and bool(own.get("__pydantic_complete__"))


def _known_name(node: Node) -> str | None:
    return cast("str | None", cast("Node", node.get("metadata") or {}).get(_MARK))


def _definitions_of(used: list[Built]) -> dict[str, Node]:
    """Return all that classes refer to, however deep inside: members of unions are compared with all that they hold."""
    definitions: dict[str, Node] = {}
    waiting, seen = [*used], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            definitions.update(one.definitions)
            waiting += one.inside.values()
    return definitions
