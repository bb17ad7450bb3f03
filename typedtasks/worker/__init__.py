"""The worker: receives deliveries, runs them, settles them."""

from typedtasks.worker.worker import Worker

__all__ = ["Worker"]
