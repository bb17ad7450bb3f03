"""Scripts that fail half-way, for want of a right, or because a key is something else: nothing of it may be felt later."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from tests.redis_server import USER, RedisServer, ask, make_user, redis_server
from typedtasks import Counts, TypedTasksError
from typedtasks.backend import (
    Delivery,
    Finish,
    Once,
    PartlySettled,
    Priority,
    Publication,
    Report,
    Session,
    SessionId,
    Settlement,
    TaskId,
)
from typedtasks.backends.redis import RedisBackend
from typedtasks.testing import BackendHarness, Client
from typedtasks.testing.harness import WorkerSide, bury, finish, park, publication, retry

QUEUE: Final = "tt:{default}:"
SOON: Final = 2
"""Milliseconds for which tasks are delayed here."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server of their own, whose user with the least rights loses some of them."""
    with redis_server() as server:
        make_user(server)
        yield server


class Scene:
    """Two workers, one of which has in hand what was sent first; and what was ever seen of outcomes."""

    def __init__(self, server: RedisServer, redis: Redis) -> None:
        self.redis = redis
        self._url = server.url.replace("redis://", f"redis://{USER}")
        self._harness = BackendHarness(lambda: RedisBackend(self._url), asyncio.sleep)
        self.sent: set[TaskId] = set()
        self.committed: Counter[TaskId] = Counter()
        self.client: Client
        self.one: WorkerSide
        self.two: WorkerSide
        self.held: list[Delivery] = []
        self.joined: Session | None = None

    async def set(self, *items: Publication) -> None:
        """Open everything, and give the first worker what is sent."""
        self.redis.flushall()
        self.client = await self._harness.client()
        self.one = await self._harness.worker(self.client, name="one")
        self.two = await self._harness.worker(self.client, name="two")
        await self.send(*(items or [publication(b"%d" % number, priority=Priority(number)) for number in range(3)]))
        self.held = await self.one.receive()

    async def send(self, *items: Publication) -> None:
        """Publish envelopes."""
        await self.client.publish(*items)
        self.sent.update(item.id for item in items)

    async def settle(self, worker: WorkerSide, *items: Settlement) -> None:
        """Settle deliveries, and count who committed an outcome."""
        answers: Sequence[bool | None] = []
        try:
            answers = await worker.session.settle(items)
        except PartlySettled as error:
            answers = error.answers
            raise
        finally:
            ended = [item for item, answer in zip(items, answers, strict=False) if answer and not hasattr(item, "awaits")]
            self.committed.update(item.delivery.id for item in ended)
            for item in ended:
                self.sent.update(following.id for following in (item.follow if isinstance(item, Finish) else ()))

    def outcomes(self) -> dict[str, bytes]:
        """Return all outcomes that there are."""
        names = [key.decode() for key in self.redis.scan_iter(f"{QUEUE}r:*")]
        return {name.partition("r:")[2]: ask(self.redis, "GET", name) for name in names if self.redis.type(name) == b"string"}

    async def end(self) -> None:
        """Have a worker with all rights run whatever is left, as if the others had died, and put back what is dead."""
        for session in (self.one.session.id, self.two.session.id, SessionId("three")):
            await self.client.backend.expire(session, ["default"])
        last = await self._harness.worker(self.client, name="last")
        async with asyncio.timeout(10):
            while True:
                parked = await last.session.unpark(["later"], 100)
                found = [*await last.recover([item.receipt for item in parked], 100), *parked, *await last.receive()]
                if found:
                    await self.settle(last, *(finish(delivery, b"by the last") for delivery in found))
                elif await self.client.backend.counts("default") == Counts(dead=len(await self.dead())):
                    break
                else:
                    await asyncio.sleep(SOON / 1000)  # for what is delayed
        await last.session.leave()

    async def dead(self) -> list[TaskId]:
        """Return the dead letters."""
        return [letter.id for letter in await self.client.backend.dead_letters("default")]

    async def close(self) -> None:
        """Close everything."""
        if self.joined is not None:
            await self.joined.leave()
        await self._harness.close()


Step: TypeAlias = Callable[[Scene], AsyncGenerator[None]]
"""What is prepared with all rights comes before its `yield`, what is done with fewer behind it."""


