"""What parked tasks wait for: whether that is here, and when they are taken.

A parked task is handed to a session that says that it has what the task waits for, so no other worker sees it meanwhile. Some
wait for a name or a key: the session has it or has not. One whose arguments did not fit waits for a worker that may be able to
read them: one that has the task by another contract than those that could not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from typedtasks.backend import Delivery

__all__ = ["ARGUMENTS", "Here", "Parking", "contract_token"]

ARGUMENTS: Final = 6
"""The characters of a contract that are about the arguments: what follows is about results."""
_TOKEN: Final = re.compile(r"the contract [^ ]+ of (.+?)(?: \(not ([^ ]+(?: nor [^ ]+)*)\))?", re.DOTALL)
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


def contract_token(task: str, contract: str, misfits: Sequence[str] = ()) -> str:
    """Return what a call waits for that its sender's contract made, and that workers with the contracts `misfits` cannot read."""
    unreadable = f" (not {' nor '.join(misfits)})" if misfits else ""
    return f"the contract {_ODD.sub('?', contract[:ARGUMENTS])} of {task}{unreadable}"


class Here:
    """What a worker knows and has: names of tasks, codecs and keys, and by which contract it knows each task."""

    def __init__(self, names: Collection[str], contracts: Mapping[str, str]) -> None:
        self._names = frozenset(names)
        self._contracts = {task: contract[:ARGUMENTS] for task, contract in contracts.items()}

    def __contains__(self, awaited: str) -> bool:
        """Return whether what a parked task waits for is here."""
        if awaited in self._names:
            return True
        token = _TOKEN.fullmatch(awaited)
        own = self._contracts.get(token[1]) if token is not None else None
        return token is not None and own is not None and own not in (token[2] or "").split(" nor ")


class Parking:
    """Which parked tasks a session takes now. `now` gives seconds that never go back.

    What it has taken and had to park again, because the task waits for something else as well, it leaves for a while: others
    may have that, and might hand it back and forth with this session for ever.
    """

    def __init__(self, here: Here, now: Callable[[], float]) -> None:
        self._here = here
        self._now = now
        self._awaited: dict[str, float] = {}
        """By what they wait for: the time before which they are left."""
        self._pauses: dict[str, float] = {}
        self._taken: dict[str, str] = {}
        """By receipt, what was taken and has not ended: what it waited for."""

    @property
    def knows_of_any(self) -> bool:
        """Whether there are parked tasks that this session could run."""
        return bool(self._awaited)

    def hear(self, awaited: str) -> bool:
        """Take notice that a task is parked, and return whether it is one for this session."""
        if awaited not in self._here:
            return False
        self._awaited.setdefault(awaited, 0.0)
        return True

    def due(self) -> list[str]:
        """Return for what the tasks wait that are to be taken now."""
        now = self._now()
        return [awaited for awaited, after in self._awaited.items() if after <= now]

    def take(self, awaited: str, deliveries: Sequence[Delivery], room: int) -> None:
        """Take notice of what was found where there was room for so many."""
        if len(deliveries) < room:
            self._awaited.pop(awaited, None)
        for delivery in deliveries:
            self._taken[delivery.receipt] = awaited

    def leave(self, awaited: str) -> None:
        """Leave such tasks for a while, each time for longer."""
        pause = self._pauses[awaited] = min(_LONGEST_PAUSE, 2 * self._pauses.get(awaited, _FIRST_PAUSE / 2))
        self._awaited[awaited] = self._now() + pause

    def end(self, receipt: str, *, in_vain: bool) -> None:
        """Take notice that a delivery has ended; `in_vain`: it is parked again."""
        awaited = self._taken.pop(receipt, None)
        if awaited is not None and in_vain:
            self.leave(awaited)
        elif awaited is not None:
            self._pauses.pop(awaited, None)
