"""`python -m tests.simulation --seeds 20000`: many simulated worlds, and a report; `--seed 7` runs one and tells its story."""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.model.mutants import MUTANTS
from tests.simulation.witness import Violation
from tests.simulation.world import run_seed, run_seeds

_AT_A_TIME = 50
_REPORT_EVERY = 20.0


def main() -> int:
    """Run them on all processors, and return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000, help="how many worlds")
    parser.add_argument("--first", type=int, default=random.randrange(10**9), help="the seed of the first")
    parser.add_argument("--seed", type=int, help="run this one, and tell its story")
    options = parser.parse_args()
    if options.seed is not None:
        return _tell(options.seed)
    print(f"Simulated worlds: {options.seeds:,}, --first {options.first}", flush=True)
    begun = reported = time.monotonic()
    outcomes = deliveries = done = 0
    broken: list[str] = []
    with ProcessPoolExecutor() as pool:
        starts = range(options.first, options.first + options.seeds, _AT_A_TIME)
        for found in pool.map(_run_some, starts):
            done += _AT_A_TIME
            outcomes, deliveries = outcomes + found[0], deliveries + found[1]
            broken += found[2]
            if time.monotonic() - reported > _REPORT_EVERY:
                reported = time.monotonic()
                print(f"  {done:,} worlds in {reported - begun:.0f} s, {len(broken)} broken", flush=True)
    for text in broken[:5]:
        print(text)
    mutants = sum(_is_found_out(number) for number in range(len(MUTANTS)))
    print(
        f"{done:,} worlds in {time.monotonic() - begun:.0f} s: {outcomes:,} outcomes of {deliveries:,} deliveries, "
        f"{len(broken)} worlds with a broken promise; {mutants} of {len(MUTANTS)} mutants found out.",
        flush=True,
    )
    return int(bool(broken) or mutants < len(MUTANTS))


def _run_some(first: int) -> tuple[int, int, list[str]]:
    outcomes, deliveries = 0, 0
    broken: list[str] = []
    for seed in range(first, first + _AT_A_TIME):
        try:
            witness = run_seed(seed)
        except Violation as violation:
            broken.append(str(violation))
        else:
            outcomes += len(witness.outcomes)
            deliveries += sum(" is handed " in line for line in witness.history)
    return outcomes, deliveries, broken


def _is_found_out(mutant: int) -> bool:
    try:
        run_seeds(range(1000), kind=MUTANTS[mutant])
    except Violation:
        return True
    return False


def _tell(seed: int) -> int:
    try:
        print("\n".join(run_seed(seed).history))
    except Violation as violation:
        print(violation)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
