"""One SQLite file: a thread of its own, and many operations in one commit."""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from typedtasks.backends.sqlite.identity import Identity, keep_open
from typedtasks.backends.sqlite.mounts import refuse_network
from typedtasks.errors import BackendFull, BackendUnavailable, BackendUnsupported, BrokerClosed, TypedTasksError
from typedtasks.forking import hold_during_forks, keep_for_ever, watch_forks
from typedtasks.logs import Log

__all__ = ["Database", "connect"]

T = TypeVar("T")

_log = Log("typedtasks.sqlite")

_BUSY_MS: Final = 4000
_LOCK_PAUSE: Final = 0.005
_GROUP: Final = 500
"""Operations that share one commit, at most."""
_SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
create table if not exists task(
  id integer primary key autoincrement, tid text not null unique, queue text not null, priority integer not null,
  state integer not null,                              -- 0 ready, 1 running, 2 delayed or parked, 3 dead
  due integer, owner text, fence integer not null default 0, deliveries integer not null default 0,
  cancelled integer not null default 0, awaits text not null default '', reason text not null default '',
  died integer not null default 0, body blob not null,
  patience integer not null default 0, unmet integer not null default 0,  -- of what is parked: for how long, whether in vain,
  boot text not null default '', until integer not null default 0  -- and until when, by a clock that nobody sets
  ) strict;
create index if not exists ready on task(queue, priority, id) where state = 0;
create index if not exists due on task(due) where state = 2;
create index if not exists own on task(owner) where state = 1;
create index if not exists dead on task(queue, died) where state = 3;
create index if not exists parked on task(queue, awaits) where awaits <> '';
create table if not exists worker(
  session text primary key, lease integer not null, boot text not null default '', until integer not null default 0) strict;
create table if not exists reads(session text not null, queue text not null, primary key(session, queue)) strict, without rowid;
create trigger if not exists left after delete on worker begin delete from reads where session = old.session; end;
create table if not exists result(tid text primary key, expires integer not null, body blob not null) strict, without rowid;
create index if not exists expiry on result(expires);
create table if not exists report(tid text primary key, expires integer not null, body blob not null) strict, without rowid;
create index if not exists report_expiry on report(expires);
create table if not exists once(
  id integer primary key, queue text not null, key text not null, tid text not null, expires integer not null,
  unique(queue, key)) strict;
