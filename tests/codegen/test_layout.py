"""How generated sources look: as ruff leaves them, in a project of any line length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.github_users.tasks import broker as github
from examples.orders.tasks import broker as orders
from tests.codegen.every_type import broker as every_type
from tests.codegen.generic_shapes import broker as generic_shapes
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.processes import ROOT
from typedtasks_codegen import package_files, write_folder
from typedtasks_codegen.layout import formatted

SERVICES = {
    "every_client": every_type,
    "odd_client": odd_shapes,
    "order_tasks": orders,
    "generic_client": generic_shapes,
    "github_tasks": github,
}
THEIRS = "UP042,N805,N802"
"""What is in the services' own hands: an enum made of `str`, a parameter called `self`, and the names of tasks."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages are."""
    place = tmp_path_factory.mktemp("packages")
    for package, broker in SERVICES.items():
        write_folder(place / package, package_files(broker, "app.tasks:broker", package))
    return place


def ruff(folder: Path, *arguments: str) -> str:
    """Return what ruff has to say."""
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--quiet", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


@pytest.mark.parametrize("options", [["--isolated"], ["--config", str(ROOT / "pyproject.toml"), "--ignore", f"D,{THEIRS}"]])
def test_linters_find_nothing(options: list[str], folder: Path) -> None:
    """With ruff's own rules, and with those of this project; docstrings are those of the service."""
    assert ruff(folder, "check", *options) == ""


@pytest.mark.parametrize("width", [88, 100, 120, 132])
def test_a_formatter_changes_nothing(width: int, folder: Path) -> None:
    """However long its lines may be."""
    assert ruff(folder, "format", "--diff", "--isolated", "--line-length", str(width)) == ""


def test_no_tool_is_told_to_look_away(folder: Path) -> None:
    """What type checkers have to overlook is named by its code."""
    for path in folder.rglob("*.py*"):
        text = path.read_text()
        for mark in ("noqa", "fmt: off", "fmt: skip", "type: ignore\n", "pyright: ignore\n"):
            assert mark not in text, path


def test_docstrings_keep_their_brackets() -> None:
    """Only code gets commas."""
    source = '"""One (\nline\n)\n"""\n\nx = [\n    1\n]\n'
    assert formatted({"a.py": source}) == {"a.py": '"""One (\nline\n)\n"""\n\nx = [1]\n'}
