"""The page of faults names real tests, in every row."""

from __future__ import annotations

import ast
import re

import pytest

from tests.processes import ROOT

ROWS = [
    line
    for line in (ROOT / "docs/reliability.md").read_text().splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| fault", "| | proved by"))
]


def functions(path: str) -> set[str]:
    """Return the names of all functions of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:60] for row in ROWS])
def test_every_fault_has_a_test_that_is_there(row: str) -> None:
    """By its file and its name."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert named
    for path, name in named:
        assert name.startswith("test_")
        assert name in functions(path), f"{path} has no {name}"
