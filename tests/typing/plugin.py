"""Running mypy with the plugin over a folder, and what a folder expects.

`# E: code code` at the end of a line of the corpus, and `# error: code` in docs/mypy-plugin.md, name the codes of the errors there.
In `drift.py` they have the rules behind them that a task breaks.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TypeAlias

from tests.pages import BLOCK
from tests.processes import ROOT
from tests.typing.staging import CORPUS
from typedtasks import Broker
from typedtasks_codegen import read_contract

__all__ = ["CODES", "EXAMPLES", "Daemon", "Errors", "configure", "expected", "mypy", "stage_corpus", "write", "write_contract"]

Errors: TypeAlias = Mapping[tuple[str, int], Sequence[str]]
"""The codes of errors, by file and line."""

_seconds = count(1_000_000_000)
_PAGE = ROOT / "docs" / "mypy-plugin.md"
_SECTION = re.compile(r"^### (typedtasks-\w+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_RULE = re.compile(r"\(([a-z-]+)\)[;.]")
_MARK = re.compile(r"# (?:E|error): (.*)$")


def _examples() -> Iterator[tuple[str, str, str]]:
    for code, section in _SECTION.findall(_PAGE.read_text()):
        wrong, right = (text for language, text in BLOCK.findall(section) if language == "python")
        yield code, wrong, right


EXAMPLES = tuple(_examples())
"""Of each code on the page: the example that it is reported for, and its fix."""
CODES = tuple(code for code, _, _ in EXAMPLES)


def stage_corpus(folder: Path) -> None:
    """Write the corpus and the examples of the page into a folder."""
    for path in sorted((CORPUS / "plugin").glob("*.py")):
        (folder / path.name).write_text(path.read_text())
    for code, wrong, right in EXAMPLES:
        name = code.replace("-", "_")
        (folder / f"{name}_wrong.py").write_text(wrong)
        (folder / f"{name}_right.py").write_text(right)
    write_contract(folder)
    page = _PAGE.read_text()
    (folder / "page_hidden.py").write_text(next(text for _, text in BLOCK.findall(page) if "class Db" in text))


def write_contract(folder: Path) -> None:
    """Write the contract of `drift_before.py`, and of the task that the page has an example of, before it was changed."""
    before = runpy.run_path(str(CORPUS / "plugin" / "drift_before.py"), run_name="drift_before")
    broker: Broker = before["broker"]

    @broker.task(name="users.find")
    async def find(login: str) -> int:
        raise NotImplementedError

    find.function.__module__ = "drift_before"
    (folder / "contract.json").write_text(read_contract(broker).text())


def write(path: Path, text: str) -> None:
    """Write a module with a second of its own: mypy takes one of the same second and size for unchanged."""
    path.write_text(text)
    second = next(_seconds)
    os.utime(path, (second, second))


def configure(folder: Path, *, plugins: str = "typedtasks.mypy_plugin", contract: str = "") -> None:
    """Write a configuration of mypy with every code switched on."""
    (folder / "mypy.ini").write_text(
        f"[mypy]\nplugins = {plugins}\nstrict = true\n"
        f"[typedtasks-mypy]\ntypedtasks_enable = typedtasks-any, typedtasks-raises\n"
        f"{f'typedtasks_contract = {contract}' if contract else ''}\n"
    )


def expected(folder: Path) -> Errors:
    """Return what the marks in a folder say."""
    found: dict[tuple[str, int], list[str]] = {}
    for path in sorted(folder.glob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if mark := _MARK.search(line):
                found[path.name, number] = sorted(mark[1].split())
    return found


def mypy(folder: Path, *options: str) -> Errors:
    """Run mypy over a folder, and return the errors. The cache stays there."""
    run = _call(folder, "mypy", "--output", "json", "--cache-dir", ".cache", *options, ".")
    assert run.returncode in (0, 1), run.stdout + run.stderr
    assert not run.stderr, run.stderr
    return _errors(run.stdout)


class Daemon:
    """A mypy daemon over one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, *options: str) -> str:
        """Return what `dmypy run` prints."""
        return _call(self._folder, "mypy.dmypy", "run", "--", "--cache-dir", ".cache", *options, ".").stdout

    def errors(self) -> Errors:
        """Return the errors that `dmypy run` reports."""
        return _errors(self.run("--output", "json"))

    def stop(self) -> None:
        """End the daemon."""
        _call(self._folder, "mypy.dmypy", "stop")


def _call(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def _errors(printed: str) -> Errors:
    found: dict[tuple[str, int], list[str]] = {}
    for report in (json.loads(line) for line in printed.splitlines() if line.startswith("{")):
        if report["severity"] == "error":
            rules = sorted(set(_RULE.findall(report["message"]))) if report["file"] == "drift.py" else []
            code = f"{report['code']}:{'+'.join(rules)}" if rules else report["code"]
            found.setdefault((report["file"], report["line"]), []).append(code)
    return {place: sorted(codes) for place, codes in found.items()}
