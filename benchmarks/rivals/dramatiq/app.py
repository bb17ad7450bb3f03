"""The measured tasks on dramatiq, with Redis as its broker and its result backend."""

from __future__ import annotations

import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.message import Message
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.conversation import AMOUNT, EMAIL, NAP, URL, Client, Load, Worker, mark, program

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True, result_ttl=600_000)
def add(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


@dramatiq.actor(store_results=True, result_ttl=600_000)
def nap(order_id: int, email: str, amount: float):
    mark()
    time.sleep(NAP)
    return {"order_id": order_id, "total": amount}


TASKS = {"add": add, "add_sync": add, "nap": nap}


class Measured(Client[Message]):
    async def enqueue(self, task: str, order_id: int) -> Message:
        return TASKS[task].send(order_id, EMAIL, AMOUNT)

    async def enqueue_many(self, task: str, order_ids: range) -> list[Message]:
        return dramatiq.group([TASKS[task].message(order_id, EMAIL, AMOUNT) for order_id in order_ids]).run().children

    async def result(self, handle: Message, *, tuned: bool) -> object:
        return handle.get_result(block=True, timeout=30_000)

    def worker(self, load: Load) -> Worker:
        command = [program("dramatiq"), "benchmarks.rivals.dramatiq.app:broker", "--processes", "1", "--skip-logging"]
        if load.concurrency is None:
            return Worker(command, {})
        if load.task != "add":
            command += ["--threads", str(load.concurrency)]
        # The default, twice the number of threads, halves what it can do with short tasks.
        return Worker(command, {"dramatiq_queue_prefetch": str(2 * load.concurrency if load.task == "nap" else 100)})
