"""The names that tasks and types have in clients, whatever else the service has."""

from __future__ import annotations

import random
import re

import pytest
from pydantic import BaseModel, create_model

from typedtasks import Broker
from typedtasks.client import AsyncClient, ThreadClient
from typedtasks_codegen import GenerationError, package_files, read_contract
from typedtasks_codegen.naming import _OF_CLIENTS, task_names, type_names


def task_of(broker: Broker, name: str, result: object = None) -> None:
    def task() -> object:
        raise NotImplementedError

    task.__annotations__["return"] = result
    broker.task(name=name)(task)


def model(module: str, name: str) -> type[BaseModel]:
    return create_model(name, __module__=module)


def names_of(*models: type[BaseModel]) -> dict[str, str]:
    broker = Broker("memory://")
    for number, one in enumerate(models):
        task_of(broker, f"t{number}", one)
    return type_names(read_contract(broker).types)


@pytest.mark.parametrize(
    ("task", "attribute"),
    [
        ("add", "add"),
        ("invoices.print", "invoices_print"),
        ("a/b c-d", "a_b_c_d"),
        ("_private.task_", "private_task_"),
        ("7.days", "task_7_days"),
        ("open", "open_"),
        ("mail.open", "mail_open"),
        ("class", "class_"),
        ("\u65e5\u672c.\ufb01le\u00b2", "\u65e5\u672c_file2"),
    ],
)
def test_a_task_is_an_attribute_with_all_of_its_name(task: str, attribute: str) -> None:
    assert task_names([task]) == {task: attribute}
    assert attribute.isidentifier()


def test_no_task_changes_the_name_of_another_one() -> None:
    """Whatever is added, and wherever it sorts: a caller's code goes on."""
    words = ["create", "invoices", "orders", "open", "a", "7"]
    chance = random.Random(1)
    tasks = sorted({".".join(chance.choices(words, k=chance.randint(1, 3))) for _ in range(60)})
    alone = {task: name for one in tasks for task, name in task_names([one]).items()}
    assert task_names(tasks) == alone


@pytest.mark.parametrize("tasks", [("a.b", "a-b"), ("open", "open_"), ("class", "class_")])
def test_tasks_that_cannot_be_told_apart_are_refused(tasks: tuple[str, str]) -> None:
    """The one that is added would take the name of the other one, or be called in its place."""
    broker = Broker("memory://")
    for name in tasks:
        task_of(broker, name)
    first, second = sorted(tasks)
    with pytest.raises(GenerationError, match=re.escape(f"{first} and {second} would both be client.")):
        package_files(broker, "app:broker", "client")


def test_what_a_client_has_itself_is_written_down() -> None:
    """So that a task's name is the same with every version of Python and typedtasks."""
    public = {name for kind in (AsyncClient, ThreadClient) for name in dir(kind("memory://")) if not name.startswith("_")}
    assert public == _OF_CLIENTS


def test_a_type_keeps_its_name_when_one_of_that_name_comes_later() -> None:
    """The module's name stands before that of the other one."""
    old = names_of(model("app.billing", "Item"))
    new = names_of(model("app.billing", "Item"), model("app.stock", "Item"), model("app.stock.old", "Item"))
    assert old == {"app.billing.Item": "Item"}
    assert new == {**old, "app.stock.Item": "StockItem", "app.stock.old.Item": "OldItem"}


def test_types_are_told_apart_whatever_their_modules_are_called() -> None:
    names = names_of(
        model("a_b", "C"), model("a.b", "C"), model("A.b", "C"), model("b", "C"), model("x", "Client"), model("y", "list")
    )
    assert len(set(names.values())) == 6
    assert names["b.C"] == "ABC" or names["a_b.C"] == "C"
    assert (names["x.Client"], names["y.list"]) == ("Client_", "list_")


def test_a_type_parameter_takes_no_name_from_a_type() -> None:
    """Nobody writes the names of a client's type parameters, but those of its types."""
    from typing import Generic, TypeVar

    T = TypeVar("T")

    class Box(BaseModel, Generic[T]):
        inside: T

    broker = Broker("memory://")
    task_of(broker, "t", Box[int])
    task_of(broker, "u", model("app", "T"))
    sources = package_files(broker, "app:broker", "client")
    assert "class T(_pydantic.BaseModel)" in sources["models.py"]
    assert 'T2 = _typing.TypeVar("T2")' in sources["models.py"]


def test_messages_have_public_names() -> None:
    """What a client says of a task's signature can be written as it stands there."""
    broker = Broker("memory://")
    task_of(broker, "t", model("app", "Report"))
    loader = package_files(broker, "app:broker", "client")["__init__.py"]
    assert "async def _call_t() -> Report:" in loader
    assert not re.search(r"(?<!\w)_(models|typing|datetime|pydantic|typedtasks)", loader)
