"""The mypy plugin: `plugins = ["typedtasks.mypy_plugin"]`. Tasks work without it; `docs/mypy-plugin.md` says what it adds.

It works where a task is defined, and nowhere else: what it finds there becomes part of the task's type, which mypy keeps in its
cache. So whoever uses the task is checked rightly from a warm cache, by the daemon, and by parallel workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typedtasks.mypy_plugin.plugin import TypedTasksPlugin, snapshot

if TYPE_CHECKING:
    from mypy.plugin import Plugin

__all__ = ["plugin"]


def plugin(version: str) -> type[Plugin]:
    """Return the plugin for mypy."""
    return TypedTasksPlugin


def __getattr__(name: str) -> str:
    """Give mypy the version that it compares whenever `dmypy run` is called: another one makes the daemon start afresh."""
    if name == "__version__":
        return snapshot()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
