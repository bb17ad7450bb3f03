"""Runs of the machine: how many, and whether they are the same every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import BackendMachine
from tests.model.stores import Store

__all__ = ["check"]


def check(
    new_store: Callable[[], Store], *, runs: int, steps: int = 50, chance: int | None = None, shrink: bool = True
) -> Counter[str]:
    """Run the machine on stores, and return how often it did what. Without `chance` it does the same every time.

    A run that fails is raised with each of its steps, of which (`shrink`) there are as few as may be.
    """
    done: Counter[str] = Counter()

    class Machine(BackendMachine):
        def __init__(self) -> None:
            super().__init__(new_store(), done)

    run_state_machine_as_test(
        Machine if chance is None else seed(chance)(Machine),
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            derandomize=chance is None,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    return done
