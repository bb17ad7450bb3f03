"""Calls, options, handles and outcomes."""

# What is switched off says something about the form of a program, not about its types.
# pyright: reportUnusedExpression=false, reportUnusedVariable=false

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel
from typing_extensions import Never, assert_type

from typedtasks import (
    Broker,
    Call,
    Cancelled,
    Crashed,
    Expired,
    Failure,
    Outcome,
    Retry,
    Success,
    Task,
    TaskError,
    TaskHandle,
    Worker,
)

broker = Broker("memory://")


class User(BaseModel):
    login: str


class NotFound(TaskError):
    login: str


@broker.task(raises=NotFound)
async def find(login: str, *, depth: int = 0) -> User:
    return User(login=login)


@broker.task
async def count(x: int) -> int:
    return x


# ## definitions: options of tasks
@broker.task(
    name="all",
    queue="slow",
    priority="high",
    timeout=30,
    retry=Retry(max_attempts=5, on=(ValueError,)),
    result_ttl=timedelta(days=1),
    executor="thread",
    raises=(),
)
def every_option(x: int) -> str:
    return ""


# E: mypy call-overload, plugin call-overload, pyright reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(timout=3)
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType, ty invalid-argument-type, pyrefly no-matching-overload
broker.task(timeout="3")
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType, ty invalid-argument-type, pyrefly no-matching-overload
broker.task(priority="urgent")
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType, ty invalid-argument-type, pyrefly no-matching-overload
broker.task(executor="fibre")
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType, ty invalid-argument-type, pyrefly no-matching-overload
broker.task(retry=5)
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType, ty invalid-argument-type, pyrefly no-matching-overload
broker.task(name=b"x")
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType, ty invalid-argument-type, pyrefly no-matching-overload
broker.task(queue=None)
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType, ty invalid-argument-type, pyrefly no-matching-overload
broker.task(result_ttl="1h")
# E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
Retry(max_attempts="5")
# E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
Retry(attempts=5)
# E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
Broker("memory://", max_payload="1")


# ## calls: `Task.options`
async def use_options(due: datetime) -> None:
    assert_type(await find.options(delay=60, priority="high", queue="slow").enqueue("a"), TaskHandle[User, NotFound])
    assert_type(await find.options(eta=datetime.now(UTC), expires=timedelta(hours=1)).enqueue("a"), TaskHandle[User, NotFound])
    assert_type(find.options(labels={"a": "b"}).call("a", depth=1), Call[User, NotFound])
    once = await find.options(dedup_key="order-17", dedup_window=60).enqueue("a")
    assert_type(once.deduplicated, bool)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await find.options(delay=60).enqueue(1)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty too-many-positional-arguments, pyrefly bad-argument-count
    await find.options(delay=60).enqueue("a", 1)
    # E: mypy call-arg, plugin call-arg+typedtasks-option, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    find.options(dela=1)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    find.options(delay="1")
    # E: mypy arg-type, plugin arg-type+typedtasks-option, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    find.options(priority="hi")
    # E: mypy arg-type, plugin arg-type+typedtasks-option, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    find.options(eta=60)
    # E: mypy dict-item, plugin dict-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-assignment
    find.options(labels={"a": 1})
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    find.options(labels=["a"])
    # E: mypy arg-type, plugin arg-type+typedtasks-option, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    find.options(dedup_key=17)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty too-many-positional-arguments, pyrefly bad-argument-count
    find.options(60)


# ## calls: `Task.call` and `Broker.enqueue_many`
async def use_many() -> None:
    assert_type(find.call("a"), Call[User, NotFound])
    handles = await broker.enqueue_many([find.call("a"), find.call("b", depth=2)])
    assert_type(handles, list[TaskHandle[User, NotFound]])
    assert_type(await broker.enqueue_many(count.call(x) for x in range(3)), list[TaskHandle[int, Never]])
    assert_type(await handles[0].result(), User)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    find.call(1)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    count.call()
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await broker.enqueue_many(["a"])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await broker.enqueue_many(find.call("a"))
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await broker.enqueue_many([find])


# ## handles
async def use_handle() -> None:
    handle = broker.handle(find, "default.x")
    assert_type(handle, TaskHandle[User, NotFound])
    assert_type(await handle.result(timeout=10), User)
    assert_type(await handle.result(timeout=timedelta(seconds=1)), User)
    assert_type(await handle.outcome(), Outcome[User, NotFound])
    assert_type(await handle.peek(), Outcome[User, NotFound] | None)
    assert_type(await handle.cancel(), None)
    assert_type((await handle.result()).login, str)
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    (await handle.result()).name
    # E: mypy index, plugin index, pyright reportIndexIssue, ty not-subscriptable, pyrefly bad-index
    (await handle.result())["login"]
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty too-many-positional-arguments, pyrefly bad-argument-count
    await handle.result(10, 20)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await handle.result(timeout="10")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    broker.handle(find, 7)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    broker.handle("find", "default.x")
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    handle.result().login


# ## outcomes
async def use_outcome(handle: TaskHandle[User]) -> None:
    match await handle.outcome():
        case Success(user):
            assert_type(user, User)
        case Failure():
            pass
        case Crashed(message, kind, traceback, attempts):
            assert_type(message, str)
            assert_type(kind, str)
            assert_type(traceback, str)
            assert_type(attempts, int)
        case Cancelled() | Expired():
            pass
    found = await handle.outcome()
    # E: mypy union-attr, plugin union-attr, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-union-attribute, pyrefly missing-attribute
    found.value
    if isinstance(found, Success):
        assert_type(found.value, User)
        assert_type(found.attempts, int)
        # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
        found.error


# ## `Failure(error)` of a task that declares none
# why: pyright takes the pattern for impossible. `case Failure():` is right in all.
async def use_unfailing(handle: TaskHandle[User]) -> User:
    match await handle.outcome():
        case Success(user):
            return user
        # gap: pyright reportUnknownVariableType+reportUnnecessaryComparison
        case Failure(error):
            raise error
        case Crashed(error=crash):
            raise crash
        case Cancelled() | Expired():
            raise RuntimeError


# ## what handles and tasks are assignable to
async def use_variance(handle: TaskHandle[bool, NotFound], task: Task[[int], bool, NotFound]) -> None:
    wider: TaskHandle[int, TaskError] = handle
    plain: Task[[int], object, TaskError] = task
    # E: mypy assignment, plugin assignment, pyright reportAssignmentType, ty invalid-assignment, pyrefly bad-assignment
    narrow: TaskHandle[str, NotFound] = handle
    # E: mypy assignment, plugin assignment, pyright reportAssignmentType, ty invalid-assignment, pyrefly bad-assignment
    unfailing: TaskHandle[bool] = handle
    # E: mypy assignment, plugin assignment, pyright reportAssignmentType, ty invalid-assignment, pyrefly bad-assignment
    other: Task[[str], bool, NotFound] = task


# ## workers
async def use_worker() -> None:
    async with broker, Worker(broker, concurrency=10, queues=["default"]):
        pass
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    Worker(broker, concurrency="10")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    Worker(find)
