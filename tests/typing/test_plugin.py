"""The mypy plugin: every code once at its line, nothing for its fix, and the same with every cache, parser and neighbour."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from examples.github_users.tasks import broker as github
from tests.codegen.every_type import broker as every_type
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.codegen.service import broker as service
from tests.processes import ROOT
from tests.typing.plugin import CODES, EXAMPLES, Daemon, configure, expected, mypy, stage_corpus, write
from typedtasks import DefinitionError
from typedtasks.mypy_plugin.codes import ALL
from typedtasks.mypy_plugin.options import is_certain
from typedtasks.mypy_plugin.portable import OF_LIBRARY
from typedtasks.mypy_plugin.possible import call_obstacle, class_obstacle, task_obstacle
from typedtasks_codegen import read_contract

_AT_DEFINITION = ("portable", "method", "overload", "awaitable", "name", "duration")
"""The codes whose example is refused by the library, too, when the module is imported."""

DEPENDENCIES = """
from typing import Annotated
from typedtasks import Broker, Depends
broker = Broker("memory://")
class Db: ...
def get_db() -> Db: return Db()
DbDep = Annotated[Db, Depends(get_db)]
"""
MODELS = """
from dataclasses import dataclass
@dataclass
class Line:
    price: int
"""
ORDERS = """
from dataclasses import dataclass
from models import Line
@dataclass
class Order:
    lines: list[Line]
"""
TASKS = """
from dependencies import Db, DbDep, broker, get_db
from orders import Order
from typedtasks import Depends
@broker.task
async def pay(order: Order, db: DbDep, other: Db = Depends(get_db)) -> None: ...
"""
LOCAL_TASKS = """
from orders import Order
from typedtasks import Broker
def register(broker: Broker) -> None:
    @broker.task
    async def pay(order: Order) -> None: ...
"""
CALLER = """
from orders import Order
from tasks import pay
async def main(order: Order) -> None:
    await pay.enqueue(order)
"""
CONTRACT = json.dumps(
    {
        "format": 2,
        "tasks": {
            "tasks.pay": {
                **dict.fromkeys(("doc", "hash"), ""),
                "max_payload": 1,
                "max_result": 1,
                "priority": "normal",
                "queue": "default",
                "retry": None,
                "result_ttl_ms": 1,
                "timeout": None,
                "soft_timeout": None,
                "raises": [],
                "result": "None",
                "parameters": [{"kind": "positional_or_keyword", "name": "order", "type": {"ref": "orders.Order"}}],
            }
        },
        "types": {
            "orders.Order": {
                "kind": "dataclass",
                "name": "Order",
                "fields": [{"name": "lines", "required": True, "type": {"generic": "list", "arguments": [{"ref": "models.Line"}]}}],
            },
            "models.Line": {
                "kind": "dataclass",
                "name": "Line",
                "fields": [{"name": "price", "required": True, "type": "int"}],
            },
        },
    }
)
BASE = """
from typing import Annotated
from typedtasks import Broker, Depends
from typedtasks import Depends as Needs
__all__ = ["Db", "DbDep", "Mark", "Needs", "broker", "get_db"]
broker = Broker("memory://")
class Db: ...
def get_db() -> Db: return Db()
Mark = Depends(get_db)
DbDep = Annotated[Db, Mark]
"""
BASE_IMPORTS = """
from typing import Annotated, TypeAlias
from pydantic import BaseModel, PlainValidator
from base import Db, DbDep, Mark, Needs, get_db
Own = Annotated[Db, PlainValidator(str)]
"""
MODEL = "class T(BaseModel, arbitrary_types_allowed=True):\n    x: Annotated[Db, PlainValidator(str)]"
SAME_TYPE = (
    ("T = Annotated[Db, PlainValidator(str)]", "PlainValidator(str)", "1", "x: T"),
    ("T = Annotated[\n    Db,\n    PlainValidator(str),\n]", "PlainValidator(str)", "1", "x: T"),
    ("T = DbDep", "DbDep", "Db", "x: T"),
    ("T = Annotated[Db, Needs(get_db)]", "Needs(get_db)", "1", "x: T"),
    ("T = Annotated[Db, Mark]", "Mark", "1", "x: T"),
    (MODEL, "PlainValidator(str)", "1", "x: T"),
    ("def T(\n    a: int,\n    x: DbDep,\n) -> None: ...", "DbDep", "Db", ""),
    ("T = Annotated[object, PlainValidator(str)]", "PlainValidator(str)", "1", "x: T"),
    ("T: TypeAlias = DbDep", "DbDep", "Db", "x: T"),
    (MODEL.replace("Annotated[Db, PlainValidator(str)]", "list[Own]"), "[Own]", "[Db]", "x: T"),
    ("T = Annotated[  # ]\n    Db,  # ]\n    PlainValidator(']'),\n]", "PlainValidator(']')", "1", "x: T"),
    ("def T(  # )\n    a: int,  # :)\n    x: DbDep,\n    b: str = ')',\n) -> None: ...", "DbDep", "Db", ""),
    ("def T(a: int) -> Annotated[Db, PlainValidator(str)]:\n    return Db()", "PlainValidator(str)", "1", ""),
)
"""Modules, something in them that is replaced by something else of the same type, and the parameter of a task of another module."""
CALL_ERROR = {("caller.py", 5): ["call-arg"]}
TASK_ERROR = {("tasks.py", 6): ["typedtasks-portable"]}
DRIFT = {("tasks.py", 6): ["typedtasks-contract"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus, and every example of the page."""
    folder = tmp_path_factory.mktemp("plugin")
    stage_corpus(folder)
    configure(folder, contract="contract.json")
    return folder


