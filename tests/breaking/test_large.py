"""Contracts in which hundreds of types lead to each other."""

from __future__ import annotations

import cProfile
import json
import pstats
import random
from collections.abc import Callable
from typing import Any

import pytest

from typedtasks_codegen.compatibility import Order, compare_contracts, compare_tasks

# Any: contracts as the data that they are.
Data = dict[str, Any]


def ladder(number: int, first: str = "int") -> Data:
    """Return a contract of tasks over models of which each refers to the one before and to the one half as old."""
    types: Data = {}
    for n in range(number):
        fields = (
            [("own", "str"), ("first", first)] if n == 0 else [("before", {"ref": f"m{n - 1}"}), ("half", {"ref": f"m{n // 2}"})]
        )
        types[f"m{n}"] = {
            "kind": "model",
            "name": f"M{n}",
            "fields": [{"name": name, "type": form, "required": True} for name, form in fields],
        }
    task = {"raises": [], "queue": "default", "max_payload": 1}
    parameter = {"name": "item", "kind": "positional_or_keyword"}
    tasks = {
        f"t{n:03}": {**task, "parameters": [{**parameter, "type": {"ref": f"m{n}"}}], "result": {"ref": f"m{n}"}}
        for n in range(number)
    }
    return {"format": 2, "tasks": tasks, "types": types}


def calls(compute: Callable[[], object]) -> int:
    profile = cProfile.Profile()
    profile.enable()
    compute()
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # typeshed leaves it out


def test_what_has_not_changed_is_found_at_any_depth() -> None:
    """The last of 400 models leads through all others."""
    assert compare_contracts(ladder(400), ladder(400)) == []


@pytest.mark.parametrize(("before", "after"), [("int", "float"), ("int", "str")])
def test_a_change_is_found_at_the_end_of_a_long_way(before: str, after: str) -> None:
    """Nothing is said to be nested too deep to be compared: 300 models in a row are no more than a large service has."""
    old, new = ladder(300, before), ladder(300, after)
    last = compare_contracts(*({**one, "tasks": {"t": one["tasks"]["t299"]}} for one in (old, new)))
    assert {change.path for change in last} == {"item" + 299 * ".before" + ".first", "result" + 299 * ".before" + ".first"}
    assert not any(change.rule.id.endswith("not-comparable") for change in last)


def test_the_cost_grows_with_the_number_of_types() -> None:
    """Neither with the number of ways between them, nor with that of tasks that use each."""
    from typedtasks_codegen.compatibility.changes import _compare_contracts  # in this thread, which is the one that is profiled

    def compared(number: int) -> int:
        return calls(lambda: _compare_contracts(ladder(number), ladder(number)))

    assert compared(100) <= 2.1 * compared(50)


def test_a_change_that_all_types_lead_to_is_followed_once() -> None:
    """What was found of a model is said again of each task that leads to it, with the way from there."""
    from typedtasks_codegen.compatibility.changes import _compare_contracts

    def compared(number: int) -> int:
        return calls(lambda: _compare_contracts(ladder(number), ladder(number, "float")))

    assert compared(100) <= 2.1 * compared(50)


def shuffled(chance: random.Random, unions: bool) -> tuple[Data, Data]:
    """Return two contracts over types that lead to each other in all ways, of which some are others in the second one."""
    names = [f"m{n}" for n in range(chance.randint(2, 7))]

    def form() -> object:
        one: object = {"ref": chance.choice(names)} if chance.random() < 0.7 else chance.choice(("int", "str", "float"))
        match chance.randrange(6):
            case 0 if unions:
                return {"union": [one, "None"]}
            case 1 if unions:
                return {"union": [one, {"ref": chance.choice(names)}, "bool"]}
            case 2:
                return {"generic": "list", "arguments": [one]}
            case _:
                return one

    def field(n: int) -> Data:
        return {"name": f"f{n}", "type": form(), "required": chance.random() < 0.7}

    old: Data = ladder(len(names))
    for definition in old["types"].values():
        definition["fields"] = [field(n) for n in range(chance.randint(1, 3))]
    new = json.loads(json.dumps(old))
    for definition in new["types"].values():
        if chance.random() < 0.4:
            definition["fields"][0] = field(chance.choice((0, 0, 9)))
    return old, new


def test_what_is_said_of_a_task_does_not_depend_on_the_others() -> None:
    """What was found for one task is used for the next ones, and is what would be found anew."""
    chance = random.Random(1)
    said = 0
    for _ in range(60):
        old, new = shuffled(chance, unions=False)
        alone = [change for name in sorted(old["tasks"]) for change in compare_tasks(old, new, name)]
        assert compare_contracts(old, new) == alone
        said += len(alone)
    assert said > 300


def test_what_a_task_breaks_does_not_depend_on_the_others() -> None:
    """In unions, the same reason may be found at another place as well, where members were compared already."""
    chance = random.Random(2)
    for _ in range(40):
        old, new = shuffled(chance, unions=True)
        together = compare_contracts(old, new)
        for name in old["tasks"]:
            said, alone = [one for one in together if one.task == name], compare_tasks(old, new, name)
            for order in Order:
                assert {kind for one in said for kind in one.breaks_in(order)} == {
                    kind for one in alone for kind in one.breaks_in(order)
                }


def test_what_a_change_does_not_reach_is_compared_once() -> None:
    """All models but the first are changed in a way that fits: each pair is proved once, for whatever task uses it."""
    from typedtasks_codegen.compatibility.changes import _compare_contracts

    def changed(number: int) -> Data:
        contract = ladder(number)
        for definition in contract["types"].values():
            definition["fields"].append({"name": "more", "type": "str", "required": True})
        return contract

    def compared(number: int) -> int:
        return calls(lambda: _compare_contracts(changed(number), {**changed(number), "types": renamed(changed(number)["types"])}))

    def renamed(types: Data) -> Data:
        """Return the same with a further kind of configuration, which decides nothing."""
        return {id: {**definition, "config": {"title": definition["name"]}} for id, definition in types.items()}

    assert compared(100) <= 2.1 * compared(50)
