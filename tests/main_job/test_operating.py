"""What operators do by the broker: find dead letters, put back those that fit today, see who works, cancel."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.main_job.stage import Stage
from typedtasks import AsyncTask, Broker, Cancellation, Cancelled, Crashed, DefinitionError, Replay, Worker
from typedtasks.backend import TaskId
from typedtasks.clock import ManualClock
from typedtasks.envelope import Header, write_header

PATIENCE = 10.0


async def bury(stage: Stage, broker: Broker, *bodies: bytes) -> list[TaskId]:
    """Have a worker refuse envelopes one after the other, and return their ids."""
    ids: list[TaskId] = []
    async with asyncio.timeout(PATIENCE), Worker(broker):
        for body in bodies:
            ids.append(await stage.put_raw(broker, body))
            await broker.wait_outcome(ids[-1], foreign=True, ttl_ms=60_000)
            await asyncio.sleep(0.002)  # another millisecond: they are in the order of their deaths
    return ids


def envelope(task: str, payload: bytes = b'{"x":"three"}') -> bytes:
    """Return a call as bytes."""
    return write_header(Header(task)) + payload


def defined(broker: Broker, name: str) -> AsyncTask[[int], int]:
    """Return a task that wants a number."""

    @broker.task(name=name)
    async def double(x: int) -> int:
        return 2 * x

    return double


async def test_dead_letters_say_what_they_were(stage: Stage) -> None:
    """Their task, their arguments and when they died; of an envelope that cannot be read, only the bytes."""
    broker = stage.broker()
    defined(broker, "one")
    async with broker:
        readable, broken = await bury(stage, broker, envelope("one"), b"not JSON")
        first, second = await broker.dead_letters()
        assert (first.id, first.task, first.payload, first.deliveries) == (readable, "one", b'{"x":"three"}', 1)
        assert (second.id, second.task, second.payload, second.header) == (broken, "", b"not JSON", None)
        assert abs(datetime.now(UTC) - first.died) < timedelta(minutes=5)
        assert first.died < second.died


async def test_dead_letters_are_filtered(stage: Stage) -> None:
    """By task, by a part of the reason and by time; the limit counts what is left."""
    broker = stage.broker()
    defined(broker, "one")
    defined(broker, "two")
    async with broker:
        a, b, c, d = await bury(stage, broker, *(envelope(name) for name in ("one", "two", "one")), b"x")

        async def found(**wanted: object) -> list[TaskId]:
            return [letter.id for letter in await broker.dead_letters(**wanted)]  # type: ignore[arg-type]  # as the cases name them

        died = (await broker.dead_letters())[2].died
        assert await found(task="one") == [a, c]
        assert await found(task="one", limit=1) == [a]
        assert await found(reason="fit two(x: int)") == [b]
        assert await found(since=died) == [c, d]
        assert await found(until=died) == [a, b]
        assert await found(since=timedelta(hours=1), until=timedelta(seconds=-60), task="two") == [b]
        assert await found(until=timedelta(hours=1)) == []
        assert await found(queue="other") == []
        with pytest.raises(DefinitionError, match="since=.* is not a time with a zone"):
            await found(since=datetime(2026, 1, 1))
        with pytest.raises(DefinitionError, match="until='2h' is not a time with a zone"):
            await found(until="2h")


async def test_more_dead_letters_than_are_read_at_a_time_are_found(stage: Stage) -> None:
    """Also where those that are meant come last."""
    broker = stage.broker()
    defined(broker, "one")
    defined(broker, "two")
    async with broker:
        for name in ["one"] * 130 + ["two"]:
            id = await stage.put_raw(broker, envelope(name))
        async with asyncio.timeout(PATIENCE), Worker(broker):
            while (await broker.counts()).dead < 131:
                await asyncio.sleep(0.01)
        assert len(await broker.dead_letters(limit=1000)) == 131
        assert [letter.id for letter in await broker.dead_letters(task="two")] == [id]
        assert [letter.id for letter in await broker.find_dead_letters([id, "default.unknown", "\udcff"])] == [id]


async def test_a_replay_puts_back_what_fits_and_says_of_the_rest_why_not(stage: Stage) -> None:
    """As far as this broker knows; without the check everything that is there goes back."""
    strict, mended = stage.broker(), stage.broker()
    for name in ("mended", "still_wrong", "renamed"):
        defined(strict, name)
    defined(mended, "still_wrong")

    @mended.task(name="mended")
    async def fits(x: str) -> str:
        return x

    async with strict, mended:
        good, wrong, unknown, broken = await bury(
            stage, strict, envelope("mended"), envelope("still_wrong"), envelope("renamed"), b"not JSON"
        )
        ids = [good, wrong, unknown, broken, "default.unknown", good]
        planned = await mended.replay(ids, dry_run=True)
        assert (planned.put_back, planned.missing) == ((good,), ("default.unknown",))
        assert list(planned.would_fail) == [wrong, unknown, broken]
        assert planned.would_fail[wrong].startswith(
            "its payload does not fit still_wrong(x: int) -> int: x: Input should be a valid"
        )
        assert planned.would_fail[unknown] == "this broker has no task 'renamed'"
        assert planned.would_fail[broken].startswith("its envelope cannot be read: ")
        assert (await mended.counts()).dead == 4

        assert await mended.replay(ids) == planned
        assert (await mended.counts()).ready == 1
        async with Worker(mended):
            assert await mended.handle(fits, good).result(timeout=PATIENCE) == "three"
        assert await mended.replay([wrong, "default.unknown"], check=False) == Replay((wrong,), {}, (TaskId("default.unknown"),))
        assert (await mended.counts()).ready == 1


async def test_what_has_expired_is_not_put_back(stage: Stage) -> None:
    """It would not be run."""
    broker = stage.broker()
    defined(broker, "one")
    async with broker:
        expires = int(broker.clock.now() * 1000) + 60_000
        (id,) = await bury(stage, broker, write_header(Header("one", expires_ms=expires)) + b"{}")
        (letter,) = await broker.dead_letters()
        broker.clock = ManualClock(broker.clock.now() + 120)
        obstacle = broker.replay_obstacle(letter)
        assert obstacle is not None
        assert obstacle.startswith("it was not to be started after 20")
        assert list((await broker.replay([id])).would_fail) == [id]


async def test_a_letter_of_a_task_whose_types_cannot_be_found_is_not_put_back(stage: Stage) -> None:
    """The reason is what the task's definition lacks."""
    broker = stage.broker()

    @broker.task(name="odd")
    async def odd(value: "NowhereDefined") -> None:  # type: ignore[name-defined]  # noqa: F821, UP037
        raise AssertionError(value)

    async with broker, (strict := stage.broker()):
        defined(strict, "odd")
        (id,) = await bury(stage, strict, envelope("odd"))
        replay = await broker.replay([id])
        assert "NowhereDefined" in replay.would_fail[id]


