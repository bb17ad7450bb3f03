"""Cases: batches of any size and mixture, from several clients at once, into queues of any name."""

from __future__ import annotations

import asyncio

import pytest

from typedtasks.backend import Counts, Finish, Once, Priority, Settlement, queue_name
from typedtasks.testing.harness import BackendHarness, finish, park

__all__ = ["BatchCases", "FollowingCases"]


class BatchCases:
    """Cases of batches that are published and claimed."""

    async def test_a_batch_of_all_kinds_is_divided_by_state(self, harness: BackendHarness) -> None:
        """Each envelope says for itself when it is ready."""
        client = await harness.client()
        await client.publish(
            harness.publication(),
            harness.publication(priority=Priority.LOW, once=Once("one", 60_000)),
            harness.publication(delay_ms=60_000, once=Once("two", 60_000)),
            harness.publication(eta_ms=4_000_000_000_000, priority=Priority.HIGH),
            harness.publication(priority=Priority.HIGH, eta_ms=1),
        )
        assert await client.backend.counts("default") == Counts(ready=3, delayed=2)

    async def test_a_batch_larger_than_any_call_is_stored_whole_and_in_order(self, harness: BackendHarness) -> None:
        """Ten megabytes of envelopes."""
        client, worker = await harness.pair()
        ids = await client.publish(*(harness.publication(b"%05d" % n * 40_000) for n in range(50)))
        received = [delivery for _ in range(5) for delivery in await worker.receive(10)]
        assert [delivery.id for delivery in received] == ids
        assert all(delivery.body == b"%05d" % n * 40_000 for n, delivery in enumerate(received))

    async def test_batches_that_are_sent_at_the_same_time_are_all_stored(self, harness: BackendHarness) -> None:
        """Each in its own order, from whichever client."""
        clients = [await harness.client() for _ in range(3)]
        worker = await harness.worker(clients[0])
        batches = [[harness.publication(b"%d" % n) for n in range(20)] for _ in range(6)]
        await asyncio.gather(*(clients[n % 3].publish(*batch) for n, batch in enumerate(batches)))
        received = [delivery.id for delivery in await worker.receive(200)]
        assert len(received) == 120
        for batch in batches:
            assert sorted((item.id for item in batch), key=received.index) == [item.id for item in batch]

    async def test_one_key_in_a_whole_batch_is_one_task(self, harness: BackendHarness) -> None:
        """All others name it."""
        client, worker = await harness.pair()
        first, *others = [harness.publication(once=Once("key", 60_000)) for _ in range(1200)]
        assert dict(await client.backend.publish([first, *others])) == {item.id: first.id for item in others}
        assert [delivery.id for delivery in await worker.receive(10)] == [first.id]

    async def test_a_sender_that_is_cancelled_spoils_nothing(self, harness: BackendHarness) -> None:
        """Its own task is stored or not; what others send at the same time is."""
        client, worker = await harness.pair()
        given_up = harness.publication(b"given up")
        sending = asyncio.create_task(client.publish(given_up))
        other = asyncio.create_task(client.publish(harness.publication(b"other")))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        (id,) = await other
        (last,) = await client.publish(harness.publication(b"last"))
        received = [delivery.id for delivery in await worker.receive(10)]
        assert sorted(found for found in received if found != given_up.id) == sorted([id, last])

    @pytest.mark.parametrize("name", ["x" * 64, "0", "_", "-a-"])
    async def test_a_queue_may_have_any_name_that_is_one(self, harness: BackendHarness, name: str) -> None:
        """Up to 64 letters, digits, underlines and dashes."""
        client, worker = await harness.pair(queues=[name])
        (id,) = await client.publish(harness.publication(queue=name))
        delivery = await worker.receive_one()
        assert (delivery.id, queue_name(delivery.queue)) == (id, name)
        assert await worker.session.settle([finish(delivery)]) == [True]
        assert set(await client.backend.read_outcomes([id])) == {id}

    async def test_queues_with_similar_names_are_apart(self, harness: BackendHarness) -> None:
        """No name is taken for the beginning of another, and case counts."""
        client, worker = await harness.pair(queues=["ab"])
        names = ["a", "ab", "abc", "AB", "ab-", "ab_"]
        await client.publish(*(harness.publication(name.encode(), queue=name) for name in names))
        assert [delivery.body for delivery in await worker.receive()] == [b"ab"]
        assert await client.backend.purge("a") == 1
        assert [(await client.backend.counts(name)).ready for name in names] == [0, 0, 1, 1, 1, 1]
        assert [await client.backend.purge(name) for name in names] == [0, 0, 1, 1, 1, 1]

    async def test_the_order_holds_over_claims_of_any_size(self, harness: BackendHarness) -> None:
        """First in, first out, however it is taken."""
        client, worker = await harness.pair()
        ids = [id for n in (1, 7, 2, 11) for id in await client.publish(*(harness.publication() for _ in range(n)))]
        received = [delivery.id for size in (3, 1, 8, 2, 7) for delivery in await worker.receive(size)]
        assert received == ids

    async def test_the_order_holds_within_each_priority(self, harness: BackendHarness) -> None:
        """Also where they are sent in one batch, mixed."""
        client, worker = await harness.pair()
        items = [harness.publication(priority=list(Priority)[n % 3]) for n in range(30)]
        await client.publish(*items)
        received = await worker.receive(30)
        for priority in Priority:
            sent = [item.id for item in items if item.priority == priority]
            assert [delivery.id for delivery in received if delivery.priority == priority] == sent

    async def test_one_call_fills_a_hand_from_several_queues(self, harness: BackendHarness) -> None:
        """As long as there is room."""
        client, worker = await harness.pair(queues=["a", "b", "c"])
        await client.publish(*(harness.publication(queue=queue) for queue in ("a", "b", "c") for _ in range(5)))
        assert sorted(queue_name(delivery.queue) for delivery in await worker.receive(15)) == ["a"] * 5 + ["b"] * 5 + ["c"] * 5

    async def test_a_hand_that_is_full_leaves_the_rest_ready(self, harness: BackendHarness) -> None:
        """In every queue that it read."""
        client, worker = await harness.pair(queues=["a", "b"])
        await client.publish(*(harness.publication(queue=queue) for queue in ("a", "b") for _ in range(5)))
        assert len(await worker.receive(7)) == 7
        counts = [await client.backend.counts(queue) for queue in ("a", "b")]
        assert sum(count.ready for count in counts) == 3
        assert sum(count.running for count in counts) == 7

    async def test_low_tasks_get_an_eighth_of_one_claim_in_eight(self, harness: BackendHarness) -> None:
        """And no more, while high ones fill the rest."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication(priority=p) for p in (Priority.HIGH, Priority.LOW) for _ in range(150)))
        claims = [await worker.receive(16) for _ in range(8)]
        low = [sum(delivery.priority == Priority.LOW for delivery in claim) for claim in claims]
        assert sorted(low) == [0, 0, 0, 0, 0, 0, 0, 2]

    async def test_many_sessions_that_claim_at_the_same_time_share_without_overlap(self, harness: BackendHarness) -> None:
        """Nothing twice, nothing left."""
        clients = [await harness.client() for _ in range(2)]
        workers = [await harness.worker(clients[n % 2], name=f"worker{n}") for n in range(6)]
        ids = await clients[0].publish(*(harness.publication() for _ in range(120)))
        claims = await asyncio.gather(*(worker.receive(20) for worker in workers for _ in range(2)))
        received = [delivery.id for claim in claims for delivery in claim]
        assert sorted(received) == sorted(ids)


class FollowingCases:
    """Cases of envelopes that enter their queue with a settlement."""

    async def test_what_follows_keeps_its_order_priority_and_delay(self, harness: BackendHarness) -> None:
        """As if it had been published."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        follow = (
            harness.publication(b"one"),
            harness.publication(b"later", delay_ms=60_000),
            harness.publication(b"high", priority=Priority.HIGH),
            harness.publication(b"two"),
        )
        assert await worker.session.settle([finish(await worker.receive_one())._replace(follow=follow)]) == [True]
        received = {delivery.body: delivery.priority for delivery in await worker.receive()}
        assert received == {b"high": Priority.HIGH, b"one": Priority.NORMAL, b"two": Priority.NORMAL}
        assert [body for body in received if body != b"high"] == [b"one", b"two"]
        assert (await client.backend.counts("default")).delayed == 1

    async def test_each_settlement_of_a_batch_brings_its_own(self, harness: BackendHarness) -> None:
        """Where one is not owned, nothing of it follows, and the others are as they should be."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication() for _ in range(3)))
        one, two, three = await worker.receive()
        await worker.session.settle([finish(two)])
        batch = [
            finish(delivery)._replace(follow=(harness.publication(b"%d" % n),)) for n, delivery in enumerate((one, two, three))
        ]
        assert await worker.session.settle(batch) == [True, False, True]
        assert [delivery.body for delivery in await worker.receive()] == [b"0", b"2"]

    async def test_a_settlement_may_be_followed_by_many(self, harness: BackendHarness) -> None:
        """A fan-out is one step."""
        client, worker = await harness.pair()
        await client.publish(harness.publication(), harness.publication())
        fan_out, park_it = await worker.receive()
        follow = tuple(harness.publication(b"\x00\n%d" % n) for n in range(300))
        batch: list[Settlement] = [Finish(fan_out, b"done", 60_000, "", follow), park(park_it, "later")]
        assert await worker.session.settle(batch) == [True, True]
        assert [delivery.id for delivery in await worker.receive(400)] == [item.id for item in follow]
        assert await client.backend.counts("default") == Counts(running=300, parked=1)
