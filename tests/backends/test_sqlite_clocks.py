"""Leases in an SQLite file go by a clock that nobody can set; what people name goes by the wall clock."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from typedtasks.backend import Delivery, SessionId, SessionLost
from typedtasks.backends.sqlite import SQLiteBackend
from typedtasks.testing.harness import RecordingListener, WorkerSide, finish, park, publication

HOUR = 3600.0
LEASE = 15.0


class Machine:
    """Has a wall clock that can be set, and an uptime that cannot; and one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wall = 1_700_000_000.0
        self.uptime = 50_000.0
        self.boot = "first"
        self.opened: list[SQLiteBackend] = []

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.uptime += seconds

    async def client(self) -> SQLiteBackend:
        """Return a client that was started on it as it is now."""
        backend = SQLiteBackend(str(self.path), now=lambda: self.wall, uptime=lambda: self.uptime, boot=self.boot)
        await backend.open(RecordingListener())
        self.opened.append(backend)
        return backend

    async def worker(self, name: str) -> WorkerSide:
        """Return a session that has just begun, of a process of its own."""
        listener = RecordingListener()
        session = await (await self.client()).join(SessionId(name), ["default"], LEASE, listener)
        return WorkerSide(session, listener)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A machine with an empty file."""
    machine = Machine(tmp_path / "tasks.db")
    yield machine
    for backend in machine.opened:
        await backend.close()


async def running(machine: Machine, worker: WorkerSide) -> Sequence[Delivery]:
    """Return a delivery that a worker has in hand."""
    await (await machine.client()).publish([publication()])
    return await worker.receive()


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_clock_that_is_set_ends_no_lease(machine: Machine, jump: float) -> None:
    """Nobody takes over what its worker has in hand, and that worker settles it."""
    one, two = await machine.worker("one"), await machine.worker("two")
    (delivery,) = await running(machine, one)
    machine.let_pass(10)
    machine.wall += jump
    assert await two.recover() == []
    assert one.session.keeper().renew()
    machine.let_pass(10)
    assert await one.receive() == []
    assert [state.lease_ms for state in await (await machine.client()).sessions("default") if state.id == "one"] == [5000]
    assert await one.session.settle([finish(delivery)]) == [True]


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_lease_ends_when_its_time_is_over_whatever_the_clock_says(machine: Machine, jump: float) -> None:
    """What a dead worker had is taken over at that time, and is not left for an hour."""
    dead, other = await machine.worker("dead"), await machine.worker("other")
    await running(machine, dead)
    machine.wall += jump
    assert await other.recover() == []
    machine.let_pass(LEASE - 1)
    assert other.session.keeper().renew()
    machine.let_pass(1.5)
    assert len(await other.recover()) == 1
    with pytest.raises(SessionLost):
        await dead.receive()
    assert not dead.session.keeper().renew()


async def test_after_a_start_of_the_machine_no_earlier_lease_holds(machine: Machine) -> None:
    """However long it had been up before, and whatever its clock says now."""
    dead = await machine.worker("dead")
    await running(machine, dead)
    machine.boot, machine.uptime = "second", 20.0
    machine.wall -= HOUR
    assert len(await (await machine.worker("other")).recover()) == 1


async def test_leases_of_a_machine_that_slept_go_on(machine: Machine) -> None:
    """All of its workers slept as long: nothing is run twice."""
    one, two = await machine.worker("one"), await machine.worker("two")
    await running(machine, one)
    machine.wall += 8 * HOUR
    assert await two.recover() == []
    assert one.session.keeper().renew()


async def test_delayed_tasks_follow_the_wall_clock(machine: Machine) -> None:
    """A time that was named is that time."""
    worker = await machine.worker("worker")
    client = await machine.client()
    await client.publish([publication(b"at a time", eta_ms=int((machine.wall + HOUR) * 1000))])
    assert await worker.receive() == []
    machine.wall += HOUR
    assert [delivery.body for delivery in await worker.receive()] == [b"at a time"]


async def test_a_parked_task_is_given_up_by_the_time_that_has_passed(machine: Machine) -> None:
    """A clock that is set makes no dead letter of what waits for another version."""
    worker = await machine.worker("worker")
    (delivery,) = await running(machine, worker)
    await worker.session.settle([park(delivery, "the contract", delay_ms=10_000)])
    machine.wall += HOUR
    assert await worker.receive() == []
    machine.let_pass(11)
    assert [delivery.unmet for delivery in await worker.receive()] == [True]


async def test_the_leases_of_earlier_versions_go_by_the_wall_clock(machine: Machine) -> None:
    """They have no other; and an earlier version beside this one finds what it looks for."""
    worker = await machine.worker("worker")
    old = sqlite3.connect(machine.path)
    old.execute("insert into worker(session, lease) values('old', ?)", (int((machine.wall + 10) * 1000),))
    old.execute(
        "insert into task(tid, queue, priority, state, owner, fence, deliveries, body) "
        "values('default.1', 'default', 1, 1, 'old', 1, 1, x'00')"
    )
    old.commit()
    assert old.execute("select lease from worker where session = 'worker'").fetchone() == (int((machine.wall + LEASE) * 1000),)
    old.close()
    assert await worker.recover() == []
    machine.let_pass(11)
    assert len(await worker.recover()) == 1


async def test_a_file_of_an_earlier_version_is_served(machine: Machine) -> None:
    """It lacks some columns, which are added."""
    old = sqlite3.connect(machine.path)
    old.execute("pragma journal_mode = wal")
    old.executescript(
        """
        create table task(
          id integer primary key autoincrement, tid text not null unique, queue text not null, priority integer not null,
          state integer not null, due integer, owner text, fence integer not null default 0, deliveries integer not null default 0,
          cancelled integer not null default 0, awaits text not null default '', reason text not null default '',
          died integer not null default 0, body blob not null) strict;
        create table worker(session text primary key, lease integer not null) strict;
        insert into task(tid, queue, priority, state, body) values('default.1', 'default', 1, 0, x'00');
        insert into task(tid, queue, priority, state, due, awaits, body) values('default.2', 'default', 1, 2, 1, 'later', x'00');
        pragma user_version = 1;
        """
    )
    old.close()
    worker = await machine.worker("worker")
    assert [delivery.id for delivery in await worker.receive()] == ["default.1", "default.2"]
