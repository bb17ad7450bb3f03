"""Validators and serializers, built once for each class and shared by all types that lead to it.

A schema of pydantic's refers to those of the classes inside it, and pydantic-core builds what it refers to again in each place: as
often as there are ways from one class to another, which grows exponentially with the classes. It makes one exception: of a model
whose class has a validator of its own already, it takes that. So each class gets a *stand-in*, a small class that carries what
was built for the real one, with the configuration of the wire, and that is what schemas refer to here. The real class carries
one too, with its own configuration; it is hidden while the class is built here.

Classes that refer to each other in a circle have to be built as one. Once one of them is, it has a stand-in, and the rest of the
circle is built as if it were none: each class is built for itself, and again only with the first ones of the circles it is in.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias, cast
from weakref import WeakValueDictionary

from pydantic_core import CoreConfig, CoreSchema, SchemaSerializer, SchemaValidator

from typedtasks.contract.facts import UNBOUNDED, Facts, facts_of
from typedtasks.contract.nodes import Node, changed, everything_inside
from typedtasks.contract.rewriting import CORE_CONFIG, check, settle

__all__ = ["Built", "build", "built_at", "circles", "lock"]

_CLASSES: Final = frozenset({"model", "dataclass", "typed-dict", "named-tuple", "call"})
_OWN_VALIDATOR: Final = frozenset({"model", "dataclass"})
_ASIDE: Final = frozenset({"ref", "metadata"})
_NOTHING: Final[Node] = {"type": "model-fields", "fields": {}}

Key: TypeAlias = frozenset[tuple[str, int]] | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Outline:
    """What a class says itself, as a hash, and the classes inside it that lead to a circle or are in one, in their order."""

    text: str
    led_to: tuple[Built, ...]


class Built:
    """A class, or another type as a whole: what reads, checks and writes its values, and what is known about them."""

    validate_json: SchemaValidator
    """Reads what arrives."""
    validate_python: SchemaValidator
    """Checks what is sent."""
    to_json: SchemaSerializer
    facts: Facts

    def __init__(self, node: Node, definitions: dict[str, Node]) -> None:
        self.node = node
        self.definitions = definitions
        self.inside: dict[int, Built] = {}
        """The classes that are directly inside this one, by the place (the schema) where they are."""
        self.made_of: object = None
        """What the key of the class says, so that it lives as long."""
        self.is_class = node.get("type") in _CLASSES
        self.place: Node
        """What stands for the class while pydantic makes the schema of another type, where that is possible."""
        self.shape = ""
        """The hash of what messages look like, once it was asked for."""
        self.outline: Outline | None = None
        """What the hash is made of, once it was asked for."""
        self.read_as: type
        self.checked_as: type


_built: Final[WeakValueDictionary[Key, Built]] = WeakValueDictionary()
"""What there is of classes that something still uses. The key holds what the schema of a class consists of, so that a class whose
schema is made anew is another one."""
lock: Final = threading.RLock()
"""Is held by whoever builds, and looks after what is built."""
# A fork waits for what another thread is building: the child would have the lock held for ever, and half a class.
os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def build(core: Node, definitions: Mapping[str, Node] | None = None) -> Built:
    """Return what is built of a type, with all classes inside it that are not built yet.

    `definitions` is what the schema refers to besides its own ones.
    """
    with lock:
        return _Building(core, dict(definitions or {})).whole


def built_at(node: Node) -> Built | None:
    """Return what is built of the class whose schema this is, unless the class carries one itself."""
    return _built.get(_key(node))


class _Building:
    """The building of one type."""

    def __init__(self, core: Node, definitions: dict[str, Node]) -> None:
        self._new: list[Built] = []
        self._here: dict[Key, Built] = {}
        core = _unwrapped(core, definitions)
        self.whole = self._class_at(core, definitions) or self._added(core, definitions)
        for one in self._new:  # grows meanwhile
            self._find_inside(one)
        for group in circles(self._new):
            _build_circle(group)
        _built.update(self._here)

    def _added(self, node: Node, definitions: dict[str, Node]) -> Built:
        made = Built(node, definitions)
        self._new.append(made)
        return made

    def _class_at(self, node: Node, definitions: dict[str, Node]) -> Built | None:
        """Return the class that a schema is of, or refers to; None where it is neither."""
        is_reference = node.get("type") == "definition-ref"
        while node.get("type") == "definition-ref":
            node = definitions[str(node["schema_ref"])]
        if not is_reference and node.get("type") not in _CLASSES:
            return None
        own = _own_schema(node)
        key = _key(node) if own is None else (id(node["cls"]), id(own))
        found = self._here.get(key) or _built.get(key)
        if found is not None:
            return found
        if own is not None:
            definitions = {}
            node = _at_class(own, node["cls"], definitions) or node
        found = self._here[key] = self._added(node, definitions)
        found.made_of = own
        return found

    def _find_inside(self, one: Built) -> None:
        waiting = [*everything_inside(one.node)]
        while waiting:
            node = waiting.pop()
            plain = _unwrapped(node, one.definitions)
            found = self._class_at(plain, one.definitions)
            if found is not None:
                one.inside[id(node)] = found
            else:
                waiting += everything_inside(plain)


def _unwrapped(node: Node, definitions: dict[str, Node]) -> Node:
    """Return the schema that definitions are wrapped around, and remember them."""
    while node.get("type") == "definitions":
        definitions.update({str(one["ref"]): one for one in cast("list[Node]", node["definitions"])})
        node = cast("Node", node["schema"])
    return node


def _own_schema(node: Node) -> Node | None:
    """Return the schema that a class carries, where this one says the same; None where it does not, or where it carries none.

    Of classes that refer to each other in a circle each carries schemas of all of them, which pydantic made for it alone.
    """
    cls = node.get("cls")
    if node.get("type") not in _OWN_VALIDATOR or not isinstance(cls, type) or not vars(cls).get("__pydantic_complete__"):
        return None
    core: object = vars(cls).get("__pydantic_core_schema__")
    if not isinstance(core, dict):
        return None
    own = _at_class(cast("Node", core), cls, {})
    if own is None or own.keys() - _ASIDE != node.keys() - _ASIDE:
        return None
    return cast("Node", core) if all(node[key] == own[key] for key in own.keys() - _ASIDE - {"schema"}) else None


def _at_class(core: Node, cls: type, definitions: dict[str, Node]) -> Node | None:
    """Return the schema of a class in that which the class carries: there may be the user's functions around it."""
    node = _unwrapped(core, definitions)
    while node.get("type") not in _OWN_VALIDATOR:
        is_reference = node.get("type") == "definition-ref"
        found: object = definitions.get(str(node["schema_ref"])) if is_reference else node.get("schema")
        if not isinstance(found, dict):
            return None
        node = cast("Node", found)
    return node if node["cls"] is cls else None


