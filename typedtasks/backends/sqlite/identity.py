"""Which file a path led to when it was opened, and whether it still does.

A file that was deleted or replaced lives on for those who have it open, and nobody else ever sees what they write. When SQLite
closes the last connection to it, it deletes the write-ahead log by its name, which may be that of the new file by now: so such
connections are kept.
"""

from __future__ import annotations

import os
import sqlite3
import threading

__all__ = ["Identity", "keep_open"]


class Identity:
    """The file that a path leads to now."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._file = _file_at(self._path)

    def has_changed(self) -> bool:
        """Return whether the path leads to another file now, or to none."""
        try:
            return _file_at(self._path) != self._file
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False  # it cannot be looked at: whoever uses it is told so


def keep_open(connection: sqlite3.Connection) -> None:
    """Keep a connection until the process ends, without closing it then: nothing unwinds the stack of a daemon thread."""
    threading.Thread(target=_hold, args=(connection,), name="typedtasks-sqlite-replaced", daemon=True).start()


def _file_at(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _hold(connection: sqlite3.Connection) -> None:
    threading.Event().wait()
    connection.close()
