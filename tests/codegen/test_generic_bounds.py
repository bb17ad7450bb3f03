"""Type parameters that are bound to any model travel to the client."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel

from typedtasks import Broker
from typedtasks_codegen import read_contract

T = TypeVar("T", bound=BaseModel)


class Item(BaseModel):
    number: int


class Page(BaseModel, Generic[T]):
    items: list[T]


def test_a_generic_model_of_any_model_is_in_the_contract() -> None:
    """Given a generic model whose parameter is bound to BaseModel itself, the contract says so."""
    broker = Broker("memory://")

    @broker.task(name="turn")
    def turn(page: Page[Item]) -> Page[Item]:
        return page

    assert "pydantic.BaseModel" in str(read_contract(broker))
