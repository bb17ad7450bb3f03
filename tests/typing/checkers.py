"""The type checkers that the corpus is read by: each runs once over a whole folder, all of them at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["CHECKERS", "PLUGIN", "Findings", "run_all"]

Findings: TypeAlias = Mapping[tuple[str, int], frozenset[str]]
"""The codes of the errors that a checker reports, by file (relative to the folder) and line."""

# Any: the checkers' own JSON.
_Report: TypeAlias = tuple[str, int, str]
_TIME_LIMIT = 120.0
PLUGIN = "plugin.toml"
"""The configuration in which mypy has the plugin."""
_TOOLS = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Checker:
    """How one checker is run, and how its report is read."""

    name: str
    command: Sequence[str]
    read: Callable[[str], Iterator[_Report]]


def _mypy(output: str) -> Iterator[_Report]:
    for report in map(json.loads, output.splitlines()):
        if report["severity"] == "error":
            yield report["file"], report["line"], report["code"]


def _pyright(output: str) -> Iterator[_Report]:
    for report in json.loads(output)["generalDiagnostics"]:
        if report["severity"] == "error":
            yield report["file"], report["range"]["start"]["line"] + 1, report.get("rule", "syntax")


def _ty(output: str) -> Iterator[_Report]:
    for report in json.loads(output):
        if report["severity"] in ("major", "critical", "blocker"):
            yield report["location"]["path"], report["location"]["positions"]["begin"]["line"], report["check_name"]


def _pyrefly(output: str) -> Iterator[_Report]:
    for report in json.loads(output)["errors"]:
        if report["severity"] == "error":
            yield report["path"], report["line"], report["name"]


CHECKERS: Sequence[Checker] = (
    Checker("mypy", (sys.executable, "-m", "mypy", "--output", "json", "--cache-dir", ".cache", "."), _mypy),
    Checker(
        "plugin",
        (sys.executable, "-m", "mypy", "--config-file", PLUGIN, "--output", "json", "--cache-dir", ".cache-plugin", "."),
        _mypy,
    ),
    Checker("pyright", (str(_TOOLS / "basedpyright"), "--outputjson", "--pythonpath", sys.executable), _pyright),
    Checker("ty", (str(_TOOLS / "ty"), "check", "--python", sys.prefix, "--output-format", "gitlab"), _ty),
    Checker(
        "pyrefly",
        (
            str(_TOOLS / "pyrefly"),
            "check",
            "--python-interpreter-path",
            sys.executable,
            "--output-format",
            "json",
            "--summary=none",
        ),
        _pyrefly,
    ),
)


def run_all(folder: Path) -> dict[str, Findings]:
    """Return what each checker reports about the programs in a folder, as its `pyproject.toml` sets it up."""
    running = {
        checker: subprocess.Popen(checker.command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for checker in CHECKERS
    }
    return {checker.name: _findings(checker, process, folder) for checker, process in running.items()}


# Any: see above.
def _findings(checker: Checker, process: subprocess.Popen[Any], folder: Path) -> Findings:
    output, problems = process.communicate(timeout=_TIME_LIMIT)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{checker.name} ended with code {process.returncode}: {problems or output}")
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for file, line, code in checker.read(output):
        found[str((folder / file).relative_to(folder)), line].add(code)
    return {place: frozenset(codes) for place, codes in found.items()}