def _key(node: Node) -> Key:
    # pydantic copies the schema of a class into the places where it is used: what the copies consist of is the same.
    return frozenset((key, id(value)) for key, value in node.items() if key not in _ASIDE)


def circles(classes: Sequence[Built]) -> list[list[Built]]:
    """Return classes in groups that refer to each other, those that others refer to first: Tarjan's algorithm."""
    among = {id(one) for one in classes}
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[Built] = []
    on_path: set[int] = set()
    groups: list[list[Built]] = []
    for root in classes:
        if id(root) in number:
            continue
        waiting = [(root, iter(list(root.inside.values())))]
        number[id(root)] = lowest[id(root)] = len(number)
        path.append(root)
        on_path.add(id(root))
        while waiting:
            one, others = waiting[-1]
            other = next((other for other in others if id(other) in among), None)
            if other is None:
                waiting.pop()
                if waiting:
                    before = id(waiting[-1][0])
                    lowest[before] = min(lowest[before], lowest[id(one)])
                if lowest[id(one)] == number[id(one)]:
                    start = next(place for place, found in enumerate(path) if found is one)
                    groups.append(path[start:])
                    del path[start:]
                    on_path -= {id(found) for found in groups[-1]}
            elif id(other) not in number:
                number[id(other)] = lowest[id(other)] = len(number)
                path.append(other)
                on_path.add(id(other))
                waiting.append((other, iter(list(other.inside.values()))))
            elif id(other) in on_path:
                lowest[id(one)] = min(lowest[id(one)], number[id(other)])
    return groups


def _build_circle(circle: list[Built]) -> None:
    """Build classes that refer to each other; mostly it is one that does not refer to itself."""
    _find_facts(circle)
    waiting = [circle]
    while waiting:
        group = waiting.pop()
        # The one that most refer to: without it there are the fewest circles left.
        inside = [found for one in group for found in one.inside.values()]
        first = max(group, key=inside.count) if len(group) > 1 else group[0]
        _build_one(first, group if any(first is found for found in inside) else [])
        waiting += reversed(circles([one for one in group if one is not first]))


