"""`typedtasks worker`: one process that runs tasks, or a supervisor of several."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from typedtasks.backend import SessionId
from typedtasks.broker import Broker
from typedtasks.cli.loading import import_others, load_broker
from typedtasks.cli.logs import set_up_logging
from typedtasks.cli.stopping import Stopper
from typedtasks.coroutine import Coro
from typedtasks.errors import TypedTasksError
from typedtasks.logs import Log
from typedtasks.worker import Worker
from typedtasks.worker.alone import run_alone
from typedtasks.worker.ending import run_exit_functions
from typedtasks.worker.program import command_like_this
from typedtasks.worker.supervisor import Supervisor

__all__ = ["run_worker"]

T = TypeVar("T")

_log = Log("typedtasks.worker")


def run_worker(options: argparse.Namespace) -> int:
    """Run tasks until a signal (or, in a burst, until none is ready) and return the exit code."""
    set_up_logging(options.log_format, options.log_level)
    if options.lifeline is None and (options.processes > 1 or options.reload):
        # What is wrong with the broker is said once, not by every child. With --reload the successors end the leases.
        mourn = None if options.reload else _LeaseEnding(load_broker(options.target), options.queues)
        supervisor = Supervisor(
            _child_arguments(options),
            options.processes,
            grace=options.grace,
            burst=options.burst,
            reload=options.reload,
            mourn=mourn,
        )
        return asyncio.run(supervisor.run())
    broker = load_broker(options.target, finds_here=options.alone is None)
    runner = asyncio.Runner(loop_factory=_loop_factory())
    if options.alone is not None:
        import_others(options.module)
        _run(runner, run_alone(broker, options.alone))
    worker = Worker(
        broker,
        queues=options.queues,
        concurrency=options.concurrency,
        lease=options.lease,
        grace=options.grace,
        application=options.target,
    )
    worker.child_log = (options.log_format, options.log_level)
    try:
        code = _run(runner, _serve(broker, worker, options))
    except BaseException:
        with contextlib.suppress(RuntimeError):  # a loop that could not begin, without a descriptor, can neither be closed
            runner.close()
        raise
    run_exit_functions(code)
    with contextlib.suppress(ChildProcessError):  # what tasks have forked, and not waited for
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    # A thread that outlived its timeout, or a task that ignores its cancellation, would keep the event loop and the
    # interpreter from ending; everything is settled or given back by now.
    os._exit(code)


def _run(runner: asyncio.Runner, main: Coro[T]) -> T:
    """Return what `main` returns, whatever its tasks have done to the event loop.

    asyncio lets a `SystemExit` in any of its tasks end the loop, and with it the work of everybody else; so the loop goes on.
    Whoever waits for that asyncio task gets the exception.
    """
    loop = runner.get_loop()
    task = loop.create_task(main)
    while True:
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            was_ctrl_c = isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler
            if task.done() or was_ctrl_c:
                raise
            _log.error(
                "%s was raised in an asyncio task or a callback that a task has started: the worker goes on.",
                type(error).__name__,
                exc_info=error,
            )


async def _serve(broker: Broker, worker: Worker, options: argparse.Namespace) -> int:
    loop = asyncio.get_running_loop()
    Stopper(lambda number: _on_signal(worker, number), options.grace)
    if options.lifeline is not None:
        loop.add_reader(options.lifeline, _on_parents_end, worker, options.lifeline)
    async with broker:
        if options.replaces:
            await broker.backend.expire(SessionId(options.replaces), worker.queues)
        _log.info(
            "Worker started: %d tasks known, queues %s, %d at a time, on %s.",
            len(broker.tasks),
            ", ".join(worker.queues),
            worker.concurrency,
            broker.url,
        )
        if broker.url.startswith("memory:"):
            _log.warning("memory:// lives in this process alone: nobody can send it tasks. Set TYPEDTASKS_URL for all processes.")
        session = SessionId(options.session) if options.session else None
        tally = await worker.run(burst=options.burst, session_id=session, begun=partial(_tell_begun, options.begun))
    _log.info(
        "Worker ended: %d succeeded, %d failed, %d cancelled, %d to be retried, %d parked.",
        tally.succeeded,
        tally.failed,
        tally.cancelled,
        tally.retried,
        tally.parked,
    )
    return 1 if options.burst and tally.failed else 0


class _LeaseEnding:
    """Ends the lease of a child that has died, so that other workers take over its tasks at once."""

    def __init__(self, broker: Broker, queues: Sequence[str] | None) -> None:
        self._broker = broker
        self._queues = tuple(queues) if queues else broker.queues
        self._turn = asyncio.Lock()

    async def __call__(self, session: SessionId) -> None:
        try:
            async with self._turn, self._broker:
                await self._broker.backend.expire(session, self._queues)
        except TypedTasksError as error:
            _log.warning("The lease of %s could not be ended now; its successor does it: %s", session, error)


def _on_signal(worker: Worker, number: signal.Signals) -> None:
    if worker.stopping:
        _log.warning("%s again: giving back what still runs.", number.name)
        worker.stop_now()
    else:
        _log.info("%s: taking nothing new, and letting what runs come to its end.", number.name)
        worker.stop()


def _tell_begun(parent: int | None) -> None:
    """Tell the supervisor, if there is one, that this process takes tasks: when it dies, another is started at once."""
    if parent is not None:
        with contextlib.suppress(BrokenPipeError):  # it has died; `_on_parents_end` sees to that
            os.write(parent, b"1")
        os.close(parent)


def _on_parents_end(worker: Worker, lifeline: int) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    _log.warning("The supervisor is gone: stopping.")
    worker.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


def _child_arguments(options: argparse.Namespace) -> list[str]:
    arguments = [*command_like_this("worker", options.target)]
    arguments += ["--concurrency", str(options.concurrency), "--grace", str(options.grace), "--lease", str(options.lease)]
    arguments += ["--log-format", options.log_format, "--log-level", options.log_level]
    if options.queues:
        arguments += ["--queues", ",".join(options.queues)]
    if options.burst:
        arguments.append("--burst")
    return arguments
