"""What a run of chaos does, and what has to come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

__all__ = ["ROLLING", "Host", "Plan", "Report"]


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with some workers of one version of the code."""

    version: int
    processes: int = 2
    """With more than one, a supervisor starts again what dies; a lone one the test does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. Faults are spread over `seconds`, at times that the seed decides."""

    tasks: int = 60_000
    seconds: float = 60.0
    kills: int = 8
    """Of worker processes, by SIGKILL."""
    hosts: int = 1
    """Supervisors that are killed with their workers."""
    pauses: int = 4
    """Worker processes that are stopped for longer than their lease."""
    redis_kills: int = 2
    poison: int = 12
    newer: float = 0.02
    """Share of tasks that only the second version of the code knows."""
    changed: float = 0.02
    """Share of tasks whose arguments only the second version of the code can read, though the first knows the task."""
    resends: float = 0.1
    """Share of batches that are sent twice."""
    fleet: tuple[Host, ...] = (Host(1), Host(2))
    concurrency: int = 20
    most_executions: float = 1.03
    """For each task, on average. The more faults come upon fewer tasks, the more it may be."""
    lease: float = 3.0
    patience: float = 60.0
    """Seconds after the last fault in which everything has to end."""


ROLLING: Final = Plan(
    tasks=15_000,
    seconds=30.0,
    most_executions=1.05,
    kills=4,
    pauses=3,
    newer=0.1,
    changed=0.2,
    fleet=(Host(2, 1), *(Host(1, 1) for _ in range(8))),
)
"""The beginning of a rolling deploy: one new worker beside eight old ones, and much that only it can run."""


@dataclass(slots=True)
class Report:
    """What a run has shown."""

    seed: int
    url: str
    most_executions: float
    accepted: int = 0
    lost: int = 0
    wrong: int = 0
    """Tasks with an outcome that is not their own result."""
    poison: int = 0
    buried: int = 0
    """Poisonous tasks in the dead letters."""
    innocents: int = 0
    """Other tasks in the dead letters."""
    committed_twice: int = 0
    executions: int = 0
    resent: int = 0
    settled_after: float = 0.0
    """Seconds from the last fault to the last outcome."""
    seconds: float = 0.0
    exit_codes: list[int] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    """What is in the queue at the end, by state."""
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def executions_per_task(self) -> float:
        """How often a task was begun, on average."""
        return self.executions / max(1, self.accepted - self.poison)

    def failures(self) -> list[str]:
        """Return a sentence for every promise that was not kept."""
        wanted = {
            "lost tasks": self.lost == 0,
            "outcomes that are not the task's own": self.wrong == 0,
            "outcomes committed twice": self.committed_twice == 0,
            "innocent dead letters": self.innocents == 0,
            "poison that is not in the dead letters": self.buried == self.poison,
            f"more than {self.most_executions:g} executions for each task": self.executions_per_task <= self.most_executions,
            "an exit code that is not 0": not any(self.exit_codes),
            "something left in the queue": not any(number for state, number in self.left.items() if state != "dead"),
        }
        return [what for what, kept in wanted.items() if not kept]

    def __str__(self) -> str:
        faults = ", ".join(f"{number} {name}" for name, number in self.faults.items())
        return "\n".join(
            [
                f"seed {self.seed} on {self.url}: {self.accepted:,} tasks in {self.seconds:.1f} s",
                f"  faults                     {faults}; {self.resent} batches sent twice",
                f"  lost                       {self.lost}",
                f"  wrong outcomes             {self.wrong}",
                f"  committed twice            {self.committed_twice}",
                f"  poison in dead letters     {self.buried} of {self.poison}",
                f"  innocents in dead letters  {self.innocents}",
                f"  executions for each task   {self.executions_per_task:.4f}",
                f"  settled after last fault   {self.settled_after:.1f} s",
                f"  exit codes                 {self.exit_codes}; left in the queue: {self.left}",
                "  " + ("every promise was kept" if not self.failures() else f"NOT KEPT: {'; '.join(self.failures())}"),
            ]
        )
