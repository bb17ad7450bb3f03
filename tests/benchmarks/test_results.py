"""From samples to the page of results. The samples are made up; nothing is measured and no other library is needed."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import ALL, main
from benchmarks.goals import GOALS, Goal
from benchmarks.libraries import BARE, LIBRARIES, OURS, RIVALS
from benchmarks.measures import percentile
from benchmarks.observed import calls_of_clients
from benchmarks.report import number, report
from benchmarks.samples import Circumstances, Problem, Run, Sample

CIRCUMSTANCES = Circumstances(
    command="make bench",
    date="2030-01-02",
    python="3.11.7",
    redis="7.0.15",
    machine="Linux, 2 processors",
    rounds=3,
    quick=False,
    versions={"typedtasks": {"typedtasks": "0.1.0", "redis": "8.1.0"}, "huey": {"huey": "3.5.4"}},
)


def run_with(*samples: tuple[str, str, list[float]]) -> Run:
    """Return a run whose samples are given as metric, library and the values of rounds 1, 2, 3 ..."""
    return Run(
        CIRCUMSTANCES, [Sample(m, library, at, value) for m, library, values in samples for at, value in enumerate(values, 1)]
    )


def goal(measure: str, unit: str) -> Goal:
    """Return one of the goals by its words."""
    return next(goal for goal in GOALS if goal.measure == measure and goal.unit == unit)


def test_a_spread_is_the_median_and_the_ends() -> None:
    """An outlier moves an end, not the median."""
    spread = run_with(("process", "huey", [10.0, 11.0, 900.0])).spread("process", "huey")

    assert spread is not None
    assert (spread.median, spread.low, spread.high) == (11.0, 10.0, 900.0)
    assert run_with().spread("process", "huey") is None


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the machine was slow slows both sides, and leaves their ratio alone: that of the medians would be 20."""
    run = run_with(("process", OURS.name, [100.0, 10.0, 200.0]), ("process", "huey", [10.0, 1.0, 5.0]))

    ratio = run.ratio("process", OURS.name, "huey")

    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high) == (10.0, 10.0, 40.0)


def test_a_round_that_lacks_one_side_has_no_ratio() -> None:
    """A library that failed in one round is compared in the others."""
    run = run_with(("process", OURS.name, [100.0, 100.0]), ("process", "huey", [50.0]))

    ratio = run.ratio("process", OURS.name, "huey")

    assert ratio is not None
    assert ratio.high == 2.0
    assert run.ratio("process", OURS.name, "rq") is None


@pytest.mark.parametrize(("nearest", "met"), [(8.0, True), (9.0, False)])
def test_the_best_rival_is_the_one_that_comes_nearest(nearest: float, met: bool) -> None:
    """A goal against the best rival needs the ratio to every rival."""
    run = run_with(("process", OURS.name, [100.0]), ("process", "huey", [nearest]), ("process", "rq", [1.0]))

    assert goal("process no-op tasks, one worker process", "× the best rival").is_met(run) is met


@pytest.mark.parametrize(("nearest", "met"), [(3.1, True), (2.9, False)])
def test_where_less_is_better_the_best_rival_has_the_least(nearest: float, met: bool) -> None:
    """A latency of 1 ms is at most a third of 3.1 ms, whatever slower rivals do."""
    run = run_with(
        ("latency_median", OURS.name, [1.0]), ("latency_median", "saq", [nearest]), ("latency_median", "Taskiq list", [200.0])
    )

    assert goal("latency at idle, defaults, median", "× the best rival").is_met(run) is met


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed() -> None:
    """A run of some measures says nothing about the others."""
    assert [goal.is_met(run_with()) for goal in GOALS] == [None] * len(GOALS)


def test_each_goal_reads_a_metric_that_is_measured() -> None:
    """With the same number for everybody every goal has a verdict: no goal reads a metric that nobody takes."""
    metrics = [metric.name for measure in ALL for metric in measure.metrics]
    run = run_with(*((metric, library.name, [1.0]) for metric in metrics for library in LIBRARIES))

    assert [goal.text for goal in GOALS if goal.is_met(run) is None] == []


