"""The primary of a service: Sentinels are asked for it each time that a connection is opened."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, cast

from typedtasks.backends.redis.address import Address, SentinelAddress
from typedtasks.backends.redis.protocol import Connection, ReplyError, connect
from typedtasks.backends.redis.watching import Watch
from typedtasks.batching import cancel_and_wait

__all__ = ["Sentinels"]

_SENTINEL_PATIENCE: Final = 1.0
"""Seconds that a Sentinel has to answer. All are asked at the same time, so one that is gone delays nobody."""
_PRIMARY_PATIENCE: Final = 1.5
"""Seconds that a primary has to take a connection and to say that it is one; it may be gone, and another be named by then."""
_PAUSE: Final = 0.2
"""Seconds before the Sentinels are asked again while none of those whom they name is a primary."""


class _NoPrimaryError(ConnectionError):
    """Whoever is named is not there, or is no primary (any more): a fail-over is under way."""


class Sentinels:
    """Opens connections to whatever server is the primary of a service now. Implements `Server`."""

    may_move = True

    def __init__(self, address: SentinelAddress, shown: str) -> None:
        self.shown = shown
        self._service = address.service
        self._sentinels = address.sentinels
        self._primary = address.primary
        self._watch = Watch(self._is_replaced)
        self._left: Address | None = None
        """Whose connections were closed because another is the primary: a Sentinel that is late may still name it."""

    async def connect(self, timeout: float, patience: float, *, blocks: float = 0.0) -> Connection:
        """Return a connection to a server that says that it is a primary. A fail-over is waited for as long as `patience`."""
        refused = _NoPrimaryError(f"its Sentinels named no primary of {self._service!r} within {patience:g} s")
        try:
            async with asyncio.timeout(patience):
                while True:
                    try:
                        address, connection = await self._connect(timeout)
                        self._watch.add(connection, address, blocks=blocks)
                        return connection
                    except _NoPrimaryError as error:
                        refused = error
                    await asyncio.sleep(_PAUSE * random.uniform(0.5, 1.0))
        except TimeoutError:
            raise refused from None

    async def _is_replaced(self, address: Address) -> bool:
        """Ask the Sentinels whether another server is the primary now, and that server, too."""
        async with asyncio.timeout(_PRIMARY_PATIENCE), aclosing(self._named()) as named:
            async for other in named:
                if other != address:
                    (await _connect_to_primary(other, _PRIMARY_PATIENCE)).close()
                    self._left = address
                    return True
        return False

    async def _connect(self, timeout: float) -> tuple[Address, Connection]:
        """Try whom the Sentinels name, those of the first answer first; but not who was left for another, while there is one."""
        refused: dict[Address, Exception] = {}
        async with aclosing(self._named()) as named:
            async for address in named:
                if address in refused or address == self._left:
                    continue
                try:
                    return address, await _connect_to_primary(address, timeout)
                except OSError as error:
                    refused[address] = error
        self._left = None  # if nobody else is named, it is tried the next time
        reasons = "; ".join(f"{address.name}: {error}" for address, error in refused.items())
        raise _NoPrimaryError(f"its service {self._service!r} has no primary now ({reasons})")

    async def _named(self) -> AsyncGenerator[Address, None]:
        """Yield what each Sentinel says as soon as it does. Raises `ConnectionError` when none of them knows anything."""
        asking = {asyncio.create_task(self._ask(sentinel)): sentinel for sentinel in self._sentinels}
        waiting = set(asking)
        silent: list[str] = []
        knows = False
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    error = task.exception()
                    if error is not None:
                        silent.append(_said(asking[task], error))
                    elif (address := task.result()) is not None:
                        knows = True
                        yield address
        finally:
            await cancel_and_wait(waiting)
        if len(silent) == len(asking):
            raise ConnectionError(f"none of its Sentinels has an answer: {'; '.join(silent)}")
        if not knows:
            raise ConnectionError(f"its Sentinels know no service {self._service!r}")

    async def _ask(self, sentinel: Address) -> Address | None:
        connection = await connect(sentinel, timeout=_SENTINEL_PATIENCE, patience=_SENTINEL_PATIENCE)
        try:
            # Any: a list of host and port, or nothing.
            named = await connection.call(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service))
        finally:
            connection.close()
            await connection.lost
        if named is None:
            return None
        host, port = cast("list[bytes]", named)
        return self._primary.at(host.decode(), int(port))


async def _connect_to_primary(address: Address, timeout: float) -> Connection:
    try:
        async with asyncio.timeout(_PRIMARY_PATIENCE):
            connection = await connect(address, timeout=timeout, patience=_PRIMARY_PATIENCE)
            try:
                role = cast("list[bytes]", await connection.call(("ROLE",)))[0].decode()
                if role != "master":
                    raise ConnectionError(f"it says that it is no primary, but a {role}")
            except BaseException:
                connection.close()
                raise
            return connection
    except TimeoutError:
        raise TimeoutError(f"no answer within {_PRIMARY_PATIENCE:g} s") from None


def _said(sentinel: Address, error: BaseException) -> str:
    if isinstance(error, ReplyError):
        return f"{sentinel.name} refused to say ({error}); its user is given with sentinel_username and sentinel_password"
    return f"{sentinel.name}: {error}"
