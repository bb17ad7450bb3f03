"""The measured tasks on Taskiq, with its stream broker or (BENCH_BROKER=list) its list broker, and its Redis result backend."""

from __future__ import annotations

import asyncio
import os

from taskiq import AsyncTaskiqTask
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker
from typing_extensions import TypedDict

from benchmarks.conversation import AMOUNT, EMAIL, NAP, URL, Client, Load, Worker, mark, program

_LIST = os.environ.get("BENCH_BROKER") == "list"
broker = (
    (ListQueueBroker(url=URL) if _LIST else RedisStreamBroker(url=URL))
    .with_result_backend(RedisAsyncResultBackend(redis_url=URL, result_ex_time=600))
    .with_serializer(ORJSONSerializer())
)


class Total(TypedDict):
    order_id: int
    total: float


@broker.task(task_name="bench.add")
async def add(order_id: int, email: str, amount: float) -> Total:
    return {"order_id": order_id, "total": amount}


@broker.task(task_name="bench.add_sync")
def add_sync(order_id: int, email: str, amount: float) -> Total:
    return {"order_id": order_id, "total": amount}


@broker.task(task_name="bench.nap")
async def nap(order_id: int, email: str, amount: float) -> Total:
    mark()
    await asyncio.sleep(NAP)
    return {"order_id": order_id, "total": amount}


TASKS = {"add": add, "add_sync": add_sync, "nap": nap}


class Measured(Client[AsyncTaskiqTask]):
    async def open(self) -> None:
        await broker.startup()

    async def enqueue(self, task: str, order_id: int) -> AsyncTaskiqTask:
        return await TASKS[task].kiq(order_id, EMAIL, AMOUNT)

    async def result(self, handle: AsyncTaskiqTask, *, tuned: bool) -> object:
        interval = {"check_interval": 0.001} if tuned else {}
        return (await handle.wait_result(timeout=30, **interval)).return_value

    def worker(self, load: Load) -> Worker:
        command = [program("taskiq"), "worker", "benchmarks.rivals.taskiq.app:broker", "--workers", "1", "--log-level", "ERROR"]
        if load.task == "add_sync":
            command += ["--max-threadpool-threads", str(load.concurrency)]
        if load.concurrency is not None:
            command += ["--max-async-tasks", "100", "--max-prefetch", "100"]
        return Worker(command, {})
