"""When a failed task is run again."""

from __future__ import annotations

import random

import pytest

from typedtasks import DefinitionError, Retry


def test_exponential_backoff_doubles_instead_of_growing_linearly() -> None:
    """Each wait is `factor` times the one before, up to the cap."""
    retry = Retry(max_attempts=9, backoff=1.0, factor=2.0, max_delay=60.0, jitter=0.0)

    waits = [retry.delay(attempt, random.Random(1)) for attempt in range(1, 9)]

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_spreads_the_waits_within_its_share_and_below_the_cap() -> None:
    """Tasks that failed together come back at different times."""
    retry = Retry(backoff=10.0, jitter=0.2, max_delay=11.0)
    chance = random.Random(7)

    waits = [retry.delay(1, chance) for _ in range(200)]

    assert all(8.0 <= wait <= 11.0 for wait in waits)
    assert len(set(waits)) > 50


def test_a_very_late_attempt_waits_for_the_cap_and_does_not_overflow() -> None:
    """Even attempt 10,000 has a finite wait."""
    assert Retry(jitter=0.0).delay(10_000, random.Random(1)) == 600.0


def test_without_on_every_exception_is_retried_except_declared_failures() -> None:
    """A declared failure is an answer, not an accident."""
    retry = Retry()

    assert retry.covers(ValueError(), declared=(KeyError,))
    assert not retry.covers(KeyError(), declared=(KeyError,))


def test_on_names_the_exceptions_that_are_retried_subclasses_too() -> None:
    """`on` is the whole list, declared failures included."""
    retry = Retry(on=(LookupError,))

    assert retry.covers(KeyError(), declared=(KeyError,))
    assert not retry.covers(ValueError(), declared=())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_attempts": 0}, "the task never runs"),
        ({"max_attempts": 2.5}, "max_attempts=2.5"),
        ({"max_attempts": "3"}, "max_attempts='3'"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"factor": 0.5}, "would make waits shorter"),
        ({"factor": float("nan")}, "factor=nan"),
        ({"factor": "x"}, "factor='x'"),
        ({"factor": 10**400}, "would make waits shorter"),
        ({"max_attempts": 10**5000}, "max_attempts=<int"),
        ({"max_delay": 10**400}, "Retry.max_delay=1000.* at most 100 years"),
        ({"backoff": -(10**5000)}, "Retry.backoff=<int.* at most 100 years"),
        ({"jitter": 2.0}, "it is a share"),
        ({"jitter": float("nan")}, "jitter=nan"),
        ({"jitter": None}, "jitter=None"),
        ({"when": 5}, "when=5"),
        ({"on": BaseException}, "never retried"),
        ({"on": (ValueError, SystemExit)}, "never retried"),
        ({"backoff": -1.0}, "Retry.backoff=-1.0 is not possible"),
    ],
)
def test_a_retry_that_makes_no_sense_is_refused(options: dict[str, object], text: str) -> None:
    """The error names the value and what to pass instead."""
    with pytest.raises(DefinitionError, match=text):
        Retry(**options)  # type: ignore[arg-type]  # the wrong values are the point
