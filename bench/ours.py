"""The measured task on typedtasks."""

from __future__ import annotations

import os

from typing_extensions import TypedDict

from typedtasks import Broker

broker = Broker(os.environ.get("BENCH_URL", "memory://"))


class Total(TypedDict):
    """A small result, validated in the worker and in the client."""

    order_id: int
    total: float


@broker.task(name="bench.add")
async def add(order_id: int, email: str, amount: float) -> Total:
    """Do nothing but return."""
    return {"order_id": order_id, "total": amount}