def _find_facts(circle: list[Built]) -> None:
    members = {id(one) for one in circle}
    back = Facts(depth=UNBOUNDED)
    places = {place: back if id(found) in members else found.facts for one in circle for place, found in one.inside.items()}
    facts = facts_of([(one.node, one.definitions) for one in circle], lambda node: places.get(id(node)))
    for one in circle:
        one.facts = facts


def _build_one(built: Built, circle: Sequence[Built]) -> None:
    """Build a class, with those of its circle that are not built yet as definitions."""
    config = cast("CoreConfig", dict(CORE_CONFIG))
    plain, checked = (_schema(built, circle, is_checked=is_checked) for is_checked in (False, True))
    is_undisturbed = False
    while not is_undisturbed:
        with _validators_hidden(circle or [built]) as hidden:
            built.validate_json = SchemaValidator(plain, config)
            built.to_json = SchemaSerializer(plain, config)
            built.validate_python = SchemaValidator(checked, config)
            # Another thread may have called model_rebuild(), which shows the validator again.
            is_undisturbed = not any(vars(cls)["__pydantic_complete__"] for cls in hidden)
    name = str(getattr(built.node.get("cls"), "__name__", built.node.get("type")))
    built.read_as = _stand_in(name, built.validate_json, built.to_json)
    built.checked_as = _stand_in(name, built.validate_python, built.to_json)


def _stand_in(name: str, validator: SchemaValidator, serializer: SchemaSerializer) -> type:
    attributes = {"__slots__": (), "__pydantic_complete__": True}
    return type(name, (), {**attributes, "__pydantic_validator__": validator, "__pydantic_serializer__": serializer})


def _schema(built: Built, circle: Sequence[Built], *, is_checked: bool) -> CoreSchema:
    names = {id(one): f"{place}" for place, one in enumerate(circle)}
    if not circle:
        return cast("CoreSchema", _rewritten(built, names, is_checked=is_checked))
    definitions = [{**_rewritten(one, names, is_checked=is_checked), "ref": names[id(one)]} for one in circle]
    inside = {"type": "definition-ref", "schema_ref": names[id(built)]}
    return cast("CoreSchema", {"type": "definitions", "schema": inside, "definitions": definitions})


def _rewritten(built: Built, names: Mapping[int, str], *, is_checked: bool) -> Node:
    """Return a copy of the schema of a class with what is set here, and with stand-ins for the classes inside it."""

    def rewrite(node: Node) -> Node:
        found = built.inside.get(id(node))
        if found is not None:
            return refer(node, found)
        if node.get("type") == "definitions":
            return rewrite(cast("Node", node["schema"]))
        made = changed(node, rewrite)
        made.pop("ref", None)
        settle(made, node)
        if is_checked:
            check(made, node, built.definitions)
        return made

    def refer(node: Node, other: Built) -> Node:
        if id(other) in names:
            made: Node = {"type": "definition-ref", "schema_ref": names[id(other)]}
        else:
            made = {"type": "model", "cls": other.checked_as if is_checked else other.read_as, "schema": _NOTHING}
        if node.get("type") == "definition-ref" and "serialization" in node:
            made["serialization"] = changed({"serialization": node["serialization"]}, rewrite)["serialization"]
        return made

    return rewrite(built.node)


@contextmanager
def _validators_hidden(classes: Iterable[Built]) -> Generator[list[type]]:
    """Hide from pydantic-core that classes have validators: it would use them, without the configuration that is set here.

    Whoever validates with the class meanwhile notices nothing: only pydantic-core looks at this, to build something else, and then
    builds the class again in place; and `model_rebuild`, which then does what it does with `force=True`.
    """
    hidden: list[type] = []
    try:
        for one in classes:
            cls = one.node.get("cls")
            if one.node.get("type") in _OWN_VALIDATOR and isinstance(cls, type) and cls.__dict__.get("__pydantic_complete__"):
                type.__setattr__(cls, "__pydantic_complete__", False)
                hidden.append(cls)
        yield hidden
    finally:
        for cls in hidden:
            type.__setattr__(cls, "__pydantic_complete__", True)
