"""Whether anybody is here to run what is awaited, where nobody but this process could: a mistake that would be a wait for ever."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, runtime_checkable

from typedtasks.backend import TaskId, queue_of
from typedtasks.envelope import EnvelopeInvalid, EnvelopeReader
from typedtasks.logs import Log

__all__ = ["Attendance", "LocalBackend"]

_PATIENCE: Final = 1.0
"""Seconds that a worker may begin after somebody has begun to wait."""

_log = Log("typedtasks")


@runtime_checkable
class LocalBackend(Protocol):
    """A backend that lives in one object of this process: only workers that use it, too, can run its tasks."""

    def unread(self, id: TaskId) -> bytes | None:
        """Return the envelope of a task that waits in a queue which no session reads; None for any other."""
        ...


class Attendance:
    """Warns of tasks that are awaited where no worker is, once for each queue. It raises nothing: a worker may still begin."""

    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend
        self._warned: set[str] = set()

    def begin(self, id: TaskId) -> asyncio.TimerHandle | None:
        """Look in a moment whether anybody is here for a task. The timer is to be cancelled when the wait ends."""
        if queue_of(id) in self._warned:
            return None
        return asyncio.get_running_loop().call_later(_PATIENCE, self._look, id)

    def _look(self, id: TaskId) -> None:
        body, queue = self._backend.unread(id), queue_of(id)
        if body is None or queue in self._warned:
            return
        self._warned.add(queue)
        _log.warning(
            "%s (%s) is awaited, and no worker reads its queue %r: it waits in memory://, which no other process and no other "
            "broker can see. Run `async with Worker(broker):` with this broker, or keep tasks in SQLite or Redis (TYPEDTASKS_URL).",
            _name(body),
            id,
            queue,
        )


def _name(body: bytes) -> str:
    line, end, _ = body.partition(b"\n")
    try:
        return EnvelopeReader(0).read(line + end)[0].task
    except EnvelopeInvalid:
        return "A task"