def write_application(folder: Path) -> None:
    """Write a task whose dependency, and the class inside of whose argument, are in other modules."""
    for name, text in zip(
        ("dependencies", "models", "orders", "tasks", "caller"), (DEPENDENCIES, MODELS, ORDERS, TASKS, CALLER), strict=True
    ):
        write(folder / f"{name}.py", text)


def test_each_code_is_reported_once_at_its_line_and_its_fix_is_clean_with_a_cold_and_a_warm_cache(folder: Path) -> None:
    """In the second run only callers are checked: the tasks that they use come from the cache."""
    assert mypy(folder) == expected(folder)
    for name in ("uses.py", *(f"typedtasks_{code}_wrong.py" for code in ("portable", "name"))):
        path = folder / name
        path.write_text(path.read_text() + "\n")
    assert mypy(folder) == expected(folder)


def test_the_other_parser_and_the_plugin_of_pydantic_change_nothing(folder: Path) -> None:
    """They run together, in this order and in the other one."""
    configure(folder, plugins="pydantic.mypy, typedtasks.mypy_plugin", contract="contract.json")
    assert mypy(folder, "--no-native-parser") == expected(folder)


def test_parallel_workers_change_nothing(folder: Path) -> None:
    """Cold, and warm."""
    configure(folder, plugins="typedtasks.mypy_plugin, pydantic.mypy", contract="contract.json")
    assert mypy(folder, "--num-workers", "2") == expected(folder)
    assert mypy(folder, "--num-workers", "2") == expected(folder)


def test_the_page_has_an_example_of_every_code() -> None:
    """Also that none is named which the plugin does not have."""
    assert sorted(CODES) == sorted(code.code for code in ALL)


