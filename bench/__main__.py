"""Measures typedtasks beside Taskiq on one Redis, alternating, and prints medians.

What is measured, each with results stored and the types of arguments and results as each library checks them:

* enqueue one by one: sequential awaits;
* enqueue in bulk: typedtasks' `enqueue_many`; for Taskiq concurrent `kiq` calls, 100 at a time, the best that it offers;
* process: tasks wait in the queue, one worker process starts, and the time between a tenth and all of the results is taken, so that
  neither start-up counts;
* idle latency: one task at a time, from enqueue to result. Taskiq's client polls; it is measured with its default of 0.2 s
  and with 1 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from tests.redis_server import redis_server

OURS = (sys.executable, "-m", "typedtasks", "worker", "bench.ours:broker", "--log-level", "error")
THEIRS = (
    str(Path(sys.executable).parent / "taskiq"),
    "worker",
    "bench.theirs:broker",
    "--workers",
    "1",
    "--max-prefetch",
    "0",
    "--log-level",
    "ERROR",
)
TARGETS = {"bulk": 15.0, "process": 8.0}


@asynccontextmanager
async def worker(command: Sequence[str]) -> AsyncIterator[None]:
    """Run a worker process, in a group of its own, so that all of it can be ended."""
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def results(redis: Redis) -> int:
    """Return how many results are stored: keys with a time to live, whatever they are called."""
    info = await redis.info("keyspace")
    return int(info.get("db0", {}).get("expires", 0))


async def rate(redis: Redis, total: int, command: Sequence[str]) -> float:
    """Return the tasks per second of one worker process, between a tenth and all of the results."""
    before = await results(redis)
    begun_at, begun = 0, 0.0
    async with worker(command), asyncio.timeout(120):
        while True:
            done, now = await results(redis) - before, time.perf_counter()
            if not begun and done >= total // 10:
                begun_at, begun = done, now
            if done >= total:
                return (total - begun_at) / (now - begun)
            await asyncio.sleep(0.002)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that something takes."""
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


