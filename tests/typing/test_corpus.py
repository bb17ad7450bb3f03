"""The promises that types make to users, in every checker: what fits is accepted, what does not is refused with its code."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.typing.checkers import CHECKERS, Findings, run_all
from tests.typing.marks import codes_of, read_promises
from tests.typing.matrix import matrix
from tests.typing.staging import CORPUS, PAGE, PROGRAMS, by_line, stage

NAMES = [checker.name for checker in CHECKERS]
PROMISES = {program: list(read_promises((CORPUS / program).read_text())) for program in PROGRAMS}


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Findings]:
    """What each checker reports about the corpus and about generated packages: one run of each."""
    folder = tmp_path_factory.mktemp("corpus")
    stage(folder)
    return run_all(folder)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("checker", NAMES)
def test_a_checker_reports_what_the_corpus_says_and_nothing_else(checker: str, program: str, found: Mapping[str, Findings]) -> None:
    """So a gap that a new version closes fails here, too: `python -m tests.typing` writes the marks and the table anew."""
    expected = {line: codes[checker] for line, codes in codes_of(PROMISES[program]).items() if checker in codes}
    actual = {line: codes[checker] for line, codes in by_line(found, program).items() if checker in codes}
    assert actual == expected


@pytest.mark.parametrize("checker", NAMES)
def test_generated_packages_and_the_page_on_typing_are_strictly_typed(checker: str, found: Mapping[str, Findings]) -> None:
    """The clients of every type, of odd shapes and of the examples."""
    assert {place: codes for place, codes in found[checker].items() if place[0] not in PROGRAMS} == {}


def test_the_table_of_the_documentation_is_that_of_the_corpus() -> None:
    """Every known gap is in it, with its reason."""
    promises = [promise for program in PROGRAMS for promise in PROMISES[program]]
    assert matrix(promises, NAMES) in PAGE.read_text()
    for promise in promises:
        has_gap = any(promise.gaps(name) != (0, 0) for name in NAMES)
        assert bool(promise.why) == has_gap, f"{promise.name}: a gap says why it is there, and nothing else does"


def test_most_of_the_corpus_is_refused_by_everyone() -> None:
    """Without this a mistake in the marks could empty it."""
    lines = [line for promises in PROMISES.values() for promise in promises for line in promise.lines]
    assert sum(len(line.codes) == len(NAMES) for line in lines) > 140