async def test_a_lone_string_is_no_list_of_ids(stage: Stage) -> None:
    """Each of its characters would be taken for an id."""
    async with stage.broker() as broker:
        for call in (broker.replay, broker.drop, broker.cancel, broker.find_dead_letters):
            with pytest.raises(DefinitionError, match=r"pass a list of ids: \['default.x'\]"):
                await call("default.x")


async def test_what_names_nothing_is_an_error_and_not_an_empty_answer(stage: Stage) -> None:
    """An alarm that asks for the wrong thing would be silent for ever."""
    async with stage.broker() as broker:
        for call in (broker.counts, broker.peek, broker.parked, broker.workers, broker.dead_letters, broker.purge):
            for queue in ("pay ments", ["payments"]):
                with pytest.raises(DefinitionError, match=r"queue=.*pay ?ments.* is not a queue name"):
                    await call(queue)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        for find in (broker.find_dead_letters, broker.replay, broker.drop):
            with pytest.raises(DefinitionError, match="queue='pay ments' is not a queue name"):
                await find(["default.x"], "pay ments")
            with pytest.raises(DefinitionError, match="ids: 7 is not the id of a task; pass strings, such as letter.id"):
                await find([7])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        for look in (broker.peek, broker.parked, broker.dead_letters):
            with pytest.raises(DefinitionError, match="limit=0 is not a whole number above zero"):
                await look("default", 0)
        with pytest.raises(DefinitionError, match="task=<function .*> is not the name of a task; pass a string, such as task.name"):
            await broker.dead_letters(task=bury)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_dropped_letters_are_gone(stage: Stage) -> None:
    """Their waiters have been told already."""
    broker = stage.broker()
    double = defined(broker, "one")
    async with broker:
        one, two = await bury(stage, broker, envelope("one"), envelope("one"))
        assert await broker.drop([one, "default.unknown", one]) == (one,)
        assert [letter.id for letter in await broker.dead_letters()] == [two]
        assert isinstance(await broker.handle(double, one).peek(), Crashed)
        assert await broker.purge(dead=True) == 1


