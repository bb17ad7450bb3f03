"""The goals of the project's speed, as conditions on a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from benchmarks.libraries import ARDIQ, BARE, OURS, PGQUEUER, RIVALS
from benchmarks.own_measures import BACKLOGS
from benchmarks.samples import Run

__all__ = ["GOALS", "Goal"]


@dataclass(frozen=True)
class Goal:
    """One condition."""

    measure: str
    bound: float
    at_least: bool
    unit: str
    """What follows the number, for example `× the best rival`."""
    value: Callable[[Run], float | None]
    """Reads the number from a run; None where it was not measured."""

    @property
    def text(self) -> str:
        """The condition in words."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:,g} {self.unit}"

    def is_met(self, run: Run) -> bool | None:
        """Return whether a run meets it; None where it was not measured."""
        value = self.value(run)
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound


_OTHERS: Final = [library for library in RIVALS if library not in (ARDIQ, PGQUEUER)]
"""The rivals in Python on Redis. One with a core in Rust has goals of its own, and one on PostgreSQL is there to be seen."""
_ASYNC: Final = tuple(library.name for library in _OTHERS if library.is_async)
_ALL: Final = tuple(library.name for library in _OTHERS)


def _own(metric: str) -> Callable[[Run], float | None]:
    """Read the median of typedtasks."""

    def value(run: Run) -> float | None:
        spread = run.spread(metric, OURS.name)
        return None if spread is None else spread.median

    return value


def _against(metric: str, rivals: Iterable[str], worst: Callable[[list[float]], float]) -> Callable[[Run], float | None]:
    """Read the median ratio to that one of some rivals which comes nearest (or lies farthest ahead)."""
    names = tuple(rivals)

    def value(run: Run) -> float | None:
        ratios = [ratio.median for name in names if (ratio := run.ratio(metric, OURS.name, name)) is not None]
        return worst(ratios) if ratios else None

    return value


def _between(above: str, below: str) -> Callable[[Run], float | None]:
    """Read how two numbers of typedtasks compare, within each round."""

    def value(run: Run) -> float | None:
        upper, lower = run.values(above, OURS.name), run.values(below, OURS.name)
        ratios = sorted(upper[round] / lower[round] for round in upper if lower.get(round))
        return ratios[len(ratios) // 2] if ratios else None

    return value


_AWAITING: Final = "process no-op tasks while one client awaits every result"
_FEW, _MANY = BACKLOGS[0], BACKLOGS[-1]

GOALS: Final = (
    Goal("process no-op tasks, one worker process", 15, True, "× Taskiq stream", _against("process", ["Taskiq stream"], min)),
    Goal("process no-op tasks, one worker process", 12, True, "× the best rival", _against("process", _ALL, min)),
    Goal("process no-op tasks, one worker process", 0.5, True, "× the bare batched loop", _against("process", [BARE.name], min)),
    Goal(_AWAITING, 6, True, "× ardiq", _against("awaiting", [ARDIQ.name], min)),
    Goal("enqueue in bulk", 8, True, "× the best rival", _against("bulk", _ALL, min)),
    Goal("enqueue in bulk", 2.5, True, "× ardiq", _against("bulk", [ARDIQ.name], min)),
    Goal("enqueue by 1,000 concurrent callers", 8, True, "× Taskiq", _against("callers", ["Taskiq stream", "Taskiq list"], min)),
    Goal("enqueue one by one, awaited", 1.5, True, "× the best async rival", _against("one_by_one", _ASYNC, min)),
    Goal("enqueue one by one, awaited", 0.8, True, "× a bare awaited XADD", _against("one_by_one", [BARE.name], min)),
    Goal("latency at idle, defaults, median", 1.0, False, "ms", _own("latency_median")),
    Goal("latency at idle, defaults, p99", 3, False, "ms", _own("latency_p99")),
    Goal("latency at idle, defaults, median", 0.333, False, "× the best rival", _against("latency_median", _ALL, max)),
    Goal("latency at idle, defaults, median", 0.5, False, "× ardiq", _against("latency_median", [ARDIQ.name], max)),
    Goal("latency at half the maximum load, p99", 20, False, "ms", _own("load_p99")),
    Goal("calls to Redis per 100 tasks, whole life", 6, False, "calls", _own("calls")),
    Goal("Redis memory per waiting task, sent in bulk", 200, False, "bytes", _own("stored")),
    Goal("Redis memory per waiting task, sent one by one", 200, False, "bytes", _own("stored_one_by_one")),
    Goal("Redis memory left after results have expired", 1, False, "bytes a task", _own("leftover_bytes")),
    Goal("worker memory at 100 concurrent tasks", 40, False, "MiB", _own("memory_rss")),
    Goal(
        f"worker memory at {_MANY:,} waiting tasks",
        1.05,
        False,
        f"× that at {_FEW:,}",
        _between(f"backlog_memory_{_MANY}", f"backlog_memory_{_FEW}"),
    ),
    Goal("idle worker, processor", 0.5, False, "% of a core", _own("idle_cpu")),
    Goal("idle worker, calls to Redis", 1, False, "a second", _own("idle_calls")),
    Goal("SQLite, process with fsync on", 10_000, True, "tasks a second", _own("sqlite_process")),
    Goal("plain functions in threads", 3, True, "× dramatiq", _against("sync", ["dramatiq"], min)),
    Goal(f"cost per task at {_MANY:,} waiting", 1.2, False, f"× that at {_FEW:,}", _between(f"backlog_{_MANY}", f"backlog_{_FEW}")),
    Goal("import typedtasks", 0.25, False, "s", _own("import")),
    Goal("typedtasks --help", 0.4, False, "s", _own("help")),
)
