"""Generated clients: the tasks of another service (stubs/github_tasks, and the client of tests/codegen/service.py)."""

# What is switched off says something about the form of a program, not about its types.
# pyright: reportUnusedExpression=false, reportUnusedVariable=false

from datetime import date, datetime

import library
from github_tasks import BlockingClient, Client, GithubUser, RateLimited, UserNotFound
from library import Loan, Overdue, Reader
from typing_extensions import Never, assert_never, assert_type

from typedtasks import Call, Cancelled, Crashed, Expired, Failure, Outcome, Success, Task, TaskHandle
from typedtasks.client import BlockingHandle, BlockingTask


# ## the asynchronous client
async def use_client(client: Client) -> None:
    assert_type(await client.github_fetch_user.enqueue("torvalds"), TaskHandle[GithubUser, UserNotFound | RateLimited])
    assert_type(
        await client.github_fetch_user.options(delay=60).enqueue(login="a"), TaskHandle[GithubUser, UserNotFound | RateLimited]
    )
    assert_type(client.github_fetch_user.call("a"), Call[GithubUser, UserNotFound | RateLimited])
    assert_type(client.handle(client.github_fetch_user, "default.x"), TaskHandle[GithubUser, UserNotFound | RateLimited])
    handle = await client.github_fetch_user.enqueue("torvalds")
    assert_type((await handle.result()).created_at, datetime)
    many = await client.enqueue_many([client.github_fetch_user.call("a"), client.github_fetch_user.call("b")])
    assert_type(await many[0].outcome(), Outcome[GithubUser, UserNotFound | RateLimited])
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await client.github_fetch_user.enqueue()
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.github_fetch_user.enqueue(7)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    await client.github_fetch_user.enqueue("a", depth=1)
    # E: mypy operator, plugin operator, pyright reportCallIssue, ty not-callable, pyrefly not-callable
    client.github_fetch_user("a")
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    client.fetch_users
    # E: mypy call-arg, plugin call-arg+typedtasks-option, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    client.github_fetch_user.options(dely=1)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    client.github_fetch_user.call(7)
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    (await handle.result()).nam
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.enqueue_many([7])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    UserNotFound(login=7)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    RateLimited(retry_at="soon")


# ## the blocking client
def use_blocking(client: BlockingClient) -> None:
    handle = client.github_fetch_user.enqueue("torvalds")
    assert_type(handle, BlockingHandle[GithubUser, UserNotFound | RateLimited])
    assert_type(handle.result(timeout=10), GithubUser)
    assert_type(handle.outcome(), Outcome[GithubUser, UserNotFound | RateLimited])
    assert_type(
        client.github_fetch_user.options(priority="low").enqueue("a"), BlockingHandle[GithubUser, UserNotFound | RateLimited]
    )
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    client.github_fetch_user.enqueue(7)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    client.github_fetch_user.options(priority="lower")
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    handle.result().nam


# ## the failures of a client
async def match_failures(handle: TaskHandle[GithubUser, UserNotFound | RateLimited]) -> str:
    match await handle.outcome():
        case Success(user):
            return user.login
        case Failure(error):
            match error:
                case UserNotFound(login=login):
                    return login
                case RateLimited():
                    return str(error.retry_at)
        case Crashed(message):
            return message
        case Cancelled() | Expired():
            return ""


async def miss_failure(client: Client) -> None:
    found = await (await client.github_fetch_user.enqueue("a")).outcome()
    if isinstance(found, Failure):
        if isinstance(found.error, UserNotFound):
            pass
        else:
            # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty type-assertion-failure, pyrefly bad-argument-type
            assert_never(found.error)


# ## models, `*args` and defaults of a client
async def use_library(client: library.Client, blocking: library.BlockingClient) -> None:
    assert_type(await client.library_lend.enqueue(Reader(name="ada"), "Emma", days=2), TaskHandle[Loan, Overdue])
    assert_type(await client.library_count.enqueue({date(2026, 1, 1): ["a"]}), TaskHandle[int, Never])
    assert_type(blocking.library_lend.enqueue(Reader(name="ada"), "Emma").result().books, list[str])
    task: Task[..., int] = client.library_count
    waiting: BlockingTask[..., int] = blocking.library_count
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.library_lend.enqueue("ada")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.library_lend.enqueue(Reader(name="ada"), days="2")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.library_lend.enqueue(Reader(name="ada"), 7)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await client.library_lend.enqueue()
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    await client.library_lend.enqueue(Reader(name="ada"), nothing=1)
    # E: mypy dict-item, plugin dict-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-assignment
    await client.library_count.enqueue({"2026-01-01": ["a"]})
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    blocking.library_lend.enqueue("ada")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    Reader(nam="ada")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    Overdue(days="x")
    # E: mypy assignment, plugin assignment, pyright reportAssignmentType, ty invalid-assignment, pyrefly bad-assignment
    wrong: Task[..., str] = client.library_count
