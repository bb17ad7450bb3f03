"""The adapters: what a broker's URL stands for."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import unquote

from typedtasks.backend import Backend
from typedtasks.backends.urls import has_form, redacted
from typedtasks.errors import BackendUnsupported

__all__ = ["DEFAULT_URL", "backend_from_url", "redacted"]

DEFAULT_URL: Final = "sqlite:///.typedtasks/tasks.db"

_KNOWN: Final = (
    "redis://host:6379/0, redis+sentinel://host:26379/service, redis+cluster://host:6379 (each with rediss for TLS), unix://…, "
    "sqlite:///relative.db, sqlite:////absolute.db, memory://"
)
_REDIS: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")


def backend_from_url(url: str) -> Backend:
    """Return the backend for a URL, not connected yet. Raises `BackendUnsupported` for a URL that means nothing here."""
    scheme, colon, _ = url.partition("://")
    if colon and scheme == "memory":
        from typedtasks.backends.memory import MemoryBackend

        return MemoryBackend()
    if colon and scheme == "sqlite":
        from typedtasks.backends.sqlite import SQLiteBackend

        return SQLiteBackend(_sqlite_path(url))
    if colon and scheme in _REDIS:
        from typedtasks.backends.redis import RedisBackend

        return RedisBackend(url)
    raise BackendUnsupported(f"The broker's URL {redacted(url)!r} has no known scheme. Known are: {_KNOWN}.")


def _sqlite_path(url: str) -> str:
    rest = url.removeprefix("sqlite://")
    if not rest.startswith("/") or rest == "/" or "?" in rest or not has_form(url):
        raise BackendUnsupported(
            f"The broker's URL {redacted(url)!r} names no file: write sqlite:///tasks.db for a file in the working directory, "
            "or sqlite:////var/lib/tasks.db (four slashes) for an absolute path. Users, passwords and parameters are not known."
        )
    path = unquote(rest[1:], errors="surrogateescape")  # a path is bytes, and %E9 is one of them
    if "\0" in path:
        raise BackendUnsupported(f"The broker's URL {redacted(url)!r} names no file: its name has a null character.")
    if not _can_be_named(path):
        raise BackendUnsupported(
            f"The broker's URL {redacted(url)!r} names no file: its name has characters that this system's file names cannot have."
        )
    return path


def _can_be_named(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True
