"""What only Redis has: lost answers, restarts, a full memory, scripts that vanish, and keys that must not stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from tests.backends.proxy import Proxy
from tests.redis_server import RedisServer, redis_server
from typedtasks import BackendFull, BackendUnavailable, BackendUnsupported, Broker, ResultTimeout, Worker
from typedtasks.backend import Once, SessionLost, TaskId, new_task_id
from typedtasks.backends.redis import RedisBackend
from typedtasks.backends.redis.client import looked_at
from typedtasks.testing import BackendHarness, Client
from typedtasks.testing.harness import finish, park, publication

APPEND_ONLY = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def empty_redis(redis_url: str) -> Iterator[Redis]:
    """The shared server, emptied."""
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
async def harness(redis_url: str, empty_redis: Redis) -> AsyncIterator[BackendHarness]:
    harness = BackendHarness(lambda: RedisBackend(redis_url), asyncio.sleep)
    yield harness
    await harness.close()


@pytest.fixture
async def proxy(redis_url: str, empty_redis: Redis) -> AsyncIterator[Proxy]:
    proxy = Proxy(int(redis_url.rpartition(":")[2].partition("/")[0]))
    yield proxy
    await proxy.stop()


async def proxied(proxy: Proxy) -> tuple[BackendHarness, Client]:
    """Return a harness whose clients all speak through the proxy, and one of its clients."""
    url = await proxy.start()
    harness = BackendHarness(lambda: RedisBackend(url), asyncio.sleep)
    return harness, await harness.client()


async def test_a_publication_whose_answer_was_lost_is_stored_once(proxy: Proxy) -> None:
    """It is sent again under the same token, which redis-py's own retries would not do."""
    harness, client = await proxied(proxy)
    proxy.drop_answer_to = b"the body"
    await client.publish(publication(b"the body"))
    assert proxy.dropped == 1
    assert (await client.backend.counts("default")).ready == 1
    await harness.close()