create index if not exists over on once(expires);
"""
_ADDED: Final = (
    ("task", "patience", "integer not null default 0"),
    ("task", "unmet", "integer not null default 0"),
    ("task", "boot", "text not null default ''"),
    ("task", "until", "integer not null default 0"),
    ("worker", "boot", "text not null default ''"),
    ("worker", "until", "integer not null default 0"),
)
"""Columns that files of earlier versions lack. Those versions can go on beside this one: they do not look at them."""


@dataclass(slots=True)
class _Operation:
    # Any: the thread carries operations of every type; `write` and `read` give each caller its own type back.
    work: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]
    writes: bool
    then: Callable[[], None] | None = None


class Database:
    """Runs operations on a file in a thread. Those that write and come together share one commit, and one sync of the disk."""

    def __init__(self, path: str, replaced: Callable[[], None] | None = None) -> None:
        self.path = path
        self.opened = 0
        """How often the file was opened."""
        self._replaced = replaced
        """Called on the event loop when the path led to another file than before, which is open now."""
        self._identity: Identity | None = None
        self.commits = 0
        """How many transactions were committed: what group commit saves can be counted."""
        self._operations: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._busy = threading.Lock()
        """Held while SQLite does something: it may not be forked amidst that."""
        hold_during_forks(self._busy)

    def forked(self) -> None:
        """Close the parent's connection in this child (see `Inherited`).

        SQLite counts the connections of a process to a file, and locks it for the first one alone: a new one here would have no
        lock of its own.
        """
        if self._connection is None or self._identity is None:
            return
        if self._busy.locked() or self._identity.has_changed():
            keep_for_ever(self._connection)
        else:
            self._connection.close()

    async def open(self) -> None:
        """Create what is missing, and start the thread. Raises `BackendUnavailable` or `BackendUnsupported` within 5 seconds."""
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        watch_forks(self)
        connection = await asyncio.to_thread(self._prepare)
        self._thread = threading.Thread(target=self._run, args=(connection,), name="typedtasks-sqlite", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Finish what was asked for, and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._operations.put(None)
            await asyncio.to_thread(thread.join, 5.0)

    def look(self) -> None:
        """Have it noticed if the file was deleted or replaced."""
        if self._thread is not None and self._loop is not None and self._identity is not None and self._identity.has_changed():
            answer: asyncio.Future[None] = self._loop.create_future()
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody else asks for it
            self._operations.put(_Operation(_nothing, answer, writes=False))

    async def write(self, work: Callable[[sqlite3.Connection], T], then: Callable[[], None] | None = None) -> T:
        """Return what `work` returns, once its changes are on the disk. If it raises, nothing of it is kept.

        `then` is called when they are, also where whoever asked was cancelled meanwhile.
        """
        return await self._submit(work, writes=True, then=then)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns; it must not write."""
        return await self._submit(work, writes=False)

    async def _submit(self, work: Callable[[sqlite3.Connection], T], *, writes: bool, then: Callable[[], None] | None = None) -> T:
        if self._thread is None or self._loop is None:
            raise BrokerClosed(f"The SQLite backend for {self.path} is not open.")
        if self._pid != os.getpid():
            raise BrokerClosed("The SQLite backend was opened before this process was forked: open a broker in the child.")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._operations.put(_Operation(work, answer, writes, then))
        return await answer

    def _prepare(self) -> sqlite3.Connection:
        with self._busy, sqlite_errors(self.path):
            parent = Path(self.path).absolute().parent
            parent.mkdir(parents=True, exist_ok=True)
            refuse_network(parent)
            connection = connect(self.path)
            _log_ahead(connection)
            connection.execute("begin immediate")
            (version,) = connection.execute("pragma user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise BackendUnsupported(
                    f"The SQLite file {self.path} was written by a newer typedtasks (schema {version}; this one knows "
                    f"{_SCHEMA_VERSION}). Upgrade typedtasks, or use another file."
                )
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            for table, column, kind in _ADDED:
                if column not in {name for _, name, *_ in connection.execute(f"pragma table_info({table})")}:
                    connection.execute(f"alter table {table} add column {column} {kind}")
            if version < _SCHEMA_VERSION:  # a write, which a full disk would refuse
                connection.execute(f"pragma user_version = {_SCHEMA_VERSION}")
            connection.execute("commit")
            self._identity = Identity(self.path)
            self.opened += 1
            self._connection = connection
            return connection

    def _run(self, connection: sqlite3.Connection) -> None:
        while (first := self._operations.get()) is not None:
            group = [first]
            ends = False
            with suppress(queue.Empty):
                while len(group) < _GROUP:
                    following = self._operations.get_nowait()
                    if following is None:
                        ends = True
                        break
                    group.append(following)
            if self._identity is not None and self._identity.has_changed():
                connection = self._open_again(connection, group)
            else:
                self._answer(self._execute(connection, group))
            if ends:
                break
        if self._identity is not None and self._identity.has_changed():
            keep_open(connection)
            return
        with self._busy:
            with suppress(sqlite3.Error):
                connection.execute("pragma wal_checkpoint(truncate)")
            self._connection = None
            connection.close()

    def _open_again(self, connection: sqlite3.Connection, group: list[_Operation]) -> sqlite3.Connection:
        """Open the file that is at the path now, do there what was asked for, and return the connection to it."""
        what = f"The SQLite file {self.path} was deleted or replaced while it was open"
        try:
            successor = self._prepare()
        except TypedTasksError as error:
            away = BackendUnavailable(f"{what}, and what is there now cannot be used: {error}")
            self._answer([(operation, away) for operation in group])
            return connection
        keep_open(connection)
        _log.warning("%s. What is there now is used from now on; tasks and outcomes that are not in it are lost.", what)
        if self._replaced is not None:
            self._tell(self._replaced)
        self._answer(self._execute(successor, group))
        return successor

    def _execute(self, connection: sqlite3.Connection, group: list[_Operation]) -> list[tuple[_Operation, object]]:
        """Return each operation with its result, or with the error that it ended with."""
        with self._busy:
            writes = [operation for operation in group if operation.writes]
            answers = self._commit(connection, writes) if writes else []
            answers += [(operation, self._try(connection, operation)) for operation in group if not operation.writes]
            return answers

    def _commit(self, connection: sqlite3.Connection, writes: list[_Operation]) -> list[tuple[_Operation, object]]:
        """Run operations in one transaction. Where there is no room for all of them, each has one of its own."""
        try:
            with sqlite_errors(self.path):
                connection.execute("begin immediate")
                answers = [(operation, self._try(connection, operation)) for operation in writes]
                connection.execute("commit")
                self.commits += 1
                return answers
        except TypedTasksError as error:
            with suppress(sqlite3.Error):
                connection.execute("rollback")
            if not isinstance(error, BackendFull):
                return [(operation, error) for operation in writes]
            with suppress(sqlite3.Error):  # so that the log is written from its beginning again, and takes no more room
                connection.execute("pragma wal_checkpoint(passive)")
            if len(writes) == 1:
                return [(writes[0], error)]
            return [answer for operation in writes for answer in self._commit(connection, [operation])]

    def _try(self, connection: sqlite3.Connection, operation: _Operation) -> object:
        try:
            with sqlite_errors(self.path):
                if not operation.writes:
                    return operation.work(connection)
                connection.execute("savepoint operation")
                try:
                    return operation.work(connection)
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("rollback to operation")
                    raise
                finally:
                    if connection.in_transaction:
                        connection.execute("release operation")
        except Exception as error:
            if operation.writes and not connection.in_transaction:
                raise  # SQLite has rolled back all of it, because the disk is full or broken
            return error

    def _answer(self, answers: list[tuple[_Operation, object]]) -> None:
        self._tell(_give_answers, answers)

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        loop = cast("asyncio.AbstractEventLoop", self._loop)  # it was set before the thread was started
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(callback, *arguments)


