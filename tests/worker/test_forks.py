"""Tasks that fork, and programs that fork after they have opened a broker: what a child inherits acts for nobody."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, eventually, started
from tests.worker import forking_application as app
from tests.worker.test_processes import Site
from typedtasks import Broker, Crashed

PATIENCE = 20.0
EXPECTED: dict[str, object] = {
    "comes_back": 1,
    "comes_back_later": 1,
    "raises": 1,
    "comes_back_in_thread": 1,
    "exits_in_thread": 5,
    "comes_back_with_dependencies": 1,
    "comes_back_with_async_dependencies": 1,
    "comes_back_in_process": 1,
    "terminates": -15,
    "interrupts": 7,
    "pools": [0, 1, 4, 9],
    "sends_from_a_child": 0,
    "sees_the_lifespan": ("from the lifespan", ""),
}


async def results(url: str) -> dict[str, object]:
    """Run each task of the application once, and its neighbours beside it."""
    broker = Broker(url)
    tasks = {name: broker.task(name=task.name)(task.function) for name, task in vars(app).items() if name in EXPECTED}
    leaf = broker.task(name=app.leaf.name)(app.leaf.function)
    leaves = broker.task(name=app.leaves.name)(app.leaves.function)
    async with broker:
        outcome = await (await leaves.enqueue()).outcome(timeout=PATIENCE)
        assert isinstance(outcome, Crashed)
        assert (outcome.type, outcome.attempts) == ("SystemExit", 1)
        neighbours = [await leaf.enqueue(number) for number in range(100)]
        got = {name: await (await task.enqueue()).result(timeout=PATIENCE) for name, task in tasks.items()}
        assert await (await tasks["sees_the_lifespan"].enqueue()).result(timeout=PATIENCE) == EXPECTED["sees_the_lifespan"]
        neighbours += [await leaf.enqueue(number) for number in range(100)]
        assert [await handle.result(timeout=PATIENCE) for handle in neighbours] == [*range(100)] * 2
    return got


def test_a_child_that_a_task_forks_never_acts_for_its_worker(site: Site) -> None:
    """It is ended where it comes back, and signals end it and nobody else; its worker and the neighbours go on."""
    command = ("-m", "typedtasks", "worker", "tests.worker.forking_application:broker", "--grace", "1")
    with started(*command, folder=site.folder, TYPEDTASKS_URL=site.url, TEST_LOG=str(site.log)) as worker:
        worker.wait_for_output("Worker started")
        assert asyncio.run(results(site.url)) == EXPECTED
        eventually(lambda: site.log.read_text().count("a leaf") == 201)
        assert worker.popen.poll() is None
        assert worker.stop() == 0
    lines = [line for line in site.log.read_text().splitlines() if line != "a leaf"]
    assert lines == ["closed by the worker"] * 2
    assert worker.output.count("a child that it has forked came back from the task") == 7
    assert worker.output.count("SystemExit was raised in an asyncio task or a callback") == 2
    assert "with ValueError" in worker.output


PRELOADED = """
import asyncio, os, sys
from typedtasks import Broker, BrokerClosed
from typedtasks.client import RemoteTask, ThreadClient

async def work(number: int) -> None: ...

class Client(ThreadClient):
    work = RemoteTask(work, name="work", queue="default", priority="normal", result_ttl_ms=60_000)

def in_child(function, *args):
    child = os.fork()
    if not child:
        try:
            code = function(*args)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            code = 9
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def refused(call, *args):
    try:
        call(*args)
    except BrokerClosed as error:
        assert "was opened before this process was forked" in str(error), error
        return True
    return False

def child_of_client(client, handle):
    assert refused(client.work.enqueue, 1)
    assert refused(handle.peek)
    with client:
        client.work.enqueue(2)
        assert handle.peek() is None
    client.close()
    return 3

def leaves(client):
    with client:
        client.close()
    return 4

client = Client(sys.argv[1])
with client:
    handle = client.work.enqueue(0)
    assert in_child(child_of_client, client, handle) == 3
    assert in_child(child_of_client, client, handle) == 3
    client.work.enqueue(3)

broker = Broker(sys.argv[1])
task = broker.task(name="work")(work)
loop = asyncio.new_event_loop()
loop.run_until_complete(broker.open())

async def child_of_broker():
    try:
        await task.enqueue(4)
    except BrokerClosed as error:
        assert "was opened before this process was forked" in str(error), error
        async with broker:
            await asyncio.gather(*[task.enqueue(number) for number in range(5)])
        return 5
    return 1

assert in_child(lambda: asyncio.run(child_of_broker())) == 5
loop.run_until_complete(task.enqueue(6))
print(loop.run_until_complete(broker.counts()).ready)
loop.run_until_complete(broker.close())
"""


def test_what_was_opened_before_a_fork_is_refused_in_the_child_and_can_be_opened_anew(site: Site) -> None:
    """A client and a broker, as a web server does that loads its application before it forks."""
    arguments = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELOADED, site.url]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "10\n"), done.stderr


OUTLIVING = """
import asyncio, os, sys
from typedtasks import Broker

async def work(number: int) -> None: ...

broker = Broker(sys.argv[1])
task = broker.task(name="work")(work)
reading, writing = os.pipe()
heard, told = os.pipe()

async def parent():
    async with broker:
        await asyncio.gather(*[task.enqueue(number) for number in range(10)])
        if os.fork() == 0:
            os._exit(asyncio.run(child()))
        await asyncio.to_thread(os.read, heard, 1)
    os.write(writing, b"!")
    os.read(heard, 1)
    async with broker:
        print((await broker.counts()).ready)
    os.write(writing, b"!")
    os.wait()

async def child():
    async with broker:
        await task.enqueue(10)
        os.write(told, b"!")
        os.read(reading, 1)
        await task.enqueue(11)
        os.write(told, b"!")
        os.read(reading, 1)
    return 0

asyncio.run(parent())
"""


@pytest.mark.parametrize("turn", range(3))
def test_a_child_keeps_what_it_stores_when_its_parent_closes_the_file(tmp_path: Path, turn: int) -> None:
    """SQLite counts the connections of a process, and a child must not count its parent's."""
    arguments = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", OUTLIVING, f"sqlite:///{tmp_path / 'tasks.db'}"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "12\n"), done.stderr
