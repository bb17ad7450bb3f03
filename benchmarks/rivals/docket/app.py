"""The measured tasks on docket."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import uvloop
from docket import Docket, Execution
from docket import Worker as DocketWorker

from benchmarks.conversation import AMOUNT, CONCURRENCY, EMAIL, NAP, URL, Client, Counting, Load, Worker, mark

# With the pool of 100 connections that redis-py has by default, 100 tasks at a time starve it, and those that find none are lost
# until their redelivery, five minutes later.
docket = Docket(name="bench", url=f"{URL}?max_connections=2000")


async def add(order_id: int, email: str, amount: float) -> dict:
    return {"order_id": order_id, "total": amount}


async def nap(order_id: int, email: str, amount: float) -> dict:
    mark()
    await asyncio.sleep(NAP)
    return {"order_id": order_id, "total": amount}


TASKS = {"add": add, "nap": nap}


class Measured(Client[Execution]):
    # A stored result and the record of its run both expire; the stream holds a task until both are there.
    counting = Counting("shrinks", ("XLEN", docket.stream_key))

    async def open(self) -> None:
        await docket.__aenter__()
        docket.register(add)
        docket.register(nap)

    async def enqueue(self, task: str, order_id: int) -> Execution:
        return await docket.add(TASKS[task])(order_id, EMAIL, AMOUNT)

    async def enqueue_many(self, task: str, order_ids: range) -> list[Execution]:
        return await docket.add_many(docket.call(TASKS[task])(order_id, EMAIL, AMOUNT) for order_id in order_ids)

    async def result(self, handle: Execution, *, tuned: bool) -> object:
        return await handle.get_result(timeout=timedelta(seconds=30))

    def worker(self, load: Load) -> Worker:
        # It takes new tasks once in each interval, so that the interval bounds its throughput, too.
        tuned = ["tuned"] if load.tuned or load.concurrency is not None else []
        return Worker([sys.executable, "-m", "benchmarks.rivals.docket.app", *tuned], {})


async def run() -> None:
    # docket's command line knows no uvloop; this is its Worker.run with the same defaults as that.
    options = {} if CONCURRENCY is None else {"concurrency": CONCURRENCY}
    interval = timedelta(milliseconds=1 if "tuned" in sys.argv else 100)
    async with docket:
        docket.register(add)
        docket.register(nap)
        async with DocketWorker(docket, minimum_check_interval=interval, **options) as worker:
            await worker.run_forever()


if __name__ == "__main__":
    uvloop.run(run())
