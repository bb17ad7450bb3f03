"""How the operator's commands show what they found."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from typedtasks.backend import Priority, Waiting
from typedtasks.broker import Broker
from typedtasks.codecs import Undecodable
from typedtasks.errors import DefinitionError, one_line
from typedtasks.operating import DeadLetter, header_of

__all__ = [
    "Curtain",
    "counted",
    "name_of",
    "needed",
    "print_lists",
    "priority_name",
    "shown_bytes",
    "shown_text",
    "shown_time",
    "to_json",
]

T = TypeVar("T")

_SHOWN: Final = 200
"""Bytes of a payload that a list shows."""


class _Hidden(Exception):
    """A payload that is not shown. The text says why."""


@dataclass(frozen=True, slots=True)
class Curtain:
    """Shows payloads. Encrypted ones, and those of tasks that are known to hold a `Secret`, only if they are to be revealed."""

    broker: Broker
    reveal: bool

    def shown(self, item: DeadLetter | Waiting, *, whole: bool = False) -> str:
        """Return a payload for people."""
        try:
            payload = self._payload(item)
        except _Hidden as hidden:
            return f"({hidden})"
        return shown_bytes(payload, longest=None if whole else _SHOWN)

    def field(self, item: DeadLetter | Waiting) -> dict[str, object]:
        """Return a payload as a field of a JSON document: as text, in base64 where it is none, null where it is hidden."""
        try:
            payload = self._payload(item)
        except _Hidden:
            return {"payload": None}
        try:
            return {"payload": payload.decode()}
        except UnicodeDecodeError:
            return {"payload_base64": base64.b64encode(payload).decode()}

    def _payload(self, item: DeadLetter | Waiting) -> bytes:
        """Return what may be shown: the arguments, or the whole envelope where it cannot be read."""
        header = header_of(item.body)
        if header is None:
            return item.body
        if not self.reveal and header.codecs and self.broker.sealing.hides:
            raise _Hidden("it is encrypted: --reveal shows it")
        if not self.reveal and self._takes_secret(header.task):
            raise _Hidden("it holds a secret: --reveal shows it")
        if not header.codecs:
            return item.body.partition(b"\n")[2]
        try:
            return self.broker.read_payload(item)
        except Undecodable as error:
            raise _Hidden(str(error)) from None

    def _takes_secret(self, name: str) -> bool:
        task = self.broker.tasks.get(name)
        try:
            return task is not None and task.boundary.holds_secret
        except DefinitionError:
            return True  # what it takes cannot be found out


def counted(number: int, what: str) -> str:
    """Return a number with its noun, such as `1 task` or `2 tasks`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def print_lists(lists: Mapping[str, Sequence[T]], totals: Mapping[str, int], noun: str, line: Callable[[T], str]) -> None:
    """Print what was found in each queue, and how much of all that is there it is."""
    for queue, items in lists.items():
        for item in items:
            print(line(item))
        total = counted(totals[queue], noun)
        print(f"{total} in {queue}." if len(items) == totals[queue] else f"{len(items)} of {total} in {queue}.")


def name_of(task: Waiting) -> str:
    """Return the name of a parked task."""
    header = header_of(task.body)
    return task.awaits if header is None else header.task


def needed(task: Waiting) -> str:
    """Return what a worker has to know or have to run a parked task: its name, a codec, a key, a version of its types."""
    return f"knows {task.awaits!r}" if task.awaits == name_of(task) else f"has {one_line(task.awaits)}"


def shown_time(ms: float) -> str:
    """Return milliseconds since 1970 as a time in UTC, to the second; nothing for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return "-"


def shown_text(text: str, *, longest: int | None = None) -> str:
    """Return text that cannot steer a terminal: what is not printable is escaped, but for line ends."""
    cut = text if longest is None or len(text) <= longest else text[:longest] + "..."
    return "\n".join(map(one_line, cut.split("\n")))


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
