"""A generated client at work: another module than the service, the same queue."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from tests.codegen import service
from tests.codegen.every_type import broker as every_type
from tests.codegen.generated import imported
from tests.processes import ROOT
from typedtasks import (
    Broker,
    BrokerClosed,
    Compress,
    DefinitionError,
    Encrypt,
    Failure,
    PayloadInvalid,
    Progress,
    Success,
    Worker,
)
from typedtasks.codecs import PayloadCodec
from typedtasks_codegen import package_files, write_folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The generated client of `tests/codegen/service.py`."""
    with imported(service.broker, tmp_path_factory.mktemp("generated"), "library") as client:
        yield client


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the service and its client meet."""
    place = f"sqlite:///{tmp_path}/tasks.db" if request.param == "sqlite" else str(request.getfixturevalue("redis_url"))
    monkeypatch.setenv("TYPEDTASKS_URL", place)
    return place


def broker_of(url: str, codecs: Sequence[PayloadCodec] = ()) -> Broker:
    """Return a broker of the service's functions at another place."""
    broker = Broker(url, codecs=codecs)
    for task in service.broker.tasks.values():
        broker.task(name=task.name, raises=task.definition.raises)(task.function)
    return broker


async def test_clients_take_the_codecs_of_their_service(library: ModuleType, url: str) -> None:
    """Both kinds; what they send and read is encrypted."""
    codecs: list[PayloadCodec] = [Compress(), Encrypt({"a": b"k" * 32})]
    broker = broker_of(url, codecs)
    reader = library.Reader(name="ada", born=date(1815, 12, 10))
    async with broker, Worker(broker), library.Client(url, codecs=codecs) as client:
        assert (await (await client.library_lend.enqueue(reader, "Emma", days=2)).result(timeout=10)).books == ["Emma"]

        def blocking() -> list[str]:
            with library.BlockingClient(url, codecs=codecs) as client:
                books: list[str] = client.library_lend.enqueue(reader, "Ivanhoe", days=2).result(timeout=10).books
                return books

        assert await asyncio.to_thread(blocking) == ["Ivanhoe"]


async def test_calls_of_a_client_give_typed_results(library: ModuleType, url: str) -> None:
    """The result is of the client's class; a declared failure is the client's own exception."""
    broker = broker_of(url)
    async with broker, Worker(broker), library.Client(url) as client:
        handle = await client.library_lend.enqueue(library.Reader(name="ada", born=date(1815, 12, 10)), "Emma", "Ivanhoe", days=2)
        loan = await handle.result(timeout=10)
        assert loan == library.Loan(reader=library.Reader(name="ada", born=date(1815, 12, 10)), books=["Emma", "Ivanhoe"])
        assert type(loan) is library.Loan

        late = await client.library_lend.options(priority="high").enqueue(library.Reader(name="late"))
        match await late.outcome(timeout=10):
            case Failure(library.Overdue() as error):
                assert error.days == 14  # the default that the service has
            case other:
                pytest.fail(repr(other))

        many = await client.enqueue_many([client.library_count.call({date(2026, 1, day): ["a", "b"]}) for day in (1, 2, 3)])
        assert [await one.result(timeout=10) for one in many] == [2, 2, 2]
        again = client.handle(client.library_lend, handle.id)
        assert await again.result(timeout=10) == loan


async def test_the_blocking_form_waits(library: ModuleType, url: str) -> None:
    """The same calls for code without an event loop; the worker runs on another one."""

    def use() -> None:
        with library.BlockingClient(url) as client:
            handle = client.library_lend.enqueue(library.Reader(name="ada"), "Emma", days=1)
            assert handle.result(timeout=10) == library.Loan(reader=library.Reader(name="ada"), books=["Emma"])
            assert isinstance(handle.peek(), Success)
            assert handle.progress() == Progress(1, message="ada")
            assert list(handle.updates()) == [Progress(1, message="ada")]
            late = client.library_lend.options(labels={"a": "b"}).enqueue(library.Reader(name="late"))
            with pytest.raises(library.Overdue):
                late.result(timeout=10)
            (counted,) = client.enqueue_many([client.library_count.call({})])
            assert counted.result(timeout=10) == 0
            assert client.handle(client.library_count, counted.id).outcome(timeout=10) == Success(0)
        with pytest.raises(BrokerClosed, match="is not open: use it inside `with client:`"):
            client.library_count.enqueue({})

    broker = broker_of(url)
    async with broker, Worker(broker):
        await asyncio.wait_for(asyncio.to_thread(use), 40)