def connect(path: str) -> sqlite3.Connection:
    """Return a connection that syncs before it answers, and waits a bounded time for locks."""
    connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    connection.execute("pragma synchronous = full")
    connection.execute(f"pragma busy_timeout = {_BUSY_MS}")
    return connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Have the file use a write-ahead log. SQLite does not wait for others that open the file at the same moment, so this does."""
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_LOCK_PAUSE)


class sqlite_errors:  # noqa: N801 - it reads as a function: `with sqlite_errors(path):`
    """Turns SQLite's errors into ours. (A class: a generator would cost more than many of the operations.)"""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise _translated(self._path, error) from error
        if isinstance(error, OSError):
            raise BackendUnavailable(f"The SQLite file {self._path} cannot be opened: {error.strerror or error}.") from error


def _translated(path: str, error: sqlite3.Error) -> TypedTasksError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return BackendUnavailable(
            f"The SQLite file {path} is locked by another process for more than {_BUSY_MS / 1000:g} s ({text}). "
            "Close the program that holds a transaction open on it."
        )
    if "readonly" in text:
        return BackendUnavailable(f"The SQLite file {path} is read-only ({text}). Make the file and its folder writable.")
    if "full" in text:
        return BackendFull(f"The disk of the SQLite file {path} is full ({text}). Nothing was stored. Make room.")
    if "unable to open" in text and not _can_open():
        return BackendUnavailable(
            f"The SQLite file {path} cannot be opened ({text}): this process has no file descriptor left. Raise its limit "
            "(ulimit -n, LimitNOFILE=), or close what is open."
        )
    if "unable to open" in text:
        return BackendUnavailable(
            f"The SQLite file {path} cannot be opened ({text}): is it a folder, or in one that may not be written to?"
        )
    if "not a database" in text:
        return BackendUnsupported(f"{path} is not an SQLite database ({text}). Use another file.")
    if "disk I/O" in text:
        return BackendUnavailable(
            f"The SQLite file {path} cannot be read or written ({text}). Nothing was stored. Look at the disk, its quota and "
            "the limits of this process."
        )
    return BackendUnavailable(f"The SQLite file {path} cannot be used: {text}.")


def _can_open() -> bool:
    """Return whether this process can open a file at all: SQLite does not say why it could not."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True


def _nothing(connection: sqlite3.Connection) -> None:
    """Do nothing."""


def _give_answers(answers: list[tuple[_Operation, object]]) -> None:
    for operation, result in answers:
        if operation.then is not None and not isinstance(result, Exception):
            operation.then()
        if operation.answer.done():
            continue  # whoever asked was cancelled
        if isinstance(result, Exception):
            operation.answer.set_exception(result)
        else:
            operation.answer.set_result(result)
