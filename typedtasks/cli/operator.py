"""`typedtasks queues` and `typedtasks dead-letters`: what an operator looks at."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from typedtasks.backend import Counts, DeadLetter, Waiting, is_queue_name
from typedtasks.broker import Broker
from typedtasks.cli.loading import load_broker

__all__ = ["show_dead_letters", "show_queues"]

_STATES = ("ready", "running", "delayed", "parked", "dead")


def show_queues(target: str, queues: Sequence[str] | None, *, as_json: bool) -> int:
    """Print how many tasks of each queue are in each state, and which are parked for want of a worker that knows them."""
    return asyncio.run(_show_queues(load_broker(target), queues, as_json=as_json))


def show_dead_letters(target: str, queues: Sequence[str] | None, *, limit: int, replay: Sequence[str] | None) -> int:
    """Print the dead letters of some queues, by default of all that the broker names, or put them back.

    Returns 1 when any are shown, or one that was to be put back is not there.
    """
    return asyncio.run(_show_or_replay(load_broker(target), queues, limit, replay))


async def _show_queues(broker: Broker, queues: Sequence[str] | None, *, as_json: bool) -> int:
    async with broker:
        names = tuple(queues) if queues else broker.queues
        counts = {name: await broker.counts(name) for name in names}
        parked = [task for name in names if counts[name].parked for task in await broker.peek(name) if task.awaits]
    if as_json:
        print(json.dumps({name: asdict(count) for name, count in counts.items()}))
    else:
        _print_counts(counts, parked)
    return 0


def _print_counts(counts: dict[str, Counts], parked: Sequence[Waiting]) -> None:
    width = max(len("queue"), *map(len, counts))
    print("queue".ljust(width), *(state.rjust(9) for state in _STATES))
    for name, count in counts.items():
        print(name.ljust(width), *(str(asdict(count)[state]).rjust(9) for state in _STATES))
    for task in parked:
        print(f"parked: {task.id} waits for a worker that knows {task.awaits!r}")


async def _show_or_replay(broker: Broker, queues: Sequence[str] | None, limit: int, replay: Sequence[str] | None) -> int:
    names = tuple(queues) if queues else broker.queues
    async with broker:
        if replay:
            return await _replay(broker, replay, queues)
        if replay is not None:
            for name in names:
                ids = [letter.id for letter in await broker.dead_letters(name, 1_000_000)]
                print(f"{await broker.replay(ids, name)} of {len(ids)} dead letters put back into {name}.")
            return 0
        dead = [await _show_dead_letters(broker, name, limit) for name in names]
    return 1 if any(dead) else 0


async def _show_dead_letters(broker: Broker, queue: str, limit: int) -> int:
    dead = (await broker.counts(queue)).dead
    for letter in await broker.dead_letters(queue, limit):
        print(_shown(letter))
    print(f"{dead} dead letters in {queue}." if dead != 1 else f"1 dead letter in {queue}.")
    return dead


async def _replay(broker: Broker, ids: Sequence[str], queues: Sequence[str] | None) -> int:
    missing = [id for id in ids if not await _is_replayed(broker, id, queues)]
    print(f"{len(ids) - len(missing)} of {len(ids)} dead letters put back.")
    for id in missing:
        print(f"There is no dead letter {id!r}{' in ' + ', '.join(queues) if queues else ''}; list them without --replay.")
    return 1 if missing else 0


async def _is_replayed(broker: Broker, id: str, queues: Sequence[str] | None) -> bool:
    queue = id.partition(".")[0]
    if not is_queue_name(queue) or not id.isascii() or (queues and queue not in queues):
        return False
    return await broker.replay([id], queue) == 1


def _shown(letter: DeadLetter) -> str:
    died = datetime.fromtimestamp(letter.died_ms / 1000, UTC).isoformat(timespec="seconds")
    body = letter.body if len(letter.body) <= 200 else letter.body[:200] + b"..."
    return f"{letter.id}  {died}  {len(letter.body)} bytes\n  {letter.reason}\n  {body!r}\n"
