"""What the memory backend keeps of each queue and of each task in it, and what an operator sees of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Literal

from typedtasks.backend import Buried, Counts, Priority, Publication, Stored, TaskId, Waiting
from typedtasks.inventory import State

__all__ = ["Entry", "MemoryQueue"]


@dataclass(slots=True, eq=False)
class Entry:
    """One task in some state. Its place in `MemoryQueue` is the state."""

    id: TaskId
    priority: int
    body: bytes
    deliveries: int = 0
    due_ms: int = 0
    awaits: str = ""
    """What it is parked for; also while it runs, where `MemoryQueue.unpark` has handed it out: it is parked again if given back."""
    patience_ms: int = 0
    """How long it is parked."""
    unmet: bool = False
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
    windows: dict[str, tuple[TaskId, int]] = field(default_factory=dict[str, tuple[TaskId, int]])
    """By key (see `Once`): which task holds it, and until when in milliseconds since 1970."""

    def knows(self, id: TaskId) -> bool:
        """Return whether the task is here in any state."""
        places = (self.delayed, self.running, self.dead, *self.ready.values())
        return any(id in place for place in places)

    def publish(self, item: Publication, now: int) -> TaskId:
        """Store an envelope unless it is there or its key is held, and return the id of the task that stands for it."""
        if item.once is not None:
            holder, until = self.windows.get(item.once.key, (item.id, 0))
            if until > now:
                return holder
            self.windows[item.once.key] = (item.id, now + item.once.window_ms)
        if not self.knows(item.id):
            self.store(item, now)
        return item.id

    def store(self, item: Publication, now: int) -> Entry:
        """Put an envelope among the ready or the delayed ones, and return its entry."""
        due = now + item.delay_ms if item.delay_ms else item.eta_ms
        entry = Entry(item.id, item.priority, item.body)
        if due > now:
            entry.due_ms = due
            self.delayed[item.id] = entry
        else:
            self.ready[item.priority][item.id] = entry
        return entry

    def promote(self, now: int) -> None:
        """Make delayed tasks ready whose time has come."""
        for entry in sorted(self.delayed.values(), key=lambda entry: entry.due_ms):
            if entry.due_ms <= now:
                entry.unmet = bool(entry.awaits)
                self.make_ready(entry.id)

    def park(self, entry: Entry, awaits: str, patience_ms: int, now: int) -> None:
        """Have an entry wait for whoever has what it awaits, at most for its patience."""
        entry.awaits, entry.patience_ms, entry.due_ms = awaits, patience_ms, now + patience_ms
        self.delayed[entry.id] = entry

    def unpark(self, names: Collection[str], capacity: int, now: int) -> list[Entry]:
        """Take parked tasks out, and let those that are left wait for as long again."""
        parked = [entry for entry in self.delayed.values() if entry.awaits and entry.awaits in names]
        for entry in parked[capacity:]:
            entry.due_ms = now + entry.patience_ms
        return [self.delayed.pop(entry.id) for entry in parked[:capacity]]

    def awaited(self) -> Iterable[str]:
        """Return what the parked tasks wait for."""
        return dict.fromkeys(entry.awaits for entry in self.delayed.values() if entry.awaits)

    def make_ready(self, id: TaskId) -> None:
        """Make one delayed task ready."""
        entry = self.delayed.pop(id)
        entry.due_ms, entry.awaits = 0, ""
        self.ready[entry.priority][id] = entry

    def forget_windows(self, now: int) -> None:
        """Give keys back whose window is over."""
        for key in [key for key, (_, until) in self.windows.items() if until <= now]:
            del self.windows[key]

    def counts(self) -> Counts:
        """Return how many tasks are in each state."""
        parked = sum(1 for entry in self.delayed.values() if entry.awaits)
        ready = sum(map(len, self.ready.values()))
        return Counts(ready, len(self.running), len(self.delayed) - parked, parked, len(self.dead))

    def waiting(self, queue: str) -> list[Waiting]:
        """Return the tasks that have not ended: ready, running, then delayed and parked ones by their times."""
        shown = [_shown(queue, entry, "ready") for place in self.ready.values() for entry in place.values()]
        shown += [_shown(queue, entry, "running") for entry in self.running.values()]
        delayed = sorted(self.delayed.values(), key=lambda entry: entry.due_ms)
        return shown + [_shown(queue, entry, "parked" if entry.awaits else "delayed") for entry in delayed]

    def after(self, id: str, limit: int) -> list[Stored]:
        """Return tasks in any state whose ids follow one, in the order of their ids."""
        places: dict[State, Iterable[Entry]] = {
            "ready": (entry for place in self.ready.values() for entry in place.values()),
            "running": self.running.values(),
            "delayed": (entry for entry in self.delayed.values() if not entry.awaits),
            "parked": (entry for entry in self.delayed.values() if entry.awaits),
            "dead": self.dead.values(),
        }
        found = (Stored(entry.id, state, entry.body) for state, place in places.items() for entry in place if entry.id > id)
        return nsmallest(limit, found)

    def held(self) -> Mapping[str, int]:
        """Return how many deliveries each session owns."""
        return Counter(entry.owner for entry in self.running.values())

    def buried(self, queue: str, ids: Iterable[TaskId]) -> list[Buried]:
        """Return the dead letters that are named and there."""
        entries = [self.dead[id] for id in ids if id in self.dead]
        return [Buried(e.id, queue, e.priority, e.reason, e.died_ms, e.deliveries, e.body) for e in entries]

    def replay(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Make dead letters ready again, and return those that were there."""
        entries = self._exhume(ids)
        for entry in entries:
            entry.deliveries, entry.reason, entry.cancelled, entry.unmet, entry.awaits = 0, "", False, False, ""
            self.ready[entry.priority][entry.id] = entry
        return {entry.id for entry in entries}

    def drop(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Delete dead letters, and return those that were there."""
        return {entry.id for entry in self._exhume(ids)}

    def purge(self, *, dead: bool) -> int:
        """Delete what waits, or the dead letters, and return how many there were."""
        places = [self.dead] if dead else [self.delayed, *self.ready.values()]
        count = sum(map(len, places))
        for place in places:
            place.clear()
        return count

    def _exhume(self, ids: Sequence[TaskId]) -> list[Entry]:
        return [self.dead.pop(id) for id in ids if id in self.dead]


def _shown(queue: str, entry: Entry, state: Literal["ready", "running", "delayed", "parked"]) -> Waiting:
    is_parked = state == "parked"
    return Waiting(entry.id, queue, entry.priority, state, entry.due_ms, entry.awaits if is_parked else "", entry.body)
