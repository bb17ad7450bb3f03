"""Where one sample is taken: a fresh Redis, a library's program beside it, and workers when they are wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.conversation import Counting
from benchmarks.environments import Environment
from benchmarks.libraries import Library
from benchmarks.observed import Observed
from benchmarks.postgres import postgres_server
from benchmarks.processes import Failed, Family, Program, running
from tests.redis_server import redis_server

__all__ = ["Stage", "staged"]

_SECONDS: Final = 180
"""No single step of a sample takes longer, or it has failed."""


@dataclass(frozen=True)
class Stage:
    """One library with a Redis of its own."""

    library: Library
    environment: Environment
    program: Program
    observed: Observed
    variables: Mapping[str, str]
    quick: bool

    def size(self, ours: int, theirs: int) -> int:
        """Return how many tasks a measure takes: rivals get fewer, for about the same seconds; a quick run a tenth of all."""
        count = ours if self.library.is_batched else theirs
        return max(count // 10, 100) if self.quick else count

    def ask(self, do: str, **details: object) -> Any:  # Any: what comes back is as the request says
        """Make a request to the library's program."""
        return self.program.ask(do, _SECONDS, **details)

    @contextmanager
    def worker(
        self, task: str = "add", concurrency: int | None = 100, *, processes: int = 1, tuned: bool = False, **variables: str
    ) -> Iterator[Family]:
        """Yield a worker process that has been started."""
        how = self.ask("worker", task=task, concurrency=concurrency, processes=processes, tuned=tuned)
        environment = {**self.variables, **how["environment"], **variables}
        if concurrency is not None:
            environment["BENCH_CONCURRENCY"] = str(concurrency)
        with running(how["command"], environment) as family:
            yield family

    def finished(self) -> Callable[[], int]:
        """Return a function that says how many tasks have ended from now on."""
        return self.observed.finished(Counting(**self.ask("counting")), lambda: int(self.ask("finished")))

    def drained(self, count: int, finished: Callable[[], int], worker: Family) -> float:
        """Return the tasks per second between a tenth and all of the tasks that wait, and check some of their results.

        So neither the start of the worker counts nor how it warms up.
        """
        begun_at, begun = 0, 0.0
        deadline = time.monotonic() + _SECONDS
        while (done := finished()) < count:
            if not begun and done >= count // 10:
                begun_at, begun = done, time.perf_counter()
            worker.check()
            if time.monotonic() > deadline:
                raise Failed(f"{done} of {count} tasks had ended after {_SECONDS} s. {worker.log()}")
            time.sleep(0.005)
        rate = (count - begun_at) / (time.perf_counter() - begun) if begun else float("nan")
        self.check_results()
        return rate

    def check_results(self) -> None:
        """Raise `Failed` unless the results that the program kept handles of are right."""
        results = self.ask("results")
        wrong = [value for value, expected in results if value != expected]
        if wrong or not results:
            raise Failed(f"wrong results: {wrong}")

    def warmed_up(self, worker: Family) -> None:
        """Return once a worker has given its first results."""
        self.ask("latencies", count=3, seconds=_SECONDS / 2, tuned=True)
        worker.check()

    def awaited(self, condition: Callable[[], bool], worker: Family, what: str) -> None:
        """Return once a condition holds, looking every 10 ms: other libraries' processes cannot wake us."""
        deadline = time.monotonic() + _SECONDS
        while not condition():
            worker.check()
            if time.monotonic() > deadline:
                raise Failed(f"not within {_SECONDS} s: {what}. {worker.log()}")
            time.sleep(0.01)


@contextmanager
def staged(library: Library, environment: Environment, *, quick: bool, url: str | None = None, **variables: str) -> Iterator[Stage]:
    """Yield a stage with a fresh Redis, or PostgreSQL for those that use it; all its processes are gone afterwards."""
    with redis_server() as server, ExitStack() as stack:
        if library.uses_postgres:
            url = stack.enter_context(postgres_server())
        given = {"BENCH_URL": url or server.url, **library.environment, **variables}
        command = [environment.python, "-m", "benchmarks.serving", library.program]
        observed = Observed(server.port)
        try:
            with running(command, given) as family:
                program = Program(family)
                program.ask("", 60)  # it says when it is ready
                yield Stage(library, environment, program, observed, given, quick)
        finally:
            observed.close()
