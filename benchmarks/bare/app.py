"""The ceilings: the same work with redis-py and pydantic alone.

`one_by_one` is one awaited XADD for each task. `bulk` and `process` are the least that a typed queue with results can do, in
batches: arguments are validated and written as JSON, one script call stores a batch; one claims a batch, each payload is validated,
run, and its result validated and written, and one script call acknowledges the batch, stores its results and tells the waiter.
There is no lease, no retry, no priority, no cancellation and no limit to what runs at once.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final

from pydantic import TypeAdapter
from redis.asyncio import Redis
from typing_extensions import TypedDict

from benchmarks.conversation import AMOUNT, EMAIL, URL, Client

_BATCH: Final = 500
_STREAM: Final = "{bare}:stream"

_PUBLISH: Final = """
for at = 1, #ARGV, 2 do
  redis.call('XADD', KEYS[1], '*', 'i', ARGV[at], 'b', ARGV[at + 1])
end
"""
_CLAIM: Final = """
local reply = redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', ARGV[1], 'STREAMS', KEYS[1], '>')
local flat = {}
for _, entry in ipairs(reply and reply[1][2] or {}) do
  flat[#flat + 1] = entry[1]
  flat[#flat + 1] = entry[2][2]
  flat[#flat + 1] = entry[2][4]
end
return flat
"""
_SETTLE: Final = """
local entries, done = {}, {}
for at = 1, #ARGV, 3 do
  if redis.call('XACK', KEYS[1], 'g', ARGV[at]) == 1 then
    redis.call('SET', '{bare}:r:' .. ARGV[at + 1], ARGV[at + 2], 'PX', 600000)
    done[#done + 1] = ARGV[at + 1]
  end
  entries[#entries + 1] = ARGV[at]
end
redis.call('XDEL', KEYS[1], unpack(entries))
redis.call('PUBLISH', '{bare}:done', table.concat(done, '\\n'))
"""


class Arguments(TypedDict):
    """The arguments of the task."""

    order_id: int
    email: str
    amount: float


class Total(TypedDict):
    """The result of the task."""

    order_id: int
    total: float


_ARGUMENTS: Final = TypeAdapter(Arguments)
_TOTAL: Final = TypeAdapter(Total)


async def add(order_id: int, email: str, amount: float) -> Total:
    """Do nothing but return."""
    return {"order_id": order_id, "total": amount}


class Measured(Client[str]):
    """The bare loops."""

    def __init__(self) -> None:
        super().__init__()
        self._redis: Redis = Redis.from_url(URL)
        self._second: Redis = Redis.from_url(URL)

    async def open(self) -> None:
        await self._redis.xgroup_create(_STREAM, "g", "0", mkstream=True)
        self._publish, self._claim, self._settle = [await self._redis.script_load(s) for s in (_PUBLISH, _CLAIM, _SETTLE)]

    async def enqueue(self, task: str, order_id: int) -> str:
        body = _ARGUMENTS.dump_json({"order_id": order_id, "email": EMAIL, "amount": AMOUNT})
        await self._redis.xadd(_STREAM, {"b": body})
        return str(order_id)

    async def enqueue_many(self, task: str, order_ids: range) -> list[str]:
        ids: list[str] = []
        for start in range(0, len(order_ids), _BATCH):
            batch: list[Any] = []  # Any: redis-py takes str and bytes alike
            for order_id in order_ids[start : start + _BATCH]:
                arguments = _ARGUMENTS.validate_python({"order_id": order_id, "email": EMAIL, "amount": AMOUNT})
                ids.append(os.urandom(12).hex())
                batch += [ids[-1], _ARGUMENTS.dump_json(arguments)]
            await self._redis.evalsha(self._publish, 1, _STREAM, *batch)
        return ids

    async def result(self, handle: str, *, tuned: bool) -> object:
        return _TOTAL.validate_json(await self._redis.get(f"{{bare}}:r:{handle}") or b"")

    async def do_process(self, count: int) -> float:
        """Return the tasks per second of the bare batched loop, between a tenth and all of `count` waiting tasks."""
        await self.do_fill("add", count)
        done, begun, begun_at = 0, 0.0, 0
        settling: asyncio.Task[Any] | None = None
        claiming = asyncio.create_task(self._claimed())
        while done < count:
            batch = await claiming
            claiming = asyncio.create_task(self._claimed())
            settled: list[bytes] = []
            for at in range(0, len(batch), 3):
                total = await add(**_ARGUMENTS.validate_json(batch[at + 2]))
                settled += [batch[at], batch[at + 1], _TOTAL.dump_json(_TOTAL.validate_python(total))]
            if settling is not None:
                await settling
            settling = asyncio.create_task(self._settled(settled))
            done += len(batch) // 3
            if not begun and done >= count // 10:
                begun, begun_at = time.perf_counter(), done
        assert settling is not None
        await settling
        seconds = time.perf_counter() - begun
        await claiming
        return (count - begun_at) / seconds

    async def _claimed(self) -> list[bytes]:
        reply: list[bytes] = await self._redis.evalsha(self._claim, 1, _STREAM, _BATCH)
        return reply

    async def _settled(self, batch: list[bytes]) -> None:
        await self._second.evalsha(self._settle, 1, _STREAM, *batch)
