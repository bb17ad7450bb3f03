"""Names in clients once they were given: whatever is added later, callers' code goes on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import new_class
from typing import Any, Generic, NewType, TypeVar, cast

import pytest
from pydantic import BaseModel, create_model
from typing_extensions import TypedDict

from tests.codegen.generated import Data, imported
from typedtasks import Broker, TaskError
from typedtasks.cli import main
from typedtasks_codegen import given_names, names_in, package_files, read_contract, write_folder
from typedtasks_codegen.compatibility import compare_contracts

T = TypeVar("T")
_NAMES = ("Item", "Page", "Item_2", "Client")
_MODULES = ("zoo", "app", "app.stock", "app.stock.old", "app.b_c", "app.b.c", "lab.stock")


def _model(name: str, module: str) -> object:
    return create_model(name, __module__=module, x=(int, 0))


def _enum(name: str, module: str) -> object:
    return Enum(name, {"A": 1}, module=module)


# Any: type checkers cannot know classes that are made at run time.
def _generic(name: str, module: str) -> object:
    bases = (BaseModel, cast("Any", Generic)[T])
    made = new_class(name, bases, {}, lambda body: body.update(__module__=module, __annotations__={"x": T}))
    return cast("Any", made)[int]


def _typed_dict(name: str, module: str) -> object:
    make: Any = TypedDict
    made = make(name, {"x": int})
    made.__module__ = module
    return made


def _new_type(name: str, module: str) -> object:
    make: Any = NewType
    made = make(name, int)
    made.__module__ = module
    return made


def _failure(name: str, module: str) -> object:
    return type(name, (TaskError,), {"__module__": module, "__annotations__": {"why": str}})


_KINDS: tuple[Callable[[str, str], object], ...] = (_model, _enum, _generic, _typed_dict, _new_type, _failure)


def add_task(broker: Broker, chance: random.Random, used: set[str]) -> None:
    """Add a task with types of its own: their names are often those of others, their modules come before or after."""

    def task(*, a: object, b: object) -> object:
        raise NotImplementedError

    failures: list[type[TaskError]] = []
    for place in ("a", "b", "return"):
        name, module = next(
            one for one in iter(lambda: (chance.choice(_NAMES), chance.choice(_MODULES)), None) if f"{one[1]}.{one[0]}" not in used
        )
        used.add(f"{module}.{name}")
        made = chance.choice(_KINDS)(name, module)
        if isinstance(made, type) and issubclass(made, TaskError):
            failures.append(made)
            made = int
        task.__annotations__[place] = made
    number = len(broker.tasks)
    broker.task(name=f"{chance.choice(('z', 'a.b', 'm'))}.t{number}", raises=tuple(failures))(task)


def names_of(contract: Data) -> dict[str, str]:
    """Return all names that a contract gives."""
    return {key: one["client_name"] for kind in ("tasks", "types") for key, one in contract[kind].items()}


@pytest.mark.parametrize("seed", range(3))
def test_no_name_that_was_given_ever_changes(seed: int, tmp_path: Path) -> None:
    """Tasks and types are added one after the other, and the package is generated again each time."""
    broker, chance, used = Broker("memory://"), random.Random(seed), set[str]()
    folder, package = tmp_path / f"grown{seed}", f"grown{seed}"
    known: dict[str, str] = {}
    for _ in range(5):
        add_task(broker, chance, used)
        before = given_names(folder)
        write_folder(folder, package_files(broker, "app:broker", package, before))
        contract = json.loads((folder / "contract.json").read_text())
        names = names_of(contract)
        assert {key: names[key] for key in known} == known
        known = names
        assert len({one["client_name"] for one in contract["types"].values()}) == len(contract["types"])
        changed = compare_contracts(contract, cast("Data", read_contract(broker, given=names_in(contract)).as_json()))
        assert changed == []
        assert not write_folder(folder, package_files(broker, "app:broker", package, given_names(folder)))
    assert len(set(known)) > 10
    assert any(known[id] != id.rpartition(".")[2] for id in contract["types"])
    with imported(broker, tmp_path / "again", package) as client:
        assert issubclass(client.Client, object)
    checked = subprocess.run(
        [sys.executable, "-c", f"import {package}; print(len({package}.models.CONTRACT_TYPES))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stdout == f"{len(contract['types'])}\n"
    if seed == 0:
        assert _checked(tmp_path, package) == ""


def _checked(folder: Path, package: str) -> str:
    """Return what mypy says of a package."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--no-error-summary", "-p", package]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


