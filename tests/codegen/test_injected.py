"""Injected parameters are the worker's: a contract, its schemas and a generated client know nothing of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tests.codegen.generated import imported
from tests.codegen.schemas import arguments_of, results_of
from typedtasks import Broker, Context, Depends, Injected
from typedtasks_codegen import read_contract

broker = Broker("memory://")
without = Broker("memory://")


class Session:
    """It has no JSON form."""


def session() -> Iterator[Session]:
    """Make one."""
    yield Session()


@dataclass
class Deps:
    session: Annotated[Session, Depends(session)]


@broker.task(name="default")
async def by_default(x: int, *, session: Session = Depends(session), context: Context = Depends(), y: str = "") -> int:
    return x


@broker.task(name="first")
async def by_annotation(session: Injected[Session], x: int) -> int:
    return x


@broker.task(name="object").with_deps(Deps)
def by_object(deps: Deps, x: int) -> int:
    return x


@without.task(name="default")
async def plain_default(x: int, *, y: str = "") -> int:
    return x


@without.task(name="first")
async def plain_first(x: int) -> int:
    return x


@without.task(name="object")
def plain_object(x: int) -> int:
    return x


def test_the_contract_is_that_of_the_other_parameters() -> None:
    """Word for word; so adding a dependency to a task breaks no client."""
    assert read_contract(broker).as_json() == read_contract(without).as_json()
    assert arguments_of(broker) == arguments_of(without)
    assert results_of(broker) == results_of(without)


def test_a_client_calls_without_them(tmp_path: Path) -> None:
    """Its signature has none."""
    with imported(broker, tmp_path, "injected_client") as package:
        stub = (tmp_path / "injected_client" / "__init__.pyi").read_text()
        assert package.Client("memory://")
    assert "session" not in stub
    assert "deps" not in stub
