"""`typedtasks queues` and `typedtasks dead-letters`, on a queue with one task in each state that an operator meets."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from typedtasks import Broker, Worker
from typedtasks.backend import Priority, Publication, TaskId, new_task_id
from typedtasks.cli import main
from typedtasks.envelope import Header, write_header

MODULE = """
from typedtasks import Broker
broker = Broker({url!r})

@broker.task(name="double")
async def double(x: int) -> int:
    return 2 * x
"""
PATIENCE = 10.0


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with a broker; its queue holds a ready task, a delayed one, a parked one and two dead letters."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    (tmp_path / "operated.py").write_text(MODULE.format(url=url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    asyncio.run(_fill(url))
    yield "operated:broker"
    sys.modules.pop("operated", None)


async def _fill(url: str) -> None:
    broker = Broker(url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker:
        await _put(broker, write_header(Header("nobody_knows")) + b"{}")
        dead = [await _put(broker, write_header(Header("double")) + b'{"x":"three"}') for _ in range(2)]
        async with asyncio.timeout(PATIENCE), Worker(broker):
            for id in dead:
                await broker.wait_outcome(id, foreign=False, ttl_ms=60_000)
            while not (await broker.counts()).parked:
                await asyncio.sleep(0.01)
        await double.enqueue(1)
        await double.options(delay=3600).enqueue(2)


async def _put(broker: Broker, body: bytes) -> TaskId:
    id = new_task_id("default", broker.clock.now())
    await broker.backend.publish([Publication(id, "default", Priority.NORMAL, body)])
    return id


def test_queues_shows_each_state_and_what_is_parked(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["queue", "ready", "running", "delayed", "parked", "dead"]
    assert lines[1].split() == ["default", "1", "0", "2", "1", "2"]
    assert lines[2].endswith("waits for a worker that knows 'nobody_knows'")


def test_queues_as_json_is_one_object_for_each_queue(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", target, "--queues", "default,other", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["default"] == {"ready": 1, "running": 0, "delayed": 2, "parked": 1, "dead": 2}
    assert counts["other"] == dict.fromkeys(counts["default"], 0)


def test_dead_letters_are_shown_with_their_reason_and_their_bytes(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", target, "--limit", "1"]) == 1
    out = capsys.readouterr().out
    assert "does not fit double(x: int) -> int" in out
    assert '{"x":"three"}' in out
    assert out.count("does not fit") == 1
    assert out.splitlines()[-1] == "2 dead letters in default."


def test_dead_letters_are_put_back_by_id_or_all(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["dead-letters", target, "--limit", "1"])
    id = capsys.readouterr().out.split()[0]
    assert main(["dead-letters", target, "--replay", id]) == 0
    assert capsys.readouterr().out == "1 of 1 dead letters put back.\n"
    assert main(["dead-letters", target, "--replay"]) == 0
    assert capsys.readouterr().out == "1 of 1 dead letters put back into default.\n"
    assert main(["dead-letters", target]) == 0
    assert capsys.readouterr().out == "0 dead letters in default.\n"


def test_dead_letters_looks_at_every_queue_of_the_broker(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `queues` does; --queue narrows it."""
    module = tmp_path / "operated.py"
    module.write_text(module.read_text().replace('name="double"', 'name="double", queue="slow"'))
    assert main(["dead-letters", target]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "2 dead letters in default." in out
    assert out[-1] == "0 dead letters in slow."
    assert main(["dead-letters", target, "--queue", "slow"]) == 0
    assert capsys.readouterr().out == "0 dead letters in slow.\n"


@pytest.mark.parametrize("id", ["nope", "default.nope", "a b.x", "default.\u00fc", "\udcff"])
def test_a_replay_of_what_is_not_there_says_so(target: str, id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", target, "--replay", id]) == 1
    assert (
        capsys.readouterr().out == f"0 of 1 dead letters put back.\nThere is no dead letter {id!r}; list them without --replay.\n"
    )


@pytest.mark.parametrize("command", [["queues", "--queues"], ["dead-letters", "--queue"], ["worker", "--queues"]])
def test_an_impossible_queue_name_is_bad_usage(command: list[str], target: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command[0], target, command[1], "a b"])
    assert ended.value.code == 2
    assert "'a b' is not a queue name: 1 to 64 letters" in capsys.readouterr().err
