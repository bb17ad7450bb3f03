"""Cases: a parked task is handed to a session that has what it waits for, and to nobody else before its time."""

from __future__ import annotations

import pytest

from typedtasks.backend import Counts, Delivery, Priority, SessionLost, Settlement
from typedtasks.testing.harness import BackendHarness, Client, WorkerSide, bury, finish, park, retry

__all__ = ["HandingOverCases"]


async def parked_one(harness: BackendHarness, client: Client, worker: WorkerSide, *, delay_ms: int = 60_000) -> None:
    """Publish a task and park it for `known`."""
    await client.publish(harness.publication(priority=Priority.HIGH))
    await worker.session.settle([park(await worker.receive_one(), "known", delay_ms=delay_ms)])


class HandingOverCases:
    """Cases of what `Session.unpark` has taken, and of what it has left."""

    async def test_no_more_is_taken_than_there_is_room_for(self, harness: BackendHarness) -> None:
        """The rest stays parked, for the next who asks."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication() for _ in range(5)))
        await worker.session.settle([park(delivery, "known") for delivery in await worker.receive()])
        assert [len(await worker.unpark("known", capacity=room)) for room in (2, 0, 2, 2)] == [2, 0, 2, 1]
        assert await client.backend.counts("default") == Counts(running=5)

    async def test_what_was_taken_runs_and_ends_like_any_other(self, harness: BackendHarness) -> None:
        """It has its priority and its id, and nothing stays of its parking."""
        client, worker = await harness.pair()
        await parked_one(harness, client, worker)
        (delivery,) = await worker.unpark("known")
        assert (delivery.priority, delivery.unmet, delivery.cancelled) == (Priority.HIGH, False, False)
        assert await client.backend.counts("default") == Counts(running=1)
        (shown,) = await client.backend.peek("default")
        assert (shown.id, shown.state, shown.awaits, shown.priority) == (delivery.id, "running", "", Priority.HIGH)
        assert await client.backend.missing([delivery.id]) == set()
        assert [stored.state for stored in (await client.backend.scan("default")).tasks] in ([], ["running"])
        (session,) = await client.backend.sessions("default")
        assert session.held == 1
        assert await worker.session.settle([finish(delivery)]) == [True]
        assert await client.backend.read_outcomes([delivery.id]) == {delivery.id: b"outcome"}
        assert await client.backend.counts("default") == Counts()

    @pytest.mark.parametrize("kind", ["retry", "park", "bury"])
    async def test_what_was_taken_can_be_put_back_in_every_way(self, harness: BackendHarness, kind: str) -> None:
        """A retry is ready for anyone, a dead letter can be replayed, and what is parked again waits for the new name."""
        client, worker = await harness.pair()
        await parked_one(harness, client, worker)
        (delivery,) = await worker.unpark("known")
        settlements: dict[str, Settlement] = {
            "retry": retry(delivery),
            "park": park(delivery, "other"),
            "bury": bury(delivery),
        }
        assert await worker.session.settle([settlements[kind]]) == [True]
        if kind == "bury":
            assert await client.backend.replay("default", [delivery.id]) == {delivery.id}
        (again,) = await worker.unpark("other") if kind == "park" else await worker.receive()
        assert (again.id, again.priority, again.deliveries) == (delivery.id, Priority.HIGH, 1)

    async def test_what_was_taken_and_is_given_back_is_parked_again(self, harness: BackendHarness) -> None:
        """For the same name: an idle worker that lacks it never sees it, and those who have it are told."""
        client, worker = await harness.pair()
        other = await harness.worker(client, name="other")
        await parked_one(harness, client, worker)
        (delivery,) = await worker.unpark("known")
        other.listener.parkings.clear()
        assert await worker.session.release([delivery]) == [True]
        await other.listener.wait_for(lambda: other.listener.parkings == ["known"])
        assert await other.receive() == []
        assert await client.backend.counts("default") == Counts(parked=1)
        (again,) = await other.unpark("known")
        assert (again.id, again.body, again.deliveries) == (delivery.id, delivery.body, 1)

    async def test_what_a_dead_session_had_taken_is_taken_over(self, harness: BackendHarness) -> None:
        """By anyone, and counted: whoever lacks what it waits for parks it again, and it is not forgotten that it was lost."""
        client = await harness.client()
        dead, other = await harness.worker(client, name="dead"), await harness.worker(client, name="other")
        await parked_one(harness, client, dead)
        await dead.unpark("known")
        await client.backend.expire(dead.session.id, ["default"])
        (delivery,) = await other.recover()
        assert (delivery.deliveries, delivery.priority) == (2, Priority.HIGH)
        assert await other.session.settle([park(delivery, "known")]) == [True]
        (again,) = await other.unpark("known")
        assert again.deliveries == 2

    async def test_a_lost_task_that_is_parked_and_comes_by_its_time_is_still_a_lost_one(self, harness: BackendHarness) -> None:
        """What kills its workers is found out, though others park it in between."""
        client = await harness.client()
        dead, other = await harness.worker(client, name="dead"), await harness.worker(client, name="other")
        await client.publish(harness.publication())
        await dead.receive_one()
        await client.backend.expire(dead.session.id, ["default"])
        (lost,) = await other.recover()
        await other.session.settle([park(lost, "known", delay_ms=50)])
        await harness.pass_time(0.1)
        assert (await other.receive_one()).deliveries == 2

    async def test_what_was_taken_and_never_arrived_is_found(self, harness: BackendHarness) -> None:
        """Its hand-over was lost on the way."""
        client, worker = await harness.pair()
        await parked_one(harness, client, worker)
        (lost,) = await worker.unpark("known")
        (found,) = await worker.recover()
        assert found.id == lost.id
        assert await worker.session.settle([finish(found)]) == [True]

    async def test_a_session_without_a_lease_takes_nothing(self, harness: BackendHarness) -> None:
        """The task stays for the others."""
        client = await harness.client()
        dead, other = await harness.worker(client, name="dead"), await harness.worker(client, name="other")
        await parked_one(harness, client, other)
        await client.backend.expire(dead.session.id, ["default"])
        with pytest.raises(SessionLost):
            await dead.unpark("known")
        assert len(await other.unpark("known")) == 1

    async def test_the_time_of_what_is_left_is_counted_anew(self, harness: BackendHarness) -> None:
        """Somebody who has what it waits for is here, and only busy; after that it is anyone's, and says so."""
        client, worker = await harness.pair()
        await parked_one(harness, client, worker, delay_ms=400)
        for _ in range(3):
            await harness.pass_time(0.15)
            assert await worker.unpark("known", capacity=0) == []
        assert await worker.receive() == []
        await harness.pass_time(0.45)
        (delivery,) = await worker.receive()
        assert delivery.unmet

    async def test_that_nobody_came_is_said_until_it_is_put_back(self, harness: BackendHarness) -> None:
        """It is still so when it was given back unstarted, and no longer when it is retried."""
        client, worker = await harness.pair()
        await parked_one(harness, client, worker, delay_ms=50)
        await harness.pass_time(0.1)
        found: list[Delivery] = [await worker.receive_one()]
        await worker.session.release(found)
        found.append(await worker.receive_one())
        await worker.session.settle([retry(found[1])])
        found.append(await worker.receive_one())
        assert [delivery.unmet for delivery in found] == [True, True, False]

    async def test_recovering_says_what_parked_tasks_wait_for(self, harness: BackendHarness) -> None:
        """Each once, and nothing that was taken, purged or tried again."""
        client, worker = await harness.pair()
        assert list((await worker.session.recover((), 10)).awaited) == []
        await client.publish(*(harness.publication() for _ in range(5)))
        names = ["b", "a", "b", "app.tâche", "c"]
        await worker.session.settle([park(d, name) for d, name in zip(await worker.receive(), names, strict=True)])
        assert sorted((await worker.session.recover((), 10)).awaited) == ["a", "app.tâche", "b", "c"]
        ended = [finish(delivery) for delivery in await worker.unpark("b", "a", "never")]
        await worker.session.settle(ended)
        assert sorted((await worker.session.recover((), 10)).awaited) == ["app.tâche", "c"]
        await client.backend.purge("default")
        assert list((await worker.session.recover((), 10)).awaited) == []

    async def test_a_taken_task_that_is_cancelled_is_not_parked_again(self, harness: BackendHarness) -> None:
        """Given back, it is ready to be settled by anyone."""
        client, worker = await harness.pair()
        await parked_one(harness, client, worker)
        (delivery,) = await worker.unpark("known")
        await client.backend.cancel([delivery.id])
        await worker.listener.wait_for(lambda: delivery.id in worker.listener.cancellations)
        await worker.session.release([delivery])
        (again,) = await worker.receive()
        assert (again.id, again.cancelled) == (delivery.id, True)

    async def test_a_task_that_was_cancelled_while_parked_is_not_taken(self, harness: BackendHarness) -> None:
        """Whoever comes first settles it."""
        client, worker = await harness.pair()
        await parked_one(harness, client, worker)
        (waiting,) = await client.backend.parked("default")
        await client.backend.cancel([waiting.id])
        assert await worker.unpark("known") == []
        assert (await worker.receive_one()).cancelled
