"""Decorators between a function and its task, and a task where a coroutine function is expected."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import httpx
import pytest
from fastapi import Depends as FromRequest
from fastapi import FastAPI
from starlette.background import BackgroundTask

from typedtasks import Broker, Context, DefinitionError, Depends, Success, Worker

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 10.0
who: ContextVar[str] = ContextVar("who", default="nobody")


def plain(function: Callable[P, T]) -> Callable[P, T]:
    """Put a synchronous function around any other."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        who.set("the decorator")
        return function(*args, **kwargs)

    return call


def twice(function: Callable[P, T]) -> Callable[P, T]:
    """Do so twice, the second time around a partial function."""
    return plain(functools.wraps(function)(functools.partial(plain(function))))


# Any: what a coroutine is sent concerns its event loop alone.
def run_to_its_end(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a synchronous function of a coroutine function."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return asyncio.run(function(*args, **kwargs))

    return call


async def fetch(number: int) -> str:
    """Say what is seen in the coroutine."""
    await asyncio.sleep(0)
    return f"{number} by {who.get()}"


def names_no_coroutine(number: int) -> str:
    """Return a coroutine all the same, as a type checker would say."""
    return fetch(number)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (plain(fetch), "7 by the decorator"),
        (twice(fetch), "7 by the decorator"),
        (run_to_its_end(fetch), "7 by nobody"),
        (names_no_coroutine, "7 by nobody"),
    ],
)
async def test_what_a_decorated_function_returns_is_awaited(function: Callable[[int], object], expected: str) -> None:
    """Whether its first call or a later one, and with the variables that the decorator has set."""
    broker = Broker("memory://")
    made = broker.task(name="t")(function)
    async with broker, Worker(broker):
        outcomes = [await (await made.enqueue(7)).outcome(timeout=PATIENCE) for _ in range(3)]
    assert outcomes == [Success(expected, 1)] * 3


async def test_a_decorated_function_may_have_dependencies_and_a_soft_timeout() -> None:
    """Its decorator runs where synchronous parts run, its coroutine on the event loop."""
    broker = Broker("memory://")

    @broker.task(name="t", soft_timeout=PATIENCE)
    @plain
    async def work(*, context: Context = Depends()) -> tuple[str, bool, str]:
        return context.name, threading.current_thread() is threading.main_thread(), who.get()

    async with broker, Worker(broker):
        for _ in range(2):
            assert await (await work.enqueue()).result(timeout=PATIENCE) == ("t", True, "the decorator")


async def test_a_decorated_function_is_called_on_the_event_loop_once_it_has_returned_a_coroutine() -> None:
    """Only its first call can show that it does not block."""
    broker, threads = Broker("memory://"), []

    def noting(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            threads.append(threading.current_thread() is threading.main_thread())
            return function(*args, **kwargs)

        return call

    work = broker.task(name="t")(noting(fetch))
    async with broker, Worker(broker):
        for _ in range(3):
            await (await work.enqueue(1)).result(timeout=PATIENCE)
    assert threads == [False, True, True]


async def send(to: str) -> str:
    """Greet somebody."""
    return f"to {to}"


@pytest.mark.parametrize("function", [send, plain(send)])
async def test_a_task_is_a_coroutine_function_where_its_function_is(function: Callable[[str], Awaitable[str]]) -> None:
    """For the standard library, and for what asks it: background tasks and dependencies of web frameworks."""
    broker, told = Broker("memory://"), []

    @broker.task(name="mail")
    @functools.wraps(function)
    async def mail(to: str = "ada") -> str:
        told.append(to)
        return await function(to)

    decorated = broker.task(name="decorated")(function)
    synchronous = broker.task(name="synchronous")(run_to_its_end(send))
    for task in (mail, decorated):
        assert inspect.iscoroutinefunction(task)
        assert asyncio.iscoroutinefunction(task)
        assert inspect.iscoroutinefunction(functools.partial(task, "x"))
        assert inspect.iscoroutine(made := task("eve"))
        assert await made == "to eve"
    assert not inspect.iscoroutinefunction(broker.task(name="none")(lambda_of_nothing))
    assert synchronous.function is not None
    await BackgroundTask(mail, "bob")()
    assert told == ["eve", "bob"]


def lambda_of_nothing() -> None:
    """Nothing is asynchronous here."""


async def test_a_task_is_awaited_as_a_dependency_of_a_web_framework() -> None:
    """It is called like its function."""
    broker, app = Broker("memory://"), FastAPI()

    @broker.task(name="user")
    async def user(login: str) -> str:
        return login.title()

    @app.get("/")
    async def show(name: str = FromRequest(user)) -> str:
        return name

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        assert (await client.get("/", params={"login": "ada"})).json() == "Ada"


class Callable7:
    """An object with an asynchronous call."""

    async def __call__(self, number: int) -> int:
        """Return the number."""
        return number


@pytest.mark.parametrize(
    "thing", [functools.partial(fetch, 1), Callable7(), Callable7().__call__, functools.cache(names_no_coroutine)]
)
def test_what_can_be_called_and_is_no_function_is_refused_with_the_way_out(thing: Callable[..., object]) -> None:
    """The way out is a function that calls it."""
    with pytest.raises(DefinitionError, match=r"is not a function: .*Write one that calls it\."):
        Broker("memory://").task(name="t")(thing)
