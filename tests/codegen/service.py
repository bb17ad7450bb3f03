"""A small service that runs, for clients to talk to."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field

from typedtasks import Broker, Context, Depends, TaskError

broker = Broker()


class Reader(BaseModel):
    name: str
    born: date | None = None


class Loan(BaseModel):
    reader: Reader
    books: list[str]


class Overdue(TaskError):
    """Something has to be brought back first."""

    days: int


@broker.task(name="library.lend", raises=Overdue)
async def lend(reader: Reader, *books: str, days: Annotated[int, Field(ge=1, le=28)] = 14, context: Context = Depends()) -> Loan:
    """Lend books to a reader."""
    context.progress(len(books), message=reader.name)
    if reader.name == "late":
        raise Overdue(days=days)
    return Loan(reader=reader, books=list(books))


@broker.task(name="library.count")
def count(titles: dict[date, list[str]]) -> int:
    return sum(map(len, titles.values()))
