"""The ids of tasks, unique for ever, each of which says which queue its task lives in; and those of sessions."""

from __future__ import annotations

import os
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from typing import Final, NewType

__all__ = [
    "SessionId",
    "TaskId",
    "created_ms",
    "is_queue_name",
    "is_task_id",
    "new_task_id",
    "new_task_ids",
    "queue_name",
    "queue_of",
]

TaskId = NewType("TaskId", str)
"""`<queue>.<20 characters>`: unique for ever, and it says which queue the task and its outcome live in."""

SessionId = NewType("SessionId", str)
"""One worker process's life. It is the fence: what a session owned, no other session can settle, and the reverse."""

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLACE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}(#[1-9][0-9]?)?")


def is_queue_name(name: str) -> bool:
    """Return whether `name` may name a queue: 1 to 64 letters, digits, `_` and `-`."""
    return _QUEUE_NAME.fullmatch(name) is not None


def is_task_id(text: str) -> bool:
    """Return whether `text` may be the id of a task: the name of a queue or shard, a point, and something printable in ASCII."""
    place, _, rest = text.partition(".")
    return _PLACE.fullmatch(place) is not None and rest != "" and rest.isascii() and rest.isprintable()


def queue_of(id: TaskId) -> str:
    """Return the queue that a task id belongs to; where that has shards, the shard: `queue#2`."""
    return id.partition(".")[0]


def queue_name(place: str) -> str:
    """Return the name of the queue that a shard belongs to; of a queue its own."""
    return place.partition("#")[0]


def new_task_id(queue: str, now: float) -> TaskId:
    """Return a new id: the queue, then 6 bytes of milliseconds and 9 random bytes in URL-safe base64."""
    unique = int(now * 1000).to_bytes(6, "big") + os.urandom(9)
    return TaskId(f"{queue}.{b2a_base64(unique, newline=False).translate(_URL_SAFE).decode()}")


def new_task_ids(queues: Sequence[str], now: float) -> list[TaskId]:
    """Return a new id for each of the queues named, as `new_task_id` does: one call for many costs a tenth."""
    stamp, chance = int(now * 1000).to_bytes(6, "big"), os.urandom(9 * len(queues))
    unique = b"".join([stamp + chance[at : at + 9] for at in range(0, len(chance), 9)])
    text = b2a_base64(unique, newline=False).translate(_URL_SAFE).decode()
    return [TaskId(f"{queue}.{text[20 * place : 20 * place + 20]}") for place, queue in enumerate(queues)]


def created_ms(id: TaskId) -> int:
    """Return when the id was made, in milliseconds since 1970; 0 where it was not made by `new_task_id`."""
    stamp = id.partition(".")[2][:8].replace("-", "+").replace("_", "/")
    try:
        return int.from_bytes(a2b_base64(stamp), "big")
    except ValueError:
        return 0
