"""An application whose tasks have injected parameters, wherever they run."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from typedtasks import Broker, Context, Depends, Injected

broker = Broker()


def log(line: str) -> None:
    """Append a line to the file that all processes of a test share."""
    with Path(os.environ["TEST_LOG"]).open("a") as file:
        file.write(line + "\n")


@dataclass
class State:
    """What the lifespan yields."""

    process: int


@broker.lifespan
async def state() -> AsyncIterator[State]:
    """One for each process."""
    log(f"enter {os.getpid()}")
    yield State(os.getpid())
    log(f"leave {os.getpid()}")


async def session(state: Injected[State]) -> AsyncIterator[int]:
    """A session, taken down on the event loop."""
    try:
        yield state.process
    finally:
        log(f"close session {os.getpid()}")


def cursor(session: int = Depends(session)) -> Iterator[int]:
    """A cursor, taken down where the task runs."""
    thread = threading.get_ident()
    try:
        yield session
    finally:
        log(f"close cursor {os.getpid()} {thread == threading.get_ident()}")


Report = tuple[int, int, int, str, int]


@broker.task(name="inj.process", executor="process")
def in_process(x: int, cursor: int = Depends(cursor), state: Injected[State] = Depends(), context: Context = Depends()) -> Report:
    """Return what was injected in a child process."""
    context.progress(1, 2, "process")
    return x + 1, cursor, state.process, context.task_id, os.getpid()


@broker.task(name="inj.thread")
def in_thread(x: int, cursor: int = Depends(cursor), state: Injected[State] = Depends(), context: Context = Depends()) -> Report:
    """Return what was injected in a thread."""
    context.progress(1, 2, "thread")
    return x + 1, cursor, state.process, context.task_id, os.getpid()


@broker.task(name="inj.loop")
async def on_loop(
    x: int, cursor: int = Depends(cursor), state: Injected[State] = Depends(), context: Context = Depends()
) -> Report:
    """Return what was injected on the event loop."""
    context.progress(1, 2, "loop")
    return x + 1, cursor, state.process, context.task_id, os.getpid()


@broker.task(name="inj.spin")
def spin(cursor: int = Depends(cursor), context: Context = Depends()) -> None:
    """Go on until it is cancelled."""
    log(f"start spin {os.getpid()}")
    while not context.cancelled:
        time.sleep(0.005)
    log(f"saw it {os.getpid()}")


@broker.task(name="inj.wait")
async def wait(cursor: int = Depends(cursor)) -> None:
    """Wait for ever."""
    log(f"start wait {os.getpid()}")
    await asyncio.Event().wait()
