"""The same types have the same hash, the same bytes and the same schemas in every process, for every hash seed."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.processes import ROOT
from typedtasks.contract import fingerprint
from typedtasks.contract.classes import build
from typedtasks.contract.codec import Codec

PROGRAM = """
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from pydantic import BaseModel, Field
from typedtasks import Broker
from typedtasks_codegen import package_files

class Word(StrEnum):
    A = "a"
    B = "b"

@dataclass(frozen=True)
class Point:
    marks: frozenset[str] = frozenset("xyz")
    more: dict[str, frozenset[str]] = field(default_factory=lambda: {"a": frozenset("abc")})

class Model(BaseModel):
    file: Path = Path("a")
    words: set[Word] = {Word.A, Word.B}
    nested: list[set[str]] = [{"a", "b", "c"}]
    deep: tuple[frozenset[frozenset[str]], ...] = (frozenset({frozenset("ab"), frozenset("cd"), frozenset("ef")}),)
    point: Point = Point()

class Outer(BaseModel):
    model: Model = Model()
    models: dict[str, Model] = {"a": Model()}
    limit: Annotated[set[Literal["a", "b", "c"]], Field(max_length=2)] = {"a", "b"}

broker = Broker("memory://")

@broker.task(name="all")
def everything(
    outer: Outer, sets: set[frozenset[str]], pairs: set[tuple[str, frozenset[str]]], file: Path = Path("x")
) -> Outer: ...

print(everything.contract())
sets = {frozenset(pair) for pair in ("ab", "cd", "ef", "gh", "a", "b")}
outer = Outer(model=Model(deep=(frozenset(sets),)))
print(everything.call(outer, sets, {(str(len(one)), one) for one in sets}).payload)
print(package_files(broker, "service:broker", "client"))
"""


def test_nothing_depends_on_the_hash_seed() -> None:
    """Sets have an order, however deep they are in defaults, in each other and in tuples."""
    said = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    ]
    assert said[0] == said[1] == said[2]


def test_a_hash_depends_on_no_text_that_names_a_class() -> None:
    """`pathlib.Path` is `pathlib._local.Path` on Python 3.13, and pydantic has it in an error's text."""
    core = {**Codec(int).core, "custom_error_type": "a", "custom_error_message": "pathlib.Path", "custom_error_context": {"a": 1}}
    assert fingerprint(6, [build(core)]) == fingerprint(6, [Codec(int).built])
