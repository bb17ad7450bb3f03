"""Who waits for which outcome: pushed outcomes are handed over, and missed ones are found again."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Sequence
from typing import Final, TypeVar

from typedtasks.attendance import Attendance, LocalBackend
from typedtasks.backend import Backend, TaskId, created_ms
from typedtasks.batching import Batcher, cancel_and_wait
from typedtasks.clock import Clock
from typedtasks.errors import BackendUnavailable, BrokerClosed, ResultExpired, ResultLost, TypedTasksError
from typedtasks.logs import Log
from typedtasks.outcome import is_success

__all__ = ["Outcomes"]

T = TypeVar("T")

_LOOK_AGAIN: Final = 5.0
"""Seconds between the looks for outcomes whose push was missed."""
_READ_LIMIT: Final = 500
"""Outcomes that are read in one call."""
_PATIENCE_MS: Final = 5_000
"""How old an id is before the backend is asked whether it knows it at all: the task may have been purged."""
_AWAY: Final = 4.5
"""Seconds that a backend may be away while someone begins to wait, until they are told."""
_PAUSE: Final = 0.1
_MEMORY: Final = 512
"""How many outcomes are remembered that were pushed before anyone here waited for them."""
_MEMORABLE: Final = 4096
"""Bytes of a remembered outcome."""

_log = Log("typedtasks")


class _Waiter:
    __slots__ = ("count", "foreign", "looks", "outcome", "since_ms", "ttl_ms")

    def __init__(self, outcome: asyncio.Future[bytes], foreign: bool, ttl_ms: int, since_ms: float) -> None:
        self.outcome = outcome
        self.foreign = foreign
        self.ttl_ms = ttl_ms
        self.since_ms = since_ms
        self.count = 0
        self.looks = 0


class _Told:
    """What was pushed to this client lately. Of a task that was sent after `since`, nothing was pushed that is not here.

    So a result that is awaited right after its call costs no question to the backend. Only successes are kept: whatever else
    can be replayed, and then ends in another way.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outcomes: dict[TaskId, bytes] = {}
        self.since = math.inf
        """In milliseconds since 1970."""

    def note(self, id: TaskId, outcome: bytes | None) -> None:
        """Keep an outcome, or take notice of one that is not kept."""
        if outcome is None or len(outcome) > _MEMORABLE or len(self._outcomes) >= _MEMORY or not is_success(outcome):
            self.forget()
        else:
            self._outcomes[id] = outcome

    def get(self, id: TaskId) -> bytes | None:
        """Return the outcome if it is here."""
        return self._outcomes.get(id)

    def forget(self) -> None:
        """Begin again: from now on, what is pushed is known."""
        self._outcomes.clear()
        self.since = self._clock.now() * 1000


