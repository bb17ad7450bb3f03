"""Cases: what is published is received, in order, once, when its time has come."""

from __future__ import annotations

import asyncio
import time

import pytest

from typedtasks.backend import Priority, SessionLost, queue_name
from typedtasks.testing.harness import BackendHarness, finish, retry

__all__ = ["ClaimingCases", "PublishingCases", "TimeCases"]

_BODIES = (b"", b"\x00", b"\n\n", b"\xff\xfe", b"{}", bytes(range(256)), b"1 0 0 ", b"x" * 200_000)


class PublishingCases:
    """Cases of `Backend.publish`."""

    @pytest.mark.parametrize("body", _BODIES, ids=range(len(_BODIES)))
    async def test_a_body_arrives_byte_for_byte(self, harness: BackendHarness, body: bytes) -> None:
        """The backend never looks into an envelope."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication(body))
        delivery = await worker.receive_one()
        assert (delivery.id, delivery.body, queue_name(delivery.queue)) == (id, body, "default")

    @pytest.mark.parametrize("priority", list(Priority))
    async def test_a_priority_arrives_with_its_task(self, harness: BackendHarness, priority: Priority) -> None:
        """Whoever retries it has to know."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(priority=priority))
        assert (await worker.receive_one()).priority == priority

    async def test_an_empty_batch_is_nothing(self, harness: BackendHarness) -> None:
        """It neither fails nor publishes."""
        client = await harness.client()
        await client.backend.publish([])
        assert (await client.backend.counts("default")).ready == 0

    @pytest.mark.parametrize("size", [1, 2, 100, 2500])
    async def test_a_batch_is_stored_whole_and_in_order(self, harness: BackendHarness, size: int) -> None:
        """First in, first out within a priority."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication(b"%d" % n) for n in range(size)))
        received = [delivery.id for _ in range(size // 1000 + 1) for delivery in await worker.receive(1000)]
        assert received == ids

    async def test_a_batch_may_go_to_several_queues(self, harness: BackendHarness) -> None:
        """Each task lands in its own."""
        client = await harness.client()
        await client.publish(harness.publication(queue="a"), harness.publication(queue="b"), harness.publication(queue="a"))
        assert [(await client.backend.counts(queue)).ready for queue in ("a", "b", "c")] == [2, 1, 0]

    async def test_what_was_published_before_any_worker_joined_is_received(self, harness: BackendHarness) -> None:
        """A queue begins with its first task."""
        client = await harness.client()
        (id,) = await client.publish(harness.publication())
        worker = await harness.worker(client)
        assert [delivery.id for delivery in await worker.receive()] == [id]

    async def test_two_clients_share_the_store(self, harness: BackendHarness) -> None:
        """What one publishes the other's worker receives."""
        one, two = await harness.client(), await harness.client()
        worker = await harness.worker(two)
        (id,) = await one.publish(harness.publication())
        assert (await worker.receive_one()).id == id


