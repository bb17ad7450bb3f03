"""Leases in memory go by a clock that nobody can set."""

from __future__ import annotations

import pytest

from typedtasks.backend import SessionId
from typedtasks.backends.memory import MemoryBackend
from typedtasks.clock import ManualClock
from typedtasks.testing.harness import RecordingListener


class Settable(ManualClock):
    """Says another time than it was, once it was set."""

    offset = 0.0

    def now(self) -> float:
        """Return the time that it was set to."""
        return super().now() + self.offset


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_clock_that_is_set_ends_no_lease_and_keeps_none(jump: float) -> None:
    """It ends when its time is over."""
    clock = Settable()
    backend = MemoryBackend(clock)
    session = await backend.join(SessionId("one"), ["default"], 15.0, RecordingListener())
    clock.offset = jump
    assert session.keeper().renew()
    assert [state.lease_ms for state in await backend.sessions("default")] == [15_000]
    clock.advance(15.0)
    assert not session.keeper().renew()