SERVICE = """from pydantic import BaseModel, create_model
from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    to: str


@broker.task(name="mail.send")
def send(letter: Letter) -> str:
    raise NotImplementedError
"""
ADDED = """
Draft = create_model("Letter", __module__="drafts", title=(str, ...))


@broker.task(name="mail.keep")
def keep(draft: Draft) -> str:
    raise NotImplementedError
"""


@pytest.fixture
def mailing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A service whose tasks can be written anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "mailing", raising=False)

    def write(source: str) -> None:
        sys.modules.pop("mailing", None)
        (tmp_path / "mailing.py").write_text(source)

    return write


def generate(*more: str) -> int:
    """Run the command."""
    return main(["generate", "mailing:broker", "--out", "clients", "--package", "mail_tasks", *more])


def test_an_addition_renames_nothing_and_breaks_nothing(mailing: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    """`generate`, `generate --check` and `breaking` all begin with the names that the committed contract gives."""
    mailing(SERVICE)
    assert generate() == 0
    contract = Path("clients/mail_tasks/contract.json")
    old = contract.read_text()
    mailing(SERVICE + ADDED)
    assert main(["breaking", "mailing:broker", "--against", str(contract)]) == 0
    assert "client-name-changed" not in capsys.readouterr().out
    assert generate("--check") == 1
    assert "DraftsLetter" in capsys.readouterr().out
    assert generate() == 0
    names = names_of(json.loads(contract.read_text()))
    assert names == {**names_of(json.loads(old)), "drafts.Letter": "DraftsLetter", "mail.keep": "mail_keep"}
    assert names["mailing.Letter"] == "Letter"
    assert generate("--check") == 0
    # Without what was given, the first of the alphabet has the name.
    contract.unlink()
    assert generate() == 0
    assert names_of(json.loads(contract.read_text()))["drafts.Letter"] == "Letter"


def test_a_type_that_is_called_otherwise_is_reported(mailing: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    mailing(SERVICE)
    assert generate() == 0
    mailing(SERVICE.replace("Letter", "Post"))
    assert main(["breaking", "mailing:broker", "--against", "clients/mail_tasks/contract.json"]) == 1
    assert "argument-changed-in-code: letter the type is called Post instead of Letter" in capsys.readouterr().out


def test_a_package_and_its_distribution_give_the_same_names(mailing: Callable[[str], None]) -> None:
    """Whichever is generated first."""
    mailing(SERVICE)
    assert generate() == 0
    mailing(SERVICE + ADDED)
    assert generate("--distribution", "1.0") == 0
    assert generate() == 0
    places = (Path("clients/mail-tasks/mail_tasks"), Path("clients/mail_tasks"))
    first, second = (names_of(json.loads((place / "contract.json").read_text())) for place in places)
    assert first == second
    assert first["mailing.Letter"] == "Letter"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<<<<<<< ours\n{", "it is no JSON: Expecting value in line 1"),
        ('{"format": 2, "tasks": {', "it is cut short"),
        ('{"format": 9}', "its format is 9, and this version of typedtasks reads format 2; upgrade typedtasks"),
        ("\udcff", "it is no text"),
    ],
)
def test_a_contract_that_cannot_be_read_stops_the_command(
    text: str, reason: str, mailing: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise names could change unseen: after a merge with conflicts in it, for example."""
    mailing(SERVICE)
    assert generate() == 0
    contract = Path("clients/mail_tasks/contract.json")
    contract.write_bytes(text.encode(errors="surrogateescape"))
    capsys.readouterr()
    for more in ((), ("--check",)):
        assert generate(*more) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"typedtasks: {contract} cannot be read: {reason}")
        assert "The names that it has given to tasks and types are to be kept: restore it as it was committed, or delete it" in said
        assert said.count("\n") == 1


def test_a_contract_of_a_format_without_names_gives_none(mailing: Callable[[str], None]) -> None:
    mailing(SERVICE)
    assert generate() == 0
    Path("clients/mail_tasks/contract.json").write_text('{"format": 1}')
    assert generate() == 0
    assert generate("--check") == 0
