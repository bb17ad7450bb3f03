"""Whatever Redis answers: callers get an error of ours that says what to do, and workers go on when it is over."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import pytest
from redis import Redis

from tests.backends.refusing import refusing
from tests.redis_server import USER, RedisServer, SentinelSite, ask, cluster_url, free_port, make_user, redis_server
from typedtasks import BackendFull, BackendUnavailable, BackendUnsupported, Broker, TaskHandle, TypedTasksError, Worker
from typedtasks.backends.redis.access import acl_line
from typedtasks.backends.redis.protocol import ReplyError
from typedtasks.backends.redis.refusals import ForeignKeys, GroupMissing, Refused, Unexpected, refusal
from typedtasks.backends.redis.script import Script

PASSING, RIGHTS, PASSWORD = BackendUnavailable, Refused, Refused
SHA: Final = "0123456789abcdef0123456789abcdef01234567"
REPLIES: Final[dict[str, tuple[type[TypedTasksError], str]]] = {
    "LOADING Redis is loading the dataset in memory": (PASSING, "cannot do this now: LOADING"),
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": (PASSING, "cannot do this now: BUSY"),
    "UNKILLABLE Sorry the script already executed write commands against the dataset.": (PASSING, "cannot do this now"),
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": (PASSING, "cannot do this now"),
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": (PASSING, "make room"),
    "NOREPLICAS Not enough good replicas to write.": (PASSING, "min-replicas-to-write"),
    "CLUSTERDOWN The cluster is down": (PASSING, "cannot do this now: CLUSTERDOWN"),
    "TRYAGAIN Multiple keys request during rehashing of slot": (PASSING, "cannot do this now: TRYAGAIN"),
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)": (PASSING, "cannot do this now"),
    "READONLY You can't write against a read only replica.": (PASSING, "Name its primary, or its Sentinels"),
    "FUTURE a code that nobody knows yet": (PASSING, "cannot do this now: FUTURE a code"),
    "ERR max number of clients reached": (PASSING, "Raise its maxclients"),
    "ERR max number of clients + cluster connections reached": (PASSING, "Raise its maxclients"),
    f"ERR Error running script (call to f_{SHA}): @user_script:1: Script killed by user with SCRIPT KILL...": (
        PASSING,
        "cannot do this now",
    ),
    "OOM command not allowed when used memory > 'maxmemory'.": (BackendFull, "has reached its maxmemory"),
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'": (BackendFull, "more memory"),
    "NOPERM this user has no permissions to run the 'evalsha' command": (RIGHTS, "`typedtasks redis acl` says what it needs"),
    f"ERR The user executing the script can't run this command or subcommand script: {SHA}, on @user_script:2.": (
        RIGHTS,
        "in claim.lua, line 2: -- ARGV: prefix, session, capacity.*redis acl",
    ),
    "ERR ACL failure in script: User x has no permissions to run the 'xadd' command": (RIGHTS, "redis acl"),
    "NOAUTH Authentication required.": (PASSWORD, "refused the user or password"),
    "WRONGPASS invalid username-password pair or user is disabled.": (PASSWORD, "Correct them in the broker's URL"),
    "ERR invalid password": (PASSWORD, "refused the user or password"),
    "ERR AUTH <password> called without any password configured for the default user.": (PASSWORD, "refused the user or password"),
    "NOAUTH HELLO must be called with the client already authenticated": (PASSWORD, "refused the user or password"),
    "DENIED Redis is running in protected mode because protected mode is enabled": (Refused, "is in protected mode"),
    "ERR unknown command 'EVALSHA', with args beginning with: 'a' 'b' ": (BackendUnsupported, r"lacks a command.*'EVALSHA', in"),
    "ERR unknown subcommand 'ID'. Try CLIENT HELP.": (BackendUnsupported, "renamed or disabled"),
    f"ERR Unknown Redis command called from script script: {SHA}, on @user_script:3.": (BackendUnsupported, "claim.lua, line 3"),
    "NOPROTO unsupported protocol version": (BackendUnsupported, "RESP2"),
    "CROSSSLOT Keys in request don't hash to the same slot": (BackendUnsupported, r"write redis\+cluster://"),
    "ERR Script attempted to access a non local key in a cluster node": (BackendUnsupported, r"write redis\+cluster://"),
    "ERR DB index is out of range": (BackendUnsupported, "Correct the number at the end"),
    "ERR SELECT is not allowed in cluster mode": (BackendUnsupported, "has no such database"),
    f"WRONGTYPE Operation against a key holding the wrong kind of value script: {SHA}, on @user_script:2.": (
        ForeignKeys,
        "claim.lua",
    ),
    "ERR The stream has exhausted the last possible ID, unable to add more items": (ForeignKeys, "Delete what is foreign"),
    "NOGROUP No such key 'tt:{default}:s1' or consumer group 'g'": (GroupMissing, "was emptied"),
    "NOSCRIPT No matching script. Please use EVAL.": (Unexpected, "please report this text"),
    "EXECABORT Transaction discarded because of previous errors.": (Unexpected, "please report this text"),
    "ERR syntax error": (Unexpected, "syntax error, in claim.lua. This is a mistake in typedtasks"),
    f"ERR user_script:9: attempt to index a nil value script: {SHA}, on @user_script:9.": (Unexpected, "in claim.lua, line 9: "),
    "err of a server that is none": (Unexpected, "please report this text"),
}


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply[:40])
def test_each_reply_is_one_of_three(reply: str) -> None:
    """It passes, or is the operator's, or is our mistake; and the text says which."""
    kind, text = REPLIES[reply]
    error = refusal("redis://here", "Receiving tasks", ReplyError(reply), Script("claim"))
    assert type(error) is kind
    with pytest.raises(kind, match=text):
        raise error
    assert f"script: {SHA}" not in str(error)
    assert "redis://here" in str(error)


