"""The worker's side of the SQLite backend."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from typing import Final, Literal

from typedtasks.backend import (
    Bury,
    Delivery,
    Finish,
    Priority,
    Recovered,
    Report,
    Reschedule,
    SessionId,
    SessionListener,
    SessionLost,
    Settlement,
    TaskId,
    read_plan,
)
from typedtasks.backends.sqlite.clocks import LEFT
from typedtasks.backends.sqlite.lease import Lease, SQLiteLeaseKeeper
from typedtasks.backends.sqlite.store import Store
from typedtasks.backends.sqlite.writing import insert, placeholders
from typedtasks.errors import BackendUnavailable

__all__ = ["SQLiteSession"]

_LOOK_AGAIN: Final = 1.0
"""Seconds between looks when no bell rings: what a lost datagram costs at most."""
_EXPIRED_AT_A_TIME: Final = 2000
"""Twice as many as there are in a batch of settlements: they are deleted faster than new ones can come."""
_LEFT_AGAIN_MS: Final = 5000
"""After so long it is said again that somebody is here for parked tasks: there may be very many of them."""
_STAYS: Final = "(awaits <> '' and boot <> '' and boot = ? and until > ?)"
"""Of a parked task whose time seems to have come: the clock was set, and it has not waited for as long as it has to."""
_OWN: Final = "id = ? and owner = ? and fence = ? and state = 1"


class SQLiteSession:
    """A worker's session. Implements `typedtasks.backend.Session`; a receipt is `<row>:<fence>`."""

    def __init__(self, store: Store, id: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> None:
        self._store = store
        self._id = id
        self._queues = tuple(queues)
        self._lease = Lease(id, int(lease * 1000), store.clocks, store.opened)
        self._listener = listener
        self._turn = 0
        self._bell = asyncio.Event()
        self._busy = False
        self._claiming = asyncio.Lock()
        self._left_at: dict[tuple[str, ...], int] = {}
        """When parked tasks were left last because there was no room for them, by what was asked for."""

    @property
    def id(self) -> SessionId:
        """The session's id."""
        return self._id

    async def open(self) -> None:
        """Begin the session: its lease runs from now."""

        def begin(connection: sqlite3.Connection) -> None:
            self._lease.begin(connection)
            connection.executemany("insert or ignore into reads values(?, ?)", [(self._id, queue) for queue in self._queues])

        await self._store.database.write(begin)
        self._store.workers[self._listener] = self._bell.set

    async def receive(self, capacity: int, wait: float) -> list[Delivery]:
        """Claim what is ready; when there is nothing, wait for a bell or the next due time."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait
        while True:
            self._bell.clear()
            # A look first: an idle worker must not take the write lock. After a full hand it would only cost a turn.
            was_busy, self._busy = self._busy, False
            next_ms = 0 if was_busy else await self._store.database.read(self._until_next)
            deliveries = await self._claim(capacity) if next_ms <= 0 else []
            self._busy = bool(deliveries)
            if was_busy and not deliveries and wait > 0:
                continue
            left = deadline - clock()
            if deliveries or left <= 0:
                return deliveries
            pause = min(left, _LOOK_AGAIN, max(0.001, next_ms / 1000) if next_ms > 0 else _LOOK_AGAIN)
            try:
                async with asyncio.timeout(pause):
                    await self._bell.wait()
            except TimeoutError:
                continue

    async def settle(self, batch: Sequence[Settlement]) -> list[bool]:
        """End deliveries in one transaction, each guarded by owner and fence."""
        if not batch:
            return []
        owned = await self._store.database.write(lambda connection: self._settle(connection, batch))
        done = [item for item, was_owned in zip(batch, owned, strict=True) if was_owned]
        outcomes = [(item.delivery.id, item.outcome) for item in done if not isinstance(item, Reschedule)]
        parked = {item.awaits for item in done if isinstance(item, Reschedule) and item.awaits}
        if outcomes:
            self._store.tell_settled(outcomes)
        if parked:
            self._store.tell_parked(sorted(parked))
        if any(isinstance(item, Reschedule) or (isinstance(item, Finish) and item.follow) for item in done):
            self._store.wake()
        return owned

    async def report(self, batch: Sequence[Report]) -> list[bool]:
        """Keep how far deliveries have come."""

        def keep(connection: sqlite3.Connection) -> list[bool]:
            self._delete_expired(connection, "report")
            if not self._lease.is_held(connection):
                return [False] * len(batch)
            now = self._store.now_ms()
            return [
                connection.execute(
                    f"insert or replace into report select tid, ?, ? from task where {_OWN}",
                    (now + item.ttl_ms, item.body, *self._key(item.delivery)),
                ).rowcount
                == 1
                for item in batch
            ]

        return await self._store.database.write(keep) if batch else []

    async def release(self, batch: Sequence[Delivery]) -> list[bool]:
        """Give deliveries back."""

        def give_back(connection: sqlite3.Connection) -> list[tuple[str] | None]:
            if not self._lease.is_held(connection):
                return [None] * len(batch)
            return [
                connection.execute(
                    # What `unpark` has taken is parked again.
                    "update task set state = iif(awaits <> '', 2, 0), due = iif(awaits <> '', ? + patience, null), boot = ?, "
                    f"until = ? + patience, owner = null, deliveries = deliveries - 1 where {_OWN} returning awaits",
                    (*self._store.clocks.moment(), *self._key(delivery)),
                ).fetchone()
                for delivery in batch
            ]

        found = await self._store.database.write(give_back)
        parked = {awaits for (awaits,) in filter(None, found) if awaits}
        if parked:
            self._store.tell_parked(sorted(parked))
        self._store.wake()
        return [row is not None for row in found]

    async def recover(self, held: Collection[str], capacity: int) -> Recovered:
        """Take over what sessions without a lease owned, and find own deliveries that are not in hand."""
        async with self._claiming:  # what was just claimed is not in hand before `receive` has returned
            known = frozenset(held)
            work, cancelled, next_look = await self._store.database.read(lambda connection: self._look(connection, known))
            awaited = await self._store.database.read(self._awaited)
            for id in cancelled:  # the news of it may have been lost
                self._listener.cancelled(id)
            if capacity <= 0 or not work:
                return Recovered([], next_look, awaited)
            found = await self._store.database.write(lambda connection: self._recover(connection, known, capacity))
            return Recovered(found, next_look, awaited)

    async def unpark(self, names: Collection[str], capacity: int) -> list[Delivery]:
        """Take parked tasks that wait for one of these names."""
        wanted = list(names)

        def take(connection: sqlite3.Connection) -> list[Delivery]:
            if not self._lease.is_held(connection):
                raise SessionLost
            which = f"awaits <> '' and awaits in ({placeholders(wanted)}) and queue in ({placeholders(self._queues)}) and state = 2"
            values = (*wanted, *self._queues)
            taken = self._take(connection, f"select id from task where {which} limit ?", (*values, max(0, capacity)))
            moment = self._store.clocks.moment()
            now = moment.wall
            if len(taken) >= capacity and (capacity <= 0 or abs(now - self._left_at.get(values, 0)) >= _LEFT_AGAIN_MS):
                self._left_at[values] = now
                connection.execute(
                    f"update task set due = ? + patience, boot = ?, until = ? + patience where {which} and due > ?",
                    (*moment, *values, now),
                )
            return taken

        async with self._claiming:
            return await self._store.database.write(take) if wanted else []

    def keeper(self) -> SQLiteLeaseKeeper:
        """Return what renews this session's lease in a thread of its own."""
        return SQLiteLeaseKeeper(self._store.database.path, self._lease)

    async def leave(self) -> None:
        """End the session. Never raises."""
        self._store.workers.pop(self._listener, None)

        def end(connection: sqlite3.Connection) -> None:
            connection.execute("delete from worker where session = ?", (self._id,))

        try:
            await self._store.database.write(end)
            self._store.tell_left_behind()
        except BackendUnavailable:
            return  # the lease will end by itself

    async def _claim(self, capacity: int) -> list[Delivery]:
        turn = self._turn
        self._turn += 1
        async with self._claiming:
            return await self._store.database.write(lambda connection: self._lease_ready(connection, turn, capacity))

    def _until_next(self, connection: sqlite3.Connection) -> int:
        """Return the milliseconds until something is ready: 0 for now, a day when nothing is planned."""
        if not self._lease.is_alive(connection):
            raise SessionLost
        marks = placeholders(self._queues)
        if connection.execute(f"select 1 from task where state = 0 and queue in ({marks}) limit 1", self._queues).fetchone():
            return 0
        (due,) = connection.execute(
            f"select min(due) from task indexed by due where state = 2 and queue in ({marks})", self._queues
        ).fetchone()
        return 86_400_000 if due is None else max(0, due - self._store.now_ms())

    def _lease_ready(self, connection: sqlite3.Connection, turn: int, capacity: int) -> list[Delivery]:
        if not self._lease.is_held(connection):
            raise SessionLost
        wall, boot, up = self._store.clocks.moment()
        connection.execute(
            f"update task set state = iif({_STAYS}, 2, 0), due = iif({_STAYS}, ? + until - ?, null), "
            f"unmet = (awaits <> '' and not {_STAYS}), awaits = iif({_STAYS}, awaits, '') where id in "
            "(select id from task where state = 2 and due <= ? order by due limit 1000)",
            (boot, up, boot, up, wall, up, boot, up, boot, up, wall),
        )
        deliveries: list[Delivery] = []
        plan, first = divmod(turn, len(self._queues))
        for queue in self._queues[first:] + self._queues[:first]:
            for priority, limit in read_plan(plan, capacity - len(deliveries)):
                room = min(limit, capacity - len(deliveries))
                if room > 0:
                    deliveries += self._take(
                        connection,
                        "select id from task where queue = ? and state = 0 and priority = ? order by id limit ?",
                        (queue, int(priority), room),
                    )
        return deliveries

    def _look(self, connection: sqlite3.Connection, held: frozenset[str]) -> tuple[bool, list[TaskId], float]:
        """Return whether there is something to recover or to clear away, own tasks that are to be cancelled, and the next look."""
        if not self._lease.is_alive(connection):
            raise SessionLost
        cancelled = connection.execute("select tid from task where state = 1 and owner = ? and cancelled = 1", (self._id,))
        cancelled_ids = [TaskId(id) for (id,) in cancelled]
        now, moment = self._store.now_ms(), self._store.clocks.moment()
        ends = connection.execute(f"select min({LEFT}) from worker where session <> ? and {LEFT} > 0", (*moment, self._id, *moment))
        (next_end,) = ends.fetchone()
        until = self._lease.length_ms if next_end is None else min(self._lease.length_ms, next_end + 1)
        for table in ("result", "report"):
            if connection.execute(f"select 1 from {table} where expires <= ? limit 1", (now,)).fetchone():
                return True, cancelled_ids, until / 1000
        rows = connection.execute("select id, fence, owner from task where state = 1")
        leases = self._leases(connection)
        lost = any(owner not in leases or (owner == self._id and f"{id}:{fence}" not in held) for id, fence, owner in rows)
        return lost, cancelled_ids, until / 1000

    def _recover(self, connection: sqlite3.Connection, held: frozenset[str], capacity: int) -> list[Delivery]:
        if not self._lease.is_held(connection):
            raise SessionLost
        connection.execute(f"delete from worker where {LEFT} <= 0", self._lease.ended_by())
        self._delete_expired(connection, "result")
        self._delete_expired(connection, "report")
        leases = self._leases(connection)
        rows = connection.execute(
            f"select id, fence, owner from task where state = 1 and queue in ({placeholders(self._queues)}) order by id",
            self._queues,
        )
        lost = [id for id, fence, owner in rows if owner not in leases or (owner == self._id and f"{id}:{fence}" not in held)]
        deliveries: list[Delivery] = []
        for id in lost[:capacity]:
            deliveries += self._take(connection, "select ?", (id,))
        return deliveries

    def _awaited(self, connection: sqlite3.Connection) -> list[str]:
        """Return what parked tasks wait for: one look at an index for each."""
        found: dict[str, None] = {}
        for queue in self._queues:
            awaits = ""
            while True:
                (awaits,) = connection.execute(
                    "select min(awaits) from task where queue = ? and awaits > ? and awaits <> ''", (queue, awaits)
                ).fetchone()
                if awaits is None:
                    break
                found[awaits] = None
        return list(found)

    def _take(self, connection: sqlite3.Connection, which: str, values: Sequence[object]) -> list[Delivery]:
        rows = connection.execute(
            f"update task set state = 1, owner = ?, fence = fence + 1, deliveries = deliveries + 1 where id in ({which}) "
            "returning id, tid, queue, priority, body, deliveries, fence, cancelled, unmet",
            (self._id, *values),
        ).fetchall()
        rows.sort()
        return [
            Delivery(TaskId(tid), queue, _priority(priority), body, deliveries, f"{id}:{fence}", cancelled == 1, unmet == 1)
            for id, tid, queue, priority, body, deliveries, fence, cancelled, unmet in rows
        ]

    def _settle(self, connection: sqlite3.Connection, batch: Sequence[Settlement]) -> list[bool]:
        if not self._lease.is_held(connection):
            return [False] * len(batch)
        now = self._store.now_ms()
        self._delete_expired(connection, "result")
        return [self._settle_one(connection, item, now) for item in batch]

    def _settle_one(self, connection: sqlite3.Connection, item: Settlement, now: int) -> bool:
        key = self._key(item.delivery)
        if isinstance(item, Reschedule):
            due = now + item.delay_ms if item.delay_ms else item.eta_ms
            # A task whose cancellation was asked for is not run again: it is ready at once, and settled by whoever takes it.
            later = f"({due} > {now} and not cancelled)"
            moment, patience = self._store.clocks.moment(), max(0, due - now)
            return (
                connection.execute(
                    f"update task set state = iif({later}, 2, 0), due = iif({later}, ?, null), awaits = iif({later}, ?, ''), "
                    "owner = null, deliveries = iif(? and not cancelled, deliveries - 1, 0), patience = ?, boot = ?, until = ?, "
                    f"unmet = 0, body = ? where {_OWN}",
                    (due, item.awaits, item.awaits != "", patience, moment.boot, moment.up + patience, item.body, *key),
                ).rowcount
                == 1
            )
        if isinstance(item, Bury):
            cursor = connection.execute(
                f"update task set state = 3, owner = null, awaits = '', reason = ?, died = ? where {_OWN}",
                (item.reason, now, *key),
            )
        else:
            cursor = connection.execute(f"delete from task where {_OWN}", key)
        if cursor.rowcount != 1:
            return False
        connection.execute("insert or replace into result values(?, ?, ?)", (item.delivery.id, now + item.ttl_ms, item.outcome))
        if isinstance(item, Finish) and item.follow:
            insert(connection, item.follow, now)
        return True

    def _delete_expired(self, connection: sqlite3.Connection, table: Literal["result", "report"]) -> None:
        connection.execute(
            f"delete from {table} where tid in (select tid from {table} where expires <= ? limit ?)",
            (self._store.now_ms(), _EXPIRED_AT_A_TIME),
        )

    def _key(self, delivery: Delivery) -> tuple[int, str, int]:
        row, _, fence = delivery.receipt.partition(":")
        return int(row), self._id, int(fence)

    def _leases(self, connection: sqlite3.Connection) -> set[str]:
        rows = connection.execute(f"select session from worker where {LEFT} > 0", self._lease.ended_by())
        return {session for (session,) in rows}


def _priority(value: object) -> Priority:
    """Return the priority that a row says; the lowest for what is none, so that one odd row does not stop the rest."""
    return Priority(value) if value in (0, 1, 2) else Priority.LOW
