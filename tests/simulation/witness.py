"""Who sees everything that happens to a simulated queue, and says what must not be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from typedtasks.backend import Delivery, Settlement, TaskId
from typedtasks.backends.memory import MemoryBackend
from typedtasks.backends.memory_state import Entry
from typedtasks.clock import Clock

__all__ = ["Violation", "Witness", "watched"]


class Violation(AssertionError):
    """A promise was broken."""


class Witness:
    """Keeps its own books: who was handed what last, and which outcome was committed."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.history: list[str] = []
        """Everything that happened, in words that are the same for the same seed."""
        self.owners: dict[TaskId, tuple[str, str]] = {}
        """By task: the session and the receipt of its latest delivery, until that is settled or given back."""
        self.outcomes: dict[TaskId, bytes] = {}
        self._names: dict[str, int] = {}

    def name(self, id: str) -> str:
        """Return a name for an id that is the same in every run of the same seed."""
        return f"#{self._names.setdefault(id, len(self._names))}"

    def note(self, text: str) -> None:
        """Remember an event."""
        self.history.append(f"{asyncio.get_running_loop().time():9.3f} {text}")

    def breach(self, text: str) -> None:
        """Remember that a promise was broken."""
        self.broken.append(text)
        self.note(f"BROKEN: {text}")

    def handed_out(self, delivery: Delivery, session: str, *, is_alive: bool) -> None:
        """Take notice of a delivery."""
        self.note(f"{self.name(session)} is handed {self.name(delivery.id)}")
        if not is_alive:
            self.breach(f"{self.name(delivery.id)} was handed to a session without a lease")
        self.owners[delivery.id] = (session, delivery.receipt)

    def ended(self, session: str, deliveries: Sequence[Delivery], answers: Sequence[bool], owned: Sequence[bool]) -> None:
        """Take notice of deliveries that a session settled or gave back, and of whether it owned each of them by our books."""
        for delivery, answer, was_owned in zip(deliveries, answers, owned, strict=True):
            self.note(f"{self.name(session)} ends {self.name(delivery.id)}: {answer}")
            if answer and not was_owned:
                self.breach(f"{self.name(session)} ended {self.name(delivery.id)}, which it did not own")
            if answer:
                self.owners.pop(delivery.id, None)

    def committed(self, id: TaskId, outcome: bytes) -> None:
        """Take notice of an outcome."""
        self.note(f"{self.name(id)} has the outcome {outcome[:60]!r}")
        if id in self.outcomes:
            self.breach(f"{self.name(id)} has a second outcome")
        self.outcomes[id] = outcome

    def owns(self, session: str, item: Delivery | Settlement) -> bool:
        """Return whether a session had this delivery last."""
        delivery = item if isinstance(item, Delivery) else item.delivery
        return self.owners.get(delivery.id) == (session, delivery.receipt)


def watched(kind: type[MemoryBackend], clock: Clock, witness: Witness) -> MemoryBackend:
    """Return a backend of some kind that tells the witness of every delivery and every outcome."""

    class Watched(kind):  # type: ignore[misc, valid-type]  # which kind it is, the caller knows
        def lease_out(self, name: str, entry: Entry, session: str) -> Delivery:
            delivery: Delivery = super().lease_out(name, entry, session)
            witness.handed_out(delivery, session, is_alive=self.is_alive(session))
            return delivery

        def conclude(self, id: TaskId, outcome: bytes, ttl_ms: int) -> None:
            witness.committed(id, outcome)
            super().conclude(id, outcome, ttl_ms)

    return Watched(clock)
