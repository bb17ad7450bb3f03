"""The measures that all libraries take part in. Each takes one sample: a fresh Redis, one library, one or more numbers."""

from __future__ import annotations

import inspect
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.environments import Environment
from benchmarks.libraries import BARE, LIBRARIES, Library
from benchmarks.observed import calls_of_clients
from benchmarks.stage import Stage, staged

__all__ = ["MEASURES", "Measure", "Metric", "percentile"]


@dataclass(frozen=True)
class Metric:
    """One number of a measure."""

    name: str
    title: str
    unit: str
    higher_is_better: bool = True


@dataclass(frozen=True)
class Measure:
    """Something that is measured, and by whom."""

    title: str
    take: Callable[[Library, Environment, bool], Mapping[str, float]]
    """Takes one sample; the last argument says whether the run is a quick one. Its docstring is what readers are told."""
    metrics: tuple[Metric, ...]
    libraries: tuple[Library, ...]

    @property
    def name(self) -> str:
        """The word by which it is chosen on the command line."""
        return self.take.__name__

    @property
    def how(self) -> str:
        """What is done, for readers of the tables."""
        return inspect.getdoc(self.take) or ""

    def takes_part(self, library: Library) -> bool:
        """Return whether a library has this measure."""
        return library in self.libraries and self.name not in library.lacks


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def one_by_one(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """Calls that are awaited one after the other."""
    with staged(library, environment, quick=quick) as stage:
        stage.ask("one_by_one", count=50)
        count = stage.size(8000, 3000)
        return {"one_by_one": count / stage.ask("one_by_one", count=count)}


def bulk(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """Many calls at once."""
    with staged(library, environment, quick=quick) as stage:
        stage.ask("bulk", count=50)
        count = stage.size(50_000, 8000)
        return {"bulk": count / stage.ask("bulk", count=count)}


def callers(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A thousand coroutines that send tasks at the same time."""
    with staged(library, environment, quick=quick) as stage:
        stage.ask("callers", count=1000, callers=1000)
        count = max(stage.size(50_000, 5000), 1000)
        return {"callers": count / stage.ask("callers", count=count, callers=1000)}


def process(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A backlog of no-ops and one worker process."""
    with staged(library, environment, quick=quick) as stage:
        count = stage.size(100_000, 8000)
        if library is BARE:
            rate = stage.ask("process", count=count)
            stage.check_results()
            return {"process": rate}
        return {"process": _drained(stage, "add", count, 100)}


def awaiting(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """One client sends many no-ops at once to a worker that is waiting, and waits for the result of each."""
    with staged(library, environment, quick=quick) as stage, stage.worker() as worker:
        stage.warmed_up(worker)
        count = stage.size(50_000, 5000)
        stage.ask("awaiting", count=max(count // 20, 100))
        rate = count / stage.ask("awaiting", count=count)
        worker.check()
    return {"awaiting": rate}


def sync(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A backlog of no-ops as plain functions, in eight threads."""
    with staged(library, environment, quick=quick) as stage:
        return {"sync": _drained(stage, "add_sync", stage.size(20_000, 5000), 8)}


def nap(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A backlog of tasks that sleep 50 ms, a hundred at a time: 2,000 a second is what is possible."""
    with staged(library, environment, quick=quick) as stage:
        return {"nap": _drained(stage, "nap", max(stage.size(8000, 6000), 600), 100)}


def _drained(stage: Stage, task: str, count: int, concurrency: int) -> float:
    stage.ask("fill", task=task, count=count)
    finished = stage.finished()
    with stage.worker(task, concurrency) as worker:
        return stage.drained(count, finished, worker)


def latency(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """One task at a time from call to result, an idle worker with the library's defaults; then with its shortest poll intervals."""
    taken: dict[str, float] = {}
    for tuned in (False, True) if library.polls else (False,):
        with staged(library, environment, quick=quick) as stage, stage.worker(concurrency=None, tuned=tuned) as worker:
            stage.warmed_up(worker)
            seconds = stage.ask("latencies", count=stage.size(1000, 500), seconds=1 if quick else 5, tuned=tuned)
            name = "tuned" if tuned else "latency"
            taken[f"{name}_median"] = 1000 * statistics.median(seconds)
            taken[f"{name}_p99"] = 1000 * percentile(seconds, 0.99)
    return taken


def memory(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A worker that holds a hundred tasks which sleep."""
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder) / "marks"
        marks.touch()
        with staged(library, environment, quick=quick) as stage:
            stage.ask("fill", task="nap", count=100)
            with stage.worker("nap", 100, BENCH_NAP="8", BENCH_MARKS=str(marks)) as worker:
                stage.awaited(lambda: marks.stat().st_size >= 100, worker, "100 tasks running")
                occupied = worker.memory()
    return {"memory_rss": occupied.rss, "memory_pss": occupied.pss}


def stored(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """What a task that waits occupies in Redis, right after it was sent: in bulk, or by a call of its own."""
    taken = {}
    for name, do, count in (("stored", "bulk", 20_000), ("stored_one_by_one", "one_by_one", 5000)):
        with staged(library, environment, quick=quick) as stage:
            stage.ask(do, count=count)
            stage.program.family.end()
            taken[name] = stage.observed.memory() / count
    return taken


def calls(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """Commands that clients send from the call to the stored result, tasks sent in bulk and a worker with a backlog."""
    with staged(library, environment, quick=quick) as stage, stage.observed.monitored() as monitor:
        _sent_and_drained(stage, stage.size(5000, 1000))
    with staged(library, environment, quick=quick) as stage:
        before = stage.observed.counted()
        count = stage.size(50_000, 3000)
        _sent_and_drained(stage, count)
        counted = Counter(stage.observed.counted())
        counted.subtract(before)
    return {"calls": 100 * calls_of_clients(counted, monitor.by_clients, monitor.by_scripts) / count}


def _sent_and_drained(stage: Stage, count: int) -> None:
    stage.ask("bulk", count=count)
    finished = stage.finished()
    with stage.worker() as worker:
        stage.awaited(lambda: finished() >= count, worker, "all tasks ended")


def idle(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A worker with the library's defaults that has nothing to do."""
    seconds = 3.0 if quick else 10.0
    with staged(library, environment, quick=quick) as stage, stage.worker(concurrency=None) as worker:
        stage.warmed_up(worker)
        stage.program.family.end()  # the client's own idle calls are not the worker's
        time.sleep(2)
        with stage.observed.monitored() as monitor:
            cpu, calls_before, begun = worker.cpu(), monitor.calls(), time.perf_counter()
            time.sleep(seconds)
            elapsed = time.perf_counter() - begun
            used, made = worker.cpu() - cpu, monitor.calls() - calls_before
        worker.check()
    return {"idle_cpu": 100 * used / elapsed, "idle_calls": made / elapsed}


_QUEUES: Final = tuple(library for library in LIBRARIES if library is not BARE)
_RATE: Final = "tasks a second"


def _rate(name: str, title: str = _RATE) -> Metric:
    return Metric(name, title, "/s")


def _cost(name: str, title: str, unit: str) -> Metric:
    return Metric(name, title, unit, higher_is_better=False)


MEASURES: Final = (
    Measure("Process no-op tasks", process, (_rate("process"),), LIBRARIES),
    Measure("Process no-op tasks while one client awaits every result", awaiting, (_rate("awaiting"),), _QUEUES),
    Measure("Enqueue in bulk", bulk, (_rate("bulk"),), LIBRARIES),
    Measure("Enqueue by 1,000 concurrent callers", callers, (_rate("callers"),), _QUEUES),
    Measure("Enqueue one by one", one_by_one, (_rate("one_by_one"),), LIBRARIES),
    Measure(
        "Latency at idle",
        latency,
        (
            _cost("latency_median", "median, defaults", "ms"),
            _cost("latency_p99", "p99, defaults", "ms"),
            _cost("tuned_median", "median, shortest poll interval", "ms"),
            _cost("tuned_p99", "p99, shortest poll interval", "ms"),
        ),
        _QUEUES,
    ),
    Measure("Tasks that sleep 50 ms", nap, (_rate("nap"),), _QUEUES),
    Measure("Plain functions in threads", sync, (_rate("sync"),), _QUEUES),
    Measure("Calls to Redis", calls, (_cost("calls", "calls per 100 tasks", ""),), _QUEUES),
    Measure(
        "Redis memory of a waiting task",
        stored,
        (_cost("stored", "bytes a task, sent in bulk", "B"), _cost("stored_one_by_one", "bytes a task, sent one by one", "B")),
        _QUEUES,
    ),
    Measure(
        "Memory of a worker at 100 concurrent tasks",
        memory,
        (_cost("memory_rss", "RSS of all its processes", "MiB"), _cost("memory_pss", "PSS of all its processes", "MiB")),
        _QUEUES,
    ),
    Measure(
        "An idle worker",
        idle,
        (_cost("idle_cpu", "share of a core", "%"), _cost("idle_calls", "calls to Redis a second", "/s")),
        _QUEUES,
    ),
)
