"""`python -m tests.chaos`: runs of chaos with a printed report. The exit code is 1 where a promise was not kept."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.chaos.plan import ROLLING, Plan
from tests.chaos.storm import Storm


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--on", choices=("redis", "sqlite", "sentinel"), action="append", help="the store; by default Redis, then SQLite"
    )
    parser.add_argument("--rolling", action="store_true", help="one worker of a new version beside eight of an old one")
    parser.add_argument("--tasks", type=int, help=f"how many tasks (default: {Plan().tasks}, --rolling {ROLLING.tasks})")
    parser.add_argument(
        "--seconds", type=float, help=f"in how long they are sent (default: {Plan().seconds:g}, {ROLLING.seconds:g})"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides what happens when (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds, one after the other (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="write what the workers print into this folder")
    options = parser.parse_args()
    plan = ROLLING if options.rolling else Plan()
    plan = replace(plan, tasks=options.tasks or plan.tasks, seconds=options.seconds or plan.seconds)
    kept = True
    for seed in range(options.seed, options.seed + options.runs):
        for store in options.on or ("redis", "sqlite"):
            kept &= _run(plan, seed, store, options.keep)
    return 0 if kept else 1


def _run(plan: Plan, seed: int, store: str, keep: Path | None) -> bool:
    print(f"chaos on {store}, seed {seed}: {plan.tasks:,} tasks in {plan.seconds:g} s ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(plan, seed, Path(folder), store=store, say=lambda text: print(f"  {text}", flush=True))
        report = asyncio.run(storm.run())
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{store}-{seed}.log").write_text(storm.output)
    print(report, flush=True)
    return not report.failures()


if __name__ == "__main__":
    raise SystemExit(main())
