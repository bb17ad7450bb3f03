"""Cases: a delivery ends once, by its owner, with everything that follows from it."""

from __future__ import annotations

import pytest

from typedtasks.backend import Counts, Delivery, Finish, Priority, SessionId, SessionLost, Settlement
from typedtasks.testing.harness import BackendHarness, bury, finish, park, retry

__all__ = ["LeaseCases", "RecoveryCases", "SettlingCases"]


class SettlingCases:
    """Cases of `Session.settle` and `Session.release`."""

    async def test_a_finished_task_leaves_nothing_but_its_outcome(self, harness: BackendHarness) -> None:
        """The queue is as empty as before."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        assert await worker.session.settle([finish(await worker.receive_one(), b"done")]) == [True]
        assert await client.backend.counts("default") == Counts()
        assert await client.backend.read_outcomes([id]) == {id: b"done"}

    async def test_an_empty_batch_settles_nothing(self, harness: BackendHarness) -> None:
        """And asks nobody."""
        client = await harness.client()
        worker = await harness.worker(client)
        assert await worker.session.settle([]) == []

    @pytest.mark.parametrize("kind", ["finish", "retry", "park", "bury", "release"])
    async def test_a_delivery_ends_only_once(self, harness: BackendHarness, kind: str) -> None:
        """Whatever the second settlement says, the first holds."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await worker.session.settle([finish(delivery, b"first")])
        if kind == "release":
            assert await worker.session.release([delivery]) == [False]
        else:
            second = _settlement(kind, delivery)
            assert await worker.session.settle([second]) == [False]
        assert await client.backend.counts("default") == Counts()
        assert await client.backend.read_outcomes([id]) == {id: b"first"}

    async def test_a_delivery_twice_in_one_batch_is_settled_once(self, harness: BackendHarness) -> None:
        """The answers say which one counted."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        assert await worker.session.settle([finish(delivery, b"1"), finish(delivery, b"2")]) == [True, False]
        assert await client.backend.read_outcomes([id]) == {id: b"1"}

    async def test_another_session_cannot_settle(self, harness: BackendHarness) -> None:
        """The fence is the session."""
        client = await harness.client()
        owner, thief = await harness.worker(client, name="owner"), await harness.worker(client, name="thief")
        (id,) = await client.publish(harness.publication())
        delivery = await owner.receive_one()
        assert await thief.session.settle([finish(delivery, b"stolen")]) == [False]
        assert await thief.session.release([delivery]) == [False]
        assert await client.backend.read_outcomes([id]) == {}
        assert await owner.session.settle([finish(delivery)]) == [True]

    async def test_each_item_of_a_batch_stands_for_itself(self, harness: BackendHarness) -> None:
        """One that is not owned does not spoil the others."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await client.publish(*(harness.publication() for _ in range(4)))
        own, foreign = await one.receive(2), await two.receive(2)
        batch = [finish(own[0]), finish(foreign[0]), finish(own[1]), finish(foreign[1])]
        assert await one.session.settle(batch) == [True, False, True, False]
        assert (await client.backend.counts("default")).running == 2

    async def test_a_batch_of_all_kinds_over_several_queues_and_priorities(self, harness: BackendHarness) -> None:
        """One call settles what lies in different places."""
        client = await harness.client()
        worker = await harness.worker(client, queues=["a", "b"])
        await client.publish(
            *(harness.publication(queue=queue, priority=p) for queue in ("a", "b") for p in Priority for _ in range(4))
        )
        deliveries = await worker.receive(24)
        kinds = ("finish", "retry", "bury", "park")
        answers = await worker.session.settle([_settlement(kinds[n % 4], delivery) for n, delivery in enumerate(deliveries)])
        counts = [await client.backend.counts(queue) for queue in ("a", "b")]
        assert answers == [True] * 24
        assert sum(count.ready for count in counts) == sum(count.dead for count in counts) == 6
        assert sum(count.parked for count in counts) == 6

    @pytest.mark.parametrize("size", [1, 9, 1000])
    async def test_batches_of_any_size_are_settled(self, harness: BackendHarness, size: int) -> None:
        """Up to a thousand in one call."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication() for _ in range(size)))
        assert await worker.session.settle([finish(d) for d in await worker.receive(size)]) == [True] * size
        assert len(await client.backend.read_outcomes(ids)) == size

    async def test_a_retry_comes_back_with_its_new_body_and_counts_anew(self, harness: BackendHarness) -> None:
        """At once where it has no delay; with the priority that it had."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication(b"one", priority=Priority.LOW))
        await worker.session.settle([retry(await worker.receive_one(), b"two")])
        delivery = await worker.receive_one()
        assert (delivery.id, delivery.body, delivery.priority, delivery.deliveries) == (id, b"two", Priority.LOW, 1)

    async def test_a_retry_waits_for_its_time(self, harness: BackendHarness) -> None:
        """In the backend's delayed queue, not in a worker."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication())
        await worker.session.settle([retry(await worker.receive_one(), delay_ms=50)])
        assert await worker.receive() == []
        await harness.pass_time(0.1)
        assert (await worker.receive_one()).body == b"again"

    async def test_a_released_task_is_ready_at_once_for_anyone(self, harness: BackendHarness) -> None:
        """And it does not count as delivered."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        (id,) = await client.publish(harness.publication(b"body"))
        assert await one.session.release([await one.receive_one()]) == [True]
        delivery = await two.receive_one()
        assert (delivery.id, delivery.body, delivery.deliveries) == (id, b"body", 1)

    async def test_an_envelope_that_follows_enters_its_queue_with_the_settlement(self, harness: BackendHarness) -> None:
        """Atomically: what follows a task is part of its end."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication())
        following = harness.publication(b"next")
        await worker.session.settle([Finish(await worker.receive_one(), b"done", 60_000, "", (following,))])
        assert (await worker.receive_one()).id == following.id

    async def test_nothing_follows_a_settlement_that_was_not_owned(self, harness: BackendHarness) -> None:
        """All of an item, or nothing."""
        client = await harness.client()
        owner, thief = await harness.worker(client, name="owner"), await harness.worker(client, name="thief")
        await client.publish(harness.publication())
        delivery = await owner.receive_one()
        assert await thief.session.settle([Finish(delivery, b"stolen", 60_000, "", (harness.publication(),))]) == [False]
        assert await owner.receive() == []


class LeaseCases:
    """Cases of the lease, which a session loses when its worker gives no sign of life."""

    async def test_a_renewed_lease_goes_on(self, harness: BackendHarness) -> None:
        """Past its first length."""
        client = await harness.client()
        worker = await harness.worker(client, lease=0.6)
        await client.publish(harness.publication())
        delivery = await worker.receive_one()
        keeper = worker.session.keeper()
        for _ in range(3):
            await harness.pass_time(0.25)
            assert keeper.renew()
        keeper.close()
        assert await worker.session.settle([finish(delivery)]) == [True]

    async def test_a_lease_that_has_ended_cannot_be_renewed(self, harness: BackendHarness) -> None:
        """The session is lost for good."""
        client = await harness.client()
        worker = await harness.worker(client, lease=0.05)
        await harness.pass_time(0.1)
        keeper = worker.session.keeper()
        assert not keeper.renew()
        keeper.close()

    async def test_a_session_that_lost_its_lease_cannot_settle(self, harness: BackendHarness) -> None:
        """Even where nobody has taken over yet."""
        client = await harness.client()
        worker = await harness.worker(client, lease=0.5)
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await harness.pass_time(0.6)
        assert await worker.session.settle([finish(delivery)]) == [False]
        assert await client.backend.read_outcomes([id]) == {}

    async def test_an_expired_session_is_lost_at_once(self, harness: BackendHarness) -> None:
        """A supervisor that saw the process die need not wait for the lease."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        await client.publish(harness.publication())
        delivery = await dead.receive_one()
        await client.backend.expire(SessionId("dead"), ["default"])
        (taken,) = await alive.recover()
        assert taken.id == delivery.id
        assert await dead.session.settle([finish(delivery)]) == [False]

    async def test_the_session_that_took_over_settles_and_the_old_one_does_not(self, harness: BackendHarness) -> None:
        """At most one outcome is committed."""
        client = await harness.client()
        old, new = await harness.worker(client, name="old"), await harness.worker(client, name="new")
        (id,) = await client.publish(harness.publication())
        stale = await old.receive_one()
        await client.backend.expire(SessionId("old"), ["default"])
        (taken,) = await new.recover()
        assert await old.session.settle([finish(stale, b"old")]) == [False]
        assert await new.session.settle([finish(taken, b"new")]) == [True]
        assert await client.backend.read_outcomes([id]) == {id: b"new"}


