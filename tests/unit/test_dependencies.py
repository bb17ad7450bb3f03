"""The pinned versions: complete, exact, and such that everybody who asks for a package accepts it."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from tests.processes import ROOT
from tools.dependencies import main, problems

PINS = (ROOT / "constraints.txt").read_text()


def without(name: str) -> str:
    """Return the pins but for that of one package."""
    return "".join(line for line in PINS.splitlines(keepends=True) if not line.replace("_", "-").startswith(f"{name}=="))


def test_the_pins_of_this_project_are_complete_and_fit() -> None:
    """As `make check` finds them."""
    assert main() == 0


@pytest.mark.parametrize(
    ("pins", "problem"),
    [
        (without("pydantic-core"), "pydantic-core is not pinned, and pydantic requires it"),
        (PINS + "redis>=6\n", "'redis>=6' is not of the form name==version"),
        (PINS + "Redis==1.0\n", "Redis is pinned twice"),
        (without("redis") + "redis==1.0\n", "redis==1.0 is not >=6.2, which typedtasks requires"),
        (without("redis") + "redis==999.0\n", "redis==999.0 is pinned, and "),
    ],
)
def test_what_is_wrong_with_a_pin_is_named(pins: str, problem: str) -> None:
    """Missing, loose, twice, too old for who asks for it, or another one than is installed."""
    (found,) = problems(pins, [Requirement("redis>=6.2"), Requirement("pydantic>=2.11")])
    assert found.startswith(problem)
