"""Cases: the owner of a delivery says how far it has come, nobody else does, and what was said vanishes by itself."""

from __future__ import annotations

from typedtasks.backend import Delivery, Report, SessionId, TaskId
from typedtasks.testing.harness import BackendHarness, finish, publication, retry

__all__ = ["ReportingCases"]


class ReportingCases:
    """Cases of `Session.report` and `Backend.read_reports`."""

    async def test_the_last_report_of_a_task_is_read_by_any_client(self, harness: BackendHarness) -> None:
        """It takes the place of the one before; tasks that have said nothing are left out."""
        client, other = await harness.client(), await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(publication(), publication(), publication())
        first, second, _ = await worker.receive()
        assert await worker.session.report([report(first, b"1/9"), report(second, b"\x00\n")]) == [True, True]
        assert await worker.session.report([report(first, b"2/9")]) == [True]
        assert await other.backend.read_reports([*ids, TaskId("default.unknown")]) == {first.id: b"2/9", second.id: b"\x00\n"}
        assert await other.backend.read_reports([]) == {}
        assert await worker.session.report([]) == []

    async def test_reports_of_many_tasks_and_queues_go_together(self, harness: BackendHarness) -> None:
        """Each is answered by itself."""
        client = await harness.client()
        worker = await harness.worker(client, queues=("default", "slow"))
        ids = await client.publish(*(publication(queue=queue) for queue in ("default", "slow") for _ in range(20)))
        deliveries = await worker.receive()
        await worker.session.settle([finish(deliveries[7])])
        answers = await worker.session.report([report(delivery, delivery.id.encode()) for delivery in deliveries])
        assert answers == [delivery is not deliveries[7] for delivery in deliveries]
        gone = deliveries[7].id
        assert await client.backend.read_reports(ids) == {id: id.encode() for id in ids if id != gone}

    async def test_a_report_stays_beside_the_outcome_and_goes_with_its_time(self, harness: BackendHarness) -> None:
        """Nothing of it is left for ever."""
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(publication())
        delivery = await worker.receive_one()
        await worker.session.report([report(delivery, ttl_ms=300)])
        await worker.session.settle([finish(delivery, b"done", ttl_ms=300)])
        assert await client.backend.read_reports([id]) == {id: b"so far"}
        await harness.pass_time(0.4)
        assert await client.backend.read_reports([id]) == {}
        assert await client.backend.missing([id]) == {id}

    async def test_a_delivery_that_has_ended_reports_nothing(self, harness: BackendHarness) -> None:
        """Neither when it was settled, nor when it was put back: what follows is another delivery."""
        client = await harness.client()
        worker = await harness.worker(client)
        ids = await client.publish(publication(), publication())
        first, second = await worker.receive()
        await worker.session.settle([finish(first), retry(second)])
        assert await worker.session.report([report(first), report(second)]) == [False, False]
        again = await worker.receive_one()
        assert await worker.session.report([report(second, b"late")]) == [False]
        assert await worker.session.report([report(again, b"again")]) == [True]
        assert await client.backend.read_reports(ids) == {again.id: b"again"}

    async def test_another_session_cannot_report(self, harness: BackendHarness) -> None:
        """The fence is the session."""
        client = await harness.client()
        owner, thief = await harness.worker(client, name="owner"), await harness.worker(client, name="thief")
        (id,) = await client.publish(publication())
        delivery = await owner.receive_one()
        assert await thief.session.report([report(delivery)]) == [False]
        assert await client.backend.read_reports([id]) == {}

    async def test_a_session_that_lost_its_lease_cannot_report(self, harness: BackendHarness) -> None:
        """Whether or not another has taken over: what it knows may be old."""
        client = await harness.client()
        stale = await harness.worker(client, name="stale")
        fresh = await harness.worker(client, name="fresh")
        (id,) = await client.publish(publication())
        delivery = await stale.receive_one()
        await client.backend.expire(SessionId("stale"), ["default"])
        assert await stale.session.report([report(delivery, b"old")]) == [False]
        (taken,) = await fresh.recover()
        assert await fresh.session.report([report(taken, b"new")]) == [True]
        assert await stale.session.report([report(delivery, b"old")]) == [False]
        assert await client.backend.read_reports([id]) == {id: b"new"}


def report(delivery: Delivery, body: bytes = b"so far", *, ttl_ms: int = 60_000) -> Report:
    """Return how far a delivery has come."""
    return Report(delivery, body, ttl_ms)
