"""The SQLite backend: the embedded default, durable, for several processes on one machine."""

from typedtasks.backends.sqlite.client import SQLiteBackend

__all__ = ["SQLiteBackend"]
