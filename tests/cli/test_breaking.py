"""`typedtasks breaking --against`: what it finds, says and returns, and what it cannot read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from typedtasks.cli import main

HEAD = """from typing import Literal

from pydantic import BaseModel

from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    to: str


"""
SEND = """@broker.task(name="mail.send")
async def send(letter: Letter, kind: Literal["card", "parcel"] = "card") -> int:
    raise NotImplementedError
"""
COUNT = """

@broker.task(name="mail.count")
async def count(box: str) -> int:
    raise NotImplementedError
"""

Change = Callable[[str], None]


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Change]:
    """A service with a contract, whose tasks can be written anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source: str) -> None:
        sys.modules.pop("mailing", None)
        (tmp_path / "mailing.py").write_text(HEAD + source)

    write(SEND + COUNT)
    assert main(["generate", "mailing:broker", "--out", ".", "--package", "mail_tasks"]) == 0
    capsys.readouterr()
    yield write
    sys.modules.pop("mailing", None)


CONTRACT = "mail_tasks/contract.json"
AGAINST = ["breaking", "mailing:broker", "--against", CONTRACT]


def test_what_has_not_changed_is_compatible(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(AGAINST) == 0
    assert capsys.readouterr().out == (
        f"mailing:broker against {CONTRACT}: no change.\nWorkers first: compatible.\nClients first: compatible.\n"
    )


def test_each_change_is_said_with_what_it_breaks_why_and_what_to_do(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    """By task, what breaks something first; then what that means for each order of deployment."""
    change(SEND.replace('"card", "parcel"', '"card"').replace(") -> int", ", copies: int = 1) -> int"))
    assert main(AGAINST) == 1
    assert (
        capsys.readouterr().out
        == f"""mail.count
  task-removed: the task is gone
    breaks SOURCE, WIRE (workers first), WIRE_IN_FLIGHT · client to worker
    Clients still call it; what waits is parked until a worker knows it.
    Instead: Mark it deprecated, wait until `typedtasks breaking --pending` finds none of it, then remove it and reserve its name.

mail.send
  argument-value-removed: kind: new workers: "parcel" is not taken
    breaks SOURCE, WIRE (workers first), WIRE_IN_FLIGHT · client to worker
    Clients send this member of an enum or Literal.
    Instead: Keep the value, and let the task handle it.
  parameter-added-optional: copies is new and optional
    breaks WIRE (clients first) · client to worker
    Old workers refuse messages that carry it.
    Instead: Deploy the workers before the clients.

mailing:broker against {CONTRACT}: 3 changes.
Workers first: breaks 2 SOURCE, 2 WIRE, 2 WIRE_IN_FLIGHT.
Clients first: breaks 2 SOURCE, 1 WIRE, 2 WIRE_IN_FLIGHT.
Not compatible in either order. docs/breaking.md says more of each rule, and how one is ignored.
"""
    )


@pytest.mark.parametrize(("order", "code"), [("either", 0), ("workers-first", 0), ("clients-first", 1), ("both", 1)])
def test_what_works_in_one_order_of_deployment_is_compatible_unless_another_is_asked_for(
    change: Change, order: str, code: int
) -> None:
    """A new optional parameter is no trouble for whoever deploys the workers first."""
    change(SEND.replace(") -> int", ", copies: int = 1) -> int") + COUNT)
    assert main([*AGAINST, "--order", order]) == code


def test_changes_that_only_break_together_in_any_order_are_not_compatible(change: Change) -> None:
    """One wants the workers first, the other one the clients: no order serves both."""
    change(SEND.replace(") -> int", ", copies: int = 1) -> int") + COUNT.replace("-> int", "-> float"))
    assert main([*AGAINST, "--category", "WIRE"]) == 1
    assert main([*AGAINST, "--category", "WIRE_IN_FLIGHT"]) == 0


def test_a_category_that_is_not_asked_for_is_no_finding(change: Change) -> None:
    """Who has no callers' code to break looks at the wire alone."""
    change(SEND.replace("letter: Letter, kind: Literal", "letter: Letter, *, kind: Literal") + COUNT)
    assert main(AGAINST) == 1
    assert main([*AGAINST, "--category", "WIRE", "--category", "WIRE_IN_FLIGHT"]) == 0


def test_json_has_everything_for_programs(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    change(SEND)
    assert main([*AGAINST, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert {key: document[key] for key in ("target", "against", "compatible", "orders")} == {
        "target": "mailing:broker",
        "against": CONTRACT,
        "compatible": False,
        "orders": {"workers-first": False, "clients-first": False},
    }
    (found,) = document["changes"]
    assert (found["rule"], found["task"], found["path"], found["direction"]) == (
        "task-removed",
        "mail.count",
        "",
        "client to worker",
    )
    assert found["breaks"] == {
        "workers-first": ["SOURCE", "WIRE", "WIRE_IN_FLIGHT"],
        "clients-first": ["SOURCE", "WIRE_IN_FLIGHT"],
    }
    assert found["instead"]


def test_github_gets_an_annotation_at_the_function_of_a_task(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    """An error for what decides, a notice for what would break in the other order only."""
    change(SEND.replace('"card", "parcel"', '"card"'))
    assert main([*AGAINST, "--format", "github"]) == 1
    removed, narrowed, *_ = capsys.readouterr().out.splitlines()
    assert removed.startswith("::error title=task-removed::mail.count: the task is gone (SOURCE, WIRE")
    assert narrowed.startswith(
        '::error file=mailing.py,line=14,title=argument-value-removed::mail.send: kind: new workers: "parcel" is not taken'
    )
    change(SEND.replace(") -> int", ", copies: int = 1) -> int") + COUNT)
    assert main([*AGAINST, "--format", "github"]) == 0
    assert capsys.readouterr().out.startswith("::notice file=mailing.py,line=14,title=parameter-added-optional::")


IGNORE = """[[{table}ignore]]
rule = "task-removed"
task = "mail.count"
reason = "nobody counts"
until = {until}
"""


@pytest.mark.parametrize(("file", "table"), [("pyproject.toml", "tool.typedtasks.breaking."), ("taken.toml", "")])
def test_an_ignored_change_is_no_finding_until_its_day_is_over(
    change: Change, file: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then it is one again, and that is said."""
    change(SEND)
    options = [*AGAINST, *(["--ignores", file] if file != "pyproject.toml" else [])]
    Path(file).write_text(IGNORE.format(table=table, until="9999-12-31"))
    assert main(options) == 0
    assert capsys.readouterr().out.startswith(
        "Ignored until 9999-12-31: task-removed, mail.count the task is gone. (nobody counts)\n\nmailing:broker against"
    )
    Path(file).write_text(IGNORE.format(table=table, until='"2020-01-31"'))
    assert main(options) == 1
    assert (
        "The ignore of task-removed of mail.count expired on 2020-01-31: what it stands for is a finding again. (nobody counts)"
        in capsys.readouterr().out
    )


def test_an_ignore_that_matches_nothing_is_told(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text(IGNORE.format(table="tool.typedtasks.breaking.", until="9999-12-31"))
    assert main(AGAINST) == 0
    assert "The ignore of task-removed of mail.count matches nothing that has changed: remove it." in capsys.readouterr().out
    assert main([*AGAINST, "--json"]) == 0
    (idle,) = json.loads(capsys.readouterr().out)["idle_ignores"]
    assert (idle["rule"], idle["until"]) == ("task-removed", "9999-12-31")


def test_an_ignore_of_a_path_covers_what_is_below_it_and_nothing_else(change: Change) -> None:
    change(SEND.replace("kind: Literal", "letters: int, kind: Literal") + COUNT)
    (entry,) = [IGNORE.format(table="", until="9999-12-31").replace("task-removed", "parameter-added-required")]
    entry = entry.replace("mail.count", "mail.send")
    for path, code in (("letters", 0), ("letter", 1), ("letters.more", 1)):
        Path("taken.toml").write_text(f'{entry}path = "{path}"\n')
        assert main([*AGAINST, "--ignores", "taken.toml", "--category", "WIRE_IN_FLIGHT"]) == code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[ignore]]\nrule = "no-such"\nreason = "x"\nuntil = 2030-01-01', "there is no rule 'no-such'"),
        ('[[ignore]]\nrule = "task-removed"\nuntil = 2030-01-01', "entry 1 has no 'reason'"),
        ('[[ignore]]\nrule = "task-removed"\nreason = "x"', "entry 1 has no 'until'"),
        ('[[ignore]]\nrule = "task-removed"\nreason = " "\nuntil = 2030-01-01', "entry 1 has an empty reason"),
        ('[[ignore]]\nrule = "task-removed"\nreason = "x"\nuntil = "soon"', "until = soon is no day such as 2026-12-31"),
        ('[[ignore]]\nrule = "task-removed"\nreason = "x"\nuntil = 2030-01-01T00:00:00', "is no day such as"),
        ('[[ignore]]\nrule = "task-removed"\nreason = "x"\nuntil = 2030-01-01\ntsak = "t"', "entry 1 has 'tsak'"),
        ('[[ignore]]\nrule = 3\nreason = "x"\nuntil = 2030-01-01', "rule = 3 is no text"),
        ("ignore = 3", "`ignore` is not a list of tables"),
        ("ignores = []", "'ignores' is not known"),
        ("[[ignore", "cannot be read"),
    ],
)
def test_an_ignore_that_means_nothing_is_bad_usage(
    change: Change, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken.toml").write_text(text)
    assert_refused([*AGAINST, "--ignores", "taken.toml"], said, capsys)


def assert_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line, and nothing else."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory."),
        (b'{"format": 2, "tasks": {"a', "it is cut short: its JSON ends in line 1."),
        (b'{"format": 2, "tasks": {}', "it is cut short: its JSON ends in line 1."),
        (b"", "it is cut short"),
        (b"import json", "it is no JSON: Expecting value in line 1."),
        (b"[]", 'it is no contract: an object with "format", "tasks" and "types" is expected.'),
        (b'{"openapi": "3.1.0"}', "it is no contract"),
        (b'{"format": 99}', "its format is 99, and this version of typedtasks reads format 2; upgrade typedtasks."),
        (
            b'{"format": 1, "tasks": {}, "types": {}}',
            "its format is 1, of an older typedtasks, and this version reads format 2; run `typedtasks generate` "
            "with this version on the tasks as they were, and compare with the contract.json that it writes.",
        ),
        (b'{"format": 2, "tasks": {}}', "it is no whole contract: types: Field required."),
        (b'{"format": 2, "tasks": {"t": {}}, "types": {}}', "it is no whole contract: tasks.t.parameters: Field required."),
        (
            b'{"format":2,"types":{},"tasks":{"t":{"parameters":[],"result":{"ref":"x"},"raises":[],"queue":"q","max_payload":1}}}',
            'it is no whole contract: tasks.t.result: {"ref": "x"} is no type.',
        ),
        (
            b'{"format":2,"types":{},"tasks":{"t":{"parameters":[],"result":"int","raises":["x"],"queue":"q","max_payload":1}}}',
            "it is no whole contract: tasks.t.raises: there is no type x.",
        ),
        (b"\xff\xfe", "it is no text in UTF-8."),
        (b"[" * 100_000, "it is no contract: it is nested too deep."),
    ],
)
def test_what_is_no_whole_contract_is_bad_usage(
    change: Change, text: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        Path("some.json").write_bytes(text)
    assert_refused(["breaking", "mailing:broker", "--against", "some.json"], said, capsys)


def test_a_contract_is_read_from_a_commit(change: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of whatever reference; a path begins at the top of the repository, or with a dot in the working directory."""
    git("init", "--quiet", "--initial-branch=main")
    git("add", CONTRACT)
    git("commit", "--quiet", "--message=x")
    Path(CONTRACT).write_text("changed since")
    change(SEND)
    for where in (f"git:main:{CONTRACT}", f"git:HEAD:./{CONTRACT}"):
        assert main(["breaking", "mailing:broker", "--against", where]) == 1
        assert f"mailing:broker against {where}: 1 change.\n" in capsys.readouterr().out
    for where, said in (
        ("git:nowhere:x.json", "git knows no commit 'nowhere' here. In CI, fetch it first: git fetch --depth=1."),
        ("git:main:x.json", "there is no file 'x.json' in main; a path begins at the top of the repository"),
        ("git:main", "names no file of a commit: write git:REF:path, such as git:main:clients/contract.json."),
        ("git:--all:x.json", "names no file of a commit"),
    ):
        assert_refused(["breaking", "mailing:broker", "--against", where], said, capsys)


def git(*arguments: str) -> None:
    """Run git as somebody."""
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments], check=True)


def test_outside_a_repository_git_has_nothing(
    change: Change, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert_refused(["breaking", "mailing:broker", "--against", f"git:main:{CONTRACT}"], "not a git repository", capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["breaking", "mailing:broker"], "give one or both."),
        (["breaking", "nothing:broker", "--against", CONTRACT], "There is no module 'nothing'"),
        (["breaking", "mailing:broken", "--against", CONTRACT], "has no 'broken'"),
        (["breaking", "mailing:broker", "--pending", "sqlite:///nowhere.db"], "there is no such file, so nothing waits in it."),
        (["breaking", "mailing:broker", "--pending", "memory://"], "what waits there is known to its own process alone."),
        (["breaking", "mailing:broker", "--pending", "amqp://host"], "has no known scheme"),
        (["breaking", "mailing:broker", "--pending", "redis://127.0.0.1:1/0"], "is not available"),
    ],
)
def test_what_is_not_there_is_bad_usage(
    change: Change, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is made: no file, no queue."""
    assert_refused(arguments, said, capsys)
    assert not Path("nowhere.db").exists()


def test_a_task_that_cannot_be_in_a_contract_is_bad_usage(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    change("@broker.task\ndef send(when: list[Broker]) -> None: ...\n")
    assert main(AGAINST) == 2
    assert "send" in capsys.readouterr().err
