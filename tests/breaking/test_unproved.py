"""What decides over values and is no type is not overlooked: where nothing can be proved, that is said."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tests.breaking.contracts import changes_of
from typedtasks_codegen.compatibility import Order

HEAD = """
from dataclasses import dataclass
from enum import Enum, Flag, FlagBoundary
from typing import Annotated, Literal
from annotated_types import Predicate
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, StringConstraints, field_validator
from typedtasks import Broker

broker = Broker("memory://")

def check(value):
    return value

"""
PAIRS = {
    "a validator of a parameter": ("x = int", "x = Annotated[int, AfterValidator(check)]", "argument-validator-added"),
    "a predicate of an element": ("x = list[int]", "x = list[Annotated[int, Predicate(check)]]", "argument-validator-added"),
    "a validator of one more field": (
        """
        class x(BaseModel):
            a: int
            b: int
            _check = field_validator("a")(check)
        """,
        """
        class x(BaseModel):
            a: int
            b: int
            _check = field_validator("a", "b")(check)
        """,
        "argument-validator-added",
    ),
    "a validator of a model that stands for its root": (
        "x = int",
        """
        class x(RootModel[int]):
            _check = field_validator("root")(check)
        """,
        "argument-validator-added",
    ),
    "the configuration of a model that stands for its root": (
        "x = str",
        """
        class x(RootModel[str]):
            model_config = ConfigDict(str_max_length=3)
        """,
        "argument-not-comparable",
    ),
    "a __post_init__": (
        """
        @dataclass
        class x:
            a: int
        """,
        """
        @dataclass
        class x:
            a: int

            def __post_init__(self):
                raise ValueError
        """,
        "argument-validator-added",
    ),
    "white space that was stripped before it was counted": (
        "x = Annotated[str, StringConstraints(max_length=1, strip_whitespace=True)]",
        "x = Annotated[str, StringConstraints(max_length=1)]",
        "argument-not-comparable",
    ),
    "a field that might be sent under its name": (
        """
        class x(BaseModel):
            model_config = ConfigDict(populate_by_name=True)
            a: int = Field(alias="wire")
        """,
        """
        class x(BaseModel):
            model_config = ConfigDict(populate_by_name=True)
            b: int = Field(alias="wire")
        """,
        "argument-not-comparable",
    ),
    "values that an enum found by itself": (
        """
        class x(Enum):
            A = "a"

            @classmethod
            def _missing_(cls, value):
                return cls.A
        """,
        """
        class x(Enum):
            A = "a"
        """,
        "argument-not-comparable",
    ),
    "flags that were not refused": (
        """
        class x(Flag, boundary=FlagBoundary.KEEP):
            A = 1
        """,
        """
        class x(Flag):
            A = 1
        """,
        "argument-not-comparable",
    ),
    "a discriminator that every message needs": (
        """
        class A(BaseModel):
            kind: Literal["a"] = "a"
        class B(BaseModel):
            kind: Literal["b"] = "b"
        x = A | B
        """,
        """
        class A(BaseModel):
            kind: Literal["a"] = "a"
        class B(BaseModel):
            kind: Literal["b"] = "b"
        x = Annotated[A | B, Field(discriminator="kind")]
        """,
        "argument-not-comparable",
    ),
}
TASK = """

@broker.task(name="t")
def t(value: x) -> None:
    raise NotImplementedError
"""


@pytest.mark.parametrize("case", PAIRS)
def test_what_cannot_be_looked_into_is_a_finding(case: str, tmp_path: Path) -> None:
    """It breaks what is deployed, and what waits, as far as anybody knows."""
    old, new, rule = PAIRS[case]
    (tmp_path / "old.py").write_text(HEAD + dedent(old) + TASK)
    (tmp_path / "new.py").write_text(HEAD + dedent(new) + TASK)
    found = [change for change in changes_of(tmp_path) if change.rule.id == rule]
    assert found
    assert all(len(change.breaks_in(Order.WORKERS_FIRST)) == 3 for change in found)
    assert re.search("workers: ", found[0].text)


TASKS = {
    "a validator of the result": (
        "def t() -> str:",
        "def t() -> Annotated[str, AfterValidator(check)]:",
        ["result-validator-added"],
    ),
    "no validator of the result": (
        "def t() -> Annotated[str, AfterValidator(check)]:",
        "def t() -> str:",
        ["result-validator-removed"],
    ),
    "no validator of a parameter": (
        "def t(a: Annotated[str, AfterValidator(check)]) -> None:",
        "def t(a: str) -> None:",
        ["argument-validator-removed"],
    ),
    "a validator of a new parameter": (
        "def t(a: int) -> None:",
        'def t(a: int, b: Annotated[str, AfterValidator(check)] = "b") -> None:',
        ["parameter-added-optional"],
    ),
    "a parameter that was one of further arguments": (
        "def t(a: int, **more: str) -> None:",
        "def t(a: int, b: int = 2, **more: str) -> None:",
        ["argument-not-comparable", "parameter-added-optional"],
    ),
    "a parameter that may be one of further arguments": (
        "def t(a: int, b: int = 2, **more: str) -> None:",
        "def t(a: int, **more: str) -> None:",
        ["argument-perhaps-widened", "parameter-removed-optional"],
    ),
}


@pytest.mark.parametrize("case", TASKS)
def test_what_decides_over_the_values_of_a_signature_is_a_finding_where_it_is_met(case: str, tmp_path: Path) -> None:
    """In the order of deployment, and on the side, that has to read the values."""
    old, new, rules = TASKS[case]
    for name, line in (("old", old), ("new", new)):
        (tmp_path / f"{name}.py").write_text(f'{HEAD}@broker.task(name="t")\n{line}\n    raise NotImplementedError\n')
    assert sorted(change.rule.id for change in changes_of(tmp_path)) == rules