async def test_a_lost_answer_that_named_duplicates_is_given_again(
    proxy: Proxy, empty_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, though the keys could not tell it any more: their windows are over when the batch is sent again."""
    monkeypatch.setattr("typedtasks.backends.redis.client._PAUSES", (0.6,))
    harness, client = await proxied(proxy)
    long, short = Once("app.task\nkey", 60_000), Once("app.task\nother", 500)
    first = publication(once=short)
    await client.publish(first)
    batch = [publication(b"the body", once=long), publication(), publication(once=long), publication(once=short)]
    proxy.drop_answer_to = b"the body"
    assert dict(await client.backend.publish(batch)) == {batch[2].id: batch[0].id, batch[3].id: first.id}
    assert proxy.dropped == 1
    assert (await client.backend.counts("default")).ready == 3
    assert {key.decode() for key in empty_redis.scan_iter("tt:{default}:u:*")} == {"tt:{default}:u:app.task\nkey"}
    assert 0 < empty_redis.pttl("tt:{default}:u:app.task\nkey") <= 60_000
    await harness.close()


async def test_deliveries_whose_answer_was_lost_are_adopted(proxy: Proxy) -> None:
    """They were handed out to a connection that is gone; `recover` finds them in the session's own list."""
    harness, client = await proxied(proxy)
    worker = await harness.worker(client, name="the-session")
    assert await worker.receive() == []  # the script is loaded now
    ids = await client.publish(publication(), publication())
    proxy.drop_answer_to = b"the-session"
    with pytest.raises(BackendUnavailable):
        await worker.receive()
    assert (await client.backend.counts("default")).running == 2
    found = await worker.recover()
    assert sorted(delivery.id for delivery in found) == sorted(ids)
    await harness.close()


async def test_a_settlement_whose_answer_was_lost_is_committed_once(proxy: Proxy) -> None:
    """A second try finds nothing to settle, and changes nothing."""
    harness, client = await proxied(proxy)
    worker = await harness.worker(client)
    await client.publish(publication())
    await worker.session.settle([finish(await worker.receive_one())])  # the script is loaded now
    (id,) = await client.publish(publication())
    delivery = await worker.receive_one()
    proxy.drop_answer_to = b"the outcome"
    with pytest.raises(BackendUnavailable):
        await worker.session.settle([finish(delivery, b"the outcome")])
    assert await worker.session.settle([finish(delivery, b"another")]) == [False]
    assert await client.backend.read_outcomes([id]) == {id: b"the outcome"}
    await harness.close()


async def test_a_batch_costs_one_script_call_at_each_step(harness: BackendHarness, empty_redis: Redis) -> None:
    """Publish, claim and settle of 100 tasks are three calls in all."""
    client = await harness.client()
    worker = await harness.worker(client)
    await client.publish(publication())
    await worker.session.settle([finish(d) for d in await worker.receive()])  # the scripts are loaded now
    empty_redis.config_resetstat()

    await client.publish(*(publication() for _ in range(100)))
    deliveries = await worker.receive(100)
    await worker.session.settle([finish(delivery, reply_to=client.backend.reply_to) for delivery in deliveries])

    stats = empty_redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 3
    assert stats["cmdstat_xpending"]["calls"] == 1
    assert stats["cmdstat_xack"]["calls"] == stats["cmdstat_xdel"]["calls"] == stats["cmdstat_publish"]["calls"] == 1


async def test_after_a_drained_run_no_key_stays_but_those_with_a_time_to_live(harness: BackendHarness, empty_redis: Redis) -> None:
    """Streams are empty, dead consumers are gone, and nothing grows with the number of tasks."""
    client = await harness.client()
    worker = await harness.worker(client)
    ids = await client.publish(*(publication() for _ in range(50)), publication(delay_ms=1))
    await client.backend.watch(ids)
    await client.backend.cancel(ids[:5])
    await asyncio.sleep(0.01)
    deliveries = await worker.receive(50)
    deliveries += await worker.receive(50)
    await worker.session.settle([park(delivery, "later") for delivery in deliveries])
    taken = await worker.unpark("later")
    assert len(taken) == 46  # the cancelled ones are ready at once
    await worker.session.settle([finish(d) for d in taken + await worker.receive(100)])
    await client.backend.unwatch(ids)
    await worker.session.leave()

    lasting = {key.decode() for key in empty_redis.scan_iter("*") if empty_redis.pttl(key) < 0}
    assert lasting == {"tt:{default}:s0", "tt:{default}:s1", "tt:{default}:s2"}
    for key in lasting:
        assert empty_redis.xlen(key) == 0
        assert empty_redis.xinfo_groups(key)[0]["consumers"] == 0


async def test_a_live_cancellation_costs_the_same_among_a_hundred_thousand_stale_ones(
    harness: BackendHarness, empty_redis: Redis
) -> None:
    """A worker looks up what it has in hand, and never walks through the marks."""
    client = await harness.client()
    worker = await harness.worker(client)
    (id,) = await client.publish(publication())
    delivery = await worker.receive_one()
    until = int(empty_redis.time()[0] * 1000) + 30 * 86_400_000
    for start in range(0, 100_000, 10_000):
        empty_redis.zadd("tt:{default}:x", {f"default.{number:020d}": until for number in range(start, start + 10_000)})
    await client.backend.cancel([id])
    empty_redis.config_resetstat()
    await worker.recover([delivery.receipt])
    assert worker.listener.cancellations[-1] == id
    stats = empty_redis.info("commandstats")
    assert stats["cmdstat_zscore"]["calls"] <= 3
    assert stats["cmdstat_xrange"]["calls"] <= 8
    assert stats["cmdstat_zrange"]["calls"] <= 2


async def test_cancellations_of_what_is_not_here_do_not_pile_up(harness: BackendHarness, empty_redis: Redis) -> None:
    """They go once nothing is left that is as old as they are; one that a task still waits for stays."""
    client = await harness.client()
    worker = await harness.worker(client)
    nobody = [new_task_id("default", 1.0) for _ in range(10)]
    await client.backend.cancel(nobody)
    assert 0 < empty_redis.pttl("tt:{default}:x") <= 60_000  # nothing is here that could be meant
    five_minutes_ago = int(empty_redis.time()[0] * 1000) - 300_000
    empty_redis.xadd("tt:{default}:s1", {"i": "default.old", "b": "old"}, id=f"{five_minutes_ago}-1")
    await client.backend.cancel([TaskId("default.old"), *nobody])
    shift_marks(empty_redis, -120)
    await worker.recover()
    assert empty_redis.zcard("tt:{default}:x") == 11
    delivery = await worker.receive_one()
    assert (delivery.id, delivery.cancelled) == ("default.old", True)
    await worker.session.settle([finish(delivery)])
    await worker.recover()
    assert not empty_redis.exists("tt:{default}:x")


def shift_marks(redis: Redis, seconds: int) -> None:
    """Have cancellations been asked for at other times."""
    for id, _ in redis.zscan_iter("tt:{default}:x"):
        redis.zincrby("tt:{default}:x", seconds * 1000, id)


async def test_two_parked_entries_of_one_id_are_both_kept(harness: BackendHarness, empty_redis: Redis) -> None:
    """A foreign producer gave none, or the same one twice."""
    client = await harness.client()
    worker = await harness.worker(client)
    for body in (b"one", b"two"):
        empty_redis.xadd("tt:{default}:s1", {"i": "", "b": body})
    await worker.session.settle([park(delivery, "later", delivery.body) for delivery in await worker.receive()])
    assert sorted(delivery.body for delivery in await worker.unpark("later")) == [b"one", b"two"]


async def test_a_large_batch_goes_in_several_calls(harness: BackendHarness, empty_redis: Redis) -> None:
    """Each is done well within the time that a caller waits."""
    client = await harness.client()
    await client.publish(publication())
    empty_redis.config_resetstat()
    await client.publish(*(publication(b"x" * 1_000_000) for _ in range(20)))
    assert empty_redis.info("commandstats")["cmdstat_evalsha"]["calls"] == 3
    assert (await client.backend.counts("default")).ready == 21


async def test_a_redis_that_hangs_does_not_delay_the_timeout_of_a_foreign_handle(redis_url: str, empty_redis: Redis) -> None:
    """Nothing that is said to Redis afterwards is waited for."""
    broker = Broker(redis_url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker:
        handle = broker.handle(double, (await double.enqueue(1)).id)
        waiting = asyncio.create_task(handle.result(timeout=1.0))
        await asyncio.sleep(0.3)  # it is watched now
        empty_redis.client_pause(2500)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(ResultTimeout):
            await waiting
        assert asyncio.get_running_loop().time() - begun < 1.5


async def test_scripts_that_vanished_are_sent_again(harness: BackendHarness, empty_redis: Redis) -> None:
    """SCRIPT FLUSH, or a failover to a server that never saw them."""
    client = await harness.client()
    worker = await harness.worker(client)
    for _ in range(2):
        empty_redis.script_flush()
        await client.publish(publication())
        assert await worker.session.settle([finish(await worker.receive_one())]) == [True]


async def test_a_store_that_was_emptied_is_used_again(harness: BackendHarness, empty_redis: Redis) -> None:
    """After FLUSHALL the session is lost, not stuck; a new one works."""
    client = await harness.client()
    old = await harness.worker(client, name="before")
    await client.publish(publication())
    empty_redis.flushall()
    with pytest.raises(SessionLost):
        await old.receive()
    worker = await harness.worker(client, name="after")
    (id,) = await client.publish(publication())
    assert [delivery.id for delivery in await worker.receive()] == [id]


async def test_a_full_redis_refuses_tasks_and_still_lets_started_ones_end(empty_redis: Redis) -> None:
    """Enqueue says BackendFull; claim and settle go on, so that the memory gets free."""
    with redis_server("--save", "", "--maxmemory-policy", "noeviction") as server, Redis.from_url(server.url) as redis:
        harness = BackendHarness(lambda: RedisBackend(server.url), asyncio.sleep)
        client = await harness.client()
        worker = await harness.worker(client)
        (id,) = await client.publish(publication())
        redis.config_set("maxmemory", "1mb")
        with pytest.raises(BackendFull, match="has reached its maxmemory"):
            await client.publish(publication())
        assert await worker.session.settle([finish(await worker.receive_one())]) == [True]
        assert list(await client.backend.read_outcomes([id])) == [id]
        await harness.close()


async def test_a_redis_that_evicts_keys_is_refused() -> None:
    """It would lose tasks."""
    with (
        redis_server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as server,
        pytest.raises(BackendUnsupported, match="set maxmemory-policy to noeviction"),
    ):
        async with Broker(server.url):
            pass


async def test_an_old_redis_is_refused_with_its_version() -> None:
    """7.0 is the least; the answer comes at once."""
    gone = asyncio.Event()

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = b"redis_version:6.2.14\r\n"
        while data := await reader.read(4096):
            for _ in range(data.count(b"*")):
                writer.write(b"$%d\r\n%s\r\n" % (len(info), info) if b"INFO\r" in data else b"+OK\r\n")
        writer.close()
        gone.set()

    server = await asyncio.start_server(old, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(BackendUnsupported, match=r"is version 6\.2\.14; typedtasks needs 7\.0 or later"):
        await Broker(f"redis://127.0.0.1:{port}/0").open()
    await asyncio.wait_for(gone.wait(), 5)
    server.close()


async def test_a_redis_that_loads_its_data_is_waited_for() -> None:
    """Until it is done, it says that it has no append-only file."""
    answers = [b"redis_version:7.0.15\r\nloading:1\r\naof_enabled:0\r\n", b"redis_version:7.0.15\r\nloading:0\r\naof_enabled:1\r\n"]

    class Loading:
        """A server of whose answers the test knows."""

        async def everywhere(self, what: str, *arguments: object) -> list[tuple[str, Any]]:
            return [("here", answers.pop(0))]

    assert b"aof_enabled:1" in cast("bytes", (await looked_at(cast("Any", Loading())))[0][1])
    assert not answers


async def test_keys_that_something_else_has_written_end_no_worker(redis_url: str, empty_redis: Redis) -> None:
    """Who sends is told; the worker goes on when they are put right, and what it had finished is settled then."""
    broker = Broker(redis_url)
    let_go = asyncio.Event()

    @broker.task(name="hold")
    async def hold(x: int) -> int:
        await let_go.wait()
        return x

    async with broker, Worker(broker):
        held = await hold.enqueue(1)
        async with asyncio.timeout(10):
            while not (await broker.counts()).running:
                await asyncio.sleep(0.01)
        empty_redis.rename("tt:{default}:s1", "aside")
        empty_redis.set("tt:{default}:s1", "foreign")
        with pytest.raises(BackendUnavailable, match="something else has written to the keys"):
            await hold.enqueue(2)
        let_go.set()
        empty_redis.rename("aside", "tt:{default}:s1")
        assert await held.result(timeout=20) == 1
        assert await (await hold.enqueue(3)).result(timeout=20) == 3


async def test_a_cancelled_task_that_waits_for_a_worker_for_a_month_is_never_run(
    harness: BackendHarness, empty_redis: Redis
) -> None:
    """What was asked for is kept at least as long."""
    client = await harness.client()
    envelope = publication()
    await client.backend.publish([envelope])
    await client.backend.cancel([envelope.id])
    seconds, _ = empty_redis.time()
    assert cast("float", empty_redis.zscore("tt:{default}:x", envelope.id)) / 1000 - seconds > 29 * 86400
    assert empty_redis.ttl("tt:{default}:x") > 29 * 86400


async def test_a_server_that_never_answers_is_given_up_within_five_seconds() -> None:
    """A port that accepts and says nothing."""
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5.5):
        with pytest.raises(BackendUnavailable, match="is not available"):
            await Broker(f"redis://127.0.0.1:{port}/0").open()
    await asyncio.wait_for(gone.wait(), 5)
    server.close()


async def test_workers_and_waiters_survive_a_restart_of_redis(tmp_path: Path) -> None:
    """kill -9 of the server and a new start on the same data: what was acknowledged is run, and its waiter is told."""
    server = RedisServer(tmp_path, APPEND_ONLY)
    server.start()
    try:
        broker = Broker(server.url)

        @broker.task(name="f")
        async def f(x: int) -> int:
            return x

        async with broker:
            handles = [await f.options(delay=0.3).enqueue(n) for n in range(5)]
            waiting = [asyncio.create_task(handle.result(timeout=40)) for handle in handles]
            async with Worker(broker):
                assert await (await f.enqueue(9)).result(timeout=10) == 9
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                assert await asyncio.gather(*waiting) == [0, 1, 2, 3, 4]
    finally:
        server.kill()


async def test_foreign_entries_become_dead_letters_and_none_overwrites_another(redis_url: str, empty_redis: Redis) -> None:
    """Counts that are no counts, missing ids, ids that are taken: the worker runs the next task."""
    broker = Broker(redis_url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker:
        counts = ["1.5", "1e15", "nan", "-1", "9" * 5000]
        for count in counts:
            empty_redis.xadd("tt:{default}:s1", {"i": "default.same", "b": "no envelope", "n": count})
        for _ in range(2):
            empty_redis.xadd("tt:{default}:s1", {"unknown": "field"})
        async with Worker(broker):
            assert await (await double.enqueue(2)).result(timeout=10) == 4
            async with asyncio.timeout(10):
                while (await broker.counts()).dead < len(counts) + 2:
                    await asyncio.sleep(0.01)
        assert len(await broker.dead_letters()) == len(counts) + 2


async def test_an_unreadable_message_does_not_end_the_subscription(redis_url: str, empty_redis: Redis) -> None:
    """Anyone may publish anything on the channel of results."""
    broker = Broker(redis_url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker, Worker(broker):
        for channel in empty_redis.pubsub_channels():
            empty_redis.publish(channel, b"\xff\xff no frame")
        assert await (await double.enqueue(2)).result(timeout=3) == 4


async def test_a_state_of_the_server_is_backend_unavailable(redis_url: str, empty_redis: Redis) -> None:
    """For example too few replicas: it may pass, so nothing ends for it."""
    broker = Broker(redis_url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker, Worker(broker):
        assert await (await double.enqueue(1)).result(timeout=10) == 2
        empty_redis.config_set("min-replicas-to-write", 1)
        try:
            with pytest.raises(BackendUnavailable, match="NOREPLICAS"):
                await double.enqueue(1)
        finally:
            empty_redis.config_set("min-replicas-to-write", 0)
        assert await (await double.enqueue(2)).result(timeout=10) == 4


async def test_an_entry_whose_reply_may_be_on_its_way_is_not_adopted(harness: BackendHarness) -> None:
    """Adopted at once, it would be executed twice."""
    client = await harness.client()
    session = (await harness.worker(client)).session
    await client.publish(publication())
    (delivery,) = await session.receive(1, 0)
    waiting = asyncio.create_task(session.receive(1, 5))
    await asyncio.sleep(0)
    assert (await session.recover([], 10)).deliveries == []
    waiting.cancel()
    await asyncio.wait([waiting])
    assert [found.receipt for found in (await session.recover([], 10)).deliveries] == [delivery.receipt]


async def test_the_numbers_of_batches_do_not_pile_up_where_a_client_sends_to_two_queues(
    harness: BackendHarness, empty_redis: Redis
) -> None:
    """Each queue sees only some of the client's numbers."""
    client = await harness.client()
    for _ in range(200):
        await client.publish(publication(queue="a"))
        await client.publish(publication(queue="b"))
    for queue in "ab":
        (key,) = empty_redis.keys(f"tt:{{{queue}}}:bt:*")
        assert empty_redis.hlen(key) <= 32


async def test_what_was_deleted_from_a_stream_takes_no_room_in_a_recovery(harness: BackendHarness, empty_redis: Redis) -> None:
    """A dead worker's entries that an operator deleted are forgotten; as many living ones are taken over as there is room for."""
    client = await harness.client()
    dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
    await client.publish(*(publication(b"%d" % n) for n in range(6)))
    entries = [delivery.receipt.rpartition(":")[2] for delivery in await dead.receive()]
    empty_redis.xdel("tt:{default}:s1", *entries[:3])
    await client.backend.expire(dead.session.id, ["default"])
    first = await alive.recover([], 2)
    second = await alive.recover([delivery.receipt for delivery in first], 2)
    assert [[delivery.body for delivery in found] for found in (first, second)] == [[b"3", b"4"], [b"5"]]
    assert [state.id for state in await client.backend.sessions("default")] == ["alive"]
    assert empty_redis.xpending("tt:{default}:s1", "g")["pending"] == 3


async def test_a_session_all_of_whose_entries_were_deleted_is_forgotten(harness: BackendHarness, empty_redis: Redis) -> None:
    """Nothing of it stays."""
    client = await harness.client()
    dead, alive = await harness.worker(client, name="dead"), await harness.worker(client, name="alive")
    await client.publish(publication(), publication())
    entries = [delivery.receipt.rpartition(":")[2] for delivery in await dead.receive()]
    empty_redis.xdel("tt:{default}:s1", *entries)
    await client.backend.expire(dead.session.id, ["default"])
    assert await alive.recover() == []
    assert empty_redis.xpending("tt:{default}:s1", "g")["pending"] == 0
    assert [consumer["name"] for consumer in empty_redis.xinfo_consumers("tt:{default}:s1", "g")] == []
