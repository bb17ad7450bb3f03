"""Declared failures are part of the types of the task, its handle, its outcome."""

# What is switched off says something about the form of a program, not about its types.
# pyright: reportUnusedExpression=false, reportUnusedVariable=false

from datetime import datetime

from typing_extensions import Never, assert_never, assert_type

from typedtasks import Broker, Call, Cancelled, Crashed, Expired, Failure, Outcome, Retry, Success, Task, TaskError, TaskHandle

broker = Broker("memory://")


class RateLimited(TaskError):
    retry_at: datetime


class NotFound(TaskError):
    login: str
    tried: int = 0


class Gone(TaskError):
    pass


class Full(TaskError):
    pass


class Locked(TaskError):
    pass


class Broken(TaskError):
    pass


class Foreign(Exception):
    pass


# ## `raises=` of none, one and several classes
@broker.task(raises=())
async def none(x: int) -> str:
    return ""


@broker.task(raises=RateLimited)
def one(x: int) -> str:
    return ""


@broker.task(raises=(RateLimited,))
async def one_in_tuple(x: int) -> str:
    return ""


@broker.task(name="two", raises=(RateLimited, NotFound))
async def two(x: int) -> str:
    return ""


@broker.task(raises=(RateLimited, NotFound, Gone, Full))
async def four(x: int) -> str:
    return ""


@broker.task(raises=(RateLimited, NotFound, Gone, Full, Locked, Broken))
async def six(x: int) -> str:
    return ""


async def use_raises() -> None:
    assert_type(await none.enqueue(1), TaskHandle[str, Never])
    assert_type(await one.enqueue(1), TaskHandle[str, RateLimited])
    assert_type(await one_in_tuple.enqueue(1), TaskHandle[str, RateLimited])
    assert_type(await two.enqueue(1), TaskHandle[str, RateLimited | NotFound])
    assert_type(await two.options(delay=1).enqueue(1), TaskHandle[str, RateLimited | NotFound])
    assert_type(two.call(1), Call[str, RateLimited | NotFound])
    assert_type(broker.handle(two, "default.x"), TaskHandle[str, RateLimited | NotFound])
    assert_type(await (await two.enqueue(1)).outcome(), Outcome[str, RateLimited | NotFound])
    assert_type(await four.enqueue(1), TaskHandle[str, RateLimited | NotFound | Gone | Full])
    assert_type(await six.enqueue(1), TaskHandle[str, RateLimited | NotFound | Gone | Full | Locked | Broken])


# ## `raises=` takes subclasses of `TaskError` only
# E: mypy type-var, plugin type-var, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(raises=ValueError)
# E: mypy arg-type, plugin arg-type, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(raises=(RateLimited, Foreign))
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(raises="RateLimited")
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(raises=[RateLimited])
# E: mypy call-overload, plugin call-overload, pyright reportArgumentType+reportCallIssue, ty no-matching-overload, pyrefly no-matching-overload
broker.task(raises=Gone())


# ## the fields of a failure
def use_fields(error: NotFound) -> None:
    assert_type(error.login, str)
    assert_type(error.attempts, int)
    NotFound(login="a")
    NotFound(login="a", tried=1)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    NotFound()
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    NotFound(login=1)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument+too-many-positional-arguments, pyrefly unexpected-positional-argument
    NotFound("a")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    NotFound(login="a", name="b")
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    error.name
    # E: mypy assignment, plugin assignment, pyright reportAttributeAccessIssue, ty invalid-assignment, pyrefly bad-assignment
    error.login = 1


# ## a match of every failure, one inside the other
async def match_all(handle: TaskHandle[str, RateLimited | NotFound]) -> str:
    match await handle.outcome():
        case Success(value):
            return value
        case Failure(error):
            match error:
                case RateLimited():
                    assert_type(error.retry_at, datetime)
                    return "later"
                case NotFound(login=login):
                    assert_type(login, str)
                    return login
        case Crashed(message):
            return message
        case Cancelled() | Expired():
            return ""


