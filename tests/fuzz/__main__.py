"""`python -m tests.fuzz --cases 1000000`: so many cases of every decoder, and a report; `--target NAME --case N` runs one."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.fuzz.running import Report, fuzz
from tests.fuzz.targets import TARGETS

_AT_A_TIME = 2000
_REPORT_EVERY = 20.0


def main() -> int:
    """Run them on all processors, and return 1 when a decoder raised what it does not document, or took too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="of each decoder")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="repeats what a report names")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="only this decoder")
    parser.add_argument("--case", type=int, help="only this case, and its error in full")
    options = parser.parse_args()
    names = [target.name for target in TARGETS if options.target in (None, target.name)]
    if options.case is not None:
        asyncio.run(_run_one(names[0], options.case, options.seed))
        return 0
    print(f"Hostile cases: {options.cases:,} for each of {len(names)} decoders, --seed {options.seed}", flush=True)
    begun = time.monotonic()
    with ProcessPoolExecutor() as pool:
        reports = [_fuzz_target(pool, name, options.cases, options.seed) for name in names]
    cases, failures = sum(report.cases for report in reports), sum(len(report.failures) for report in reports)
    print(f"{cases:,} cases in {time.monotonic() - begun:.0f} s, {failures} failures.", flush=True)
    return int(failures > 0)


def _fuzz_target(pool: ProcessPoolExecutor, name: str, cases: int, seed: int) -> Report:
    total, begun = Report(name), time.monotonic()
    reported = begun
    for part in pool.map(partial(_run_some, name, cases, seed), range(0, cases, _AT_A_TIME)):
        total.cases += part.cases
        total.refused += part.refused
        total.slowest = max(total.slowest, part.slowest)
        total.failures += part.failures
        if time.monotonic() - reported > _REPORT_EVERY:
            reported = time.monotonic()
            print(f"  {name}: {total.cases:,} of {cases:,} in {reported - begun:.0f} s", flush=True)
    seconds, slowest = time.monotonic() - begun, total.slowest * 1000
    print(
        f"{name:>16}: {total.cases:,} cases in {seconds:.0f} s, {total.refused:,} refused, the slowest {slowest:.1f} ms, "
        f"{len(total.failures)} failures",
        flush=True,
    )
    for failure in total.failures[:5]:
        print(f"  {failure}", flush=True)
    return total


async def _run_one(name: str, case: int, seed: int) -> None:
    make = next(target.make for target in TARGETS if target.name == name)
    make(random.Random(f"{name} {seed} {case}"))()


def _run_some(name: str, cases: int, seed: int, first: int) -> Report:
    target = next(target for target in TARGETS if target.name == name)
    return asyncio.run(fuzz(target, first, min(_AT_A_TIME, cases - first), seed))


if __name__ == "__main__":
    sys.exit(main())
