"""`python -m benchmarks`: makes the environments, takes the samples round by round, and writes the results as it goes."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.ceilings import CEILINGS
from benchmarks.environments import CannotInstall, Environment, made, version_of
from benchmarks.libraries import LIBRARIES, Library
from benchmarks.measures import MEASURES, Measure
from benchmarks.own_measures import OWN_MEASURES
from benchmarks.plot import plot
from benchmarks.processes import ROOT
from benchmarks.report import number, report
from benchmarks.samples import Circumstances, Problem, Run, Sample

ALL: Final = (*MEASURES, *OWN_MEASURES, *CEILINGS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 when something could not be measured, or 130 when it was interrupted."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that every process is ended then, too
    measures = [measure for measure in ALL if options.only is None or measure.name in options.only]
    libraries = [library for library in LIBRARIES if options.library is None or library.name in options.library]
    environments, problems = _environments(libraries, options.python)
    run = Run(_circumstances(options, environments), problems=problems)
    if options.keep is not None:
        earlier = Run.from_json((options.keep / "results.json").read_text())
        run.take_over(earlier, {measure.name: [metric.name for metric in measure.metrics] for measure in measures})
    told = ALL if options.keep is not None else measures
    whole = options.only is None and options.library is None and not options.quick
    folder: Path = options.out or (ROOT / "benchmarks" if whole else ROOT / ".benchmarks" / "partial")
    folder.mkdir(parents=True, exist_ok=True)
    plan = list(_plan(measures, [library for library in libraries if library in environments], run.circumstances.rounds))
    code = 0
    try:
        for done, (round, measure, library) in enumerate(plan, 1):
            print(f"[{done}/{len(plan)}] round {round}  {measure.name:12} {library.name:14}", end=" ", flush=True)
            _take(run, round, measure, library, environments[library], options.quick)
            (folder / "results.json").write_text(run.to_json())
            (folder / "RESULTS.md").write_text(report(run, told))
    except KeyboardInterrupt:
        print("\nInterrupted: what has been measured is written.")
        code = 130
    (folder / "RESULTS.md").write_text(report(run, told))
    (folder / "results.svg").write_text(plot(run, told))
    print(f"Written: {folder / 'RESULTS.md'}, results.json and results.svg beside it.")
    for problem in run.problems:
        print(f"Not measured: {problem.library} {problem.measure}: {problem.text}")
    return code or (1 if run.problems else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure typedtasks beside other task queues, each in an environment of its own that is made on the first run.",
        epilog=f"Measures: {', '.join(measure.name for measure in ALL)}. Libraries: {', '.join(x.name for x in LIBRARIES)}.",
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks, one round: shows that all of it works")
    parser.add_argument(
        "--python",
        metavar="PATH",
        default=sys.executable,
        help="the interpreter of every library's environment, typedtasks' too (default: the one that runs this)",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each sample is taken (default: 5; 1 with --quick)")
    parser.add_argument(
        "--only", type=_Chosen([m.name for m in ALL]), metavar="MEASURE[,..]", help="take these measures only (see below)"
    )
    parser.add_argument(
        "--library", type=_Chosen([x.name for x in LIBRARIES]), metavar="NAME[,..]", help="measure these libraries only (see below)"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep what this folder's results.json says of all but the measures that --only names; the page tells both commands",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where to write RESULTS.md, results.json and results.svg (default: benchmarks/ for a whole run, "
        ".benchmarks/partial/ with --quick, --only or --library)",
    )
    return parser


class _Chosen:
    """Parses names that are separated by commas, in any case."""

    def __init__(self, known: Sequence[str]) -> None:
        self._known = {name.lower(): name for name in known}

    def __call__(self, text: str) -> list[str]:
        names = [name.strip().lower() for name in text.split(",")]
        if unknown := [name for name in names if name not in self._known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not one of {', '.join(self._known.values())}")
        return [self._known[name] for name in names]


def _environments(libraries: Sequence[Library], python: str) -> tuple[dict[Library, Environment], list[Problem]]:
    """Return the environment of each library, and those that could not be installed."""
    environments: dict[Library, Environment] = {}
    problems: list[Problem] = []
    for library in libraries:
        print(f"Environment of {library.name} ...", flush=True)
        try:
            if tuple(map(int, version_of(python).split(".")[:2])) < library.least_python:
                least = ".".join(map(str, library.least_python))
                raise CannotInstall(
                    f"it needs Python {least} or later, and this is {version_of(python)}; choose another with --python"
                )
            environments[library] = made(library.folder, library.requirements, python)
        except CannotInstall as error:
            problems.append(_problem(library, "", 0, str(error)))
            print(f"  cannot be installed: {problems[-1].text}")
    return environments, problems


def _circumstances(options: argparse.Namespace, environments: dict[Library, Environment]) -> Circumstances:
    redis = subprocess.run(["redis-server", "--version"], check=True, capture_output=True, text=True).stdout
    versions: dict[str, dict[str, str]] = {}
    for library, environment in environments.items():
        installed = environment.versions()
        told = (library.name, *library.packages)
        versions[library.name] = {package: installed[package] for package in told if package in installed}
    arguments = sys.argv[1:]
    return Circumstances(
        command=f'make bench ARGS="{" ".join(arguments)}"' if arguments else "make bench",
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        python=version_of(options.python),
        redis=redis.partition("v=")[2].partition(" ")[0],
        machine=f"{platform.system()} {platform.machine()}, {_processors()}",
        rounds=options.rounds or (1 if options.quick else 5),
        quick=options.quick,
        versions=versions,
    )


def _processors() -> str:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} processors {model}".strip()


def _plan(measures: Sequence[Measure], libraries: Sequence[Library], rounds: int) -> Iterator[tuple[int, Measure, Library]]:
    """Yield what to do: in each round every measure, in each measure every library, beginning with another one each round."""
    for round in range(1, rounds + 1):
        for measure in measures:
            taking = [library for library in libraries if measure.takes_part(library)]
            first = (round - 1) % len(taking) if taking else 0
            for library in taking[first:] + taking[:first]:
                yield round, measure, library


def _take(run: Run, round: int, measure: Measure, library: Library, environment: Environment, quick: bool) -> None:
    begun = time.perf_counter()
    try:
        taken = measure.take(library, environment, quick)
    except Exception as error:  # noqa: BLE001 - whatever breaks in one sample must not lose the others
        run.problems.append(_problem(library, measure.name, round, f"{type(error).__name__}: {error}"))
        print(f"failed: {run.problems[-1].text}")
        return
    units = {metric.name: metric.unit for metric in measure.metrics}
    run.samples += [Sample(name, library.name, round, value) for name, value in taken.items()]
    shown = ", ".join(f"{name} {number(value)} {units[name]}".strip() for name, value in taken.items())
    print(f"{shown}  ({time.perf_counter() - begun:.1f} s)")


def _problem(library: Library, measure: str, round: int, text: str) -> Problem:
    """Return a problem with the last line of a text, which of a traceback says what happened; the whole of it goes to a log."""
    with (ROOT / ".benchmarks" / "problems.log").open("a") as log:
        log.write(f"--- {library.name} {measure} {round}\n{text}\n")
    last = text.strip().splitlines()[-1] if text.strip() else "no reason given"
    return Problem(library.name, measure, round, last.replace(f"{ROOT}/", "")[:300])


if __name__ == "__main__":
    sys.exit(main())
