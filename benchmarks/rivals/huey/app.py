"""The measured tasks on huey."""

from __future__ import annotations

import time

from huey import RedisHuey
from huey.api import Result

from benchmarks.conversation import AMOUNT, EMAIL, NAP, URL, Client, Counting, Load, Worker, mark, program

huey = RedisHuey("bench", url=URL)


@huey.task()
def add(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


@huey.task()
def nap(order_id: int, email: str, amount: float):
    mark()
    time.sleep(NAP)
    return {"order_id": order_id, "total": amount}


TASKS = {"add": add, "add_sync": add, "nap": nap}


class Measured(Client[Result]):
    counting = Counting("grows", ("HLEN", huey.storage.result_key))

    async def enqueue(self, task: str, order_id: int) -> Result:
        return TASKS[task](order_id, EMAIL, AMOUNT)

    async def result(self, handle: Result, *, tuned: bool) -> object:
        return handle.get(blocking=True, timeout=30, **({"max_delay": 0.001} if tuned else {}))

    def worker(self, load: Load) -> Worker:
        command = [program("huey_consumer"), "benchmarks.rivals.huey.app.huey", "--quiet", "--worker-type", "thread"]
        if load.tuned:
            command += ["--delay", "0.001", "--max-delay", "0.001"]
        if load.concurrency is not None and load.task != "add":
            command += ["--workers", str(load.concurrency)]
        return Worker(command, {})
