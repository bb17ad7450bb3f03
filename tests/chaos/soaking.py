"""The application that a worker runs for hours. Its results are kept for a second, so the keys in Redis come and go."""

from __future__ import annotations

from typedtasks import Broker

__all__ = ["broker", "double"]

broker = Broker()


@broker.task(name="soak.double", result_ttl=1.0)
async def double(x: int) -> int:
    """Return twice x."""
    return 2 * x
