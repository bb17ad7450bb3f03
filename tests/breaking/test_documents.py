"""Whatever stands in a contract.json is compared, or refused with one line: never a traceback."""

from __future__ import annotations

import json
from random import Random

from pydantic import JsonValue

from tests.codegen.every_type import broker
from typedtasks_codegen import read_contract
from typedtasks_codegen.compatibility import ContractInvalid, compare_contracts, parse_contract
from typedtasks_codegen.compatibility.types import Data

_ODD: tuple[JsonValue, ...] = (
    None,
    True,
    7,
    -1.5,
    "",
    "int",
    "no.such.Type",
    [],
    {},
    [None],
    {"ref": "no"},
    {"union": []},
    {"literal": 3},
)


def spoiled(data: JsonValue, chance: Random) -> JsonValue:
    """Return data with something else, or nothing, in one place."""
    if not data or not isinstance(data, dict | list) or chance.random() < 0.05:
        return chance.choice(_ODD)
    if isinstance(data, list):
        place = chance.randrange(len(data))
        return [spoiled(one, chance) if n == place else one for n, one in enumerate(data) if n != place or chance.random() < 0.9]
    key = chance.choice(sorted(data))
    return {
        name: spoiled(one, chance) if name == key else one for name, one in data.items() if name != key or chance.random() < 0.9
    }


def parsed(text: str) -> tuple[Data | None, str]:
    """Return a contract, or what is said of a text that is none."""
    try:
        return parse_contract(text), ""
    except ContractInvalid as invalid:
        return None, str(invalid)


def test_a_spoiled_contract_is_refused_or_compared() -> None:
    """With what is wrong in one line, and each change as a sentence."""
    whole = parse_contract(read_contract(broker).text())
    chance, refused, compared = Random(5), 0, 0
    for _ in range(150):
        text = json.dumps(spoiled(json.loads(json.dumps(whole)), chance))
        contract, said = parsed(text)
        if contract is None:
            refused += 1
            assert said
            assert "\n" not in said
            continue
        compared += 1
        for change in (*compare_contracts(contract, whole), *compare_contracts(whole, contract)):
            assert str(change)
            assert "\n" not in change.text
    assert refused
    assert compared


def test_a_contract_that_is_cut_anywhere_is_refused() -> None:
    text = read_contract(broker).text().rstrip()
    chance = Random(6)
    for _ in range(60):
        contract, said = parsed(text[: chance.randrange(len(text))])
        assert contract is None
        assert "cut short" in said or "no JSON" in said
