"""The contract: what it says, that it says it in the same bytes everywhere, and that a client's own classes say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from examples.github_users.tasks import broker as github
from examples.orders.tasks import broker as orders
from tests.codegen.every_type import broker as every_type
from tests.codegen.generated import Data, comparable, contract_of_client, imported
from tests.codegen.generic_shapes import broker as generic_shapes
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.codegen.schemas import arguments_of
from tests.processes import ROOT
from typedtasks import Broker, Context, Depends
from typedtasks_codegen import package_files, read_contract

SERVICES = {
    "github_client": github,
    "every_client": every_type,
    "odd_client": odd_shapes,
    "order_client": orders,
    "generic_client": generic_shapes,
}


class Item(BaseModel):
    """One thing."""

    name: str = Field(description="What it is called.")


def contract_of(broker: Broker) -> Data:
    return read_contract(broker).as_json()


def test_a_contract_says_all_that_a_caller_needs() -> None:
    """Name, doc, parameters with types and constraints, result, failures, queue, retry and timeout."""
    task = contract_of(github)["tasks"]["github.fetch_user"]
    assert task["doc"] == "Fetch one user. A rate limit is waited for by the queue, not by a worker."
    (login,) = task["parameters"]
    assert login["name"] == "login"
    assert login["kind"] == "positional_or_keyword"
    assert login["type"]["type"] == "str"
    assert list(login["type"]["constraints"]) == ["pattern"]
    assert task["result"] == {"ref": "examples.github_users.tasks.GithubUser"}
    assert task["raises"] == ["examples.github_users.tasks.UserNotFound", "examples.github_users.tasks.RateLimited"]
    assert (task["queue"], task["timeout"], task["retry"]["max_attempts"]) == ("default", 30.0, 5)
    assert task["hash"].startswith("sha256:")


def test_what_the_worker_injects_is_no_part_of_the_contract() -> None:
    """Neither in the parameters nor in the schemas: a client knows nothing of it."""
    broker = Broker("memory://")

    @broker.task(name="t")
    async def task(first: str, context: Context = Depends(), *, second: int = 1, session: object = Depends(object)) -> None:
        """Take two arguments."""

    assert [parameter["name"] for parameter in contract_of(broker)["tasks"]["t"]["parameters"]] == ["first", "second"]
    schema: Data = arguments_of(broker)["t"]
    assert list(schema["properties"]) == ["first", "second"]


def test_what_cannot_travel_is_listed() -> None:
    """Validators and computed fields stay with the service, and the contract says so."""
    checked = contract_of(every_type)["types"]["tests.codegen.every_type.Checked"]
    assert checked["does_not_travel"] == ["AfterValidator looked_at of value", "computed field double", "validator _check of value"]


def test_two_types_of_one_name_do_not_collide() -> None:
    """An id is that of the module and the class, whatever else there is."""
    types = contract_of(every_type)["types"]
    assert {"tests.codegen.every_type.Config", "tests.codegen.other_types.Config"} <= set(types)


def test_the_hash_follows_the_wire_and_not_the_words() -> None:
    """Another docstring, queue or retry leaves it; another type, default or name of a parameter changes it."""

    def hash_of(doc: str, annotation: object, default: object, name: str = "a", queue: str = "default") -> str:
        broker = Broker("memory://")
        namespace: dict[str, object] = {"kind": annotation, "given": default}
        exec(f"def f({name}: kind = given) -> None: pass", namespace)  # noqa: S102
        function: Data = namespace["f"]
        function.__doc__ = doc
        broker.task(name="t", queue=queue)(function)
        return str(contract_of(broker)["tasks"]["t"]["hash"])

    same = hash_of("One.", int, 1)
    assert hash_of("Two.", int, 1, queue="other") == same
    assert len({same, hash_of("", int, 2), hash_of("", str, "1"), hash_of("", int, 1, name="b")}) == 4


def test_the_hash_follows_the_types_that_a_task_reaches() -> None:
    """A field of a model in a list counts as well as the parameter."""
    hashes = set[str]()
    for kind in (int, str):
        broker = Broker("memory://")
        inner = type("Inner", (BaseModel,), {"__annotations__": {"x": kind}, "__module__": __name__})

        def task(items: Data) -> None:
            """Take items."""

        task.__annotations__["items"] = list[inner]  # type: ignore[valid-type]  # made for this test
        broker.task(name="t")(task)
        hashes.add(str(contract_of(broker)["tasks"]["t"]["hash"]))
    assert len(hashes) == 2


@pytest.mark.parametrize("package", ["github_client", "every_client", "odd_client", "generic_client"])
def test_the_contract_of_a_clients_own_classes_is_the_one_that_it_was_made_from(package: str, tmp_path: Path) -> None:
    """The fixpoint: nothing is lost or changed on the way into source and back."""
    broker = SERVICES[package]
    with imported(broker, tmp_path, package) as client:
        assert comparable(contract_of_client(client)) == comparable(contract_of(broker))


def test_all_files_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Whatever the seed of hashes is, and without paths of this machine."""
    program = (
        "import hashlib, json; from typedtasks_codegen import package_files; "
        "from tests.codegen import every_type, generic_shapes, odd_shapes, service; "
        "services = (every_type, generic_shapes, odd_shapes, service); "
        "text = json.dumps([package_files(one.broker, 'a:b', 'client') for one in services]); "
        f"assert {str(ROOT)!r} not in text; print(hashlib.sha256(text.encode()).hexdigest())"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "4711")
    ]
    hashes = [run.communicate(timeout=60)[0] for run in runs]
    assert len(set(hashes)) == 1
    assert len(hashes[0]) == 65


