"""`typedtasks breaking --pending`: what waits is read with today's tasks, and nothing is changed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from typedtasks import Broker
from typedtasks.backend import Counts, Priority, Publication, SessionId, new_task_id
from typedtasks.cli import main
from typedtasks.cli.pending import examine
from typedtasks.clock import ManualClock
from typedtasks.envelope import Header, write_header
from typedtasks.testing import RecordingListener
from typedtasks.testing.harness import bury, park

TASKS = """from typing import Annotated

from pydantic import AfterValidator, BaseModel
from typedtasks import Broker, Secret

broker = Broker("memory://", default_queue="mail")


class Letter(BaseModel):
    to: str
    pages: list[int] = []


@broker.task(name="mail.send")
async def send(letter: Letter) -> None: ...


@broker.task(name="mail.login")
async def login(password: Secret[int]) -> None: ...
"""
GOOD = b'{"letter":{"to":"ada"}}'
BAD = b'{"letter":{"to":1,"pages":[1,"x","y"]}}'
DEAD = b'{"letter":7}'


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of a service, in the working directory."""
    (tmp_path / "mailing.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "mailing:broker"
    sys.modules.pop("mailing", None)


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, target: str) -> str:
    """Where tasks wait: an SQLite file, or a Redis that was emptied."""
    if request.param == "sqlite":
        return "sqlite:///tasks.db"
    redis_url: str = request.getfixturevalue("redis_url")
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    return redis_url


async def put(broker: Broker, *calls: tuple[str, bytes], delay_ms: int = 0, queue: str = "mail") -> None:
    """Put calls into the queue, as clients with any code would."""
    now = broker.clock.now()
    await broker.backend.publish(
        [
            Publication(new_task_id(queue, now), queue, Priority.NORMAL, write_header(Header(task)) + payload, delay_ms)
            for task, payload in calls
        ]
    )


async def fill(url: str) -> Counts:
    """Put one or two tasks into each state, and return how many there are."""
    async with Broker(url) as broker:
        session = await broker.backend.join(SessionId("host-1"), ["mail"], 60.0, RecordingListener())
        await put(broker, ("mail.send", DEAD), ("mail.gone", b"{}"), ("mail.send", GOOD))
        dead, parked, _ = await session.receive(3, 0)
        await session.settle([bury(dead), park(parked, "mail.gone", parked.body)])
        await put(broker, ("mail.send", GOOD), ("mail.send", BAD), ("mail.login", b'{"password":"hunter2"}'))
        await put(broker, ("mail.send", BAD), delay_ms=60_000)
        await session.leave()  # what it was running is nobody's yet
        return await broker.counts("mail")


def counts(url: str) -> Counts:
    """Return how many tasks are in each state."""

    async def count() -> Counts:
        async with Broker(url) as broker:
            return await broker.counts("mail")

    return asyncio.run(count())


