"""Writes a run as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.goals import GOALS
from benchmarks.libraries import LIBRARIES, OURS
from benchmarks.measures import Measure, Metric
from benchmarks.samples import Run, Spread

__all__ = ["number", "report"]


def report(run: Run, measures: Sequence[Measure]) -> str:
    """Return the whole page: circumstances, goals, a table for each measure, and what is missing and why."""
    parts = [
        "# Results",
        *_circumstances(run),
        "## Goals",
        *_goals(run),
        "## What could not be measured" if run.problems else "",
        *_problems(run),
        "## Measures",
        "Medians over the rounds, with the lowest and the highest value. *Ahead* says how many times better typedtasks is, the "
        "median of the ratios within each round.",
    ]
    for measure in measures:
        parts += _measure(run, measure)
    return "\n\n".join(part for part in parts if part) + "\n"


def number(value: float) -> str:
    """Return a number with three significant digits and separators."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _circumstances(run: Run) -> list[str]:
    about = run.circumstances
    done = len({sample.round for sample in run.samples})
    warning = "**A quick run: a tenth of the tasks. Its figures are noise; it shows that everything works.**" if about.quick else ""
    rows = [
        (library.name, ", ".join(f"{package} {version}" for package, version in about.versions[library.name].items()))
        for library in LIBRARIES
        if library.name in about.versions
    ]
    return [
        f"Written by `{about.command}` on {about.date}: Python {about.python}, Redis {about.redis}, {about.machine}. "
        f"{done} of {about.rounds} rounds; in each, every library in turn on a fresh Redis server.",
        warning,
        _table(("library", "versions"), rows),
    ]


def _goals(run: Run) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for goal in GOALS:
        value, met = goal.value(run), goal.is_met(run)
        verdict = "not measured" if met is None else "met" if met else "**missed**"
        rows.append((goal.measure, goal.text, "" if value is None else number(value), verdict))
    return [_table(("measure", "goal", "measured", ""), rows)]


def _problems(run: Run) -> list[str]:
    lines: list[str] = []
    for problem in run.problems:
        where = f"{problem.measure}, round {problem.round}" if problem.measure else "could not be installed"
        lines.append(f"* {problem.library}, {where}: {problem.text}")
    return ["\n".join(lines)]


def _measure(run: Run, measure: Measure) -> list[str]:
    parts = [f"### {measure.title}", " ".join(measure.how.split())]
    own = [library for library in LIBRARIES if library in measure.libraries]
    if len(own) == 1:
        rows = [(m.title, *_cells(run.spread(m.name, own[0].name), m.unit)) for m in measure.metrics]
        parts.append(_table(("", "median", "lowest", "highest"), rows))
    else:
        parts += [_comparison(run, measure, metric) for metric in measure.metrics]
    reasons = [
        f"{name}: {reason}." for library in LIBRARIES if (name := library.name) and (reason := library.lacks.get(measure.name))
    ]
    return [*parts, " ".join(reasons)]


def _comparison(run: Run, measure: Measure, metric: Metric) -> str:
    found = [(library.name, spread) for library in measure.libraries if (spread := run.spread(metric.name, library.name))]
    found.sort(key=lambda pair: pair[1].median, reverse=metric.higher_is_better)
    rows = [(_emphasised(name), *_cells(spread, metric.unit), _ahead(run, metric, name)) for name, spread in found]
    missing = [
        (library.name, "not measured", "", "", "")
        for library in measure.libraries
        if measure.takes_part(library) and library.name not in dict(found) and _is_expected(run, metric, library.name)
    ]
    return _table((metric.title, "median", "lowest", "highest", "ahead"), [*rows, *missing]) if rows or missing else ""


def _is_expected(run: Run, metric: Metric, library: str) -> bool:
    """Return whether a library without samples has to be named: not where it has no poll interval, or was not chosen."""
    return not metric.name.startswith("tuned") and any(problem.library == library for problem in run.problems)


def _ahead(run: Run, metric: Metric, library: str) -> str:
    if library == OURS.name:
        return ""
    above, below = (OURS.name, library) if metric.higher_is_better else (library, OURS.name)
    ratio = run.ratio(metric.name, above, below)
    return "" if ratio is None else f"{number(ratio.median)} ×"


def _cells(spread: Spread | None, unit: str) -> tuple[str, str, str]:
    if spread is None:
        return ("not measured", "", "")
    after = unit if unit.startswith("/") or not unit else f" {unit}"
    return (number(spread.median) + after, number(spread.low), number(spread.high))


def _emphasised(name: str) -> str:
    return f"**{name}**" if name == OURS.name else name


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    alignment = ["---", *("---:" if cell in ("median", "lowest", "highest", "ahead", "measured") else "---" for cell in head[1:])]
    lines = [head, alignment, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