@pytest.mark.parametrize("code", _AT_DEFINITION)
def test_the_library_refuses_what_the_plugin_reports_and_takes_its_fix(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So what an example says is the truth."""
    monkeypatch.setenv("TYPEDTASKS_URL", "memory://")
    wrong, right = next((wrong, right) for name, wrong, right in EXAMPLES if name == f"typedtasks-{code}")
    (tmp_path / "wrong.py").write_text(wrong)
    (tmp_path / "right.py").write_text(right)
    with pytest.raises(DefinitionError):
        runpy.run_path(str(tmp_path / "wrong.py"), run_name="wrong")
    runpy.run_path(str(tmp_path / "right.py"), run_name="right")


def test_what_a_task_depends_on_is_followed_through_the_cache(tmp_path: Path) -> None:
    """Also what mypy itself does not keep: `Depends(...)` in another module's alias, and a class two modules away."""
    write_application(tmp_path)
    configure(tmp_path)
    assert mypy(tmp_path) == {}
    write(tmp_path / "dependencies.py", DEPENDENCIES.replace("Depends(get_db)]", '"text"]'))
    assert mypy(tmp_path) == CALL_ERROR | TASK_ERROR
    write(tmp_path / "dependencies.py", DEPENDENCIES)
    write(tmp_path / "models.py", MODELS.replace("int", "object"))
    assert mypy(tmp_path) == TASK_ERROR
    write(tmp_path / "models.py", MODELS)
    write(tmp_path / "tasks.py", TASKS.replace(" = Depends(get_db)", ""))
    assert mypy(tmp_path) == CALL_ERROR | TASK_ERROR
    write(tmp_path / "tasks.py", TASKS)
    assert mypy(tmp_path) == {}
    (tmp_path / "contract.json").write_text(CONTRACT)
    configure(tmp_path, contract="contract.json")
    assert mypy(tmp_path) == {}
    write(tmp_path / "models.py", MODELS.replace("int", "str"))
    assert mypy(tmp_path) == DRIFT
    (tmp_path / "contract.json").write_text(CONTRACT.replace('"int"', '"str"'))
    assert mypy(tmp_path) == {}


def test_a_module_with_the_name_of_a_library_is_followed_through_the_cache_too(tmp_path: Path) -> None:
    """What the plugin leaves out of libraries, it does not leave out of one's own modules."""
    write_application(tmp_path)
    tasks = "from rich import Handed" + TASKS.replace("Db, DbDep,", "Db,").replace("DbDep", "Handed")
    contract = CONTRACT.replace("tasks.pay", "pygments.pay")
    handed = (
        "from typing import Annotated\nfrom typedtasks import Depends\nfrom dependencies import Db, get_db\n"
        "Handed = Annotated[Db, Depends(get_db)]\n"
    )
    write(tmp_path / "rich.py", handed)
    write(tmp_path / "tasks.py", tasks)
    write(tmp_path / "pygments.py", tasks.replace("tasks.pay", "pygments.pay"))
    (tmp_path / "contract.json").write_text(contract)
    configure(tmp_path, contract="contract.json")
    assert mypy(tmp_path) == {}
    (tmp_path / "contract.json").write_text(contract.replace('"int"', '"str"'))
    assert mypy(tmp_path) == {("pygments.py", 6): ["typedtasks-contract"]}
    (tmp_path / "contract.json").write_text(contract)
    write(tmp_path / "rich.py", handed.replace("Depends(get_db)", "1"))
    at_task = ["typedtasks-contract", "typedtasks-portable"]
    assert mypy(tmp_path) == CALL_ERROR | TASK_ERROR | {("pygments.py", 6): at_task}


def test_what_changes_no_type_is_followed_through_the_cache_and_by_the_daemon(tmp_path: Path, daemon: Daemon) -> None:
    """mypy itself sees no difference where `Annotated`, or an alias of it, says something else about the same type."""
    configure(tmp_path)
    write(tmp_path / "base.py", BASE)
    for number, (text, _, _, parameter) in enumerate(SAME_TYPE):
        write(tmp_path / f"with_type_{number}.py", BASE_IMPORTS + text)
        made = f"@broker.task\nasync def task({parameter}) -> None: ..." if parameter else "task = broker.task(T)"
        write(tmp_path / f"task_{number}.py", f"from base import broker\nfrom middle_{number} import T\n{made}")
        write(tmp_path / f"middle_{number}.py", f"from with_type_{number} import T as Middle\nT = Middle")
    assert mypy(tmp_path) == {}
    assert daemon.errors() == {}
    places: set[str] = set()
    for number, (text, before, after, _) in enumerate(SAME_TYPE):
        write(tmp_path / f"with_type_{number}.py", BASE_IMPORTS + text.replace(before, after))
        places.add(f"task_{number}.py")
        assert {file for file, _ in mypy(tmp_path)} == places
        assert {file for file, _ in daemon.errors()} == places


def test_a_package_makes_tasks_of_functions_of_its_modules(tmp_path: Path) -> None:
    """Those come from the cache, without their source; the error is shown where the task is made."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "functions.py").write_text("class Db: ...\n\n\nasync def pay(a: int, db: Db) -> int:\n    return a\n")
    text = "from package.functions import pay\nfrom typedtasks import Broker\nbroker = Broker()\ntask = broker.task(pay)\n"
    for program in (text, f"{text}\n"):
        (package / "__init__.py").write_text(program)
        configure(tmp_path)
        assert mypy(tmp_path) == {("package/__init__.py", 4): ["typedtasks-portable"]}


def test_every_task_has_the_contract_that_the_generator_writes_of_it(tmp_path: Path) -> None:
    """For every type and shape of the generator's own tests: a program never drifts from itself."""
    contracts = [json.loads(read_contract(broker).text()) for broker in (every_type, odd_shapes, service, github)]
    merged = {key: {name: value for one in contracts for name, value in one[key].items()} for key in ("tasks", "types")}
    (tmp_path / "contract.json").write_text(json.dumps({"format": 2, **merged}))
    configure(tmp_path, contract="contract.json")
    programs = [f"tests/codegen/{name}.py" for name in ("every_type", "odd_shapes", "service")]
    command = [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / ".cache")]
    run = subprocess.run(
        [*command, "--explicit-package-bases", "examples/github_users/tasks.py", *programs],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": "codegen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "[typedtasks-" not in run.stdout, run.stdout
    assert "4 source files" in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory; `typedtasks generate` writes it"),
        ("{", "cut short"),
        ("{}", "is no contract"),
        ('{"format": 9, "tasks": {}, "types": {}}', "format"),
    ],
)
def test_what_is_no_contract_ends_mypy_with_one_line(text: str | None, said: str, tmp_path: Path) -> None:
    """As bad usage: exit code 2."""
    configure(tmp_path, contract="contract.json")
    if text is not None:
        (tmp_path / "contract.json").write_text(text)
    command = [sys.executable, "-m", "mypy", "-c", "pass"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert said in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mypy.ini", "[mypy]\nplugins = typedtasks.mypy_plugin\n[typedtasks-mypy]\ntypedtasks_enabel = typedtasks-any\n"),
        ("mypy.ini", "[mypy]\nplugins = typedtasks.mypy_plugin\ntypedtasks_enabel = typedtasks-any\n"),
        ("setup.cfg", "[DEFAULT]\na = 1\n[mypy]\nplugins = typedtasks.mypy_plugin\n[typedtasks-mypy]\ntypedtasks_enabel = a\n"),
        ("pyproject.toml", '[tool.mypy]\nplugins = "typedtasks.mypy_plugin"\n[tool.typedtasks-mypy]\ntypedtasks_enabel = ["a"]\n'),
    ],
)
def test_a_misspelt_key_of_the_configuration_ends_mypy_with_one_line(name: str, text: str, tmp_path: Path) -> None:
    """It names the key, and the known ones."""
    (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "mypy", "-c", "pass"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "has no key 'typedtasks_enabel'; known are typedtasks_contract and typedtasks_enable." in run.stderr


def test_the_daemon_follows_what_a_task_depends_on(tmp_path: Path, daemon: Daemon) -> None:
    """An alias that loses its `Depends(...)` makes it start afresh: mypy's own comparison sees no difference there."""
    write_application(tmp_path)
    configure(tmp_path)
    assert "Success" in daemon.run()
    write(tmp_path / "models.py", MODELS.replace("int", "object"))
    assert "tasks.py:6: error" in (out := daemon.run()), out
    write(tmp_path / "models.py", MODELS)
    write(tmp_path / "tasks.py", TASKS.replace(" = Depends(get_db)", ""))
    assert "caller.py:5: error: Missing positional argument" in (out := daemon.run()), out
    assert "Daemon started" not in out  # what a module says itself, mypy sees itself
    write(tmp_path / "tasks.py", TASKS)
    assert "Success" in (out := daemon.run()), out
    assert "Daemon started" not in out
    write(tmp_path / "dependencies.py", DEPENDENCIES.replace("Depends(get_db)]", '"text"]'))
    assert "Daemon started" in (out := daemon.run()), out
    assert "caller.py:5: error: Missing positional argument" in out
    write(tmp_path / "dependencies.py", DEPENDENCIES)
    write(tmp_path / "aliases.py", "from dependencies import Db, DbDep\nHanded = DbDep\n")
    write(tmp_path / "tasks.py", "from aliases import Handed" + TASKS.replace("Db, DbDep,", "Db,").replace("DbDep", "Handed"))
    assert "Success" in (out := daemon.run()), out
    write(tmp_path / "aliases.py", "from dependencies import Db, DbDep\nHanded = Db\n")
    assert "caller.py:5: error: Missing positional argument" in (out := daemon.run()), out
    write(tmp_path / "tasks.py", TASKS)
    (tmp_path / "contract.json").write_text(CONTRACT)
    configure(tmp_path, contract="contract.json")
    assert "Success" in (out := daemon.run()), out
    (tmp_path / "contract.json").write_text(CONTRACT.replace('"int"', '"str"'))
    assert "[typedtasks-contract]" in (out := daemon.run()), out


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('class Kind(Enum):\n    A = "a"', 'class Kind(Enum):\n    A = ("a", 1)'),
        ("class Kind:\n    @classmethod\n    def __get_pydantic_core_schema__(cls, a: Any, b: Any) -> Any: ...", "class Kind: ..."),
        ("class Kind(NamedTuple):\n    a: int", "class Kind:\n    a: int"),
        ("class Kind: ...\nclass Late(Known): ...", "class Kind: ...\nclass Late(TaskError): ..."),
    ],
)
def test_the_daemon_follows_the_classes_of_a_task(before: str, after: str, tmp_path: Path, daemon: Daemon) -> None:
    """Of every kind, and the failures in its body."""
    kinds = (
        "from enum import Enum\nfrom typing import Any, NamedTuple\nfrom typedtasks import TaskError\nclass Known(TaskError): ...\n"
    )
    if "Late" not in before:
        kinds += "class Late(Known): ...\n"
    write(tmp_path / "kinds.py", kinds + before)
    parameter = "a: int" if "Late" in before else "a: dict[str, Kind]"
    write(
        tmp_path / "tasks.py",
        "from typedtasks import Broker\nfrom kinds import Kind, Known, Late\nbroker = Broker()\n"
        f"@broker.task(raises=Known)\nasync def task({parameter}) -> None:\n    raise Late()\n",
    )
    configure(tmp_path)
    assert daemon.errors() == {}
    write(tmp_path / "kinds.py", kinds + after)
    errors = daemon.errors()
    assert [file for file, _ in errors] == ["tasks.py"]
    assert errors == mypy(tmp_path)