def test_members_called_like_methods_of_later_versions_of_python_are_written_alike_in_all_versions() -> None:
    """`int.is_integer` is there since Python 3.12: a checker of that version takes the member for another method."""
    broker = Broker("memory://")

    def task(grade: Data) -> None: ...

    task.__annotations__["grade"] = IntEnum("Grade", {"is_integer": 1, "real": 2, "best": 3}, module=__name__)
    broker.task(name="t")(task)
    source = package_files(broker, "app:broker", "client")["models.py"]
    assert "    is_integer = 1  # type: ignore[assignment, unused-ignore]\n" in source
    assert "    real = 2  # type: ignore[assignment]\n    best = 3\n" in source


NEW_STYLE = """
type Tree = dict[str, Tree] | int
type Pair[T] = tuple[T, T]
class Box[T: int](BaseModel):
    content: T
"""
OLD_STYLE = """
T = TypeVar("T")
N = TypeVar("N", bound=int)
Tree = TypeAliasType("Tree", "dict[str, Tree] | int")
Pair = TypeAliasType("Pair", tuple[T, T], type_params=(T,))
class Box(BaseModel, Generic[N]):
    content: N
"""
USE = """
broker = Broker("memory://")
@broker.task(name="t")
def task(tree: Tree, pair: Pair[int], box: Box[int]) -> Pair[Tree]: ...
"""


def test_types_in_the_syntax_of_python_3_12_are_those_of_the_older_one(tmp_path: Path) -> None:
    """`type X = ...` and `class X[T]` where Python has them: the same contract, and a client with the same types."""
    names = ("typing", "*"), ("typing_extensions", "TypeAliasType"), ("pydantic", "BaseModel"), ("typedtasks", "Broker")
    head = "".join(f"from {module} import {name}\n" for module, name in names)
    styles = [NEW_STYLE, OLD_STYLE] if sys.version_info >= (3, 12) else [OLD_STYLE]
    contracts: list[Data] = []
    for style in styles:
        module = ModuleType("styled")
        sys.modules["styled"] = module
        try:
            exec(head + style + USE, vars(module))  # noqa: S102
            broker: Broker = vars(module)["broker"]
            with imported(broker, tmp_path / str(len(contracts)), "styled_client") as client:
                contracts += [comparable(contract_of_client(client)), comparable(contract_of(broker))]
        finally:
            del sys.modules["styled"]
    assert all(contract == contracts[0] for contract in contracts)
    assert set(contracts[0]["types"]) == {"styled.Tree", "styled.Pair", "styled.Box"}


def test_literals_stay_in_the_unions_that_they_are_written_in(tmp_path: Path) -> None:
    """Another order, or one literal of two, is the same to callers, but its messages have the hash of another contract."""
    broker = Broker("memory://")

    @broker.task(name="t")
    def task(
        one: Literal["a"] | Literal["b"] | None,
        two: Literal["a", None],
        three: list[Literal[1, None]] | None,
    ) -> Literal["a"] | Literal["b"]:
        raise NotImplementedError

    with imported(broker, tmp_path, "literals_client") as client:
        assert comparable(contract_of_client(client)) == comparable(contract_of(broker))