POINTS: Final = ("publish", "claim", "settle", "recover", "renew", "promote", "unpark", "XREADGROUP", "MGET", "EVAL", "SUBSCRIBE")


async def job(redis_url: str, number: int, reply: str) -> None:
    """Run tasks while every kind of command is refused twice, here and there, and once more while connections are cut."""
    left: Counter[str] = Counter()

    def refuse(command: str) -> str:
        if left[command] > 0:
            left[command] -= 1
            return reply
        return ""

    async with refusing(redis_url) as proxy, asyncio.timeout(60):
        proxy.refuse = refuse
        broker = Broker(proxy.url, default_queue=f"refused-{number}")

        @broker.task(name="double")
        async def double(x: int) -> int:
            return 2 * x

        async def enqueued(x: int) -> TaskHandle[int]:
            while True:
                try:
                    return await double.enqueue(x)
                except TypedTasksError:
                    continue

        async with broker, Worker(broker, lease=2.0):
            assert await (await enqueued(1)).result() == 2
            for x in range(2):
                left.update(dict.fromkeys(POINTS, 1 + x))
                if x:
                    await proxy.end()  # whoever comes back meets them, too
                handles = [await enqueued(x) for x in range(3)]
                assert [await result_of(handle) for handle in handles] == [0, 2, 4]


async def result_of(handle: TaskHandle[int]) -> int:
    """Return a result; who waits may be refused, too, and asks again."""
    while True:
        try:
            return await handle.result()
        except (BackendUnavailable, BackendUnsupported):
            continue


async def test_no_reply_ends_a_worker_and_no_caller_gets_a_raw_one(redis_url: str) -> None:
    """Every reply, at every command, also while connections come back; all tasks have their results afterwards."""
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    await asyncio.gather(*(job(redis_url, number, reply) for number, reply in enumerate(REPLIES)))


async def test_whatever_is_replied_when_a_broker_opens_is_an_error_of_ours(redis_url: str) -> None:
    """To each of the commands that open it."""

    async def opened(reply: str, command: str) -> None:
        async with refusing(redis_url) as proxy:
            proxy.refuse = lambda name: reply if name == command else ""
            with pytest.raises((BackendUnavailable, BackendUnsupported)):
                await Broker(proxy.url).open()

    await asyncio.gather(*(opened(reply, command) for reply in REPLIES for command in ("INFO", "SUBSCRIBE")))