class Typedtasks:
    """typedtasks' side of each measurement."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def one_by_one(self, n: int) -> float:
        from bench.ours import add, broker

        async def work() -> None:
            for i in range(n):
                await add.enqueue(i, "a@b.c", 1.5)

        async with broker:
            return n / await timed(work)

    async def bulk(self, n: int) -> float:
        from bench.ours import add, broker

        async with broker:
            return n / await timed(lambda: broker.enqueue_many([add.call(i, "a@b.c", 1.5) for i in range(n)]))

    async def process(self, n: int) -> float:
        from bench.ours import add, broker

        async with broker:
            handles = await broker.enqueue_many([add.call(i, "a@b.c", 1.5) for i in range(n)])
            speed = await rate(self.redis, n, OURS)
            for i in (0, n // 2, n - 1):
                assert await handles[i].result(timeout=5) == {"order_id": i, "total": 1.5}
            assert (await broker.counts()).ready == 0
            return speed

    async def latency(self, n: int) -> list[float]:
        from bench.ours import add, broker

        async with broker, worker(OURS):
            await (await add.enqueue(0, "a@b.c", 1.5)).result(timeout=20)
            return [await timed(self._there_and_back) for _ in range(n)]

    async def _there_and_back(self) -> None:
        from bench.ours import add

        await (await add.enqueue(1, "a@b.c", 1.5)).result(timeout=5)


class Taskiq:
    """Taskiq's side of each measurement."""

    def __init__(self, redis: Redis, interval: float = 0.2) -> None:
        self.redis = redis
        self.interval = interval

    async def one_by_one(self, n: int) -> float:
        from bench.theirs import add, broker

        async def work() -> None:
            for i in range(n):
                await add.kiq(i, "a@b.c", 1.5)

        await broker.startup()
        return n / await timed(work)

    async def bulk(self, n: int) -> float:
        from bench.theirs import add, broker

        async def work() -> None:
            for start in range(0, n, 100):
                await asyncio.gather(*(add.kiq(i, "a@b.c", 1.5) for i in range(start, start + 100)))

        await broker.startup()
        return n / await timed(work)

    async def process(self, n: int) -> float:
        from bench.theirs import add, broker

        await broker.startup()
        sent = []
        for start in range(0, n, 100):
            sent += await asyncio.gather(*(add.kiq(i, "a@b.c", 1.5) for i in range(start, start + 100)))
        speed = await rate(self.redis, n, THEIRS)
        for i in (0, n // 2, n - 1):
            assert (await sent[i].wait_result(timeout=5)).return_value == {"order_id": i, "total": 1.5}
        return speed

    async def latency(self, n: int) -> list[float]:
        from bench.theirs import add, broker

        async def there_and_back() -> None:
            await (await add.kiq(1, "a@b.c", 1.5)).wait_result(check_interval=self.interval, timeout=20)

        await broker.startup()
        async with worker(THEIRS):
            await there_and_back()
            return [await timed(there_and_back) for _ in range(n)]


async def measure(url: str, *, rounds: int, quick: bool) -> dict[str, dict[str, float]]:
    """Return medians by measurement and library."""
    scale = 4 if quick else 1
    sizes = {"one_by_one": (4000, 2000), "bulk": (40_000, 4000), "process": (100_000, 10_000)}
    samples: dict[str, dict[str, list[float]]] = {}
    async with Redis.from_url(url) as redis:
        for round in range(rounds):
            for name, counts in sizes.items():
                for library, count in zip((Typedtasks(redis), Taskiq(redis)), counts, strict=True):
                    await redis.flushall()
                    value = await getattr(library, name)(count // scale)
                    samples.setdefault(name, {}).setdefault(type(library).__name__, []).append(value)
                    print(f"  round {round + 1}: {name:12} {type(library).__name__:12} {value:12,.0f}/s", flush=True)
            for label, side, count in (
                ("Typedtasks", Typedtasks(redis), 400),
                ("Taskiq", Taskiq(redis), 12),
                ("Taskiq, 1 ms", Taskiq(redis, 0.001), 200),
            ):
                await redis.flushall()
                times = [1000 * seconds for seconds in await side.latency(count // scale)]
                samples.setdefault("latency", {}).setdefault(label, []).append(statistics.median(times))
                p99 = sorted(times)[int(len(times) * 0.99)]
                print(
                    f"  round {round + 1}: {'latency':12} {label:12} {statistics.median(times):12.2f} ms (p99 {p99:.2f})",
                    flush=True,
                )
    return {name: {library: statistics.median(values) for library, values in by.items()} for name, by in samples.items()}


def report(medians: dict[str, dict[str, float]]) -> None:
    """Print the medians, the ratios, and which targets are met."""
    print(f"\n{'median':14}{'typedtasks':>14}{'Taskiq':>14}{'ratio':>9}   target")
    for name in ("one_by_one", "bulk", "process"):
        ours, theirs = medians[name]["Typedtasks"], medians[name]["Taskiq"]
        target = TARGETS.get(name)
        verdict = "" if target is None else f"at least {target:g}x: {'met' if ours / theirs >= target else 'MISSED'}"
        print(f"{name:14}{ours:>12,.0f}/s{theirs:>12,.0f}/s{ours / theirs:>8.1f}x   {verdict}")
    latency = medians["latency"]
    verdict = "met" if latency["Typedtasks"] < 2 else "MISSED"
    print(f"{'idle latency':14}{latency['Typedtasks']:>11.2f} ms{latency['Taskiq']:>11.2f} ms{'':9}   below 2 ms: {verdict}")
    print(f"{'':28}{latency['Taskiq, 1 ms']:>11.2f} ms{'':9}   (Taskiq with check_interval=0.001)")


def main() -> None:
    """Run it all on a Redis of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the tasks, one round")
    options = parser.parse_args()
    with redis_server() as server:
        os.environ["BENCH_URL"] = server.url
        print(f"Measuring on a Redis of its own, {'1 round' if options.quick else '3 rounds, alternating'}; uvloop on both sides.")
        medians = uvloop.run(measure(server.url, rounds=1 if options.quick else 3, quick=options.quick))
    report(medians)
    folder = Path("bench/results")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(medians, indent=2) + "\n")


if __name__ == "__main__":
    main()
