"""The supervisor of several worker processes, with programs of our own in the place of the workers."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

import pytest

from tests.processes import eventually
from typedtasks.worker.supervisor import Supervisor

ONE_CANNOT_BEGIN = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
try:
    (folder / "refused").mkdir()
except FileExistsError:
    (folder / f"begun {time.time_ns()}").touch()
    time.sleep(60)
else:
    sys.exit(2)
"""


def supervisor(program: str, folder: Path) -> Supervisor:
    """Return a supervisor of two processes that run a program."""
    return Supervisor((sys.executable, "-c", program, str(folder)), 2, grace=1, burst=False, reload=False)


async def test_one_process_that_cannot_begin_does_not_end_the_one_that_serves(tmp_path: Path) -> None:
    """Its backend may have been away for a moment: it is started again."""
    running = asyncio.create_task(supervisor(ONE_CANNOT_BEGIN, tmp_path).run())
    try:
        await asyncio.to_thread(eventually, lambda: running.done() or len(list(tmp_path.glob("begun *"))) == 2)
        assert not running.done()
    finally:
        if not running.done():
            signal.raise_signal(signal.SIGTERM)
    assert await running == 0


async def test_when_no_process_can_begin_the_supervisor_ends_as_they_did(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It does not try for ever, and speaks of no signal that nobody sent."""
    with caplog.at_level(logging.INFO, "typedtasks.worker"):
        assert await supervisor("import sys; sys.exit(2)", tmp_path).run() == 2
    assert "No worker process can begin" in caplog.text
    assert "SIGTERM" not in caplog.text


DIES_AT_WORK = """
import os, pathlib, sys, time
folder, begun = pathlib.Path(sys.argv[1]), int(sys.argv[sys.argv.index("--begun") + 1])
os.write(begun, b"1")
(folder / f"begun {time.time_ns()}").touch()
if len(list(folder.glob("begun *"))) < 8:
    os._exit(1)
time.sleep(60)
"""


async def test_processes_that_die_at_work_are_replaced_without_longer_and_longer_pauses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poison may end several one after the other; the pause is for those that cannot begin."""
    monkeypatch.setattr("typedtasks.worker.supervisor._FIRST_PAUSE", 0.01)
    with caplog.at_level(logging.WARNING, "typedtasks.worker"):
        running = asyncio.create_task(supervisor(DIES_AT_WORK, tmp_path).run())
        await asyncio.to_thread(eventually, lambda: len(list(tmp_path.glob("begun *"))) >= 9)
        signal.raise_signal(signal.SIGTERM)
        await running
    pauses = {line.rpartition(" in ")[2] for line in caplog.messages if "starting another" in line}
    assert pauses == {"0.01 s."}
