"""What keeps a worker's lease on Redis alive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Thread
from typing import Final

from typedtasks.backend import SessionId
from typedtasks.backends.redis.connection import translated
from typedtasks.backends.redis.deployment import deployment_of
from typedtasks.backends.redis.script import Script
from typedtasks.errors import BackendUnavailable

__all__ = ["RedisLeaseKeeper"]

_TIMEOUT: Final = 2.0
_PATIENCE: Final = 5.0
"""Seconds that a renewal may take in all: then it is begun again, and the Sentinels or the cluster are asked again."""
_WHAT: Final = "Renewing a lease"


class RedisLeaseKeeper:
    """Renews a session's lease, on connections, an event loop and a thread of its own: so it may be called from any thread."""

    def __init__(self, url: str, script: Script, session: SessionId, queues: Sequence[str], lease_ms: int) -> None:
        self._deployment = deployment_of(url)
        self._commands = self._deployment.commands(timeout=_TIMEOUT)
        self._script = script
        self._arguments = (session, lease_ms)
        self._queues = tuple(queues)
        self._loop = asyncio.new_event_loop()
        # A daemon: whoever exits does not wait for a Redis that hangs.
        self._thread = Thread(target=self._loop.run_forever, name="typedtasks-lease", daemon=True)
        self._thread.start()

    def renew(self) -> bool:
        """Extend the lease in every queue. False: it had ended."""
        return asyncio.run_coroutine_threadsafe(self._renew(), self._loop).result()

    def close(self) -> None:
        """Close the connections."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._commands.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _renew(self) -> bool:
        """Renew in all queues, whatever becomes of each: one that cannot be reached does not end the leases of the others."""
        renewed = await asyncio.gather(*[self._renew_in(queue) for queue in self._queues], return_exceptions=True)
        if False in renewed:
            return False
        for answer in renewed:
            if isinstance(answer, BaseException):
                raise answer
        return True

    async def _renew_in(self, queue: str) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                try:
                    return await self._run(queue)
                except BackendUnavailable:  # the connection was idle, and may be gone; to renew twice does no harm
                    return await self._run(queue)
        except TimeoutError as error:
            raise translated(self._deployment.shown, _WHAT, error) from error

    async def _run(self, queue: str) -> bool:
        reply: object = await self._commands.run(self._script, queue, _WHAT, *self._arguments)
        return reply == 1
