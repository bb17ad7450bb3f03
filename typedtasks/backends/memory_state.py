"""What the memory backend keeps of each queue and of each task in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from typedtasks.backend import Priority, TaskId, Waiting

__all__ = ["Entry", "MemoryQueue", "shown_entry"]


@dataclass(slots=True, eq=False)
class Entry:
    """One task in some state. Its place in `MemoryQueue` is the state."""

    id: TaskId
    priority: int
    body: bytes
    deliveries: int = 0
    due_ms: int = 0
    awaits: str = ""
    owner: str = ""
    fence: int = 0
    cancelled: bool = False
    reason: str = ""
    died_ms: int = 0


@dataclass(slots=True)
class MemoryQueue:
    """The tasks of one queue, by state; those that are ready also by priority."""

    ready: dict[int, dict[TaskId, Entry]] = field(default_factory=lambda: {priority: {} for priority in Priority})
    delayed: dict[TaskId, Entry] = field(default_factory=dict[TaskId, Entry])
    running: dict[TaskId, Entry] = field(default_factory=dict[TaskId, Entry])
    dead: dict[TaskId, Entry] = field(default_factory=dict[TaskId, Entry])

    def knows(self, id: TaskId) -> bool:
        """Return whether the task is here in any state."""
        places = (self.delayed, self.running, self.dead, *self.ready.values())
        return any(id in place for place in places)


def shown_entry(queue: str, entry: Entry, state: Literal["ready", "running", "delayed", "parked"]) -> Waiting:
    """Return an entry as an operator sees it."""
    return Waiting(entry.id, queue, entry.priority, state, entry.due_ms, entry.awaits, entry.body)
