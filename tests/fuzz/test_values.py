"""A few thousand calls of random types; `python -m tests.fuzz.values` makes a million."""

from tests.fuzz.values import exchange_values


def test_no_accepted_call_is_a_dead_letter_or_arrives_as_another_value() -> None:
    """With hostile values of every kind, as arguments and as results."""
    report = exchange_values(4000, seed=1)
    assert report.failures == []
    assert report.accepted > 1000
