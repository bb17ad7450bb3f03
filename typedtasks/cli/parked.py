"""`typedtasks parked`: the tasks that wait for a worker that knows them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from typedtasks.backend import Waiting
from typedtasks.broker import Broker
from typedtasks.cli.dead import Selection, queues_of
from typedtasks.cli.loading import load_broker
from typedtasks.cli.showing import Curtain, name_of, print_lists, priority_name, shown_time, to_json
from typedtasks.errors import one_line
from typedtasks.ids import created_ms
from typedtasks.operating import moment_ms

__all__ = ["list_parked"]

_ALL = 1_000_000


def list_parked(target: str, selection: Selection, *, reveal: bool, as_json: bool) -> int:
    """Print the tasks that are parked, and what for. Returns 1 when there are any, or one that is named is not there.

    `since` and `until` of the selection say when a task was sent.
    """
    return asyncio.run(_list(load_broker(target), selection, reveal=reveal, as_json=as_json))


async def _list(broker: Broker, selection: Selection, *, reveal: bool, as_json: bool) -> int:
    curtain = Curtain(broker, reveal)
    names = queues_of(broker, selection.queues, selection.ids or ())
    async with broker:
        parked = {name: await broker.parked(name, _ALL if selection.is_narrow else selection.limit or _ALL) for name in names}
        totals = {name: (await broker.counts(name)).parked for name in names}
    there = {task.id for tasks in parked.values() for task in tasks}
    missing = [id for id in dict.fromkeys(selection.ids or ()) if id not in there]
    found = {name: _covered(broker, selection, tasks)[: selection.limit] for name, tasks in parked.items()}
    if as_json:
        shown = [_as_object(task, curtain) for tasks in found.values() for task in tasks]
        print(to_json({"parked": shown, "total": totals, "missing": missing}))
    else:
        print_lists(found, totals, "parked task", lambda task: _line(task, curtain))
        for id in missing:
            print(f"There is no parked task {id!r}; see `typedtasks parked list`.")
    return 1 if missing or any(found.values()) else 0


def _covered(broker: Broker, selection: Selection, tasks: Sequence[Waiting]) -> list[Waiting]:
    now = broker.clock.now()
    since = -math.inf if selection.since is None else moment_ms(selection.since, now, "since")
    until = math.inf if selection.until is None else moment_ms(selection.until, now, "until")
    return [
        task
        for task in tasks
        if (selection.ids is None or task.id in selection.ids)
        and (selection.task is None or name_of(task) == selection.task)
        and since <= created_ms(task.id) < until
    ]


def _as_object(task: Waiting, curtain: Curtain) -> dict[str, object]:
    return {
        "id": task.id,
        "queue": task.queue,
        "task": name_of(task),
        "awaits": task.awaits,
        "sent": shown_time(created_ms(task.id)),
        "tried_again": shown_time(task.due_ms),
        "priority": priority_name(task.priority),
        **curtain.field(task),
    }


def _line(task: Waiting, curtain: Curtain) -> str:
    sent, again, name = shown_time(created_ms(task.id)), shown_time(task.due_ms), name_of(task)
    why = "no worker knows it" if task.awaits == name else f"no worker has {one_line(task.awaits)}"
    payload = curtain.shown(task).replace("\n", "\n  ")
    return f"{one_line(task.id)}  sent {sent}  {one_line(name)}\n  {why}; next try {again}\n  {payload}\n"
