"""Print constraints that hold the project's dependencies at the lowest versions which `pyproject.toml` declares.

Each requirement of the form `name>=version` becomes `name==version`: what a library is said to work with is what is tested.
`make test-lowest` installs them in an environment of its own. What these require in their turn, pip chooses.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
EXTRAS = ("codegen", "mypy", "fast", "encryption", "testing", "examples")
"""What users install. The tools of `dev` are the project's own, and may be of any version."""


def main() -> int:
    print("\n".join(lowest((ROOT / "pyproject.toml").read_text())))
    return 0


def lowest(project: str) -> Iterator[str]:
    """Yield a constraint for each dependency of a `pyproject.toml`. Raises `ValueError` for one without a lower bound."""
    table = tomllib.loads(project)["project"]
    texts = [*table["dependencies"], *(text for extra in EXTRAS for text in table["optional-dependencies"][extra])]
    for requirement in map(Requirement, texts):
        bounds = [one.version for one in requirement.specifier if one.operator in (">=", "==")]
        if len(bounds) != 1:
            raise ValueError(f"{requirement}: one lower bound is expected, such as {requirement.name}>=1.2")
        yield f"{requirement.name}=={bounds[0]}"


if __name__ == "__main__":
    sys.exit(main())
