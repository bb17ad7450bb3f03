"""A session's lease in the file: a row with the time at which it ends."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

from typedtasks.backends.sqlite.clocks import LEFT, Clocks, Moment
from typedtasks.backends.sqlite.database import connect, sqlite_errors
from typedtasks.backends.sqlite.identity import Identity, keep_open
from typedtasks.errors import BackendUnavailable
from typedtasks.forking import hold_during_forks, keep_for_ever, watch_forks
from typedtasks.ids import SessionId

__all__ = ["Lease", "SQLiteLeaseKeeper"]


class Lease:
    """Says whether a session lives, and extends its lease.

    Who takes tasks over deletes the rows of the leases that have ended, in the same transaction. So a lease that ended while the
    file refused its renewal (a full disk) goes on if its row is still there: nobody has taken anything over. And who was refused
    itself gives the others as long as its lease to renew theirs.
    """

    def __init__(self, session: SessionId, length_ms: int, clocks: Clocks, opened: Callable[[], int]) -> None:
        self.session = session
        self.length_ms = length_ms
        self._clocks = clocks
        self._opened = opened
        """How often the file was opened: a session is one of the file in which it began."""
        self._began_in = opened()
        self._was_refused = False
        """Whether the last renewal was refused. Set by the thread that renews, like the next one."""
        self._patient_until = 0

    def begin(self, connection: sqlite3.Connection) -> None:
        """Let it run from now."""
        self._began_in = self._opened()
        connection.execute(
            "insert or replace into worker(lease, boot, until, session) values(?, ?, ?, ?)", (*self._end(), self.session)
        )

    def is_alive(self, connection: sqlite3.Connection) -> bool:
        """Return whether the session lives."""
        if self._opened() != self._began_in:
            return False
        row = connection.execute(f"select {LEFT} from worker where session = ?", (*self._clocks.moment(), self.session)).fetchone()
        return row is not None and (self._was_refused or row[0] > 0)

    def is_held(self, connection: sqlite3.Connection) -> bool:
        """Return whether the session lives, and see to it that it does for the others, too: in transactions that write."""
        return self._extended(connection) if self._was_refused else self.is_alive(connection)

    def ended_by(self) -> Moment:
        """Return the moment at which the leases of others must have ended for their tasks to be taken over."""
        now = self._clocks.moment()
        is_patient = self._was_refused or self._clocks.steady_ms() < self._patient_until
        return now._replace(wall=0, up=0) if is_patient else now

    def renew(self, connection: sqlite3.Connection) -> bool:
        """Extend it by its full length. False: it had ended."""
        is_renewed = self._extended(connection)
        if self._was_refused:
            self._patient_until = self._clocks.steady_ms() + self.length_ms
            self._was_refused = False
        return is_renewed

    def refused(self) -> None:
        """Take notice that the file refused a renewal."""
        self._was_refused = True

    def _extended(self, connection: sqlite3.Connection) -> bool:
        if self._opened() != self._began_in:
            return False
        cursor = connection.execute(
            f"update worker set lease = ?, boot = ?, until = ? where session = ? and ({LEFT} > 0 or ?)",
            (*self._end(), self.session, *self._clocks.moment(), self._was_refused),
        )
        return cursor.rowcount == 1

    def _end(self) -> Moment:
        now = self._clocks.moment()
        return now._replace(wall=now.wall + self.length_ms, up=now.up + self.length_ms)


class SQLiteLeaseKeeper:
    """Renews a session's lease from a thread, on a connection of its own."""

    def __init__(self, path: str, lease: Lease) -> None:
        self._path = path
        self._lease = lease
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._busy = threading.Lock()
        hold_during_forks(self._busy)
        watch_forks(self)

    def forked(self) -> None:
        """Close the parent's connection in this child, as `Database.forked` does (see `Inherited`)."""
        if self._busy.locked() or (self._identity is not None and self._identity.has_changed()):
            keep_for_ever(self._connection)
        else:
            self.close()

    def renew(self) -> bool:
        """Extend the lease. False: it had ended, or the file is not the one any more in which it was."""
        try:
            with self._busy, sqlite_errors(self._path):
                if self._connection is None or self._identity is None:
                    self._identity = Identity(self._path)
                    self._connection = connect(self._path)
                if self._identity.has_changed():
                    return False
                return self._lease.renew(self._connection)
        except BackendUnavailable:
            self.refused()
            raise

    def refused(self) -> None:
        """Let the lease go on although the file refused its renewal, until others have taken over what it held."""
        self._lease.refused()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None and self._identity is not None:
            if self._identity.has_changed():
                keep_open(self._connection)
            else:
                self._connection.close()
            self._connection = None
