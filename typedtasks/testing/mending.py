"""Cases: dead letters, parked tasks and purges beyond the first one."""

from __future__ import annotations

from typedtasks.backend import Counts, Priority, TaskId, queue_name
from typedtasks.testing.harness import BackendHarness, bury, finish, park, retry

__all__ = ["LetterCases", "PurgeCases", "UnparkingCases", "ViewCases"]


class LetterCases:
    """Cases of dead letters."""

    async def test_a_letter_keeps_its_priority(self, harness: BackendHarness) -> None:
        """It is put back with it."""
        client, worker = await harness.pair()
        ids = await client.publish(*(harness.publication(priority=priority) for priority in Priority))
        await worker.session.settle([bury(delivery) for delivery in await worker.receive()])
        letters = await client.backend.find_dead_letters("default", ids)
        assert [letter.priority for letter in letters] == list(Priority)
        assert await client.backend.replay("default", ids) == set(ids)
        assert {delivery.id: delivery.priority for delivery in await worker.receive()} == dict(zip(ids, Priority, strict=True))

    async def test_a_replayed_letter_counts_its_deliveries_anew(self, harness: BackendHarness) -> None:
        """Whoever puts it back has mended what killed its workers."""
        client = await harness.client()
        dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
        (id,) = await client.publish(harness.publication())
        await dead.receive_one()
        await client.backend.expire(dead.session.id, ["default"])
        await alive.session.settle([bury(delivery) for delivery in await alive.recover()])
        await client.backend.replay("default", [id])
        assert (await alive.receive_one()).deliveries == 1

    async def test_a_task_that_dies_again_is_one_letter_with_its_last_reason(self, harness: BackendHarness) -> None:
        """Not two."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication(b"body"))
        await worker.session.settle([bury(await worker.receive_one(), "first", b"one")])
        await client.backend.replay("default", [id])
        await worker.session.settle([bury(await worker.receive_one(), "second", b"two")])
        letters = await client.backend.dead_letters("default")
        assert [(letter.id, letter.reason, letter.body) for letter in letters] == [(id, "second", b"body")]
        assert await client.backend.read_outcomes([id]) == {id: b"two"}

    async def test_a_replayed_task_ends_with_its_new_outcome(self, harness: BackendHarness) -> None:
        """And who waits for it is told."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([bury(await worker.receive_one(), outcome=b"rejected")])
        await client.backend.replay("default", [id])
        await worker.session.settle([finish(await worker.receive_one(), b"done", reply_to=client.backend.reply_to)])
        await client.listener.wait_for(lambda: client.listener.outcomes.get(id, b"rejected") in (b"done", None))
        assert await client.backend.read_outcomes([id]) == {id: b"done"}
        assert await client.backend.counts("default") == Counts()

    async def test_a_letter_outlives_its_outcome(self, harness: BackendHarness) -> None:
        """It is kept until someone replays or deletes it, and is not missing."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([bury(await worker.receive_one())._replace(ttl_ms=20)])
        await harness.pass_time(0.04)
        assert await client.backend.read_outcomes([id]) == {}
        assert [letter.id for letter in await client.backend.dead_letters("default")] == [id]
        assert await client.backend.missing([id]) == set()

    async def test_a_letter_that_was_cancelled_long_after_its_end_is_replayed_as_a_live_task(self, harness: BackendHarness) -> None:
        """Whoever replays it wants it to run."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([bury(await worker.receive_one())._replace(ttl_ms=20)])
        await harness.pass_time(0.04)
        await client.backend.cancel([id])
        assert await client.backend.replay("default", [id]) == {id}
        assert not (await worker.receive_one()).cancelled

    async def test_none_is_as_many_letters_as_were_asked_for(self, harness: BackendHarness) -> None:
        """A limit of zero is no wish for all of them."""
        client, worker = await harness.pair()
        await client.publish(harness.publication(), harness.publication())
        await worker.session.settle([bury(delivery) for delivery in await worker.receive()])
        assert await client.backend.dead_letters("default", 0) == []
        assert await client.backend.dead_letters("default", 0, 1) == []
        assert await client.backend.peek("default", 0) == await client.backend.parked("default", 0) == []

    async def test_pages_go_through_all_letters_without_a_gap(self, harness: BackendHarness) -> None:
        """Whatever the size of a page, also beyond what one call can carry."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication() for _ in range(700)))
        await worker.session.settle([bury(delivery) for delivery in await worker.receive(700)])
        whole = [letter.id for letter in await client.backend.dead_letters("default", 1000)]
        pages = [await client.backend.dead_letters("default", 300, offset) for offset in (0, 300, 600, 900)]
        assert len(set(whole)) == 700
        assert [letter.id for page in pages for letter in page] == whole
        assert [len(page) for page in pages] == [300, 300, 100, 0]

    async def test_letters_of_several_queues_are_apart(self, harness: BackendHarness) -> None:
        """Each queue has its own."""
        client, worker = await harness.pair(queues=["a", "b"])
        here, there = await client.publish(harness.publication(queue="a"), harness.publication(queue="b"))
        await worker.session.settle([bury(delivery, queue_name(delivery.queue)) for delivery in await worker.receive()])
        assert [(letter.id, letter.reason) for letter in await client.backend.dead_letters("a")] == [(here, "a")]
        assert await client.backend.drop("a", [here, there]) == {here}
        assert [letter.id for letter in await client.backend.dead_letters("b")] == [there]

    async def test_a_reason_may_be_long_and_of_any_characters(self, harness: BackendHarness) -> None:
        """It is text, whatever an error says."""
        client, worker = await harness.pair()
        reasons = ["", "12 ", "\x00\n\r\t", "\U0001f600 ü 漢字", "x" * 100_000]
        ids = await client.publish(*(harness.publication(b"body") for _ in reasons))
        await worker.session.settle([bury(d, reason) for d, reason in zip(await worker.receive(), reasons, strict=True)])
        letters = await client.backend.find_dead_letters("default", ids)
        assert [(letter.reason, letter.body) for letter in letters] == [(reason, b"body") for reason in reasons]


class PurgeCases:
    """Cases of `Backend.purge`."""

    async def test_only_the_queue_that_is_named_is_purged(self, harness: BackendHarness) -> None:
        """Others keep what waits."""
        client = await harness.client()
        await client.publish(
            harness.publication(queue="a"), harness.publication(queue="b"), harness.publication(queue="b", delay_ms=60_000)
        )
        assert await client.backend.purge("a") == 1
        assert await client.backend.counts("b") == Counts(ready=1, delayed=1)

    async def test_any_number_is_purged_at_once(self, harness: BackendHarness) -> None:
        """The ready ones behind those that run, too."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication() for _ in range(2100)))
        running = await worker.receive(5)
        assert await client.backend.purge("default") == 2095
        assert await client.backend.counts("default") == Counts(running=5)
        assert await worker.session.settle([finish(delivery) for delivery in running]) == [True] * 5

    async def test_a_purged_queue_goes_on(self, harness: BackendHarness) -> None:
        """What comes later is received, and only that."""
        client, worker = await harness.pair()
        await client.publish(harness.publication(), harness.publication(delay_ms=30))
        assert await client.backend.purge("default") == 2
        (id,) = await client.publish(harness.publication())
        await harness.pass_time(0.05)
        assert [delivery.id for delivery in await worker.receive()] == [id]

    async def test_purged_tasks_are_missing(self, harness: BackendHarness) -> None:
        """Who waits for one is told so."""
        client, worker = await harness.pair()
        ids = await client.publish(harness.publication(), harness.publication(delay_ms=60_000), harness.publication())
        running = await worker.receive_one()
        await client.backend.purge("default")
        assert await client.backend.missing(ids) == set(ids) - {running.id}

    async def test_a_purged_parked_task_is_not_taken_any_more(self, harness: BackendHarness) -> None:
        """Nor counted as parked."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        await worker.session.settle([park(await worker.receive_one(), "known")])
        assert await client.backend.purge("default") == 1
        assert await worker.unpark("known") == []
        assert await client.backend.counts("default") == Counts()


class UnparkingCases:
    """Cases of `Session.unpark` beyond the first."""

    async def test_what_is_taken_is_what_was_parked(self, harness: BackendHarness) -> None:
        """Its new body, its priority; and it was delivered once: to be parked is no execution."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication(priority=Priority.HIGH))
        await worker.session.settle([park(await worker.receive_one(), "known", b"\x00new\n")])
        (delivery,) = await worker.unpark("known")
        assert (delivery.id, delivery.body, delivery.priority, delivery.deliveries) == (id, b"\x00new\n", Priority.HIGH, 1)

    async def test_it_is_taken_once(self, harness: BackendHarness) -> None:
        """The second who asks finds none."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        await worker.session.settle([park(await worker.receive_one(), "known")])
        assert [len(await worker.unpark("known")) for _ in range(2)] == [1, 0]

    async def test_a_session_takes_from_its_own_queues_only(self, harness: BackendHarness) -> None:
        """Others have workers of their own."""
        client = await harness.client()
        here, there = await harness.worker(client, name="here", queues=["a"]), await harness.worker(client, name="b", queues=["b"])
        await client.publish(harness.publication(queue="a"))
        await here.session.settle([park(await here.receive_one(), "known")])
        assert await there.unpark("known") == []
        assert len(await here.unpark("known")) == 1

    async def test_a_name_may_have_spaces_and_any_letters(self, harness: BackendHarness) -> None:
        """It is compared as a whole, and told as it is."""
        client, worker = await harness.pair()
        names = ["app.tâche 1", "app.tâche", "12 3", "a" * 256]
        await client.publish(*(harness.publication() for _ in names))
        await worker.session.settle([park(d, name) for d, name in zip(await worker.receive(), names, strict=True)])
        await worker.listener.wait_for(lambda: set(names) <= set(worker.listener.parkings))
        assert {task.awaits for task in await client.backend.parked("default")} == set(names)
        assert len(await worker.unpark("app.tâche")) == 1
        assert {task.awaits for task in await client.backend.parked("default")} == set(names) - {"app.tâche"}

    async def test_a_task_may_be_parked_again_for_another(self, harness: BackendHarness) -> None:
        """Only the last name counts."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        await worker.session.settle([park(await worker.receive_one(), "one")])
        (delivery,) = await worker.unpark("one")
        await worker.session.settle([park(delivery, "two")])
        assert await worker.unpark("one") == []
        assert [task.awaits for task in await client.backend.parked("default")] == ["two"]

    async def test_a_parked_task_that_is_cancelled_is_ready_to_be_settled(self, harness: BackendHarness) -> None:
        """Whoever takes it need not know it."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([park(await worker.receive_one(), "unknown")])
        await client.backend.cancel([id])
        delivery = await worker.receive_one()
        assert (delivery.id, delivery.cancelled) == (id, True)
        assert (await client.backend.counts("default")).parked == 0


class ViewCases:
    """Cases of `counts` and `peek`."""

    async def test_ready_tasks_are_shown_as_they_will_be_claimed(self, harness: BackendHarness) -> None:
        """By priority, then in their order; a limit cuts the end."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication(b"%d %d" % (p, n), priority=p) for n in range(3) for p in reversed(Priority)))
        shown = [waiting.body for waiting in await client.backend.peek("default")]
        assert [waiting.body for waiting in await client.backend.peek("default", 4)] == shown[:4]
        assert shown == [delivery.body for delivery in await worker.receive()]

    async def test_running_tasks_do_not_hide_ready_ones(self, harness: BackendHarness) -> None:
        """However many there are."""
        client, worker = await harness.pair()
        await client.publish(*(harness.publication() for _ in range(30)))
        await worker.receive(30)
        (id,) = await client.publish(harness.publication())
        first, *others = await client.backend.peek("default", 3)
        assert (first.id, first.state) == (id, "ready")
        assert [waiting.state for waiting in others] == ["running", "running"]

    async def test_a_retry_with_a_delay_is_delayed_and_not_parked(self, harness: BackendHarness) -> None:
        """It waits for its time, and for nobody."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([retry(await worker.receive_one(), b"new", delay_ms=60_000)])
        assert await client.backend.counts("default") == Counts(delayed=1)
        assert await client.backend.parked("default") == []
        (waiting,) = await client.backend.peek("default")
        assert (waiting.id, waiting.state, waiting.awaits, waiting.body) == (id, "delayed", "", b"new")

    async def test_queues_are_counted_apart(self, harness: BackendHarness) -> None:
        """In every state."""
        client, worker = await harness.pair(queues=["a", "b"])
        await client.publish(*(harness.publication(queue=queue) for queue in ("a", "a", "a", "b")))
        deliveries = [delivery for delivery in await worker.receive() if queue_name(delivery.queue) == "a"]
        await worker.session.settle([bury(deliveries[0]), park(deliveries[1], "later")])
        assert await client.backend.counts("a") == Counts(running=1, parked=1, dead=1)
        assert await client.backend.counts("b") == Counts(running=1)

    async def test_missing_tasks_are_told_from_others_in_any_number(self, harness: BackendHarness) -> None:
        """Over several queues, more than go into one call."""
        client = await harness.client()
        there = await client.publish(*(harness.publication(queue=queue) for queue in ("a", "b") for _ in range(600)))
        nowhere = [harness.publication(queue=queue).id for queue in ("a", "b", "c") for _ in range(100)]
        assert await client.backend.missing([*there, *nowhere]) == set(nowhere)
        assert await client.backend.missing([]) == set[TaskId]()
