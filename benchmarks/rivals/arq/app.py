"""The measured tasks on arq."""

from __future__ import annotations

import asyncio

import uvloop
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.jobs import Job

from benchmarks.conversation import AMOUNT, CONCURRENCY, EMAIL, NAP, URL, Client, Counting, Load, Worker, mark, program

QUIET = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the worker makes its loop from the policy


async def add(ctx, order_id: int, email: str, amount: float):
    return {"order_id": order_id, "total": amount}


async def nap(ctx, order_id: int, email: str, amount: float):
    mark()
    await asyncio.sleep(NAP)
    return {"order_id": order_id, "total": amount}


class WorkerSettings:
    functions = (add, nap)
    redis_settings = RedisSettings.from_dsn(URL)
    if CONCURRENCY is not None:
        max_jobs = CONCURRENCY
        log_results = False
        # It starts at most `max_jobs` at each look into its queue, so that the looks bound what it can do.
        poll_delay = 0.01


class TunedSettings:  # arq reads what a class itself defines, not what it inherits
    functions = (add, nap)
    redis_settings = RedisSettings.from_dsn(URL)
    poll_delay = 0.001


class Measured(Client[Job]):
    # A job's own key expires, too, and goes when its result comes; the queue holds a job until its result is stored.
    counting = Counting("shrinks", ("ZCARD", "arq:queue"))
    redis: ArqRedis

    async def open(self) -> None:
        self.redis = await create_pool(RedisSettings.from_dsn(URL))

    async def enqueue(self, task: str, order_id: int) -> Job:
        job = await self.redis.enqueue_job(task, order_id, EMAIL, AMOUNT)
        assert job is not None
        return job

    async def result(self, handle: Job, *, tuned: bool) -> object:
        return await handle.result(timeout=30, **({"poll_delay": 0.001} if tuned else {}))

    def worker(self, load: Load) -> Worker:
        settings = "TunedSettings" if load.tuned else "WorkerSettings"
        module = "benchmarks.rivals.arq.app"
        return Worker([program("arq"), f"{module}.{settings}", "--custom-log-dict", f"{module}.QUIET"], {})
