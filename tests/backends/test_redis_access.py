"""A Redis user with no more rights than `typedtasks redis acl` prints."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files

import pytest
from redis import Redis

from tests.redis_server import USER, SentinelSite, ask, make_user, redis_server
from typedtasks import BackendUnavailable, Broker, Cancelled, Crashed, Retry, Worker
from typedtasks.backends.redis.access import acl_line
from typedtasks.cli import main


async def main_job(url: str) -> None:
    """Results, failures, retries, delays, cancellations, parked tasks, dead letters: the main job, under a worker."""
    broker = Broker(url)
    attempts: list[int] = []

    @broker.task(name="double", retry=Retry(max_attempts=2, backoff=0.01))
    async def double(x: int) -> int:
        attempts.append(x)
        if x < 0 and attempts.count(x) < 2:
            raise ValueError(x)
        return 2 * x

    @broker.task(name="fail")
    async def fail() -> None:
        raise RuntimeError("on purpose")

    async with broker, asyncio.timeout(20):
        async with Worker(broker):
            handles = await broker.enqueue_many([double.call(n) for n in range(-5, 50)])
            assert [await handle.result() for handle in handles] == [2 * n for n in range(-5, 50)]
            assert isinstance(await (await fail.enqueue()).outcome(), Crashed)
            assert await (await double.options(delay=0.05, priority="low").enqueue(5)).result() == 10
            late = await double.options(delay=60).enqueue(6)
            await late.cancel()
            assert await late.outcome() == Cancelled()
            foreign = broker.handle(double, (await double.enqueue(7)).id)
            assert await foreign.result() == 14
        assert await broker.dead_letters() == []
        assert [await broker.purge(), await broker.purge(dead=True)] == [0, 0]


async def test_the_main_job_runs_as_that_user() -> None:
    """On a server of its own, whose default user may do nothing."""
    with redis_server() as server, server.client() as redis:
        make_user(server)
        ask(redis, "ACL", "SETUSER", "default", "resetkeys", "resetchannels", "-@all", "+acl|log", "+acl|setuser")
        await main_job(server.url.replace("redis://", f"redis://{USER}"))
        assert ask(redis, "ACL", "LOG") == []
        with pytest.raises(BackendUnavailable, match="may not do this: NOPERM.*`typedtasks redis acl` says what it needs"):
            await Broker(server.url).open()


async def test_the_main_job_runs_as_that_user_behind_sentinels(sentinels: SentinelSite) -> None:
    """The primary has to say its role."""
    with sentinels.primary.client() as redis:
        redis.flushall()
    await main_job(sentinels.url_of("orders", USER))


def test_that_user_reaches_no_other_key_channel_or_command() -> None:
    """Only what belongs to typedtasks, and nothing of the server's own."""
    with redis_server() as server:
        make_user(server)
        with Redis.from_url(server.url.replace("redis://", f"redis://{USER}")) as redis:
            for command in (
                ("SET", "other", 1),
                ("PUBLISH", "other", 1),
                ("KEYS", "*"),
                ("CONFIG", "GET", "*"),
                ("FLUSHALL",),
                ("SCRIPT", "FLUSH"),
                ("ACL", "WHOAMI"),
                ("CLIENT", "KILL", "TYPE", "normal"),
                ("EVAL", "return redis.call('SET', 'other', 1)", 0),
            ):
                with pytest.raises(Exception, match="(?i)noperm|no permission|can't access|can't run"):
                    ask(redis, *command)


def test_every_command_that_a_script_runs_is_allowed_and_every_allowed_one_is_used() -> None:
    """The least, and no less."""
    package = files("typedtasks.backends.redis")
    scripts = "".join(path.read_text() for path in (package / "scripts").iterdir())
    called = re.findall(r"(?:redis\.p?call|ask)\('(\w+)'(?:, '((?!GROUP')[A-Z]+)')?", scripts)
    allowed = {word.removeprefix("+") for word in acl_line("anyone").split() if word.startswith("+")}
    assert {"|".join(filter(None, words)).lower() for words in called} <= allowed
    sources = scripts + "".join(
        path.read_text() for path in package.iterdir() if path.name.endswith(".py") and path.name != "access.py"
    )
    named = re.findall(r"['\"]([A-Z]+)['\"](?:, ['\"]([A-Z]+)['\"])?", sources)
    used = {word.lower() for words in named for word in (words[0], "|".join(filter(None, words)))}
    assert allowed <= used


def test_the_command_line_prints_one_command_without_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can log in before it gets one, and how is said beside it."""
    assert main(["redis", "acl", "--user", "orders"]) == 0
    printed = capsys.readouterr()
    assert printed.out == acl_line("orders") + "\n"
    assert printed.out.startswith("ACL SETUSER orders reset on ~tt:* &tt:* +")
    assert ">" not in printed.out
    assert "ACL SETUSER orders '>the password'" in printed.err
    assert main(["redis", "acl", "--user", "two words"]) == 2
    assert "'two words' is not the name of a Redis user" in capsys.readouterr().err