def test_every_state_is_read_and_nothing_is_changed(target: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By task: how many would fail, for which reasons, each with one that is meant."""
    before = asyncio.run(fill(url))
    assert before == Counts(ready=3, running=1, delayed=1, parked=1, dead=1)
    assert main(["breaking", target, "--pending", url, "--json"]) == 1
    pending = json.loads(capsys.readouterr().out)["pending"]
    assert counts(url) == before
    assert (pending["queues"], pending["looked_at"], pending["would_fail"]) == (["mail"], 7, 5)
    assert pending["states"] == {"ready": 3, "running": 1, "delayed": 1, "parked": 1, "dead": 1}
    send = pending["tasks"]["mail.send"]
    assert (send["looked_at"], send["would_fail"], send["states"]) == (5, 3, {"ready": 1, "delayed": 1, "dead": 1})
    assert {reason["text"]: reason["count"] for reason in send["reasons"]} == {
        "letter.to: Input should be a valid string": 2,
        "letter.pages[]: Input should be a valid integer": 2,
        "letter: Input should be an object": 1,
    }
    assert all(reason["example"].startswith("mail.") for reason in send["reasons"])
    (unknown,) = pending["tasks"]["mail.gone"]["reasons"]
    assert unknown["text"] == "there is no task of this name: it would be parked until a worker knows it"


def test_the_report_for_people_says_the_same_and_no_values(target: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url))
    assert main(["breaking", target, "--pending", url]) == 1
    out = capsys.readouterr().out
    assert ": 7 tasks looked at in mail (" in out
    assert "; 5 would fail. Nothing was changed.\n" in out
    assert "  mail.login: 1 of 1 would fail (1 ready)\n    password: Input should be a valid integer (1, such as mail." in out
    assert "hunter2" not in out
    assert main(["breaking", target, "--pending", url, "--format", "github"]) == 1
    assert "::error file=mailing.py,line=18,title=pending::mail.login: 1 of 1 would fail" in capsys.readouterr().out


def test_states_and_queues_can_be_chosen(target: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who knows of old dead letters looks at what still waits."""
    asyncio.run(fill(url))
    assert main(["breaking", target, "--pending", url, "--state", "running"]) == 0
    assert ": 1 task looked at in mail (1 running); 0 would fail." in capsys.readouterr().out
    assert main(["breaking", target, "--pending", url, "--state", "dead", "--queue", "more,other", "--json"]) == 1
    pending = json.loads(capsys.readouterr().out)["pending"]
    assert (pending["queues"], pending["states"], pending["would_fail"]) == (["mail", "more", "other"], {"dead": 1}, 1)


def test_the_queues_of_the_contract_are_looked_at_too(target: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A task that has moved to another queue left messages behind; both reports are given."""
    module = Path("mailing.py")
    module.write_text(TASKS.replace('(name="mail.send")', '(name="mail.send", queue="old")'))
    assert main(["generate", target, "--out", ".", "--package", "mail_tasks"]) == 0
    sys.modules.pop("mailing")
    module.write_text(TASKS + "# changed\n")

    async def leave_behind() -> None:
        async with Broker(url) as broker:
            await put(broker, ("mail.send", BAD), queue="old")

    asyncio.run(leave_behind())
    capsys.readouterr()
    assert main(["breaking", target, "--against", "mail_tasks/contract.json", "--pending", url, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [change["rule"] for change in document["changes"]] == ["task-queue-changed"]
    assert (document["pending"]["queues"], document["pending"]["would_fail"]) == (["mail", "old"], 1)


def test_bytes_that_are_no_envelope_are_counted_and_steer_no_terminal(
    target: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def spoil() -> None:
        async with Broker(url) as broker:
            now = broker.clock.now()
            bodies = [b"\x00\xff", b'{"v":1,"task":"a\\u001b[2J\\nmail.send: all 1 fit"}\n{}']
            await broker.backend.publish([Publication(new_task_id("mail", now), "mail", Priority.NORMAL, body) for body in bodies])

    asyncio.run(spoil())
    assert main(["breaking", target, "--pending", url]) == 1
    out = capsys.readouterr().out
    assert "(no envelope): 1 of 1 would fail (1 ready)" in out
    assert "\x1b" not in out
    assert "\n  mail.send: all 1 fit" not in out


async def test_the_report_is_bounded_however_much_waits_and_says_how_far_it_is(target: str, url: str) -> None:
    """Reasons and names beyond a number are counted together, and a long look says so every two seconds."""
    clock = ManualClock()
    broker = Broker("memory://", clock=clock)

    @broker.task(name="mail.count")
    async def count(numbers: dict[str, int]) -> None: ...

    async with Broker(url) as other:
        await put(other, *(("mail.count", b'{"numbers":{"k%d":"x"}}' % number) for number in range(300)))
        await put(other, *((f"unknown{number}", b"{}") for number in range(1200)))
    lines: list[str] = []
    read = clock.monotonic

    def passing() -> float:
        clock.advance(0.01)
        return read()

    clock.monotonic = passing  # type: ignore[method-assign]  # each look at the clock takes time
    found = await examine(broker, url, ["mail"], say=lines.append)
    assert found.failing == 1500
    counted = found.tasks["mail.count"]
    assert (counted.looked_at, len(counted.reasons), counted.further) == (300, 20, 280)
    assert len(found.tasks) == 1001
    assert found.tasks["(further names)"].failing.total() == 201
    assert len(lines) >= 5
    assert " of about 1,500 tasks looked at; " in lines[0]


def test_a_file_that_is_no_database_is_bad_usage(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    Path("notes.db").write_text("these are notes, and no database, as everybody can see who reads them" * 20)
    assert main(["breaking", target, "--pending", "sqlite:///notes.db"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_an_empty_store_has_nothing_that_fails(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    sqlite3.connect("empty.db").close()
    Path("empty.db").touch()
    assert main(["breaking", target, "--pending", "sqlite:///empty.db"]) == 0
    assert capsys.readouterr().out == "sqlite:///empty.db: 0 tasks looked at in mail; 0 would fail. Nothing was changed.\n"
