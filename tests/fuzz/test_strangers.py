"""Whatever strangers put into a queue, the worker lives, and each of their entries is a dead letter with its bytes and a reason."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any, cast

from redis import Redis

from tests.fuzz.material import hostile_json, noise
from typedtasks import Broker, Worker
from typedtasks.backend import Counts, Publication, new_task_id
from typedtasks.envelope import Header, write_header

ENTRIES = 400


def body_that_is_none(chance: random.Random) -> bytes:
    """Return bytes that are no envelope, or whose arguments do not fit."""
    match chance.randrange(5):
        case 0:
            return noise(chance, 5000)
        case 1:
            return b'{"v":2,"task":"add"}\n{}'
        case 2:
            return hostile_json(chance)[:300_000] + b"!"
        case 3:
            return b"x" * chance.choice([0, 1, 300_000])
        case _:
            return write_header(Header("add", reply_to="\u2028\n\0")) + hostile_json(chance) + b"!"


async def is_quiet(broker: Broker) -> Counts:
    """Return the counts of the queue once nothing of it is ready or runs."""
    async with asyncio.timeout(20):
        while (counts := await broker.counts()).ready or counts.running:
            await asyncio.sleep(0.02)
    return counts


async def work_through(broker: Broker, redis: Redis | None, entries: list[dict[bytes, bytes]]) -> Counter[bytes]:
    """Have a worker work through entries, half of them while it waits, and return the bodies of the dead letters."""

    @broker.task(name="add")
    async def add(number: int) -> int:
        return number + 1

    async def put(some: list[dict[bytes, bytes]]) -> None:
        if redis is None:
            ids = [new_task_id("default", 0.0) for _ in some]
            await broker.backend.publish([Publication(id, "default", 1, e[b"b"]) for id, e in zip(ids, some, strict=True)])
            return
        for place, entry in enumerate(some):
            redis.xadd(f"tt:{{default}}:s{place % 3}", cast("Any", entry))  # Any: redis-py wants a wider type of keys
            await asyncio.sleep(0)

    async with broker:
        await put(entries[: len(entries) // 2])
        async with Worker(broker):
            await is_quiet(broker)
            await put(entries[len(entries) // 2 :])
            counts = await is_quiet(broker)
            assert await (await add.enqueue(1)).result(timeout=10) == 2
        assert counts == Counts(dead=len(entries))
        letters = await broker.dead_letters(limit=len(entries) + 1)
    assert all(letter.reason for letter in letters)
    return Counter(letter.body for letter in letters)


async def test_entries_of_strangers_on_redis(redis_url: str) -> None:
    """Fields that are missing, doubled, not text, or of other names; ids that are empty, taken, or not text."""
    chance = random.Random("redis")
    entries: list[dict[bytes, bytes]] = []
    for _ in range(ENTRIES):
        entry = {noise(chance, 3) + b"?": noise(chance) for _ in range(chance.randint(0, 3))}
        if chance.random() < 0.8:
            entry[b"i"] = chance.choice([b"", b"same", b"default.same", b"a\nb", noise(chance), b"\xff" * 100])
        if chance.random() < 0.9:
            entry[b"b"] = body_that_is_none(chance)
        if chance.random() < 0.3:
            entry[b"n"] = chance.choice([b"1", b"-1", b"9" * 50, b"\xd9\xa1", b"1e3", b"", b"999999999"])
        items = list(entry.items()) or [(b"?", b"")]
        chance.shuffle(items)
        entries.append(dict(items))
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        bodies = await work_through(Broker(redis_url), redis, entries)
    assert bodies == Counter(entry.get(b"b", b"") for entry in entries)


async def test_envelopes_of_strangers_on_sqlite(tmp_path: Path) -> None:
    """Any bytes at all."""
    chance = random.Random("sqlite")
    entries = [{b"b": body_that_is_none(chance)} for _ in range(ENTRIES)]
    bodies = await work_through(Broker(f"sqlite:///{tmp_path}/tasks.db"), None, entries)
    assert bodies == Counter(entry[b"b"] for entry in entries)
