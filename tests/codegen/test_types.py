"""What type checkers make of generated packages: no error inside, right types outside, wrong calls refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.github_users.tasks import broker as github
from tests.codegen.every_type import broker as every_type
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.codegen.service import broker as service
from tests.processes import ROOT
from typedtasks_codegen import difference, package_files, write_folder

USAGE = Path(__file__).with_name("usage.txt").read_text()

Errors = dict[tuple[str, int], str]
"""What a checker says, by file and line."""


def mypy(folder: Path) -> Errors:
    """Check all packages and programs of a folder."""
    command = [sys.executable, "-m", "mypy", "--strict", "--output", "json", "--cache-dir", str(folder / ".cache"), "."]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    reports = [json.loads(line) for line in run.stdout.splitlines()]
    return {(report["file"], report["line"]): report["message"] for report in reports if report["severity"] == "error"}


def pyright(folder: Path) -> Errors:
    """Check all packages and programs of a folder."""
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = [str(Path(sys.executable).with_name("basedpyright")), "--outputjson", "--pythonpath", sys.executable]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return {
        (str(Path(report["file"]).relative_to(folder)), report["range"]["start"]["line"] + 1): report["message"]
        for report in json.loads(run.stdout)["generalDiagnostics"]
        if report["severity"] == "error"
    }


def test_the_committed_stub_is_what_the_generator_writes() -> None:
    """Nobody edits it; `typedtasks generate examples.github_users.tasks:broker --out stubs --package github_tasks` writes it."""
    files = package_files(github, "examples.github_users.tasks:broker", "github_tasks")
    assert difference(ROOT / "stubs" / "github_tasks", files) == ""


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_generated_packages_are_strictly_typed_and_wrong_calls_are_refused(
    checker: Callable[[Path], Errors], tmp_path: Path
) -> None:
    """One run over a program that uses a client, that client, and the clients of every type and of odd shapes."""
    write_folder(tmp_path / "library", package_files(service, "app:broker", "library"))
    write_folder(tmp_path / "every_client", package_files(every_type, "app:broker", "every_client"))
    write_folder(tmp_path / "odd_client", package_files(odd_shapes, "app:broker", "odd_client"))
    write_folder(tmp_path / "github_tasks", package_files(github, "app:broker", "github_tasks"))
    (tmp_path / "usage.py").write_text(USAGE)
    refused = {("usage.py", number) for number, line in enumerate(USAGE.splitlines(), 1) if line.endswith("# refused")}
    found = checker(tmp_path)
    assert {place: message for place, message in found.items() if place not in refused} == {}
    assert refused - set(found) == set()
    assert len(refused) == 12
