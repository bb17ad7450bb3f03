"""Servers that others may replace without a word: when one is slow, someone else is asked whether it still is the one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from typedtasks.backends.redis.address import Address
from typedtasks.backends.redis.protocol import Connection, ReplyError
from typedtasks.errors import TypedTasksError
from typedtasks.logs import Log

__all__ = ["ASK_AGAIN", "SLOW_AFTER", "Watch"]

SLOW_AFTER: Final = 0.5
"""Seconds without an answer (beyond the time that a command may block) until somebody else is asked."""
ASK_AGAIN: Final = 0.2

_log = Log("typedtasks.redis")


class Watch:
    """Knows the open connections of some servers, and closes all of a server that another one has replaced.

    `is_replaced` asks the others. It is called only while an answer of that server is late, so whoever is idle or quick costs
    nothing. Commands that wait for the closed connections raise `ConnectionError`, as if the server had closed them.
    """

    def __init__(self, is_replaced: Callable[[Address], Awaitable[bool]]) -> None:
        self._is_replaced = is_replaced
        self._open: dict[Connection, Address] = {}
        self._looks: dict[Address, asyncio.Task[None]] = {}

    def add(self, connection: Connection, address: Address, *, blocks: float) -> None:
        """Watch a connection to a server, whose commands may block for `blocks` seconds."""
        self._open[connection] = address
        connection.watch(blocks + SLOW_AFTER, ASK_AGAIN, lambda: self._suspect(address))
        connection.lost.add_done_callback(lambda _: self._forget(connection, address))

    def _suspect(self, address: Address) -> None:
        if address not in self._looks:
            look = self._looks[address] = asyncio.create_task(self._look(address), name="typedtasks-redis-look")
            look.add_done_callback(lambda _: self._looks.pop(address, None))

    def _forget(self, connection: Connection, address: Address) -> None:
        del self._open[connection]
        if address in self._looks and address not in self._open.values():
            self._looks[address].cancel()

    async def _look(self, address: Address) -> None:
        try:
            if not await self._is_replaced(address):
                return
        except (OSError, ReplyError, TypedTasksError) as error:
            _log.debug("%s is slow, and nobody says whether another server has taken its place: %s", address.name, error)
            return
        _log.info("Leaving %s: another server has taken its place.", address.name)
        for connection, target in list(self._open.items()):
            if target == address:
                connection.close(ConnectionError("another server has taken its place"))
