"""Memory backends of which each lacks one fence: the machine and the simulation have to find every one of them out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from typedtasks.backend import Delivery, Recovered, SessionId, SessionListener
from typedtasks.backends.memory import MemoryBackend, MemorySession
from typedtasks.backends.memory_state import Entry

__all__ = [
    "MUTANTS",
    "FindsNothingOfItsOwn",
    "IgnoresHeld",
    "ReceivesWithoutLease",
    "SettlesWhatOthersOwn",
    "SettlesWithoutLease",
]


class _Mutant(MemoryBackend):
    session: type[MemorySession]

    async def join(self, session: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> MemorySession:
        await super().join(session, queues, lease, listener)
        return self.session(self, session, queues, lease)


class SettlesWhatOthersOwn(_Mutant):
    """No look at who owns a delivery, nor at which delivery of the task it is."""

    class session(MemorySession):  # noqa: N801 - it is an attribute
        def _take_back(self, delivery: Delivery) -> Entry | None:
            if not self._backend.is_alive(self._id):
                return None
            return self._backend.queue(delivery.queue).running.pop(delivery.id, None)


class SettlesWithoutLease(_Mutant):
    """No look at the lease before a delivery is ended."""

    class session(MemorySession):  # noqa: N801 - it is an attribute
        def _take_back(self, delivery: Delivery) -> Entry | None:
            running = self._backend.queue(delivery.queue).running
            entry = running.get(delivery.id)
            if entry is None or entry.owner != self._id or str(entry.fence) != delivery.receipt:
                return None
            return running.pop(delivery.id)


class ReceivesWithoutLease(_Mutant):
    """No look at the lease before tasks are handed out."""

    class session(MemorySession):  # noqa: N801 - it is an attribute
        def _check(self) -> None:
            return

        async def recover(self, held: Collection[str], capacity: int) -> Recovered:
            super()._check()
            return await super().recover(held, capacity)


class IgnoresHeld(_Mutant):
    """What a session has in hand is taken for lost."""

    class session(MemorySession):  # noqa: N801 - it is an attribute
        async def recover(self, held: Collection[str], capacity: int) -> Recovered:
            return await super().recover((), capacity)


class FindsNothingOfItsOwn(_Mutant):
    """Nothing is taken for lost of what a session owns."""

    class session(MemorySession):  # noqa: N801 - it is an attribute
        async def recover(self, held: Collection[str], capacity: int) -> Recovered:
            return await super().recover(_Everything(), capacity)


class _Everything(Collection[str]):
    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


MUTANTS: Final = (SettlesWhatOthersOwn, SettlesWithoutLease, ReceivesWithoutLease, IgnoresHeld, FindsNothingOfItsOwn)
