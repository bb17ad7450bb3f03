"""The measured tasks on Celery, with Redis as its broker and its result backend."""

from __future__ import annotations

import time

from celery import Celery, group
from celery.result import AsyncResult

from benchmarks.conversation import AMOUNT, EMAIL, NAP, URL, Client, Load, Worker, mark, program

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    result_expires=600,
    worker_prefetch_multiplier=128,  # what its guide to optimizing advises for short tasks
    worker_disable_rate_limits=True,  # no task has one
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.add")
def add(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


@app.task(name="bench.nap")
def nap(order_id: int, email: str, amount: float):
    mark()
    time.sleep(NAP)
    return {"order_id": order_id, "total": amount}


TASKS = {"add": add, "add_sync": add, "nap": nap}


class Measured(Client[AsyncResult]):
    async def enqueue(self, task: str, order_id: int) -> AsyncResult:
        return TASKS[task].delay(order_id, EMAIL, AMOUNT)

    async def enqueue_many(self, task: str, order_ids: range) -> list[AsyncResult]:
        sent = []
        for start in range(0, len(order_ids), 1000):
            calls = [TASKS[task].s(order_id, EMAIL, AMOUNT) for order_id in order_ids[start : start + 1000]]
            sent += group(calls).apply_async().results
        return sent

    async def result(self, handle: AsyncResult, *, tuned: bool) -> object:
        return handle.get(timeout=30)

    def worker(self, load: Load) -> Worker:
        command = [program("celery"), "-A", "benchmarks.rivals.celery.app:app", "worker", "--loglevel", "ERROR"]
        if load.concurrency is None:
            return Worker([*command, "--concurrency", "1"], {})
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        if load.task == "add":
            return Worker([*command, "--pool", "solo"], {})
        return Worker([*command, "--pool", "threads", "--concurrency", str(load.concurrency)], {})
