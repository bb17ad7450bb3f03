"""Cases: publications with one key are one task while its window runs."""

from __future__ import annotations

import asyncio

import pytest

from typedtasks.backend import Once, Priority
from typedtasks.testing.harness import BackendHarness, bury, finish

__all__ = ["DeduplicatingCases"]

_KEYS = ("k", "two words\nand lines\x00", "0 0 0", "\U0001f600" * 500, "app.task\norder-17")


class DeduplicatingCases:
    """Cases of `Once`."""

    @pytest.mark.parametrize("key", _KEYS, ids=range(len(_KEYS)))
    async def test_the_first_under_a_key_is_stored_and_named_to_the_others(self, harness: BackendHarness, key: str) -> None:
        """Whatever the key is, and whatever else they say."""
        client = await harness.client()
        worker = await harness.worker(client)
        first = harness.publication(b"first", once=Once(key, 60_000))
        second = harness.publication(b"second", once=Once(key, 60_000), delay_ms=5)
        assert dict(await client.backend.publish([first])) == {}
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        assert [(delivery.id, delivery.body) for delivery in await worker.receive()] == [(first.id, b"first")]

    async def test_equal_keys_within_a_batch_are_one_task(self, harness: BackendHarness) -> None:
        """The others of the batch are stored, in their order."""
        client = await harness.client()
        worker = await harness.worker(client)
        one, two, three = Once("1", 60_000), Once("2", 60_000), Once("3", 60_000)
        batch = [harness.publication(once=once) for once in (None, one, two, one, None, one, three, two)]
        answer = await client.backend.publish(batch)
        assert dict(answer) == {batch[3].id: batch[1].id, batch[5].id: batch[1].id, batch[7].id: batch[2].id}
        assert [delivery.id for delivery in await worker.receive()] == [batch[place].id for place in (0, 1, 2, 4, 6)]

    async def test_a_key_holds_in_its_queue_and_for_every_client(self, harness: BackendHarness) -> None:
        """Another queue has keys of its own."""
        one, two = await harness.client(), await harness.client()
        once = Once("key", 60_000)
        here, there, again = (
            harness.publication(once=once),
            harness.publication(once=once, queue="other"),
            harness.publication(once=once),
        )
        assert dict(await one.backend.publish([here])) == {}
        assert dict(await two.backend.publish([there, again])) == {again.id: here.id}
        assert [(await one.backend.counts(queue)).ready for queue in ("default", "other")] == [1, 1]

    @pytest.mark.parametrize("delay_ms", [0, 60_000])
    async def test_what_is_published_again_is_not_its_own_duplicate(self, harness: BackendHarness, delay_ms: int) -> None:
        """A sender whose answer was lost sends the same once more."""
        client = await harness.client()
        first = harness.publication(once=Once("key", 60_000), delay_ms=delay_ms)
        for _ in range(2):
            assert dict(await client.backend.publish([first])) == {}
        counts = await client.backend.counts("default")
        assert counts.ready + counts.delayed == 1

    async def test_a_delayed_task_holds_its_key(self, harness: BackendHarness) -> None:
        """From its publication on."""
        client = await harness.client()
        first, second = (
            harness.publication(once=Once("key", 60_000), delay_ms=60_000),
            harness.publication(once=Once("key", 60_000)),
        )
        await client.backend.publish([first])
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        counts = await client.backend.counts("default")
        assert (counts.ready, counts.delayed) == (0, 1)

    async def test_a_task_that_has_ended_holds_its_key(self, harness: BackendHarness) -> None:
        """Its outcome is that of those that come later."""
        client = await harness.client()
        worker = await harness.worker(client)
        first, second = harness.publication(once=Once("key", 60_000)), harness.publication(once=Once("key", 60_000))
        await client.backend.publish([first])
        await worker.session.settle([finish(await worker.receive_one(), b"done")])
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        assert await worker.receive() == []
        assert await client.backend.read_outcomes([first.id]) == {first.id: b"done"}

    async def test_a_window_counts_from_the_first_and_then_the_key_is_free(self, harness: BackendHarness) -> None:
        """Duplicates do not lengthen it."""
        client = await harness.client()
        first, second, third, fourth = (harness.publication(once=Once("key", 300)) for _ in range(4))
        await client.backend.publish([first])
        await harness.pass_time(0.1)
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        await harness.pass_time(0.25)
        assert dict(await client.backend.publish([third])) == {}
        assert dict(await client.backend.publish([fourth])) == {fourth.id: third.id}
        assert (await client.backend.counts("default")).ready == 2

    async def test_what_follows_a_settlement_may_have_a_key(self, harness: BackendHarness) -> None:
        """The settlement is done all the same."""
        client = await harness.client()
        worker = await harness.worker(client)
        once = Once("key", 60_000)
        await client.publish(harness.publication(), harness.publication())
        one, two = await worker.receive()
        follows = [harness.publication(once=once), harness.publication(once=once)]
        settlements = [finish(delivery)._replace(follow=(follow,)) for delivery, follow in zip((one, two), follows, strict=True)]
        assert await worker.session.settle(settlements) == [True, True]
        assert [delivery.id for delivery in await worker.receive()] == [follows[0].id]

    @pytest.mark.parametrize("how", ["cancelled", "purged", "dead", "dropped"])
    async def test_no_end_of_a_task_frees_its_key(self, harness: BackendHarness, how: str) -> None:
        """Only the end of the window does."""
        client, worker = await harness.pair()
        first, second = harness.publication(once=Once("key", 60_000)), harness.publication(once=Once("key", 60_000))
        await client.backend.publish([first])
        if how == "purged":
            await client.backend.purge("default")
        elif how == "cancelled":
            await client.backend.cancel([first.id])
            await worker.session.settle([finish(await worker.receive_one(), b"cancelled")])
        else:
            await worker.session.settle([bury(await worker.receive_one())])
        if how == "dropped":
            await client.backend.drop("default", [first.id])
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        assert (await client.backend.counts("default")).ready == 0

    async def test_of_many_that_come_at_the_same_time_one_is_stored(self, harness: BackendHarness) -> None:
        """From whichever client; the others all name it."""
        one, two = await harness.client(), await harness.client()
        items = [harness.publication(once=Once("key", 60_000)) for _ in range(20)]
        answers = await asyncio.gather(*((one, two)[n % 2].backend.publish([item]) for n, item in enumerate(items)))
        (stored,) = [item.id for item, answer in zip(items, answers, strict=True) if not answer]
        named = {id: holder for answer in answers for id, holder in answer.items()}
        assert named == {item.id: stored for item in items if item.id != stored}
        assert (await one.backend.counts("default")).ready == 1

    async def test_keys_are_compared_as_they_are(self, harness: BackendHarness) -> None:
        """Case, spaces, zeros and forms of one letter make different keys."""
        client = await harness.client()
        keys = ["key", "Key", " key", "key ", "key\x00", "k\u00e9y", "ke\u0301y", ""]
        assert dict(await client.backend.publish([harness.publication(once=Once(key, 60_000)) for key in keys])) == {}
        assert (await client.backend.counts("default")).ready == len(keys)

    async def test_each_key_has_the_window_of_the_one_that_was_stored(self, harness: BackendHarness) -> None:
        """A duplicate's longer one counts for nothing."""
        client = await harness.client()
        first, second, third = (harness.publication(once=Once("key", window)) for window in (100, 60_000, 60_000))
        await client.backend.publish([first])
        await client.backend.publish([second])
        await harness.pass_time(0.12)
        assert dict(await client.backend.publish([third])) == {}

    async def test_a_key_holds_over_priorities(self, harness: BackendHarness) -> None:
        """They are one queue."""
        client = await harness.client()
        items = [harness.publication(priority=priority, once=Once("key", 60_000)) for priority in Priority]
        assert dict(await client.backend.publish(items)) == {item.id: items[0].id for item in items[1:]}

    async def test_a_replayed_letter_is_not_its_own_duplicate(self, harness: BackendHarness) -> None:
        """It still holds its key, and runs."""
        client, worker = await harness.pair()
        first, second = harness.publication(once=Once("key", 60_000)), harness.publication(once=Once("key", 60_000))
        await client.backend.publish([first])
        await worker.session.settle([bury(await worker.receive_one())])
        await client.backend.replay("default", [first.id])
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        assert [delivery.id for delivery in await worker.receive()] == [first.id]
