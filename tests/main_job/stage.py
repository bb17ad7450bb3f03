"""Where a test of the main job plays: brokers on one of the three backends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typedtasks import Broker
from typedtasks.backend import Backend, Priority, Publication, TaskId, new_task_id
from typedtasks.backends.memory import MemoryBackend
from typedtasks.codecs import PayloadCodec

__all__ = ["Stage"]


@dataclass
class Stage:
    """Makes brokers that share one store, as processes of one system do."""

    url: str
    memory: MemoryBackend | None = None

    def broker(
        self,
        *,
        default_queue: str = "default",
        max_payload: int = 262144,
        max_result: int = 16_777_216,
        result_ttl: float = 3600.0,
        codecs: Sequence[PayloadCodec] = (),
    ) -> Broker:
        """Return one more broker on the same store, not open yet."""
        where: str | Backend = self.memory if self.memory is not None else self.url
        return Broker(
            where, default_queue=default_queue, max_payload=max_payload, max_result=max_result, result_ttl=result_ttl, codecs=codecs
        )

    @staticmethod
    async def put_raw(broker: Broker, body: bytes, queue: str = "default") -> TaskId:
        """Put bytes into a queue as a foreign or broken producer would, and return their id."""
        id = new_task_id(queue, broker.clock.now())
        await broker.backend.publish([Publication(id, queue, Priority.NORMAL, body)])
        return id


def stage_for(kind: str, folder: Path, redis_url: str) -> Stage:
    """Return the stage of a kind of backend."""
    if kind == "memory":
        return Stage("memory://", MemoryBackend())
    if kind == "sqlite":
        return Stage(f"sqlite:///{folder / 'tasks.db'}")
    return Stage(redis_url)
