"""The supervisor of several worker processes, with programs of our own in the place of the workers."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
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


async def test_a_file_that_is_mended_is_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the pause had become while it was broken; the pauses begin anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typedtasks.worker.supervisor._FIRST_PAUSE", 60.0)
    monkeypatch.setattr("typedtasks.worker.supervisor._LOOK_FOR_CHANGES", 0.01)
    program, begun = tmp_path / "program.py", tmp_path / "begun"
    program.write_text("def broken(")
    running = asyncio.create_task(
        Supervisor((sys.executable, str(program)), 2, grace=1, burst=False, reload=True).run(), name="supervisor"
    )
    mended = f"import os, pathlib, time\npathlib.Path({str(begun)!r}, str(os.getpid())).touch()\ntime.sleep(60)\n"
    begun.mkdir()
    await asyncio.sleep(0.5)  # both have ended, or are ended by the change: either is right
    program.write_text(mended)
    await asyncio.to_thread(eventually, lambda: len(list(begun.iterdir())) >= 2)
    assert not running.done()
    signal.raise_signal(signal.SIGTERM)
    await running


async def test_a_process_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what the system lacks, and nothing is left open."""
    monkeypatch.setattr("typedtasks.worker.supervisor._FIRST_PAUSE", 0.01)
    start, lacking = asyncio.create_subprocess_exec, 3
    (tmp_path / "refused").mkdir()

    async def lack(*arguments: str, pass_fds: tuple[int, ...], start_new_session: bool) -> asyncio.subprocess.Process:
        nonlocal lacking
        if lacking:
            lacking -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await start(*arguments, pass_fds=pass_fds, start_new_session=start_new_session)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", lack)
    with caplog.at_level(logging.ERROR, "typedtasks.worker"):
        running = asyncio.create_task(supervisor(ONE_CANNOT_BEGIN, tmp_path).run())
        await asyncio.to_thread(eventually, lambda: len(list(tmp_path.glob("begun *"))) == 2)
    signal.raise_signal(signal.SIGTERM)
    await running
    text = "No worker process can be started: Too many open files. Raise the limit (ulimit -n, LimitNOFILE=), or close what"
    assert [line.startswith(text) for line in caplog.messages] == [True] * 3