def test_the_page_tells_versions_command_goals_and_tables() -> None:
    """What a reader needs to trust a number, and to take it again."""
    run = run_with(
        ("process", OURS.name, [60_000.0, 70_000.0, 80_000.0]),
        ("process", "Taskiq stream", [3000.0, 3500.0, 4000.0]),
        ("process", BARE.name, [70_000.0, 80_000.0, 90_000.0]),
        ("import", OURS.name, [0.3]),
    )

    page = report(run, ALL)

    assert "Written by `make bench` on 2030-01-02: Python 3.11.7, Redis 7.0.15, Linux, 2 processors. 3 of 3 rounds" in page
    assert "| typedtasks | typedtasks 0.1.0, redis 8.1.0 |" in page
    assert "| process no-op tasks, one worker process | ≥ 15 × Taskiq stream | 20 | met |" in page
    assert "| import typedtasks | ≤ 0.25 s | 0.3 | **missed** |" in page
    assert "| SQLite, process with fsync on | ≥ 10,000 tasks a second |  | not measured |" in page
    assert "| **typedtasks** | 70,000/s | 60,000 | 80,000 |  |" in page
    assert "| Taskiq stream | 3,500/s | 3,000 | 4,000 | 20 × |" in page
    assert page.index("| bare redis-py | 80,000/s") < page.index("| **typedtasks** | 70,000/s")
    assert "rq: its worker process runs one task at a time." in page


def test_the_page_names_what_could_not_be_measured() -> None:
    """A library that cannot be installed, or fails, never vanishes silently."""
    run = run_with(("process", OURS.name, [1.0]))
    run.problems += [
        Problem("huey", "", 0, "ERROR: No matching distribution found for huey==99"),
        Problem("rq", "process", 2, "ValueError: no such queue"),
    ]

    page = report(run, ALL)

    assert "* huey, could not be installed: ERROR: No matching distribution found for huey==99" in page
    assert "* rq, process, round 2: ValueError: no such queue" in page
    assert "| huey | not measured |" in page


def test_a_run_survives_being_written() -> None:
    """results.json holds all that the page and the plot are made of."""
    run = run_with(("process", OURS.name, [1.5, 2.5]))
    run.problems.append(Problem("rq", "process", 1, "broken"))

    assert Run.from_json(run.to_json()) == run


def test_calls_of_clients_leave_out_what_scripts_run() -> None:
    """Redis counts both alike; a look at who sends what tells them apart, and opening a connection is no call."""
    counted = {"evalsha": 10, "xadd": 1000, "set": 300, "hello": 7, "ping": 2}
    by_clients = {"evalsha": 2, "set": 10}
    by_scripts = {"xadd": 200, "set": 20}

    assert calls_of_clients(counted, by_clients, by_scripts) == 10 + 0 + 100 + 2


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """With few values the 99th percentile is the highest."""
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([float(value) for value in range(1000)], 0.99) == 990.0


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.12345, "0.123"), (12.345, "12.3"), (123.45, "123"), (1234567.0, "1,234,567")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    """More digits would be noise."""
    assert number(value) == text


def test_the_help_lists_measures_and_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    """Who wants to measure less has to know the names."""
    with pytest.raises(SystemExit):
        main(["--help"])

    text = capsys.readouterr().out
    assert all(measure.name in text for measure in ALL)
    assert all(library.name.split()[0] in text for library in LIBRARIES)


def test_an_unknown_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name must not give an empty run."""
    with pytest.raises(SystemExit) as ended:
        main(["--only", "proces"])

    assert ended.value.code == 2
    assert "proces is not one of process, " in capsys.readouterr().err


def test_every_rival_has_pinned_requirements() -> None:
    """Names and exact versions, nothing else: where packages come from is the affair of whoever installs them."""
    for library in (*RIVALS, BARE):
        assert library.requirements is not None
        lines = library.requirements.read_text().splitlines()
        assert lines, library.name
        assert all(line.count("==") == 1 and "/" not in line and " " not in line for line in lines), library.name


def test_a_measure_can_be_taken_again_while_the_others_are_kept() -> None:
    """The page tells both commands; what went wrong with that measure is forgotten."""
    earlier = run_with(("process", "huey", [1.0, 2.0]), ("bulk", "huey", [3.0]))
    earlier.problems = [Problem("huey", "process", 1, "late"), Problem("huey", "bulk", 1, "late")]
    again = run_with(("process", "huey", [5.0]))
    again.take_over(earlier, {"process": ["process"]})
    assert (again.values("process", "huey"), again.values("bulk", "huey")) == ({1: 5.0}, {1: 3.0})
    assert [problem.measure for problem in again.problems] == ["bulk"]
    assert again.circumstances.command == "make bench, then make bench"
