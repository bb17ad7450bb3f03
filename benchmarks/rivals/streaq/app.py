"""The measured tasks on streaq."""

from __future__ import annotations

import asyncio

from streaq import Worker as StreaqWorker
from streaq.task import Task

from benchmarks.conversation import AMOUNT, CONCURRENCY, EMAIL, NAP, URL, Client, Counting, Load, Worker, mark, program

worker = StreaqWorker(
    redis_url=URL,
    anyio_kwargs={"use_uvloop": True},
    **({} if CONCURRENCY is None else {"concurrency": CONCURRENCY}),
)


@worker.task(silent=True)
async def add(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


@worker.task(silent=True)
def add_sync(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


@worker.task(silent=True)
async def nap(order_id: int, email: str, amount: float):
    mark()
    await asyncio.sleep(NAP)
    return {"order_id": order_id, "total": amount}


TASKS = {"add": add, "add_sync": add_sync, "nap": nap}


class Measured(Client[Task]):
    # Results are also listed in a sorted set, once each.
    counting = Counting("grows", ("ZCARD", worker._results_set))

    async def open(self) -> None:
        await worker.__aenter__()

    async def enqueue(self, task: str, order_id: int) -> Task:
        return await TASKS[task].enqueue(order_id, EMAIL, AMOUNT)

    async def enqueue_many(self, task: str, order_ids: range) -> list[Task]:
        sent = []
        for start in range(0, len(order_ids), 1000):
            batch = [TASKS[task].enqueue(order_id, EMAIL, AMOUNT) for order_id in order_ids[start : start + 1000]]
            await worker.enqueue_many(batch)
            sent += batch
        return sent

    async def result(self, handle: Task, *, tuned: bool) -> object:
        return (await handle.result(timeout=30)).result

    def worker(self, load: Load) -> Worker:
        return Worker([program("streaq"), "run", "benchmarks.rivals.streaq.app:worker"], {})