def test_the_daemon_follows_what_a_task_inside_a_function_depends_on(tmp_path: Path, daemon: Daemon) -> None:
    """A class that only a class of its parameter names."""
    write_application(tmp_path)
    write(tmp_path / "tasks.py", LOCAL_TASKS)
    write(tmp_path / "caller.py", "")
    configure(tmp_path)
    assert "Success" in (out := daemon.run()), out
    write(tmp_path / "models.py", MODELS.replace("int", "object"))
    assert "tasks.py:6: error" in (out := daemon.run()), out
    write(tmp_path / "models.py", MODELS)
    assert "Success" in (out := daemon.run()), out


def test_the_daemon_follows_a_class_that_a_task_came_to_depend_on_while_it_ran(tmp_path: Path, daemon: Daemon) -> None:
    """Through a field that a class gained: mypy does not ask a plugin about dependencies again."""
    write_application(tmp_path)
    configure(tmp_path)
    write(tmp_path / "orders.py", ORDERS.replace("list[Line]", "list[int]"))
    assert "Success" in (out := daemon.run()), out
    write(tmp_path / "orders.py", ORDERS)
    assert "Success" in (out := daemon.run()), out
    for _ in range(2):
        write(tmp_path / "models.py", MODELS.replace("int", "object"))
        assert "tasks.py:6: error" in (out := daemon.run()), out
        write(tmp_path / "models.py", MODELS)
        assert "Success" in (out := daemon.run()), out
    assert "Daemon started" not in out  # once is enough


def test_what_the_plugin_takes_for_possible_without_asking_the_library_the_library_takes_too() -> None:
    """Every way to put usual and unusual options together; and the classes of Python's library that it knows."""
    values: dict[str, list[object]] = {
        "delay": [0, 60, 0.0001],
        "eta": [datetime.max.replace(tzinfo=UTC), 60],
        "expires": [60, timedelta(seconds=61), 0.0005],
        "soft_timeout": [60],
        "timeout": [60, 61.5],
        "queue": ["mails-2", "mails.2"],
        "priority": ["low", "lowest"],
        "dedup_key": ["a/b", "", 17],
        "dedup_window": [1],
    }
    some = [dict(zip(values, chosen, strict=True)) for chosen in product(*([None, *known] for known in values.values()))]
    certain = [given for each in some if is_certain(given := {name: value for name, value in each.items() if value is not None})]
    assert 400 < len(certain) < len(some) / 5
    assert {call_obstacle(given) for given in certain} == {None}
    of_task = [given for given in certain if given.keys() <= {"soft_timeout", "timeout", "queue"}]
    assert {task_obstacle(given) for given in of_task} == {None}
    assert {class_obstacle(*name.rsplit(".", 1)) for name in OF_LIBRARY if not name.startswith("_")} == {None}
