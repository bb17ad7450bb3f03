"""What is decided about a type before its first value: found once for each class, however many types lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from typedtasks.contract.doubts import is_doubtful, serializer_obstacle
from typedtasks.contract.nodes import Node, everything_inside
from typedtasks.contract.roundtrip import is_secret, obstacle_at, written_inside

__all__ = ["UNBOUNDED", "Facts", "facts_of"]

UNBOUNDED: Final = 1_000_000
"""The depth of a type that refers to itself."""
_NESTING: Final = frozenset({"model-fields", "dataclass-args", "typed-dict", "dict", "list", "set", "frozenset", "tuple"})


class Facts(NamedTuple):
    """What a type says of all its values."""

    obstacle: str | None = None
    """Why values do not survive the round trip, and what to use instead; None where they do."""
    obstacle_if_lax: str | None = None
    """The same where a validator of the user's stands before some part of the whole type."""
    is_lax: bool = False
    """Whether a user's validator stands before a part: pydantic then hands on Python values, which strict types refuse."""
    has_validators: bool = False
    """Whether functions take part in the validation, be they the user's or pydantic's own."""
    holds_secret: bool = False
    """Whether there is a `typedtasks.Secret` anywhere."""
    is_doubtful: bool = False
    """Whether what is written may be read as another value, so that it has to be read back to know it."""
    may_round: bool = False
    """Whether an int may be given for a float, and so be rounded."""
    depth: int = 0
    """How many levels of JSON a value may have."""


Known: TypeAlias = Callable[[Node], Facts | None]
"""Returns what is known of a class that is referred to; no facts of one that refers back; None for what is part of this one."""


def facts_of(starts: Iterable[tuple[Node, Mapping[str, Node]]], known: Known) -> Facts:
    """Return what schemas that refer to each other (mostly it is one) say, with what is known of the classes inside them.

    Each comes with the definitions that it refers to.
    """
    starts = list(starts)
    is_cyclic = len(starts) > 1
    found = Facts()
    for start, definitions in starts:
        found = _with(found, _written(start, definitions, known))
        depth, rounds = _extent(start, known)
        found = found._replace(depth=max(found.depth, depth), may_round=found.may_round or rounds)
    return found._replace(depth=UNBOUNDED) if is_cyclic else found


def _written(start: Node, definitions: Mapping[str, Node], known: Known) -> Facts:
    """Return what the parts of a schema say that JSON values go through."""
    found = Facts()
    waiting = [start]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        other = None if node is start else known(node)
        if other is not None:
            found = _with(found, other._replace(depth=0, may_round=False))
            continue
        found = _with(found, _facts_at(node, definitions))
        waiting += reversed(written_inside(node))
    return found


def _facts_at(node: Node, definitions: Mapping[str, Node]) -> Facts:
    kind = str(node.get("type"))
    obstacle = obstacle_at(node, definitions)
    return Facts(
        obstacle or serializer_obstacle(node, is_lax=False),
        obstacle or serializer_obstacle(node, is_lax=True),
        is_lax=kind in ("function-before", "function-wrap"),
        has_validators=kind.startswith("function-"),
        holds_secret=is_secret(node),
        is_doubtful=is_doubtful(node),
    )


def _extent(start: Node, known: Known) -> tuple[int, bool]:
    """Return how deep the values of a schema may be, and whether they may be rounded."""
    deepest, rounds = 0, False
    waiting = [(start, 0)]
    while waiting:
        node, depth = waiting.pop()
        other = None if node is start else known(node)
        if other is not None:
            deepest, rounds = max(deepest, depth + other.depth), rounds or other.may_round
            continue
        depth += node.get("type") in _NESTING
        deepest, rounds = max(deepest, depth), rounds or node.get("type") == "float"
        waiting += [(inner, depth) for inner in everything_inside(node)]
    return deepest, rounds


def _with(one: Facts, other: Facts) -> Facts:
    return Facts(
        one.obstacle or other.obstacle,
        one.obstacle_if_lax or other.obstacle_if_lax,
        one.is_lax or other.is_lax,
        one.has_validators or other.has_validators,
        one.holds_secret or other.holds_secret,
        one.is_doubtful or other.is_doubtful,
        one.may_round or other.may_round,
        max(one.depth, other.depth),
    )
