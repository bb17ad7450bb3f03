"""The operator's view of a queue with several shards: one queue, whatever shard a task is in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from heapq import merge
from typing import Final, TypeVar

from typedtasks.backend import Buried, Counts, Page, Priority, SessionState, TaskId, Waiting, session_states
from typedtasks.backends.redis.operator import Operator
from typedtasks.ids import queue_name

__all__ = ["SpreadOperator"]

T = TypeVar("T")

_STATES: Final = ("ready", "running", "delayed", "parked")


class SpreadOperator:
    """Does in all shards of one queue what `Operator` does in one."""

    def __init__(self, operator: Operator, shards: Sequence[str]) -> None:
        self._operator = operator
        self._shards = tuple(shards)
        self._queue = queue_name(shards[0])

    async def counts(self) -> Counts:
        """Return how many tasks are in each state."""
        found = await self._each(self._operator.counts)
        return Counts(*(sum(getattr(counts, field.name) for counts in found) for field in fields(Counts)))

    async def peek(self, limit: int) -> list[Waiting]:
        """Return tasks that have not ended: ready ones by priority, running ones, then delayed and parked ones by their times."""
        found = await self._each(lambda shard: self._operator.peek(shard, limit))
        waiting = sorted((task for part in found for task in part), key=_place)
        return [replace(task, queue=self._queue) for task in waiting[:limit]]

    async def parked(self, limit: int) -> list[Waiting]:
        """Return parked tasks, the one first that is tried again first."""
        found = await self._each(lambda shard: self._operator.parked(shard, limit))
        waiting = merge(*found, key=lambda task: task.due_ms)
        return [replace(task, queue=self._queue) for task in list(waiting)[:limit]]

    async def scan(self, cursor: str, limit: int) -> Page:
        """Return a page of one shard after the other."""
        shard, _, place = cursor.rpartition("/")
        number = self._shards.index(shard) if shard in self._shards else 0
        page = await self._operator.scan(self._shards[number], place, limit)
        if not page.cursor:
            number += 1
        following = f"{self._shards[number]}/{page.cursor}" if number < len(self._shards) else ""
        return Page(page.tasks, following)

    async def sessions(self) -> list[SessionState]:
        """Return the sessions that read the queue or own deliveries of it; one that is lost in any shard has no lease."""
        leases: dict[str, int] = {}
        held: Counter[str] = Counter()
        for part in await self._each(self._operator.sessions):
            for state in part:
                leases[state.id] = min(state.lease_ms, leases.get(state.id, state.lease_ms))
                held[state.id] += state.held
        return session_states(self._queue, leases, held)

    async def dead_letters(self, limit: int, offset: int) -> list[Buried]:
        """Return dead letters, the oldest first. Of those that are left out, no bodies are read."""
        if limit <= 0:
            return []
        if len(self._shards) == 1:
            return await self._operator.dead_letters(self._shards[0], limit, offset)
        found = await self._each(lambda shard: self._operator.deaths(shard, offset + limit))
        wanted = [id for _, id in list(merge(*found))[offset : offset + limit]]
        return await self.find_dead_letters(wanted)

    async def find_dead_letters(self, ids: Sequence[TaskId]) -> list[Buried]:
        """Return the dead letters that are named and there, in the order of `ids`."""
        found = await self._each(lambda shard: self._operator.find_dead_letters(shard, ids))
        letters = {letter.id: letter for part in found for letter in part}
        return [replace(letters[id], queue=self._queue) for id in dict.fromkeys(ids) if id in letters]

    async def replay(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Make dead letters ready again and return those that were there."""
        return {id for part in await self._each(lambda shard: self._operator.replay(shard, ids)) for id in part}

    async def drop(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Delete dead letters and return those that were there."""
        return {id for part in await self._each(lambda shard: self._operator.drop(shard, ids)) for id in part}

    async def purge(self, *, dead: bool) -> int:
        """Delete what waits, or the dead letters."""
        return sum(await self._each(lambda shard: self._operator.purge(shard, dead=dead)))

    async def _each(self, ask: Callable[[str], Awaitable[T]]) -> list[T]:
        return await asyncio.gather(*(ask(shard) for shard in self._shards))


def _place(task: Waiting) -> tuple[int, int]:
    state = min(_STATES.index(task.state), _STATES.index("delayed"))  # delayed and parked ones are in one order
    return state, task.due_ms if state else Priority(task.priority)
