"""A hash follows what types say, not how many schemas pydantic has made of a class: those are others in each process."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest

from typedtasks.contract import fingerprint
from typedtasks.contract.classes import Built, build
from typedtasks.contract.nodes import Node


class Kind(NamedTuple):
    """A class: the type of its own field, and the classes that its other fields lead to."""

    own: str
    leads_to: tuple[int, ...]


Graph = list[Kind]


def graph(chance: random.Random) -> Graph:
    size = chance.randint(1, 6)
    return [Kind(chance.choice(("int", "str")), tuple(chance.choices(range(size), k=chance.randint(0, 2)))) for _ in range(size)]


def schemas(graph: Graph, copies: int, chance: random.Random) -> list[Node]:
    """Return definitions with copies of each class, in which each field leads to any of the copies."""
    return [
        {
            "type": "typed-dict",
            "ref": f"{place}:{copy}",
            "fields": {
                "own": {"type": "typed-dict-field", "schema": {"type": kind.own}},
                **{
                    f"to_{number}": {
                        "type": "typed-dict-field",
                        "required": False,
                        "schema": {"type": "definition-ref", "schema_ref": f"{other}:{chance.randrange(copies)}"},
                    }
                    for number, other in enumerate(kind.leads_to)
                },
            },
        }
        for place, kind in enumerate(graph)
        for copy in range(copies)
    ]


def built(definitions: list[Node], start: str) -> Built:
    return build({"type": "definitions", "schema": {"type": "definition-ref", "schema_ref": start}, "definitions": definitions})


def alike(graph: Graph) -> list[str]:
    """Return a mark for each class: those that say the same, however deep one looks, have the same."""
    marks = [kind.own for kind in graph]
    for _ in graph:
        known: dict[str, str] = {}
        shown = [f"{kind.own} {[marks[other] for other in kind.leads_to]}" for kind in graph]
        marks = [known.setdefault(one, str(len(known))) for one in shown]
    return marks


@pytest.mark.parametrize("seed", range(60))
def test_copies_of_classes_change_no_hash(seed: int) -> None:
    """Given classes that lead to each other, and copies among which any is meant; whichever is hashed first."""
    chance = random.Random(seed)
    kinds = graph(chance)
    alone = schemas(kinds, 1, chance)
    expected = [fingerprint(12, [built(alone, f"{place}:0")]) for place in range(len(kinds))]
    marks = alike(kinds)
    assert len(set(zip(expected, marks, strict=True))) == len(set(expected)) == len(set(marks))
    for copies in (1, 2, 3):
        many = schemas(kinds, copies, chance)
        order = [(place, copy) for place in range(len(kinds)) for copy in range(copies)]
        chance.shuffle(order)
        kept = [(place, built(many, f"{place}:{copy}")) for place, copy in order]
        for place, one in kept:
            assert fingerprint(12, [one]) == expected[place]
