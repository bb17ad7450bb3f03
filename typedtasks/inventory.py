"""What an operator sees of a queue: how many tasks are in which state, what waits, what died, and who works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from typedtasks.ids import SessionId, TaskId

__all__ = ["Buried", "Counts", "Page", "SessionState", "State", "Stored", "Waiting", "session_states"]

State: TypeAlias = Literal["ready", "running", "delayed", "parked", "dead"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks of a queue are in each state. Each task is counted once."""

    ready: int = 0
    running: int = 0
    delayed: int = 0
    parked: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that is in a queue, as an operator sees it."""

    id: TaskId
    queue: str
    priority: int
    state: Literal["ready", "running", "delayed", "parked"]
    due_ms: int
    """When a delayed or parked task becomes ready, in milliseconds since 1970; 0 for the others."""
    awaits: str
    """The task name that a parked task waits for a worker to know; empty for the others."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Buried:
    """A dead letter as it is stored: a task that can never be run, with the raw bytes that were in the queue."""

    id: TaskId
    queue: str
    priority: int
    reason: str
    died_ms: int
    deliveries: int
    body: bytes = field(repr=False)


class Stored(NamedTuple):
    """A task of a queue in whatever state, as a walk over all of them meets it."""

    id: TaskId
    state: State
    body: bytes


class Page(NamedTuple):
    """One step of a walk over all tasks of a queue."""

    tasks: list[Stored]
    cursor: str
    """Where the next page begins; empty: this was the last one."""


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session that reads a queue, or that still owns deliveries of it, as an operator sees it."""

    id: SessionId
    queue: str
    lease_ms: int
    """How long its lease still runs; 0: it has ended, and others take over what it holds."""
    held: int
    """How many deliveries of the queue it owns."""


def session_states(queue: str, leases: Mapping[str, int], held: Mapping[str, int]) -> list[SessionState]:
    """Return the states that follow from what is left of leases in milliseconds, and from the numbers of owned deliveries.

    A session whose lease has ended and that owns nothing is gone.
    """
    states = [
        SessionState(SessionId(id), queue, max(0, leases.get(id, 0)), held.get(id, 0)) for id in sorted(leases.keys() | held.keys())
    ]
    return [state for state in states if state.lease_ms or state.held]
