"""`Any` switches type checkers off, so it is rare in the package, and each use says why there is no better type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.processes import ROOT

PACKAGE: Final = ROOT / "typedtasks"
MODULES: Final = sorted(PACKAGE.rglob("*.py"))
PER_THOUSAND: Final = 2
REASON: Final = re.compile(r"#.*\bAny: ")
REACH: Final = 6
"""Lines above a use in which its reason stands: one may be for a few lines that belong together."""


def uses(text: str) -> Iterator[int]:
    """Yield the line of each `Any`, those in strings such as `cast("Any", x)` too."""
    for node in ast.walk(ast.parse(text)):
        if (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any"):
            yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "cast":
            kind = node.args[0]
            if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
                yield from [kind.lineno] * len(re.findall(r"\bAny\b", kind.value))


def test_any_is_rare() -> None:
    """At most 2 in 1,000 lines."""
    texts = [module.read_text() for module in MODULES]
    count = sum(len(list(uses(text))) for text in texts)
    lines = sum(len(text.splitlines()) for text in texts)
    assert 0 < count <= PER_THOUSAND * lines / 1000


@pytest.mark.parametrize("module", [path for path in MODULES if any(uses(path.read_text()))], ids=lambda path: path.stem)
def test_each_any_has_its_reason(module: Path) -> None:
    """In a comment beside it or above it."""
    lines = module.read_text().splitlines()
    bare = [line for line in uses(module.read_text()) if not any(map(REASON.search, lines[max(0, line - 1 - REACH) : line]))]
    assert [f"{module.name}:{line}: {lines[line - 1].strip()}" for line in bare] == []


def test_uses_are_found_wherever_they_stand() -> None:
    """In annotations, in aliases, and in what is written as a string."""
    text = 'x: dict[str, Any]\ny = cast("list[Any] | Any", z)\nw: typing.Any\ntext = "Any"\n'
    assert sorted(uses(text)) == [1, 2, 2, 3]
