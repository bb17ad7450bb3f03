"""Models with unusual configurations make the round trip."""

from __future__ import annotations

from typing import Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from typedtasks.contract.codec import Codec, Misfit

T = TypeVar("T")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int] = Field(init=False)

    name: str
    size: int = 1


class Late(BaseModel, Generic[T]):
    model_config = ConfigDict(defer_build=True)

    items: list[T]


def test_extra_fields_with_a_type_travel_and_are_checked() -> None:
    """An instance is validated again, extra fields included."""
    codec = Codec(Open)
    value = Open(name="x", more=2)  # type: ignore[call-arg]  # an extra field
    assert codec.decode(codec.encode(value)) == value
    value.more = "two"  # type: ignore[attr-defined]  # an extra field
    with pytest.raises(Misfit, match="more"):
        codec.encode(value)


def test_models_that_are_built_late_are_built_in_time() -> None:
    """`defer_build=True` is what large code bases use to start quickly."""
    codec = Codec(Late[int])
    value = Late[int](items=[1])
    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize("levels", [60, 150])
def test_models_may_be_nested_as_deep_as_pydantic_builds_them(levels: int) -> None:
    """A type that is written level by level is walked without recursion."""
    kind: type[BaseModel] = create_model("Level", value=(int, ...))
    for level in range(levels):
        kind = create_model(f"Level{level}", inner=(kind, ...))
    codec = Codec(kind)
    written = b'{"inner":' * levels + b'{"value":1}' + b"}" * levels
    assert codec.obstacle is None
    assert codec.encode(codec.decode(written)) == written
