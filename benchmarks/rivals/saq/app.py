"""The measured tasks on saq."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import orjson
import uvloop
from saq import Job, Queue, Status

from benchmarks.conversation import AMOUNT, CONCURRENCY, EMAIL, NAP, URL, Client, Counting, Load, Worker, mark, program

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the worker makes its loop from the policy
logging.getLogger("saq").setLevel(logging.ERROR)
# Its tasks share a pool of connections, by default of 100, which 100 tasks at a time exhaust.
queue = Queue.from_url(f"{URL}?max_connections=2000", dump=orjson.dumps, load=orjson.loads)


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
    # The worker's own keys expire, too.
    counting = Counting("shrinks", ("ZCARD", "saq:default:incomplete"))

    async def open(self) -> None:
        await queue.connect()
        # A worker sweeps when it starts, and aborts tasks that it has taken in that moment and not begun: the first of a backlog.
        # Whoever sweeps holds a lock meanwhile, so that the worker does not.
        await queue.sweep(lock=600)

    async def enqueue(self, task: str, order_id: int) -> Job:
        job = await queue.enqueue(task, order_id=order_id, email=EMAIL, amount=AMOUNT)
        assert job is not None
        return job

    async def result(self, handle: Job, *, tuned: bool) -> object:
        for _ in range(60):
            # A job that ends between the first look and the subscription is not told: look again.
            with suppress(asyncio.TimeoutError):
                await handle.refresh(until_complete=0.5)
            if handle.completed:
                if handle.status is not Status.COMPLETE:
                    raise AssertionError(f"{handle.status}: {handle.error}")
                return handle.result
        raise TimeoutError

    def worker(self, load: Load) -> Worker:
        return Worker([program("saq"), "benchmarks.rivals.saq.app.settings", "--quiet"], {})
