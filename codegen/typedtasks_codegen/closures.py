"""A digest of each type of a contract with all that it leads to: made once for each, however many tasks and types use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator, Mapping
from typing import cast

from pydantic import JsonValue

__all__ = ["closures", "digest_of", "named_by", "uses"]


def closures(types: Mapping[str, JsonValue], without: Container[str]) -> dict[str, str]:
    """Return a digest of each type by its id: equal ones say the same of it and of every type that it leads to.

    `without` are the keys of a definition that do not count, such as its docstring. Types that lead to each other in a circle
    are one: each of them has a digest of the whole circle.
    """
    counted = {
        id: {key: value for key, value in cast("dict[str, JsonValue]", one).items() if key not in without}
        for id, one in types.items()
    }
    used = {id: list(named_by(one, types)) for id, one in counted.items()}
    made: dict[str, str] = {}
    for circle in _circles(used):
        inside = sorted(circle)
        further = sorted({other for id in inside for other in used[id]} - set(inside))
        whole = digest_of([[[id, counted[id]] for id in inside], [[id, made[id]] for id in further]])
        made |= {id: digest_of([id, whole]) for id in inside}
    return made


def named_by(data: object, types: Container[str]) -> Iterator[str]:
    """Yield the ids of types that data mentions, each as often as it does."""
    waiting = [data]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += cast("dict[str, object]", one).values()
        elif isinstance(one, list):
            waiting += cast("list[object]", one)
        elif isinstance(one, str) and one in types:
            yield one


def uses(data: object, id: str, types: Mapping[str, object]) -> bool:
    """Return whether data mentions a type, or one that leads to it."""
    seen: set[str] = set()
    waiting = [data]
    while waiting:
        for found in named_by(waiting.pop(), types):
            if found not in seen:
                seen.add(found)
                waiting.append(types[found])
    return id in seen


def digest_of(data: object) -> str:
    """Return a digest of JSON data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _circles(used: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Yield the ids in groups that lead to each other, what a group uses before it: Tarjan's algorithm, without recursion."""
    places: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for root in used:
        if root in places:
            continue
        waiting = [(root, iter(used[root]))]
        while waiting:
            id, others = waiting[-1]
            if id not in places:
                places[id] = lowest[id] = len(places)
                path.append(id)
                on_path.add(id)
            other = next((one for one in others if one not in places or one in on_path), None)
            if other is None:
                waiting.pop()
                if waiting:
                    before = waiting[-1][0]
                    lowest[before] = min(lowest[before], lowest[id])
                if lowest[id] == places[id]:
                    circle = [path.pop()]
                    while circle[-1] != id:
                        circle.append(path.pop())
                    on_path.difference_update(circle)
                    yield circle
            elif other in places:
                lowest[id] = min(lowest[id], places[other])
            else:
                waiting.append((other, iter(used[other])))
