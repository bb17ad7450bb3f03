"""The soft timeout of an asynchronous task: an exception where it waits, which it may catch."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Generator
from typing import Any, TypeVar, cast

from typedtasks.coroutine import Coro
from typedtasks.errors import SoftTimeout

__all__ = ["Overdue", "run_with_soft_timeout"]

R = TypeVar("R")


class Overdue(TimeoutError):
    """A task has let its soft timeout pass."""


async def run_with_soft_timeout(work: Coro[R], task: str, seconds: float) -> R:
    """Return what `work` returns. After `seconds`, `SoftTimeout` is raised where it waits: once.

    Raises `Overdue` if it lets that pass.
    """
    interruption = _Interruption(f"{task} has run for {seconds:g} s, its soft timeout: end it, and return what there is.")
    timer = asyncio.get_running_loop().call_later(seconds, interruption.interrupt)
    try:
        # types.coroutine makes an awaitable of it.
        return await cast("Coro[R]", _driven(work, interruption))
    except (SoftTimeout, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and error.split(SoftTimeout)[1] is not None:
            raise
        raise Overdue(f"{task} ran longer than its soft timeout of {seconds:g} s, and did not catch it.") from None
    finally:
        timer.cancel()


class _Interruption:
    """Cancels the current task once, so that whatever it waits for ends as in every cancellation, and gives another reason."""

    def __init__(self, message: str) -> None:
        task = asyncio.current_task()
        assert task is not None, "it is made in the task that is to be interrupted"
        self._task = task
        self._cancellations = task.cancelling()
        self._message = message
        self.is_due = False
        self._is_sent = False

    def interrupt(self) -> None:
        """Cancel the task; `reason` says why."""
        self.is_due = True
        self.insist()

    def insist(self) -> None:
        """Cancel it, unless something else has: timeouts and groups in the task come first."""
        if not self._is_sent and self._task.cancelling() <= self._cancellations:
            self._is_sent = True
            self._task.cancel()

    def reason(self, error: BaseException | None) -> BaseException | None:
        """Return what is to be raised in the place of `error`, with which asyncio resumes the task, or None where it has none."""
        if self._is_sent:
            self._is_sent = False
            is_only_reason = self._task.uncancel() <= self._cancellations
            if is_only_reason and isinstance(error, asyncio.CancelledError):
                self.is_due = False
                return SoftTimeout(self._message)
        return error  # and it stays due, where what the task waited for has taken the cancellation for itself


# Any: what passes between the coroutine and its event loop is theirs.
@types.coroutine
def _driven(work: Coro[R], interruption: _Interruption) -> Generator[Any, Any, R]:
    """Run a coroutine step by step, as `await` does, but for the reason of its cancellation."""
    answer: object = None
    raised: BaseException | None = None
    while True:
        try:
            awaited = work.send(answer) if raised is None else work.throw(raised)
        except StopIteration as ended:
            return cast("R", ended.value)
        if interruption.is_due:
            interruption.insist()
        try:
            answer, raised = (yield awaited), interruption.reason(None)
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised in the coroutine
            raised = interruption.reason(error)
