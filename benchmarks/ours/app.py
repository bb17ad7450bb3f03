"""The measured tasks on typedtasks."""

from __future__ import annotations

import asyncio
import os
import time

from pydantic import BaseModel
from typing_extensions import TypedDict

from benchmarks.conversation import AMOUNT, EMAIL, FIRST, NAP, URL, Client, Counting, Load, Worker, mark, program
from typedtasks import Broker, Call, TaskHandle

broker = Broker(URL, result_ttl=float(os.environ.get("BENCH_RESULT_TTL", "600")))


class Total(TypedDict):
    """A small result, validated in the worker and in the client."""

    order_id: int
    total: float


class Item(BaseModel):
    """One line of an order."""

    sku: str
    quantity: int
    price: float
    tags: list[str]


class Order(BaseModel):
    """A nested payload: 50 items."""

    order_id: int
    email: str
    items: list[Item]


@broker.task(name="bench.add")
async def add(order_id: int, email: str, amount: float) -> Total:
    """Do nothing but return."""
    return {"order_id": order_id, "total": amount}


@broker.task(name="bench.add_sync")
def add_sync(order_id: int, email: str, amount: float) -> Total:
    """Do nothing but return, in a thread."""
    return {"order_id": order_id, "total": amount}


@broker.task(name="bench.nap")
async def nap(order_id: int, email: str, amount: float) -> Total:
    """Sleep a little."""
    mark()
    await asyncio.sleep(NAP)
    return {"order_id": order_id, "total": amount}


@broker.task(name="bench.price")
async def price(order: Order) -> Total:
    """Take a nested model."""
    return {"order_id": order.order_id, "total": AMOUNT}


def _further(number: int) -> None:
    """Define one more task of the same shape, for the cost of a large registry."""

    @broker.task(name=f"bench.further_{number}")
    async def further(order_id: int, email: str, amount: float) -> Total:
        return {"order_id": order_id, "total": amount}


for _number in range(int(os.environ.get("BENCH_TASKS", "0")) - 4):
    _further(_number)


def _order(order_id: int) -> Order:
    items = [Item(sku=f"sku-{n}", quantity=n, price=n + 0.5, tags=["red", "blue"]) for n in range(50)]
    return Order(order_id=order_id, email=EMAIL, items=items)


class Measured(Client[TaskHandle[Total]]):
    """typedtasks as its user sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.published = 0
        if URL.startswith("sqlite"):
            self.counting = Counting("asked")

    async def open(self) -> None:
        await broker.open()

    async def enqueue(self, task: str, order_id: int) -> TaskHandle[Total]:
        return await add.enqueue(order_id, EMAIL, AMOUNT)

    async def enqueue_many(self, task: str, order_ids: range) -> list[TaskHandle[Total]]:
        self.published += len(order_ids)
        if task == "price":
            order = _order(FIRST)
            return await broker.enqueue_many([price.call(order.model_copy(update={"order_id": i})) for i in order_ids])
        chosen = {"add": add, "nap": nap, "add_sync": add_sync}[task]
        calls: list[Call[Total]] = [chosen.call(i, EMAIL, AMOUNT) for i in order_ids]
        return await broker.enqueue_many(calls)

    async def result(self, handle: TaskHandle[Total], *, tuned: bool) -> object:
        return await handle.result(timeout=30)

    def worker(self, load: Load) -> Worker:
        command = [program("typedtasks"), "worker", "benchmarks.ours.app:broker", "--log-level", "error"]
        if load.concurrency is not None:
            command += ["--concurrency", str(load.concurrency)]
        return Worker([*command, "--processes", str(load.processes)], {})

    async def do_finished(self) -> int:
        """Return how many of the tasks that were sent have ended."""
        counts = await broker.counts()
        return self.published - counts.ready - counts.running

    async def do_hold_backlog(self, level: int, count: int) -> dict[str, float]:
        """Keep `level` tasks waiting until `count` more have ended; return how many did, and the seconds."""
        first, begun = await self.do_finished(), time.perf_counter()
        while True:
            counts = await broker.counts()
            done = self.published - counts.ready - counts.running - first
            if done >= count:
                return {"done": done, "seconds": time.perf_counter() - begun}
            if counts.ready < level:
                await self.enqueue_many("add", range(FIRST, FIRST + min(level - counts.ready, 2000)))
            else:
                await asyncio.sleep(0.001)

    async def do_max_rate(self, seconds: float) -> float:
        """Return the tasks per second from call to result that 1,000 callers get, each waiting for its result."""
        done, begun = 0, time.perf_counter()

        async def caller() -> None:
            nonlocal done
            while time.perf_counter() < begun + seconds:
                await (await self.enqueue("add", FIRST)).result(timeout=30)
                done += 1

        await asyncio.gather(*(caller() for _ in range(1000)))
        return done / (time.perf_counter() - begun)

    async def do_open_loop(self, rate: float, seconds: float) -> list[float]:
        """Send `rate` tasks a second whatever comes back; return the seconds from the moment each was due to its result."""
        taken: list[float] = []

        async def one(due: float) -> None:
            await (await self.enqueue("add", FIRST)).result(timeout=60)
            taken.append(time.perf_counter() - due)

        under_way: set[asyncio.Task[None]] = set()
        begun, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) < begun + seconds:
            while sent < int((now - begun) * rate):
                task = asyncio.create_task(one(begun + sent / rate))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                sent += 1
            await asyncio.sleep(0.001)
        await asyncio.gather(*under_way)
        return taken
