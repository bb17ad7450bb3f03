"""The measured task on rq. Its worker runs one task at a time; SimpleWorker, which its notes on performance name for short tasks,
does so without a process for each."""

from __future__ import annotations

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import FinishedJobRegistry

from benchmarks.conversation import AMOUNT, EMAIL, URL, Client, Counting, Load, Worker, program

queue = Queue(connection=Redis.from_url(URL))


def add(order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


class Measured(Client[Job]):
    counting = Counting("grows", ("ZCARD", FinishedJobRegistry(queue=queue).key))

    async def enqueue(self, task: str, order_id: int) -> Job:
        return queue.enqueue(add, order_id, EMAIL, AMOUNT)

    async def enqueue_many(self, task: str, order_ids: range) -> list[Job]:
        return queue.enqueue_many([Queue.prepare_data(add, (order_id, EMAIL, AMOUNT)) for order_id in order_ids])

    async def result(self, handle: Job, *, tuned: bool) -> object:
        return handle.latest_result(timeout=30).return_value

    def worker(self, load: Load) -> Worker:
        command = [program("rq"), "worker", "--quiet", "--url", URL]
        if load.concurrency is not None:
            command += ["--worker-class", "rq.worker.SimpleWorker"]
        return Worker([*command, "default"], {})
