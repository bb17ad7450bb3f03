"""The worker under faults, a few hundred worlds of them. `make chaos` runs many thousands."""

from __future__ import annotations

import pytest

from tests.model.mutants import MUTANTS
from tests.simulation.witness import Violation
from tests.simulation.world import run_seed, run_seeds
from typedtasks.backends.memory import MemoryBackend

SEEDS = 200
ENOUGH_FOR_A_MUTANT = 100


def test_nothing_is_lost_and_nothing_is_settled_twice() -> None:
    """Whatever dies, freezes, goes away or gets lost: every waiter has one answer, and it is the right one."""
    run_seeds(range(SEEDS))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_always_tells_the_same_story(seed: int) -> None:
    """So a failure can be looked at again."""
    assert run_seed(seed).history == run_seed(seed).history


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_backend_without_one_of_its_fences_is_found_out(mutant: type[MemoryBackend]) -> None:
    """Otherwise the simulation would prove nothing."""
    with pytest.raises(Violation, match="Again: python -m tests.simulation --seed"):
        run_seeds(range(ENOUGH_FOR_A_MUTANT), kind=mutant)


def test_a_server_that_forgets_which_batches_it_had_is_found_out() -> None:
    """A batch that is sent again after a lost answer would run twice."""
    with pytest.raises(Violation, match="has a second outcome"):
        run_seeds(range(ENOUGH_FOR_A_MUTANT), knows_batches=False)
