"""Tasks inside functions and classes, where names may mean something else than at the top of the module."""

from typing import Annotated, TypeAlias

import dependencies
from dependencies import Chained, Db, DbDep, get_db

import typedtasks as tt
from typedtasks import Broker, Depends, Injected

broker = Broker("memory://")
Here = Annotated[Db, Depends(get_db)]
Again = Here


def default() -> tt.Task[[int], int]:
    @broker.task
    async def task(a: int, /, db: Db = Depends(get_db)) -> int:
        return a

    return task


def annotations() -> tt.Task[[int], int]:
    @broker.task
    async def task(a: int, /, db: DbDep, again: Annotated[Db, Depends(get_db)], quoted: "DbDep", by_type: Injected[Db]) -> int:
        return a

    return task


def another_meaning() -> tt.Task[[int, Db], int]:
    Here = Annotated[Db, "of this function"]

    def get_db() -> Db:
        return Db()

    @broker.task
    async def task(
        a: int,
        db: Here,  # E: typedtasks-portable
        /,
        other: Annotated[Db, Depends(get_db)],
        by_type: Injected[Db],
        again: Again,
        same: "dependencies.DbDep",
    ) -> int:
        return a

    return task


def another_meaning_further_out() -> tt.Task[[int, int], int]:
    Here: TypeAlias = int

    def inner() -> tt.Task[[int, int], int]:
        @broker.task
        async def task(a: int, b: Here, /, db: DbDep) -> int:
            return a

        return task

    return inner()


def imported_again() -> tt.Task[[int], int]:
    import dependencies
    from dependencies import DbDep
    from dependencies import DbDep as Again

    @broker.task
    async def task(a: int, /, db: DbDep, again: Again, dotted: dependencies.Chained, annotated: "Annotated[DbDep, 1]") -> int:
        return a

    return task


def imported_as_another() -> tt.Task[[int, Db], int]:
    from dependencies import Db as Here

    @broker.task
    async def task(a: int, b: Here, /) -> int:  # E: typedtasks-portable
        return a

    return task


def of_another_function() -> tt.Task[[int], int]:
    def other() -> list[int]:
        Here = 1
        return [Here for Here in range(Here)]

    class Other:
        DbDep = 3

    @broker.task
    async def task(a: int, /, db: DbDep, here: Here) -> int:
        Chained = other()
        return [a for Here in Chained][Other.DbDep]

    return task


def imported_here(a: int) -> tt.Task[[int], int]:
    import typing

    import pydantic

    @broker.task
    async def task(a: typing.Annotated[int, pydantic.Field(ge=3)], /) -> int:
        return a

    return task


class Holder:
    Here: TypeAlias = int

    @staticmethod
    @broker.task(name="static")
    async def static(a: int, db: DbDep, b: Here) -> int:
        return a

    def method(self) -> tt.Task[[int, int], int]:
        DbDep: TypeAlias = int

        @broker.task
        async def task(a: int, b: DbDep, /, db: Here) -> int:
            return a

        return task


async def use() -> None:
    await Holder.static.enqueue(1, 2)
    await Holder.static.enqueue(1)  # E: call-arg
