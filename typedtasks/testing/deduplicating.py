"""Cases: publications with one key are one task while its window runs."""

from __future__ import annotations

import pytest

from typedtasks.backend import Once
from typedtasks.testing.harness import BackendHarness, finish, publication

__all__ = ["DeduplicatingCases"]

_KEYS = ("k", "two words\nand lines\x00", "0 0 0", "\U0001f600" * 500, "app.task\norder-17")


class DeduplicatingCases:
    """Cases of `Once`."""

    @pytest.mark.parametrize("key", _KEYS, ids=range(len(_KEYS)))
    async def test_the_first_under_a_key_is_stored_and_named_to_the_others(self, harness: BackendHarness, key: str) -> None:
        """Whatever the key is, and whatever else they say."""
        client = await harness.client()
        worker = await harness.worker(client)
        first = publication(b"first", once=Once(key, 60_000))
        second = publication(b"second", once=Once(key, 60_000), delay_ms=5)
        assert dict(await client.backend.publish([first])) == {}
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        assert [(delivery.id, delivery.body) for delivery in await worker.receive()] == [(first.id, b"first")]

    async def test_equal_keys_within_a_batch_are_one_task(self, harness: BackendHarness) -> None:
        """The others of the batch are stored, in their order."""
        client = await harness.client()
        worker = await harness.worker(client)
        one, two, three = Once("1", 60_000), Once("2", 60_000), Once("3", 60_000)
        batch = [publication(once=once) for once in (None, one, two, one, None, one, three, two)]
        answer = await client.backend.publish(batch)
        assert dict(answer) == {batch[3].id: batch[1].id, batch[5].id: batch[1].id, batch[7].id: batch[2].id}
        assert [delivery.id for delivery in await worker.receive()] == [batch[place].id for place in (0, 1, 2, 4, 6)]

    async def test_a_key_holds_in_its_queue_and_for_every_client(self, harness: BackendHarness) -> None:
        """Another queue has keys of its own."""
        one, two = await harness.client(), await harness.client()
        once = Once("key", 60_000)
        here, there, again = publication(once=once), publication(once=once, queue="other"), publication(once=once)
        assert dict(await one.backend.publish([here])) == {}
        assert dict(await two.backend.publish([there, again])) == {again.id: here.id}
        assert [(await one.backend.counts(queue)).ready for queue in ("default", "other")] == [1, 1]

    @pytest.mark.parametrize("delay_ms", [0, 60_000])
    async def test_what_is_published_again_is_not_its_own_duplicate(self, harness: BackendHarness, delay_ms: int) -> None:
        """A sender whose answer was lost sends the same once more."""
        client = await harness.client()
        first = publication(once=Once("key", 60_000), delay_ms=delay_ms)
        for _ in range(2):
            assert dict(await client.backend.publish([first])) == {}
        counts = await client.backend.counts("default")
        assert counts.ready + counts.delayed == 1

    async def test_a_delayed_task_holds_its_key(self, harness: BackendHarness) -> None:
        """From its publication on."""
        client = await harness.client()
        first, second = publication(once=Once("key", 60_000), delay_ms=60_000), publication(once=Once("key", 60_000))
        await client.backend.publish([first])
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        counts = await client.backend.counts("default")
        assert (counts.ready, counts.delayed) == (0, 1)

    async def test_a_task_that_has_ended_holds_its_key(self, harness: BackendHarness) -> None:
        """Its outcome is that of those that come later."""
        client = await harness.client()
        worker = await harness.worker(client)
        first, second = publication(once=Once("key", 60_000)), publication(once=Once("key", 60_000))
        await client.backend.publish([first])
        await worker.session.settle([finish(await worker.receive_one(), b"done")])
        assert dict(await client.backend.publish([second])) == {second.id: first.id}
        assert await worker.receive() == []
        assert await client.backend.read_outcomes([first.id]) == {first.id: b"done"}

    async def test_a_window_counts_from_the_first_and_then_the_key_is_free(self, harness: BackendHarness) -> None:
        """Duplicates do not lengthen it."""
        client = await harness.client()
        first, second, third, fourth = (publication(once=Once("key", 300)) for _ in range(4))
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
        await client.publish(publication(), publication())
        one, two = await worker.receive()
        follows = [publication(once=once), publication(once=once)]
        settlements = [finish(delivery)._replace(follow=(follow,)) for delivery, follow in zip((one, two), follows, strict=True)]
        assert await worker.session.settle(settlements) == [True, True]
        assert [delivery.id for delivery in await worker.receive()] == [follows[0].id]
