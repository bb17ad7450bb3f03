"""Who waits for an outcome that never comes is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from typedtasks import BackendUnavailable, Broker, ResultLost, waiting
from typedtasks.backend import TaskId, new_task_id
from typedtasks.backends.memory import MemoryBackend
from typedtasks.backends.memory_state import Entry
from typedtasks.clock import ManualClock
from typedtasks.outcome import success_prefix, write_outcome
from typedtasks.waiting import Outcomes


async def test_an_unknown_id_from_a_clock_that_is_ahead_is_lost_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time says nothing; what counts is how long it has been awaited."""
    monkeypatch.setattr(waiting, "_LOOK_AGAIN", 0.01)
    monkeypatch.setattr(waiting, "_PATIENCE_MS", 20)
    broker = Broker("memory://")

    @broker.task(name="f")
    async def f() -> None: ...

    async with broker:
        for id in (new_task_id("default", broker.clock.now() + 3600), "default.zzzzzzzzzzzzzzzzzzzz"):
            with pytest.raises(ResultLost, match="is unknown"):
                await broker.handle(f, id).result(timeout=5)


class Pushing(MemoryBackend):
    """A backend that pushes outcomes to the client whose name is in the envelope, and counts what it is asked for."""

    reads = 0
    refusals = 0
    """How many more questions are not answered."""

    @property
    def reply_to(self) -> str:
        """A name, so this client is told of its own outcomes."""
        return "client"

    async def read_outcomes(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Count the question."""
        self._refuse()
        self.reads += 1
        return await super().read_outcomes(ids)

    async def watch(self, ids: Sequence[TaskId]) -> None:
        """Be away now and then."""
        self._refuse()
        await super().watch(ids)

    def _refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BackendUnavailable("It is away.")


class Waits:
    """One client's outcomes on a backend and a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.backend = Pushing(self.clock)
        self.outcomes = Outcomes(self.backend, self.clock)
        self.outcomes.open()
        self.clock.advance(1)

    def sent(self) -> TaskId:
        """Return the id of a task that was sent now."""
        return new_task_id("default", self.clock.now())

    async def wait(self, id: TaskId, ttl_ms: int = 60_000) -> bytes:
        """Wait for an outcome as a handle of this client's own does."""
        async with asyncio.timeout(5):
            return await self.outcomes.wait(id, foreign=False, ttl_ms=ttl_ms)


SUCCESS = success_prefix(1) + b"1"


async def test_a_success_that_was_pushed_before_it_is_awaited_is_known() -> None:
    """The backend is not asked."""
    waits = Waits()
    id = waits.sent()
    waits.outcomes.settled(id, SUCCESS)
    assert [await waits.wait(id), await waits.wait(id)] == [SUCCESS, SUCCESS]
    assert waits.backend.reads == 0


@pytest.mark.parametrize("gap", ["interrupted", "failure", "large", "many"])
async def test_what_may_have_been_pushed_and_is_not_known_is_asked_for(gap: str) -> None:
    """A gap in the pushes, an outcome that can be replayed or is too large, more outcomes than are remembered."""
    waits = Waits()
    id = waits.sent()
    waits.backend.outcomes[id] = (SUCCESS, waits.clock.now() * 1000 + 60_000)
    if gap == "interrupted":
        waits.outcomes.interrupted()
    elif gap == "failure":
        waits.outcomes.settled(id, write_outcome("cancelled"))
    elif gap == "large":
        waits.outcomes.settled(id, success_prefix(1) + b"1" * 5000)
    else:
        for _ in range(600):
            waits.outcomes.settled(waits.sent(), SUCCESS)
    assert await waits.wait(id) == SUCCESS
    assert waits.backend.reads == 1
    await waits.outcomes.close()


async def test_an_outcome_that_was_read_is_known_to_whoever_waits_again() -> None:
    """Its push may have been lost, so nobody waits for it a second time."""
    waits = Waits()
    id = waits.sent()
    waits.backend.outcomes[id] = (SUCCESS, waits.clock.now() * 1000 + 60_000)
    assert await waits.outcomes.read(id) == SUCCESS
    assert await waits.wait(id) == SUCCESS


async def test_what_is_older_than_its_time_to_live_is_asked_for() -> None:
    """Though it was pushed: everybody gets the same answer."""
    waits = Waits()
    id = waits.sent()
    waits.outcomes.settled(id, SUCCESS)
    waits.clock.advance(61)
    waits.backend.outcomes[id] = (SUCCESS, waits.clock.now() * 1000 + 1)
    assert await waits.wait(id) == SUCCESS
    assert waits.backend.reads == 1
    await waits.outcomes.close()


@pytest.mark.parametrize("foreign", [False, True])
async def test_who_begins_to_wait_while_the_backend_is_away_waits_until_it_is_back(foreign: bool) -> None:
    """As everybody does who waited before: a restart of the backend is nothing that they have to know."""
    waits = Waits()
    id = waits.sent()
    waits.outcomes.interrupted()  # so that a question is asked
    waits.backend.outcomes[id] = (SUCCESS, waits.clock.now() * 1000 + 60_000)
    waits.backend.refusals = 2
    async with asyncio.timeout(5):
        assert await waits.outcomes.wait(id, foreign=foreign, ttl_ms=60_000) == SUCCESS
    assert waits.backend.refusals == 0
    await waits.outcomes.close()


async def test_who_begins_to_wait_while_the_backend_is_away_for_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the backend's own error."""
    monkeypatch.setattr(waiting, "_AWAY", 0.05)
    waits = Waits()
    waits.outcomes.interrupted()
    waits.backend.refusals = 1_000
    with pytest.raises(BackendUnavailable, match="It is away"):
        await waits.wait(waits.sent())
    await waits.outcomes.close()


async def test_a_gap_that_comes_during_a_look_leads_to_another_look() -> None:
    """What was pushed in it was pushed after the look had read."""
    waits = Waits()
    id = waits.sent()
    waiting = asyncio.create_task(waits.wait(id))
    await asyncio.sleep(0)
    read = waits.backend.read_outcomes

    async def read_and_miss(ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        found = await read(ids)
        if waits.backend.reads == 1:
            waits.backend.outcomes[id] = (SUCCESS, waits.clock.now() * 1000 + 60_000)
            waits.outcomes.interrupted()
        return found

    waits.backend.read_outcomes = read_and_miss  # type: ignore[method-assign]  # this one look is answered late
    waits.backend.queue("default").ready[1][id] = Entry(id, 1, b"")  # it is known, so nobody gives it up
    waits.outcomes.interrupted()
    async with asyncio.timeout(2):
        assert await waiting == SUCCESS
    await waits.outcomes.close()
