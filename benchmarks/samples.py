"""What a run has measured, and the statistics of it. Ratios are taken within a round, where both sides met the same machine."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["Circumstances", "Problem", "Run", "Sample", "Spread"]


@dataclass(frozen=True)
class Sample:
    """One number of one library in one round."""

    metric: str
    library: str
    round: int
    value: float


@dataclass(frozen=True)
class Problem:
    """Something that could not be measured; without a measure, a library that could not be installed."""

    library: str
    measure: str
    round: int
    text: str
    """One line."""


@dataclass(frozen=True)
class Spread:
    """The median of some values, and their ends."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Return the spread of values; None when there are none."""
        known = list(values)
        return cls(statistics.median(known), min(known), max(known)) if known else None


@dataclass(frozen=True)
class Circumstances:
    """Where, when and how a run was made."""

    command: str
    date: str
    python: str
    redis: str
    machine: str
    rounds: int
    quick: bool
    versions: Mapping[str, Mapping[str, str]]
    """The version of each package that is told, by library."""


@dataclass
class Run:
    """All samples so far, and what went wrong."""

    circumstances: Circumstances
    samples: list[Sample] = field(default_factory=list[Sample])
    problems: list[Problem] = field(default_factory=list[Problem])

    def values(self, metric: str, library: str) -> dict[int, float]:
        """Return the values of a library by round."""
        return {s.round: s.value for s in self.samples if s.metric == metric and s.library == library}

    def spread(self, metric: str, library: str) -> Spread | None:
        """Return the spread of a library over all rounds; None when it was not measured."""
        return Spread.of(self.values(metric, library).values())

    def ratio(self, metric: str, above: str, below: str) -> Spread | None:
        """Return the spread of `above` divided by `below`, over the rounds that have both; None when none has."""
        upper, lower = self.values(metric, above), self.values(metric, below)
        return Spread.of(upper[round] / lower[round] for round in upper if lower.get(round))

    def take_over(self, earlier: Run, measures: Mapping[str, Iterable[str]]) -> None:
        """Keep what an earlier run has measured, but for some measures (by name, with their metrics): these are taken again."""
        again = {metric for metrics in measures.values() for metric in metrics}
        self.samples += [sample for sample in earlier.samples if sample.metric not in again]
        self.problems += [problem for problem in earlier.problems if problem.measure not in measures]
        command = f"{earlier.circumstances.command}, then {self.circumstances.command}"
        versions = {**earlier.circumstances.versions, **self.circumstances.versions}
        self.circumstances = replace(self.circumstances, command=command, versions=versions)

    def to_json(self) -> str:
        """Return the run as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Run:
        """Return the run that `to_json` has written."""
        data: dict[str, Any] = json.loads(text)  # Any: JSON, whose shape is that of the classes above
        return cls(
            Circumstances(**data["circumstances"]),
            [Sample(**sample) for sample in data["samples"]],
            [Problem(**problem) for problem in data["problems"]],
        )