async def publish(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    items = [publication(b"p%d" % number, priority=Priority(number)) for number in range(3)]
    yield
    await scene.send(*items)


async def publish_mixed(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    items = [
        publication(),
        publication(delay_ms=SOON),
        publication(once=Once("key", 50)),
        publication(once=Once("key", 50), delay_ms=SOON),
    ]
    yield
    await scene.client.publish(*items)
    scene.sent.update(item.id for item in items[:3])


async def claim(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.send(publication(), publication(delay_ms=SOON, priority=Priority.HIGH))
    await scene.client.backend.cancel([scene.held[0].id])
    await asyncio.sleep(2 * SOON / 1000)
    yield
    await scene.two.receive()


async def settle(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.client.backend.watch([scene.held[0].id])
    await scene.client.backend.cancel([scene.held[1].id])
    yield
    await scene.settle(scene.one, *(finish(delivery, b"by one", reply_to="somebody") for delivery in scene.held))


async def settle_with_what_follows(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    following = [publication(b"follows"), publication(b"follows", delay_ms=SOON), publication(once=Once("other", 50))]
    yield
    await scene.settle(
        scene.one,
        *(Finish(item, b"by one", 60_000, follow=(next_one,)) for item, next_one in zip(scene.held, following, strict=True)),
    )


async def settle_as_retries(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    await scene.settle(scene.one, retry(scene.held[0]), retry(scene.held[1], delay_ms=SOON), park(scene.held[2], "later"))


async def settle_as_cancelled(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.client.backend.cancel([delivery.id for delivery in scene.held])
    yield
    await scene.settle(scene.one, *map(retry, scene.held))


async def settle_as_dead(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    await scene.settle(scene.one, *(bury(delivery, outcome=b"by one") for delivery in scene.held))


async def settle_in_all_ways(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    await scene.settle(scene.one, finish(scene.held[0], b"by one"), retry(scene.held[1], delay_ms=SOON), bury(scene.held[2]))


async def release(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    await scene.one.session.release(scene.held)


async def recover(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.client.backend.cancel([scene.held[0].id])
    await scene.client.backend.expire(scene.one.session.id, ["default"])
    yield
    await scene.two.recover((), 10)


async def adopt(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    await scene.one.recover((), 10)


async def report(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    await scene.one.session.report([Report(delivery, b"half", 60_000) for delivery in scene.held])


async def unpark(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.settle(scene.one, *(park(delivery, "later") for delivery in scene.held))
    yield
    await scene.two.session.unpark(["later"], 2)


async def promote(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.settle(scene.one, *(retry(delivery, delay_ms=SOON) for delivery in scene.held))
    await asyncio.sleep(2 * SOON / 1000)
    yield
    await scene.two.receive()
    await scene.two.receive()


async def cancel(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.send(publication(delay_ms=SOON), publication())
    yield
    await scene.client.backend.cancel(sorted(scene.sent))


async def leave(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    await scene.one.session.leave()


async def join(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    yield
    scene.joined = await scene.client.backend.join(SessionId("three"), ["default"], 30.0, scene.two.listener)


async def replay(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.settle(scene.one, *map(bury, scene.held))
    scene.committed.clear()
    yield
    await scene.client.backend.replay("default", [delivery.id for delivery in scene.held])


async def drop(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.settle(scene.one, *map(bury, scene.held))
    yield
    await scene.client.backend.drop("default", [delivery.id for delivery in scene.held])


async def look(scene: Scene) -> AsyncGenerator[None]:
    await scene.set()
    await scene.settle(scene.one, bury(scene.held[0]), park(scene.held[1], "later"))
    yield
    backend = scene.client.backend
    await backend.counts("default")
    await backend.sessions("default")
    await backend.peek("default")
    await backend.dead_letters("default")
    await backend.missing(sorted(scene.sent))


STEPS: Final[Sequence[Step]] = (
    publish,
    publish_mixed,
    claim,
    settle,
    settle_with_what_follows,
    settle_as_retries,
    settle_as_cancelled,
    settle_as_dead,
    settle_in_all_ways,
    release,
    recover,
    adopt,
    report,
    unpark,
    promote,
    cancel,
    leave,
    join,
    replay,
    drop,
    look,
)


@asynccontextmanager
async def scene_of(server: RedisServer) -> AsyncIterator[Scene]:
    """Yield a scene, and close it."""
    with server.client() as redis:
        scene = Scene(server, redis)
        try:
            yield scene
        finally:
            await scene.close()


async def done(step: AsyncGenerator[None]) -> TypedTasksError | None:
    """Do what is behind the `yield`, and return how it was refused. Whatever else is raised is not caught."""
    try:
        await anext(step)
    except StopAsyncIteration:
        return None
    except TypedTasksError as error:
        return error
    raise AssertionError("a step has one yield")


async def commands_of(server: RedisServer, step: Step) -> list[str]:
    """Return which commands a step runs, those of its scripts included, as rights are called."""
    async with scene_of(server) as scene:
        running = step(scene)
        await anext(running)
        scene.redis.config_resetstat()
        assert await done(running) is None
        ran = [name.removeprefix("cmdstat_") for name in scene.redis.info("commandstats")]
    return sorted({*ran} - {"config|resetstat", "info"})


async def check_whole(scene: Scene, step: Step, seen: dict[str, bytes]) -> None:
    """Hold that nothing is lost, nothing was settled twice, no outcome has changed, and nothing is left behind."""
    await scene.end()
    outcomes = scene.outcomes()
    dropped = set() if step is not drop else {delivery.id for delivery in scene.held}
    assert set(outcomes) >= scene.sent - dropped, "a task was lost"
    assert {id: outcomes.get(id) for id in seen} == seen, "an outcome has changed"
    assert max(scene.committed.values(), default=0) <= 1, "a task was settled twice"
    letters = await scene.dead()
    assert await scene.client.backend.counts("default") == Counts(dead=len(letters))
    assert len(set(letters)) == scene.redis.hlen(f"{QUEUE}deadb")
    left = {key.decode().removeprefix(QUEUE) for key in scene.redis.scan_iter(f"{QUEUE}*") if scene.redis.pttl(key) < 0}
    assert left - {"dead", "deadb"} <= {"s0", "s1", "s2"}, "keys are left"
    assert sum(scene.redis.xlen(QUEUE + name) for name in ("s0", "s1", "s2")) == 0


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_whatever_right_is_missing_nothing_is_lost_or_settled_twice(step: Step, server: RedisServer) -> None:
    """Each command of each script is refused in turn; then the right is back, and others take over."""
    commands = await commands_of(server, step)
    assert commands
    for command in commands:
        async with scene_of(server) as scene:
            running = step(scene)
            await anext(running)
            ask(scene.redis, "ACL", "SETUSER", "typedtasks", f"-{command}")
            failed = await done(running)
            seen = scene.outcomes()
            make_user(server)
            if failed is not None:
                assert "please report" not in str(failed), f"{command}: {failed}"
                assert command.partition("|")[0] in str(failed).lower() or "typedtasks redis acl" in str(failed)
            try:
                await check_whole(scene, step, {} if step is replay else seen)
            except AssertionError as error:
                raise AssertionError(f"without {command} ({failed}): {error}") from error


KEYS: Final = ("s0", "delay", "db", "parked", "dead", "deadb", "x")
MORE_KEYS: Final = {
    "bt:": (publish, publish_mixed),
    "u:key": (publish_mixed,),
    "u:other": (settle_with_what_follows,),
    "watched": (settle,),
    "s3": (unpark,),
    "await": (unpark, settle_as_retries),
    "a:later": (unpark, settle_as_retries),
    "watch:": (settle, settle_as_dead),
    "r:": (settle, settle_as_dead, settle_with_what_follows, cancel, replay),
    "p:": (report,),
}
"""Those of single tasks and clients, and whose scripts use them."""


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_whatever_key_is_foreign_nothing_is_lost_or_settled_twice(step: Step, server: RedisServer) -> None:
    """Something else has each key in turn; then it is put right, and others take over."""
    for name in (*KEYS, *(name for name, steps in MORE_KEYS.items() if step in steps)):
        async with scene_of(server) as scene:
            running = step(scene)
            await anext(running)
            ids = sorted(scene.sent) if name.endswith(":") and name != "bt:" else [""]
            keys = [f"{QUEUE}{name}{scene.client.backend.reply_to if name == 'bt:' else id}" for id in ids]
            for key in keys:
                with suppress(ResponseError):
                    scene.redis.rename(key, f"aside:{key}")
                scene.redis.sadd(key, "foreign") if name != "watch:" else scene.redis.set(key, "foreign")
            failed = await done(running)
            seen = scene.outcomes()
            for key in keys:
                if scene.redis.type(key) == (b"set" if name != "watch:" else b"string") and not scene.outcomes().get(
                    key.partition("r:")[2]
                ):
                    scene.redis.delete(key)
                with suppress(ResponseError):
                    scene.redis.rename(f"aside:{key}", key)
            if failed is not None:
                assert "please report" not in str(failed), f"{name}: {failed}"
                assert f"{QUEUE}{name}" in str(failed)
            try:
                await check_whole(scene, step, {} if step is replay else seen)
            except AssertionError as error:
                raise AssertionError(f"with a foreign {name} ({failed}): {error}") from error
