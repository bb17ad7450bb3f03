"""The tasks of the simulated application, and what each of them has to end with."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tests.simulation.faults import Link
from typedtasks import Broker, Cancelled, Crashed, Expired, Failure, Retry, Success, TaskError, TaskHandle
from typedtasks.outcome import Outcome
from typedtasks.task import AnyTask

__all__ = ["Host", "Job", "Refusal", "Runs", "define", "send"]

_RETRY: Final = Retry(max_attempts=4, backoff=0.5, jitter=0.0)


class Refusal(TaskError):
    """A failure that a task declares."""

    number: int


class Host(Protocol):
    """The process in which a task runs."""

    @property
    def link(self) -> Link:
        """Its way to the backend in its present life."""
        ...

    def die(self) -> None:
        """End it without a chance to clean up."""
        ...


@dataclass
class Runs:
    """What all processes know together: how often each job was begun, and how often it came to its end."""

    begun: Counter[int] = field(default_factory=Counter[int])
    completed: Counter[int] = field(default_factory=Counter[int])


@dataclass(frozen=True)
class Job:
    """One call, and which outcomes it may have."""

    number: int
    kind: str
    may_be_cancelled: bool = False
    may_expire: bool = False

    # Any: the handles of all tasks are in one list.
    def accepts(self, outcome: Outcome[Any, Any]) -> bool:
        """Return whether this is how it may end."""
        match outcome:
            case Success(value):
                return self.kind not in ("refuse", "crash") and value == self.number
            case Failure(Refusal(number=number)):
                return self.kind == "refuse" and number == self.number
            case Crashed(type=kind, attempts=attempts) if self.may_expire and attempts < _RETRY.max_attempts:
                return (self.kind, kind) in (("crash", "ZeroDivisionError"), ("flaky", "ConnectionError"))  # a retry came too late
            case Crashed(type=kind, attempts=attempts):
                return self.kind == "crash" and (kind, attempts) == ("ZeroDivisionError", _RETRY.max_attempts)
            case Cancelled():
                return self.may_be_cancelled
            case Expired():
                return self.may_expire
            case _:
                return False


def define(broker: Broker, runs: Runs, host: Host, *, knows_all: bool) -> None:
    """Define the application's tasks on the broker of one process."""

    async def work(number: int, seconds: float) -> None:
        link = host.link
        runs.begun[number] += 1
        await asyncio.sleep(seconds)
        await link.gate()
        runs.completed[number] += 1

    @broker.task(name="add")
    async def add(number: int, seconds: float) -> int:
        await work(number, seconds)
        return number

    @broker.task(name="flaky", retry=_RETRY)
    async def flaky(number: int, seconds: float) -> int:
        await work(number, seconds)
        if runs.completed[number] <= 2:
            raise ConnectionError("try again")
        return number

    @broker.task(name="crash", retry=_RETRY)
    async def crash(number: int, seconds: float) -> int:
        await work(number, seconds)
        return number // 0

    @broker.task(name="refuse", raises=Refusal)
    async def refuse(number: int, seconds: float) -> int:
        await work(number, seconds)
        raise Refusal(number=number)

    @broker.task(name="deadly")
    async def deadly(number: int, seconds: float) -> int:
        """End its process the first time."""
        await work(number, seconds)
        if runs.completed[number] == 1:
            host.die()
            await asyncio.get_running_loop().create_future()
        return number

    if knows_all:  # the others are of an older version, and park it

        @broker.task(name="rare")
        async def rare(number: int, seconds: float) -> int:
            await work(number, seconds)
            return number


# Any: see Job.
async def send(broker: Broker, job: Job, chance: random.Random, longest: float) -> TaskHandle[Any, Any]:
    """Send a job, with some options. Raises what `enqueue` raises."""
    options: dict[str, Any] = {"priority": chance.choice(["high", "normal", "low"])}  # Any: of a type by name
    if chance.random() < 0.2:
        options["delay"] = chance.uniform(0.1, 5)
    if job.may_expire:
        options["expires"] = 6 + chance.uniform(0, 10)
    seconds = chance.choice([0.0, 0.0, chance.uniform(0, 1), chance.uniform(0, longest)])
    task: AnyTask = broker.tasks[job.kind]
    return await task.options(**options).enqueue(job.number, seconds)
