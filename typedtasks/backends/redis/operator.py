"""The operator's side of the Redis backend: look, replay, drop, purge."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final, Literal, cast

from typedtasks.backend import Buried, Counts, Page, SessionState, Stored, TaskId, Waiting, session_states
from typedtasks.backends.redis.codec import STREAMS
from typedtasks.backends.redis.connection import Executor
from typedtasks.backends.redis.protocol import Reply
from typedtasks.backends.redis.script import Script, prefix_of

__all__ = ["Operator"]

_PACKED: Final = re.compile(rb"(\d) (\d{1,15}) (\d{1,15}) ")
_CHUNK: Final = 500
_PLACES: Final = ("db", *(f"s{number}" for number in range(STREAMS)), "deadb")
"""Where the tasks of a queue are, in the order in which `scan` looks."""


class Operator:
    """Looks into the queues and mends them."""

    def __init__(self, commands: Executor) -> None:
        self._commands = commands

    async def counts(self, queue: str) -> Counts:
        """Return how many tasks of the queue are in each state."""
        ready, running, delayed, parked, dead = cast(
            "list[int]", await self._commands.run(Script("counts"), queue, "Counting tasks")
        )
        return Counts(ready, running, delayed, parked, dead)

    async def peek(self, queue: str, limit: int) -> list[Waiting]:
        """Return ready tasks, then running ones, then delayed and parked ones."""
        if limit <= 0:
            return []  # Redis answers a count of 0 with nothing at all
        prefix = prefix_of(queue)
        ready: list[Waiting] = []
        running: list[Waiting] = []
        for number in range(STREAMS):
            stream = f"{prefix}s{number}"
            held = await self._pending(queue, stream)
            entries = await self._look(queue, "XRANGE", stream, "-", "+", "COUNT", limit + len(held))
            for entry, fields in entries:
                id, body = _entry(fields)
                state: Literal["ready", "running"] = "running" if entry in held else "ready"
                waiting = Waiting(id, queue, number % 3, state, 0, "", body)
                (running if entry in held else ready).append(waiting)
        found = ready + running
        if len(found) < limit:
            rows = await self._scored(queue, "delay", "db", limit - len(found))
            found += [_waiting(queue, *row) for row in rows]
        return found[:limit]

    async def parked(self, queue: str, limit: int) -> list[Waiting]:
        """Return parked tasks, the one first that is tried again first."""
        names: list[bytes] = await self._look(queue, "HKEYS", f"{prefix_of(queue)}parked")
        rows = await self._named(queue, "delay", "db", names)
        rows.sort(key=lambda row: row[1])
        return [_waiting(queue, *row) for row in rows[:limit]]

    async def scan(self, queue: str, cursor: str, limit: int) -> Page:
        """Return a page of the delayed and parked tasks, then of each stream, then of the dead letters: the way that tasks go."""
        place, _, position = (cursor or f"{_PLACES[0]}:").partition(":")
        tasks, position = await (self._entries if place.startswith("s") else self._fields)(queue, place, position, limit)
        if position:
            return Page(tasks, f"{place}:{position}")
        following = _PLACES.index(place) + 1
        return Page(tasks, f"{_PLACES[following]}:" if following < len(_PLACES) else "")

    async def sessions(self, queue: str) -> list[SessionState]:
        """Return the sessions that read the queue or own deliveries of it."""
        leases, held = cast("list[list[bytes]]", await self._commands.run(Script("sessions"), queue, "Looking for workers"))
        return session_states(queue, _by_session(leases), _by_session(held))

    async def dead_letters(self, queue: str, limit: int, offset: int) -> list[Buried]:
        """Return dead letters, the oldest first."""
        rows = await self._scored(queue, "dead", "deadb", limit, offset)
        return [_buried(queue, *row) for row in rows]

    async def deaths(self, queue: str, limit: int) -> list[tuple[int, TaskId]]:
        """Return when tasks became dead letters, in milliseconds since 1970, and their ids: the oldest first."""
        if limit <= 0:
            return []
        rows = await self._look(queue, "ZRANGE", f"{prefix_of(queue)}dead", 0, limit - 1, "WITHSCORES")
        return [(_number(died), TaskId(_text(id))) for id, died in zip(rows[::2], rows[1::2], strict=True)]

    async def find_dead_letters(self, queue: str, ids: Sequence[TaskId]) -> list[Buried]:
        """Return the dead letters that are named and there."""
        rows = await self._named(queue, "dead", "deadb", [id.encode() for id in dict.fromkeys(ids)])
        return [_buried(queue, *row) for row in rows]

    async def replay(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Make dead letters ready again and return those that were there."""
        return await self._found("replay", queue, "Replaying dead letters", ids)

    async def drop(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Delete dead letters and return those that were there."""
        return await self._found("drop", queue, "Dropping dead letters", ids)

    async def purge(self, queue: str, *, dead: bool) -> int:
        """Delete what waits, or the dead letters."""
        return cast("int", await self._commands.run(Script("purge"), queue, "Purging a queue", int(dead)))

    async def _pending(self, queue: str, stream: str, first: bytes = b"-", last: bytes = b"+", limit: int = 100_000) -> set[bytes]:
        """Return which entries of a stream are handed out."""
        if not await self._look(queue, "EXISTS", stream):
            return set()
        groups = await self._look(queue, "XINFO", "GROUPS", stream)
        if not groups:
            return set()
        rows = await self._look(queue, "XPENDING", stream, "g", first, last, limit)
        return {row[0] for row in rows}

    async def _entries(self, queue: str, name: str, after: str, limit: int) -> tuple[list[Stored], str]:
        """Return tasks of a stream, and the last entry's id where there may be more."""
        stream = prefix_of(queue) + name
        entries = await self._look(queue, "XRANGE", stream, f"({after}" if after else "-", "+", "COUNT", limit)
        if not entries:
            return [], ""
        held = await self._pending(queue, stream, entries[0][0], entries[-1][0], len(entries))
        tasks: list[Stored] = []
        for entry, fields in entries:
            id, body = _entry(fields)
            tasks.append(Stored(id, "running" if entry in held else "ready", body))
        return tasks, entries[-1][0].decode() if len(entries) == limit else ""

    async def _fields(self, queue: str, name: str, cursor: str, limit: int) -> tuple[list[Stored], str]:
        """Return tasks of a hash of packed bodies, and Redis's cursor where there may be more."""
        following, pairs = await self._look(queue, "HSCAN", prefix_of(queue) + name, cursor or "0", "COUNT", limit)
        tasks: list[Stored] = []
        for id, packed in zip(pairs[::2], pairs[1::2], strict=True):
            _, _, text, body = _unpack(packed)
            tasks.append(Stored(TaskId(_text(id)), "dead" if name == "deadb" else "parked" if text else "delayed", body))
        return tasks, "" if following == b"0" else following.decode()

    async def _found(self, script: str, queue: str, what: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Return the ids that a script found."""
        found: set[TaskId] = set()
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            reply = cast("list[bytes]", await self._commands.run(Script(script), queue, what, *chunk))
            found |= {TaskId(_text(id)) for id in reply}
        return found

    async def _scored(self, queue: str, index: str, bodies: str, limit: int, offset: int = 0) -> list[tuple[TaskId, int, bytes]]:
        """Return id, score and packed body of entries of a sorted set whose bodies are in a hash, from the first on."""
        if limit <= 0:
            return []
        names = await self._look(queue, "ZRANGE", prefix_of(queue) + index, offset, offset + limit - 1)
        return await self._named(queue, index, bodies, names)

    async def _named(self, queue: str, index: str, bodies: str, names: Sequence[bytes]) -> list[tuple[TaskId, int, bytes]]:
        """Return id, score and packed body of those entries of a sorted set that are named and there."""
        rows: list[tuple[TaskId, int, bytes]] = []
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            scores = await self._look(queue, "ZMSCORE", prefix_of(queue) + index, *chunk)
            packed = await self._look(queue, "HMGET", prefix_of(queue) + bodies, *chunk)
            for name, score, body in zip(chunk, scores, packed, strict=True):
                if score is not None and body is not None:
                    rows.append((TaskId(_text(name)), _number(score), body))
        return rows

    async def _look(self, queue: str, *arguments: object) -> Reply:
        """Return a command's reply."""
        return await self._commands.command(queue, "Looking into a queue", *arguments)


def _entry(fields: Sequence[bytes]) -> tuple[TaskId, bytes]:
    """Return the task's id and body that a stream's entry holds."""
    values = dict(zip(fields[::2], fields[1::2], strict=False))
    return TaskId(values.get(b"i", b"").decode("utf-8", "replace")), values.get(b"b", b"")


def _waiting(queue: str, id: TaskId, due_ms: int, packed: bytes) -> Waiting:
    priority, _, awaits, body = _unpack(packed)
    return Waiting(id, queue, priority, "parked" if awaits else "delayed", due_ms, awaits, body)


def _buried(queue: str, id: TaskId, died_ms: int, packed: bytes) -> Buried:
    priority, deliveries, reason, body = _unpack(packed)
    return Buried(id, queue, priority, reason, died_ms, deliveries, body)


def _text(name: bytes) -> str:
    """Return a name; whoever writes to our keys may give one that is no text."""
    return name.decode("utf-8", "replace")


def _number(score: bytes) -> int:
    """Return a score in milliseconds; one that is no time, such as `inf`, is none."""
    value = float(score)
    return int(value) if math.isfinite(value) else 0


def _by_session(pairs: Sequence[bytes]) -> dict[str, int]:
    """Return a reply of sessions and numbers, one after the other, by session."""
    return {_text(name): _number(number) for name, number in zip(pairs[::2], pairs[1::2], strict=True)}


def _unpack(packed: bytes) -> tuple[int, int, str, bytes]:
    """Return priority, deliveries, text and body (see scripts/common.lua)."""
    head = _PACKED.match(packed)
    if head is None:
        return 1, 0, "", packed
    text_end = head.end() + int(head[3])
    return int(head[1]), int(head[2]), packed[head.end() : text_end].decode("utf-8", "replace"), packed[text_end:]
