"""A broker that cannot be found or loaded: one clear line, the module's own frames, and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from typedtasks.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("loaded", None)


@pytest.mark.parametrize("target", [".app:broker", "../app:broker", "..:x", "app/tasks:broker", "a..b:x", "a b:x"])
def test_what_is_no_module_name_is_bad_usage(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", target]) == 2
    assert "is not the name of a module: write it with dots" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import not_there_at_all", "cannot be imported: ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("raise ValueError('no settings')", "cannot be imported: ValueError: no settings"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    ],
)
def test_an_error_inside_the_module_is_one_line_that_says_where(
    folder: Path, source: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "loaded.py").write_text(source + "\n")
    assert main(["queues", "loaded:broker"]) == 2
    err = capsys.readouterr().err
    assert f"typedtasks: The module 'loaded' {text}" in err
    assert "loaded.py" in err
    assert err.count("\n") == 1
    assert err.endswith('All of the traceback: python -c "import loaded".\n')


def test_a_definition_error_of_the_module_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "loaded.py").write_text("from typedtasks import Broker\nbroker = Broker('memory://', max_payload=0)\n")
    assert main(["queues", "loaded:broker"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_who_reads_no_further_gets_no_traceback(tmp_path: Path) -> None:
    """As `typedtasks schema app.tasks:broker | head -1` may do."""
    (tmp_path / "quiet_tasks.py").write_text("from typedtasks import Broker\nbroker = Broker('memory://')\n")
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "typedtasks", "schema", "quiet_tasks:broker"],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")
