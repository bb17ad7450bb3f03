"""Cases: operators see what is there, and mend it."""

from __future__ import annotations

import asyncio

from typedtasks.backend import Counts, Priority, SessionId, TaskId, new_task_id
from typedtasks.testing.harness import BackendHarness, bury, finish, park

__all__ = ["OperatorCases"]


class OperatorCases:
    """Cases of what operators use."""

    async def test_every_state_is_counted(self, harness: BackendHarness) -> None:
        """Each task once."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(*(harness.publication() for _ in range(3)))
        first, second, _ = await worker.receive()
        await worker.session.settle([bury(first), park(second, "later")])
        await client.publish(harness.publication(), harness.publication(delay_ms=60_000))
        assert await client.backend.counts("default") == Counts(ready=1, running=1, delayed=1, parked=1, dead=1)

    async def test_peek_shows_ready_then_running_then_delayed(self, harness: BackendHarness) -> None:
        """And changes nothing."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(harness.publication(b"running"))
        await worker.receive_one()
        await client.publish(
            harness.publication(b"later", delay_ms=90_000),
            harness.publication(b"soon", delay_ms=60_000),
            harness.publication(b"low", priority=Priority.LOW),
        )
        await client.publish(harness.publication(b"high", priority=Priority.HIGH))
        shown = [(waiting.body, waiting.state) for waiting in await client.backend.peek("default")]
        assert shown == [
            (b"high", "ready"),
            (b"low", "ready"),
            (b"running", "running"),
            (b"soon", "delayed"),
            (b"later", "delayed"),
        ]
        assert len(await client.backend.peek("default", 2)) == 2

    async def test_a_walk_meets_every_task_in_its_state(self, harness: BackendHarness) -> None:
        """Page by page, whatever a page holds; those of other queues are not met, and nothing is changed."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(*(harness.publication(b"%d" % number) for number in range(4)))
        dead, parked, running = [await worker.receive_one() for _ in range(3)]
        await worker.session.settle([bury(dead), park(parked, "later")])
        await client.publish(harness.publication(b"soon", delay_ms=60_000), harness.publication(b"low", priority=Priority.LOW))
        await client.publish(harness.publication(b"high", priority=Priority.HIGH), harness.publication(b"elsewhere", queue="other"))
        before = await client.backend.counts("default")
        met: dict[bytes, tuple[TaskId, str]] = {}
        cursor = "first"
        while cursor:
            page = await client.backend.scan("default", "" if cursor == "first" else cursor, 2)
            met.update({task.body: (task.id, task.state) for task in page.tasks})
            cursor = page.cursor
        assert {body: state for body, (_, state) in met.items()} == {
            **{b"%d" % number: "ready" for number in range(4) if b"%d" % number != parked.body},
            dead.body: "dead",
            running.body: "running",
            b"parked": "parked",
            b"soon": "delayed",
            b"low": "ready",
            b"high": "ready",
        }
        assert met[running.body][0] == running.id
        assert await client.backend.counts("default") == before

    async def test_a_walk_meets_whatever_stays_while_other_tasks_come_and_go(self, harness: BackendHarness) -> None:
        """What is taken away before the place where the walk is moves nothing out of its sight."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication(b"%d" % number) for number in range(9)))
        page = await client.backend.scan("default", "", 2)
        met = {task.id for task in page.tasks}
        await worker.session.settle([finish(await worker.receive_one()) for _ in range(3)])
        await client.publish(harness.publication(b"new"))
        while page.cursor:
            page = await client.backend.scan("default", page.cursor, 2)
            met |= {task.id for task in page.tasks}
        assert met >= set(ids[3:])

    async def test_a_dead_letter_keeps_its_bytes_and_its_reason(self, harness: BackendHarness) -> None:
        """And its waiter gets the outcome."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication(b"\x00raw\xff"))
        await worker.session.settle([bury(await worker.receive_one(), "it is ü\nwrong", b"rejected")])
        (letter,) = await client.backend.dead_letters("default")
        assert (letter.id, letter.queue, letter.reason, letter.body) == (id, "default", "it is ü\nwrong", b"\x00raw\xff")
        assert letter.deliveries == 1
        assert await client.backend.read_outcomes([id]) == {id: b"rejected"}

    async def test_dead_letters_come_oldest_first_and_limited(self, harness: BackendHarness) -> None:
        """In the order of their deaths."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(harness.publication(), harness.publication(), harness.publication())
        for delivery in await worker.receive():
            await worker.session.settle([bury(delivery)])
            await harness.pass_time(0.002)
        assert [letter.id for letter in await client.backend.dead_letters("default", 2)] == ids[:2]

    async def test_a_replayed_dead_letter_is_ready_again_and_its_outcome_gone(self, harness: BackendHarness) -> None:
        """Its waiters wait on."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication(b"body", priority=Priority.HIGH))
        await worker.session.settle([bury(await worker.receive_one())])
        assert await client.backend.replay("default", [id, new_task_id("default", 1.0)]) == {id}
        assert await client.backend.read_outcomes([id]) == {}
        delivery = await worker.receive_one()
        assert (delivery.id, delivery.body, delivery.priority) == (id, b"body", Priority.HIGH)
        assert (await client.backend.counts("default")).dead == 0

    async def test_a_replayed_dead_letter_is_not_cancelled_any_more(self, harness: BackendHarness) -> None:
        """Whoever replays it wants it to run."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        delivery = await worker.receive_one()
        await client.backend.cancel([id])
        await worker.session.settle([bury(delivery)])
        await client.backend.replay("default", [id])
        assert (await worker.receive_one()).cancelled is False

    async def test_a_replay_wakes_a_waiting_worker(self, harness: BackendHarness) -> None:
        """As a publication does."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(harness.publication())
        await worker.session.settle([bury(await worker.receive_one())])
        waiting = asyncio.create_task(worker.session.receive(1, 5.0))
        await asyncio.sleep(0.02)
        await client.backend.replay("default", [id])
        async with asyncio.timeout(0.9):
            assert len(await waiting) == 1

    async def test_dead_letters_can_be_read_in_parts(self, harness: BackendHarness) -> None:
        """However many there are."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication() for _ in range(5)))
        for delivery in await worker.receive():
            await worker.session.settle([bury(delivery)])
            await harness.pass_time(0.002)
        parts = [await client.backend.dead_letters("default", 2, offset) for offset in (0, 2, 4, 6)]
        assert [[letter.id for letter in part] for part in parts] == [ids[:2], ids[2:4], ids[4:], []]

    async def test_dead_letters_are_found_by_their_ids(self, harness: BackendHarness) -> None:
        """In the order in which they are asked for, each once; what is no dead letter is left out."""
        client = await harness.client()
        worker = await harness.worker(client)
        one, two = await client.publish(harness.publication(b"one"), harness.publication(b"two"))
        await worker.session.settle([bury(delivery) for delivery in await worker.receive()])
        (ready,) = await client.publish(harness.publication())
        found = await client.backend.find_dead_letters("default", [two, ready, TaskId("default.unknown"), one, two])
        assert [(letter.id, letter.body, letter.reason) for letter in found] == [(two, b"two", "because"), (one, b"one", "because")]
        assert await client.backend.find_dead_letters("other", [one]) == []
        assert await client.backend.find_dead_letters("default", []) == []

    async def test_many_dead_letters_are_found_replayed_and_dropped_at_once(self, harness: BackendHarness) -> None:
        """Also more than go into one call."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication() for _ in range(1100)))
        for _ in range(2):
            await worker.session.settle([bury(delivery) for delivery in await worker.receive(1000)])
        assert len(await client.backend.find_dead_letters("default", ids)) == 1100
        assert await client.backend.replay("default", ids[:550]) == set(ids[:550])
        assert await client.backend.drop("default", ids) == set(ids[550:])
        assert await client.backend.counts("default") == Counts(ready=550)

    async def test_a_dropped_dead_letter_is_gone_and_its_outcome_stays(self, harness: BackendHarness) -> None:
        """Who asks for it is still told how it ended."""
        client = await harness.client()
        worker = await harness.worker(client)
        one, two = await client.publish(harness.publication(), harness.publication())
        await worker.session.settle([bury(delivery, outcome=b"rejected") for delivery in await worker.receive()])
        (ready,) = await client.publish(harness.publication())
        assert await client.backend.drop("default", [one, ready, new_task_id("default", 1.0)]) == {one}
        assert [letter.id for letter in await client.backend.dead_letters("default")] == [two]
        assert await client.backend.read_outcomes([one]) == {one: b"rejected"}
        assert await client.backend.counts("default") == Counts(ready=1, dead=1)
        assert await client.backend.replay("default", [one]) == set()

    async def test_only_the_queue_that_is_named_is_mended(self, harness: BackendHarness) -> None:
        """A dead letter of another one stays."""
        client = await harness.client()
        worker = await harness.worker(client, queues=["other"])
        (id,) = await client.publish(harness.publication(queue="other"))
        await worker.session.settle([bury(await worker.receive_one())])
        assert await client.backend.replay("default", [id]) == set()
        assert await client.backend.drop("default", [id]) == set()
        assert await client.backend.counts("other") == Counts(dead=1)

    async def test_parked_tasks_come_by_their_times_and_limited(self, harness: BackendHarness) -> None:
        """However many other tasks wait before them."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(*(harness.publication() for _ in range(3)))
        times = (90_000, 60_000, 120_000)
        await worker.session.settle([park(d, "later", delay_ms=ms) for d, ms in zip(await worker.receive(), times, strict=True)])
        await client.publish(*(harness.publication() for _ in range(20)), harness.publication(delay_ms=30_000))
        parked = await client.backend.parked("default", 2)
        assert [(task.id, task.state, task.awaits) for task in parked] == [(ids[1], "parked", "later"), (ids[0], "parked", "later")]
        assert parked[0].due_ms < parked[1].due_ms

    async def test_sessions_are_shown_with_their_lease_and_what_they_hold(self, harness: BackendHarness) -> None:
        """For each queue that they read."""
        client = await harness.client()
        busy = await harness.worker(client, name="busy", queues=["default", "other"], lease=30.0)
        await harness.worker(client, name="idle", lease=60.0)
        await client.publish(*(harness.publication(priority=priority) for priority in Priority), harness.publication(queue="other"))
        assert len(await busy.receive()) == 4
        one, two = await client.backend.sessions("default")
        assert (one.id, one.queue, one.held, two.id, two.held) == ("busy", "default", 3, "idle", 0)
        assert 0 < one.lease_ms <= 30_000 < two.lease_ms <= 60_000
        assert [(state.id, state.queue, state.held) for state in await client.backend.sessions("other")] == [("busy", "other", 1)]

    async def test_a_session_without_a_lease_is_shown_while_it_owns_something(self, harness: BackendHarness) -> None:
        """Others are to take that over."""
        client = await harness.client()
        lost = await harness.worker(client, name="lost", lease=0.5)
        await harness.worker(client, name="gone", lease=0.05)
        await client.publish(harness.publication())
        await lost.receive_one()
        await harness.pass_time(0.6)
        (state,) = await client.backend.sessions("default")
        assert (state.id, state.lease_ms, state.held) == ("lost", 0, 1)

    async def test_a_session_that_has_left_is_not_shown(self, harness: BackendHarness) -> None:
        """Nor one whose lease was ended because its process is dead."""
        client = await harness.client()
        left = await harness.worker(client, name="left")
        await harness.worker(client, name="dead")
        await left.session.leave()
        await client.backend.expire(SessionId("dead"), ["default"])
        assert await client.backend.sessions("default") == []

    async def test_purging_deletes_what_waits_and_spares_what_runs_or_is_dead(self, harness: BackendHarness) -> None:
        """The number of deleted tasks comes back."""
        client = await harness.client()
        worker = await harness.worker(client)
        await client.publish(*(harness.publication() for _ in range(3)))
        running, dead, parked = await worker.receive()
        await worker.session.settle([bury(dead), park(parked, "later")])
        await client.publish(*(harness.publication(priority=p) for p in Priority), harness.publication(delay_ms=60_000))
        assert await client.backend.purge("default") == 5
        assert await client.backend.counts("default") == Counts(running=1, dead=1)
        assert await worker.session.settle([finish(running)]) == [True]

    async def test_purging_dead_letters_spares_the_rest(self, harness: BackendHarness) -> None:
        """And other queues."""
        client = await harness.client()
        worker = await harness.worker(client, queues=["default", "other"])
        await client.publish(harness.publication(), harness.publication(queue="other"))
        await worker.session.settle([bury(delivery) for delivery in await worker.receive()])
        await client.publish(harness.publication())
        assert await client.backend.purge("default", dead=True) == 1
        assert await client.backend.counts("default") == Counts(ready=1)
        assert await client.backend.counts("other") == Counts(dead=1)

    async def test_an_unknown_queue_is_an_empty_one(self, harness: BackendHarness) -> None:
        """Looking does not create it."""
        client = await harness.client()
        assert await client.backend.counts("nowhere") == Counts()
        assert await client.backend.peek("nowhere") == []
        assert await client.backend.dead_letters("nowhere") == []
        assert await client.backend.parked("nowhere") == []
        assert (await client.backend.scan("nowhere")).tasks == []
        assert await client.backend.sessions("nowhere") == []
        assert await client.backend.replay("nowhere", [TaskId("nowhere.x")]) == set()
        assert await client.backend.drop("nowhere", [TaskId("nowhere.x")]) == set()
        assert await client.backend.purge("nowhere") == 0
