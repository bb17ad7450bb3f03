"""How much work a worker takes ahead of its free slots."""

from __future__ import annotations

import pytest

from typedtasks.worker.pace import Pace


class _Watch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_taken_ahead_before_anything_has_ended() -> None:
    watch = _Watch()
    pace = Pace(watch)
    watch.now += 1.0
    assert pace.allowance() == 0


@pytest.mark.parametrize(("ended", "seconds", "ahead"), [(100, 0.01, 200), (1, 0.01, 2), (1, 0.1, 0), (10_000, 0.01, 1000)])
def test_twenty_milliseconds_of_work_are_taken_ahead_and_never_more_than_a_thousand(ended: int, seconds: float, ahead: int) -> None:
    watch = _Watch()
    pace = Pace(watch)
    for _ in range(ended):
        pace.ended()
    watch.now += seconds
    assert pace.allowance() == ahead


def test_a_stall_takes_the_pace_back_to_nothing() -> None:
    watch = _Watch()
    pace = Pace(watch)
    for _ in range(100):
        pace.ended()
    watch.now += 0.01
    assert pace.allowance() > 0
    pace.stalled()
    assert pace.allowance() == 0
