"""The measured task on Taskiq, with its Redis stream broker and its Redis result backend."""

from __future__ import annotations

import os

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker
from typing_extensions import TypedDict

_URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6379/0")

broker = RedisStreamBroker(url=_URL).with_result_backend(RedisAsyncResultBackend(redis_url=_URL, result_ex_time=600))


class Total(TypedDict):
    """A small result."""

    order_id: int
    total: float


@broker.task(task_name="bench.add")
async def add(order_id: int, email: str, amount: float) -> Total:
    """Do nothing but return."""
    return {"order_id": order_id, "total": amount}
