"""`python -m tests.model --runs 2000`: many runs of the machine on each backend, and a report."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.model.running import check
from tests.model.stores import MemoryStore, RedisStore, SQLiteStore, Store
from tests.redis_server import redis_server


@contextmanager
def _stores(backend: str) -> Iterator[Callable[[], Store]]:
    if backend == "memory":
        yield MemoryStore
    elif backend == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield lambda: SQLiteStore(Path(folder) / "tasks.db")
    else:
        with redis_server() as server:
            store = RedisStore(server.url)
            yield lambda: store
            store.close()


def main() -> None:
    """Run them. A run that fails is shown with each of its steps, and the seed that repeats it."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="runs for each backend")
    parser.add_argument("--steps", type=int, default=50, help="steps of a run, at most")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="repeats what a report names")
    parser.add_argument("--backends", nargs="+", default=["memory", "sqlite", "redis"])
    options = parser.parse_args()
    print(f"Backends against the model: {options.runs} runs each, --seed {options.seed}")
    for backend in options.backends:
        begun = time.monotonic()
        with _stores(backend) as new_store:
            done = check(new_store, runs=options.runs, steps=options.steps, chance=options.seed)
        steps = done.pop("steps")
        details = ", ".join(f"{count:,} {what}" for what, count in sorted(done.items()))
        print(f"{backend:>8}: {steps:,} steps in {time.monotonic() - begun:.0f} s, 0 differences ({details})", flush=True)


if __name__ == "__main__":
    main()
