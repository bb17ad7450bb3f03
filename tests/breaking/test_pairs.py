"""What is said of a change is held to what happens: both versions are run, and read what the other one writes."""

from __future__ import annotations

from itertools import product

from tests.breaking.pairs import judge, versions

FALSE_AT_MOST = 120
"""Claims without an example, of 82,000. It only goes down."""


def test_no_break_is_missed_whatever_becomes_whatever() -> None:
    """Each type becomes each other one, as argument and as result. More, inside other types: `python -m tests.breaking.pairs`."""
    made = list(versions("{}"))
    verdicts = [verdict for before, after in product(made, made) for verdict in judge(before, after)]
    assert [str(verdict) for verdict in verdicts if verdict.is_missed] == []
    assert sum(not verdict.is_missed for verdict in verdicts) <= FALSE_AT_MOST
