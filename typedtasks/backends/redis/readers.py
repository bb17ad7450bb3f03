"""The blocking reads of a session: one command for all queues of a server; in a cluster, one for each queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from typedtasks.backend import SessionId
from typedtasks.backends.redis.connection import Executor
from typedtasks.backends.redis.deployment import Deployment
from typedtasks.backends.redis.protocol import Reply
from typedtasks.backends.redis.script import prefix_of
from typedtasks.batching import cancel_and_wait
from typedtasks.errors import TypedTasksError

__all__ = ["Readers"]

_WHAT: Final = "Waiting for tasks"
_PATIENCE: Final = (0.005, 0.02, 0.1, 0.4)
"""Seconds that a read which was unblocked has to answer, before it is unblocked again: it may not have been blocked yet."""

_TOGETHER: Final = 0.01
"""Seconds between the ends of reads that began together, when none has found anything."""

_Streams: TypeAlias = list[Reply]


class Readers:
    """Waits for the first entry on any stream of a session's queues.

    `doubt` is called where entries may have been handed out to a connection that is gone.
    """

    def __init__(
        self, deployment: Deployment, commands: Executor, session: SessionId, queues: Sequence[str], doubt: Callable[[], None]
    ) -> None:
        self._commands = commands
        self._doubt = doubt
        self._readers = [_Reader(deployment.reader(), session, group) for group in deployment.groups(queues)]

    async def read(self, seconds: float) -> _Streams:
        """Return for each stream that has something its name and entries, as soon as one has; nothing after `seconds`.

        Raises what an `Executor` does: `GroupMissing` where a consumer group is.
        """
        if len(self._readers) == 1:
            return await self._readers[0].read(seconds)
        return await self._race(seconds)

    async def close(self) -> None:
        """Close the connections."""
        for reader in self._readers:
            await reader.commands.close()

    async def _race(self, seconds: float) -> _Streams:
        """Return what comes first, and whatever the other reads have been given by the time that they are ended."""
        reads = {asyncio.create_task(reader.read_wakeably(seconds)): reader for reader in self._readers}
        try:
            done, _ = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
            if not any(_found(read) for read in done):
                await asyncio.wait(reads, timeout=_TOGETHER)  # their time is over, too: they end by themselves
            await asyncio.gather(*[self._end(read, reader) for read, reader in reads.items() if not read.done()])
        finally:
            await cancel_and_wait(read for read in reads if not read.done())  # each closes its connection
        found: _Streams = []
        failure: BaseException | None = None
        for read in reads:
            if read.cancelled() or read.exception() is not None:
                self._doubt()
                failure = failure or (None if read.cancelled() else read.exception())
            else:
                found += read.result()
        if failure is not None and not found:
            raise failure
        return found

    async def _end(self, read: asyncio.Task[_Streams], reader: _Reader) -> None:
        """Have a blocked read answer now: what it was given comes with its answer. To cancel it would cost its connection."""
        for patience in _PATIENCE:
            if not reader.client and patience > _PATIENCE[0]:
                return  # it does not block, but tries to connect: nothing was sent
            if reader.client:
                try:
                    await self._commands.command(reader.queue, _WHAT, "CLIENT", "UNBLOCK", reader.client)
                except TypedTasksError:
                    return
            _, blocked = await asyncio.wait([read], timeout=patience)
            if not blocked:
                return


def _found(read: asyncio.Task[_Streams]) -> bool:
    return not read.cancelled() and read.exception() is None and bool(read.result())


class _Reader:
    """Reads the streams of some queues, blocking."""

    def __init__(self, commands: Executor, session: SessionId, queues: Sequence[str]) -> None:
        self.commands = commands
        self.queue = queues[0]
        self.client = 0
        """The connection's number while it may be blocked."""
        self._session = session
        streams = [f"{prefix_of(queue)}s{priority}" for queue in queues for priority in range(3)]
        self._streams = (*streams, *([">"] * len(streams)))

    async def read(self, seconds: float) -> _Streams:
        """Return what arrives first; nothing after `seconds`."""
        block = ("GROUP", "g", self._session, "COUNT", 1, "BLOCK", max(1, int(seconds * 1000)), "STREAMS")
        reply: _Streams | None = await self.commands.command(self.queue, _WHAT, "XREADGROUP", *block, *self._streams)
        return reply or []

    async def read_wakeably(self, seconds: float) -> _Streams:
        """Return what `read` returns, and say meanwhile which connection may be unblocked."""
        try:
            self.client = await self.commands.command(self.queue, _WHAT, "CLIENT", "ID")
            return await self.read(seconds)
        finally:
            self.client = 0
