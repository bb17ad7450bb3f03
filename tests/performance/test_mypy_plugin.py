"""What the mypy plugin costs, in figures that do not depend on the machine's mood.

`python -m benchmarks.mypy_plugin` measures the time. A single run of it scatters by about what the whole plugin costs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.mypy_plugin import write_project

MOST = 425
"""Calls of functions for a task of the benchmark's project, a seventh above what was measured: 400 tasks take about 25 ms."""

COUNTING = """
import atexit, cProfile, json, sys
from typedtasks.mypy_plugin.plugin import TypedTasksPlugin

profile = cProfile.Profile()

def counted(function):
    def call(*arguments):
        profile.enable()
        try:
            answer = function(*arguments)
        finally:
            profile.disable()
        return counted(answer) if callable(answer) else answer
    return call

class Counting(TypedTasksPlugin): pass

for name in ("report_config_data", "get_function_hook", "get_method_hook", "get_method_signature_hook"):
    setattr(Counting, name, counted(getattr(TypedTasksPlugin, name)))

def show():
    library = [name for name in ("pydantic", "redis", "typedtasks.options") if name in sys.modules]
    calls = sum(entry.callcount for entry in profile.getstats())
    print(json.dumps({"calls": calls, "library": library}), file=sys.stderr)

atexit.register(show)

def plugin(version):
    return Counting
"""


def cost_of(folder: Path, tasks: int) -> tuple[int, list[str]]:
    """Return the calls of functions that mypy's cold run over a project costs in the plugin, and what it imports for them."""
    folder.mkdir()
    write_project(folder, tasks)
    (folder / "counting.py").write_text(COUNTING)
    (folder / "counting.ini").write_text("[mypy]\nstrict = True\nplugins = counting.py\n")
    command = [sys.executable, "-m", "mypy", "--no-fast-exit", "--config-file", "counting.ini", "--cache-dir", "cache", "project"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stderr)
    return found["calls"], found["library"]


def test_the_plugin_costs_no_more_for_each_task_and_does_not_import_the_library(tmp_path: Path) -> None:
    """What it costs once is left aside. To import the library takes as long as a thousand tasks."""
    (small, _), (large, library) = cost_of(tmp_path / "small", 40), cost_of(tmp_path / "large", 120)
    assert (large - small) / 80 <= MOST
    assert library == []