class Outcomes:
    """One client's outcomes. It listens to the backend (`OutcomeListener`), and wakes whoever waits for an id."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._waiters: dict[TaskId, _Waiter] = {}
        self._reads: Batcher[TaskId, bytes | None] = Batcher(self._read, limit=_READ_LIMIT)
        self._watches: Batcher[TaskId, None] = Batcher(self._begin_watch, limit=_READ_LIMIT)
        self._unwatches: Batcher[TaskId, None] = Batcher(self._end_watch, limit=_READ_LIMIT)
        self._unwatching: set[asyncio.Task[None]] = set()
        self._unread: list[TaskId] = []
        self._doubted: list[TaskId] = []
        self._interrupted = False
        self._wake = asyncio.Event()
        self._watchman: asyncio.Task[None] | None = None
        self._told = _Told(clock)
        self._attendance = Attendance(backend) if isinstance(backend, LocalBackend) else None

    def open(self) -> None:
        """Begin to listen: the backend has been opened."""
        self._told.forget()

    async def wait(self, id: TaskId, *, foreign: bool, ttl_ms: int) -> bytes:
        """Return the outcome of a task as soon as there is one.

        `foreign`: another client sent the task, so the backend has to be told that someone here waits, and may not know the id
        at all: that is asked at once, unless the id is so new that it may be on its way. Raises `ResultExpired` or
        `ResultLost` where there will never be one.
        """
        sent = created_ms(id)
        age = self._clock.now() * 1000 - sent
        is_told = bool(self._backend.reply_to) and not foreign and age < ttl_ms
        if is_told and (outcome := self._told.get(id)) is not None:
            return outcome
        waiter = self._waiters.get(id)
        if waiter is None:
            waiter = self._waiters[id] = _Waiter(
                asyncio.get_running_loop().create_future(), foreign, ttl_ms, self._clock.now() * 1000
            )
        waiter.count += 1
        look = None if self._attendance is None else self._attendance.begin(id)
        if self._watchman is None:
            self._wake = asyncio.Event()  # of this event loop: a broker may be opened again on another one
            self._watchman = asyncio.create_task(self._watch(), name="typedtasks-outcomes", context=contextvars.Context())
        try:
            if foreign:
                await self._ask_to_be_told(id)
            if is_told and sent > self._told.since:
                return await asyncio.shield(waiter.outcome)
            try:
                outcome = (await self._reads.submit([id]))[0]
            except BackendUnavailable as away:
                outcome = await self._ask_again(self._reads, id, away)
            if outcome is not None:
                return outcome
            if age >= ttl_ms:
                await self._give_up([id])
            elif foreign and age >= _PATIENCE_MS:
                self._doubted.append(id)  # the watchman asks: the answer may be slow, and the outcome may come before it
                self._wake.set()
            return await asyncio.shield(waiter.outcome)
        finally:
            if look is not None:
                look.cancel()
            waiter.count -= 1
            if not waiter.count and self._waiters.get(id) is waiter:
                self._forget(id, waiter, foreign)

    def _forget(self, id: TaskId, waiter: _Waiter, foreign: bool) -> None:
        """Take notice that nobody waits for a task any more."""
        del self._waiters[id]
        waiter.outcome.cancel()
        if foreign:  # in the background: who gives up, or has the outcome, does not wait for the backend
            task = asyncio.create_task(self._unwatch(id), name="typedtasks-unwatching")
            self._unwatching.add(task)
            task.add_done_callback(self._unwatching.discard)

    async def _ask_to_be_told(self, id: TaskId) -> None:
        try:
            await self._watches.submit([id])
        except BackendUnavailable as away:
            await self._ask_again(self._watches, id, away)

    async def _ask_again(self, questions: Batcher[TaskId, T], id: TaskId, away: BackendUnavailable) -> T:
        """Return the answer when the backend is back: who waited before does not hear of it either. Raises `away` after a while."""
        try:
            async with asyncio.timeout(_AWAY):
                while True:
                    await asyncio.sleep(_PAUSE)
                    try:
                        return (await questions.submit([id]))[0]
                    except BackendUnavailable as error:
                        away = error
        except TimeoutError:
            raise away from None

    async def read(self, id: TaskId) -> bytes | None:
        """Return the outcome of a task if it has ended, without waiting for it."""
        return (await self._reads.submit([id]))[0]

    async def close(self) -> None:
        """Stop listening. Whoever still waits gets `BrokerClosed`."""
        await cancel_and_wait(self._unwatching)
        if self._watchman is not None:
            await cancel_and_wait([self._watchman])
            self._watchman = None
        for questions in (self._reads, self._watches, self._unwatches):  # who asked may be gone, and the question under way
            await questions.close()
        for id, waiter in self._waiters.items():
            if not waiter.outcome.done():
                waiter.outcome.set_exception(BrokerClosed(f"The broker was closed while the outcome of {id} was awaited."))
                waiter.outcome.exception()  # seen: whoever waits may be gone already
        self._waiters.clear()
        self._told.since = math.inf
        self._unread.clear()
        self._doubted.clear()

    def settled(self, id: TaskId, outcome: bytes | None) -> None:
        """Take a pushed outcome (see `OutcomeListener`)."""
        self._told.note(id, outcome)
        waiter = self._waiters.get(id)
        if waiter is None or waiter.outcome.done():
            return
        if outcome is None:
            self._unread.append(id)
            self._wake.set()
        else:
            waiter.outcome.set_result(outcome)

    def interrupted(self) -> None:
        """Look again for everything that is awaited (see `OutcomeListener`)."""
        self._told.forget()
        self._interrupted = True
        self._wake.set()

    async def _watch(self) -> None:
        while True:
            everything = False
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._wake.wait()
            except TimeoutError:
                everything = True
            self._wake.clear()
            ids, self._unread = self._unread, []
            doubted, self._doubted = self._doubted, []
            interrupted, self._interrupted = self._interrupted, False  # another gap may come during the look
            try:
                if everything or interrupted:
                    ids = list(self._waiters)
                    await self._look(ids)
                    await self._give_up(self._doubtful(ids, interrupted=interrupted))
                else:
                    await self._look(ids)
                    await self._give_up([id for id in doubted if self._is_awaited(id)])
            except BackendUnavailable:
                self._interrupted = True  # it will be back; then everything has to be looked at
            except Exception:  # noqa: BLE001 - whatever it was: those who wait rely on the next look
                _log.exception("Outcomes could not be looked for; trying again within %g s.", _LOOK_AGAIN)
                self._interrupted = True

    async def _look(self, ids: Sequence[TaskId]) -> None:
        for id, outcome in zip(ids, await self._reads.submit(ids), strict=True):
            if outcome is not None:
                self.settled(id, outcome)

    def _doubtful(self, ids: Sequence[TaskId], *, interrupted: bool) -> list[TaskId]:
        """Return those whose task the backend may not know (any more), and that are due to be asked for."""
        now = self._clock.now() * 1000
        doubtful: list[TaskId] = []
        for id in ids:
            if not self._is_awaited(id):
                continue
            waiter = self._waiters[id]
            # An id may come from a clock that is ahead of this one: then what counts is how long it has been awaited.
            age = now - min(created_ms(id), waiter.since_ms)
            if interrupted or age >= min(waiter.ttl_ms, _PATIENCE_MS):
                waiter.looks += 1
                # The question may be slow for the backend, so it is asked after 1, 2, 4, 8 ... looks.
                if interrupted or waiter.looks & (waiter.looks - 1) == 0:
                    doubtful.append(id)
        return doubtful

    def _is_awaited(self, id: TaskId) -> bool:
        waiter = self._waiters.get(id)
        return waiter is not None and not waiter.outcome.done()

    async def _give_up(self, ids: Sequence[TaskId]) -> None:
        missing = await self._backend.missing(ids) if ids else ()
        for id in missing:
            waiter = self._waiters.get(id)
            if waiter is not None and not waiter.outcome.done():
                waiter.outcome.set_exception(_lost(id, waiter.ttl_ms, self._clock.now()))

    async def _unwatch(self, id: TaskId) -> None:
        try:
            await self._unwatches.submit([id])
        except TypedTasksError as error:  # the backend forgets it by itself, and an outcome is not lost for this
            _log.debug("%s is still watched: %s", id, error)

    async def _begin_watch(self, ids: list[TaskId]) -> Sequence[None]:
        await self._backend.watch(ids)
        return [None] * len(ids)

    async def _end_watch(self, ids: list[TaskId]) -> Sequence[None]:
        await self._backend.unwatch([id for id in ids if id not in self._waiters])
        return [None] * len(ids)

    async def _read(self, ids: list[TaskId]) -> Sequence[bytes | None]:
        found = await self._backend.read_outcomes(ids)
        for id, outcome in found.items():
            self._told.note(id, outcome)  # its push may have been lost, so whoever waits for it again is told from here
        return [found.get(id) for id in ids]


def _lost(id: TaskId, ttl_ms: int, now: float) -> TypedTasksError:
    if created_ms(id) and created_ms(id) + ttl_ms <= now * 1000:
        return ResultExpired(
            f"Task {id} has no outcome any more: outcomes are kept for {ttl_ms / 1000:g} s (result_ttl), and this task is "
            "older. Fetch results earlier, or give the task a longer result_ttl."
        )
    return ResultLost(
        f"Task {id} is unknown: the backend has neither the task nor an outcome of it. Its data was deleted or lost "
        "(a Redis without persistence that restarted?), or the id or the broker's URL is not the one that it was sent with."
    )
