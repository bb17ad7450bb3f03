"""Cases: only who owns a delivery now can end it, however stale or concurrent the attempts are."""

from __future__ import annotations

import asyncio

import pytest

from typedtasks.backend import Counts, Delivery, Priority, SessionId, Settlement, queue_name
from typedtasks.testing.harness import BackendHarness, WorkerSide, bury, finish, park, retry

__all__ = ["FencingCases", "ReleasingCases"]


async def end(worker: WorkerSide, kind: str, delivery: Delivery) -> bool:
    """Try to end a delivery in some way, and return whether that was done."""
    if kind == "release":
        (done,) = await worker.session.release([delivery])
        return done
    ways: dict[str, Settlement] = {
        "retry": retry(delivery, b"changed"),
        "park": park(delivery, "later", b"changed"),
        "bury": bury(delivery),
        "finish": finish(delivery),
    }
    (done,) = await worker.session.settle([ways[kind]])
    return done


class FencingCases:
    """Cases of `Session.settle` by a session that is not the owner, or not any more."""

    @pytest.mark.parametrize("kind", ["retry", "park", "bury", "release"])
    async def test_an_ended_session_changes_nothing(self, harness: BackendHarness, kind: str) -> None:
        """Not its body, not its state, not its count: the next one gets what was published."""
        client = await harness.client()
        ended, alive = await harness.worker(client, name="ended"), await harness.worker(client, name="alive")
        await client.publish(harness.publication(b"original"))
        delivery = await ended.receive_one()
        await client.backend.expire(SessionId("ended"), ["default"])
        assert not await end(ended, kind, delivery)
        assert await client.backend.counts("default") == Counts(running=1)
        assert await client.backend.read_outcomes([delivery.id]) == {}
        (taken,) = await alive.recover()
        assert (taken.body, taken.deliveries) == (b"original", 2)

    @pytest.mark.parametrize("kind", ["retry", "park", "bury", "release"])
    async def test_what_another_session_took_over_is_out_of_reach(self, harness: BackendHarness, kind: str) -> None:
        """Although the old one is alive again under a new session of its own."""
        client = await harness.client()
        old, new = await harness.worker(client, name="old"), await harness.worker(client, name="new")
        (id,) = await client.publish(harness.publication(b"original"))
        stale = await old.receive_one()
        await client.backend.expire(SessionId("old"), ["default"])
        (taken,) = await new.recover()
        reborn = await harness.worker(client, name="reborn")
        assert not await end(old, kind, stale)
        assert not await end(reborn, kind, stale)
        assert await new.session.settle([finish(taken, b"new")]) == [True]
        assert await client.backend.read_outcomes([id]) == {id: b"new"}
        assert await client.backend.counts("default") == Counts()

    @pytest.mark.parametrize("way", ["release", "retry"])
    async def test_an_old_receipt_is_void_also_for_who_holds_the_new_one(self, harness: BackendHarness, way: str) -> None:
        """A receipt names one delivery, not the task."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        old = await worker.receive_one()
        assert await end(worker, way, old)
        new = await worker.receive_one()
        assert new.receipt != old.receipt
        assert await worker.session.settle([finish(old, b"old")]) == [False]
        assert await worker.session.settle([finish(new, b"new")]) == [True]

    async def test_of_several_owners_in_turn_only_the_last_commits(self, harness: BackendHarness) -> None:
        """Each of the others is refused, in whatever order they try."""
        client = await harness.client()
        last = await harness.worker(client, name="last")
        (id,) = await client.publish(harness.publication())
        owners: list[tuple[WorkerSide, Delivery]] = []
        for n in range(3):
            worker = await harness.worker(client, name=f"worker{n}")
            (delivery,) = await worker.recover() if owners else await worker.receive()
            owners.append((worker, delivery))
            await client.backend.expire(worker.session.id, ["default"])
        (delivery,) = await last.recover()
        assert delivery.deliveries == 4
        assert [await owner.session.settle([finish(stale)]) for owner, stale in reversed(owners)] == [[False]] * 3
        assert await last.session.settle([finish(delivery, b"last")]) == [True]
        assert [await owner.session.settle([finish(stale)]) for owner, stale in owners] == [[False]] * 3
        assert await client.backend.read_outcomes([id]) == {id: b"last"}

    async def test_settlements_of_one_delivery_at_the_same_time_commit_once(self, harness: BackendHarness) -> None:
        """The outcome is that of the one that was told so."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        answers = await asyncio.gather(*(worker.session.settle([finish(delivery, b"%d" % n)]) for n in range(8)))
        assert sorted(answers) == [[False]] * 7 + [[True]]
        assert await client.backend.read_outcomes([id]) == {id: b"%d" % answers.index([True])}

    async def test_a_settlement_beside_the_end_of_its_session_is_done_or_refused(self, harness: BackendHarness) -> None:
        """Done: nothing is left to take over. Refused: all is."""
        client = await harness.client()
        alive = await harness.worker(client, name="alive")
        for n in range(10):
            ended = await harness.worker(client, name=f"ended{n}")
            (id,) = await client.publish(harness.publication())
            delivery = await ended.receive_one()
            settling = asyncio.create_task(ended.session.settle([finish(delivery, b"ended")]))
            await client.backend.expire(ended.session.id, ["default"])
            (answer,) = await settling
            taken = await alive.recover()
            assert [found.id for found in taken] == ([] if answer else [id])
            assert await client.backend.read_outcomes([id]) == ({id: b"ended"} if answer else {})
            await alive.session.settle([finish(found) for found in taken])

    async def test_settlements_come_in_any_order(self, harness: BackendHarness) -> None:
        """Between other claims, the last taken first."""
        client, worker = await harness.pair()
        ids = await client.publish(*(harness.publication() for _ in range(12)))
        held: list[Delivery] = []
        for _ in range(4):
            held += await worker.receive(3)
            assert await worker.session.settle([finish(held.pop(), b"x"), finish(held.pop(0), b"x")]) == [True, True]
        assert await worker.session.settle([finish(delivery, b"x") for delivery in reversed(held)]) == [True] * 4
        assert await client.backend.read_outcomes(ids) == dict.fromkeys(ids, b"x")
        assert await client.backend.counts("default") == Counts()

    async def test_settlements_of_different_deliveries_at_the_same_time_are_all_done(self, harness: BackendHarness) -> None:
        """Also with claims between them."""
        client, worker = await harness.pair()
        ids = await client.publish(*(harness.publication() for _ in range(100)))
        held = await worker.receive(80)
        groups = [held[start : start + 10] for start in range(0, 80, 10)]
        settling = [asyncio.create_task(worker.session.settle([finish(delivery) for delivery in group])) for group in groups]
        rest = await worker.receive(20)
        answers = await asyncio.gather(*settling)
        assert answers == [[True] * 10] * 8
        assert await worker.session.settle([finish(delivery) for delivery in rest]) == [True] * 20
        assert len(await client.backend.read_outcomes(ids)) == 100

    async def test_a_delivery_of_another_queue_is_no_ones_business(self, harness: BackendHarness) -> None:
        """A receipt holds in the queue that it is of."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one", queues=["a"]), await harness.worker(client, name="two", queues=["b"])
        await client.publish(harness.publication(queue="a"), harness.publication(queue="b"))
        here, there = await one.receive_one(), await two.receive_one()
        assert await one.session.settle([finish(there), finish(here)]) == [False, True]
        assert (await client.backend.counts("b")).running == 1


class ReleasingCases:
    """Cases of `Session.release`."""

    async def test_releasing_nothing_is_nothing(self, harness: BackendHarness) -> None:
        """It asks nobody, and answers for nobody."""
        _, worker = await harness.pair()
        assert await worker.session.release([]) == []

    async def test_a_delivery_twice_in_one_batch_is_given_back_once(self, harness: BackendHarness) -> None:
        """There is one task, not two."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        delivery = await worker.receive_one()
        assert await worker.session.release([delivery, delivery]) == [True, False]
        assert await client.backend.counts("default") == Counts(ready=1)

    async def test_the_answers_come_in_the_order_of_the_batch(self, harness: BackendHarness) -> None:
        """Over several queues, and with others' deliveries among them; each goes back as it was."""
        client = await harness.client()
        worker = await harness.worker(client, name="one", queues=["a", "b"])
        other = await harness.worker(client, name="two", queues=["a", "b"])
        await client.publish(*(harness.publication(b"%d" % p, queue=queue, priority=p) for queue in ("a", "b") for p in Priority))
        held, foreign = await worker.receive(4), await other.receive(2)
        batch = [held[0], foreign[0], held[1], held[2], foreign[1], held[3]]
        assert await worker.session.release(batch) == [True, False, True, True, False, True]
        again = await worker.receive(10)
        assert sorted((queue_name(d.queue), d.priority, d.body, d.id) for d in again) == sorted(
            (queue_name(d.queue), d.priority, d.body, d.id) for d in held
        )

    async def test_a_hand_of_any_size_is_given_back_whole(self, harness: BackendHarness) -> None:
        """A worker that stops may have many."""
        client, worker = await harness.pair()
        ids = await client.publish(*(harness.publication() for _ in range(1100)))
        held = [*await worker.receive(600), *await worker.receive(600)]
        assert await worker.session.release(held) == [True] * 1100
        assert await client.backend.counts("default") == Counts(ready=1100)
        again = [*await worker.receive(600), *await worker.receive(600)]
        assert sorted(delivery.id for delivery in again) == sorted(ids)

    async def test_what_was_taken_over_and_given_back_remembers_its_deaths(self, harness: BackendHarness) -> None:
        """Only the delivery that was not started is not counted."""
        client = await harness.client()
        dead, careful = await harness.worker(client, name="dead"), await harness.worker(client, name="careful")
        await client.publish(harness.publication())
        await dead.receive_one()
        await client.backend.expire(SessionId("dead"), ["default"])
        assert await careful.session.release(await careful.recover()) == [True]
        assert (await careful.receive_one()).deliveries == 2

    async def test_a_task_can_be_given_back_again_and_again(self, harness: BackendHarness) -> None:
        """It never looks like one that kills its workers."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication(b"body", priority=Priority.LOW))
        for _ in range(5):
            delivery = await worker.receive_one()
            assert (delivery.id, delivery.body, delivery.priority, delivery.deliveries) == (id, b"body", Priority.LOW, 1)
            assert await worker.session.release([delivery]) == [True]
