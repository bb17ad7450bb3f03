"""Shards: one queue in several places, each with keys of its own, so that a cluster can have them on several nodes.

The first shard of the queue `q` is `q` itself, the others are `q#1`, `q#2` and so on. Each is to Redis what a queue is. A task's id
begins with its shard, so whatever is asked about a task goes to the right place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from hashlib import blake2b
from itertools import count
from typing import Final
from urllib.parse import unquote

from typedtasks.backend import Once
from typedtasks.backends.urls import redacted
from typedtasks.errors import BackendUnsupported
from typedtasks.ids import is_queue_name

__all__ = ["MOST_SHARDS", "Shards", "shard", "shards_of"]

_OPTION: Final = re.compile(r"([?&])shards=([^&#]*)(&|(?=#)|$)")
MOST_SHARDS: Final = 64


def shards_of(url: str) -> tuple[str, Shards]:
    """Return a URL without its option `shards`, and what that says. Raises `BackendUnsupported` where it says nothing.

    `shards=4` is for every queue, `shards=orders:4,emails:2` for some.
    """
    found = _OPTION.search(url)
    if found is None:
        return url, Shards(1, {})
    rest = url[: found.start()] + (found[1] if found[3] == "&" else "") + url[found.end() :]
    numbers: dict[str, int] = {}
    for part in unquote(found[2]).split(","):
        queue, _, number = part.strip().rpartition(":")
        is_number = number.isascii() and number.isdigit() and len(number) < 4 and 1 <= int(number) <= MOST_SHARDS
        if not is_number or (queue and not is_queue_name(queue)) or queue in numbers or _OPTION.search(rest):
            raise BackendUnsupported(
                f"The broker's URL {redacted(url)!r} cannot be used: shards is neither a number from 1 to {MOST_SHARDS}, "
                "such as shards=4, nor a list of queues with their numbers, such as shards=orders:4,emails:2."
            )
        numbers[queue] = int(number)
    return rest, Shards(numbers.pop("", 1), numbers)


class Shards:
    """How many shards each queue has, and which one is next."""

    def __init__(self, every: int, numbers: Mapping[str, int]) -> None:
        self.are_used = max(every, *numbers.values(), 1) > 1
        """Whether any queue has more than one."""
        self._every = every
        self._numbers = dict(numbers)
        self._turns = count(random.randrange(MOST_SHARDS))  # many clients do not begin with the same shard

    def number(self, queue: str) -> int:
        """Return how many shards a queue has."""
        return self._numbers.get(queue, self._every)

    def place(self, queue: str, once: Once | None) -> str:
        """Return the shard for one more task: each in its turn, but one key always in the same.

        Another number of shards moves as few of the keys as may be.
        """
        number = self.number(queue)
        if number == 1:
            return queue
        if once is None:
            return shard(queue, next(self._turns) % number)
        return shard(queue, _jump(once.key, number))


def _jump(key: str, number: int) -> int:
    """Return a place from 0 to `number - 1`, by the jump consistent hash of Lamping and Veach (arXiv:1406.2294)."""
    state = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    place, jump = 0, 0
    while jump < number:
        place = jump
        state = (state * 2862933555777941757 + 1) % 2**64
        jump = int((place + 1) * 2**31 / ((state >> 33) + 1))
    return place


def shard(queue: str, number: int) -> str:
    """Return the name of one shard of a queue."""
    return f"{queue}#{number}" if number else queue
