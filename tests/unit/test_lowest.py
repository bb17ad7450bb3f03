"""The lowest versions that are tested are those that `pyproject.toml` declares."""

from __future__ import annotations

import pytest

from tools.lowest import ROOT, lowest

PROJECT = """
[project]
dependencies = ["a>=1.2"]
[project.optional-dependencies]
codegen = ["b>=2; sys_platform != 'win32'"]
mypy = []
fast = []
encryption = []
testing = []
examples = ["c{bound}"]
"""


def test_each_lower_bound_is_a_pin() -> None:
    """A marker says where a package is wanted, and is no part of its version."""
    assert list(lowest(PROJECT.format(bound=">=3.1,<4"))) == ["a==1.2", "b==2", "c==3.1"]


def test_a_dependency_without_a_lower_bound_is_refused() -> None:
    """Nobody could say what is the lowest."""
    with pytest.raises(ValueError, match="c: one lower bound is expected, such as c>=1.2"):
        list(lowest(PROJECT.format(bound="")))


def test_every_dependency_of_the_project_has_one() -> None:
    """So `make test-lowest` tests what is declared."""
    assert "pydantic==2.14" in list(lowest((ROOT / "pyproject.toml").read_text()))
