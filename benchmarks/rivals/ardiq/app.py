"""The measured tasks on ardiq, whose core is written in Rust."""

from __future__ import annotations

import asyncio

from ardiq import Ardiq, Job

from benchmarks.conversation import AMOUNT, CONCURRENCY, EMAIL, NAP, URL, Client, Counting, Load, Worker, mark, program

app = Ardiq(URL, result_ttl_ms=600_000, **({} if CONCURRENCY is None else {"concurrency": CONCURRENCY}))


@app.task
async def add(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


@app.task
def add_sync(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


@app.task
async def nap(order_id: int, email: str, amount: float):
    mark()
    await asyncio.sleep(NAP)
    return {"order_id": order_id, "total": amount}


TASKS = {"add": add, "add_sync": add_sync, "nap": nap}


class Measured(Client[Job]):
    counting = Counting("expires")  # results are the only keys with a time to live, one for each

    async def enqueue(self, task: str, order_id: int) -> Job:
        return await TASKS[task].enqueue(order_id, EMAIL, AMOUNT)

    async def enqueue_many(self, task: str, order_ids: range) -> list[Job]:
        sent = []
        for start in range(0, len(order_ids), 1000):
            sent += await app.enqueue_many(
                TASKS[task].prepare(order_id, EMAIL, AMOUNT) for order_id in order_ids[start : start + 1000]
            )
        return sent

    async def result(self, handle: Job, *, tuned: bool) -> object:
        result = await handle.result(timeout=60)
        return result.value

    def worker(self, load: Load) -> Worker:
        return Worker([program("ardiq"), "run", "-q", "benchmarks.rivals.ardiq.app:app"], {})
