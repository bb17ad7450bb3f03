"""How envelopes are written into the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from typedtasks.backend import Once, Publication, TaskId

__all__ = ["insert", "placeholders"]

_OVER_AT_A_TIME: Final = 1000
"""Windows that are over and deleted in one go: far more than a lone publication begins."""


def insert(connection: sqlite3.Connection, batch: Sequence[Publication], now: int) -> dict[TaskId, TaskId]:
    """Store envelopes, and return the id of the task that holds its key for each that is not stored for that reason.

    One that is there already (sent again after a lost answer) is left alone.
    """
    rows: list[tuple[object, ...]] = []
    duplicates: dict[TaskId, TaskId] = {}
    keys = False
    for item in batch:
        if item.once is not None:
            keys = True
            holder = _holder(connection, item, item.once, now)
            if holder is not None:
                if holder != item.id:
                    duplicates[item.id] = holder
                continue
        due = now + item.delay_ms if item.delay_ms else item.eta_ms
        later = due > now
        rows.append((item.id, item.queue, int(item.priority), 2 if later else 0, due if later else None, item.body))
    connection.executemany("insert or ignore into task(tid, queue, priority, state, due, body) values(?, ?, ?, ?, ?, ?)", rows)
    if keys:
        connection.execute("delete from once where id in (select id from once where expires <= ? limit ?)", (now, _OVER_AT_A_TIME))
    return duplicates


def placeholders(values: Sequence[object]) -> str:
    """Return as many question marks as there are values."""
    return ",".join("?" * len(values))


def _holder(connection: sqlite3.Connection, item: Publication, once: Once, now: int) -> TaskId | None:
    """Return the id of the task that holds the key of a publication. None: this one has just taken it."""
    taken = connection.execute(
        "insert into once(queue, key, tid, expires) values(?, ?, ?, ?) on conflict(queue, key) "
        "do update set tid = excluded.tid, expires = excluded.expires where expires <= ?",
        (item.queue, once.key, item.id, now + once.window_ms, now),
    )
    if taken.rowcount == 1:
        return None
    (holder,) = connection.execute("select tid from once where queue = ? and key = ?", (item.queue, once.key)).fetchone()
    return TaskId(holder)
