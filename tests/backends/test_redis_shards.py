"""Shards: one queue in several slots of a cluster, with the promises of one queue."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import ExitStack

import pytest
from redis import Redis

from tests.redis_server import RedisServer, cluster_url, empty_servers, redis_cluster, until
from typedtasks import BackendUnavailable, BackendUnsupported, Broker, Context, Depends, Success, Worker
from typedtasks.backend import Once, Priority, Publication, new_task_id, queue_of
from typedtasks.backends.redis import RedisBackend
from typedtasks.backends.redis.shards import Shards, shards_of
from typedtasks.backends.redis.slots import slot_of
from typedtasks.inventory import Counts

PATIENCE = 20.0


@pytest.fixture
def url(cluster: list[RedisServer]) -> str:
    """The shared cluster, emptied, as a user with the least rights."""
    with ExitStack() as closing:
        empty_servers([closing.enter_context(node.client()) for node in cluster])
    return cluster_url(cluster)


@pytest.mark.parametrize(
    ("option", "rest", "numbers"),
    [
        ("", "", (1, 1)),
        ("?shards=4", "", (4, 4)),
        ("?shards=orders:4", "", (4, 1)),
        ("?shards=orders:4,2", "", (4, 2)),
        ("?shards=orders%3A3%2Cemails:64", "", (3, 64)),
        ("?db=0&shards=2", "?db=0", (2, 2)),
        ("?shards=2&db=0", "?db=0", (2, 2)),
        ("?a=1&shards=2&db=0", "?a=1&db=0", (2, 2)),
    ],
)
def test_the_url_says_how_many_shards_each_queue_has(option: str, rest: str, numbers: tuple[int, int]) -> None:
    """For all, or by name; the rest of the URL is as it was."""
    found, shards = shards_of(f"redis://host/0{option}")
    assert found == f"redis://host/0{rest}"
    assert (shards.number("orders"), shards.number("emails")) == numbers


@pytest.mark.parametrize("option", ["", "0", "65", "-1", "x", "a.b:2", "a:2,a:3", "2,3", "a:", "1e1", "\u0663", "3&shards=4"])
def test_nonsense_is_refused_when_the_broker_is_made(option: str) -> None:
    """With what to write instead, and without the password."""
    with pytest.raises(BackendUnsupported, match="shards=4, nor a list of queues") as caught:
        Broker(f"redis://:s3cret@host/0?shards={option}")
    assert "s3cret" not in str(caught.value)


def test_tasks_take_turns_and_a_key_stays_where_it_is() -> None:
    """With one shard more, few keys move, and those to the new one."""
    shards = Shards(4, {})
    turns = [shards.place("q", None) for _ in range(8)]
    assert Counter(turns) == {"q": 2, "q#1": 2, "q#2": 2, "q#3": 2}
    keys = [Once(f"key {n}", 1000) for n in range(1000)]
    before = [shards.place("q", key) for key in keys]
    assert [shards.place("q", key) for key in keys] == before
    assert all(200 < number < 300 for number in Counter(before).values())
    after = [Shards(5, {}).place("q", key) for key in keys]
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {"q#4"}
    assert sum(old != new for old, new in zip(before, after, strict=True)) < 260


@pytest.mark.parametrize("number", [3, 16])
def test_no_shard_gets_many_more_keys_than_another(number: int) -> None:
    """Whatever keys look like: those of a service often differ in a few digits."""
    shards = Shards(number, {})
    places = Counter(shards.place("q", Once(f"user:{n:08}:mail", 1000)) for n in range(1000 * number))
    assert len(places) == number
    assert max(places.values()) < 1.3 * min(places.values())


async def test_the_main_job_runs_on_all_nodes(cluster: list[RedisServer], url: str) -> None:
    """Results, also for others; cancellation, deduplication and dead letters: the user sees one queue."""
    broker, other = Broker(f"{url}?shards=6"), Broker(f"{url}?shards=6")

    @broker.task(name="double")
    async def double(x: int, context: Context = Depends()) -> int:
        assert context.queue == "default"
        return 2 * x

    @other.task(name="double")
    async def sent_from_elsewhere(x: int) -> int:
        raise NotImplementedError

    async with broker, other, asyncio.timeout(PATIENCE):
        handles = await broker.enqueue_many([double.call(n) for n in range(60)])
        assert Counter(queue_of(handle.id) for handle in handles) == dict.fromkeys(
            ("default", *(f"default#{n}" for n in range(1, 6))), 10
        )
        assert await broker.counts() == Counts(ready=60)
        assert len(await broker.peek(limit=1000)) == 60
        async with Worker(broker):
            assert [await handle.result() for handle in handles] == [2 * n for n in range(60)]
            assert await other.handle(sent_from_elsewhere, handles[4].id).result() == 8
            late = [await double.options(delay=60).enqueue(n) for n in range(6)]
            assert len((await broker.cancel([handle.id for handle in late])).asked) == 6
            assert {type(await handle.outcome()).__name__ for handle in late} == {"Cancelled"}
            (session,) = await broker.workers()
            assert (session.queue, session.held) == ("default", 0)
        once = [
            await task.options(dedup_key=f"key {n % 5}").enqueue(n) for n in range(20) for task in (double, sent_from_elsewhere)
        ]
        assert len({handle.id for handle in once}) == 5
        assert await broker.purge() == 5
    nodes = []
    for node in cluster:
        with node.client() as redis:
            nodes.append(len(list(redis.scan_iter("tt:{default*}:s1"))))
    assert sum(nodes) == 6
    assert min(nodes) > 0


async def test_dead_letters_of_all_shards_are_one_list(url: str) -> None:
    """The oldest first, in pages, put back and dropped by their ids."""
    backend = RedisBackend(f"{url}?shards=3")
    broker = Broker(backend)
    async with broker, asyncio.timeout(PATIENCE):
        places = [backend.place("default", None) for _ in range(7)]
        sent = [Publication(new_task_id(place, 1.0), place, Priority.NORMAL, b"no envelope") for place in places]
        for publication in sent:
            await backend.publish([publication])
        await Worker(broker).run(burst=True)
        letters = await broker.dead_letters()
        assert {letter.id for letter in letters} == {publication.id for publication in sent}
        assert [letter.died_ms for letter in letters] == sorted(letter.died_ms for letter in letters)
        assert {letter.queue for letter in letters} == {"default"}
        pages = [await broker.backend.dead_letters("default", 3, offset) for offset in (0, 3, 6, 9)]
        assert [letter.id for page in pages for letter in page] == [letter.id for letter in letters]
        ids = [letter.id for letter in letters]
        assert [letter.id for letter in await broker.find_dead_letters(ids[::-1])] == ids[::-1]
        assert (await broker.replay(ids[:2], check=False)).put_back == tuple(ids[:2])
        assert await broker.drop(ids[2:4]) == tuple(ids[2:4])
        assert await broker.counts() == Counts(ready=2, dead=3)
        assert await broker.purge(dead=True) == 3


@pytest.mark.parametrize(
    ("before", "after"), [("?shards=5", "?shards=2"), ("?shards=3", ""), ("", "?shards=3"), ("?shards=2", "?shards=4")]
)
async def test_another_number_of_shards_loses_nothing(url: str, before: str, after: str) -> None:
    """Whatever was sent before, or is sent by those that are not deployed yet, is run by the new workers, and seen by operators."""
    old, new = Broker(url + before), Broker(url + after)
    for broker in (old, new):
        broker.task(name="echo")(echo_of)
    async with old, new, asyncio.timeout(PATIENCE):
        early = await old.enqueue_many([old.tasks["echo"].call(n) for n in range(10)])
        delayed = [await old.tasks["echo"].options(delay=0.1).enqueue(n) for n in range(5)]
        assert (await new.counts()).ready == 10
        async with Worker(new):
            late = await old.enqueue_many([old.tasks["echo"].call(n) for n in range(10)])
            fresh = await new.enqueue_many([new.tasks["echo"].call(n) for n in range(10)])
            for handles in (early, delayed, late, fresh):
                assert [await handle.result() for handle in handles] == list(range(len(handles)))


async def test_a_lone_server_has_shards_too(redis_url: str) -> None:
    """Where they do no harm: one blocking command reads all."""
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        broker = Broker(f"{redis_url}?shards=8")
        task = broker.task(name="echo")(echo_of)
        async with broker, Worker(broker), asyncio.timeout(PATIENCE):
            handles = await broker.enqueue_many([task.call(n) for n in range(100)])
            assert [await handle.result() for handle in handles] == list(range(100))
            await asyncio.to_thread(until, lambda: redis.info("clients")["blocked_clients"] == 1)


async def test_no_shards_cost_nothing(redis_url: str) -> None:
    """Without the option, what is sent goes where it always went."""
    assert not RedisBackend(redis_url).spreads
    assert not RedisBackend(f"{redis_url}?shards=1").spreads
    async with Broker(redis_url) as broker:
        task = broker.task(name="echo")(echo_of)
        assert queue_of((await task.enqueue(1)).id) == "default"


async def test_a_node_that_is_killed_takes_no_task_of_its_shards_with_it() -> None:
    """SIGKILL in the middle of a thousand tasks: its replica has its shards, the others go on; each task ends once."""
    quick = ("--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0", "--cluster-node-timeout", "1000")
    with redis_cluster(3, ("--appendonly", "yes", *quick), replicas=1) as nodes:
        broker = Broker(cluster_url(nodes, "") + "?shards=8")
        runs: Counter[int] = Counter()

        @broker.task(name="count")
        async def count(number: int) -> int:
            runs[number] += 1
            await asyncio.sleep(0.001)
            return number

        async with broker, asyncio.timeout(60):
            handles = await broker.enqueue_many([count.call(n) for n in range(500)])
            doomed = {queue_of(handle.id) for handle in handles if slot_of(queue_of(handle.id)) < 16384 // 3}
            assert doomed
            with nodes[0].client() as old, nodes[3].client() as new:
                await asyncio.to_thread(until, lambda: replicated(old, new))
            async with Worker(broker, concurrency=20), Worker(broker, concurrency=20):
                while len(runs) < 100:
                    await asyncio.sleep(0.005)
                with nodes[0].client() as old, nodes[3].client() as new:
                    os.kill(nodes[0].pid, signal.SIGKILL)
                for n in range(500, 600):
                    while True:
                        try:
                            handles.append(await count.enqueue(n))
                            break
                        except BackendUnavailable:
                            await asyncio.sleep(0.05)
                assert [await handle.outcome() for handle in handles] == [Success(n) for n in range(600)]
            assert await broker.counts() == Counts()
        assert sum(runs.values()) <= 600 + 40 + 40


def replicated(primary: Redis, replica: Redis) -> bool:
    """Whether a replica has all that its primary has."""
    return bool(replica.info("replication")["slave_repl_offset"] == primary.info("replication")["master_repl_offset"])


async def echo_of(number: int) -> int:
    """Return what is given."""
    return number
