"""Group commit: single items leave in batches, and no item waits for a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Batcher", "cancel_and_wait"]

T = TypeVar("T")
A = TypeVar("A")


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and return when all have ended. Asked again every 0.2 s, because a client library may lose a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


class _Gathering(Generic[T, A]):
    """A batch that has not left yet, and who waits for which part of its answers."""

    __slots__ = ("items", "taken", "waiters")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.waiters: list[tuple[asyncio.Future[Sequence[A]], int, int]] = []
        self.taken: asyncio.Future[None] | None = None
        """Made by whoever waits for the next batch; done when this one leaves."""

    def answer(self, answers: Sequence[A]) -> None:
        """Give everyone the answers to their items."""
        for waiter, start, end in self.waiters:
            if not waiter.done():
                waiter.set_result(answers[start:end])

    def fail(self, error: Exception) -> None:
        """Tell everyone."""
        for waiter, _, _ in self.waiters:
            if not waiter.done():
                waiter.set_exception(error)


class Batcher(Generic[T, A]):
    """Sends items through `send`, which takes a batch and returns one answer for each item.

    An item that comes while nothing is under way leaves at once; those that come while a batch is under way leave together
    when it is back. So a lone item pays nothing, and a thousand concurrent ones cost a few calls. An error of `send` goes to
    everyone whose item was in that batch. A submitter that is cancelled does not take its neighbours with it.

    While submitters come one at a time, each calls `send` itself, which saves a task for each of them; as soon as two have met,
    a task sends, so that those who come in the same turn of the event loop leave together.
    """

    def __init__(self, send: Callable[[list[T]], Awaitable[Sequence[A]]], *, limit: int) -> None:
        self._send = send
        self._limit = limit
        self._gathering: _Gathering[T, A] | None = None
        self._under_way: asyncio.Future[None] | None = None
        """Done when nothing is under way any more: a task that sends, or what a lone submitter waits for."""
        self._alone = True

    async def submit(self, items: Sequence[T]) -> Sequence[A]:
        """Return the answers for `items`, which stay together when there are no more than `limit` of them."""
        if self._alone and self._under_way is None and len(items) <= self._limit:
            return await self._send_alone(items)
        if len(items) > self._limit:
            answers: list[A] = []
            for start in range(0, len(items), self._limit):
                answers += await self.submit(items[start : start + self._limit])
            return answers
        loop = asyncio.get_running_loop()
        while (batch := self._gathering) is not None and len(batch.items) + len(items) > self._limit:
            batch.taken = batch.taken or loop.create_future()
            await asyncio.wait([batch.taken])
        if batch is None:
            batch = self._gathering = _Gathering()
            if self._under_way is None:
                self._under_way = loop.create_task(self._send_all(), name="typedtasks-batcher")
        start = len(batch.items)
        batch.items.extend(items)
        # A future for each submitter: one that is cancelled takes nobody with it.
        waiter: asyncio.Future[Sequence[A]] = loop.create_future()
        batch.waiters.append((waiter, start, start + len(items)))
        return await waiter

    async def close(self) -> None:
        """Return when everything submitted so far has been answered."""
        while self._under_way is not None:
            await asyncio.wait([self._under_way])

    async def _send_alone(self, items: Sequence[T]) -> Sequence[A]:
        loop = asyncio.get_running_loop()
        under_way = self._under_way = loop.create_future()
        try:
            return await self._send(list(items))
        finally:
            self._under_way = None
            if self._gathering is not None:
                self._under_way = loop.create_task(self._send_all(), name="typedtasks-batcher")
            under_way.set_result(None)

    async def _send_all(self) -> None:
        try:
            while (batch := self._gathering) is not None:
                self._gathering = None
                self._alone = len(batch.waiters) == 1
                if batch.taken is not None:
                    batch.taken.set_result(None)
                try:
                    batch.answer(await self._send(batch.items))
                except Exception as error:  # noqa: BLE001 - it is not swallowed: every submitter gets it
                    batch.fail(error)
        finally:
            self._under_way = None
