"""Cases: outcomes reach whoever waits, cancellations reach the worker, and parked tasks wait for one that knows them."""

from __future__ import annotations

import asyncio

import pytest

from typedtasks.backend import Counts, Priority, TaskId, new_task_id
from typedtasks.testing.harness import BackendHarness, bury, finish, park, retry

__all__ = ["CancellationCases", "OutcomeCases", "ParkingCases"]


class OutcomeCases:
    """Cases of outcomes."""

    async def test_an_outcome_is_pushed_to_the_client_that_sent_the_task(self, harness: BackendHarness) -> None:
        """It names itself in `reply_to`, and never asks."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([finish(await worker.receive_one(), b"done", reply_to=client.backend.reply_to)])
        await client.listener.wait_for(lambda: id in client.listener.outcomes)
        assert client.listener.outcomes[id] in (b"done", None)

    async def test_a_client_that_watches_is_told_too(self, harness: BackendHarness) -> None:
        """Although another one sent the task."""
        sender, watcher = await harness.client(), await harness.client()
        worker = await harness.worker(sender)
        (id,) = await sender.publish(harness.publication())
        await watcher.backend.watch([id])
        await worker.session.settle([finish(await worker.receive_one(), reply_to=sender.backend.reply_to)])
        for client in (sender, watcher):
            await client.listener.wait_for(lambda client=client: id in client.listener.outcomes)  # type: ignore[misc]  # bound now
        await watcher.backend.unwatch([id, TaskId("default.unknown")])

    async def test_a_client_that_closes_takes_nobody_with_it(self, harness: BackendHarness) -> None:
        """Those that share the store are told as before."""
        gone, client = await harness.client(), await harness.client()
        worker = await harness.worker(client)
        await gone.backend.close()
        await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await worker.session.settle([finish(delivery, reply_to=client.backend.reply_to)])
        await client.listener.wait_for(lambda: delivery.id in client.listener.outcomes)

    async def test_many_outcomes_of_one_batch_are_all_pushed(self, harness: BackendHarness) -> None:
        """With whatever bytes they have."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication() for _ in range(300)))
        reply_to = client.backend.reply_to
        await worker.session.settle([finish(d, b"\n%d\n" % n, reply_to=reply_to) for n, d in enumerate(await worker.receive(300))])
        await client.listener.wait_for(lambda: set(ids) <= set(client.listener.outcomes))
        read = await client.backend.read_outcomes(ids)
        assert [read[id] for id in ids] == [b"\n%d\n" % n for n in range(300)]
        assert all(outcome in (None, read[id]) for id, outcome in client.listener.outcomes.items())

    @pytest.mark.parametrize("size", [0, 8192, 8193, 1_000_000])
    async def test_an_outcome_of_any_size_can_be_read(self, harness: BackendHarness, size: int) -> None:
        """A large one may be announced without its bytes."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([finish(await worker.receive_one(), b"x" * size, reply_to=client.backend.reply_to)])
        await client.listener.wait_for(lambda: id in client.listener.outcomes)
        assert await client.backend.read_outcomes([id]) == {id: b"x" * size}

    async def test_an_outcome_is_gone_after_its_time(self, harness: BackendHarness) -> None:
        """And the task then is missing."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([finish(await worker.receive_one(), ttl_ms=50)])
        await harness.pass_time(0.1)
        assert await client.backend.read_outcomes([id]) == {}
        assert await client.backend.missing([id]) == {id}

    async def test_reading_says_nothing_of_tasks_that_have_not_ended(self, harness: BackendHarness) -> None:
        """Nor of ids that never were."""
        client = await harness.client()
        (id,) = await client.publish(harness.publication())
        assert await client.backend.read_outcomes([id, TaskId("default.unknown")]) == {}
        assert await client.backend.read_outcomes([]) == {}

    async def test_only_what_is_nowhere_is_missing(self, harness: BackendHarness) -> None:
        """Ready, running, delayed, parked, dead and ended tasks are known."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication() for _ in range(4)), harness.publication(delay_ms=60_000))
        running, parked, dead, done = await worker.receive()
        ids += await client.publish(harness.publication())
        await worker.session.settle([park(parked, "later"), bury(dead), finish(done)])
        nowhere = new_task_id("default", 1.0)
        assert running.id in ids
        assert await client.backend.missing([*ids, nowhere]) == {nowhere}

    async def test_each_outcome_has_a_time_of_its_own(self, harness: BackendHarness) -> None:
        """One goes, the other stays."""
        client, worker = await harness.pair()
        short, long = await client.publish(harness.publication(), harness.publication())
        one, two = await worker.receive()
        await worker.session.settle([finish(one, ttl_ms=20), finish(two, b"long")])
        await harness.pass_time(0.04)
        assert await client.backend.read_outcomes([short, long]) == {long: b"long"}

    async def test_any_number_of_outcomes_is_read_at_once(self, harness: BackendHarness) -> None:
        """From several queues, and those that are not there are left out."""
        client, worker = await harness.pair(queues=["a", "b"])
        ids = await client.publish(*(harness.publication(queue=queue) for queue in ("a", "b") for _ in range(600)))
        held = [delivery for _ in range(3) for delivery in await worker.receive(500)]
        assert await worker.session.settle([finish(delivery, delivery.id.encode()) for delivery in held]) == [True] * 1200
        nowhere = [harness.publication(queue="a").id for _ in range(10)]
        assert await client.backend.read_outcomes([*ids, *nowhere]) == {id: id.encode() for id in ids}

    async def test_a_dead_letters_outcome_is_pushed_too(self, harness: BackendHarness) -> None:
        """To its sender, and to whoever watches."""
        sender, watcher = await harness.client(), await harness.client()
        worker = await harness.worker(sender)
        (id,) = await sender.publish(harness.publication())
        await watcher.backend.watch([id])
        await worker.session.settle([bury(await worker.receive_one())._replace(reply_to=sender.backend.reply_to)])
        await sender.listener.wait_for(lambda: id in sender.listener.outcomes)
        await watcher.listener.wait_for(lambda: id in watcher.listener.outcomes)

    async def test_a_client_that_is_gone_holds_up_no_settlement(self, harness: BackendHarness) -> None:
        """Nobody listens under that name; the outcome can be read."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        assert await worker.session.settle([finish(await worker.receive_one(), b"done", reply_to="nobody here")]) == [True]
        assert await client.backend.read_outcomes([id]) == {id: b"done"}

    async def test_who_watches_too_late_reads(self, harness: BackendHarness) -> None:
        """What had ended before is not repeated."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([finish(await worker.receive_one(), b"done")])
        late = await harness.client()
        await late.backend.watch([id])
        assert await late.backend.read_outcomes([id]) == {id: b"done"}
        assert late.listener.outcomes == {}

    async def test_watching_many_tasks_tells_of_each(self, harness: BackendHarness) -> None:
        """Of several queues, also after some are not watched any more."""
        watcher = await harness.client()
        client, worker = await harness.pair(queues=["a", "b"])
        ids = await client.publish(*(harness.publication(queue=queue) for queue in ("a", "b") for _ in range(20)))
        await watcher.backend.watch(ids)
        await watcher.backend.unwatch(ids[:5])
        await worker.session.settle([finish(delivery) for delivery in await worker.receive()])
        await watcher.listener.wait_for(lambda: set(ids[5:]) <= set(watcher.listener.outcomes))

    async def test_a_retry_has_no_outcome(self, harness: BackendHarness) -> None:
        """Nobody is told before the last attempt has ended."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await client.backend.watch([id])
        await worker.session.settle([retry(await worker.receive_one())])
        assert await client.backend.read_outcomes([id]) == {}
        await worker.session.settle([finish(await worker.receive_one(), b"done", reply_to=client.backend.reply_to)])
        await client.listener.wait_for(lambda: id in client.listener.outcomes)
        assert await client.backend.read_outcomes([id]) == {id: b"done"}


