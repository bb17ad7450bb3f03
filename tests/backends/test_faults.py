"""The main job through a proxy that does harm at one moment: every moment of a small job is tried, each with every kind of harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, get_args

import pytest
from redis import Redis

from typedtasks import Broker, Counts, TaskHandle, Worker
from typedtasks.errors import BackendUnavailable

Harm = Literal["cut before", "cut after", "torn", "silent", "slow"]
MOMENTS = 20
"""Requests of a small job on its four connections: opening, subscribing, joining, enqueueing, claiming, settling, waiting."""
TASKS = 4


class HarmfulProxy:
    """Passes everything on, but for the request number `moment`, counted over all connections."""

    def __init__(self, port: int, harm: Harm, moment: int) -> None:
        self._port = port
        self._harm = harm
        self._left = moment
        self._served: set[asyncio.Task[None]] = set()
        self.has_harmed = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one connection says, both ways."""
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        muted = asyncio.Event()
        answers = asyncio.create_task(self._pass_answers(server_reader, writer, muted))
        requests = asyncio.create_task(self._pass_requests(reader, server_writer, muted))
        try:
            await asyncio.wait([answers, requests], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # asyncio's own callback would report a cancelled handler as an error
        finally:
            answers.cancel()
            requests.cancel()
            writer.close()
            server_writer.close()
            self._served.discard(task)

    async def end(self) -> None:
        """Cut everything."""
        for task in list(self._served):
            task.cancel()
        if self._served:
            await asyncio.wait(self._served)

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: asyncio.Event) -> None:
        while data := await reader.read(1 << 16):
            self._left -= 1
            if self._left == 0:
                self.has_harmed = True
                match self._harm:
                    case "cut before":
                        return
                    case "torn":
                        writer.write(data[: len(data) // 2])
                        return
                    case "slow":
                        await asyncio.sleep(0.3)
                    case _:
                        muted.set()
            writer.write(data)

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: asyncio.Event) -> None:
        while data := await reader.read(1 << 16):
            if not muted.is_set():
                writer.write(data)
            elif self._harm == "cut after":
                return


@asynccontextmanager
async def harmful(redis_url: str, harm: Harm, moment: int) -> AsyncIterator[tuple[HarmfulProxy, str]]:
    """Yield a proxy and the URL that leads through it."""
    proxy = HarmfulProxy(int(redis_url.rpartition(":")[2].partition("/")[0]), harm, moment)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        await proxy.end()


async def job(redis_url: str, harm: Harm, moment: int) -> bool:
    """Do a small job through a harmful proxy, sending again what was refused. Return whether the moment came."""
    async with harmful(redis_url, harm, moment) as (proxy, url), asyncio.timeout(45):
        broker = Broker(url, default_queue=f"{harm.replace(' ', '-')}-{moment}")

        @broker.task(name="double")
        async def double(x: int) -> int:
            return 2 * x

        while True:
            try:
                await broker.open()
                break
            except BackendUnavailable:
                continue
        worker = Worker(broker, lease=3.0, grace=5.0)
        running = asyncio.create_task(run(worker))
        try:
            handles = [await enqueued(double.enqueue, x) for x in range(TASKS)]
            assert [await handle.result() for handle in handles] == [2 * x for x in range(TASKS)]
        finally:
            worker.stop()
            await running
            await broker.close()
        async with Broker(redis_url) as direct:
            # What was refused may have been stored all the same, and then it was run.
            assert await direct.counts(broker.queues[0]) == Counts()
        return proxy.has_harmed


async def run(worker: Worker) -> None:
    """Run a worker; it says so when it cannot begin, and is asked again."""
    while not worker.stopping:
        try:
            await worker.run()
        except BackendUnavailable:
            continue


async def enqueued(enqueue: Callable[[int], Awaitable[TaskHandle[int]]], x: int) -> TaskHandle[int]:
    """Return the handle of a call, which is made again while it is refused."""
    while True:
        try:
            return await enqueue(x)
        except BackendUnavailable:
            continue


@pytest.mark.parametrize("harm", get_args(Harm))
async def test_harm_at_any_moment_loses_nothing(harm: Harm, redis_url: str) -> None:
    """Every task ends with its own result, nothing is left behind, and callers see no error but `BackendUnavailable`."""
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    happened = await asyncio.gather(*(job(redis_url, harm, moment) for moment in range(1, MOMENTS + 1)))
    assert sum(happened) >= 12, "the moments are those of the job"