class ClaimingCases:
    """Cases of `Session.receive`."""

    async def test_an_empty_queue_gives_nothing_at_once(self, harness: BackendHarness) -> None:
        """`wait=0` does not wait."""
        client = await harness.client()
        worker = await harness.worker(client)
        assert await worker.receive() == []

    @pytest.mark.parametrize("capacity", [1, 3, 10])
    async def test_never_more_than_the_capacity(self, harness: BackendHarness, capacity: int) -> None:
        """A worker reads no more than it has free slots."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(*(harness.publication(priority=priority) for priority in Priority for _ in range(10)))
        assert len(await worker.receive(capacity)) == capacity

    async def test_a_task_is_received_once(self, harness: BackendHarness) -> None:
        """Not again by the same session, and not by another."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await client.publish(harness.publication())
        assert [len(await worker.receive()) for worker in (one, one, two)] == [1, 0, 0]

    async def test_two_workers_share_a_queue_without_overlap(self, harness: BackendHarness) -> None:
        """Each task goes to exactly one."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        ids = await client.publish(*(harness.publication() for _ in range(20)))
        received = [delivery.id for worker in (one, two, one, two) for delivery in await worker.receive(5)]
        assert sorted(received) == sorted(ids)

    async def test_the_first_delivery_counts_one(self, harness: BackendHarness) -> None:
        """More would mean that a worker died with it."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication())
        assert (await worker.receive_one()).deliveries == 1

    async def test_receipts_are_unique_within_a_session(self, harness: BackendHarness) -> None:
        """They name deliveries, not tasks."""
        client = await harness.client()
        worker = await harness.worker(client, queues=["a", "b"])
        await client.publish(
            *(harness.publication(queue=queue, priority=p) for queue in ("a", "b") for p in Priority for _ in range(5))
        )
        receipts = [delivery.receipt for delivery in await worker.receive()]
        assert len(receipts) == len(set(receipts)) == 30

    async def test_only_the_sessions_queues_are_read(self, harness: BackendHarness) -> None:
        """Others wait for their own workers."""
        client = await harness.client()
        worker = await harness.worker(client, queues=["a"])
        await client.publish(harness.publication(queue="b"))
        assert await worker.receive() == []

    async def test_no_queue_of_a_session_is_starved_by_another(self, harness: BackendHarness) -> None:
        """They are read in turn."""
        client = await harness.client()
        worker = await harness.worker(client, queues=["a", "b"])
        await client.publish(*(harness.publication(queue="a") for _ in range(10)), harness.publication(queue="b"))
        received = [queue_name(delivery.queue) for _ in range(4) for delivery in await worker.receive(1)]
        assert "b" in received

    async def test_high_priority_comes_before_low(self, harness: BackendHarness) -> None:
        """Whatever order they were published in."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(
            *(harness.publication(priority=p) for p in (Priority.LOW, Priority.NORMAL, Priority.HIGH) for _ in range(20))
        )
        first = [delivery.priority for _ in range(16) for delivery in await worker.receive(1)]
        assert first.count(Priority.HIGH) > first.count(Priority.NORMAL) > first.count(Priority.LOW) > 0

    async def test_low_priority_is_not_starved(self, harness: BackendHarness) -> None:
        """It is reached while high ones still wait."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(
            harness.publication(priority=Priority.LOW), *(harness.publication(priority=Priority.HIGH) for _ in range(50))
        )
        received = [delivery.priority for _ in range(10) for delivery in await worker.receive(1)]
        assert Priority.LOW in received

    @pytest.mark.parametrize("count", [2, 3, 4, 8])
    async def test_no_priority_of_any_queue_is_starved(self, harness: BackendHarness, count: int) -> None:
        """However many queues a session reads: the turns of queues and of priorities are not in step."""
        client = await harness.client()
        queues = [f"q{number}" for number in range(count)]
        worker = await harness.worker(client, queues=queues)
        for queue in queues:
            high = [harness.publication(queue=queue, priority=Priority.HIGH) for _ in range(20)]
            await client.publish(*high, harness.publication(queue=queue), harness.publication(queue=queue, priority=Priority.LOW))
        received = [(queue_name(d.queue), d.priority) for _ in range(9 * count) for d in await worker.receive(1)]
        assert {(queue, priority) for queue in queues for priority in Priority} == set(received)

    @pytest.mark.parametrize("priority", list(Priority))
    async def test_a_waiting_worker_is_woken_by_a_task(self, harness: BackendHarness, priority: Priority) -> None:
        """At once, and not by looking again and again."""
        client = await harness.client()
        worker = await harness.worker(client)
        waiting = asyncio.create_task(worker.session.receive(10, 5.0))
        await asyncio.sleep(0.02)  # so that it waits; being early would only test less
        begun = time.monotonic()
        (id,) = await client.publish(harness.publication(priority=priority))
        assert [delivery.id for delivery in await waiting] == [id]
        assert time.monotonic() - begun < 0.5

    async def test_a_worker_in_another_client_is_woken_too(self, harness: BackendHarness) -> None:
        """Producers and workers are different processes."""
        one, two = await harness.client(), await harness.client()
        worker = await harness.worker(two)
        waiting = asyncio.create_task(worker.session.receive(10, 5.0))
        await asyncio.sleep(0.02)  # so that it waits; being early would only test less
        begun = time.monotonic()
        await one.publish(harness.publication())
        assert len(await waiting) == 1
        assert time.monotonic() - begun < 0.5

    async def test_a_cancelled_receive_loses_nothing(self, harness: BackendHarness) -> None:
        """What had been handed out by then is found again."""
        client = await harness.client()
        worker = await harness.worker(client)
        waiting = asyncio.create_task(worker.session.receive(10, 5.0))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=5)
        (id,) = await client.publish(harness.publication())
        received = await worker.receive()
        found = await worker.recover([delivery.receipt for delivery in received], 10)
        assert [delivery.id for delivery in received + found] == [id]

    async def test_a_session_without_a_lease_receives_nothing(self, harness: BackendHarness) -> None:
        """It is told that it is lost."""
        client = await harness.client()
        worker = await harness.worker(client, lease=0.05)
        await client.publish(harness.publication())
        await harness.pass_time(0.1)
        with pytest.raises(SessionLost):
            await worker.receive()


