"""A model of the contract in another module, with a wider type in a model of its own."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from drift_before import Level
from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Mood(Enum):
    GOOD = "good"
    BAD = -1


class Size(TypedDict):
    width: int
    height: int


class Point(NamedTuple):
    x: int
    y: int


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
