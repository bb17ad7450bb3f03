"""The table in docs/typing.md: which promises hold in which type checker, as the corpus says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tests.typing.marks import Promise

__all__ = ["BEGIN", "END", "matrix", "with_matrix"]

BEGIN: Final = "<!-- The table is written by `python -m tests.typing`. -->"
END: Final = "<!-- Here it ends. -->"


def matrix(promises: Sequence[Promise], checkers: Sequence[str]) -> str:
    """Return the table, and below it why each gap is there."""
    return "\n".join((*_table(promises, checkers), "", *_reasons(promises, checkers)))


def with_matrix(page: str, promises: Sequence[Promise], checkers: Sequence[str]) -> str:
    """Return a page with the table of today in its place."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{matrix(promises, checkers)}\n\n{END}{after}"


def _table(promises: Sequence[Promise], checkers: Sequence[str]) -> Iterator[str]:
    yield f"| promise | {' | '.join(checkers)} |"
    yield "|---|" + "---|" * len(checkers)
    for promise in promises:
        yield f"| {promise.name} | {' | '.join(_cell(promise, checker) for checker in checkers)} |"


def _cell(promise: Promise, checker: str) -> str:
    missed, complaints = promise.gaps(checker)
    said = [f"misses {missed}"] if missed else []
    return ", ".join((*said, f"refuses {complaints}") if complaints else said) or "yes"


def _reasons(promises: Sequence[Promise], checkers: Sequence[str]) -> Iterator[str]:
    for promise in promises:
        if any(promise.gaps(checker) != (0, 0) for checker in checkers):
            yield f"* **{promise.name}**: {promise.why}"
