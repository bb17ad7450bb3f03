"""What waits in queues, read with today's tasks: which of it would fail, and why. Nothing is changed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from typedtasks.backends import redacted
from typedtasks.broker import Broker
from typedtasks.cli.loading import UsageError
from typedtasks.codecs import Undecodable
from typedtasks.contract import Misfit
from typedtasks.envelope import EnvelopeInvalid, EnvelopeReader
from typedtasks.errors import DefinitionError, one_line
from typedtasks.inventory import State, Stored
from typedtasks.sealing import SEAL_ROOM

__all__ = ["STATES", "Pending", "Reason", "TaskPending", "examine"]

STATES: Final[tuple[State, ...]] = ("ready", "running", "delayed", "parked", "dead")
_MOST_TASKS: Final = 1000
_MOST_REASONS: Final = 20
_LONGEST_NAME: Final = 256
_PAUSE: Final = 2.0
"""Seconds between two lines about how far a long look has come."""


@dataclass(slots=True)
class Reason:
    """Why payloads would fail: how many of them, and the id of one."""

    text: str
    count: int
    example: str


@dataclass(slots=True)
class TaskPending:
    """What waits of one task."""

    looked_at: int = 0
    failing: Counter[State] = field(default_factory=Counter[State])
    """How many would fail, by state."""
    reasons: dict[str, Reason] = field(default_factory=dict[str, Reason])
    further: int = 0
    """How many would fail for reasons that are not listed, because there are too many."""

    def add(self, stored: Stored, found: Sequence[str]) -> None:
        """Count a payload, with the reasons for which it would fail."""
        self.looked_at += 1
        if not found:
            return
        self.failing[stored.state] += 1
        for text in found:
            if text in self.reasons:
                self.reasons[text].count += 1
            elif len(self.reasons) < _MOST_REASONS:
                self.reasons[text] = Reason(text, 1, stored.id)
            else:
                self.further += 1


@dataclass(slots=True)
class Pending:
    """What was found in the queues of one backend. Its size does not depend on how much waits."""

    url: str
    queues: tuple[str, ...]
    states: Counter[State] = field(default_factory=Counter[State])
    """How many tasks were looked at, by state."""
    tasks: dict[str, TaskPending] = field(default_factory=dict[str, TaskPending])

    @property
    def failing(self) -> int:
        """How many would fail."""
        return sum(task.failing.total() for task in self.tasks.values())

    def add(self, stored: Stored, name: str, reasons: Sequence[str]) -> None:
        """Count a task, with the reasons for which it would fail.

        What a queue holds may have any names: beyond a thousand they are counted together.
        """
        self.states[stored.state] += 1
        if name not in self.tasks and len(self.tasks) >= _MOST_TASKS:
            name = "(further names)"
        self.tasks.setdefault(name, TaskPending()).add(stored, reasons)


async def examine(
    broker: Broker,
    url: str,
    queues: Collection[str],
    states: Collection[State] = STATES,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Pending:
    """Read all tasks of queues at a URL with the tasks of `broker`, page by page, and return what would fail.

    `say` is told now and then how far it has come. Raises `UsageError` where nothing can wait at the URL, and what
    `Broker.open` raises.
    """
    _check_exists(url)
    found = Pending("", tuple(dict.fromkeys(queues)))
    check = _Check(broker)
    async with Broker(url, clock=broker.clock) as reader:
        found.url = reader.url
        counts = [await reader.counts(queue) for queue in found.queues]
        total = sum(getattr(count, state) for count in counts for state in states)
        said = broker.clock.monotonic()
        for queue in found.queues:
            async for stored in reader.walk(queue):
                if stored.state in states:
                    found.add(stored, *check.reasons(stored))
                if broker.clock.monotonic() - said >= _PAUSE:
                    said = broker.clock.monotonic()
                    seen, failing = found.states.total(), found.failing
                    say(f"{seen:,} of about {total:,} tasks looked at; {failing:,} would fail")
    return found


class _Check:
    """Says of one payload after the other why it would fail."""

    def __init__(self, broker: Broker) -> None:
        self._tasks = broker.tasks
        self._sealing = broker.sealing
        self._reader = EnvelopeReader(broker.max_payload + SEAL_ROOM)

    def reasons(self, stored: Stored) -> tuple[str, list[str]]:
        """Return the task's name, and one line for each reason: where in the payload, and what is wrong there, without values."""
        try:
            header, payload = self._reader.read(stored.body)
        except EnvelopeInvalid as invalid:
            return "(no envelope)", [one_line(f"its envelope cannot be read: {invalid}")]
        name = header.task
        task = self._tasks.get(name)
        if task is None:
            return name, ["there is no task of this name: it would be parked until a worker knows it"]
        try:
            task.boundary.decode_arguments(self._sealing.open_call(payload, header.codecs, stored.id, name))
        except Misfit as misfit:
            return name, list(dict.fromkeys(f"{_place(error['loc'])}: {one_line(error['msg'])}" for error in misfit.errors))
        except (Undecodable, DefinitionError) as error:
            return name, [one_line(str(error))]
        return name, []


def _place(location: Sequence[int | str]) -> str:
    """Return where something is wrong, the same for every element of a list."""
    parts = ["[]" if isinstance(part, int) else f".{part[:_LONGEST_NAME]}" for part in location]
    return one_line("".join(parts).removeprefix(".")) or "(the whole payload)"


def _check_exists(url: str) -> None:
    """Raise `UsageError` where opening a URL would make what is not there, or show what no other process can see."""
    if url.startswith("memory:"):
        raise UsageError("--pending memory:// finds nothing: what waits there is known to its own process alone.")
    if url.startswith("sqlite:///") and not Path(unquote(url.removeprefix("sqlite:///"))).is_file():
        raise UsageError(f"--pending {redacted(url)}: there is no such file, so nothing waits in it.")
