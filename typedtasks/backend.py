"""The port between the broker and what stores its tasks: small, batched, bytes in and bytes out.

Whoever writes a backend implements `Backend` and `Session` and runs the conformance suite in `typedtasks.testing` on it.
Every method may raise `BackendUnavailable`. All times that matter (due times, leases, expiry) are the backend's own clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

from typedtasks.errors import BackendUnavailable, BackendUnsupported
from typedtasks.ids import SessionId, TaskId, created_ms, is_queue_name, new_task_id, new_task_ids, queue_name, queue_of
from typedtasks.inventory import Buried, Counts, Page, SessionState, Stored, Waiting, session_states

__all__ = [
    "BACKEND_ERRORS",
    "Backend",
    "Buried",
    "Bury",
    "Counts",
    "Delivery",
    "Finish",
    "LeaseKeeper",
    "Once",
    "OutcomeListener",
    "PartlySettled",
    "Page",
    "Priority",
    "Publication",
    "Recovered",
    "Report",
    "Reschedule",
    "Session",
    "SessionId",
    "SessionListener",
    "SessionLost",
    "SessionState",
    "Settlement",
    "SpreadingBackend",
    "Stored",
    "TaskId",
    "Waiting",
    "created_ms",
    "is_queue_name",
    "new_task_id",
    "new_task_ids",
    "queue_name",
    "queue_of",
    "read_plan",
    "session_states",
]


class Priority(IntEnum):
    """The order within a queue. A lower priority is never starved: see `read_plan`."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


_FAVOURED: Final = (
    Priority.HIGH,
    Priority.NORMAL,
    Priority.HIGH,
    Priority.NORMAL,
    Priority.HIGH,
    Priority.LOW,
    Priority.HIGH,
    Priority.HIGH,
)


