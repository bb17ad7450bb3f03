"""A short soak in every test run; `make soak` runs an hour."""

from __future__ import annotations

from tests.chaos.soak import Soak


def test_a_worker_under_a_steady_load_needs_no_more_with_time() -> None:
    """Its descriptors and the keys in Redis stay the same, and so does its memory, as far as some seconds can show."""
    wear = Soak(8, 500).run()
    assert wear.tasks >= 3000
    assert not wear.failures(hour=False), str(wear)
