"""What only SQLite has: files that cannot be used, group commit, bells between processes, and a kill in the middle."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.processes import ROOT
from typedtasks import BackendFull, BackendUnavailable, BackendUnsupported, Broker, Worker
from typedtasks.backends.sqlite import SQLiteBackend
from typedtasks.backends.sqlite.bell import _folder_for  # pyright: ignore[reportPrivateUsage]
from typedtasks.backends.sqlite.database import Database
from typedtasks.backends.sqlite.lease import SQLiteLeaseKeeper
from typedtasks.testing import BackendHarness
from typedtasks.testing.harness import finish, publication


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BackendHarness]:
    harness = BackendHarness(lambda: SQLiteBackend(str(tmp_path / "tasks.db")), asyncio.sleep)
    yield harness
    await harness.close()


async def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(BackendUnavailable, match="cannot be opened .*is it a folder"):
        await Broker(f"sqlite:///{tmp_path}").open()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """And left as it is."""
    path = tmp_path / "tasks.db"
    path.write_text("these are not the tables you are looking for " * 100)
    with pytest.raises(BackendUnsupported, match="is not an SQLite database"):
        await Broker(f"sqlite:///{path}").open()
    assert path.read_text().startswith("these are not")


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Its schema is not ours to touch."""
    path = tmp_path / "tasks.db"
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(BackendUnsupported, match=r"written by a newer typedtasks \(schema 99"):
        await Broker(f"sqlite:///{path}").open()


async def test_a_locked_file_is_given_up_within_five_seconds(tmp_path: Path) -> None:
    """The error says what to close."""
    path = tmp_path / "tasks.db"
    broker = Broker(f"sqlite:///{path}")
    async with broker:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        begun = time.monotonic()
        with pytest.raises(BackendUnavailable, match="is locked by another process"):
            await broker.backend.publish([publication()])
        assert time.monotonic() - begun < 5
        other.execute("rollback")
        other.close()
        await broker.backend.publish([publication()])


async def test_a_read_only_file_is_refused(tmp_path: Path) -> None:
    """As an ordinary user would meet it; root may write anywhere, so the file is opened read-only here."""
    path = tmp_path / "tasks.db"
    async with Broker(f"sqlite:///{path}"):
        pass
    database = Database(str(path))
    await database.open()
    await database.read(lambda connection: connection.execute("pragma query_only = on").fetchall())
    with pytest.raises(BackendUnavailable, match="is read-only"):
        await database.write(lambda connection: connection.execute("delete from task").rowcount)
    await database.close()


async def test_a_database_in_memory_points_to_the_memory_backend() -> None:
    """It would have one connection only."""
    with pytest.raises(BackendUnsupported, match="use Broker\\('memory://'\\)"):
        SQLiteBackend(":memory:")


async def test_concurrent_publications_share_commits(tmp_path: Path) -> None:
    """200 tasks at once cost a few syncs of the disk, not 200."""
    database = Database(str(tmp_path / "tasks.db"))
    await database.open()
    before = database.commits
    await asyncio.gather(
        *(
            database.write(lambda c, n=n: c.execute("insert into worker(session, lease) values(?, 0)", (f"s{n}",)).rowcount)  # type: ignore[misc]
            for n in range(200)
        )
    )
    assert await database.read(lambda c: c.execute("select count(*) from worker").fetchone()) == (200,)
    assert database.commits - before < 20
    await database.close()


