"""Injected parameters of every form."""

import typing as t
from typing import Annotated, Optional

import dependencies
from dependencies import MARK, ByMark, ByType, Chained, Db, DbDep, Old, elsewhere, get_db
from pydantic import Field

import typedtasks as tt
from typedtasks import Broker, Context, Depends, Injected


Json = t.Union[dict[str, "Json"], list["Json"], "Inner", str, None]
Inner = t.Union[tuple["Json", "Json", "Inner"], list["Inner"], dict[str, "Json"], int]


class OwnBroker(Broker): ...


broker = Broker("memory://")
own = OwnBroker("memory://")


class OwnContext(Context): ...


Here = Annotated[Db, Depends(get_db)]
HereByType = Injected[Db]


@broker.task
async def defaults(
    a: int, db: Db = Depends(get_db), again: Db = tt.Depends(get_db, use_cache=False), context: Context = Depends()
) -> int:
    return a


@broker.task
async def annotated(
    db: Annotated[Db, Depends(get_db)],
    other: "Annotated[Db, Depends(get_db)]",
    third: t.Annotated[
        Db,
        "text",
        tt.Depends(dependency=get_db),
    ],
    a: int,
) -> int:
    return a


@broker.task
async def aliases(
    a: int, b: DbDep, c: Chained, d: Old, e: ByType, f: Here, g: HereByType, h: dependencies.DbDep, i: "DbDep", j: ByMark
) -> int:
    return a


@own.task(name="by_type", timeout=3)
def by_type(context: Context, maybe: Context | None, own: Optional[OwnContext], db: Injected[Db], a: int = 1) -> int:
    return a


class Deps:
    def __init__(self, db: Injected[Db]) -> None: ...


@broker.task(name="with_deps").with_deps(Deps)
async def with_deps(deps: Deps, a: int, db: Db = Depends(get_db)) -> int:
    return a


called = broker.task(elsewhere)
of_another_module = broker.task(name="method")(dependencies.Elsewhere().method)  # E: typedtasks-method


@broker.task
async def nothing(a: Annotated[int, Field(ge=0)], *rest: str, b: "int" = 2, **more: float) -> int:
    return a


@broker.task
async def recursive(a: Json, b: Inner = 1) -> None: ...


class Holder:
    @staticmethod
    @broker.task(name="static")
    async def static(a: int, db: DbDep) -> int:
        return a


# What cannot be seen, or cannot be.


@broker.task(name="opaque")
async def opaque(
    a: int,
    marked: Db = MARK,  # E: typedtasks-injected typedtasks-portable
    several: list[Injected[Db]] = [],  # E: typedtasks-injected typedtasks-portable
    perhaps: DbDep | None = None,  # E: typedtasks-injected typedtasks-portable
    anything: object = Depends(),  # E: typedtasks-injected
    *more: Injected[Db],  # E: typedtasks-injected
) -> int:
    return a
