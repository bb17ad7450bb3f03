"""A session's lease in the file: a row with the time at which it ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from typedtasks.backends.sqlite.database import connect, sqlite_errors
from typedtasks.errors import BackendUnavailable
from typedtasks.ids import SessionId

__all__ = ["Lease", "SQLiteLeaseKeeper"]


class Lease:
    """Says whether a session lives, and extends its lease.

    Who takes tasks over deletes the rows of the leases that have ended, in the same transaction. So a lease that ended while the
    file refused its renewal (a full disk) goes on if its row is still there: nobody has taken anything over. And who was refused
    itself gives the others as long as its lease to renew theirs.
    """

    def __init__(self, session: SessionId, length_ms: int, now_ms: Callable[[], int]) -> None:
        self.session = session
        self.length_ms = length_ms
        self.now_ms = now_ms
        self._was_refused = False
        """Whether the last renewal was refused. Set by the thread that renews, like the next one."""
        self._patient_until = 0

    def begin(self, connection: sqlite3.Connection) -> None:
        """Let it run from now."""
        connection.execute("insert or replace into worker values(?, ?)", (self.session, self.now_ms() + self.length_ms))

    def is_alive(self, connection: sqlite3.Connection) -> bool:
        """Return whether the session lives."""
        row = connection.execute("select lease from worker where session = ?", (self.session,)).fetchone()
        return row is not None and (self._was_refused or row[0] > self.now_ms())

    def is_held(self, connection: sqlite3.Connection) -> bool:
        """Return whether the session lives, and see to it that it does for the others, too: in transactions that write."""
        return self._extended(connection) if self._was_refused else self.is_alive(connection)

    def ended_ms(self) -> int:
        """Return the time at which the leases of others must have ended for their tasks to be taken over."""
        now = self.now_ms()
        return 0 if self._was_refused or now < self._patient_until else now

    def renew(self, connection: sqlite3.Connection) -> bool:
        """Extend it by its full length. False: it had ended."""
        is_renewed = self._extended(connection)
        if self._was_refused:
            self._patient_until = self.now_ms() + self.length_ms
            self._was_refused = False
        return is_renewed

    def refused(self) -> None:
        """Take notice that the file refused a renewal."""
        self._was_refused = True

    def _extended(self, connection: sqlite3.Connection) -> bool:
        now = self.now_ms()
        cursor = connection.execute(
            "update worker set lease = ? where session = ? and (lease > ? or ?)",
            (now + self.length_ms, self.session, now, self._was_refused),
        )
        return cursor.rowcount == 1


class SQLiteLeaseKeeper:
    """Renews a session's lease from a thread, on a connection of its own."""

    def __init__(self, path: str, lease: Lease) -> None:
        self._path = path
        self._lease = lease
        self._connection: sqlite3.Connection | None = None

    def renew(self) -> bool:
        """Extend the lease. False: it had ended."""
        try:
            with sqlite_errors(self._path):
                if self._connection is None:
                    self._connection = connect(self._path)
                return self._lease.renew(self._connection)
        except BackendUnavailable:
            self.refused()
            raise

    def refused(self) -> None:
        """Let the lease go on although the file refused its renewal, until others have taken over what it held."""
        self._lease.refused()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
