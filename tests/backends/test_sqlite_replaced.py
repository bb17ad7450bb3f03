"""An SQLite file that is deleted or replaced while it is open, and backups that are made while it is."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from pathlib import Path

import pytest

from typedtasks import AsyncTask, Broker, ResultLost, Worker
from typedtasks.backends.sqlite import SQLiteBackend
from typedtasks.backends.sqlite.identity import Identity
from typedtasks.testing.harness import RecordingListener, publication

PATIENCE = 10.0


def of(path: Path) -> tuple[Broker, AsyncTask[[int], int]]:
    """Return a broker on a file, and its task."""
    broker = Broker(f"sqlite:///{path}")

    @broker.task(name="same")
    async def same(x: int) -> int:
        return x

    return broker, same


def delete(path: Path) -> None:
    """Delete a file and what belongs to it."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


def back_up(path: Path, copy: Path) -> None:
    """Copy a file that is in use, as the documentation says."""
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    with target:
        source.backup(target)
    source.close()
    target.close()


async def test_a_deleted_file_is_named_and_a_new_one_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The worker begins a new session there, new clients are served, and who waits for what was in the old one is told so."""
    path = tmp_path / "tasks.db"
    broker, same = of(path)
    other, same_there = of(path)
    async with asyncio.timeout(PATIENCE), broker:
        waiting = asyncio.create_task((await same.options(delay=60).enqueue(1)).result())
        await asyncio.sleep(0)
        async with Worker(broker):
            assert await (await same.enqueue(2)).result() == 2
            delete(path)
            async with other:
                assert await (await same_there.enqueue(3)).result() == 3
            assert await (await same.enqueue(4)).result() == 4
            with pytest.raises(ResultLost):
                await waiting
    named = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(str(path) in text and "was deleted or replaced while it was open" in text for text in named)


async def test_a_file_that_is_replaced_by_its_backup_is_served(tmp_path: Path) -> None:
    """Tasks of the backup run, and whoever waits for one of them gets its result."""
    path, copy = tmp_path / "tasks.db", tmp_path / "copy.db"
    broker, same = of(path)
    async with asyncio.timeout(PATIENCE), broker:
        handle = await same.enqueue(1)
        back_up(path, copy)
        waiting = asyncio.create_task(handle.result())
        delete(path)
        copy.rename(path)
        async with Worker(broker):
            assert await waiting == 1


async def test_nobody_who_has_the_old_file_open_touches_the_log_of_the_new_one(tmp_path: Path) -> None:
    """SQLite deletes a log by its name when the last connection is closed: what was committed to the new file would be gone."""
    path = tmp_path / "tasks.db"
    old, new, later = (SQLiteBackend(str(path)) for _ in range(3))
    await old.open(RecordingListener())
    await old.publish([publication(b"old")])
    delete(path)
    await new.open(RecordingListener())
    item = publication(b"new")
    await new.publish([item])
    await old.close()
    await later.open(RecordingListener())
    assert [task.id for task in await later.peek("default")] == [item.id]
    assert Path(f"{path}-wal").exists()
    await new.close()
    await later.close()


async def test_the_heartbeat_of_an_old_file_says_that_the_lease_has_ended(tmp_path: Path) -> None:
    """It has a connection of its own, which would renew it there for ever."""
    path = tmp_path / "tasks.db"
    backend = SQLiteBackend(str(path))
    await backend.open(RecordingListener())
    session = await backend.join(publication().id, ["default"], 10.0, RecordingListener())  # type: ignore[arg-type]  # any text
    keeper = session.keeper()
    assert keeper.renew()
    delete(path)
    assert not keeper.renew()
    keeper.close()
    await backend.close()


def test_a_path_is_seen_to_lead_elsewhere(tmp_path: Path) -> None:
    """To another file, to none, and into no folder; writing to the file is no change."""
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_text("one")
    identity = Identity(str(path))
    path.write_text("two")
    assert not identity.has_changed()
    path.rename(tmp_path / "kept")
    assert identity.has_changed()
    path.write_text("three")
    assert identity.has_changed()
    path.unlink()
    os.rmdir(path.parent)
    assert identity.has_changed()
