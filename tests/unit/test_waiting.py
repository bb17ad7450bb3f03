"""Who waits for an outcome that never comes is told so."""

from __future__ import annotations

import pytest

from typedtasks import Broker, ResultLost, waiting
from typedtasks.backend import new_task_id


async def test_an_unknown_id_from_a_clock_that_is_ahead_is_lost_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time says nothing; what counts is how long it has been awaited."""
    monkeypatch.setattr(waiting, "_LOOK_AGAIN", 0.01)
    monkeypatch.setattr(waiting, "_PATIENCE_MS", 20)
    broker = Broker("memory://")

    @broker.task(name="f")
    async def f() -> None: ...

    async with broker:
        for id in (new_task_id("default", broker.clock.now() + 3600), "default.zzzzzzzzzzzzzzzzzzzz"):
            with pytest.raises(ResultLost, match="is unknown"):
                await broker.handle(f, id).result(timeout=5)
