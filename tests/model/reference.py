"""What a queue is, in the plainest words: the reference that every backend is compared with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from typedtasks.backend import Bury, Delivery, Finish, Publication, Reschedule, Settlement, TaskId

__all__ = ["Job", "Reference", "State"]


class State(Enum):
    """Where a task is."""

    WAITING = auto()
    """Ready, delayed or parked: which one, its `due` and `awaits` say."""
    RUNNING = auto()
    DEAD = auto()
    DONE = auto()
    PURGED = auto()


@dataclass
class Job:
    """One task that was accepted."""

    id: TaskId
    priority: int
    body: bytes
    due: float
    state: State = State.WAITING
    awaits: str = ""
    patience: float = 0.0
    """How long it is parked."""
    taken_for: str = ""
    """What it was parked for when it was taken: for that it is parked again if it is given back."""
    owner: str = ""
    receipt: str = ""
    deliveries: int = 0
    cancelled: bool = False
    reason: str = ""
    outcomes: list[bytes] = field(default_factory=list)
    """What was committed for it. Replaying a dead letter takes its outcome back."""


class Reference:
    """One queue, its sessions, and the time in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs: dict[TaskId, Job] = {}
        self.leases: dict[str, float] = {}
        self.windows: dict[str, tuple[TaskId, float]] = {}
        """By key: which task holds it, and until when."""

    def is_alive(self, session: str) -> bool:
        """Return whether a session has a lease."""
        return self.leases.get(session, self.now) > self.now

    def publish(self, item: Publication) -> TaskId:
        """Accept a task unless another holds its key, and return the one that stands for it."""
        if item.once is not None:
            holder, until = self.windows.get(item.once.key, (item.id, self.now))
            if until > self.now:
                return holder
            self.windows[item.once.key] = (item.id, self.now + item.once.window_ms / 1000)
        self.jobs[item.id] = Job(item.id, item.priority, item.body, self.now + item.delay_ms / 1000)
        return item.id

    def of(self, state: State) -> list[Job]:
        """Return the tasks in a state."""
        return [job for job in self.jobs.values() if job.state is state]

    def claimable(self) -> list[Job]:
        """Return what a worker may claim now."""
        return [job for job in self.of(State.WAITING) if job.due <= self.now]

    def recoverable(self, session: str, held: Collection[str]) -> list[Job]:
        """Return what a session may take over: tasks of sessions without a lease, and own ones that it does not have in hand."""
        return [
            job
            for job in self.of(State.RUNNING)
            if not self.is_alive(job.owner) or (job.owner == session and job.receipt not in held)
        ]

    def hand_out(self, session: str, delivery: Delivery, taken_for: str = "") -> None:
        """Lease a task to a session."""
        job = self.jobs[delivery.id]
        was_running = job.state is State.RUNNING
        job.state, job.owner, job.receipt = State.RUNNING, session, delivery.receipt
        job.deliveries, job.awaits, job.taken_for = delivery.deliveries, "", taken_for or (job.taken_for if was_running else "")

    def owns(self, session: str, delivery: Delivery) -> bool:
        """Return whether a session may end a delivery: it is alive, and this is the task's latest delivery."""
        job = self.jobs[delivery.id]
        is_latest = job.state is State.RUNNING and (job.owner, job.receipt) == (session, delivery.receipt)
        return is_latest and self.is_alive(session)

    def settle(self, session: str, item: Settlement) -> bool:
        """End a delivery, and return whether the session owned it."""
        if not self.owns(session, item.delivery):
            return False
        job = self.jobs[item.delivery.id]
        match item:
            case Reschedule(body=body, delay_ms=delay_ms, awaits=awaits):
                job.state, job.body = State.WAITING, body
                job.deliveries = job.deliveries - 1 if awaits and not job.cancelled else 0
                job.due = self.now if job.cancelled else self.now + delay_ms / 1000
                job.awaits = "" if job.due <= self.now else awaits
                job.patience = delay_ms / 1000
                job.taken_for = ""
            case Bury(reason=reason, outcome=outcome):
                job.state, job.reason = State.DEAD, reason
                job.outcomes.append(outcome)
            case Finish(outcome=outcome):
                job.state = State.DONE
                job.outcomes.append(outcome)
        return True

    def release(self, session: str, delivery: Delivery) -> bool:
        """Give a delivery back."""
        if not self.owns(session, delivery):
            return False
        job = self.jobs[delivery.id]
        job.state, job.due, job.deliveries = State.WAITING, self.now, job.deliveries - 1
        if job.taken_for and not job.cancelled:
            job.due, job.awaits = self.now + job.patience, job.taken_for
        return True

    def cancel(self, ids: Sequence[TaskId]) -> None:
        """Mark tasks that have not ended; what is delayed becomes ready."""
        for job in (self.jobs[id] for id in ids):
            if job.state in (State.WAITING, State.RUNNING):
                job.cancelled = True
            if job.state is State.WAITING:
                job.due, job.awaits = min(job.due, self.now), ""

    def parked(self, names: Collection[str]) -> list[Job]:
        """Return the tasks that are parked for one of these."""
        return [job for job in self.of(State.WAITING) if job.awaits and job.awaits in names]

    def keep_parked(self, names: Collection[str]) -> None:
        """Let what is parked wait for as long again: somebody is here who has what it waits for."""
        for job in self.parked(names):
            job.due = self.now + job.patience

    def replay(self, ids: Collection[TaskId]) -> set[TaskId]:
        """Make dead letters ready again, as if nobody had ever touched them."""
        dead = [job for job in self.of(State.DEAD) if job.id in ids]
        for job in dead:
            job.state, job.due, job.deliveries, job.reason, job.cancelled = State.WAITING, self.now, 0, "", False
            job.outcomes.clear()
        return {job.id for job in dead}

    def drop(self, ids: Collection[TaskId]) -> set[TaskId]:
        """Delete dead letters."""
        gone = [job for job in self.of(State.DEAD) if job.id in ids]
        for job in gone:
            job.state = State.PURGED
        return {job.id for job in gone}

    def purge(self, *, dead: bool) -> int:
        """Delete what waits, or the dead letters."""
        gone = self.of(State.DEAD if dead else State.WAITING)
        for job in gone:
            job.state = State.PURGED
        return len(gone)
