"""What keeps a worker's lease on Redis alive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from typedtasks.backend import SessionId
from typedtasks.backends.redis.connection import Script, prefix_of
from typedtasks.backends.urls import redacted
from typedtasks.errors import BackendUnavailable

__all__ = ["RedisLeaseKeeper"]


class RedisLeaseKeeper:
    """Renews a session's lease from a thread, on a connection of its own."""

    def __init__(self, url: str, script: Script, session: SessionId, queues: Sequence[str], lease_ms: int) -> None:
        self._url = url
        self._script = script
        self._arguments = (session, lease_ms)
        self._queues = tuple(queues)
        self._redis = cast(
            "Redis",
            # Any: redis-py leaves the type of from_url's result open.
            cast("Any", Redis).from_url(
                url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=2.0, socket_connect_timeout=2.0
            ),
        )

    def renew(self) -> bool:
        """Extend the lease in every queue. False: it had ended."""
        try:
            return False not in [self._renew(prefix_of(queue)) for queue in self._queues]
        except exceptions.RedisError as error:
            raise BackendUnavailable(f"Renewing a lease: Redis at {redacted(self._url)} did not do it ({error}).") from error

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def _renew(self, prefix: str) -> bool:
        # Any: redis-py types replies as a union of everything.
        execute = cast("Any", self._redis).execute_command
        try:
            return bool(execute("EVALSHA", self._script.sha, 1, prefix + "w", prefix, *self._arguments) == 1)
        except exceptions.NoScriptError:
            return bool(execute("EVAL", self._script.text, 1, prefix + "w", prefix, *self._arguments) == 1)
