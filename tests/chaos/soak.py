"""`python -m tests.chaos.soak`: one worker under a steady load, and whether memory, descriptors and keys stay the same."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis

from tests.chaos.soaking import double
from tests.processes import started
from tests.redis_server import redis_server
from typedtasks import Broker

__all__ = ["Soak", "Wear"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What the worker and Redis occupy at one moment."""

    rss: int
    """Bytes of the worker's memory."""
    descriptors: int
    redis: int
    """Bytes that Redis uses."""
    keys: int
    latency: float
    """Seconds from call to result, the median since the last sample."""


@dataclass(slots=True)
class Wear:
    """What has changed between the second quarter of a run and the last one. The first quarter is the warm-up."""

    tasks: int = 0
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    def grown(self, value: Callable[[Sample], float]) -> float:
        """Return by how much the median of a value has grown."""
        return statistics.median(map(value, self._last)) - statistics.median(map(value, self._second))

    @property
    def per_hour(self) -> float:
        """Bytes by which the worker's memory grows in an hour, the slope of a line through the samples after the warm-up."""
        taken = self.samples[len(self.samples) // 4 :]
        step = self.seconds / max(1, len(self.samples))
        return 3600 * statistics.linear_regression([step * n for n in range(len(taken))], [s.rss for s in taken]).slope

    def failures(self, *, hour: bool) -> list[str]:
        """Return a sentence for everything that grows. Only a long run (`hour`) says something about memory per hour."""
        found = []
        if self.grown(lambda sample: sample.descriptors) > (0 if hour else 2):  # at first some are opened when they are needed
            found.append("descriptors grow")
        if self.grown(lambda sample: sample.keys) > 0.1 * max(50, statistics.median(s.keys for s in self._second)):
            found.append("keys grow")
        if hour and self.per_hour >= _MIB:
            found.append("the worker's memory grows by more than 1 MiB an hour")
        if self.grown(lambda sample: sample.rss) > 4 * _MIB:
            found.append("the worker's memory grows by more than 4 MiB")
        return found

    def __str__(self) -> str:
        last, second = self._last, self._second

        def row(name: str, value: Callable[[Sample], float], unit: str = "") -> str:
            before, after = (statistics.median(map(value, part)) for part in (second, last))
            return f"  {name:22} {before:12,.2f} -> {after:12,.2f} {unit}"

        slope = self.per_hour / _MIB

        return "\n".join(
            [
                f"{self.tasks:,} tasks in {self.seconds:.0f} s; medians of the second and the last quarter:",
                row("worker's memory", lambda sample: sample.rss / _MIB, f"MiB ({slope:+.2f} an hour)"),
                row("worker's descriptors", lambda sample: sample.descriptors),
                row("Redis memory", lambda sample: sample.redis / _MIB, "MiB"),
                row("Redis keys", lambda sample: sample.keys),
                row("call to result", lambda sample: 1000 * sample.latency, "ms"),
            ]
        )

    @property
    def _second(self) -> Sequence[Sample]:
        quarter = max(1, len(self.samples) // 4)
        return self.samples[quarter : 2 * quarter]

    @property
    def _last(self) -> Sequence[Sample]:
        return self.samples[-max(1, len(self.samples) // 4) :]


class Soak:
    """Sends `rate` tasks a second for `seconds`, awaits every result, and samples what is occupied."""

    def __init__(self, seconds: float, rate: float, say: Callable[[str], None] = lambda text: None) -> None:
        self._seconds = seconds
        self._rate = rate
        self._say = say
        self._wear = Wear()

    def run(self) -> Wear:
        """Return what has changed."""
        with redis_server() as server, tempfile.TemporaryDirectory() as folder:
            arguments = ("-m", "typedtasks", "worker", "tests.chaos.soaking:broker")
            with started(*arguments, folder=Path(folder), TYPEDTASKS_URL=server.url) as worker:
                worker.wait_for_output("Worker started")
                asyncio.run(self._load(server.url, worker.popen.pid))
        return self._wear

    async def _load(self, url: str, worker: int) -> None:
        broker = Broker(url, result_ttl=1.0)
        task = broker.task(name=double.name, result_ttl=1.0)(double.function)
        latencies: list[float] = []

        async def one(number: int) -> None:
            begun = time.perf_counter()
            assert await (await task.enqueue(number)).result(timeout=30) == 2 * number
            latencies.append(time.perf_counter() - begun)

        begun = time.monotonic()
        every = max(0.25, self._seconds / 240)
        with Redis.from_url(url) as redis:
            async with broker, asyncio.TaskGroup() as group:
                while (elapsed := time.monotonic() - begun) < self._seconds:
                    if elapsed >= every * (len(self._wear.samples) + 1):
                        self._wear.samples.append(_sample(redis, worker, latencies))
                        self._say(f"{elapsed:8.0f} s  {self._wear.tasks:,} tasks  {self._wear.samples[-1]}")
                        latencies.clear()
                    for _ in range(int(self._rate * elapsed) - self._wear.tasks):
                        group.create_task(one(self._wear.tasks))
                        self._wear.tasks += 1
                    await asyncio.sleep(0.01)
        self._wear.seconds = time.monotonic() - begun


def _sample(redis: Redis, worker: int, latencies: Sequence[float]) -> Sample:
    folder = Path(f"/proc/{worker}")
    rss = int((folder / "statm").read_text().split()[1]) * 4096
    used = int(redis.info("memory")["used_memory"])
    keys = sum(1 for _ in redis.scan_iter(count=1000))
    return Sample(rss, len(list((folder / "fd").iterdir())), used, keys, statistics.median(latencies) if latencies else 0.0)


def main() -> int:
    """Run what the command line asks for, and return 1 where something grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="for how long (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=2000.0, help="tasks a second (default: %(default)s)")
    options = parser.parse_args()
    wear = Soak(60 * options.minutes, options.rate, lambda text: print(text, flush=True)).run()
    failures = wear.failures(hour=options.minutes >= 10)
    print(wear)
    print("  " + ("nothing grows" if not failures else f"GROWS: {'; '.join(failures)}"))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
