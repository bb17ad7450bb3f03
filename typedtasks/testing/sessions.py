"""Cases: sessions begin, are kept, are taken over from, and end."""

from __future__ import annotations

import asyncio

from typedtasks.backend import Counts, Delivery, Priority, SessionId, queue_name
from typedtasks.testing.harness import BackendHarness, bury, finish, park

__all__ = ["SessionCases", "TakeoverCases"]


class SessionCases:
    """Cases of a session's life."""

    async def test_a_session_may_leave_twice(self, harness: BackendHarness) -> None:
        """It never raises, and harms nobody else."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await one.session.leave()
        await one.session.leave()
        await client.publish(harness.publication())
        assert len(await two.receive()) == 1

    async def test_sessions_of_one_client_end_on_their_own(self, harness: BackendHarness) -> None:
        """What the other holds stays its own."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await client.publish(harness.publication(), harness.publication())
        await one.receive_one()
        held = await two.receive_one()
        await one.session.leave()
        assert len(await two.recover([held.receipt])) == 1
        assert await two.session.settle([finish(held)]) == [True]

    async def test_a_lease_can_be_renewed_from_another_thread(self, harness: BackendHarness) -> None:
        """A worker does so while its event loop is blocked."""
        client, worker = await harness.pair()
        (before,) = await client.backend.sessions("default")
        keeper = worker.session.keeper()
        await harness.pass_time(0.2)
        (worn,) = await client.backend.sessions("default")
        assert await asyncio.to_thread(keeper.renew)
        (renewed,) = await client.backend.sessions("default")
        await asyncio.to_thread(keeper.close)
        assert worn.lease_ms < before.lease_ms
        assert renewed.lease_ms > worn.lease_ms

    async def test_a_closed_keeper_does_not_end_the_lease(self, harness: BackendHarness) -> None:
        """It goes on until its time, or until the session leaves."""
        client, worker = await harness.pair()
        keeper = worker.session.keeper()
        assert keeper.renew()
        keeper.close()
        await client.publish(harness.publication())
        assert await worker.session.settle([finish(await worker.receive_one())]) == [True]

    async def test_the_lease_of_a_session_that_left_is_not_renewed(self, harness: BackendHarness) -> None:
        """It does not come back to life."""
        client, worker = await harness.pair()
        keeper = worker.session.keeper()
        assert keeper.renew()
        await worker.session.leave()
        assert not keeper.renew()
        keeper.close()
        assert await client.backend.sessions("default") == []

    async def test_the_lease_of_a_session_that_was_ended_is_not_renewed(self, harness: BackendHarness) -> None:
        """Whoever is taken for dead stays so."""
        client, worker = await harness.pair()
        keeper = worker.session.keeper()
        await client.backend.expire(worker.session.id, ["default"])
        assert not keeper.renew()
        keeper.close()

    async def test_a_lease_holds_in_every_queue_of_the_session(self, harness: BackendHarness) -> None:
        """And in no other."""
        client, worker = await harness.pair(queues=["a", "b"])
        keeper = worker.session.keeper()
        assert keeper.renew()
        keeper.close()
        assert [len(await client.backend.sessions(queue)) for queue in ("a", "b", "c")] == [1, 1, 0]

    async def test_the_end_of_an_unknown_session_is_no_error(self, harness: BackendHarness) -> None:
        """A supervisor may be late, or say it twice."""
        client, worker = await harness.pair()
        for _ in range(2):
            await client.backend.expire(SessionId("unknown"), ["default", "other"])
        await client.publish(harness.publication())
        assert await worker.session.settle([finish(await worker.receive_one())]) == [True]

    async def test_what_a_session_holds_is_counted_down(self, harness: BackendHarness) -> None:
        """With each settlement, and each task that is given back."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication() for _ in range(5)))
        one, two, three, four, _ = await worker.receive()
        held: list[int] = []
        for settling in (finish(one), bury(two), park(three, "later")):
            await worker.session.settle([settling])
            held += [state.held for state in await client.backend.sessions("default")]
        await worker.session.release([four])
        held += [state.held for state in await client.backend.sessions("default")]
        assert held == [4, 3, 2, 1]

    async def test_a_dead_session_is_shown_until_all_that_it_held_is_taken(self, harness: BackendHarness) -> None:
        """Then it is gone, and the other holds that."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        await client.publish(harness.publication(), harness.publication())
        await dead.receive(2)
        await client.backend.expire(SessionId("dead"), ["default"])
        held: list[dict[str, int]] = []
        receipts: list[str] = []
        for _ in range(3):
            held.append({state.id: state.held for state in await client.backend.sessions("default")})
            receipts += [delivery.receipt for delivery in await alive.recover(receipts, 1)]
        assert held == [{"alive": 0, "dead": 2}, {"alive": 1, "dead": 1}, {"alive": 2}]

    async def test_a_client_can_be_opened_again(self, harness: BackendHarness) -> None:
        """It sends, and is told of outcomes, as before."""
        client = await harness.client()
        other, worker = await harness.pair()
        await client.publish(harness.publication())
        await client.backend.close()
        await client.backend.open(client.listener)
        (id,) = await client.publish(harness.publication())
        _, delivery = await worker.receive()
        await worker.session.settle([finish(delivery, reply_to=client.backend.reply_to)])
        await client.listener.wait_for(lambda: id in client.listener.outcomes)
        assert set(await other.backend.read_outcomes([id])) == {id}

    async def test_a_quiet_client_is_not_told_of_interruptions(self, harness: BackendHarness) -> None:
        """Each would have it read all that it waits for."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([finish(await worker.receive_one(), reply_to=client.backend.reply_to)])
        await client.listener.wait_for(lambda: id in client.listener.outcomes)
        assert (client.listener.interruptions, worker.listener.departures) == (0, 0)


class TakeoverCases:
    """Cases of `Session.recover` beyond a lone delivery."""

    async def test_what_is_taken_over_is_what_was_published(self, harness: BackendHarness) -> None:
        """Its bytes, its priority and its queue."""
        client = await harness.client()
        dead = await harness.worker(client, name="dead", queues=["a", "b"])
        alive = await harness.worker(client, name="alive", queues=["a", "b"])
        items = [harness.publication(bytes([p, 0, 255, 10]), queue=queue, priority=p) for queue in ("a", "b") for p in Priority]
        await client.publish(*items)
        await dead.receive()
        await client.backend.expire(SessionId("dead"), ["a", "b"])
        taken = {(d.id, d.body, queue_name(d.queue), d.priority) for d in await alive.recover()}
        assert taken == {(item.id, item.body, queue_name(item.queue), item.priority) for item in items}

    async def test_only_the_sessions_own_queues_are_looked_at(self, harness: BackendHarness) -> None:
        """Others have workers of their own."""
        client = await harness.client()
        dead = await harness.worker(client, name="dead", queues=["a", "b"])
        alive = await harness.worker(client, name="alive", queues=["a"])
        await client.publish(harness.publication(queue="a"), harness.publication(queue="b"))
        await dead.receive()
        await client.backend.expire(SessionId("dead"), ["a", "b"])
        assert [queue_name(delivery.queue) for delivery in await alive.recover()] == ["a"]
        assert (await client.backend.counts("b")).running == 1

    async def test_the_capacity_is_for_all_queues_together(self, harness: BackendHarness) -> None:
        """The rest is found the next time."""
        client = await harness.client()
        dead = await harness.worker(client, name="dead", queues=["a", "b"])
        alive = await harness.worker(client, name="alive", queues=["a", "b"])
        ids = await client.publish(*(harness.publication(queue=queue) for queue in ("a", "b") for _ in range(3)))
        await dead.receive()
        await client.backend.expire(SessionId("dead"), ["a", "b"])
        first = await alive.recover([], 4)
        second = await alive.recover([delivery.receipt for delivery in first], 4)
        assert (len(first), len(second)) == (4, 2)
        assert sorted(delivery.id for delivery in [*first, *second]) == sorted(ids)

    async def test_two_that_look_at_the_same_time_share_what_is_there(self, harness: BackendHarness) -> None:
        """Without overlap."""
        client, other = await harness.client(), await harness.client()
        dead = await harness.worker(client, name="dead")
        one, two = await harness.worker(client, name="one"), await harness.worker(other, name="two")
        ids = await client.publish(*(harness.publication() for _ in range(10)))
        await dead.receive()
        await client.backend.expire(SessionId("dead"), ["default"])
        shares = await asyncio.gather(one.recover([], 6), two.recover([], 6))
        assert sorted(delivery.id for share in shares for delivery in share) == sorted(ids)
        answers = [
            await worker.session.settle([finish(d) for d in share]) for worker, share in zip((one, two), shares, strict=True)
        ]
        assert answers == [[True] * len(share) for share in shares]

    async def test_the_deliveries_of_several_dead_sessions_are_all_taken(self, harness: BackendHarness) -> None:
        """A machine has several workers."""
        client = await harness.client()
        ids = await client.publish(*(harness.publication() for _ in range(6)))
        for n in range(3):
            dead = await harness.worker(client, name=f"dead{n}")
            await dead.receive(2)
            await client.backend.expire(dead.session.id, ["default"])
        alive = await harness.worker(client, name="alive")
        assert sorted(delivery.id for delivery in await alive.recover()) == sorted(ids)

    async def test_a_hand_of_any_size_is_taken_over_at_once(self, harness: BackendHarness) -> None:
        """Where there is room for it."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        ids = await client.publish(*(harness.publication() for _ in range(1100)))
        for _ in range(2):
            await dead.receive(600)
        await client.backend.expire(SessionId("dead"), ["default"])
        taken = await alive.recover([], 5000)
        assert sorted(delivery.id for delivery in taken) == sorted(ids)
        assert await alive.session.settle([finish(delivery) for delivery in taken]) == [True] * 1100

    async def test_what_was_settled_before_its_session_died_is_not_taken(self, harness: BackendHarness) -> None:
        """Only the rest."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        await client.publish(*(harness.publication(b"%d" % n) for n in range(4)))
        one, two, three, _ = await dead.receive()
        await dead.session.settle([finish(one), bury(two)])
        await dead.session.release([three])
        await client.backend.expire(SessionId("dead"), ["default"])
        assert [delivery.body for delivery in await alive.recover()] == [b"3"]
        assert await client.backend.counts("default") == Counts(ready=1, running=1, dead=1)

    async def test_a_cancelled_task_is_taken_over_as_one(self, harness: BackendHarness) -> None:
        """It is not run again."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        one, two = await client.publish(harness.publication(), harness.publication())
        await dead.receive()
        await client.backend.cancel([one])
        await client.backend.expire(SessionId("dead"), ["default"])
        assert {delivery.id: delivery.cancelled for delivery in await alive.recover()} == {one: True, two: False}

    async def test_looking_again_finds_nothing_twice(self, harness: BackendHarness) -> None:
        """What is in hand by now is named, and left alone."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        await client.publish(harness.publication(), harness.publication(priority=Priority.HIGH))
        await dead.receive()
        await client.backend.expire(SessionId("dead"), ["default"])
        taken = await alive.recover()
        assert await alive.recover([delivery.receipt for delivery in taken]) == []
        assert await alive.receive() == []

    async def test_new_tasks_and_old_ones_are_told_apart_by_their_count(self, harness: BackendHarness) -> None:
        """In one hand."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        await client.publish(harness.publication(b"old"))
        await dead.receive_one()
        await client.backend.expire(SessionId("dead"), ["default"])
        await client.publish(harness.publication(b"new"))
        hand: list[Delivery] = [*await alive.recover(), *await alive.receive()]
        assert {delivery.body: delivery.deliveries for delivery in hand} == {b"old": 2, b"new": 1}

    async def test_a_dead_letter_remembers_how_often_its_task_was_handed_out(self, harness: BackendHarness) -> None:
        """That is the proof of what it did."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        await client.publish(harness.publication())
        await dead.receive_one()
        await client.backend.expire(SessionId("dead"), ["default"])
        await alive.session.settle([bury(delivery) for delivery in await alive.recover()])
        (letter,) = await client.backend.dead_letters("default")
        assert letter.deliveries == 2

    async def test_an_empty_look_says_when_to_look_again(self, harness: BackendHarness) -> None:
        """At the latest after the session's own lease."""
        client = await harness.client()
        alone = await harness.worker(client, lease=7.0)
        found = await alone.session.recover([], 10)
        assert found.deliveries == []
        assert 0 < found.next_look <= 7.0