class TimeCases:
    """Cases of delays."""

    async def test_a_delayed_task_is_not_ready_yet(self, harness: BackendHarness) -> None:
        """It is counted as delayed."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(delay_ms=60_000))
        assert await worker.receive() == []
        assert (await client.backend.counts("default")).delayed == 1

    @pytest.mark.parametrize("priority", list(Priority))
    async def test_a_delayed_task_becomes_ready_with_its_priority(self, harness: BackendHarness, priority: Priority) -> None:
        """When its time has come."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication(b"late", delay_ms=50, priority=priority))
        await harness.pass_time(0.1)
        (delivery,) = await worker.receive()
        assert (delivery.id, delivery.body, delivery.priority, delivery.deliveries) == (id, b"late", priority, 1)

    async def test_an_eta_in_the_past_is_ready_now(self, harness: BackendHarness) -> None:
        """Better late than never."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(eta_ms=1))
        assert len(await worker.receive()) == 1

    async def test_an_eta_in_the_future_waits(self, harness: BackendHarness) -> None:
        """In milliseconds since 1970."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(eta_ms=4_000_000_000_000))
        assert await worker.receive() == []
        (waiting,) = await client.backend.peek("default")
        assert (waiting.state, waiting.due_ms) == ("delayed", 4_000_000_000_000)

    async def test_delayed_tasks_come_each_in_its_time(self, harness: BackendHarness) -> None:
        """All of those that are due; among these, no order is promised."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(
            harness.publication(delay_ms=60), harness.publication(delay_ms=20), harness.publication(delay_ms=40)
        )
        await harness.pass_time(0.1)
        received = [delivery.id for delivery in await worker.receive()]
        assert sorted(received) == sorted(ids)

    async def test_a_waiting_worker_is_woken_by_a_due_time(self, harness: BackendHarness) -> None:
        """No new task is needed for that."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(delay_ms=60))
        waiting = asyncio.create_task(worker.session.receive(10, 5.0))
        await asyncio.sleep(0)
        await harness.pass_time(0.08)
        async with asyncio.timeout(2):
            assert len(await waiting) == 1

    async def test_a_waiting_worker_is_woken_by_a_task_that_is_delayed_meanwhile(self, harness: BackendHarness) -> None:
        """A later publication may be due earlier than what the worker waits for."""
        client = await harness.client()
        worker = await harness.worker(client)
        waiting = asyncio.create_task(worker.session.receive(10, 5.0))
        await asyncio.sleep(0.02)
        await client.publish(harness.publication(delay_ms=60))
        await asyncio.sleep(0)
        await harness.pass_time(0.08)
        async with asyncio.timeout(2):
            assert len(await waiting) == 1

    async def test_a_settled_task_stays_settled(self, harness: BackendHarness) -> None:
        """It does not come back with time."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(delay_ms=10))
        await harness.pass_time(0.05)
        await worker.session.settle([finish(await worker.receive_one())])
        await harness.pass_time(0.05)
        assert await worker.receive() == []

    async def test_a_delay_counts_where_there_is_a_time_too(self, harness: BackendHarness) -> None:
        """`delay_ms` is the one that holds."""
        client, worker = await harness.pair()
        (soon,) = await client.publish(harness.publication(delay_ms=20, eta_ms=4_000_000_000_000))
        await client.publish(harness.publication(delay_ms=60_000, eta_ms=1))
        await harness.pass_time(0.04)
        assert [delivery.id for delivery in await worker.receive()] == [soon]

    async def test_any_number_of_tasks_may_be_due_at_once(self, harness: BackendHarness) -> None:
        """A few claims make all of them ready."""
        client, worker = await harness.pair()
        ids = await client.publish(*(harness.publication(delay_ms=20) for _ in range(1200)))
        await harness.pass_time(0.1)
        received = [delivery.id for _ in range(4) for delivery in await worker.receive(2000)]
        assert sorted(received) == sorted(ids)
        assert (await client.backend.counts("default")).delayed == 0

    async def test_a_retry_may_name_a_time(self, harness: BackendHarness) -> None:
        """In the future it waits, in the past it does not."""
        client, worker = await harness.pair()
        await client.publish(harness.publication(), harness.publication())
        one, two = await worker.receive()
        await worker.session.settle([retry(one, b"later", eta_ms=4_000_000_000_000), retry(two, b"now", eta_ms=1)])
        assert [delivery.body for delivery in await worker.receive()] == [b"now"]
        (waiting, _) = sorted(await client.backend.peek("default"), key=lambda shown: shown.state)
        assert (waiting.body, waiting.state, waiting.due_ms) == (b"later", "delayed", 4_000_000_000_000)

    async def test_the_first_of_many_delays_wakes(self, harness: BackendHarness) -> None:
        """Whenever it was published; the others wait on."""
        client, worker = await harness.pair()
        await client.publish(
            harness.publication(delay_ms=60_000), harness.publication(b"first", delay_ms=50), harness.publication(delay_ms=70_000)
        )
        waiting = asyncio.create_task(worker.session.receive(10, 5.0))
        await asyncio.sleep(0)
        await harness.pass_time(0.06)
        async with asyncio.timeout(2):
            assert [delivery.body for delivery in await waiting] == [b"first"]
        assert (await client.backend.counts("default")).delayed == 2

    async def test_a_due_task_reaches_one_of_those_that_wait_for_it(self, harness: BackendHarness) -> None:
        """Not both."""
        client = await harness.client()
        workers = [await harness.worker(client, name=name) for name in ("one", "two")]
        await client.publish(harness.publication(delay_ms=30))
        await harness.pass_time(0.05)
        received = await asyncio.gather(*(worker.receive() for worker in workers))
        assert sorted(len(share) for share in received) == [0, 1]
