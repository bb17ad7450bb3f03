"""How the operator's commands show what they found."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from typedtasks.backend import Priority

__all__ = ["counted", "priority_name", "shown_bytes", "shown_text", "shown_time", "to_json"]


def counted(number: int, what: str) -> str:
    """Return a number with its noun, such as `1 task` or `2 tasks`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def shown_time(ms: float) -> str:
    """Return milliseconds since 1970 as a time in UTC, to the second; nothing for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return "-"


def shown_text(text: str, *, longest: int | None = None) -> str:
    """Return text that cannot steer a terminal: what is not printable is escaped, but for line ends."""
    cut = text if longest is None or len(text) <= longest else text[:longest] + "..."
    return "".join(character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in cut)


def shown_bytes(data: bytes, *, longest: int | None = None) -> str:
    """Return bytes as the text that they are, or escaped where they are none."""
    cut = data if longest is None or len(data) <= longest else data[:longest] + b"..."
    return shown_text(cut.decode("utf-8", "backslashreplace"))


def priority_name(priority: int) -> str:
    """Return the name of a priority, or the number of one that has none."""
    return Priority(priority).name.lower() if priority in tuple(Priority) else str(priority)


def to_json(document: object) -> str:
    """Return a document as indented JSON in ASCII."""
    return json.dumps(document, indent=2)
