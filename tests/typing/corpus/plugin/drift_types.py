"""A model of the contract in another module, with a wider type in a model of its own."""

from dataclasses import dataclass

from drift_before import Level
from pydantic import BaseModel, Field


class Line(BaseModel):
    price: int | str
    text: str = Field("", max_length=10)


class Order(BaseModel):
    id: int
    lines: list[Line]


@dataclass
class Answer:
    found: str
    level: Level
