"""The measured tasks on saq."""

from __future__ import annotations

import asyncio
import logging

import orjson
import uvloop
from saq import Job, Queue

from benchmarks.conversation import AMOUNT, CONCURRENCY, EMAIL, NAP, URL, Client, Load, Worker, mark, program

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the worker makes its loop from the policy
logging.getLogger("saq").setLevel(logging.ERROR)
queue = Queue.from_url(URL, dump=orjson.dumps, load=orjson.loads)


async def add(ctx, *, order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


def add_sync(ctx, *, order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


async def nap(ctx, *, order_id: int, email: str, amount: float):
    mark()
    await asyncio.sleep(NAP)
    return {"order_id": order_id, "total": amount}


settings = {"queue": queue, "functions": [add, add_sync, nap]}
if CONCURRENCY is not None:
    settings["concurrency"] = CONCURRENCY


class Measured(Client[Job]):
    async def open(self) -> None:
        await queue.connect()

    async def enqueue(self, task: str, order_id: int) -> Job:
        job = await queue.enqueue(task, order_id=order_id, email=EMAIL, amount=AMOUNT)
        assert job is not None
        return job

    async def result(self, handle: Job, *, tuned: bool) -> object:
        await handle.refresh(until_complete=30)
        return handle.result

    def worker(self, load: Load) -> Worker:
        return Worker([program("saq"), "benchmarks.rivals.saq.app.settings", "--quiet"], {})
