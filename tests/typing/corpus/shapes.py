"""Every shape of function that can be a task keeps its signature and its result."""

# What is switched off says something about the form of a program, not about its types.
# pyright: reportUnusedExpression=false, reportUnusedVariable=false

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, Protocol, TypedDict, TypeVar, overload

from pydantic import BaseModel, Field
from typing_extensions import Never, Unpack, assert_type

from typedtasks import AsyncTask, Broker, Task, TaskHandle

broker = Broker("memory://")
P = ParamSpec("P")
T = TypeVar("T")


class User(BaseModel):
    login: str


# ## async function
@broker.task
async def asynchronous(login: str, depth: int = 0) -> User:
    return User(login=login)


@broker.task(name="options")
async def with_options(login: str, depth: int = 0) -> User:
    return User(login=login)


async def use_asynchronous() -> None:
    assert_type(await asynchronous("a"), User)
    assert_type(await asynchronous.function("a", depth=1), User)
    assert_type(await asynchronous.enqueue("a", 1), TaskHandle[User, Never])
    assert_type(await asynchronous.enqueue(login="a", depth=1), TaskHandle[User, Never])
    assert_type(await with_options.enqueue("a", depth=1), TaskHandle[User, Never])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await asynchronous.enqueue(1)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await asynchronous.enqueue("a", "b")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await asynchronous.enqueue()
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty too-many-positional-arguments, pyrefly bad-argument-count
    await asynchronous.enqueue("a", 1, 2)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    await asynchronous.enqueue("a", deep=1)
    # E: mypy misc, plugin misc, pyright reportCallIssue, ty parameter-already-assigned, pyrefly bad-keyword-argument
    await asynchronous.enqueue("a", login="b")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await with_options.enqueue(1)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await asynchronous(1)
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    asynchronous.enqeue("a")
    # E: mypy assignment, plugin assignment, pyright reportAssignmentType, ty invalid-assignment, pyrefly bad-assignment
    login: str = await asynchronous.enqueue("a")


# ## sync function
@broker.task
def synchronous(x: int) -> str:
    return ""


@broker.task(executor="process")
def in_a_process(x: int) -> str:
    return ""


async def use_synchronous() -> None:
    assert_type(synchronous(1), str)
    assert_type(synchronous.function(1), str)
    assert_type(await synchronous.enqueue(1), TaskHandle[str, Never])
    assert_type(await in_a_process.enqueue(x=1), TaskHandle[str, Never])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await synchronous.enqueue("a")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    synchronous("a")
    # E: mypy misc, plugin misc, pyright reportGeneralTypeIssues, ty invalid-await, pyrefly not-async
    await synchronous(1)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument+unknown-argument, pyrefly missing-argument+unexpected-keyword
    await in_a_process.enqueue(y=1)


# ## keyword-only, positional-only and default parameters
@broker.task
async def kinds(first: int, /, second: str, third: bytes = b"", *, fourth: float, fifth: bool = False) -> None: ...


async def use_kinds() -> None:
    await kinds.enqueue(1, "a", fourth=1.0)
    await kinds.enqueue(1, second="a", third=b"", fourth=1.0, fifth=True)
    assert_type(await (await kinds.enqueue(1, "a", fourth=1.0)).result(), None)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty positional-only-parameter-as-kwarg, pyrefly unexpected-keyword
    await kinds.enqueue(first=1, second="a", fourth=1.0)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument+too-many-positional-arguments, pyrefly unexpected-positional-argument
    await kinds.enqueue(1, "a", b"", 1.0)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await kinds.enqueue(1, "a")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await kinds.enqueue(1, "a", fourth="x")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await kinds.enqueue(1, "a", fourth=1.0, fifth=1)


# ## `*args` and `**kwargs`
@broker.task
async def variadic(*numbers: int, **names: str) -> int:
    return 0


async def use_variadic() -> None:
    await variadic.enqueue()
    await variadic.enqueue(1, 2, 3, a="x", b="y")
    await variadic.enqueue(*[1, 2], **{"a": "x"})
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await variadic.enqueue(1, "a")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await variadic.enqueue(a=1)


# ## `**kwargs: Unpack[TypedDict]`
# why: ty takes a `TypedDict` for open to other keys; with `closed=True` (PEP 728) it refuses them, too. At run time, and by the plugin of mypy, the definition is refused.
class Options(TypedDict, total=False):
    depth: int
    lang: Literal["en", "de"]


@broker.task
# E: plugin typedtasks-portable
async def unpacked(login: str, **options: Unpack[Options]) -> None: ...


async def use_unpacked() -> None:
    await unpacked.enqueue("a", depth=1, lang="de")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await unpacked.enqueue("a", depth="1")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await unpacked.enqueue("a", lang="fr")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, pyrefly unexpected-keyword
    await unpacked.enqueue("a", deep=1)


# ## `Annotated`, `Literal` and unions
@broker.task
async def annotated(
    depth: Annotated[int, Field(ge=0)], lang: Literal["en", "de"] = "en", extra: User | list[str] | None = None
) -> dict[str, list[User]] | None: ...


async def use_annotated() -> None:
    assert_type(await annotated.enqueue(1, "de", User(login="a")), TaskHandle[dict[str, list[User]] | None, Never])
    await annotated.enqueue(1, extra=["a"])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await annotated.enqueue(1, "fr")
    # E: mypy list-item, plugin list-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await annotated.enqueue(1, extra=[1])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await annotated.enqueue(1, extra={"login": "a"})


