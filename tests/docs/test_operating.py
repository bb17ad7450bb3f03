"""The page for operators: its files are written and its commands run, in the order of the page, and print what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.pages import BLOCK
from tests.processes import ROOT, started

PAGE = ROOT / "docs/operating.md"
ID = re.compile(r"default\.[\w-]{20}(?![\w-])")
PATIENCE = 10.0

_OWN = (
    (ID, "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "<time>"),
    (re.compile(r"\S+-\d+-[0-9a-f]{12}"), "<session>"),
    (re.compile(r"\d+\.\d s"), "<lease>"),
    (re.compile(r" +"), " "),
)
"""What differs from run to run, and how it is written for a comparison."""


def steps(console: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output that follows it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def comparable(text: str) -> str:
    """Return an output without what differs from run to run."""
    for pattern, name in _OWN:
        text = pattern.sub(name, text)
    return text


class Reader:
    """Does what the page says, as someone would who reads it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._ids: dict[str, str] = {}

    def write(self, code: str) -> None:
        """Write a block that begins with its file's name into that file."""
        name = re.match(r"# (\S+\.py)\n", code)
        if name:
            (self._folder / name[1]).write_text(code)

    def run(self, command: str, expected: str) -> None:
        """Run a command with the ids of this run, and compare what it prints."""
        program, *arguments = shlex.split(ID.sub(lambda found: self._ids[found[0]], command))
        words = ["-m", "typedtasks", *arguments] if program == "typedtasks" else arguments
        if words[-1] == "&":
            worker = self._stack.enter_context(started(*words[:-1], folder=self._folder))
            self._stack.callback(worker.stop)
            return
        deadline = time.monotonic() + PATIENCE
        output = self._output(words)
        # A worker that was just started has to join, and to end what was waiting for it: the page shows it at rest.
        while "workers" in words and comparable(output) != comparable(expected) and time.monotonic() < deadline:
            output = self._output(words)
        assert comparable(output) == comparable(expected), command
        self._ids.update(zip(ID.findall(expected), ID.findall(output), strict=True))

    def _output(self, words: list[str]) -> str:
        done = subprocess.run([sys.executable, *words], cwd=self._folder, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr


def test_the_page_for_operators_is_true(tmp_path: Path) -> None:
    """From the first sign of a mistake to its end."""
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        for language, code in BLOCK.findall(PAGE.read_text()):
            if language == "python":
                reader.write(code)
            for command, output in steps(code) if language == "console" else ():
                reader.run(command, output)


def test_the_programs_of_the_page_are_typed(tmp_path: Path) -> None:
    """mypy --strict finds nothing in them."""
    reader = Reader(tmp_path, ExitStack())
    for language, code in BLOCK.findall(PAGE.read_text()):
        if language == "python":
            reader.write(code)
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