class CancellationCases:
    """Cases of `Backend.cancel`."""

    @pytest.mark.parametrize("delay_ms", [0, 60_000])
    async def test_a_waiting_task_arrives_marked_as_cancelled(self, harness: BackendHarness, delay_ms: int) -> None:
        """At once, also where it was delayed: a worker settles it."""
        client = await harness.client()
        (id,) = await client.publish(harness.publication(delay_ms=delay_ms))
        await client.backend.cancel([id])
        worker = await harness.worker(client)
        delivery = await worker.receive_one()
        assert (delivery.id, delivery.cancelled) == (id, True)
        assert await worker.session.settle([finish(delivery)]) == [True]

    async def test_a_worker_is_told_of_the_cancellation_of_what_it_runs(self, harness: BackendHarness) -> None:
        """It may be in another process than who asked."""
        one, two = await harness.client(), await harness.client()
        worker = await harness.worker(two)
        (id,) = await one.publish(harness.publication())
        await worker.receive_one()
        await one.backend.cancel([id])
        await worker.listener.wait_for(lambda: id in worker.listener.cancellations)

    async def test_a_worker_is_told_again_when_it_recovers(self, harness: BackendHarness) -> None:
        """The news of a cancellation may have been lost on the way."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await client.backend.cancel([id])
        await worker.listener.wait_for(lambda: id in worker.listener.cancellations)
        worker.listener.cancellations.clear()
        assert await worker.recover([delivery.receipt], 10) == []
        assert worker.listener.cancellations == [id]

    @pytest.mark.parametrize("name", ["", "unknown"])
    async def test_a_cancelled_task_that_is_put_back_is_ready_at_once_and_still_cancelled(
        self, harness: BackendHarness, name: str
    ) -> None:
        """It is not run again, so nobody has to wait for its time."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await client.backend.cancel([id])
        await worker.session.settle([park(delivery, name) if name else retry(delivery, delay_ms=60_000)])
        (again,) = await worker.receive()
        assert (again.id, again.cancelled, again.deliveries) == (id, True, 1)

    async def test_a_cancelled_task_that_is_given_back_is_still_cancelled(self, harness: BackendHarness) -> None:
        """Also for a worker that was waiting for it, and was told nothing."""
        client = await harness.client()
        worker = await harness.worker(client, name="one")
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await client.backend.cancel([id])
        other = await harness.worker(client, name="other")
        waiting = asyncio.create_task(other.session.receive(1, 5.0))
        await asyncio.sleep(0.02)  # so that it waits; being early would only test less
        await worker.session.release([delivery])
        (again,) = await waiting
        assert (again.id, again.cancelled, again.deliveries) == (id, True, 1)

    async def test_other_tasks_are_not_cancelled(self, harness: BackendHarness) -> None:
        """Only what was named."""
        client = await harness.client()
        one, two = await client.publish(harness.publication(), harness.publication())
        await client.backend.cancel([one])
        worker = await harness.worker(client)
        assert {d.id: d.cancelled for d in await worker.receive()} == {one: True, two: False}

    async def test_cancelling_what_has_ended_or_never_was_changes_nothing(self, harness: BackendHarness) -> None:
        """The outcome stays."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([finish(await worker.receive_one(), b"done")])
        await client.backend.cancel([id, new_task_id("default", 1.0)])
        assert await client.backend.read_outcomes([id]) == {id: b"done"}
        assert await client.backend.counts("default") == Counts()

    async def test_a_cancellation_is_found_among_many_that_mean_nothing(self, harness: BackendHarness) -> None:
        """The news of it may have been lost: `recover` says it again, whatever else was asked for before and since."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        nobody = [new_task_id("default", 1.0) for _ in range(1500)]
        await client.backend.cancel([*nobody[:1200], id, *nobody[1200:]])
        await worker.listener.wait_for(lambda: id in worker.listener.cancellations)
        told = worker.listener.cancellations.count(id)
        assert await worker.recover([delivery.receipt]) == []
        assert worker.listener.cancellations.count(id) == told + 1

    async def test_tasks_of_several_queues_are_cancelled_in_one_call(self, harness: BackendHarness) -> None:
        """Waiting, delayed and running."""
        client, worker = await harness.pair(queues=["a", "b"])
        ids = await client.publish(harness.publication(queue="a"))
        running = await worker.receive_one()
        ids += await client.publish(
            harness.publication(queue="b"), harness.publication(queue="b", delay_ms=60_000), harness.publication(queue="a")
        )
        await client.backend.cancel(ids)
        assert {delivery.id: delivery.cancelled for delivery in await worker.receive()} == dict.fromkeys(ids[1:], True)
        await worker.listener.wait_for(lambda: running.id in worker.listener.cancellations)

    async def test_cancelling_twice_is_cancelling_once(self, harness: BackendHarness) -> None:
        """One delivery, marked."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication(delay_ms=60_000))
        await client.backend.cancel([id, id])
        await client.backend.cancel([id])
        assert [(delivery.id, delivery.cancelled) for delivery in await worker.receive()] == [(id, True)]
        assert await client.backend.counts("default") == Counts(running=1)

    async def test_cancelling_nothing_is_nothing(self, harness: BackendHarness) -> None:
        """No other task is meant."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        await client.backend.cancel([])
        assert not (await worker.receive_one()).cancelled

    async def test_a_task_that_ends_in_spite_of_its_cancellation_keeps_its_outcome(self, harness: BackendHarness) -> None:
        """The cancellation came too late."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await client.backend.cancel([id])
        assert await worker.session.settle([finish(delivery, b"done")]) == [True]
        await client.backend.cancel([id])
        assert await client.backend.read_outcomes([id]) == {id: b"done"}
        assert await worker.recover() == []

    async def test_a_cancelled_delayed_task_comes_once(self, harness: BackendHarness) -> None:
        """Not again when its time has come."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication(delay_ms=40))
        await client.backend.cancel([id])
        assert await worker.session.settle([finish(await worker.receive_one())]) == [True]
        await harness.pass_time(0.06)
        assert await worker.receive() == []

    async def test_a_cancelled_task_of_high_priority_is_settled_first(self, harness: BackendHarness) -> None:
        """It keeps its priority."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication(priority=Priority.HIGH, delay_ms=60_000))
        await client.publish(*(harness.publication() for _ in range(3)))
        await client.backend.cancel([id])
        delivery = await worker.receive_one()
        assert (delivery.id, delivery.priority, delivery.cancelled) == (id, Priority.HIGH, True)


class ParkingCases:
    """Cases of parked tasks."""

    async def test_a_parked_task_is_listed_with_what_it_waits_for(self, harness: BackendHarness) -> None:
        """Nothing is dropped, and an operator can see why."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([park(await worker.receive_one(), "app.later", b"parked")])
        (waiting,) = await client.backend.peek("default")
        assert (waiting.id, waiting.state, waiting.awaits, waiting.body) == (id, "parked", "app.later", b"parked")
        assert await client.backend.parked("default") == [waiting]
        assert (await client.backend.counts("default")).parked == 1

    async def test_workers_are_told_of_a_parked_task(self, harness: BackendHarness) -> None:
        """So that one that knows it takes it at once."""
        one, two = await harness.client(), await harness.client()
        old, new = await harness.worker(one, name="old"), await harness.worker(two, name="new")
        await one.publish(harness.publication())
        await old.session.settle([park(await old.receive_one(), "app.later")])
        await new.listener.wait_for(lambda: "app.later" in new.listener.parkings)

    async def test_unparking_hands_out_the_named_tasks(self, harness: BackendHarness) -> None:
        """And only those; their times do not matter."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(*(harness.publication() for _ in range(3)))
        names = ["known", "other", "known"]
        await worker.session.settle([park(d, name) for d, name in zip(await worker.receive(), names, strict=True)])
        assert len(await worker.unpark("known", "never")) == 2
        assert await worker.receive() == []
        assert (await client.backend.counts("default")).parked == 1

    async def test_unparking_nothing_is_nothing(self, harness: BackendHarness) -> None:
        """A delayed task is not parked."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(delay_ms=60_000))
        assert await worker.unpark("known") == await worker.unpark() == []

    async def test_a_task_that_is_parked_for_no_time_is_ready(self, harness: BackendHarness) -> None:
        """And no longer counted as parked."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([park(await worker.receive_one(), "unknown", delay_ms=0)])
        assert await client.backend.counts("default") == Counts(ready=1)
        assert (await worker.receive_one()).id == id
        assert await client.backend.counts("default") == Counts(running=1)

    async def test_a_parked_task_is_tried_again_when_its_time_comes(self, harness: BackendHarness) -> None:
        """Also where nobody unparks it."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication())
        await worker.session.settle([park(await worker.receive_one(), "later", delay_ms=50)])
        await harness.pass_time(0.1)
        delivery = await worker.receive_one()
        assert (delivery.body, delivery.unmet) == (b"parked", True)
        assert (await client.backend.counts("default")).parked == 0
