"""Behind Sentinels: a fail-over under a running worker, servers that are no primary, and Sentinels that do not know."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis

from tests.redis_server import DOWN_AFTER, Sentinel, SentinelSite, free_port, redis_server, sentinel_site, until
from typedtasks import BackendUnavailable, BackendUnsupported, Broker, Worker
from typedtasks.backends.redis import RedisBackend
from typedtasks.testing import BackendHarness
from typedtasks.testing.harness import finish, publication

LONGEST_GAP = DOWN_AFTER + 3.0


async def send(broker: Broker, number: int) -> float:
    """Enqueue one task, as often as it takes, and return when it was acknowledged."""
    while True:
        try:
            await broker.tasks["echo"].enqueue(number)
        except BackendUnavailable:
            await asyncio.sleep(0.02)
        else:
            return time.monotonic()


def test_a_killed_primary_is_followed_by_its_replica_and_nothing_acknowledged_is_lost() -> None:
    """SIGKILL under a worker that runs a task: the same session goes on, and what was sent before and after is run once."""
    with sentinel_site(sentinels=3) as site:
        gaps = asyncio.run(fail_over(site))
    for name, seconds in gaps.items():
        print(f"{name}: {seconds:.2f} s")


async def fail_over(site: SentinelSite) -> dict[str, float]:
    """Kill the primary, and return how long nothing could be sent, and how long nothing was run."""
    broker = Broker(site.url)
    executed: list[int] = []
    released = asyncio.Event()

    @broker.task(name="echo")
    async def echo(number: int) -> int:
        executed.append(number)
        if number == 0:
            await released.wait()
        return number

    async with broker, Worker(broker, lease=10.0), asyncio.timeout(30):
        held = await echo.enqueue(0)
        late = [await echo.options(delay=2.0).enqueue(number) for number in range(1, 101)]
        assert await (await echo.enqueue(101)).result() == 101
        with site.primary.client() as old, site.replica.client() as new:
            (session,) = old.zrange("tt:{default}:w", 0, -1)
            await asyncio.to_thread(until, lambda: new.info("replication")["slave_repl_offset"] == offset(old))
            os.kill(site.primary.pid, signal.SIGKILL)
            killed = time.monotonic()
            sent = await send(broker, 102) - killed
            after = await echo.enqueue(103)
            assert await after.result() == 103
            run = time.monotonic() - killed
            released.set()
            assert await asyncio.gather(held.result(), *[handle.result() for handle in late]) == list(range(101))
            assert sorted(executed) == list(range(104))
            assert new.zrange("tt:{default}:w", 0, -1) == [session]
            ends = new.zscore("tt:{default}:w", session)
            await asyncio.to_thread(until, lambda: new.zscore("tt:{default}:w", session) > ends)
    assert sent <= LONGEST_GAP
    assert run <= LONGEST_GAP
    return {"seconds until a task was acknowledged": sent, "seconds until a task was run": run}


def offset(redis: Redis) -> int:
    """Return how much a primary has written."""
    return int(redis.info("replication")["master_repl_offset"])


async def test_a_primary_that_has_become_a_replica_is_left_at_once(sentinels: SentinelSite) -> None:
    """READONLY: the connection is closed, and the Sentinels are asked again."""
    harness = BackendHarness(lambda: RedisBackend(sentinels.url), asyncio.sleep)
    client = await harness.client()
    worker = await harness.worker(client)
    with sentinels.primary.client() as redis:
        redis.flushall()
        redis.replicaof("127.0.0.1", str(free_port()))
        try:
            refused = asyncio.create_task(client.publish(publication()))
            await asyncio.sleep(0.3)
        finally:
            redis.replicaof("NO", "ONE")
        await refused
    assert (await client.backend.counts("default")).ready == 1
    await worker.session.leave()
    worker = await harness.worker(client, name="another")
    assert await worker.session.settle([finish(await worker.receive_one())]) == [True]
    await harness.close()


@asynccontextmanager
async def sentinels_that_name(*ports: int) -> AsyncIterator[str]:
    """Yield the URL of a service whose primary is, in the opinion of one Sentinel each, at one of these ports; 0: unknown."""
    servers = [await asyncio.start_server(answering(port), "127.0.0.1", 0) for port in ports]
    names = ",".join(f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    yield f"redis+sentinel://user:s3cret@{names}/orders?sentinel_password=s3cret-too"
    for server in servers:
        server.close()


def answering(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a server that says what it thinks of the service."""
    answer = b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(port)), port) if port else b"*-1\r\n"

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            for command in data.split(b"*")[1:]:
                writer.write(b"+OK\r\n" if b"AUTH" in command else answer)
        writer.close()

    return answer_all


async def refusal_of(url: str) -> str:
    """Return why a broker cannot be opened. It is said within five seconds, and without a password."""
    async with asyncio.timeout(5.5):
        with pytest.raises(BackendUnavailable) as caught:
            await Broker(url).open()
    assert "s3cret" not in str(caught.value)
    return str(caught.value)


