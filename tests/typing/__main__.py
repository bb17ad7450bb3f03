"""Write the marks of the corpus and the table in docs/typing.md as the checkers are today. Read the difference before a commit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.typing.checkers import CHECKERS, run_all
from tests.typing.marks import read_promises, with_findings
from tests.typing.matrix import with_matrix
from tests.typing.staging import CORPUS, PAGE, PROGRAMS, by_line, stage


def main() -> None:
    checkers = [checker.name for checker in CHECKERS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stage(folder)
        found = run_all(folder)
    texts = {}
    for program in PROGRAMS:
        path = CORPUS / program
        texts[program] = with_findings(path.read_text(), by_line(found, program), checkers)
        path.write_text(texts[program])
    promises = [promise for text in texts.values() for promise in read_promises(text)]
    PAGE.write_text(with_matrix(PAGE.read_text(), promises, checkers))


main()
