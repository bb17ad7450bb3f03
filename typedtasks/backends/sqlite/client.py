"""The client's and the operator's side of the SQLite backend."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

from typedtasks.backend import (
    Buried,
    Counts,
    OutcomeListener,
    Page,
    Publication,
    SessionId,
    SessionListener,
    SessionState,
    Stored,
    TaskId,
    Waiting,
    session_states,
)
from typedtasks.backends.sqlite.clocks import LEFT, Clocks
from typedtasks.backends.sqlite.session import SQLiteSession
from typedtasks.backends.sqlite.store import Store
from typedtasks.backends.sqlite.writing import insert, placeholders
from typedtasks.errors import BackendUnsupported

__all__ = ["SQLiteBackend"]

_CHUNK: Final = 500
_STATES: Final[Mapping[int, Literal["ready", "running", "delayed"]]] = {0: "ready", 1: "running", 2: "delayed"}
_DEAD: Final = "select tid, queue, priority, reason, died, deliveries, body from task where queue = ? and state = 3"
"""In the order of the fields of `Buried`."""
_ONE_DEAD: Final = "where tid = ? and queue = ? and state = 3"


class SQLiteBackend:
    """Tasks and outcomes in an SQLite file. Implements `typedtasks.backend.Backend`; for its times see `Clocks`."""

    def __init__(
        self, path: str, *, now: Callable[[], float] = time.time, uptime: Callable[[], float] | None = None, boot: str = ""
    ) -> None:
        if path == ":memory:":
            raise BackendUnsupported("An SQLite database in memory has one connection only: use Broker('memory://') instead.")
        self._store = Store(path, Clocks(now, uptime, boot))

    @property
    def reply_to(self) -> str:
        """Empty: every process that shares the file hears of every outcome."""
        return ""

    async def open(self, listener: OutcomeListener) -> str:
        """Open the file, and create it where there is none."""
        await self._store.open(listener)
        return f"SQLite file {self._store.database.path}: synced to disk before enqueue returns."

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    async def publish(self, batch: Sequence[Publication]) -> dict[TaskId, TaskId]:
        """Store envelopes in one transaction, shared with whatever else is written at this moment."""
        if not batch:
            return {}
        return await self._store.database.write(
            lambda connection: insert(connection, batch, self._store.now_ms()), then=self._store.wake
        )

    async def cancel(self, ids: Sequence[TaskId]) -> None:
        """Mark tasks as cancelled; delayed ones become ready, to be settled by the next worker."""

        def mark(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "update task set cancelled = 1, state = iif(state = 2, 0, state), due = null, awaits = '' "
                "where tid = ? and state < 3",
                [(id,) for id in ids],
            )

        await self._store.database.write(mark)
        self._store.tell_cancelled(ids)
        self._store.wake()

    async def watch(self, ids: Sequence[TaskId]) -> None:
        """Nothing has to be done: every process hears of every outcome, and reads those that it waits for."""

    async def unwatch(self, ids: Sequence[TaskId]) -> None:
        """Nothing has to be done."""

    async def read_outcomes(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return the outcomes that exist."""
        return await self._unexpired("result", ids)

    async def read_reports(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return what was reported of tasks."""
        return await self._unexpired("report", ids)

    async def _unexpired(self, table: Literal["result", "report"], ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        def select(connection: sqlite3.Connection) -> dict[TaskId, bytes]:
            found: dict[TaskId, bytes] = {}
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                found.update(
                    connection.execute(
                        f"select tid, body from {table} where expires > ? and tid in ({placeholders(chunk)})",
                        (self._store.now_ms(), *chunk),
                    )
                )
            return found

        return await self._store.database.read(select) if ids else {}

    async def missing(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Return the ids that are in neither table."""

        def select(connection: sqlite3.Connection) -> set[TaskId]:
            known: set[TaskId] = set()
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                known.update(
                    TaskId(tid)
                    for (tid,) in connection.execute(
                        f"select tid from task where tid in ({placeholders(chunk)}) "
                        f"union select tid from result where expires > ? and tid in ({placeholders(chunk)})",
                        (*chunk, self._store.now_ms(), *chunk),
                    )
                )
            return set(ids) - known

        return await self._store.database.read(select)

    async def join(self, session: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> SQLiteSession:
        """Begin a session."""
        joined = SQLiteSession(self._store, session, queues, lease, listener)
        await joined.open()
        return joined

    async def expire(self, session: SessionId, queues: Sequence[str]) -> None:
        """End the lease of a session."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("delete from worker where session = ?", (session,))

        await self._store.database.write(delete)
        self._store.tell_left_behind()

    async def counts(self, queue: str) -> Counts:
        """Return how many tasks of the queue are in each state."""

        def select(connection: sqlite3.Connection) -> Counts:
            counted = connection.execute(
                "select iif(state = 2 and awaits <> '', 4, state), count(*) from task where queue = ? group by 1", (queue,)
            )
            rows: dict[int, int] = {state: count for state, count in counted}  # noqa: C416 - the types are named so
            return Counts(rows.get(0, 0), rows.get(1, 0), rows.get(2, 0), rows.get(4, 0), rows.get(3, 0))

        return await self._store.database.read(select)

    async def peek(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return tasks of the queue that have not ended."""
        return await self._waiting(queue, "state < 3 order by state, iif(state = 2, due, 0), priority, id", limit)

    async def parked(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return the queue's parked tasks."""
        return await self._waiting(queue, "state = 2 and awaits <> '' order by due, id", limit)

    async def scan(self, queue: str, cursor: str = "", limit: int = 250) -> Page:
        """Return the tasks of the queue that follow one whose row is the cursor."""

        def select(connection: sqlite3.Connection) -> Page:
            rows = connection.execute(
                "select id, tid, state, iif(state = 2, awaits, ''), body from task where queue = ? and id > ? order by id limit ?",
                (queue, int(cursor or 0), limit),
            ).fetchall()
            tasks = [
                Stored(TaskId(tid), "dead" if state == 3 else "parked" if awaits else _STATES[state], body)
                for _, tid, state, awaits, body in rows
            ]
            return Page(tasks, str(rows[-1][0]) if len(rows) == limit else "")

        return await self._store.database.read(select)

    async def sessions(self, queue: str) -> list[SessionState]:
        """Return the sessions that read the queue or own deliveries of it."""

        def select(connection: sqlite3.Connection) -> list[SessionState]:
            leases = connection.execute(
                f"select session, {LEFT} from worker join reads using(session) where queue = ?",
                (*self._store.clocks.moment(), queue),
            )
            held = connection.execute("select owner, count(*) from task where state = 1 and queue = ? group by owner", (queue,))
            return session_states(queue, dict(leases.fetchall()), dict(held.fetchall()))

        return await self._store.database.read(select)

    async def dead_letters(self, queue: str, limit: int = 100, offset: int = 0) -> list[Buried]:
        """Return the queue's dead letters, the oldest first."""

        def select(connection: sqlite3.Connection) -> list[Buried]:
            rows = connection.execute(f"{_DEAD} order by died, id limit ? offset ?", (queue, limit, offset))
            return [Buried(*row) for row in rows]

        return await self._store.database.read(select)

    async def find_dead_letters(self, queue: str, ids: Sequence[TaskId]) -> list[Buried]:
        """Return the dead letters that are named and there."""

        def select(connection: sqlite3.Connection) -> list[Buried]:
            rows = [row for id in dict.fromkeys(ids) for row in connection.execute(f"{_DEAD} and tid = ?", (queue, id))]
            return [Buried(*row) for row in rows]

        return await self._store.database.read(select)

    async def replay(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Make dead letters ready again."""

        def update(connection: sqlite3.Connection) -> set[TaskId]:
            statement = f"update task set state = 0, reason = '', deliveries = 0, cancelled = 0, unmet = 0 {_ONE_DEAD}"
            found = {id for id in ids if _is_changed(connection, statement, (id, queue))}
            connection.executemany("delete from result where tid = ?", [(id,) for id in found])
            return found

        found = await self._store.database.write(update)
        self._store.wake()
        return found

    async def drop(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Delete dead letters."""
        return await self._store.database.write(
            lambda connection: {id for id in ids if _is_changed(connection, f"delete from task {_ONE_DEAD}", (id, queue))}
        )

    async def purge(self, queue: str, *, dead: bool = False) -> int:
        """Delete what waits, or the dead letters."""
        states = "state = 3" if dead else "state in (0, 2)"
        return await self._store.database.write(
            lambda connection: connection.execute(f"delete from task where queue = ? and {states}", (queue,)).rowcount
        )

    async def _waiting(self, queue: str, which: str, limit: int) -> list[Waiting]:
        def select(connection: sqlite3.Connection) -> list[Waiting]:
            rows: Iterable[tuple[str, int, int, int | None, str, bytes]] = connection.execute(
                f"select tid, priority, state, due, iif(state = 2, awaits, ''), body from task where queue = ? and {which} limit ?",
                (queue, limit),
            )
            return [
                Waiting(TaskId(tid), queue, priority, "parked" if awaits else _STATES[state], due or 0, awaits, body)
                for tid, priority, state, due, awaits, body in rows
            ]

        return await self._store.database.read(select)


def _is_changed(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> bool:
    return connection.execute(statement, values).rowcount == 1
