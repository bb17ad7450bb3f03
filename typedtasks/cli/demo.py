"""`typedtasks demo`: the main job in front of your eyes, with a real worker process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, TypeVar, cast

from typedtasks.errors import PayloadInvalid
from typedtasks.handle import TaskHandle
from typedtasks.outcome import Failure, Success
from typedtasks.worker.program import command_like_this

__all__ = ["run_demo"]

T = TypeVar("T")

_WORDS: Final = ("level", "queue", "radar", "typed", "civic", "worker", "noon", "lease", "kayak", "broker")
_PATIENCE: Final = 30.0
_WIDTH: Final = 40


def run_demo(url: str | None, tasks: int) -> int:
    """Run the demo and return 0 when everything came out as it should."""
    if url is not None:
        os.environ["TYPEDTASKS_URL"] = url  # the worker process reads it too
    return asyncio.run(_demo(tasks))


async def _demo(tasks: int) -> int:
    from typedtasks.cli.demo_tasks import Word, broker, study

    async with broker:
        await broker.purge("typedtasks-demo")
        print(f"Tasks are kept in {broker.url}.\n\n1. {tasks} tasks go in; no worker is running yet.")
        begun = time.perf_counter()
        handles = await broker.enqueue_many([study.call(_WORDS[n % len(_WORDS)], repeat=1 + n % 3) for n in range(tasks)])
        print(f"   await broker.enqueue_many([study.call('level', repeat=1), ...])   {time.perf_counter() - begun:.3f} s")
        print("\n2. A worker process starts: typedtasks worker typedtasks.cli.demo_tasks:broker")
        worker = await _start_worker()
        try:
            words = await _gather_with_progress(handles)
            print(f"\n3. Typed results: {len(words)} of {Word.__name__}, validated in the worker and again here.")
            for word in words[:3]:
                print(f"   {word!r}")
            await _show_refusal()
            return await _show_failure()
        finally:
            await _stop_worker(worker)


async def _gather_with_progress(handles: Sequence[TaskHandle[T]]) -> list[T]:
    done = 0

    async def wait(handle: TaskHandle[T]) -> T:
        nonlocal done
        result = await handle.result(timeout=_PATIENCE)
        done += 1
        _show_progress(done, len(handles))
        return result

    return list(await asyncio.gather(*map(wait, handles)))


def _show_progress(done: int, total: int) -> None:
    filled = _WIDTH * done // total
    bar = "#" * filled + "." * (_WIDTH - filled)
    if sys.stdout.isatty():
        print(f"\r   [{bar}] {done}/{total}", end="\n" if done == total else "", flush=True)
    elif done == total or done % max(1, total // 4) == 0:
        print(f"   [{bar}] {done}/{total}", flush=True)


async def _show_refusal() -> None:
    from typedtasks.cli.demo_tasks import study

    print("\n4. A bad payload is refused where it is sent: await study.enqueue('radar', repeat=99)")
    # Any: a type checker would refuse this call as well, and the demo wants to show the refusal at run time.
    wrong = cast("Any", 99)
    try:
        await study.enqueue("radar", repeat=wrong)
    except PayloadInvalid as error:
        print(f"   PayloadInvalid: {error}".replace("\n", "\n   "))


async def _show_failure() -> int:
    from typedtasks.cli.demo_tasks import UnknownWord, look_up

    print("\n5. A task fails as it declares, and the failure arrives with its type: await look_up.enqueue('quene')")
    match await (await look_up.enqueue("quene")).outcome(timeout=_PATIENCE):
        case Failure(UnknownWord() as error):
            print(f"   Failure(UnknownWord(word={error.word!r}, suggestion={error.suggestion!r}))")
        case other:
            print(f"   unexpected: {other!r}")
            return 1
    match await (await look_up.enqueue("queue")).outcome(timeout=_PATIENCE):
        case Success(page):
            print(f"   and for 'queue', which is there: Success({page})")
        case other:
            print(f"   unexpected: {other!r}")
            return 1
    return 0


async def _start_worker() -> asyncio.subprocess.Process:
    command = command_like_this("worker", "typedtasks.cli.demo_tasks:broker", "--log-level", "error")
    return await asyncio.create_subprocess_exec(*command, start_new_session=True)


async def _stop_worker(worker: asyncio.subprocess.Process) -> None:
    print("\n6. The worker is told to stop (SIGTERM) ...", end=" ", flush=True)
    if worker.returncode is None:
        worker.send_signal(signal.SIGTERM)
    try:
        code = await asyncio.wait_for(worker.wait(), _PATIENCE)
    except TimeoutError:
        worker.kill()
        code = await worker.wait()
    print(f"and ended with code {code}.")
