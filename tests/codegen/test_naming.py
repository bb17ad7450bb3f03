"""The names that tasks and types have in clients, whatever else the service has."""

from __future__ import annotations

import random
import re

import pytest
from pydantic import BaseModel, create_model

from typedtasks import Broker
from typedtasks.client import AsyncClient, ThreadClient
from typedtasks_codegen import GenerationError, GivenNames, package_files, read_contract
from typedtasks_codegen.naming import _OF_CLIENTS, task_names


def task_of(broker: Broker, name: str, result: object = None) -> None:
    def task() -> object:
        raise NotImplementedError

    task.__annotations__["return"] = result
    broker.task(name=name)(task)


def model(module: str, name: str) -> type[BaseModel]:
    return create_model(name, __module__=module)


def names_of(*models: type[BaseModel], given: GivenNames | None = None) -> dict[str, str]:
    broker = Broker("memory://")
    for number, one in enumerate(models):
        task_of(broker, f"t{number}", one)
    return read_contract(broker, given=given).type_names()


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
    assert task_names([task], GivenNames()) == {task: attribute}
    assert attribute.isidentifier()


def test_no_task_changes_the_name_of_another_one() -> None:
    """Whatever is added, and wherever it sorts: a caller's code goes on."""
    words = ["create", "invoices", "orders", "open", "a", "7"]
    chance = random.Random(1)
    tasks = sorted({".".join(chance.choices(words, k=chance.randint(1, 3))) for _ in range(60)})
    alone = {task: name for one in tasks for task, name in task_names([one], GivenNames()).items()}
    assert task_names(tasks, GivenNames()) == alone


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


def test_a_type_keeps_the_name_that_was_given_when_one_of_that_name_comes_earlier() -> None:
    """What is added gets a name around it, and what was moved or left gives its own back."""
    old = names_of(model("app.stock", "Item"))
    added = names_of(model("app.stock", "Item"), model("app.billing", "Item"), given=GivenNames(types=old))
    assert added == {"app.stock.Item": "Item", "app.billing.Item": "BillingItem"}
    assert names_of(model("app.billing", "Item"), given=GivenNames(types=added)) == {"app.billing.Item": "BillingItem"}
    assert names_of(model("app.store", "Item"), given=GivenNames(types=added)) == {"app.store.Item": "Item"}


@pytest.mark.parametrize("name", ["Client", "class", "_Item", "an item", "", "annotations"])
def test_a_name_that_nothing_can_have_is_not_kept(name: str) -> None:
    """A contract may have been edited, or another version of typedtasks needs the name itself now."""
    given = GivenNames({"a.task": "open" if name == "Client" else name}, {"app.Item": name})
    assert names_of(model("app", "Item"), given=given) == {"app.Item": "Item"}
    if name not in ("annotations", "Client"):
        assert task_names(["a.task"], given) == {"a.task": "a_task"}
    assert task_names(["a.task"], GivenNames({"a.task": "open"})) == {"a.task": "a_task"}


def test_a_name_that_was_given_twice_is_kept_once() -> None:
    """As where two branches were merged that had each added a type: the first has it."""
    given = GivenNames(types={"app.b.Item": "Item", "app.a.Item": "Item"})
    names = names_of(model("app.b", "Item"), model("app.a", "Item"), given=given)
    assert names == {"app.a.Item": "Item", "app.b.Item": "BItem"}


@pytest.mark.parametrize(("module", "name"), [("my-app", "Item"), ("app.2024", "Item"), ("2024", "3d"), ("app", "a b")])
def test_names_are_names_whatever_modules_and_types_are_called(module: str, name: str) -> None:
    """Made at run time, or imported from a file with an odd name."""
    names = names_of(model("a", name), model(module, name), model(f"x.{module}", name))
    assert len(set(names.values())) == 3
    assert all(one.isidentifier() for one in names.values())


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
