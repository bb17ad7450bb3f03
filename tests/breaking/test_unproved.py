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


BOUNDS = {
    "decimals": ('Annotated[Decimal, Field(ge=Decimal("0.5"))]', 'Annotated[Decimal, Field(ge=Decimal("0.10"))]'),
    "dates": ("Annotated[date, Field(ge=date(2026, 1, 1))]", "Annotated[date, Field(ge=date(2025, 12, 31))]"),
    "times": (
        "Annotated[datetime, Field(lt=datetime(2026, 1, 1, tzinfo=UTC))]",
        "Annotated[datetime, Field(le=datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))]",
    ),
    "durations": ("Annotated[timedelta, Field(le=timedelta(hours=25))]", "Annotated[timedelta, Field(le=timedelta(days=2))]"),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_bounds_that_are_no_numbers_are_compared(case: str, tmp_path: Path) -> None:
    """Looser ones break old workers alone, and tighter ones what is deployed and what waits."""
    imports = "from datetime import UTC, date, datetime, timedelta, timezone\nfrom decimal import Decimal\n"
    for (old, new), rule in (
        (BOUNDS[case], "argument-constraint-loosened"),
        (BOUNDS[case][::-1], "argument-constraint-tightened"),
    ):
        for name, x in (("old", old), ("new", new)):
            (tmp_path / f"{name}.py").write_text(f"{imports}{HEAD}x = {x}\n{TASK}")
        assert [change.rule.id for change in changes_of(tmp_path)] == [rule]


@pytest.mark.parametrize(("wide", "narrow"), [("datetime", "AwareDatetime"), ("date", "PastDate"), ("UUID", "UUID4")])
def test_types_of_pydantic_that_take_less_are_narrower(wide: str, narrow: str, tmp_path: Path) -> None:
    """They are written in the same way."""
    imports = "from datetime import date, datetime\nfrom uuid import UUID\nfrom pydantic import AwareDatetime, PastDate, UUID4\n"
    for old, new, rule in ((narrow, wide, "argument-type-widened"), (wide, narrow, "argument-type-narrowed")):
        for name, x in (("old", old), ("new", new)):
            (tmp_path / f"{name}.py").write_text(f"{imports}{HEAD}x = {x}\n{TASK}")
        assert [change.rule.id for change in changes_of(tmp_path)] == [rule]


def test_bounds_are_shown_as_they_are_meant(tmp_path: Path) -> None:
    for name, bound in (("old", "0.1"), ("new", "0.5")):
        (tmp_path / f"{name}.py").write_text(
            f'from decimal import Decimal\n{HEAD}x = Annotated[Decimal, Field(ge=Decimal("{bound}"))]\n{TASK}'
        )
    assert [change.text for change in changes_of(tmp_path)] == ["new workers: ge=0.5 is asked for, and values have ge=0.1"]


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ("max_digits=6", "max_digits=8", True),
        ("decimal_places=1", "decimal_places=2", True),
        ("max_digits=8, decimal_places=2", "max_digits=10, decimal_places=4", True),
        ("max_digits=8, decimal_places=2", "max_digits=8, decimal_places=4", False),  # 123456 has too many digits before the point
        ("max_digits=8", "max_digits=8, decimal_places=4", False),
    ],
)
def test_digits_before_and_after_the_point_are_compared_together(old: str, new: str, fits: bool, tmp_path: Path) -> None:
    for name, limits in (("old", old), ("new", new)):
        x = f"Annotated[Decimal, Field({limits})]"
        (tmp_path / f"{name}.py").write_text(f"from decimal import Decimal\n{HEAD}x = {x}\n{TASK}")
    assert fits == all(not change.breaks_in(Order.WORKERS_FIRST) for change in changes_of(tmp_path))


@pytest.mark.parametrize(("kind", "rules"), [("class x(BaseModel):", ["result-field-removed"]), ("@dataclass\nclass x:", [])])
def test_a_field_of_a_result_that_gets_a_default_may_be_missing(kind: str, rules: list[str], tmp_path: Path) -> None:
    """A model does not send what is unset; a dataclass sends all of its fields."""
    task = '\n@broker.task(name="t")\ndef t() -> x: ...\n'
    for name, field in (("old", "size: int"), ("new", "size: int = 1")):
        (tmp_path / f"{name}.py").write_text(f"{HEAD}{kind}\n    {field}\n{task}")
    assert [change.rule.id for change in changes_of(tmp_path)] == rules