class RecoveryCases:
    """Cases of `Session.recover`."""

    async def test_a_live_sessions_deliveries_are_left_alone(self, harness: BackendHarness) -> None:
        """However long they take."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await client.publish(harness.publication())
        await one.receive_one()
        assert await two.recover() == []

    async def test_a_dead_sessions_deliveries_are_taken_over_on_an_idle_queue(self, harness: BackendHarness) -> None:
        """No new traffic is needed; the delivery count says that it is not the first time."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead", lease=0.5), await harness.worker(client, name="alive")
        ids = await client.publish(*(harness.publication(b"%d" % n) for n in range(5)))
        await dead.receive()
        await harness.pass_time(0.6)
        taken = await alive.recover()
        assert sorted(delivery.id for delivery in taken) == sorted(ids)
        assert {delivery.deliveries for delivery in taken} == {2}
        assert sorted(delivery.body for delivery in taken) == [b"0", b"1", b"2", b"3", b"4"]

    async def test_recovery_takes_no_more_than_its_capacity(self, harness: BackendHarness) -> None:
        """The rest is for the next look, or for others."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        await client.publish(*(harness.publication() for _ in range(7)))
        await dead.receive()
        await client.backend.expire(SessionId("dead"), ["default"])
        first = await alive.recover([], 4)
        second = await alive.recover([delivery.receipt for delivery in first], 4)
        assert (len(first), len(second)) == (4, 3)

    async def test_what_is_in_hand_is_not_recovered(self, harness: BackendHarness) -> None:
        """`held` names it."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(), harness.publication(priority=Priority.HIGH))
        held = [delivery.receipt for delivery in await worker.receive()]
        assert await worker.recover(held, 10) == []

    async def test_what_was_handed_out_but_never_arrived_is_found(self, harness: BackendHarness) -> None:
        """A lost answer strands nothing."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(harness.publication(), harness.publication(), harness.publication())
        arrived, *_ = await worker.receive()
        found = await worker.recover([arrived.receipt], 10)
        assert sorted(delivery.id for delivery in found) == sorted(set(ids) - {arrived.id})
        assert await worker.session.settle([finish(delivery) for delivery in found]) == [True, True]

    async def test_a_session_that_left_gives_up_what_it_owned(self, harness: BackendHarness) -> None:
        """At once."""
        client = await harness.client()
        leaving, staying = await harness.worker(client, name="leaving"), await harness.worker(client, name="staying")
        await client.publish(harness.publication())
        await leaving.receive_one()
        await leaving.session.leave()
        assert len(await staying.recover()) == 1

    async def test_the_next_look_is_due_when_the_next_lease_ends(self, harness: BackendHarness) -> None:
        """So that a dead session's deliveries are found at once, and live ones cost no looks."""
        client = await harness.client()
        looking = await harness.worker(client, name="looking", lease=30)
        assert 29 < (await looking.session.recover([], 10)).next_look <= 30
        await harness.worker(client, name="other", lease=20)
        assert 19 < (await looking.session.recover([], 10)).next_look < 21

    async def test_workers_are_told_when_a_session_ends_that_owned_something(self, harness: BackendHarness) -> None:
        """Because it left, or because its process is known to be dead."""
        client = await harness.client()
        leaving, dead = await harness.worker(client, name="leaving"), await harness.worker(client, name="dead")
        staying = await harness.worker(client, name="staying")
        await client.publish(harness.publication(), harness.publication())
        await leaving.receive_one()
        await dead.receive_one()
        await leaving.session.leave()
        await staying.listener.wait_for(lambda: staying.listener.departures >= 1)
        (taken,) = await staying.recover()
        await client.backend.expire(dead.session.id, ["default"])
        await staying.listener.wait_for(lambda: staying.listener.departures >= 2)
        assert len(await staying.recover([taken.receipt])) == 1

    async def test_a_lost_session_is_told_so(self, harness: BackendHarness) -> None:
        """It must not take over anything."""
        client = await harness.client()
        worker = await harness.worker(client, lease=0.05)
        await harness.pass_time(0.1)
        with pytest.raises(SessionLost):
            await worker.recover()

    async def test_the_count_of_deliveries_goes_on_through_several_deaths(self, harness: BackendHarness) -> None:
        """So that a task that kills its workers is recognised."""
        client = await harness.client()
        first, second = await harness.worker(client, name="first"), await harness.worker(client, name="second")
        third = await harness.worker(client, name="third")
        await client.publish(harness.publication())
        await first.receive_one()
        await client.backend.expire(SessionId("first"), ["default"])
        assert len(await second.recover()) == 1
        await client.backend.expire(SessionId("second"), ["default"])
        (delivery,) = await third.recover()
        assert delivery.deliveries == 3


def _settlement(kind: str, delivery: Delivery) -> Settlement:
    match kind:
        case "finish":
            return finish(delivery)
        case "retry":
            return retry(delivery)
        case "bury":
            return bury(delivery)
        case _:
            return park(delivery, "later")
