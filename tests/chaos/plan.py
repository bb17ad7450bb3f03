"""What a run of chaos does, and what has to come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Plan", "Report"]


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
    resends: float = 0.1
    """Share of batches that are sent twice."""
    supervisors: int = 2
    concurrency: int = 20
    lease: float = 3.0
    patience: float = 60.0
    """Seconds after the last fault in which everything has to end."""


@dataclass(slots=True)
class Report:
    """What a run has shown."""

    seed: int
    url: str
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
            "more than 1.03 executions for each task": self.executions_per_task <= 1.03,
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