# ## `isinstance` narrows a failure
async def narrow_by_isinstance(handle: TaskHandle[str, RateLimited | NotFound]) -> None:
    found = await handle.outcome()
    if isinstance(found, Failure):
        error = found.error
        assert_type(error, RateLimited | NotFound)
        if isinstance(error, RateLimited):
            assert_type(error.retry_at, datetime)
        else:
            assert_type(error.login, str)
            # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty type-assertion-failure, pyrefly bad-argument-type
            assert_never(error)


# ## `assert_never` after every failure
async def match_with_assert(handle: TaskHandle[str, RateLimited | NotFound]) -> None:
    match await handle.outcome():
        case Failure(error):
            match error:
                case RateLimited():
                    pass
                case NotFound():
                    pass
                case _:
                    assert_never(error)
        case _:
            pass


async def miss_match(handle: TaskHandle[str, RateLimited | NotFound]) -> None:
    match await handle.outcome():
        case Failure(error):
            match error:
                case RateLimited():
                    pass
                case other:
                    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty type-assertion-failure, pyrefly bad-argument-type
                    assert_never(other)
        case _:
            pass


# ## a case that is left out leaves a way without a `return`
# E: mypy return, plugin return, pyright reportReturnType, ty invalid-implicit-return, pyrefly bad-return
async def leave_out_a_failure(handle: TaskHandle[str, RateLimited | NotFound]) -> str:
    match await handle.outcome():
        case Failure(error):
            # also: mypy exhaustive-match, plugin exhaustive-match, pyright reportMatchNotExhaustive
            match error:
                case RateLimited():
                    return "later"
        case Success() | Crashed() | Cancelled() | Expired():
            return ""


# E: mypy return, plugin return, pyright reportReturnType, ty invalid-implicit-return, pyrefly bad-return
async def leave_out_crashes(handle: TaskHandle[str, RateLimited]) -> str:
    # also: mypy exhaustive-match, plugin exhaustive-match, pyright reportMatchNotExhaustive
    match await handle.outcome():
        case Success() | Failure() | Cancelled() | Expired():
            return ""


# ## an outcome that is not matched is named
async def miss_outcome(handle: TaskHandle[str, RateLimited]) -> None:
    match await handle.outcome():
        case Success() | Failure() | Cancelled() | Expired():
            pass
        case rest:
            # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty type-assertion-failure, pyrefly bad-argument-type
            assert_never(rest)


# ## `Failure(RateLimited() as error)` narrows the error
async def match_classes(handle: TaskHandle[str, RateLimited | NotFound]) -> None:
    match await handle.outcome():
        case Failure(RateLimited() as limited):
            assert_type(limited.retry_at, datetime)
        case Failure(NotFound() as missing):
            assert_type(missing.login, str)
            # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
            missing.retry_at
        case _:
            pass


# ## `Failure(RateLimited())` and so on is a complete match
# why: no checker concludes from the patterns inside that all failures are matched. Match the error in a `match` of its own.
# gap: mypy return, plugin return, pyright reportReturnType, ty invalid-implicit-return, pyrefly bad-return
async def match_classes_completely(handle: TaskHandle[str, RateLimited | NotFound]) -> int:
    # also: mypy exhaustive-match, plugin exhaustive-match, pyright reportMatchNotExhaustive
    match await handle.outcome():
        case Failure(RateLimited()):
            return 1
        case Failure(NotFound()):
            return 2
        case Success() | Crashed() | Cancelled() | Expired():
            return 3


# ## failures of results and retries
async def use_result(task: Task[[int], str, RateLimited]) -> None:
    try:
        await (await task.enqueue(1)).result()
    except RateLimited as error:
        assert_type(error.retry_at, datetime)
    Retry(when=lambda error: error.retry_at if isinstance(error, RateLimited) else None)
    Retry(when=lambda error: error.retry_at)
    Retry(on=RateLimited)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    Retry(on="RateLimited")
