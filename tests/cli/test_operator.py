"""`typedtasks queues`, `workers`, `purge` and `cancel`, on a queue with one task in each state that an operator meets."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import another_broker
from typedtasks.backend import SessionId
from typedtasks.cli import main
from typedtasks.testing import RecordingListener


def test_queues_shows_each_state_and_what_is_parked(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["queue", "ready", "running", "delayed", "parked", "dead"]
    assert lines[1].split() == ["default", "1", "0", "1", "1", "2"]
    assert lines[2].endswith("waits for a worker that knows 'nobody_knows'")


def test_queues_as_json_is_one_object_for_each_queue(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queues", target, "--queue", "default", "--queue", "other,more", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["default"] == {"ready": 1, "running": 0, "delayed": 1, "parked": 1, "dead": 2}
    assert list(counts) == ["default", "other", "more"]
    assert counts["other"] == dict.fromkeys(counts["default"], 0)


def test_queues_names_parked_tasks_however_many_others_wait(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They come last in a queue, so a look at its beginning would not find them."""

    async def fill() -> None:
        broker, double = another_broker()
        async with broker:
            await broker.enqueue_many([double.call(number) for number in range(150)])

    asyncio.run(fill())
    assert main(["queues", target]) == 0
    assert "waits for a worker that knows 'nobody_knows'" in capsys.readouterr().out


def test_workers_says_where_none_is(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And exits with 1, so that an alarm can be made of it."""
    assert main(["workers", target]) == 1
    assert capsys.readouterr().out == "No worker reads default.\n"
    assert main(["workers", target, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"default": []}


def test_workers_shows_leases_and_what_is_held(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For each queue that is asked for."""

    async def look() -> tuple[int, int]:
        broker, _ = another_broker()
        async with broker:
            session = await broker.backend.join(SessionId("host-1"), ["default"], 30.0, RecordingListener())
            assert len(await session.receive(10, 0)) == 1
            codes = await asyncio.to_thread(lambda: (main(["workers", target]), main(["workers", target, "--json"])))
            await session.leave()
            return codes

    assert asyncio.run(look()) == (0, 0)
    text, document = capsys.readouterr().out.split("{", 1)
    header, row = text.splitlines()
    assert header.split() == ["queue", "session", "lease", "holds"]
    assert re.fullmatch(r"default host-1  +\d\d\.\d s +1", row)
    ((shown,),) = json.loads("{" + document).values()
    assert (shown["session"], shown["held"]) == ("host-1", 1)
    assert 0 < shown["lease_seconds"] <= 30


def test_a_worker_whose_lease_has_ended_is_shown_while_it_holds_something(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has taken that over yet, and no worker reads the queue."""

    async def lose() -> None:
        broker, _ = another_broker()
        async with broker:
            session = await broker.backend.join(SessionId("host-1"), ["default"], 30.0, RecordingListener())
            await session.receive(10, 0)
            await broker.backend.expire(SessionId("host-1"), ["default"])

    asyncio.run(lose())
    assert main(["workers", target]) == 1
    _, row, none = capsys.readouterr().out.splitlines()
    assert row.split() == ["default", "host-1", "ended", "1"]
    assert none == "No worker reads default."


def test_purge_deletes_what_waits_once_it_is_confirmed(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Running tasks and dead letters stay."""
    assert main(["purge", target, "--queue", "default", "--dry-run"]) == 0
    assert capsys.readouterr().out == "3 tasks would be deleted from default.\n"
    assert main(["purge", target, "--queue", "default"]) == 2
    assert "purge deletes for good: add --yes" in capsys.readouterr().err
    assert main(["purge", target, "--queue", "default", "--yes"]) == 0
    assert capsys.readouterr().out == "3 tasks deleted from default.\n"
    assert main(["purge", target, "--queue", "default,other", "--dead", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": {"default": 2, "other": 0}, "dry_run": False}


@pytest.mark.parametrize(("answer", "code", "said"), [("y", 0, "3 tasks deleted from"), ("", 1, "Nothing was deleted from")])
def test_purge_asks_on_a_terminal(
    answer: str, code: int, said: str, target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a clear yes counts."""
    questions: list[str] = []

    def answered(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answered)
    assert main(["purge", target, "--queue", "default"]) == code
    assert questions == ["Delete 3 tasks of default for good? [y/N] "]
    assert capsys.readouterr().out == f"{said} default.\n"


def test_purge_wants_to_know_the_queue(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no default for what is deleted."""
    with pytest.raises(SystemExit) as ended:
        main(["purge", target, "--yes"])
    assert ended.value.code == 2
    assert "--queue" in capsys.readouterr().err


def test_cancel_asks_for_each_task_and_says_what_is_not_there(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A dead letter has ended."""

    async def waiting_and_dead() -> tuple[list[str], str]:
        broker, _ = another_broker()
        async with broker:
            return [task.id for task in await broker.peek()], (await broker.dead_letters())[0].id

    waiting, dead = asyncio.run(waiting_and_dead())
    assert len(waiting) == 3
    assert main(["cancel", target, *waiting]) == 0
    assert capsys.readouterr().out == "Cancellation asked for 3 of 3 tasks.\n"
    assert main(["cancel", target, waiting[0], dead, "default.nope", "nope"]) == 1
    assert capsys.readouterr().out == (
        "Cancellation asked for 1 of 4 tasks.\n"
        f"{dead} has ended already.\nThere is no task 'default.nope'.\nThere is no task 'nope'.\n"
    )
    assert main(["cancel", target, waiting[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"asked": [waiting[0]], "ended": [], "missing": []}


COMMANDS = [["queues"], ["workers"], ["dead", "list"], ["dead", "replay"], ["dead", "drop"], ["parked", "list"], ["purge"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_impossible_queue_name_is_bad_usage(command: list[str], target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In every command that takes queues."""
    with pytest.raises(SystemExit) as ended:
        main([*command, target, "--queue", "a b"])
    assert ended.value.code == 2
    assert "'a b' is not a queue name: 1 to 64 letters" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["worker", target, "--queues", "a b"])


def test_a_broker_that_is_not_there_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one line that says what was looked for."""
    for command in (*COMMANDS[:-1], ["dead", "show"], ["cancel"], ["purge", "--yes", "--queue", "a"]):
        arguments = ["x"] if command[-1] in ("show", "cancel") else ["--all"] if command[-1] == "drop" else []
        assert main([*command, "no_such_module:broker", *arguments]) == 2
        assert "There is no module 'no_such_module'" in capsys.readouterr().err
