"""Hosts that give a command less than it is used to: closed descriptors, a stream that knows no umlauts, few open files."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

APP = '''
import os, sys
from contextlib import suppress
from typedtasks import Broker, Worker

broker = Broker()

@broker.task(name="größe")
async def size(text: str) -> int:
    """Return how long a text is: «é»."""
    print(text)
    print(text, file=sys.stderr)
    with suppress(OSError):
        os.write(2, b"garbage " * 1000)
    return len(text)

@broker.task(name="crunch", executor="process")
def crunch(text: str) -> int:
    print(text)
    print(text, file=sys.stderr)
    return len(text)

async def send():
    async with broker:
        await size.enqueue("für \\U0001f600")
        await crunch.enqueue("für \\U0001f600")

async def send_and_expect():
    async with broker:
        handles = [await size.enqueue("abc"), await crunch.enqueue("abc")]
        async with Worker(broker):
            Path("got").write_text(repr([await handle.result(timeout=20) for handle in handles]))

from pathlib import Path
'''


def ran(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Return what a shell has done in the folder, where `$PYTHON` is Python and `$WORKER` a worker in a burst."""
    (folder / "app.py").write_text(APP)
    known = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TYPEDTASKS_URL": f"sqlite:///{folder / 'tasks.db'}",
        "PYTHON": sys.executable,
        "WORKER": f"{sys.executable} -m typedtasks worker app:broker --burst",
        **environment,
    }
    return subprocess.run(["/bin/sh", "-c", script], cwd=folder, env=known, capture_output=True, timeout=60, check=False)


def send(folder: Path, function: str = "send") -> None:
    """Put tasks into the store."""
    done = ran(folder, f'$PYTHON -c "import asyncio, app; asyncio.run(app.{function}())"')
    assert done.returncode == 0, done.stderr


def waiting(folder: Path) -> int:
    """Return how many tasks are in the file, which has to be sound."""
    connection = sqlite3.connect(folder / "tasks.db")
    try:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        (number,) = connection.execute("select count(*) from task").fetchone()
        return int(number)
    finally:
        connection.close()


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_worker_without_standard_streams_runs_everything(closed: str, tmp_path: Path) -> None:
    """What is written to its standard error comes into no file that was opened in its place."""
    send(tmp_path)
    done = ran(tmp_path, f"$WORKER {closed}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert waiting(tmp_path) == 0


def test_a_worker_in_a_program_without_standard_error_reads_that_of_its_children(tmp_path: Path) -> None:
    """There is nowhere to show it, and a child would wait for ever if nobody took it."""
    done = ran(tmp_path, '$PYTHON -c "import asyncio, app; asyncio.run(app.send_and_expect())" 2>&-')
    assert done.returncode == 0
    assert (tmp_path / "got").read_text() == "[3, 3]"


def test_streams_that_know_ascii_only_get_the_rest_escaped(tmp_path: Path) -> None:
    """Of commands that print what tasks are called, and of what workers log and tasks print."""
    send(tmp_path)
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = ran(tmp_path, "$PYTHON -m typedtasks schema app:broker && $WORKER", **ascii_only)
    assert done.returncode == 0, done.stderr
    assert b"crunch" in done.stdout
    assert rb"f\xfcr \U0001f600" in done.stdout
    assert rb"f\xfcr \U0001f600" in done.stderr
    assert waiting(tmp_path) == 0


def test_a_limit_of_open_files_is_named(tmp_path: Path) -> None:
    """A worker that cannot begin for it says what to raise, on one line."""
    done = ran(tmp_path, '$PYTHON -c "import app" && ulimit -n 8 && $WORKER')
    assert done.returncode == 2, done.stderr
    assert b"Raise its limit (ulimit -n" in done.stderr or b"Raise the limit (ulimit -n" in done.stderr
    assert b"Traceback" not in done.stderr
