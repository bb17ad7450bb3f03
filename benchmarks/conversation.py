"""What every measured program shares: the payload, and the requests that it answers.

Each library has its program, `app.py`, with its tasks and a class `Measured`, a `Client` of this module. It runs in the
environment of its library, so nothing but the standard library may be imported here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

__all__ = ["AMOUNT", "CONCURRENCY", "EMAIL", "FIRST", "NAP", "URL", "Client", "Counting", "Load", "Worker", "mark", "program"]

FIRST = 10_000
"""The first order id: five digits, so that the payload is 60 bytes of JSON."""
EMAIL = "buyer@example.com"
AMOUNT = 19.5
URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6379/0")
NAP = float(os.environ.get("BENCH_NAP", "0.05"))
"""Seconds that the task `nap` sleeps."""
CONCURRENCY = int(os.environ["BENCH_CONCURRENCY"]) if os.environ.get("BENCH_CONCURRENCY") else None
"""Tasks at a time in a worker, for the libraries that take it from the application; None is their default."""

H = TypeVar("H")


@dataclass(frozen=True)
class Load:
    """What a worker is wanted for."""

    task: str = "add"
    """`add` (no-op), `nap` (sleeps) or `add_sync` (a no-op as a plain function, in a thread)."""
    concurrency: int | None = 100
    """Tasks at a time; None is the library's default, as are all its other settings then."""
    processes: int = 1
    tuned: bool = False
    """Whether the library's poll intervals are at their minimum."""


@dataclass(frozen=True)
class Worker:
    """How a worker is started."""

    command: Sequence[str]
    environment: dict[str, str]


def program(name: str) -> str:
    """Return the path of a command that is installed beside this interpreter."""
    return str(Path(sys.executable).parent / name)


def mark() -> None:
    """Write one byte to the file that counts started tasks, where the harness asked for that."""
    if path := os.environ.get("BENCH_MARKS"):
        with open(path, "ab", buffering=0) as file:
            file.write(b".")


@dataclass(frozen=True)
class Counting:
    """How it is seen in Redis, from outside, how many tasks have ended."""

    kind: str = "expires"
    """`expires`: the keys with a time to live; `grows` and `shrinks`: a command whose number goes up or down by one for each;
    `asked`: the request `finished`."""
    command: tuple[str, ...] = ()


class Client(Generic[H]):
    """A library as its user sees it. Methods that begin with `do_` are the requests; the others are its own in each library.

    Blocking libraries block in their coroutines: nothing else runs here meanwhile.
    """

    counting = Counting()

    def __init__(self) -> None:
        self._sent: list[tuple[int, H]] = []

    async def open(self) -> None:
        """Connect."""

    async def enqueue(self, task: str, order_id: int) -> H:
        """Send one task, and return what its result can be had by."""
        raise NotImplementedError

    async def enqueue_many(self, task: str, order_ids: range) -> list[H]:
        """Send many tasks in the best way that the library offers. By default, 100 concurrent calls at a time."""
        sent: list[H] = []
        for start in range(0, len(order_ids), 100):
            sent += await asyncio.gather(*(self.enqueue(task, order_id) for order_id in order_ids[start : start + 100]))
        return sent

    async def result(self, handle: H, *, tuned: bool) -> object:
        """Wait for a result, within 30 seconds where the library can say so."""
        raise NotImplementedError

    def expected(self, order_id: int) -> object:
        """Return the right result of a task."""
        return {"order_id": order_id, "total": AMOUNT}

    def worker(self, load: Load) -> Worker:
        """Return how to start a worker."""
        raise NotImplementedError

    async def do_counting(self) -> dict[str, Any]:
        """Return how finished tasks are counted."""
        return asdict(self.counting)

    async def do_worker(self, **load: Any) -> dict[str, Any]:
        """Return the command and the environment of a worker."""
        worker = self.worker(Load(**load))
        return {"command": list(worker.command), "environment": worker.environment}

    async def do_one_by_one(self, count: int) -> float:
        """Return the seconds that `count` awaited calls take."""
        begun = time.perf_counter()
        for order_id in range(FIRST, FIRST + count):
            await self.enqueue("add", order_id)
        return time.perf_counter() - begun

    async def do_bulk(self, count: int, task: str = "add") -> float:
        """Return the seconds that sending `count` tasks at once takes."""
        begun = time.perf_counter()
        await self.enqueue_many(task, range(FIRST, FIRST + count))
        return time.perf_counter() - begun

    async def do_callers(self, count: int, callers: int) -> float:
        """Return the seconds that `count` tasks take when `callers` send them at the same time, each one by one."""
        each = count // callers

        async def caller(first: int) -> None:
            for order_id in range(first, first + each):
                await self.enqueue("add", order_id)

        begun = time.perf_counter()
        await asyncio.gather(*(caller(FIRST + number * each) for number in range(callers)))
        return time.perf_counter() - begun

    async def do_fill(self, task: str, count: int) -> None:
        """Send tasks for a worker that comes later, and keep the handles of the first, the last and one between."""
        ends = (FIRST, FIRST + count // 2, FIRST + count - 1)
        for start in range(FIRST, FIRST + count, 10_000):
            order_ids = range(start, min(start + 10_000, FIRST + count))
            handles = await self.enqueue_many(task, order_ids)
            self._sent += [(order_id, handles[order_id - start]) for order_id in ends if order_id in order_ids]

    async def do_results(self) -> list[tuple[object, object]]:
        """Return the results of the handles that were kept, each with what it should be."""
        sent, self._sent = self._sent, []
        return [(await self.result(handle, tuned=True), self.expected(order_id)) for order_id, handle in sent]

    async def do_awaiting(self, count: int) -> float:
        """Return the seconds in which `count` tasks are sent at once, and each result is waited for."""
        begun = time.perf_counter()
        handles = await self.enqueue_many("add", range(FIRST, FIRST + count))
        values = await asyncio.gather(*(self.result(handle, tuned=True) for handle in handles))
        seconds = time.perf_counter() - begun
        wrong = [value for order_id, value in enumerate(values, FIRST) if value != self.expected(order_id)]
        if wrong:
            raise AssertionError(f"{len(wrong)} wrong results, such as {wrong[0]!r}")
        return seconds

    async def do_latencies(self, count: int, seconds: float, tuned: bool) -> list[float]:
        """Return the seconds from call to result of at most `count` tasks, one at a time, for about so many seconds."""
        end = time.perf_counter() + seconds
        taken: list[float] = []
        while len(taken) < count and (time.perf_counter() < end or len(taken) < 3):
            begun = time.perf_counter()
            value = await self.result(await self.enqueue("add", FIRST + len(taken)), tuned=tuned)
            taken.append(time.perf_counter() - begun)
            if value != self.expected(FIRST + len(taken) - 1):
                raise AssertionError(f"a wrong result: {value!r}")
        return taken
