"""In a cluster: queues on several nodes, slots that move, nodes that are away."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from redis import Redis

from tests.redis_server import RedisServer, ask, cluster_url, empty_servers, free_port, redis_cluster, until
from typedtasks import BackendUnavailable, BackendUnsupported, Broker, Worker
from typedtasks.backends.redis import RedisBackend
from typedtasks.backends.redis.slots import slot_of
from typedtasks.testing import BackendHarness
from typedtasks.testing.harness import finish, publication

PATIENCE = 10.0


@dataclass
class Site:
    """A cluster, empty."""

    nodes: list[RedisServer]
    clients: list[Redis]

    @property
    def url(self) -> str:
        """The broker's URL, as a user with the least rights."""
        return cluster_url(self.nodes)

    def place_of(self, queue: str) -> int:
        """Return the number of the node that has a queue."""
        return slot_of(queue) * len(self.nodes) // 16384

    def queue_on(self, place: int) -> str:
        """Return the name of a queue that is on a node."""
        return next(name for n in range(1000) if self.place_of(name := f"queue{n}") == place)

    def id_of(self, place: int) -> bytes:
        """Return the cluster's own id of a node."""
        return bytes(ask(self.clients[place], "CLUSTER", "MYID"))


@pytest.fixture
def site(cluster: list[RedisServer]) -> Iterator[Site]:
    """The shared cluster, emptied."""
    clients = [node.client() for node in cluster]
    empty_servers(clients)
    yield Site(cluster, clients)
    for redis in clients:
        redis.close()


@pytest.fixture
async def harness(site: Site) -> AsyncIterator[BackendHarness]:
    harness = BackendHarness(lambda: RedisBackend(site.url), asyncio.sleep)
    yield harness
    await harness.close()


@contextmanager
def moving(site: Site, queue: str) -> Iterator[Callable[[], None]]:
    """Hold a queue's slot between node 0, which has it, and node 1; what is yielded ends that. All is on node 0 afterwards."""
    has_arrived = False

    def arrive() -> None:
        nonlocal has_arrived
        has_arrived = True
        finish_move(site, queue, 0, 1)

    begin_move(site, queue, 0, 1)
    try:
        yield arrive
    finally:
        if not has_arrived:
            arrive()
        begin_move(site, queue, 1, 0)
        finish_move(site, queue, 1, 0)


def begin_move(site: Site, queue: str, source: int, target: int) -> None:
    """Say that a slot is on its way, where it is not there yet."""
    set_slot(site.clients[target], slot_of(queue), "IMPORTING", site.id_of(source))
    set_slot(site.clients[source], slot_of(queue), "MIGRATING", site.id_of(target))


def finish_move(site: Site, queue: str, source: int, target: int) -> None:
    """Move what is left of a queue's keys, and make the target the slot's owner everywhere."""
    move_keys(site, queue, source, target)
    for place in (target, source, 2):
        set_slot(site.clients[place], slot_of(queue), "NODE", site.id_of(target))


def set_slot(redis: Redis, slot: int, *how: object) -> None:
    """CLUSTER SETSLOT."""
    ask(redis, "CLUSTER", "SETSLOT", slot, *how)


def move_keys(site: Site, queue: str, source: int, target: int, keys: Sequence[str] = ()) -> None:
    """Move a queue's keys from one node to another, by default all of them."""
    found: Sequence[str | bytes] = keys or ask(site.clients[source], "CLUSTER", "GETKEYSINSLOT", slot_of(queue), 1000)
    for key in found:
        ask(site.clients[source], "MIGRATE", "127.0.0.1", site.nodes[target].port, key, 0, 5000)


