"""Types with the names of types in another module."""

from __future__ import annotations

from pydantic import BaseModel

from typedtasks import TaskError


class Config(BaseModel):
    size: int


class OutOfStock(TaskError):
    other: Config
