"""The types that users see, in mypy and in pyright: what fits is accepted, what does not is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REFUSED = {"surface.txt": 7, "injected.txt": 14}
"""The programs, and on how many lines they are wrong."""


def mypy(path: Path) -> set[int]:
    """Return the lines on which mypy reports an error."""
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--output", "json", "--cache-dir", str(path.parent / "cache"), path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    reports = [json.loads(line) for line in run.stdout.splitlines()]
    return {report["line"] for report in reports if report["severity"] == "error"}


def pyright(path: Path) -> set[int]:
    """Return the lines on which pyright reports an error."""
    (path.parent / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = str(Path(sys.executable).with_name("basedpyright"))
    run = subprocess.run(
        [command, "--outputjson", "--pythonpath", sys.executable, path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    reports = json.loads(run.stdout)["generalDiagnostics"]
    return {report["range"]["start"]["line"] + 1 for report in reports if report["severity"] == "error"}


@pytest.mark.parametrize("program", REFUSED)
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_every_misuse_is_refused_and_nothing_else(checker: object, program: str, tmp_path: Path) -> None:
    """assert_type holds the accepted half, line numbers the refused one."""
    assert callable(checker)
    path = tmp_path / "surface.py"
    text = Path(__file__).with_name(program).read_text()
    path.write_text(text)
    expected = {number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# refused")}
    assert checker(path) == expected
    assert len(expected) == REFUSED[program]
