"""`typedtasks dead` and `parked`: what could not be run is found, understood, put back or deleted."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import another_broker, put_raw
from typedtasks import Broker, DeadLetter, Encrypt, Worker
from typedtasks.backend import Buried, Priority, Publication, TaskId, new_task_id
from typedtasks.cli import main
from typedtasks.cli.logs import set_up_logging
from typedtasks.cli.showing import shown_text, shown_time
from typedtasks.envelope import Header, write_header

MENDED = ("async def double(x: int)", "async def double(x: str)")


def ids_of(target: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the ids that `dead list` shows."""
    main(["dead", "list", target, "--json", *arguments])
    return [letter["id"] for letter in json.loads(capsys.readouterr().out)["dead_letters"]]


def change_module(old: str, new: str) -> None:
    """Change the application, as a deploy does."""
    module = Path("operated.py")
    text = module.read_text()
    assert old in text
    module.write_text(text.replace(old, new))


async def bury(body: bytes) -> str:
    """Have a worker refuse an envelope."""
    broker, _ = another_broker()
    async with broker, asyncio.timeout(10), Worker(broker):
        id = await put_raw(broker, body)
        await broker.wait_outcome(id, foreign=False, ttl_ms=60_000)
    return id


def test_the_list_shows_task_reason_and_payload(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The oldest first, and how many there are in all; 1 says that there are some."""
    assert main(["dead", "list", target, "--limit", "1"]) == 1
    out = capsys.readouterr().out
    id, died, task = out.splitlines()[0].split()
    assert (id.startswith("default."), task) == (True, "double")
    assert datetime.now(UTC) - datetime.fromisoformat(died) < timedelta(minutes=5)
    assert "does not fit double(x: int) -> int" in out
    assert '{"x":"three"}' in out
    assert out.count("does not fit") == 1
    assert out.splitlines()[-1] == "1 of 2 dead letters in default."


def test_the_list_as_json_is_one_document(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the payload as it was sent."""
    assert main(["dead", "list", target, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["total"] == {"default": 2}
    assert document["missing"] == []
    letter = document["dead_letters"][0]
    assert sorted(letter) == ["attempt", "deliveries", "died", "id", "labels", "payload", "priority", "queue", "reason", "task"]
    assert (letter["task"], letter["queue"], letter["priority"], letter["deliveries"]) == ("double", "default", "normal", 1)
    assert json.loads(letter["payload"]) == {"x": "three"}


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--task", "double"], 2),
        (["--task", "treble"], 0),
        (["--reason", "does not fit"], 2),
        (["--reason", "does not exist"], 0),
        (["--since", "1h"], 2),
        (["--until", "1h"], 0),
        (["--since", "2020-01-01", "--until", "2100-01-01T00:00:00+02:00"], 2),
        (["--since", "2100-01-01T00:00:00Z"], 0),
        (["--queue", "other"], 0),
        (["--queue", "other", "--queue", "default"], 2),
        (["--task", "double", "--limit", "1"], 1),
    ],
)
def test_filters_say_which_are_meant(arguments: list[str], count: int, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them have to hold; 0 says that none was found."""
    assert main(["dead", "list", target, *arguments]) == min(count, 1)
    assert capsys.readouterr().out.count("does not fit double") == count


@pytest.mark.parametrize("text", ["yesterday", "2h ago", "-1h", "2026-13-01", "99999999999w", ""])
def test_what_is_no_time_is_bad_usage(text: str, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error shows both forms."""
    with pytest.raises(SystemExit) as ended:
        main(["dead", "list", target, f"--since={text}"])
    assert ended.value.code == 2
    assert f"{text!r} is not a time: write one in ISO 8601" in capsys.readouterr().err


def test_the_list_of_ids_says_which_are_not_there(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And shows the others."""
    one, two = ids_of(target, capsys)
    assert ids_of(target, capsys, "--id", two, one) == [two, one]
    assert ids_of(target, capsys, "--id", two, "--id", "default.nope") == [two]
    assert main(["dead", "list", target, "--id", "default.nope"]) == 1
    assert "There is no dead letter 'default.nope'; see `typedtasks dead list`." in capsys.readouterr().out


def test_every_queue_of_the_broker_is_looked_at(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As `queues` does; --queue narrows it."""
    change_module('name="double"', 'name="double", queue="slow"')
    assert main(["dead", "list", target]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "2 dead letters in default." in out
    assert out[-1] == "0 dead letters in slow."
    assert main(["dead", "list", target, "--queue", "slow"]) == 0
    assert capsys.readouterr().out == "0 dead letters in slow.\n"


def test_one_letter_is_shown_whole(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what would become of it today."""
    id, _ = ids_of(target, capsys)
    assert main(["dead", "show", target, id]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if not line.startswith(" "))
    assert list(rows) == ["id", "task", "queue", "priority", "died", "deliveries", "reason", "payload", "replay"]
    assert (rows["id"], rows["task"], rows["payload"], rows["deliveries"]) == (id, "double", '{"x":"three"}', "1")
    assert rows["replay"].startswith("it would fail again: its payload does not fit double(x: int) -> int: x: Input should be")
    assert main(["dead", "show", target, id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["would_fail"].startswith("its payload does not fit double")


def test_a_letter_that_is_not_there_cannot_be_shown(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor one of another queue."""
    id, _ = ids_of(target, capsys)
    assert main(["dead", "show", target, "default.nope"]) == 1
    assert capsys.readouterr().out == "There is no dead letter 'default.nope'; see `typedtasks dead list`.\n"
    assert main(["dead", "show", target, id, "--queue", "other"]) == 1
    assert capsys.readouterr().out == f"There is no dead letter {id!r} in other; see `typedtasks dead list`.\n"
    assert main(["dead", "show", target, "default.nope", "--json"]) == 1
    assert capsys.readouterr().out == "null\n"


def test_what_is_no_envelope_and_no_text_is_shown_all_the_same(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in it can steer the terminal."""
    id = asyncio.run(bury(b"\x1b[31m\xff"))
    assert main(["dead", "show", target, id]) == 0
    out = capsys.readouterr().out
    assert "(its envelope cannot be read)" in out
    assert r"\x1b[31m\xff" in out
    assert "\x1b" not in out
    assert main(["dead", "show", target, id, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["task"], shown["payload_base64"], shown["attempt"]) == (None, "G1szMW3/", None)


def test_labels_are_shown(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are the user's own words."""
    id = asyncio.run(bury(write_header(Header("double", labels=(("tenant", "a"),))) + b"{}"))
    assert main(["dead", "show", target, id]) == 0
    assert "label tenant  a\n" in capsys.readouterr().out


def test_an_encrypted_payload_is_shown_only_when_it_is_asked_for(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the keys of the application's broker; a key that it does not have is named."""
    for id in "a", "b":
        asyncio.run(_bury_encrypted(Encrypt({id: id.encode() * 32})))
    change_module("Broker(", "Broker(codecs=[__import__('typedtasks').Encrypt({'a': b'a' * 32})], url=")
    arguments = ["dead", "list", target, "--queue", "sealed"]
    assert main(arguments) == 1
    hidden = capsys.readouterr().out
    assert hidden.count("(it is encrypted: --reveal shows it)") == 2
    assert "canary" not in hidden
    assert main([*arguments, "--reveal"]) == 1
    shown = capsys.readouterr().out
    assert '{"x":"canary"}' in shown
    assert "(it was encrypted with the key 'b', which is not among the keys here)" in shown


async def _bury_encrypted(codec: Encrypt) -> None:
    """Have a worker that has the key refuse a payload that does not fit."""
    broker = Broker("sqlite:///tasks.db", codecs=[codec], default_queue="sealed")

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    id = new_task_id("sealed", broker.clock.now())
    sealed = broker.sealing.seal_call(b'{"x":"canary"}', id, "double")
    body = write_header(Header("double", codecs=broker.sealing.names)) + sealed
    async with broker, asyncio.timeout(10), Worker(broker):
        await broker.backend.publish([Publication(id, "sealed", Priority.NORMAL, body)])
        await broker.handle(double, id).outcome()


def test_a_payload_with_a_secret_is_shown_only_when_it_is_asked_for(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In text and in JSON, one by one and in lists."""
    change_module("from typedtasks import Broker", "from typedtasks import Broker, Secret")
    change_module("async def double(x: int)", "async def double(x: Secret[int])")
    id, _ = ids_of(target, capsys)
    for arguments in (["list", target], ["show", target, id], ["list", target, "--json"], ["show", target, id, "--json"]):
        main(["dead", *arguments])
        assert '{"x":"three"}' not in capsys.readouterr().out.replace("\\", "")
        main(["dead", *arguments, "--reveal"])
        assert '{"x":"three"}' in capsys.readouterr().out.replace("\\", "")


def test_the_repr_of_a_dead_letter_does_not_show_its_payload() -> None:
    """It may be long, and nobody knows what is in there."""
    assert "hunter2" not in repr(DeadLetter.of(Buried(TaskId("default.x"), "default", 1, "reason", 0, 1, b"hunter2")))


def test_a_replay_leaves_alone_what_would_fail_again(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says why, for each; --force puts it back all the same."""
    one, two = ids_of(target, capsys)
    assert main(["dead", "replay", target]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "0 dead letters put back into default."
    assert [line.split(":")[0] for line in out[1:]] == [f"{id} would fail again and stays" for id in (one, two)]
    assert main(["dead", "replay", target, "--force", "--id", one]) == 0
    assert capsys.readouterr().out == "1 dead letter put back into default.\n"
    assert ids_of(target, capsys) == [two]


def test_a_replay_puts_back_what_fits_after_the_mistake_was_mended(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run says so before, and changes nothing."""
    change_module(*MENDED)
    one, two = ids_of(target, capsys)
    assert main(["dead", "replay", target, "--dry-run"]) == 0
    assert capsys.readouterr().out == "2 dead letters would be put back into default.\n"
    assert ids_of(target, capsys) == [one, two]
    assert main(["dead", "replay", target, "--limit", "1"]) == 0
    assert capsys.readouterr().out == "1 dead letter put back into default.\n"
    assert main(["dead", "replay", target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"put_back": [two], "would_fail": {}, "missing": [], "dry_run": False}
    assert main(["dead", "list", target]) == 0
    assert capsys.readouterr().out == "0 dead letters in default.\n"


def test_a_replay_tells_unknown_tasks_and_broken_envelopes(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line for each."""
    broken = asyncio.run(bury(b"not JSON"))
    change_module('name="double"', 'name="treble"')
    assert main(["dead", "replay", target, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["put_back"] == []
    assert answer["would_fail"].pop(broken).startswith("its envelope cannot be read: the envelope has no line end")
    assert set(answer["would_fail"].values()) == {"this broker has no task 'double'"}


@pytest.mark.parametrize("id", ["nope", "default.nope", "a b.x", "default.\u00fc", "\udcff"])
@pytest.mark.parametrize("action", ["replay", "drop"])
def test_what_is_not_there_is_said(action: str, id: str, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever its id looks like."""
    assert main(["dead", action, target, "--id", id]) == 1
    done = "put back into" if action == "replay" else "deleted from"
    assert capsys.readouterr().out == (
        f"0 dead letters {done} default.\nThere is no dead letter {id!r}; see `typedtasks dead list`.\n"
    )


def test_letters_are_dropped_for_good(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The others stay."""
    one, two = ids_of(target, capsys)
    assert main(["dead", "drop", target, "--id", one, "--dry-run"]) == 0
    assert capsys.readouterr().out == "1 dead letter would be deleted from default.\n"
    assert main(["dead", "drop", target, "--id", one]) == 0
    assert capsys.readouterr().out == "1 dead letter deleted from default.\n"
    assert ids_of(target, capsys) == [two]
    assert main(["dead", "drop", target, "--reason", "does not fit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"dropped": [two], "missing": [], "dry_run": False}


def test_nothing_is_dropped_without_saying_what(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A queue alone is not enough; --all is."""
    assert main(["dead", "drop", target, "--queue", "default"]) == 2
    assert "dead drop deletes for good: say which with --id" in capsys.readouterr().err
    assert main(["dead", "drop", target, "--all"]) == 0
    assert capsys.readouterr().out == "2 dead letters deleted from default.\n"


def test_parked_tasks_are_listed_with_what_they_wait_for(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """1 says that there are some."""
    assert main(["parked", "list", target]) == 1
    first, second, payload, _, total = capsys.readouterr().out.splitlines()
    assert first.endswith("  nobody_knows")
    assert second.startswith("  no worker knows it; next try ")
    assert (payload, total) == ("  {}", "1 parked task in default.")
    assert main(["parked", "list", target, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    (task,) = document["parked"]
    assert (task["task"], task["payload"], document["total"]) == ("nobody_knows", "{}", {"default": 1})


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--task", "nobody_knows"], 1),
        (["--task", "double"], 0),
        (["--since", "1h"], 1),
        (["--until", "1h"], 0),
        (["--queue", "other"], 0),
        (["--limit", "1"], 1),
    ],
)
def test_parked_tasks_are_filtered(arguments: list[str], count: int, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By name, and by the time at which they were sent."""
    assert main(["parked", "list", target, *arguments]) == count
    assert capsys.readouterr().out.count("no worker knows it") == count


def test_parked_tasks_are_found_by_id(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And what is not parked is said."""
    main(["parked", "list", target])
    id = capsys.readouterr().out.split()[0]
    assert main(["parked", "list", target, "--id", id, "default.nope"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(id)
    assert out.endswith("There is no parked task 'default.nope'; see `typedtasks parked list`.\n")


def test_what_is_shown_has_bounds() -> None:
    """Whatever a foreign producer has written."""
    assert shown_text("a\n\x07\u202eb") == "a\n\\x07\\u202eb"
    assert shown_text("abc", longest=2) == "ab..."
    assert shown_time(0) == "1970-01-01T00:00:00+00:00"
    assert shown_time(2.0**60) == "-"


def test_names_and_payloads_cannot_forge_lines_of_the_lists(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that begins a letter or a parked task is never one that a message has written."""
    forged = "x\n\ndefault.AZPuV0aAx1dZ0aFq8RtW  2026-05-01T12:00:00+00:00  shop.charge"
    asyncio.run(bury(f"no envelope {forged}".encode()))

    async def park() -> None:
        broker, _ = another_broker()
        async with broker, asyncio.timeout(10), Worker(broker):
            await put_raw(broker, write_header(Header(forged)) + forged.encode())
            while (await broker.counts()).parked < 2:
                await asyncio.sleep(0.01)

    asyncio.run(park())
    for command in ("dead", "parked"):
        assert main([command, "list", target]) == 1
        assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("default.AZPuV0a")]


def test_the_log_of_a_worker_cannot_be_forged_by_a_message(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Neither by a task's name nor by what an exception says: one line stays one line, and nothing steers the terminal."""
    broker = Broker(f"sqlite:///{tmp_path / 'tasks.db'}")

    @broker.task(name="fail")
    async def fail(text: str) -> None:
        raise ValueError(text)

    async def run() -> None:
        async with broker, asyncio.timeout(10), Worker(broker):
            await put_raw(broker, write_header(Header("unknown\n12:00:00 ERROR all is lost \x1b[31m")) + b"{}")
            await (await fail.enqueue("red \x1b[31m")).outcome()
            while not (await broker.counts()).parked:
                await asyncio.sleep(0.01)

    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()  # else they would be closed
    try:
        set_up_logging("text", "info")
        asyncio.run(run())
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    log = capfd.readouterr().err
    assert r"unknown\n12:00:00 ERROR all is lost \x1b[31m (default." in log
    assert r"red \x1b[31m" in log
    assert "\x1b" not in log
