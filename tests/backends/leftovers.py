"""What a store holds that nothing will ever delete: the conformance suite looks for it after each case."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from redis import Redis

from tests.redis_server import ask
from typedtasks.backends.memory import MemoryBackend

__all__ = ["memory_leftovers", "redis_leftovers", "sqlite_leftovers"]

_STREAM = re.compile(rb"tt:\{[A-Za-z0-9_#-]+\}:s[012]")
_SHARDS = re.compile(rb"tt:\{[A-Za-z0-9_-]+\}:shards")
"""The keys that stay: see docs/redis.md."""


def memory_leftovers(backend: MemoryBackend) -> Iterator[str]:
    """Yield tasks and sessions. Outcomes and windows have a time to live."""
    for name, queue in backend.queues.items():
        for place in (queue.delayed, queue.running, queue.dead, *queue.ready.values()):
            yield from (f"{id} in {name}" for id in place)
    yield from (f"session {id}" for place in (backend.leases, backend.queues_of, backend.workers) for id in place)


def sqlite_leftovers(path: Path) -> Iterator[str]:
    """Yield tasks, sessions, outcomes and windows without a time to live, and files beside the database."""
    connection = sqlite3.connect(path)
    for table in ("task", "worker", "reads"):
        yield from (f"{table} {row}" for row in connection.execute(f"select * from {table}"))
    for table in ("result", "report", "once"):
        yield from (f"{table} {row}" for row in connection.execute(f"select * from {table} where expires is null"))
    connection.close()
    yield from (str(found) for found in path.parent.glob(f"{path.name}-*"))


def redis_leftovers(servers: Sequence[Redis]) -> Iterator[str]:
    """Yield keys without a time to live, but for streams that are empty and whose group has no consumer."""
    for redis in servers:
        keys: list[bytes] = list(redis.scan_iter(count=1000))
        with redis.pipeline(transaction=False) as asking:
            for key in keys:
                asking.pttl(key)
            lives: list[int] = asking.execute()
        for key, life in zip(keys, lives, strict=True):
            if life == -1 and not _SHARDS.fullmatch(key) and not (_STREAM.fullmatch(key) and _is_at_rest(redis, key)):
                yield key.decode("utf-8", "replace")


def _is_at_rest(redis: Redis, stream: bytes) -> bool:
    # Any: redis-py does not type the answers.
    groups: list[Any] = ask(redis, "XINFO", "GROUPS", stream)
    return redis.xlen(stream) == 0 and all(group[b"consumers"] == group[b"pending"] == 0 for group in groups)