async def test_sentinels_that_are_not_there_are_named() -> None:
    """Each with what is wrong."""
    ports: Sequence[int] = (free_port(), free_port())
    text = await refusal_of(f"redis+sentinel://:s3cret@127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/orders")
    assert "none of its Sentinels has an answer" in text
    assert all(f"127.0.0.1:{port}: " in text for port in ports)


async def test_a_service_that_no_sentinel_knows_is_named() -> None:
    """It may be misspelt."""
    async with sentinels_that_name(0, 0) as url:
        assert "its Sentinels know no service 'orders'" in await refusal_of(url)


async def test_a_sentinel_that_is_named_as_a_server_is_refused(sentinels: SentinelSite) -> None:
    """With what to write instead: it takes connections and answers INFO, but holds no tasks."""
    port = sentinels.sentinels[0].port
    with pytest.raises(BackendUnsupported, match=rf"is a Sentinel: write redis\+sentinel://127\.0\.0\.1:{port}/<service>"):
        await Broker(f"redis://127.0.0.1:{port}/0").open()


async def test_a_service_without_a_primary_says_what_is_wrong_with_those_that_are_named(sentinels: SentinelSite) -> None:
    """One is dead, the other a replica; a fail-over is waited for meanwhile."""
    dead = free_port()
    async with sentinels_that_name(dead, sentinels.replica.port) as url:
        text = await refusal_of(url.replace("user:s3cret@", ""))
    assert "its service 'orders' has no primary now" in text
    assert f"127.0.0.1:{dead}: " in text
    assert f"127.0.0.1:{sentinels.replica.port}: it says that it is no primary, but a slave" in text


async def test_a_sentinel_that_is_wrong_or_away_does_not_matter_while_another_is_right(sentinels: SentinelSite) -> None:
    """All are asked at the same time."""
    async with (
        sentinels_that_name(free_port(), 0, sentinels.primary.port) as url,
        Broker(url.replace("user:s3cret@", f"127.0.0.1:{free_port()},")),
    ):
        pass


async def test_sentinels_may_ask_for_a_password_of_their_own(tmp_path: Path) -> None:
    """With the one right that is needed; where it is missing, the error says what to write."""
    with redis_server() as server:
        least = "user reader on >s3cret -@all +sentinel|get-master-addr-by-name"
        sentinel = Sentinel(tmp_path, server.port, 1, ["requirepass s3cret", least])
        sentinel.start()
        try:
            url = f"redis+sentinel://127.0.0.1:{sentinel.port}/orders"
            for who in ("sentinel_password=s3cret", "sentinel_username=reader&sentinel_password=s3cret"):
                async with Broker(f"{url}?{who}"):
                    pass
            assert "refused to say (NOAUTH" in (text := await refusal_of(url))
            assert "sentinel_username and sentinel_password" in text
        finally:
            sentinel.kill()


async def test_a_primary_that_hangs_is_left_as_soon_as_it_is_replaced() -> None:
    """SIGSTOP: no connection is closed, so nobody is told. Whoever gets no answer asks the Sentinels, and does not wait longer."""
    with sentinel_site(sentinels=3) as site:
        broker, waiter = Broker(site.url), Broker(site.url)
        task = broker.task(name="echo")(echo_of)
        foreign = waiter.task(name="echo")(echo_of)
        async with broker, waiter, Worker(broker), asyncio.timeout(30):
            assert await (await task.enqueue(1)).result() == 1
            late = waiter.handle(foreign, (await task.options(delay=1.5).enqueue(2)).id)
            waiting = asyncio.create_task(late.result())
            with site.primary.client() as old, site.replica.client() as new:
                await asyncio.to_thread(until, lambda: new.info("replication")["slave_repl_offset"] == offset(old))
            os.kill(site.primary.pid, signal.SIGSTOP)
            try:
                stopped = time.monotonic()
                sent = await send(broker, 3) - stopped
                assert await (await task.enqueue(4)).result() == 4
                run = time.monotonic() - stopped
                assert await waiting == 2
                told = time.monotonic() - stopped
            finally:
                os.kill(site.primary.pid, signal.SIGCONT)
    print(f"sent after {sent:.2f} s, run after {run:.2f} s, a foreign result told after {told:.2f} s")
    assert max(sent, run, told) <= LONGEST_GAP


async def test_a_primary_that_is_only_slow_is_not_left(sentinels: SentinelSite, caplog: pytest.LogCaptureFixture) -> None:
    """The Sentinels still name it, so its answer is waited for."""
    caplog.set_level("DEBUG", "typedtasks.redis")
    with sentinels.primary.client() as redis:
        redis.flushall()
        async with Broker(sentinels.url) as broker:
            task = broker.task(name="echo")(echo_of)
            redis.client_pause(1500, all=False)
            await task.enqueue(1)
            assert not [record.getMessage() for record in caplog.records if record.name == "typedtasks.redis"]
            assert (await broker.counts()).ready == 1


async def echo_of(number: int) -> int:
    """Return what is given."""
    return number
