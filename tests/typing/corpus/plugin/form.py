"""What the function of a task has to be."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial, wraps
from typing import Any, ParamSpec, Protocol, TypedDict, TypeVar, overload

from typing_extensions import Unpack

from typedtasks import Broker, Retry, SyncTask, TaskError

broker = Broker("memory://")
other = Broker("memory://")
P = ParamSpec("P")
R = TypeVar("R")


class A(TaskError): ...


class B(A): ...


class C(TaskError): ...


def logged(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return call


class Holder:
    @broker.task
    async def method(self, a: int) -> int:  # E: typedtasks-method
        return a

    @classmethod
    def for_class(cls, a: int) -> int:
        return a

    def bound(self, a: int) -> int:
        return a


bound = broker.task(Holder().bound)  # E: typedtasks-method
for_class = broker.task(name="for_class")(Holder.for_class)  # E: typedtasks-method


class Called:
    async def __call__(self, a: int) -> int:
        return a


class Function(Protocol):
    async def __call__(self, a: int) -> int: ...


def through_a_protocol(function: Function) -> None:
    Broker("memory://").task(function)


called = broker.task(name="called")(Called())  # E: typedtasks-method
a_class = broker.task(name="class")(Called)  # E: typedtasks-method
part = broker.task(name="part")(partial(logged, len))  # E: typedtasks-method


class Holder2:
    @broker.task
    @classmethod
    def for_class(cls, a: int) -> int:  # E: typedtasks-method
        return a


class Unpacked(TypedDict):
    a: int


@broker.task(name="unpacked")
async def unpacked(**more: Unpack[Unpacked]) -> None: ...  # E: typedtasks-portable


@broker.task(name="unpacked_too")
async def unpacked_too(*more: Unpack[tuple[int, str]]) -> None: ...  # E: typedtasks-portable


@broker.task(name="process", executor="process")
def in_a_process(a: int) -> int:
    return a


@broker.task(executor="process", name="on_the_loop")  # E: typedtasks-option
async def on_the_loop(a: int) -> int:
    return a


@overload
def two(a: int) -> int: ...
@overload
def two(a: str) -> str: ...
def two(a: int | str) -> int | str:
    return a


task_of_two = broker.task(two)  # E: typedtasks-overload


@broker.task(name="coroutine")
def coroutine(a: int) -> Coroutine[Any, Any, int]:  # E: typedtasks-awaitable
    raise NotImplementedError


@broker.task(name="wrapped")
@logged
async def wrapped(a: int) -> int:
    return a


@broker.task(name="generator")
def generator(a: int) -> Iterator[int]:  # E: typedtasks-portable
    yield a


@broker.task(name="async_generator")
async def async_generator(a: int) -> AsyncIterator[int]:  # E: typedtasks-portable
    yield a


@broker.task(name="twice")
@broker.task(name="once")
async def twice(a: int) -> int:  # E: typedtasks-option
    return a


@broker.task(raises=(A, C), name="declared")
async def declared(a: int) -> None:
    if a:
        raise B
    raise C


@broker.task(raises=(B,), name="undeclared")
async def undeclared(a: int) -> None:
    if a:
        raise A  # E: typedtasks-raises
    try:
        raise C
    except (C, ValueError):
        raise C from None  # E: typedtasks-raises
    finally:
        with open("x"):
            raise B

    def inside() -> None:
        raise C


@broker.task(name="other_errors")
async def other_errors(error: int) -> None:
    raise ValueError(error)


@broker.task(name="untyped")
def untyped(a, b=1) -> int:  # type: ignore[no-untyped-def]  # E: typedtasks-any typedtasks-any
    return 1


@broker.task(name="ignored")
async def ignored(a: object) -> None: ...  # type: ignore[typedtasks-portable]


class Below:
    @broker.task
    @staticmethod
    async def below(a: int) -> None: ...  # E: typedtasks-method


@broker.task(name="same")
async def first() -> None: ...


@other.task(name="same")
async def of_another_broker() -> None: ...


if a := len("abc"):

    @broker.task(name="same")  # E: typedtasks-name
    async def second() -> None: ...


@broker.task(name="form.third")
async def fourth() -> None: ...


@broker.task
async def third() -> None: ...  # E: typedtasks-name


@broker.task(name="")  # E: typedtasks-name
async def nameless() -> None: ...


for number in range(3):

    @broker.task(name=f"number.{number}", retry=Retry(max_attempts=3))
    async def numbered() -> None: ...


def made_sync(function: Callable[P, R]) -> SyncTask[P, R]:
    return broker.task(name="made", timeout=5)(function)


def made_bare(function: Callable[P, R], somewhere: Broker) -> SyncTask[P, R]:
    return somewhere.task(function)


def made_of_a_variable(kind: type[R]) -> None:
    @broker.task
    def keep(value: R) -> None: ...  # E: typedtasks-portable


@broker.task(raises=TaskError)  # E: typedtasks-option
async def raises_the_base(a: int) -> None: ...


@broker.task(raises=(A, TaskError))  # E: typedtasks-option
async def raises_the_base_too(a: int) -> None: ...


def any_failure(kind: type[TaskError]) -> None:
    @broker.task(raises=kind)
    async def fails(a: int) -> None: ...