async def run_through(url: str, begin: Callable[[], object], end: Callable[[], object], text: str, seconds: float = 20.0) -> None:
    """Have a worker serve, let something begin, hold what callers are told of it, let it end, and hold that all goes on."""
    broker = Broker(url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker, Worker(broker, lease=3.0), asyncio.timeout(60):
        assert await (await double.enqueue(1)).result() == 2
        begin()
        try:
            with pytest.raises((BackendUnavailable, BackendUnsupported), match=text):
                await refused(double.enqueue)
        finally:
            end()
        assert await (await double.enqueue(3)).result(timeout=seconds) == 6


async def refused(enqueue: Callable[[int], Awaitable[object]]) -> None:
    """Call until it is refused."""
    while True:
        await enqueue(2)


def kill_connections(redis: Redis) -> None:
    """Cut all but the one that asks."""
    ask(redis, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    ask(redis, "CLIENT", "KILL", "TYPE", "pubsub")


async def test_a_password_that_changes_while_a_worker_runs_is_named_once_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """New connections are refused until the old one is back, or the worker is started with the new one."""
    with redis_server() as server, server.client() as redis:
        make_user(server)

        def change() -> None:
            ask(redis, "ACL", "SETUSER", "typedtasks", "resetpass", ">another")
            kill_connections(redis)

        with caplog.at_level(logging.WARNING):
            await run_through(
                server.url.replace("redis://", f"redis://{USER}"), change, lambda: make_user(server), "refused the user or password"
            )
        said = Counter(record.getMessage().partition(",")[0] for record in caplog.records if "No tasks can be" in record.message)
        assert all(number <= 2 for number in said.values())


async def test_a_right_that_is_taken_away_while_a_worker_runs_is_waited_for() -> None:
    """For whatever command."""
    with redis_server() as server, server.client() as redis:
        make_user(server)
        url = server.url.replace("redis://", f"redis://{USER}")
        for rights in (("-evalsha", "-eval"), ("-xadd",), ("-hsetnx",)):
            take = partial(ask, redis, "ACL", "SETUSER", "typedtasks", *rights)
            await run_through(url, take, lambda: make_user(server), "redis acl")


async def test_a_server_without_room_for_connections_is_named_and_waited_for() -> None:
    """`maxclients`."""
    with redis_server() as server, server.client() as redis:
        redis.ping()

        def fill() -> None:
            redis.config_set("maxclients", 1)
            kill_connections(redis)

        await run_through(server.url, fill, lambda: redis.config_set("maxclients", 100), "Raise its maxclients")


async def test_a_server_that_becomes_a_replica_for_a_while_is_waited_for() -> None:
    """READONLY."""
    with redis_server() as server, server.client() as redis:
        await run_through(
            server.url,
            lambda: ask(redis, "REPLICAOF", "127.0.0.1", free_port()),
            lambda: ask(redis, "REPLICAOF", "NO", "ONE"),
            "read-only",
        )


async def test_a_server_whose_memory_is_full_for_a_while_is_waited_for() -> None:
    """BackendFull until there is room."""
    with redis_server() as server, server.client() as redis:
        await run_through(
            server.url, lambda: redis.config_set("maxmemory", "1mb"), lambda: redis.config_set("maxmemory", 0), "maxmemory"
        )


async def test_a_command_that_was_disabled_is_named() -> None:
    """`rename-command`: for the scripts' own commands, too."""
    with redis_server("--rename-command", "XADD", "", "--save", "") as server:
        broker = Broker(server.url)
        broker.task(name="nothing")(nothing)
        async with broker:
            with pytest.raises(
                BackendUnsupported, match="lacks a command that typedtasks needs.*from script .XADD., in publish.lua"
            ):
                await broker.tasks["nothing"].enqueue()


async def nothing() -> None:
    """Do nothing."""


async def test_a_right_that_is_taken_away_behind_sentinels_is_waited_for(sentinels: SentinelSite) -> None:
    """As on one server."""
    with sentinels.primary.client() as redis:
        redis.flushall()
        await run_through(
            sentinels.url_of("orders", USER),
            lambda: ask(redis, "ACL", "SETUSER", "typedtasks", "-xadd"),
            lambda: make_user(sentinels.primary),
            "redis acl",
        )


async def test_a_right_that_is_taken_away_in_a_cluster_is_waited_for(cluster: list[RedisServer]) -> None:
    """As on one server."""

    def each(words: str) -> None:
        for node in cluster:
            with node.client() as redis:
                ask(redis, *words.split())

    each("FLUSHALL")
    await run_through(
        cluster_url(cluster),
        lambda: each("ACL SETUSER typedtasks -xadd"),
        lambda: each(acl_line("typedtasks") + " >s3cret"),
        "redis acl",
    )