# ## functions without a result
@broker.task
async def nothing() -> None: ...


async def use_nothing() -> None:
    assert_type(await nothing.enqueue(), TaskHandle[None, Never])
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty too-many-positional-arguments, pyrefly bad-argument-count
    await nothing.enqueue(1)


# ## static methods
class Static:
    @staticmethod
    @broker.task
    async def method(x: int) -> str:
        return ""


async def use_static() -> None:
    assert_type(await Static.method.enqueue(1), TaskHandle[str, Never])
    assert_type(await Static().method(1), str)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await Static.method.enqueue("a")


# ## bound methods and callable objects
# why: no checker sees that a task is a function. They keep the signature; at run time they are refused, and by the plugin of mypy.
class Service:
    async def method(self, x: int) -> str:
        return ""

    async def __call__(self, x: int) -> str:
        return ""


# E: plugin typedtasks-method
bound = broker.task(Service().method)
# E: plugin typedtasks-method
instance = broker.task(name="instance")(Service())


async def use_service() -> None:
    assert_type(await bound.enqueue(1), TaskHandle[str, Never])
    assert_type(await instance.enqueue(1), TaskHandle[str, Never])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await bound.enqueue("a")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await instance.enqueue("a")


# ## class methods
# why: no checker sees that `cls` cannot be sent. At run time they are refused, and by the plugin of mypy.
class Owner:
    @broker.task
    @classmethod
    # E: plugin typedtasks-method
    async def method(cls, x: int) -> str:
        return ""


# ## `functools.partial`
# why: mypy gives a partial no signature to infer one from. At run time, and by the plugin, a partial is refused: a task is a function.
def plain(x: int, y: str) -> bytes:
    return b""


# E: plugin typedtasks-method
part = broker.task(functools.partial(plain, 1))


async def use_partial() -> None:
    assert_type(await part.enqueue("a"), TaskHandle[bytes, Never])
    # E: pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await part.enqueue(1)


# ## decorators that keep the signature by `ParamSpec`
def logged(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    @functools.wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return await function(*args, **kwargs)

    return wrapper


def with_prefix(function: Callable[Concatenate[str, P], T]) -> Callable[P, T]:
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return function("prefix", *args, **kwargs)

    return wrapper


@broker.task
@logged
async def decorated(x: int, *, y: str = "") -> bytes:
    return b""


@broker.task(name="prefixed")
@with_prefix
def prefixed(prefix: str, x: int) -> bytes:
    return b""


async def use_decorated() -> None:
    assert_type(await decorated.enqueue(1, y="a"), TaskHandle[bytes, Never])
    assert_type(await prefixed.enqueue(1), TaskHandle[bytes, Never])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await decorated.enqueue("a")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty too-many-positional-arguments, pyrefly bad-argument-count
    await decorated.enqueue(1, "a")
    # E: mypy arg-type+call-arg, plugin arg-type+call-arg, pyright reportCallIssue, ty invalid-argument-type+too-many-positional-arguments, pyrefly bad-argument-count+bad-argument-type
    await prefixed.enqueue("a", 1)


# ## generic functions
# why: pyrefly does not solve the function's own type variables through a `ParamSpec`. At run time, and by the plugin, a `TypeVar` is refused: name the type.
@broker.task
# E: plugin typedtasks-portable
async def generic(x: T) -> list[T]:
    return [x]


async def use_generic() -> None:
    # gap: pyrefly assert-type
    assert_type(await generic.enqueue(1), TaskHandle[list[int], Never])
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await generic.enqueue()


# ## overloaded functions
# why: mypy and pyright take the first overload only. At run time, and by the plugin, an overloaded function is refused: make a task of each.
@overload
def overloaded(x: int) -> int: ...
@overload
def overloaded(x: str) -> str: ...
def overloaded(x: int | str) -> int | str:
    return x


# E: plugin typedtasks-overload
over = broker.task(overloaded)


async def use_overloaded() -> None:
    await over.enqueue(1)
    # gap: mypy arg-type, plugin arg-type, pyright reportArgumentType
    await over.enqueue("a")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty no-matching-overload, pyrefly no-matching-overload
    await over.enqueue(b"")


# ## what is no function
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(7)
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(name="seven")(7)
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task()(None)


# ## tasks as values
def take_any(task: Task[..., object]) -> None: ...
def take_by_signature(task: Task[[int], str]) -> None: ...
def take_async(task: AsyncTask[[int], str]) -> None: ...
def take_callable(function: Callable[[int], str]) -> None: ...
def take_async_callable(function: Callable[[str], Awaitable[User]]) -> None: ...


class Finder(Protocol):
    async def __call__(self, login: str, depth: int = 0) -> User: ...


def take_protocol(function: Finder) -> None: ...


def use_values() -> None:
    take_any(asynchronous)
    take_any(synchronous)
    take_callable(synchronous)
    take_async_callable(asynchronous)
    take_protocol(asynchronous)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    take_by_signature(kinds)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    take_async(synchronous)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    take_callable(asynchronous)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    take_protocol(synchronous)


# ## a task as a value of `Task[[int], str]`
# why: ty and pyrefly see a parameter with a name in the place of one without. Write `Task[..., str]`.
def use_signature() -> None:
    # gap: ty invalid-argument-type, pyrefly bad-argument-type
    take_by_signature(synchronous)
