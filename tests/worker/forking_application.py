"""An application whose tasks fork their worker."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

from typedtasks import Broker, BrokerClosed, Depends

broker = Broker()
parent = os.getpid()
_fork = multiprocessing.get_context("fork")


shared: ContextVar[str] = ContextVar("shared", default="")
own: ContextVar[str] = ContextVar("own", default="")


class State:
    """What the lifespan yields."""


@broker.lifespan
async def life() -> AsyncIterator[State]:
    """Set a variable for all tasks."""
    shared.set("from the lifespan")
    yield State()


@broker.task(executor="process")
def sees_the_lifespan() -> tuple[str, str]:
    """Say what is set, and set something."""
    seen = (shared.get(), own.get())
    own.set("from another task")
    return seen


def note(text: str) -> None:
    """Append a line to the file that all processes of a test share."""
    with open(os.environ["TEST_LOG"], "a") as file:
        file.write(text + "\n")


def code_of(child: int) -> int:
    """Return with what a child has ended, or 0 in the child itself."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0


@broker.task
async def comes_back() -> int:
    """Fork, and return in both processes."""
    return code_of(os.fork())


@broker.task
async def comes_back_later() -> int:
    """Let the event loop of the child have its turn before."""
    child = os.fork()
    if not child:
        await asyncio.sleep(0)
        note("the child went on")
    return code_of(child)


@broker.task
async def raises() -> int:
    """Raise in the child."""
    child = os.fork()
    if not child:
        raise ValueError("in the child")
    return code_of(child)


@broker.task
def comes_back_in_thread() -> int:
    """The same in a thread."""
    return code_of(os.fork())


@broker.task
def exits_in_thread() -> int:
    """End the child as programs end."""
    child = os.fork()
    if not child:
        sys.exit(5)
    return code_of(child)


def connection() -> Iterator[int]:
    """Yield something that only the process that opened it may close."""
    yield os.getpid()
    note(f"closed by {'the worker' if os.getpid() == parent else 'a child'}")


async def async_connection() -> AsyncIterator[int]:
    """The same on the event loop."""
    yield os.getpid()
    note(f"closed by {'the worker' if os.getpid() == parent else 'a child'}")


@broker.task
def comes_back_with_dependencies(*, opened: int = Depends(connection)) -> int:
    """Return in both processes, where something is to be taken down."""
    return code_of(os.fork())


@broker.task
async def comes_back_with_async_dependencies(*, opened: int = Depends(async_connection)) -> int:
    """The same on the event loop."""
    return code_of(os.fork())


@broker.task(executor="process")
def comes_back_in_process() -> int:
    """The same in a child process of the worker."""
    return code_of(os.fork())


@broker.task
def terminates() -> int:
    """End a child with SIGTERM, which the worker itself handles."""
    child = _fork.Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join()
    return child.exitcode or 0


@broker.task
async def interrupts() -> int:
    """End a child with SIGINT, from the event loop."""
    child = os.fork()
    if not child:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except KeyboardInterrupt:
            os._exit(7)
    return code_of(child)


async def _leave() -> None:
    sys.exit(3)


@broker.task
async def leaves() -> None:
    """Call sys.exit in an asyncio task of its own, and in a callback: asyncio ends the event loop then."""
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.sleep(0.01)
    await asyncio.gather(_leave())


def square(number: int) -> int:
    """Return its square."""
    return number * number


@broker.task
def pools() -> list[int]:
    """Compute in a pool of children."""
    with _fork.Pool(2) as pool:
        return pool.map(square, range(4))


async def _send_from_child() -> int:
    try:
        await pools.enqueue()
    except BrokerClosed:
        async with broker:
            await leaf.enqueue(1)
        return 0
    return 1


def _send() -> None:
    os._exit(asyncio.run(_send_from_child()))


@broker.task
def sends_from_a_child() -> int:
    """Open the worker's broker anew in a child."""
    child = _fork.Process(target=_send)
    child.start()
    child.join()
    return -1 if child.exitcode is None else child.exitcode


@broker.task
async def leaf(number: int) -> int:
    """Be sent by a child."""
    note("a leaf")
    return number
