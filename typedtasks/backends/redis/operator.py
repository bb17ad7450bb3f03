"""The operator's side of the Redis backend: look, replay, purge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, cast

from typedtasks.backend import Counts, DeadLetter, TaskId, Waiting
from typedtasks.backends.redis.connection import Commands, Script, prefix_of

__all__ = ["Operator"]

_PACKED: Final = re.compile(rb"(\d) (\d+) (\d+) ")
_CHUNK: Final = 500


class Operator:
    """Looks into the queues and mends them."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def counts(self, queue: str) -> Counts:
        """Return how many tasks of the queue are in each state."""
        ready, running, delayed, parked, dead = cast(
            "list[int]", await self._commands.run(Script("counts"), queue, "Counting tasks")
        )
        return Counts(ready, running, delayed, parked, dead)

    async def peek(self, queue: str, limit: int) -> list[Waiting]:
        """Return ready tasks, then running ones, then delayed and parked ones."""
        prefix = prefix_of(queue)
        ready: list[Waiting] = []
        running: list[Waiting] = []
        for priority in range(3):
            stream = f"{prefix}s{priority}"
            held = await self._pending(stream)
            entries = await self._commands.command("Looking into a queue", "XRANGE", stream, "-", "+", "COUNT", limit + len(held))
            for entry, fields in entries:
                values = dict(zip(fields[::2], fields[1::2], strict=False))
                state: Literal["ready", "running"] = "running" if entry in held else "ready"
                id = TaskId(values.get(b"i", b"").decode("utf-8", "replace"))
                waiting = Waiting(id, queue, priority, state, 0, "", values.get(b"b", b""))
                (running if entry in held else ready).append(waiting)
        found = ready + running
        if len(found) < limit:
            found += await self._delayed(queue, limit - len(found))
        return found[:limit]

    async def dead_letters(self, queue: str, limit: int) -> list[DeadLetter]:
        """Return dead letters, the oldest first."""
        rows = await self._scored(f"{prefix_of(queue)}dead", f"{prefix_of(queue)}deadb", limit)
        letters: list[DeadLetter] = []
        for id, died_ms, packed in rows:
            priority, deliveries, reason, body = _unpack(packed)
            letters.append(DeadLetter(id, queue, priority, reason, died_ms, deliveries, body))
        return letters

    async def replay(self, queue: str, ids: Sequence[TaskId]) -> int:
        """Make dead letters ready again and return how many were found."""
        found = 0
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            found += cast("int", await self._commands.run(Script("replay"), queue, "Replaying dead letters", *chunk))
        return found

    async def purge(self, queue: str, *, dead: bool) -> int:
        """Delete what waits, or the dead letters."""
        return cast("int", await self._commands.run(Script("purge"), queue, "Purging a queue", int(dead)))

    async def _pending(self, stream: str) -> set[bytes]:
        if not await self._commands.command("Looking into a queue", "EXISTS", stream):
            return set()
        groups = await self._commands.command("Looking into a queue", "XINFO", "GROUPS", stream)
        if not groups:
            return set()
        rows = await self._commands.command("Looking into a queue", "XPENDING", stream, "g", "-", "+", 100_000)
        return {row[0] for row in rows}

    async def _delayed(self, queue: str, limit: int) -> list[Waiting]:
        rows = await self._scored(f"{prefix_of(queue)}delay", f"{prefix_of(queue)}db", limit)
        found: list[Waiting] = []
        for id, due_ms, packed in rows:
            priority, _, awaits, body = _unpack(packed)
            found.append(Waiting(id, queue, priority, "parked" if awaits else "delayed", due_ms, awaits, body))
        return found

    async def _scored(self, index: str, bodies: str, limit: int) -> list[tuple[TaskId, int, bytes]]:
        """Return id, score and packed body of the first entries of a sorted set whose bodies are in a hash."""
        rows = await self._commands.command("Looking into a queue", "ZRANGE", index, 0, limit - 1, "WITHSCORES")
        pairs: list[tuple[bytes, bytes]] = list(zip(rows[::2], rows[1::2], strict=True))
        if not pairs:
            return []
        packed = await self._commands.command("Looking into a queue", "HMGET", bodies, *(name for name, _ in pairs))
        return [
            (TaskId(name.decode()), int(float(score)), body)
            for (name, score), body in zip(pairs, packed, strict=True)
            if body is not None
        ]


def _unpack(packed: bytes) -> tuple[int, int, str, bytes]:
    """Return priority, deliveries, text and body (see scripts/common.lua)."""
    head = _PACKED.match(packed)
    if head is None:
        return 1, 0, "", packed
    text_end = head.end() + int(head[3])
    return int(head[1]), int(head[2]), packed[head.end() : text_end].decode("utf-8", "replace"), packed[text_end:]
