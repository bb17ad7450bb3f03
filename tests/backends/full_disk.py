"""A worker on an SQLite file whose disk takes nothing for a while: run as `python -m tests.backends.full_disk FOLDER`.

Without `--ballast` a limit on the size of files (`RLIMIT_FSIZE`) stands for the full disk: it needs no rights, and refuses every
write of this process. With it FOLDER has to be a small file system, which is filled with a file:

    mount -t tmpfs -o size=1m tmpfs /mnt/small && python -m tests.backends.full_disk /mnt/small --ballast
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from typedtasks import BackendUnavailable, Broker, Worker

_LEASE = 0.6
_TASKS = 20


async def run(folder: Path, *, ballast: bool) -> None:
    """Fill the disk while a worker runs tasks, for three times its lease; then make room, and see that each was run once."""
    url = f"sqlite:///{folder / 'tasks.db'}"
    broker, neighbour = Broker(url), Broker(url)
    runs: list[int] = []
    stolen: list[int] = []
    go_on = asyncio.Event()

    @broker.task(name="work")
    async def work(number: int) -> int:
        runs.append(number)
        await go_on.wait()
        return number

    @neighbour.task(name="work")
    async def steal(number: int) -> int:
        stolen.append(number)
        return number

    async with asyncio.timeout(60), broker, neighbour, Worker(broker, lease=_LEASE):
        handles = [await work.enqueue(number) for number in range(_TASKS)]
        while len(runs) < _TASKS:
            await asyncio.sleep(0.01)
        async with Worker(neighbour, lease=_LEASE):
            with _full_disk(folder, ballast=ballast):
                refused = await _refusal(broker, 1000)
                go_on.set()  # now they end, and their results cannot be settled
                began, spent = time.monotonic(), time.process_time()
                await asyncio.sleep(3 * _LEASE)
                load = (time.process_time() - spent) / (time.monotonic() - began)
                assert [await handle.peek() for handle in handles] == [None] * _TASKS
            assert [await handle.result() for handle in handles] == list(range(_TASKS))
            assert (sorted(runs), stolen) == (list(range(_TASKS)), []), "each was run once, by the worker that had it"
            assert await (await work.enqueue(99)).result() == 99
        assert (await broker.counts()).running == 0
    assert load < 0.5, f"a worker that waits for room is busy: {load:.2f}"
    print(f"refused with {refused}; {_TASKS} results, each of one execution; load while it was full: {load:.3f}")


async def _refusal(broker: Broker, most: int) -> str:
    """Enqueue until it is refused, and return with what."""
    work = broker.tasks["work"]
    for _ in range(most):
        try:
            await work.options(queue="nobody").enqueue(0)
        except BackendUnavailable as error:
            return type(error).__name__
    raise AssertionError("the disk is not full")


@contextmanager
def _full_disk(folder: Path, *, ballast: bool) -> Iterator[None]:
    if ballast:
        file = folder / "ballast"
        with file.open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(b"x" * 512)
        try:
            yield
        finally:
            file.unlink()
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ballast", action="store_true", help="fill the file system of FOLDER")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(run(arguments.folder, ballast=arguments.ballast))
