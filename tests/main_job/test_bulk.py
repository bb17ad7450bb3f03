"""Many calls at once: groups that overlap, and what is known when one of them fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from typedtasks import BackendUnavailable, Broker
from typedtasks.backend import Publication, TaskId
from typedtasks.backends.memory import MemoryBackend


class Failing(MemoryBackend):
    """Refuses the second group of what is sent."""

    groups = 0

    async def publish(self, batch: Sequence[Publication]) -> dict[TaskId, TaskId]:
        self.groups += 1
        if self.groups == 2:
            raise BackendUnavailable("The second group is refused.")
        return await super().publish(batch)


async def test_a_group_that_fails_is_an_error_and_the_others_are_stored() -> None:
    """The caller is told, after all groups have been answered."""
    backend = Failing()
    broker = Broker(backend)

    @broker.task(name="double")
    async def double(number: int) -> int:
        return 2 * number

    async with broker:
        with pytest.raises(BackendUnavailable, match="The second group is refused"):
            await broker.enqueue_many([double.call(number) for number in range(2500)])
        assert backend.groups == 3
        assert (await broker.counts()).ready == 1500


async def test_calls_of_several_groups_are_stored_in_their_order() -> None:
    """However many groups are under way at a time."""
    broker = Broker("memory://")

    @broker.task(name="double")
    async def double(number: int) -> int:
        return 2 * number

    async with broker:
        handles = await broker.enqueue_many([double.call(number) for number in range(12_000)])
        assert [waiting.id for waiting in await broker.peek(limit=20_000)] == [handle.id for handle in handles]
        assert len({handle.id for handle in handles}) == 12_000
