"""Group commit: single items leave in batches, and no item waits for a timer."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Batcher", "cancel_and_wait"]

T = TypeVar("T")
A = TypeVar("A")


async def cancel_and_wait(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks and return when all have ended. Asked again every 0.2 s, because a client library may lose a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


class _Submission(NamedTuple, Generic[T, A]):
    """Items of one submitter, and who waits for their answers."""

    items: Sequence[T]
    waiter: asyncio.Future[Sequence[A]]


class Batcher(Generic[T, A]):
    """Sends items through `send`, which takes a batch and returns one answer for each item.

    An item that comes while nothing is under way leaves at once; those that come while a batch is under way leave together, at
    most `limit` of them at a time, when it is back. So a lone item pays nothing, a thousand concurrent ones cost a few calls, and
    a hundred thousand cost each no more than a thousand do. An error of `send` goes to everyone whose item was in that batch. A
    submitter that is cancelled does not take its neighbours with it, and sends nothing if its turn has not come.

    While submitters come one at a time, each calls `send` itself, which saves a task for each of them; as soon as two have met,
    a task sends, so that those who come in the same turn of the event loop leave together.
    """

    def __init__(self, send: Callable[[list[T]], Awaitable[Sequence[A]]], *, limit: int) -> None:
        self._send = send
        self._limit = limit
        self._waiting: deque[_Submission[T, A]] = deque()
        self._under_way: asyncio.Future[None] | None = None
        """Done when nothing is under way any more: a task that sends, or what a lone submitter waits for."""
        self._alone = True

    async def submit(self, items: Sequence[T]) -> Sequence[A]:
        """Return the answers for `items`, which stay together when there are no more than `limit` of them."""
        if len(items) > self._limit:
            answers: list[A] = []
            for start in range(0, len(items), self._limit):
                answers += await self.submit(items[start : start + self._limit])
            return answers
        if self._alone and self._under_way is None:
            return await self._send_alone(items)
        # A future for each submitter: one that is cancelled takes nobody with it.
        waiter: asyncio.Future[Sequence[A]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Submission(items, waiter))
        if self._under_way is None:
            self._begin()
        return await waiter

    async def close(self) -> None:
        """Return when everything submitted so far has been answered."""
        while self._under_way is not None:
            await asyncio.wait([self._under_way])

    def _begin(self) -> None:
        # In a context of its own: it sends for many, and the variables of who came first are nobody else's.
        self._under_way = asyncio.get_running_loop().create_task(
            self._send_all(), name="typedtasks-batcher", context=contextvars.Context()
        )

    async def _send_alone(self, items: Sequence[T]) -> Sequence[A]:
        under_way = self._under_way = asyncio.get_running_loop().create_future()
        try:
            return await self._send(list(items))
        finally:
            self._under_way = None
            if self._waiting:
                self._begin()
            under_way.set_result(None)

    async def _send_all(self) -> None:
        try:
            while batch := self._next_batch():
                self._alone = len(batch) == 1
                await self._send_batch(batch)
        finally:
            self._under_way = None

    def _next_batch(self) -> list[_Submission[T, A]]:
        """Take the submissions that leave together."""
        batch: list[_Submission[T, A]] = []
        room = self._limit
        while self._waiting and len(self._waiting[0].items) <= room:
            submission = self._waiting.popleft()
            if not submission.waiter.done():  # else it was cancelled
                batch.append(submission)
                room -= len(submission.items)
        return batch

    async def _send_batch(self, batch: list[_Submission[T, A]]) -> None:
        try:
            answers = await self._send([item for submission in batch for item in submission.items])
        except Exception as error:  # noqa: BLE001 - it is not swallowed: every submitter gets it
            for _, waiter in batch:
                if not waiter.done():
                    waiter.set_exception(error)
            return
        start = 0
        for items, waiter in batch:
            if not waiter.done():
                waiter.set_result(answers[start : start + len(items)])
            start += len(items)