def read_plan(turn: int, capacity: int) -> tuple[tuple[Priority, int], ...]:
    """Return in which order a claim of at most `capacity` tasks reads the priorities, and at most how many of each.

    High comes first, then normal, then low; but on two turns of eight normal, and on one turn of eight low, may take an
    eighth of the capacity (at least one) before the others. So a low task waits for a bounded number of claims, however
    many high tasks keep arriving. A step's number is a limit, and so is what is left of `capacity`.
    """
    favoured = _FAVOURED[turn % 8]
    whole = tuple((priority, capacity) for priority in Priority)
    if favoured is Priority.HIGH:
        return whole
    return ((favoured, max(1, capacity // 8)), *whole)


class Once(NamedTuple):
    """What makes publications one task: the first under a key is stored, the others of the next `window_ms` are not."""

    key: str
    """It holds within one queue; to the backend it means nothing. At most 600 characters, any but lone surrogates."""
    window_ms: int


class Publication(NamedTuple):
    """An envelope on its way into a queue. (A named tuple, like all that passes here per task: it costs a third to make.)"""

    id: TaskId
    queue: str
    priority: int
    body: bytes
    delay_ms: int = 0
    """Not before this many milliseconds from now, by the backend's clock."""
    eta_ms: int = 0
    """Not before this time, in milliseconds since 1970; 0: no such time. Ignored where `delay_ms` is given."""
    once: Once | None = None


class Recovered(NamedTuple):
    """What `Session.recover` has found, and when it is to be called again."""

    deliveries: list[Delivery]
    next_look: float
    """Seconds until there may be more: the next lease of another session ends then. At most this session's own lease."""
    awaited: Sequence[str] = ()
    """What the parked tasks of the session's queues wait for, each once (see `Session.unpark`)."""


class Delivery(NamedTuple):
    """An envelope leased to a session."""

    id: TaskId
    queue: str
    priority: int
    body: bytes
    deliveries: int
    """How many times it was handed to a worker, this time counted in. More than 1: an earlier worker died with it."""
    receipt: str
    """The backend's own name for this delivery; unique within the session, opaque to everyone else."""
    cancelled: bool = False
    """Whether its cancellation was asked for while it waited."""
    unmet: bool = False
    """Whether it was parked, and its time came before anyone did who has what it waits for."""


class Report(NamedTuple):
    """How far a delivery has come, as bytes that mean nothing to the backend: less than 4 KiB."""

    delivery: Delivery
    body: bytes
    ttl_ms: int
    """How long it is kept, unless another takes its place."""


class Finish(NamedTuple):
    """End a delivery: store its outcome and tell whoever waits."""

    delivery: Delivery
    outcome: bytes
    ttl_ms: int
    """How long the outcome is kept."""
    reply_to: str = ""
    """The client that waits for it, from the envelope; empty where it named none."""
    follow: tuple[Publication, ...] = ()
    """Envelopes that enter their queues in the same atomic step. In this version: of the same queue, in the delivery's place."""


class Reschedule(NamedTuple):
    """End a delivery by putting its envelope (with a new body) back for later: a retry, or a parked task."""

    delivery: Delivery
    body: bytes
    delay_ms: int = 0
    eta_ms: int = 0
    awaits: str = ""
    """Park: what a worker has to know or have, such as the name of the task. `Session.unpark` hands it to one that does.

    Its time, counted from the last moment at which such a one was here, makes it ready for anyone (see `Delivery.unmet`). To be
    parked is no execution: it counts as often delivered as before it was handed to this session.
    """


class Bury(NamedTuple):
    """End a delivery as a dead letter: its bytes are kept with the reason until they are replayed or purged."""

    delivery: Delivery
    reason: str
    outcome: bytes
    ttl_ms: int
    reply_to: str = ""


Settlement: TypeAlias = Finish | Reschedule | Bury


BACKEND_ERRORS: Final = (BackendUnavailable, BackendUnsupported)
"""What a backend raises that cannot do something now. To a worker that has begun both may pass: somebody may mend it."""


class PartlySettled(BackendUnavailable):
    """Some of a batch is settled, and some is not and still owned: what the text says is in the way of those.

    `answers` has for each delivery of the batch what `Session.settle` would have returned, and None for one that is to be settled
    again. So a backend lets nothing of one delivery hold up the others.
    """

    def __init__(self, message: str, answers: Sequence[bool | None]) -> None:
        super().__init__(message)
        self.answers = tuple(answers)


class SessionLost(Exception):
    """The session's lease has ended: another worker may own its deliveries already. Stop them, and begin a new session."""


class OutcomeListener(Protocol):
    """Who is told of outcomes. Called on the event loop that opened the backend."""

    def settled(self, id: TaskId, outcome: bytes | None) -> None:
        """A task has ended. `outcome` is None where it was too large to push: read it."""
        ...

    def interrupted(self) -> None:
        """Pushed outcomes may have been missed (a connection was lost): read those that are still awaited."""
        ...


class SessionListener(Protocol):
    """What a worker is told between its calls. Called on the event loop that joined the session."""

    def cancelled(self, id: TaskId) -> None:
        """Someone asked for the cancellation of this task, which may be running here."""
        ...

    def parked(self, name: str) -> None:
        """A worker has parked a task that waits for this: `Session.unpark` takes it if that is here."""
        ...

    def left_behind(self) -> None:
        """Deliveries may have been left behind, or news missed: `Session.recover` is due now."""
        ...


class LeaseKeeper(Protocol):
    """Renews a session's lease. It is synchronous and has its own connection: it runs in a thread of its own."""

    def renew(self) -> bool:
        """Extend the lease by its full length. False: it had ended, and the session is lost."""
        ...

    def close(self) -> None:
        """Close the connection. The lease stays until it ends or the session leaves."""
        ...


class Session(Protocol):
    """A worker's side of a backend, from `Backend.join` until `leave`. Its deliveries are leased, and fenced by its id."""

    @property
    def id(self) -> SessionId:
        """The session's id: the fence."""
        ...

    async def receive(self, capacity: int, wait: float) -> list[Delivery]:
        """Return up to `capacity` deliveries, as soon as there is one; an empty list after `wait` seconds without any.

        `wait=0` does not wait at all. Queues are read in turn, the priorities of each by `read_plan`. Never more than one
        call to the backend for a batch. Raises `SessionLost` when the lease has ended. May be cancelled: what the backend
        had handed out by then is found by `recover`.
        """
        ...

    async def settle(self, batch: Sequence[Settlement]) -> list[bool]:
        """End deliveries, each atomically and on its own; one call for each queue in the batch.

        True: done. False: this session no longer owned the delivery, or its task has another outcome already, which stays. May
        raise `PartlySettled`.
        """
        ...

    async def report(self, batch: Sequence[Report]) -> list[bool]:
        """Keep how far deliveries have come, each in the place of what was said before; one call for each queue in the batch.

        True: it is kept, and vanishes by itself. False: this session no longer owned the delivery, and nothing was changed.
        """
        ...

    async def release(self, batch: Sequence[Delivery]) -> list[bool]:
        """Give deliveries back unstarted: ready at once for anyone, and not counted as delivered to this session."""
        ...

    async def recover(self, held: Collection[str], capacity: int) -> Recovered:
        """Take over deliveries of sessions whose lease has ended, and find own ones whose hand-over was lost on the way.

        `held` are the receipts of all deliveries that this session has in hand. Finds at most `capacity`. Raises
        `SessionLost` when the lease has ended.
        """
        ...

    async def unpark(self, names: Collection[str], capacity: int) -> list[Delivery]:
        """Take up to `capacity` parked tasks that wait for one of `names`.

        For those that are left, `capacity` being used up, their times are counted anew: somebody who has what they wait for is
        here. `release` parks what was taken in this way again. Raises `SessionLost` when the lease has ended.
        """
        ...

    def keeper(self) -> LeaseKeeper:
        """Return what renews this session's lease, to be used in a thread of its own."""
        ...

    async def leave(self) -> None:
        """End the session. What it still owns can be recovered by others at once. Never raises."""
        ...


class Backend(Protocol):
    """What stores tasks and outcomes. The first part is the client's side, `join` the worker's, the rest the operator's."""

    async def open(self, listener: OutcomeListener) -> str:
        """Connect, and return one sentence about durability for the log.

        Raises `BackendUnavailable` within 5 seconds when that does not work, `BackendUnsupported` when it never can.
        """
        ...

    async def close(self) -> None:
        """Release every connection, thread and file. Never raises."""
        ...

    @property
    def reply_to(self) -> str:
        """The name under which this client is told of outcomes: it goes into the envelope. Empty: none is needed."""
        ...

    async def publish(self, batch: Sequence[Publication]) -> Mapping[TaskId, TaskId]:
        """Store envelopes durably, all of a queue in one call and atomically; safe to be repeated after a lost answer.

        Returns, for each that was not stored because an earlier one holds its key (`Once`), the id of that earlier one: an
        empty mapping where no keys are used. One that holds its key itself (published again) is stored already, and is no
        duplicate. Raises `BackendFull` when there is no room; then nothing of that queue's share was stored.
        """
        ...

    async def cancel(self, ids: Sequence[TaskId]) -> None:
        """Ask for the cancellation of tasks: those that wait are marked, and running ones' workers are told.

        An id that is not here is no task: to ask for it changes nothing, and is not remembered.
        """
        ...

    async def watch(self, ids: Sequence[TaskId]) -> None:
        """Have the listener told of the outcomes of tasks that other clients sent. Outcomes that exist are not repeated."""
        ...

    async def unwatch(self, ids: Sequence[TaskId]) -> None:
        """Undo `watch`. Ids that are not watched are ignored."""
        ...

    async def read_outcomes(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return the outcomes that exist among `ids`."""
        ...

    async def read_reports(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return how far those of `ids` have come that have said so (`Session.report`)."""
        ...

    async def missing(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Return those ids of which the backend knows neither an outcome nor a task in any state. It may be slow."""
        ...

    async def join(self, session: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> Session:
        """Begin a session on some queues, with a lease of `lease` seconds from now."""
        ...

    async def expire(self, session: SessionId, queues: Sequence[str]) -> None:
        """End the lease of a session whose process is known to be dead, so that `recover` finds its deliveries at once."""
        ...

    async def counts(self, queue: str) -> Counts:
        """Return how many tasks of the queue are in each state."""
        ...

    async def peek(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return tasks of the queue in the order ready (as they will be claimed), running, delayed and parked (by time)."""
        ...

    async def parked(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return the queue's parked tasks, by the time at which they are tried again."""
        ...

    async def scan(self, queue: str, cursor: str = "", limit: int = 250) -> Page:
        """Return one page of a walk over all tasks of the queue, in whatever state: about `limit` of them, or none.

        It begins where the page before said, and changes nothing. Whatever keeps its state during the walk comes at least
        once; what changes it meanwhile may come twice, or not at all.
        """
        ...

    async def sessions(self, queue: str) -> list[SessionState]:
        """Return the sessions that read the queue or own deliveries of it, by their ids (see `session_states`)."""
        ...

    async def dead_letters(self, queue: str, limit: int = 100, offset: int = 0) -> list[Buried]:
        """Return the queue's dead letters, the oldest first, without the first `offset`. Empty: there are no more."""
        ...

    async def find_dead_letters(self, queue: str, ids: Sequence[TaskId]) -> list[Buried]:
        """Return those of the queue's dead letters that are named, in the order of `ids`."""
        ...

    async def replay(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Make dead letters ready again and return those that were there. Their outcomes are deleted: waiters wait on."""
        ...

    async def drop(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Delete dead letters for good and return those that were there. Their outcomes stay."""
        ...

    async def purge(self, queue: str, *, dead: bool = False) -> int:
        """Delete the queue's ready, delayed and parked tasks (or its dead letters) for good, and return how many."""
        ...


@runtime_checkable
class SpreadingBackend(Protocol):
    """A backend that may keep one queue in several places. Only publications name a place; all else is asked by queue or by id."""

    @property
    def spreads(self) -> bool:
        """Whether it does so with any queue."""
        ...

    def place(self, queue: str, once: Once | None) -> str:
        """Return the place for one more task of a queue: its id and its publication name it in the stead of the queue."""
        ...