async def test_an_operation_that_fails_does_not_spoil_its_neighbours(tmp_path: Path) -> None:
    """They share a transaction, and each stands for itself."""
    database = Database(str(tmp_path / "tasks.db"))
    await database.open()

    def bad(connection: sqlite3.Connection) -> None:
        connection.execute("insert into worker(session, lease) values('bad', 0)")
        raise KeyError("no")

    results = await asyncio.gather(
        database.write(lambda c: c.execute("insert into worker(session, lease) values('a', 0)").rowcount),
        database.write(bad),
        database.write(lambda c: c.execute("insert into worker(session, lease) values('b', 0)").rowcount),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [int, KeyError, int]
    rows = await database.read(lambda c: c.execute("select session from worker order by session").fetchall())
    assert rows == [("a",), ("b",)]
    await database.close()


async def test_what_does_not_fit_on_the_disk_does_not_spoil_its_neighbours(tmp_path: Path) -> None:
    """SQLite rolls back the whole transaction then; whatever fits is stored all the same, and whatever does not is told so."""
    database = Database(str(tmp_path / "tasks.db"))
    await database.open()
    insert = "insert into result values(?, 0, zeroblob(?))"
    await database.read(lambda c: c.execute("pragma max_page_count = 30").fetchall())
    results = await asyncio.gather(
        database.write(lambda c: c.execute(insert, ("a", 10)).rowcount),
        database.write(lambda c: c.execute(insert, ("large", 1_000_000)).rowcount),
        database.write(lambda c: c.execute(insert, ("b", 10)).rowcount),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [int, BackendFull, int]
    assert "tasks.db is full (database or disk is full). Nothing was stored. Make room. [backend-full]" in str(results[1])
    rows = await database.read(lambda c: c.execute("select tid from result order by tid").fetchall())
    assert rows == [("a",), ("b",)]
    await database.close()


def test_a_full_disk_costs_no_result_and_no_second_execution(tmp_path: Path) -> None:
    """Longer than the lease: enqueue is refused, results are kept until there is room, and nobody takes their tasks over."""
    arguments = [sys.executable, "-m", "tests.backends.full_disk", str(tmp_path)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "20 results, each of one execution" in done.stdout


async def test_a_lease_that_could_not_be_renewed_ends_when_others_have_taken_its_tasks(harness: BackendHarness) -> None:
    """Only who is refused keeps its lease: where others can write, they take the tasks over, and nothing is settled twice."""
    client = await harness.client()
    lost, other = await harness.worker(client, name="lost", lease=0.05), await harness.worker(client, name="other")
    keeper = lost.session.keeper()
    assert isinstance(keeper, SQLiteLeaseKeeper)
    keeper.refused()
    await client.publish(publication())
    delivery = await lost.receive_one()
    await harness.pass_time(0.1)
    assert await lost.session.receive(1, 0) == []  # it goes on: nobody has taken anything over
    await harness.pass_time(0.1)
    (taken,) = await other.recover()
    assert taken.id == delivery.id
    assert not keeper.renew()
    assert await lost.session.settle([finish(delivery)]) == [False]
    assert await other.session.settle([finish(taken)]) == [True]
    keeper.close()


async def test_the_claim_uses_the_index_of_ready_tasks(tmp_path: Path) -> None:
    """A hundred thousand delayed tasks must not make it slower."""
    database = Database(str(tmp_path / "tasks.db"))
    await database.open()
    query = "explain query plan select id from task where queue = 'q' and state = 0 and priority = 1 order by id limit 10"
    plan = await database.read(lambda c: c.execute(query).fetchall())
    assert "USING INDEX ready" in plan[0][3]
    assert len(plan) == 1
    await database.close()


async def test_a_worker_in_another_process_is_woken_by_the_bell(tmp_path: Path) -> None:
    """Well before the one second after which it would look by itself."""
    code = (
        "import asyncio, sys\n"
        "from typedtasks.backends.sqlite import SQLiteBackend\n"
        "from typedtasks.testing.harness import BackendHarness\n"
        "async def main():\n"
        "    harness = BackendHarness(lambda: SQLiteBackend(sys.argv[1]), asyncio.sleep)\n"
        "    worker = await harness.worker(await harness.client())\n"
        "    for _ in range(3):\n"
        "        print('waiting', flush=True)\n"
        "        print(len(await worker.session.receive(1, 10)), flush=True)\n"
        "    await harness.close()\n"
        "asyncio.run(main())\n"
    )
    path = str(tmp_path / "tasks.db")
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, path, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    harness = BackendHarness(lambda: SQLiteBackend(path), asyncio.sleep)
    client = await harness.client()
    times: list[float] = []
    for _ in range(3):
        assert await asyncio.wait_for(child.stdout.readline(), 10) == b"waiting\n"
        await asyncio.sleep(0.05)  # so that it waits; being early would only test less
        begun = time.monotonic()
        await client.publish(publication())
        assert await asyncio.wait_for(child.stdout.readline(), 10) == b"1\n"
        times.append(time.monotonic() - begun)
    assert min(times) < 0.5
    assert await asyncio.wait_for(child.wait(), 10) == 0
    await harness.close()


async def test_a_process_that_is_killed_while_it_publishes_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """kill -9 in the middle: every acknowledged task is there, and the file is whole."""
    code = (
        "import asyncio, sys\n"
        "from typedtasks import Broker\n"
        "broker = Broker(sys.argv[1])\n"
        "@broker.task(name='f')\n"
        "async def f(n: int) -> None: ...\n"
        "async def main():\n"
        "    async with broker:\n"
        "        n = 0\n"
        "        while True:\n"
        "            print((await f.enqueue(n)).id, flush=True)\n"
        "            n += 1\n"
        "asyncio.run(main())\n"
    )
    path = tmp_path / "tasks.db"
    with subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{path}"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(50)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [line.strip() for line in child.stdout if len(line) > 20]
    async with Broker(f"sqlite:///{path}") as broker:
        stored = {waiting.id for waiting in await broker.peek(limit=1_000_000)}
    assert set(acknowledged) <= stored
    assert sqlite3.connect(path).execute("pragma integrity_check").fetchone() == ("ok",)


async def test_two_processes_may_create_the_same_file_at_the_same_time(tmp_path: Path) -> None:
    """Whoever comes second finds it."""
    backends = [Database(str(tmp_path / "tasks.db")) for _ in range(8)]
    await asyncio.gather(*(database.open() for database in backends))
    await asyncio.gather(*(database.close() for database in backends))


async def test_sockets_do_not_stay_behind(harness: BackendHarness, tmp_path: Path) -> None:
    """The folder of bells goes with the last process."""
    client = await harness.client()
    assert list(tmp_path.glob("*-bells/*.sock")) or not list(tmp_path.glob("*-bells"))
    await client.backend.close()
    assert not list(tmp_path.glob("*-bells"))


async def test_a_row_with_an_odd_priority_does_not_stop_the_rest(tmp_path: Path) -> None:
    """Whoever writes into the file by hand harms only that row."""
    broker = Broker(f"sqlite:///{tmp_path / 'tasks.db'}")

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker:
        await double.enqueue(1)
        connection = sqlite3.connect(tmp_path / "tasks.db")
        connection.execute("update task set priority = 7, state = 1, owner = 'a session that is gone'")
        connection.commit()
        connection.close()
        async with Worker(broker):
            assert await (await double.enqueue(2)).result(timeout=10) == 4


LONG = {
    "cyrillic": "документы/заказы-и-счета/очередь",
    "japanese": "二〇二六年度の注文と請求書の待ち行列\u3000",
    "bytes": "caf\udce9 " * 12,
}


@pytest.mark.parametrize("name", LONG)
async def test_a_path_may_be_long_in_bytes_and_no_text(name: str, tmp_path: Path) -> None:
    """A socket's path is limited in bytes; what is no UTF-8 is opened, and the broker shown, as any other."""
    folder = tmp_path / LONG[name]
    folder.mkdir(parents=True)
    broker = Broker(f"sqlite:///{folder}/tasks.db")

    @broker.task(name="double")
    async def double(value: int) -> int:
        return 2 * value

    async with broker, Worker(broker):
        assert await (await double.enqueue(21)).result(timeout=10) == 42
    assert (folder / "tasks.db").exists()


async def test_a_byte_of_a_path_is_written_with_a_percent_sign(tmp_path: Path) -> None:
    """As everywhere in URLs."""
    async with Broker(f"sqlite:///{tmp_path}/caf%E9%20%C3%A9.db"):
        assert b"caf\xe9 \xc3\xa9.db" in os.listdir(os.fsencode(tmp_path))


async def test_a_folder_for_temporary_files_that_is_too_long_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one whose name is short."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    async with Broker(f"sqlite:///{long}/tasks.db"):
        assert not list(long.glob("typedtasks-*"))


@pytest.mark.parametrize("harm", ["owner", "mode", "link"])
@pytest.mark.parametrize("long", [False, True])
async def test_a_folder_for_wake_ups_that_somebody_else_made_is_not_used(
    harm: str, long: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one that others may write to, beside the file or among temporary files; the error says what to do."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = tmp_path / ("x" * 90 if long else "") / "tasks.db"
    folder = _folder_for(str(file))
    folder.parent.mkdir(exist_ok=True)
    if harm == "link":
        (tmp_path / "theirs").mkdir()
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.mkdir(mode=0o700)
    if harm == "mode":
        folder.chmod(0o777)
    if harm == "owner":
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    expected = {"owner": "belongs to the user", "mode": r"may be written to by others \(its mode is 777\)", "link": "is no folder"}
    with pytest.raises(
        BackendUnavailable, match=f"{expected[harm]}.*, so it is not used.*Delete it, and run all of them as one user"
    ):
        await Broker(f"sqlite:///{file}").open()
    assert not list(folder.iterdir())
    assert "typedtasks-sqlite" not in [thread.name for thread in threading.enumerate()]


async def test_mounts_whose_paths_are_no_text_are_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system is refused there, too, also where the path has spaces."""
    mounted = tmp_path / "caf\udce9 \u3000x"
    mounted.mkdir()
    line = os.fsencode(mounted).replace(b" ", b"\\040")
    read = Path.read_bytes
    mounts = b"none / ext4 rw 0 0\nserver " + line + b" nfs4 rw 0 0\nodd\n\xff\n"
    monkeypatch.setattr(Path, "read_bytes", lambda path: mounts if str(path) == "/proc/mounts" else read(path))
    async with Broker(f"sqlite:///{tmp_path}/tasks.db"):
        pass
    with pytest.raises(BackendUnsupported, match="network file system"):
        await Broker(f"sqlite:///{mounted}/tasks.db").open()


async def test_a_file_where_the_folder_for_wake_ups_belongs_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasks.db-bells").write_text("")
    with pytest.raises(BackendUnavailable, match="tasks.db-bells is no folder, so it is not used"):
        await Broker(f"sqlite:///{tmp_path / 'tasks.db'}").open()


async def test_a_publication_that_is_cancelled_while_it_is_committed_wakes_a_worker(harness: BackendHarness) -> None:
    """It is stored all the same, so nobody has to look for it again."""
    client, worker = await harness.pair()
    waiting = asyncio.create_task(worker.session.receive(1, 5.0))
    await asyncio.sleep(0.05)
    sending = asyncio.create_task(client.publish(harness.publication()))
    await asyncio.sleep(0)  # it is under way now
    sending.cancel()
    begun = time.monotonic()
    assert len(await waiting) == 1
    assert time.monotonic() - begun < 0.5
    assert sending.cancelled()
