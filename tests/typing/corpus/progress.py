"""Progress: what a task says, and what its handle tells."""

# What is switched off says something about the form of a program, not about its types.
# pyright: reportUnusedExpression=false, reportUnusedVariable=false

from typing_extensions import assert_type

from typedtasks import Broker, Context, Depends, Progress, TaskHandle
from typedtasks.client import BlockingHandle

broker = Broker("memory://")


# ## a task's progress
@broker.task
async def encode(file: str, context: Context = Depends()) -> str:
    assert_type(context.progress(1, 10, "message"), None)
    context.progress(0.5)
    context.progress(done=1, total=None, message="message")
    assert_type(context.reported, Progress | None)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    context.progress("half")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    context.progress(1, "all")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    context.progress(1, 10, 5)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    context.progress()
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty unknown-argument, pyrefly unexpected-keyword
    context.progress(1, text="message")
    # E: mypy func-returns-value+misc, plugin func-returns-value+misc, pyright reportGeneralTypeIssues, ty invalid-await, pyrefly not-async
    await context.progress(1)
    return file


# ## progress of a handle
async def watch(handle: TaskHandle[str], blocking: BlockingHandle[str]) -> None:
    found = await handle.progress()
    assert_type(found, Progress | None)
    if found is not None:
        assert_type(found.message, str)
        assert_type(found.fraction, float | None)
        assert_type(found.attempt, int)
        # E: mypy misc, plugin misc, pyright reportAttributeAccessIssue, ty invalid-assignment, pyrefly read-only
        found.done = 2
        # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
        found.percent
    async for update in handle.updates(every=0.1):
        assert_type(update, Progress)
    assert_type([update for update in blocking.updates()], list[Progress])
    assert_type(blocking.progress(), Progress | None)
    # E: mypy union-attr, plugin union-attr, pyright reportOptionalMemberAccess, ty missing-union-attribute, pyrefly missing-attribute
    found.message
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    handle.updates(every="1")
    # E: mypy attr-defined, plugin attr-defined, pyright reportGeneralTypeIssues+reportUnknownVariableType, ty not-iterable, pyrefly not-iterable
    for update in handle.updates():
        pass