def test_arguments_are_validated_offline(library: ModuleType) -> None:
    """Nothing is opened, nothing is sent: pydantic refuses what does not fit the service's constraints."""
    client = library.Client("redis://nowhere.invalid:1/0")
    blocking = library.BlockingClient("redis://nowhere.invalid:1/0")
    for lend in (client.library_lend, blocking.library_lend):
        with pytest.raises(PayloadInvalid) as caught:
            lend.call(library.Reader(name="ada"), "Emma", days=29)
        assert [error["loc"] for error in caught.value.errors] == [("days",)]
        with pytest.raises(PayloadInvalid):
            lend.call("ada")
    with pytest.raises(PayloadInvalid):
        blocking.library_lend.enqueue(library.Reader(name="ada"), 7)
    with pytest.raises(BrokerClosed):
        blocking.library_lend.enqueue(library.Reader(name="ada"))


async def test_a_task_of_a_client_says_what_it_is(library: ModuleType) -> None:
    """Its docstring and signature are those of the service; calling it here is refused, because the function is not here."""
    client = library.Client("memory://")
    assert client.library_lend.__doc__ == "Lend books to a reader."
    assert client.library_lend is client.library_lend
    assert repr(client.library_lend).startswith("<Task library.lend(reader: Reader, *books: str, days:")
    with pytest.raises(DefinitionError, match=r"library.lend runs where its service runs, and this is a client"):
        await client.library_lend(library.Reader(name="ada"))


def test_the_service_is_not_imported_by_its_client(tmp_path: Path) -> None:
    """Only typedtasks and what it needs itself."""
    write_folder(tmp_path / "library", package_files(service.broker, "tests.codegen.service:broker", "library"))
    program = (
        "import library, sys; library.Client('memory://').library_lend; "
        "print([name for name in sys.modules if name.partition('.')[0] in ('tests', 'typedtasks_codegen', 'jinja2')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_what_a_client_sends_is_what_the_service_sends(tmp_path: Path) -> None:
    """The defaults of a model that the client fills in are those that the service would."""
    with imported(every_type, tmp_path, "exchanged") as client:
        for name in ("Tree", "Cat", "Page", "Box", "Aliased", "Forest", "Odd", "Coordinates", "Point"):
            assert hasattr(client, name)
        task = client.Client("memory://").types_structures
        given: tuple[object, ...] = (
            client.Point(x=1),
            client.Sized(width=2),
            {"street": "Main"},
            {},
            {"content-type": "text/plain"},
            client.Coordinates(1.0),
            {"a": [1, None]},
            [client.OrderId(1)],
        )
        payload = task.boundary.encode_arguments(given, {"sku": client.Sku("x")})
        service_side = every_type.tasks["types.structures"].boundary
        args, kwargs = service_side.decode_arguments(payload)
        assert service_side.encode_arguments(args, kwargs) == payload


def test_models_are_built_on_first_use() -> None:
    """So importing a client of many tasks costs what its source costs, not what its validators do."""
    program = (
        "import order_tasks, pydantic; "
        "kinds = [kind for kind in order_tasks.models.CONTRACT_TYPES.values() "
        "if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)]; "
        "print(len(kinds), [kind.__name__ for kind in kinds if kind.__pydantic_complete__]); "
        "order_tasks.Client('memory://').stock_place.call(order_tasks.Sku('a'), order_tasks.Warehouse('north'), 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "stubs", capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "11 []\n"
