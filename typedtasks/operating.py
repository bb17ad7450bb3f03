"""The operator's half of a broker: what waits, what runs and where, what died; and how that is mended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, cast

from typedtasks.backend import Backend, Buried, Counts, SessionState, Stored, Waiting
from typedtasks.clock import Clock
from typedtasks.codecs import Undecodable
from typedtasks.contract import Misfit
from typedtasks.envelope import EnvelopeInvalid, EnvelopeReader, Header
from typedtasks.errors import DefinitionError, describe, printable
from typedtasks.ids import TaskId, is_queue_name, is_task_id, queue_name, queue_of
from typedtasks.sealing import SEAL_ROOM, Sealing
from typedtasks.task import AnyTask
from typedtasks.waiting import Outcomes

__all__ = ["Cancellation", "DeadLetter", "LetterFilter", "Moment", "Operating", "Replay", "header_of", "moment_ms"]

Moment: TypeAlias = datetime | timedelta
"""A point in time: one with a zone, or how long ago it was."""

_PAGE: Final = 100
"""Dead letters that are read at a time: each may have 256 KiB and more."""


@dataclass(frozen=True, slots=True)
class DeadLetter(Buried):
    """A task that could not be run, as an operator sees it: what was stored, and what its envelope says."""

    header: Header | None
    """What the envelope says about its task; None where it cannot be read."""

    @classmethod
    def of(cls, buried: Buried) -> DeadLetter:
        """Return the letter with its envelope read."""
        header = header_of(buried.body)
        return cls(buried.id, buried.queue, buried.priority, buried.reason, buried.died_ms, buried.deliveries, buried.body, header)

    @property
    def task(self) -> str:
        """The name of the task; empty where the envelope cannot be read."""
        return "" if self.header is None else self.header.task

    @property
    def payload(self) -> bytes:
        """The arguments as JSON; the whole envelope where that cannot be read."""
        return self.body if self.header is None else self.body.partition(b"\n")[2]

    @property
    def died(self) -> datetime:
        """When it became a dead letter, by the backend's clock."""
        return datetime.fromtimestamp(self.died_ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters are meant: those that all of its parts cover."""

    task: str | None = None
    """The name of the task."""
    reason: str | None = None
    """A part of the reason."""
    since_ms: int | None = None
    """Died at this time or later, in milliseconds since 1970."""
    until_ms: int | None = None
    """Died before this time."""

    @classmethod
    def of(cls, now: float, task: str | None, reason: str | None, since: Moment | None, until: Moment | None) -> LetterFilter:
        """Return the filter of times that are counted from `now`, in seconds since 1970. Raises `DefinitionError` for no times."""
        if not isinstance(cast("object", task), str | None):
            raise DefinitionError(f"task={task!r} is not the name of a task; pass a string, such as task.name.")
        since_ms = None if since is None else moment_ms(since, now, "since")
        return cls(task, reason, since_ms, None if until is None else moment_ms(until, now, "until"))

    def covers(self, letter: DeadLetter) -> bool:
        """Return whether the letter is meant."""
        return (
            (self.task is None or letter.task == self.task)
            and (self.reason is None or self.reason in letter.reason)
            and (self.since_ms is None or letter.died_ms >= self.since_ms)
            and (self.until_ms is None or letter.died_ms < self.until_ms)
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of dead letters that were to be put back."""

    put_back: tuple[TaskId, ...] = ()
    """They wait in their queue again."""
    would_fail: Mapping[TaskId, str] = field(default_factory=dict[TaskId, str])
    """They were left where they are, because they would fail again: for this reason."""
    missing: tuple[TaskId, ...] = ()
    """There is no dead letter of this id."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What became of tasks that were to be cancelled."""

    asked: tuple[TaskId, ...] = ()
    """Their workers are told; those that wait are settled when a worker comes to them."""
    ended: tuple[TaskId, ...] = ()
    """They have an outcome, or are dead letters: there is nothing to cancel."""
    missing: tuple[TaskId, ...] = ()
    """The backend knows no task of this id."""


class Operating(ABC):
    """What a broker offers to operators. `Broker` is the only one; the backend does the work."""

    backend: Backend
    clock: Clock
    max_payload: int
    sealing: Sealing
    _outcomes: Outcomes

    @property
    @abstractmethod
    def tasks(self) -> Mapping[str, AnyTask]:
        """All tasks by name."""

    @abstractmethod
    def check_open(self, what: str) -> None:
        """Raise `BrokerClosed`, naming `what` was asked for, unless the broker is open on the running event loop."""

    async def counts(self, queue: str = "default") -> Counts:
        """Return how many tasks of a queue are ready, running, delayed, parked and dead."""
        self.check_open("counts")
        return await self.backend.counts(_queue(queue))

    async def peek(self, queue: str = "default", limit: int = 100) -> list[Waiting]:
        """Return tasks of a queue that have not ended: ready, running, delayed, and parked for want of a worker."""
        self.check_open("peek")
        return await self.backend.peek(_queue(queue), _limit(limit))

    async def parked(self, queue: str = "default", limit: int = 100) -> list[Waiting]:
        """Return tasks of a queue that no worker knew yet; `awaits` is the task's name, or the codec, key
        or contract that is missing. The first is tried again first."""
        self.check_open("parked")
        return await self.backend.parked(_queue(queue), _limit(limit))

    async def walk(self, queue: str = "default") -> AsyncIterator[Stored]:
        """Yield all tasks of a queue, in whatever state, dead letters included; no more than 250 are in memory at a time.

        Whatever keeps its state meanwhile comes at least once; what changes it may come twice, or not at all.
        """
        cursor, begun = "", False
        while cursor or not begun:
            self.check_open("walk")
            page = await self.backend.scan(_queue(queue), cursor)
            cursor, begun = page.cursor, True
            for stored in page.tasks:
                yield stored

    async def workers(self, queue: str = "default") -> list[SessionState]:
        """Return the sessions of the workers that read a queue, and of dead ones whose tasks nobody has taken over yet."""
        self.check_open("workers")
        return await self.backend.sessions(_queue(queue))

    async def dead_letters(
        self,
        queue: str = "default",
        limit: int = 100,
        *,
        task: str | None = None,
        reason: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> list[DeadLetter]:
        """Return tasks of a queue that can never be run, each with its reason and raw bytes, the oldest first.

        Of those that `task` (a name), `reason` (a part of it), `since` and `until` (when it died: a time with a zone, or how long
        ago) cover, at most `limit`.
        """
        self.check_open("dead_letters")
        _queue(queue)
        _limit(limit)
        wanted = LetterFilter.of(self.clock.now(), task, reason, since, until)
        found: list[DeadLetter] = []
        offset = 0
        while len(found) < limit and (page := await self.backend.dead_letters(queue, _PAGE, offset)):
            found += [letter for letter in map(DeadLetter.of, page) if wanted.covers(letter)]
            offset += _PAGE
        return found[:limit]

    async def find_dead_letters(self, ids: Sequence[str], queue: str = "default") -> list[DeadLetter]:
        """Return those dead letters of a queue that are named, in the order of `ids`."""
        self.check_open("find_dead_letters")
        return [DeadLetter.of(buried) for buried in await self.backend.find_dead_letters(_queue(queue), _sendable(ids))]

    async def replay(self, ids: Sequence[str], queue: str = "default", *, check: bool = True, dry_run: bool = False) -> Replay:
        """Put dead letters back into their queue, under their old ids: waiters wait on.

        With `check`, those are left alone that would become dead letters again, as far as this broker knows: see
        `replay_obstacle`. With `dry_run` nothing is changed, and the answer says what would be.
        """
        self.check_open("replay")
        wanted = _sendable(ids)
        would_fail: dict[TaskId, str] = {}
        fitting = wanted
        if check or dry_run:
            fitting = list[TaskId]()
            for start in range(0, len(wanted), _PAGE):
                for letter in await self.find_dead_letters(wanted[start : start + _PAGE], queue):
                    obstacle = self.replay_obstacle(letter) if check else None
                    if obstacle is None:
                        fitting.append(letter.id)
                    else:
                        would_fail[letter.id] = obstacle
        found = set(fitting) if dry_run else await self.backend.replay(_queue(queue), fitting)
        put_back = tuple(id for id in fitting if id in found)
        missing = tuple(TaskId(id) for id in _distinct(ids) if id not in found and id not in would_fail)
        return Replay(put_back, would_fail, missing)

    def replay_obstacle(self, letter: DeadLetter) -> str | None:
        """Return why a dead letter would not be run if it were put back now; None where nothing is known against it.

        Its envelope cannot be read, this broker has no task of its name, its time has passed, or its arguments do not fit
        today's signature.
        """
        try:
            header = EnvelopeReader(self.max_payload + SEAL_ROOM).read(letter.body)[0]
        except EnvelopeInvalid as invalid:
            return f"its envelope cannot be read: {invalid}"
        task = self.tasks.get(header.task)
        if task is None:
            return f"this broker has no task {header.task!r}"
        if header.expires_ms and header.expires_ms < self.clock.now() * 1000:
            expired = datetime.fromtimestamp(header.expires_ms / 1000, UTC).isoformat(timespec="seconds")
            return f"it was not to be started after {expired}"
        try:
            task.boundary.decode_arguments(self.read_payload(letter))
        except Undecodable as error:
            return str(error)
        except Misfit as misfit:
            shown = misfit.without_values() if self.sealing.hides else misfit
            found = describe(shown.errors, indent="").strip().replace("\n", "; ")
            return f"its payload does not fit {task.name}{task.boundary.signature_text}: {found}"
        except DefinitionError as error:
            return str(error)
        return None

    def read_payload(self, letter: Buried | Waiting) -> bytes:
        """Return the arguments of a dead letter or of a waiting task as JSON, decoded by this broker's codecs.

        Raises `Undecodable` where it has no such codec or key, or the payload was changed.
        """
        header, payload = header_of(letter.body), letter.body.partition(b"\n")[2]
        if header is None:
            raise Undecodable("its envelope cannot be read")
        return self.sealing.open_call(payload, header.codecs, letter.id, header.task)

    async def drop(self, ids: Sequence[str], queue: str = "default") -> tuple[TaskId, ...]:
        """Delete dead letters of a queue for good, and return the ids of those that were there."""
        self.check_open("drop")
        wanted = _sendable(ids)
        found = await self.backend.drop(_queue(queue), wanted)
        return tuple(id for id in wanted if id in found)

    async def purge(self, queue: str = "default", *, dead: bool = False) -> int:
        """Delete a queue's waiting tasks (or its dead letters) for good, and return how many there were."""
        self.check_open("purge")
        deleted = await self.backend.purge(_queue(queue), dead=dead)
        self._outcomes.interrupted()  # who waits here for a deleted task is told so
        return deleted

    async def cancel(self, ids: Sequence[str]) -> Cancellation:
        """Ask for the cancellation of tasks, of whatever queues, and say which have ended or are not there.

        What `TaskHandle.cancel` says of one task holds for each.
        """
        self.check_open("cancel")
        named = [TaskId(id) for id in _distinct(ids)]
        wanted = [id for id in named if is_task_id(id)]
        missing = await self.backend.missing(wanted) if wanted else set[TaskId]()
        ended: set[TaskId] = set(await self.backend.read_outcomes(wanted))
        for queue in {queue_of(id) for id in wanted}:
            ended |= {letter.id for letter in await self.backend.find_dead_letters(queue, wanted)}
        asked = dict.fromkeys(id for id in wanted if id not in missing and id not in ended)
        if asked:
            await self.backend.cancel(list(asked))
        return Cancellation(
            tuple(asked),
            tuple(id for id in wanted if id in ended),
            tuple(id for id in named if id not in asked and id not in ended),
        )


def header_of(body: bytes) -> Header | None:
    """Return what an envelope says about its task, however long its arguments are; None where it cannot be read."""
    line, end, _ = body.partition(b"\n")
    try:
        return EnvelopeReader(0).read(line + end)[0]
    except EnvelopeInvalid:
        return None


def moment_ms(moment: Moment, now: float, name: str) -> int:
    """Return a point in time in milliseconds since 1970. `name` says in the `DefinitionError` which option is none."""
    if isinstance(moment, timedelta):
        return int((now - moment.total_seconds()) * 1000)
    if not isinstance(cast("object", moment), datetime) or moment.tzinfo is None:
        raise DefinitionError(f"{name}={moment!r} is not a time with a zone; pass one such as datetime.now(UTC), or a timedelta.")
    return int(moment.timestamp() * 1000)


def _distinct(ids: Sequence[str]) -> list[str]:
    """Return each id once. Raises `DefinitionError` for a lone string, which would be taken for many ids of one character."""
    if isinstance(ids, str):
        raise DefinitionError(f"ids={ids!r} is one string; pass a list of ids: [{ids!r}].")
    for id in ids:
        if not isinstance(cast("object", id), str):
            raise DefinitionError(f"ids: {id!r} is not the id of a task; pass strings, such as letter.id.")
    return list(dict.fromkeys(ids))


def _queue(queue: str) -> str:
    """Return the name of a queue, or of one of its shards. What is none would look like a queue in which nothing is."""
    if not isinstance(cast("object", queue), str) or not is_queue_name(queue_name(queue)):
        raise DefinitionError(f"queue={queue!r} is not a queue name: 1 to 64 letters, digits, '_' or '-'.")
    return queue


def _limit(limit: int) -> int:
    if not isinstance(cast("object", limit), int) or limit < 1:
        raise DefinitionError(f"limit={limit!r} is not a whole number above zero.")
    return limit


def _sendable(ids: Sequence[str]) -> list[TaskId]:
    """Return the ids that can be sent, each once: of others (lone surrogates) there is nothing anywhere."""
    return [TaskId(id) for id in _distinct(ids) if id == printable(id)]