async def test_queues_on_all_nodes_are_served_by_one_worker(site: Site) -> None:
    """Tasks, results, retries of waiting and cancellations, wherever the queue is."""
    queues = [site.queue_on(place) for place in range(3)]
    broker = Broker(site.url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker, asyncio.timeout(PATIENCE):
        async with Worker(broker, queues=queues):
            handles = [await double.options(queue=queues[n % 3]).enqueue(n) for n in range(30)]
            assert [await handle.result() for handle in handles] == [2 * n for n in range(30)]
            late = await double.options(queue=queues[1], delay=0.2).enqueue(7)
            foreign = broker.handle(double, (await double.options(queue=queues[2]).enqueue(8)).id)
            assert (await late.result(), await foreign.result()) == (14, 16)
            cancelled = await double.options(queue=queues[0], delay=60).enqueue(9)
            await cancelled.cancel()
            assert type(await cancelled.outcome()).__name__ == "Cancelled"
        for queue in queues:
            counts = await broker.counts(queue)
            assert (counts.ready, counts.running, counts.delayed, counts.dead) == (0, 0, 0, 0)


async def test_a_lone_task_wakes_a_reader_of_several_queues_without_a_new_connection(site: Site, harness: BackendHarness) -> None:
    """The other blocking reads are unblocked, not cancelled; nothing that they were given is lost."""
    queues = [site.queue_on(place) for place in range(3)]
    client = await harness.client()
    worker = await harness.worker(client, queues=queues)
    connections = None
    for turn in range(6):
        waiting = asyncio.create_task(worker.session.receive(1, PATIENCE))
        await asyncio.to_thread(until, lambda: sum(redis.info("clients")["blocked_clients"] for redis in site.clients) == 3)
        (id,) = await client.publish(publication(queue=queues[turn % 3]))
        (delivery,) = await asyncio.wait_for(waiting, PATIENCE)
        assert delivery.id == id
        assert await worker.session.settle([finish(delivery)]) == [True]
        opened = sum(redis.info("stats")["total_connections_received"] for redis in site.clients)
        if turn:
            assert opened == connections
        connections = opened
    assert worker.listener.departures == 0


async def test_what_several_readers_are_given_at_once_is_all_in_hand(site: Site, harness: BackendHarness) -> None:
    """A race between queues has no loser whose delivery is forgotten."""
    queues = [site.queue_on(place) for place in range(3)]
    client = await harness.client()
    worker = await harness.worker(client, queues=queues)
    for _ in range(20):
        waiting = asyncio.create_task(worker.session.receive(10, PATIENCE))
        await asyncio.sleep(0.01)
        ids = set(await client.publish(*(publication(queue=queue) for queue in queues)))
        received = await asyncio.wait_for(waiting, PATIENCE)
        while len(received) < 3:
            received += await worker.session.receive(10, PATIENCE)
        assert {delivery.id for delivery in received} == ids
        assert await worker.session.settle([finish(delivery) for delivery in received]) == [True] * 3


async def test_a_cancelled_wait_loses_nothing(site: Site, harness: BackendHarness) -> None:
    """Its connections are closed; what was handed to them is found again."""
    queues = [site.queue_on(place) for place in range(3)]
    client = await harness.client()
    worker = await harness.worker(client, queues=queues)
    ids: set[str] = set()
    received: set[str] = set()
    for turn in range(10):
        waiting = asyncio.create_task(worker.session.receive(10, PATIENCE))
        await asyncio.sleep(0.005)
        ids |= set(await client.publish(publication(queue=queues[turn % 3])))
        waiting.cancel()
        await asyncio.wait([waiting])
        if not waiting.cancelled():
            received |= {delivery.id for delivery in waiting.result()}
    async with asyncio.timeout(PATIENCE):
        held: list[str] = []
        while received < ids:
            found = [*await worker.receive(), *await worker.recover(held)]
            held += [delivery.receipt for delivery in found]
            received |= {delivery.id for delivery in found}
            await asyncio.sleep(0.05)
    assert received == ids


async def test_a_lease_is_renewed_on_the_node_of_each_queue(site: Site, harness: BackendHarness) -> None:
    """And where a queue is after it has moved."""
    queues = [site.queue_on(place) for place in range(3)]
    client = await harness.client()
    worker = await harness.worker(client, queues=queues)
    keeper = worker.session.keeper()

    def ends(place: int, queue: str) -> float:
        score = site.clients[place].zscore(f"tt:{{{queue}}}:w", "worker")
        assert isinstance(score, float)
        return score

    before = [ends(place, queue) for place, queue in enumerate(queues)]
    await asyncio.sleep(0.01)
    assert keeper.renew()
    assert all(ends(place, queue) > before[place] for place, queue in enumerate(queues))
    with moving(site, queues[0]) as arrive:
        arrive()
        assert keeper.renew()
        assert ends(1, queues[0]) > before[0]
    site.clients[2].zrem(f"tt:{{{queues[2]}}}:w", "worker")
    assert not keeper.renew()
    keeper.close()


async def test_a_queue_that_moves_is_waited_for_and_followed(site: Site, harness: BackendHarness) -> None:
    """While some of its keys are here and some there no script runs, so none finds half a queue; then it goes on there."""
    queue = site.queue_on(0)
    client = await harness.client()
    worker = await harness.worker(client, queues=[queue])
    first = await client.publish(publication(queue=queue))
    with moving(site, queue) as arrive:
        move_keys(site, queue, 0, 1, [f"tt:{{{queue}}}:s1"])
        sending = asyncio.create_task(client.publish(publication(queue=queue)))
        await asyncio.sleep(0.3)
        assert not sending.done()
        arrive()
        second = await asyncio.wait_for(sending, PATIENCE)
        assert site.clients[1].exists(f"tt:{{{queue}}}:s1")
        deliveries = await worker.receive()
        assert [delivery.id for delivery in deliveries] == [*first, *second]
        assert await worker.session.settle([finish(delivery) for delivery in deliveries]) == [True, True]
    assert set(await client.backend.read_outcomes([*first, *second])) == {*first, *second}


async def test_a_key_that_has_moved_already_is_asked_for_where_it_is(site: Site, harness: BackendHarness) -> None:
    """ASK: an outcome can be read while its queue moves. A script waits for the whole queue, as long as a command may take."""
    queue = site.queue_on(0)
    client = await harness.client()
    worker = await harness.worker(client, queues=[queue])
    (id,) = await client.publish(publication(queue=queue))
    await worker.session.settle([finish(await worker.receive_one(), b"the outcome")])
    with moving(site, queue):
        move_keys(site, queue, 0, 1, [f"tt:{{{queue}}}:r:{id}"])
        assert await client.backend.read_outcomes([id]) == {id: b"the outcome"}
        with pytest.raises(BackendUnavailable, match="cannot do this now: (ASK|TRYAGAIN)"):
            await client.backend.counts(queue)


async def test_a_cluster_that_is_down_is_waited_for(site: Site, harness: BackendHarness) -> None:
    """CLUSTERDOWN, because a slot has no node, passes within the time of the command."""
    queue = site.queue_on(2)
    client = await harness.client()
    slot = slot_of(site.queue_on(0))
    ask(site.clients[2], "CLUSTER", "DELSLOTS", slot)
    sending = asyncio.create_task(client.publish(publication(queue=queue)))
    await asyncio.sleep(0.3)
    ask(site.clients[2], "CLUSTER", "SETSLOT", slot, "NODE", site.id_of(0))
    await asyncio.wait_for(sending, PATIENCE)
    assert (await client.backend.counts(queue)).ready == 1


async def test_one_node_that_answers_is_enough_to_begin(site: Site) -> None:
    """It knows the others."""
    url = f"redis+cluster://typedtasks:s3cret@127.0.0.1:{free_port()},127.0.0.1:{site.nodes[2].port}"
    async with Broker(url) as broker:
        for place in range(3):
            assert (await broker.counts(site.queue_on(place))).ready == 0


async def test_a_node_that_was_away_is_found_again() -> None:
    """Queues on the others are served meanwhile, and its own when it is back."""
    with redis_cluster(3, ("--cluster-require-full-coverage", "no", "--appendonly", "yes", "--appendfsync", "always")) as nodes:
        site = Site(nodes, [node.client() for node in nodes])
        queues = [site.queue_on(place) for place in range(2)]
        broker = Broker(cluster_url(nodes, ""))
        task = broker.task(name="echo")(echo_of)
        async with broker, Worker(broker, queues=queues), asyncio.timeout(30):
            assert await (await task.options(queue=queues[0]).enqueue(1)).result() == 1
            waits = await task.options(queue=queues[0], delay=1.0).enqueue(2)
            await asyncio.to_thread(nodes[0].kill)
            refused = asyncio.create_task(task.options(queue=queues[0]).enqueue(3))
            assert await (await task.options(queue=queues[1]).enqueue(4)).result() == 4
            with pytest.raises(BackendUnavailable, match=f"127.0.0.1', {nodes[0].port}"):
                await refused
            async with Broker(cluster_url(nodes, "")) as another:
                assert (await another.counts(queues[1])).ready == 0
            await asyncio.to_thread(nodes[0].start)
            assert await waits.result() == 2
        for redis in site.clients:
            redis.close()


async def test_a_node_that_hangs_is_left_as_soon_as_its_replica_has_its_place() -> None:
    """SIGSTOP: no connection is closed. Whoever gets no answer asks the other nodes, and does not wait longer."""
    quick = ("--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0")
    with redis_cluster(3, ("--cluster-node-timeout", "1000", *quick), replicas=1) as nodes:
        queue = next(name for n in range(1000) if slot_of(name := f"queue{n}") < 16384 // 3)
        broker = Broker(cluster_url(nodes, ""))
        task = broker.task(name="echo")(echo_of)
        async with broker, Worker(broker, queues=[queue]), asyncio.timeout(30):
            assert await (await task.options(queue=queue).enqueue(1)).result() == 1
            os.kill(nodes[0].pid, signal.SIGSTOP)
            stopped = time.monotonic()
            try:
                while True:
                    try:
                        handle = await task.options(queue=queue).enqueue(2)
                        break
                    except BackendUnavailable:
                        await asyncio.sleep(0.02)
                assert await handle.result() == 2
                gap = time.monotonic() - stopped
            finally:
                os.kill(nodes[0].pid, signal.SIGCONT)
    print(f"run after {gap:.2f} s")
    assert gap <= 4.0


async def echo_of(number: int) -> int:
    """Return what is given."""
    return number


async def test_a_server_that_is_in_no_cluster_is_refused(redis_url: str) -> None:
    """With what to write instead."""
    url = redis_url.replace("redis://", "redis+cluster://").removesuffix("/0")
    with pytest.raises(BackendUnsupported, match=r"is in no cluster: write redis://127\.0\.0\.1:\d+/0"):
        await Broker(url).open()


async def test_a_node_that_is_named_as_a_server_says_what_to_write_for_a_queue_of_another_node(site: Site) -> None:
    """It cannot be refused when it is opened: a cluster may be one node, and then every queue is there."""
    async with Broker(site.nodes[0].url) as broker:
        await broker.counts(site.queue_on(0))
        with pytest.raises(BackendUnavailable, match=r"is one node of a cluster .*\(MOVED .*\): write redis\+cluster://"):
            await broker.counts(site.queue_on(1))


async def test_nodes_that_are_not_there_are_named_without_a_password() -> None:
    """Each with what is wrong."""
    port = free_port()
    async with asyncio.timeout(5.5):
        with pytest.raises(
            BackendUnavailable, match=f"none of its nodes says how the slots are divided: 127.0.0.1:{port}: "
        ) as caught:
            await Broker(f"redis+cluster://:s3cret@127.0.0.1:{port}").open()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("queue", ["123456789", "default", "a-b_C"])
def test_slots_are_those_of_redis(site: Site, queue: str) -> None:
    """By the part of the key in braces."""
    assert ask(site.clients[0], "CLUSTER", "KEYSLOT", f"tt:{{{queue}}}:s1") == slot_of(queue)
