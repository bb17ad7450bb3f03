"""Contracts in which hundreds of types lead to each other."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import pytest

from typedtasks_codegen.compatibility import compare_contracts

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
