"""Lua scripts, and the names of the keys that they work on."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["Script", "prefix_of"]

_SHARED: Final = "-- common.lua\n"


class Script:
    """One Lua script, with what all of them share in the place of the line that names it."""

    def __init__(self, name: str) -> None:
        before, _, after = _text(name).partition(_SHARED)
        self.name = name
        self.text = f"{before}{_text('common')}{after}"
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def line(self, number: int) -> str:
        """Return a line of it, for an error."""
        lines = self.text.splitlines()
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""


@cache
def _text(name: str) -> str:
    return (files("typedtasks.backends.redis") / "scripts" / f"{name}.lua").read_text()


def prefix_of(queue: str) -> str:
    """Return what every key of a queue begins with. The braces keep them in one slot of a cluster."""
    return f"tt:{{{queue}}}:"
