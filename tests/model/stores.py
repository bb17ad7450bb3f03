"""The backends that the model is compared with, each with a time that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from redis import Redis

from typedtasks.backend import Backend
from typedtasks.backends.memory import MemoryBackend
from typedtasks.backends.redis import RedisBackend
from typedtasks.backends.sqlite import SQLiteBackend
from typedtasks.clock import ManualClock

__all__ = ["MemoryStore", "RedisStore", "SQLiteStore", "Store"]

_SHIFT = """
for _, name in ipairs({'w', 'delay'}) do
  for _, member in ipairs(redis.call('ZRANGE', ARGV[1] .. name, 0, -1)) do
    redis.call('ZINCRBY', ARGV[1] .. name, -ARGV[2], member)
  end
end
for _, name in ipairs(redis.call('HKEYS', ARGV[1] .. 'await')) do
  redis.call('HINCRBY', ARGV[1] .. 'await', name, -ARGV[2])
end
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. 'u:*')) do
  local left = redis.call('PTTL', key) - ARGV[2]
  if left > 0 then redis.call('PEXPIRE', key, left) else redis.call('DEL', key) end
end
"""


class Store(Protocol):
    """Makes backends for one run of the machine, and lets their time pass."""

    def new_backend(self) -> Backend:
        """Return a backend, not open yet."""
        ...

    def advance(self, queue: str, seconds: float) -> None:
        """Let time pass for a queue and its sessions."""
        ...


class MemoryStore:
    """Memory, on a clock that stands still."""

    def __init__(self, make: Callable[[ManualClock], MemoryBackend] = MemoryBackend) -> None:
        self._clock = ManualClock()
        self._make = make

    def new_backend(self) -> Backend:
        """Return an empty one."""
        return self._make(self._clock)

    def advance(self, queue: str, seconds: float) -> None:
        """Move the clock."""
        self._clock.advance(seconds)


class SQLiteStore:
    """A file, on a clock that stands still."""

    def __init__(self, path: Path) -> None:
        self._clock = ManualClock()
        self._path = path

    def new_backend(self) -> Backend:
        """Return one for the same file as before: each run has a queue of its own."""
        return SQLiteBackend(str(self._path), now=self._clock.now)

    def advance(self, queue: str, seconds: float) -> None:
        """Move the clock."""
        self._clock.advance(seconds)


class RedisStore:
    """A Redis. Its clock cannot be moved, so whatever it stores a time of is moved into the past."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis = cast("Redis", cast("Any", Redis).from_url(url))  # Any: redis-py leaves its type open

    def new_backend(self) -> Backend:
        """Return one for the same server as before: each run has a queue of its own."""
        return RedisBackend(self._url)

    def advance(self, queue: str, seconds: float) -> None:
        """Move leases, due times and windows. Marks of cancellations go by the times of the streams, which stay."""
        self._redis.eval(_SHIFT, 0, f"tt:{{{queue}}}:", int(seconds * 1000))

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()
