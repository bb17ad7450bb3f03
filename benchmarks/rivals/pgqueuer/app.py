"""The measured tasks on pgqueuer, which keeps its jobs in PostgreSQL and stores no results: only that a job has ended, and how."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.core.completion import CompletionWatcher
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.conversation import AMOUNT, CONCURRENCY, EMAIL, NAP, URL, Client, Counting, Load, Worker, mark


async def main() -> PgQueuer:
    pgq = PgQueuer(AsyncpgPoolDriver(await asyncpg.create_pool(URL, min_size=2, max_size=10)))

    @pgq.entrypoint("add")
    async def add(job: Job) -> None:
        order = json.loads(job.payload)
        _ = {"order_id": order["order_id"], "total": order["amount"]}

    @pgq.entrypoint("nap")
    async def nap(job: Job) -> None:
        mark()
        await asyncio.sleep(NAP)

    return pgq


class Measured(Client[int]):
    counting = Counting("asked")

    async def open(self) -> None:
        stack = AsyncExitStack()
        self.pool = await asyncpg.create_pool(URL, min_size=2, max_size=10)
        driver = AsyncpgPoolDriver(self.pool)
        self.queries = Queries(driver)
        await self.queries.install()
        watcher = CompletionWatcher(driver, queries=self.queries, debounce=timedelta(0))
        self.watcher = await stack.enter_async_context(watcher)

    async def enqueue(self, task: str, order_id: int) -> int:
        return (await self.queries.enqueue(task, _payload(order_id)))[0]

    async def enqueue_many(self, task: str, order_ids: range) -> list[int]:
        sent = []
        for start in range(0, len(order_ids), 1000):
            batch = order_ids[start : start + 1000]
            sent += await self.queries.enqueue([task] * len(batch), [_payload(order_id) for order_id in batch], [0] * len(batch))
        return sent

    async def result(self, handle: int, *, tuned: bool) -> object:
        return await self.watcher.wait_for(handle)

    def expected(self, order_id: int) -> object:
        return "successful"

    async def do_finished(self) -> int:
        """Return how many jobs have ended."""
        return await self.pool.fetchval("SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'")

    def worker(self, load: Load) -> Worker:
        # Not by `pgq run`, which this version of its command line's library breaks.
        return Worker([sys.executable, "-m", "benchmarks.rivals.pgqueuer.app"], {})


async def _serve() -> None:
    pgq = await main()
    if CONCURRENCY is None:
        await pgq.run()
    else:  # larger batches are what its documentation advises for throughput
        await pgq.run(batch_size=CONCURRENCY, max_concurrent_tasks=2 * CONCURRENCY)


def _payload(order_id: int) -> bytes:
    return json.dumps({"order_id": order_id, "email": EMAIL, "amount": AMOUNT}).encode()


if __name__ == "__main__":
    uvloop.run(_serve())
