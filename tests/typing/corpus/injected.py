"""Injected parameters, as type checkers see them without any plugin."""

# What is switched off says something about the form of a program, not about its types.
# pyright: reportUnusedExpression=false, reportUnusedVariable=false

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from typing_extensions import Never, assert_type

from typedtasks import Broker, Call, Context, Depends, Injected, TaskError, TaskHandle

broker = Broker("memory://")


class Db: ...


class Gone(TaskError):
    id: int


def plain() -> Db:
    return Db()


async def coroutine() -> Db:
    return Db()


def generator() -> Iterator[Db]:
    yield Db()


async def async_generator() -> AsyncIterator[Db]:
    yield Db()


# ## lifespans and overrides
@broker.lifespan
async def lifespan() -> AsyncIterator[Db]:
    yield Db()


@broker.lifespan
@asynccontextmanager
async def managed() -> AsyncGenerator[Db]:
    yield Db()


# E: mypy type-var, plugin type-var, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-specialization
broker.lifespan(plain)
broker.override(plain, Db)
# E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
broker.override(plain, 7)

# ## the type of `Depends(...)`
assert_type(Depends(plain), Db)
assert_type(Depends(coroutine), Db)
assert_type(Depends(generator, use_cache=False), Db)
assert_type(Depends(async_generator), Db)
assert_type(Depends(Db), Db)
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
Depends(7)
# E: mypy call-overload, plugin call-overload, pyright reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
Depends(plain, cache=False)


# E: mypy assignment, plugin assignment, pyright reportArgumentType, ty invalid-parameter-default, pyrefly bad-function-definition
async def wrong_default(a: int = Depends(plain)) -> None: ...
# E: mypy assignment, plugin assignment, pyright reportArgumentType, ty invalid-parameter-default, pyrefly bad-function-definition
async def wrong_coroutine(a: int = Depends(coroutine)) -> None: ...
# E: mypy assignment, plugin assignment, pyright reportArgumentType, ty invalid-parameter-default, pyrefly bad-function-definition
async def unawaited(a: Coroutine[Any, Any, Db] = Depends(coroutine)) -> None: ...
# E: mypy assignment, plugin assignment, pyright reportArgumentType, ty invalid-parameter-default, pyrefly bad-function-definition
async def unentered(a: Iterator[Db] = Depends(generator)) -> None: ...
# E: mypy assignment, plugin assignment, pyright reportArgumentType, ty invalid-parameter-default, pyrefly bad-function-definition
async def unentered_too(a: AsyncIterator[Db] = Depends(async_generator)) -> None: ...
# E: mypy assignment, plugin assignment, pyright reportArgumentType, ty invalid-parameter-default, pyrefly bad-function-definition
async def wrong_generator(a: int = Depends(async_generator)) -> None: ...
async def right_default(a: Db = Depends(plain), b: Db = Depends(coroutine), c: Db = Depends(async_generator)) -> None: ...
async def wider_default(a: Db | None = Depends(plain), b: object = Depends(async_generator), c: Any = Depends(Db)) -> None: ...


# ## the type of `Depends(...)` in `Annotated`
# why: what stands in `Annotated` is for readers at run time; nobody compares it with the type beside it.
# E:
async def wrong_annotated(a: Annotated[int, Depends(plain)]) -> None: ...


# ## the context
async def use_context(context: Context) -> None:
    assert_type(context.task_id, str)
    assert_type(context.attempt, int)
    assert_type(context.deadline, datetime | None)
    assert_type(context.cancelled, bool)
    assert_type(context.broker, Broker)
    Context(broker=broker, name="x")
    # E: mypy misc, plugin misc, pyright reportAttributeAccessIssue, ty invalid-assignment, pyrefly read-only
    context.cancelled = True
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    context.tries
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument+too-many-positional-arguments, pyrefly missing-argument+unexpected-positional-argument
    Context(broker)


# ## dependencies as defaults
@broker.task
async def by_default(
    a: int, db: Db = Depends(async_generator), state: Injected[Db] = Depends(), context: Context = Depends()
) -> int:
    assert_type(db, Db)
    assert_type(state, Db)
    assert_type(context, Context)
    return a


async def use_default() -> None:
    assert_type(await by_default.enqueue(1), TaskHandle[int, Never])
    assert_type(await by_default(1, Db()), int)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await by_default.enqueue("a")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await by_default.enqueue()
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await by_default(1, db=7)


# ## `with_deps`: an object of dependencies that every checker hides
@dataclass
class Deps:
    db: Annotated[Db, Depends(plain)]
    context: Context


@broker.task(name="explicit", raises=Gone).with_deps(Deps)
async def explicit(deps: Deps, a: int, *, b: str = "x") -> bytes:
    return b""


@broker.task().with_deps(Deps)
def in_thread(deps: Deps, a: int) -> bytes:
    return b""


async def other(db: Db, a: int) -> None: ...


async def use_deps(deps: Deps) -> None:
    assert_type(await explicit.enqueue(1, b="y"), TaskHandle[bytes, Gone])
    assert_type(explicit.call(1), Call[bytes, Gone])
    assert_type(await explicit.options(delay=1).enqueue(1), TaskHandle[bytes, Gone])
    assert_type(await explicit(deps, 1, b="y"), bytes)
    assert_type(await explicit.function(deps, 1, b="y"), bytes)
    assert_type(in_thread(deps, 1), bytes)
    assert_type(await in_thread.enqueue(1), TaskHandle[bytes, Never])
    assert_type(broker.handle(explicit, "default.x"), TaskHandle[bytes, Gone])
    await broker.enqueue_many([explicit.call(1), explicit.call(2, b="y")])
    # E: mypy arg-type+call-arg, plugin arg-type+call-arg, pyright reportCallIssue, ty invalid-argument-type+too-many-positional-arguments, pyrefly bad-argument-count+bad-argument-type
    await explicit.enqueue(deps, 1)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await explicit.enqueue()
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await explicit.enqueue("a")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    await explicit.enqueue(1, c=1)
    # E: mypy arg-type+call-arg, plugin arg-type+call-arg, pyright reportCallIssue, ty invalid-argument-type+missing-argument, pyrefly bad-argument-type+missing-argument
    await explicit(1)
    # E: mypy arg-type+call-arg, plugin arg-type+call-arg, pyright reportCallIssue, ty invalid-argument-type+missing-argument, pyrefly bad-argument-type+missing-argument
    in_thread(1)
    # E: mypy arg-type+call-arg, plugin arg-type+call-arg, pyright reportCallIssue, ty invalid-argument-type+too-many-positional-arguments, pyrefly bad-argument-count+bad-argument-type
    in_thread.call(deps, 1)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
    broker.task(name="other").with_deps(Deps)(other)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    broker.task(name="seven").with_deps(7)


# ## dependencies in `Annotated`, without a default
# why: it looks required. Write `= Depends()` behind it, use `with_deps`, or in mypy the plugin.
@broker.task
async def in_annotated(a: int, db: Annotated[Db, Depends(plain)], context: Context) -> int:
    return a


async def use_annotated() -> None:
    # gap: mypy call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await in_annotated.enqueue(1)
    # E: mypy arg-type+call-arg, plugin arg-type, pyright reportCallIssue, ty invalid-argument-type+missing-argument, pyrefly bad-argument-type+missing-argument
    await in_annotated.enqueue("a")
