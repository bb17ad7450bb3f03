"""The same tasks after a change, and the rules of `typedtasks breaking` for what breaks in either order of deployment."""

from typing import Annotated, Literal, Optional

import drift_before
import drift_types
from drift_before import Answer, Gone, Level
from drift_types import Order
from pydantic import Field

from typedtasks import Broker, Context, Depends, TaskError

broker = Broker("memory://")


class Broken(TaskError):
    reason: str


@broker.task(name="drift.same", raises=Gone, timeout=20)
async def same(
    order: Order,  # its price may be text now, which is a wider type
    level: Level,
    size: Annotated[int, Field(ge=0)] = 1,
    *rest: str,
    context: Context = Depends(),
) -> Optional[Answer]: ...


@broker.task(name="drift.new")
async def new(a: int) -> None: ...


@broker.task(name="drift.widened")
async def widened(a: int | str, *, b: bool = False) -> int:
    return 1


@broker.task(name="drift.changed")
async def changed(a: str) -> int:  # E: typedtasks-contract:argument-type-changed
    return 1


@broker.task(name="drift.added")
async def added(a: int, b: int) -> int:  # E: typedtasks-contract:parameter-added-required
    return b


@broker.task(name="drift.required")
async def required(a: int) -> int:  # E: typedtasks-contract:parameter-default-removed
    return a


@broker.task(name="drift.moved")
async def moved(b: int, a: int) -> int:  # E: typedtasks-contract:parameter-moved
    return a


@broker.task(name="drift.keyword")
async def keyword(*, a: int) -> int:  # E: typedtasks-contract:parameter-kind-changed
    return a


@broker.task(name="drift.result")
async def result(a: int) -> str:  # E: typedtasks-contract:result-type-changed
    return ""


@broker.task(name="drift.failures", raises=(Gone, Broken))
async def failures(a: int) -> int:  # E: typedtasks-contract:failure-added
    return a


@broker.task(name="drift.queue", queue="slow")
async def queue(a: int) -> int:  # E: typedtasks-contract:task-queue-changed
    return a


@broker.task(name="drift.literal")
async def literal(a: Literal["a"]) -> int:  # E: typedtasks-contract:argument-value-removed
    return 1


@broker.task(name="drift.ignored")
async def ignored(a: str) -> int:  # type: ignore[typedtasks-contract]
    return 1


@broker.task(name="drift.inside")
async def inside(order: Order) -> drift_types.Answer:  # E: typedtasks-contract:result-type-changed
    raise NotImplementedError


@broker.task(name="drift.kinds")
async def kinds(  # E: typedtasks-contract:argument-field-required+argument-value-removed
    a: drift_types.Mood, b: drift_types.Size, c: drift_types.Point
) -> None: ...


@broker.task(name="drift.same_kinds")
async def same_kinds(a: Level, b: drift_before.Size, c: drift_before.Point) -> tuple[Level, drift_before.Size, drift_before.Point]:
    return a, b, c


@broker.task(name="drift.same_classes", raises=drift_before.Hidden)
async def same_classes(
    a: drift_before.Box[int],
    b: drift_before.Box[drift_before.Box[str]],
    c: drift_before.Twice,
    d: drift_before.Text,
    e: drift_before.Planet,
    f: drift_before.Half,
) -> None: ...