async def test_parked_tasks_and_delayed_ones_are_told_apart(stage: Stage) -> None:
    """Each is counted once."""
    broker, other = stage.broker(), stage.broker()
    defined(broker, "known")
    unknown = defined(other, "unknown")
    async with broker, other:
        handle = await unknown.enqueue(1)
        await unknown.options(delay=3600).enqueue(2)
        async with asyncio.timeout(PATIENCE), Worker(broker):
            while not (await broker.counts()).parked:
                await asyncio.sleep(0.01)
        counts = await broker.counts()
        assert (counts.ready, counts.delayed, counts.parked) == (0, 1, 1)
        (parked,) = await broker.parked()
        assert (parked.id, parked.awaits) == (handle.id, "unknown")


async def test_workers_are_shown_while_they_work(stage: Stage) -> None:
    """With what they hold, for each of their queues."""
    broker = stage.broker()
    running, release = asyncio.Event(), asyncio.Event()

    @broker.task(name="hold", queue="slow")
    async def hold() -> None:
        running.set()
        await release.wait()

    async with broker, asyncio.timeout(PATIENCE):
        assert await broker.workers() == []
        async with Worker(broker, lease=20.0):
            handle = await hold.enqueue()
            await running.wait()
            (idle,), (busy,) = await broker.workers(), await broker.workers("slow")
            assert (idle.id, idle.held, busy.held, busy.queue) == (busy.id, 0, 1, "slow")
            assert 0 < busy.lease_ms <= 20_000
            release.set()
            await handle.result()
        assert await broker.workers("slow") == []


async def test_tasks_are_cancelled_by_their_ids(stage: Stage) -> None:
    """Those that wait and those that run; what has ended or is not there is said."""
    broker = stage.broker()
    double = defined(broker, "double")
    running = asyncio.Event()

    @broker.task(name="hold")
    async def hold() -> None:
        running.set()
        await asyncio.Event().wait()

    async with broker, asyncio.timeout(PATIENCE):
        (dead,) = await bury(stage, broker, envelope("double"))
        async with Worker(broker):
            ended, held = await double.enqueue(1), await hold.enqueue()
            later = await double.options(delay=3600).enqueue(1)
            await ended.result()
            await running.wait()
            answer = await broker.cancel([held.id, later.id, ended.id, dead, "default.unknown", "{a}.b", held.id])
            assert answer == Cancellation(
                asked=(held.id, later.id), ended=(ended.id, dead), missing=(TaskId("default.unknown"), TaskId("{a}.b"))
            )
            assert await held.outcome() == Cancelled()
            assert await later.outcome() == Cancelled()
        assert await broker.cancel([]) == Cancellation()
