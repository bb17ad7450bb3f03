"""Outcomes that a backend refuses: the others are settled, and the refused one ends with that as its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from typedtasks.backend import Delivery, Finish, Priority, Session, Settlement, new_task_id
from typedtasks.outcome import read_outcome, success_prefix
from typedtasks.worker.settlement import Settler


class _Picky:
    """A session whose backend takes no value above 100 bytes, and no more than 64 MiB in one call."""

    def __init__(self, largest: int = 100) -> None:
        self.calls: list[int] = []
        self.settled: dict[str, bytes] = {}
        self._largest = largest

    async def settle(self, batch: Sequence[Settlement]) -> list[bool]:
        finished = [item for item in batch if isinstance(item, Finish)]
        self.calls.append(sum(len(item.outcome) for item in finished))
        if any(item.outcome.count(b"x") > self._largest for item in finished):
            raise ValueError("too large")
        self.settled.update({item.delivery.receipt: item.outcome for item in finished})
        return [True] * len(batch)


def _finish(receipt: str, size: int) -> Finish:
    delivery = Delivery(new_task_id("default", 0.0), "default", Priority.NORMAL, b"", 1, receipt, False)
    return Finish(delivery, success_prefix(3) + b'"' + b"x" * size + b'"', 1000)


async def _settle(session: _Picky, settlements: list[Finish]) -> list[str]:
    done: list[str] = []
    settler = Settler(cast("Session", session), lambda settlement: done.append(settlement.delivery.receipt))
    for settlement in settlements:
        settler.put(settlement)
    running = asyncio.create_task(settler.run())
    async with asyncio.timeout(5):
        await settler.drained()
    running.cancel()
    return done


async def test_one_refused_outcome_does_not_hold_up_the_others() -> None:
    session = _Picky()
    assert await _settle(session, [_finish("1", 10), _finish("2", 5000), _finish("3", 10)]) == ["1", "2", "3"]
    kinds = {receipt: read_outcome(outcome)[0] for receipt, outcome in session.settled.items()}
    assert [kinds[receipt]["outcome"] for receipt in "123"] == ["success", "crashed", "success"]
    assert kinds["2"]["attempts"] == 3
    assert "refused its outcome" in str(kinds["2"]["message"])


async def test_large_outcomes_are_spread_over_several_calls() -> None:
    session = _Picky(largest=100_000_000)
    await _settle(session, [_finish(str(number), 12_000_000) for number in range(5)])
    assert len(session.calls) == 3
    assert max(session.calls) < 32 * 1024 * 1024
