"""The page on SQLite: each of its ways to make a backup gives one from which a file in use is restored, by its own steps."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import files_of
from tests.processes import ROOT
from typedtasks import AsyncTask, Broker, Counts, Worker

PAGE = "docs/sqlite.md"
COMMANDS = re.findall(r"^\$ (.*?)(?: +#.*)?$", (ROOT / PAGE).read_text(), re.MULTILINE)


def of(path: Path) -> tuple[Broker, AsyncTask[[int], int]]:
    """Return a broker on a file, and its task."""
    broker = Broker(f"sqlite:///{path}")

    @broker.task(name="same")
    async def same(x: int) -> int:
        return x

    return broker, same


def back_up(command: str, folder: Path) -> None:
    """Do what a line of the page says; SQLite's own program is not needed for its statements."""
    program, *arguments = command.split(" ", 2)
    if program == "python":
        subprocess.run([sys.executable, *command.split(" ")[1:]], cwd=folder, check=True)
        return
    assert program == "sqlite3"
    connection, statement = sqlite3.connect(folder / arguments[0]), arguments[1].strip('"')
    if statement.startswith(".backup "):
        with sqlite3.connect(folder / statement.removeprefix(".backup ")) as copy:
            connection.backup(copy)
        copy.close()
    else:
        connection.execute(statement.replace("'backup.db'", f"'{folder / 'backup.db'}'"))
    connection.close()


@pytest.mark.parametrize("command", COMMANDS, ids=["program", "backup", "vacuum"])
async def test_a_backup_of_a_file_in_use_can_be_restored(command: str, tmp_path: Path) -> None:
    """What waited is there, and runs; what was sent later is gone."""
    files_of(PAGE, tmp_path)
    path = tmp_path / "tasks.db"
    broker, same = of(path)
    async with asyncio.timeout(20), broker, Worker(broker):
        assert await (await same.enqueue(0)).result() == 0
        handle = await same.options(delay=0.5, queue="later").enqueue(1)
        back_up(command, tmp_path)
        await same.options(queue="later").enqueue(2)
    for name in (f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)
    (tmp_path / "backup.db").rename(path)
    broker, same = of(path)
    async with asyncio.timeout(20), broker:
        assert await broker.counts("later") == Counts(delayed=1)
        async with Worker(broker, queues=["later"]):
            assert await broker.handle(same, handle.id).result() == 1
