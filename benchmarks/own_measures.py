"""The measures of typedtasks alone: what it promises beyond a comparison."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import Final

from benchmarks.environments import Environment
from benchmarks.libraries import OURS, Library
from benchmarks.measures import Measure, Metric, percentile
from benchmarks.processes import ROOT, Family
from benchmarks.stage import Stage, staged

__all__ = ["BACKLOGS", "OWN_MEASURES", "PROCESSES", "REGISTRIES"]

BACKLOGS: Final = (1_000, 10_000, 100_000, 1_000_000)
REGISTRIES: Final = (10, 200, 2_000)
PROCESSES: Final = (1, 2, 4)


def nested(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A payload of 50 nested items of four fields, validated when it is sent and again when it is run."""
    with staged(library, environment, quick=quick) as stage:
        stage.ask("bulk", count=10, task="price")
        count = stage.size(10_000, 0)
        sent = count / stage.ask("bulk", count=count, task="price")
    with staged(library, environment, quick=quick) as stage:
        stage.ask("fill", task="price", count=count)
        finished = stage.finished()
        with stage.worker() as worker:
            return {"nested_bulk": sent, "nested_process": stage.drained(count, finished, worker)}


def processes(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A backlog of no-ops and 1, 2 or 4 worker processes on this machine."""
    taken = {}
    for number in PROCESSES:
        with staged(library, environment, quick=quick) as stage:
            count = stage.size(100_000, 0)
            stage.ask("fill", task="add", count=count)
            finished = stage.finished()
            with stage.worker(processes=number) as worker:
                taken[f"processes_{number}"] = stage.drained(count, finished, worker)
    return taken


def sqlite(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """The SQLite backend with fsync on: one worker process and a backlog of no-ops, then calls one by one and in bulk."""
    taken = {}
    for name in ("process", "one_by_one", "bulk"):
        with (
            tempfile.TemporaryDirectory(dir=ROOT / ".benchmarks") as folder,  # /tmp may be memory, where fsync is free
            staged(library, environment, quick=quick, url=f"sqlite:///{folder}/tasks.db") as stage,
        ):
            if name == "process":
                count = stage.size(40_000, 0)
                stage.ask("fill", task="add", count=count)
                finished = stage.finished()
                with stage.worker() as worker:
                    taken["sqlite_process"] = stage.drained(count, finished, worker)
            else:
                count = stage.size(20_000 if name == "bulk" else 2000, 0)
                taken[f"sqlite_{name}"] = count / stage.ask(name, count=count)
    return taken


def load(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """Latency from call to result under load: first the most that 1,000 callers get who wait for each result, then half of
    that rate whatever comes back, each task's time counted from the moment that it was due."""
    seconds = 2.0 if quick else 10.0
    with staged(library, environment, quick=quick) as stage, stage.worker() as worker:
        stage.warmed_up(worker)
        stage.ask("max_rate", seconds=1)
        most = stage.ask("max_rate", seconds=seconds / 2)
        taken = stage.ask("open_loop", rate=most / 2, seconds=seconds)
        worker.check()
    return {
        "load_rate": most,
        "load_median": 1000 * percentile(taken, 0.5),
        "load_p99": 1000 * percentile(taken, 0.99),
    }


def backlog(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """The cost of a task while a number of others wait: processor time of the worker and of Redis together, new tasks coming
    in as fast as others end, so that the number stays. A quick run leaves the largest number out."""
    taken = {}
    for level in BACKLOGS[:-1] if quick else BACKLOGS:
        with staged(library, environment, quick=quick) as stage:
            stage.ask("fill", task="add", count=level)
            with stage.worker() as worker:
                cost, occupied = _cost_of_a_task(stage, worker, level)
        taken[f"backlog_{level}"] = cost
        taken[f"backlog_memory_{level}"] = occupied
    return taken


def registry(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """The cost of a task with 10, 200 and 2,000 tasks defined: as above, with 10,000 waiting."""
    taken = {}
    for number in REGISTRIES:
        with staged(library, environment, quick=quick, BENCH_TASKS=str(number)) as stage:
            stage.ask("fill", task="add", count=10_000)
            with stage.worker() as worker:
                taken[f"registry_{number}"], _ = _cost_of_a_task(stage, worker, 10_000)
    return taken


def _cost_of_a_task(stage: Stage, worker: Family, level: int) -> tuple[float, float]:
    """Return the microseconds of worker and Redis for a task at a steady backlog, and the worker's memory in MiB."""
    stage.ask("hold_backlog", level=level, count=stage.size(5000, 0))  # warms up
    cpu, begun = stage.observed.cpu() + worker.cpu(), stage.ask("finished")
    stage.ask("hold_backlog", level=level, count=stage.size(100_000, 0))
    done = stage.ask("finished") - begun
    spent = stage.observed.cpu() + worker.cpu() - cpu
    return 1_000_000 * spent / done, worker.memory().rss


def leftover(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """What Redis still holds of tasks that were settled and whose results have expired, after one second here."""
    with staged(library, environment, quick=quick, BENCH_RESULT_TTL="1") as stage:
        count = 20_000  # in a quick run, too: what the empty queue itself occupies is told apart by the number
        stage.ask("bulk", count=count)
        with stage.worker() as worker:
            stage.awaited(lambda: bool(stage.ask("finished") >= count), worker, "all tasks ended")
        stage.program.family.end()
        time.sleep(2)  # the results expire by the clock of Redis, which tells nobody
        keys = stage.observed.keys()
        return {"leftover_keys": len(keys), "leftover_bytes": sum(keys.values()) / count}


def starting(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """A fresh interpreter that imports `typedtasks`, and the whole command `typedtasks --help`."""
    script = "import time; t = time.perf_counter(); import typedtasks; print(time.perf_counter() - t)"
    command = [environment.python, "-c", script]
    subprocess.run(command, check=True, capture_output=True)  # compiles what was changed
    imported = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    begun = time.perf_counter()
    subprocess.run([str(environment.folder / "bin" / "typedtasks"), "--help"], check=True, capture_output=True)
    return {"import": float(imported), "help": time.perf_counter() - begun}


def _rates(*names_and_titles: tuple[str, str]) -> tuple[Metric, ...]:
    return tuple(Metric(name, title, "/s") for name, title in names_and_titles)


def _costs(unit: str, *names_and_titles: tuple[str, str]) -> tuple[Metric, ...]:
    return tuple(Metric(name, title, unit, higher_is_better=False) for name, title in names_and_titles)


_OURS: Final = (OURS,)
OWN_MEASURES: Final = (
    Measure(
        "A nested model",
        nested,
        _rates(("nested_process", "processed a second"), ("nested_bulk", "enqueued in bulk a second")),
        _OURS,
    ),
    Measure("Worker processes", processes, _rates(*((f"processes_{n}", f"{n} worker processes") for n in PROCESSES)), _OURS),
    Measure(
        "SQLite",
        sqlite,
        _rates(
            ("sqlite_process", "processed a second"),
            ("sqlite_one_by_one", "enqueued one by one a second"),
            ("sqlite_bulk", "enqueued in bulk a second"),
        ),
        _OURS,
    ),
    Measure(
        "Latency under load",
        load,
        (
            *_rates(("load_rate", "the most, to results")),
            *_costs("ms", ("load_median", "median at half"), ("load_p99", "p99 at half")),
        ),
        _OURS,
    ),
    Measure(
        "Cost against backlog",
        backlog,
        (
            *_costs("µs", *((f"backlog_{n}", f"a task, {n:,} waiting") for n in BACKLOGS)),
            *_costs("MiB", *((f"backlog_memory_{n}", f"RSS of the worker, {n:,} waiting") for n in BACKLOGS)),
        ),
        _OURS,
    ),
    Measure(
        "Cost against registry", registry, _costs("µs", *((f"registry_{n}", f"a task, {n:,} defined") for n in REGISTRIES)), _OURS
    ),
    Measure(
        "What is left in Redis",
        leftover,
        (
            *_costs("B", ("leftover_bytes", "bytes a task")),
            *_costs("", ("leftover_keys", "keys, those of the queue itself included")),
        ),
        _OURS,
    ),
    Measure("Start", starting, _costs("s", ("import", "import typedtasks"), ("help", "typedtasks --help")), _OURS),
)
