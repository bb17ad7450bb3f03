"""The child's side of isolation: deliveries come on standard input, one at a time, and each is answered on a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Final, Never

from typedtasks.backend import Delivery, Report, Settlement
from typedtasks.broker import Broker
from typedtasks.forking import let_go, watch_forks
from typedtasks.worker.ending import run_exit_functions
from typedtasks.worker.execution import Execution, Prepared
from typedtasks.worker.frames import HEAD, PROGRESS, framed, read_delivery, write_settlement
from typedtasks.worker.injecting import Injector
from typedtasks.worker.reporting import Reporter

__all__ = ["run_alone"]

_STDIN: Final = 0
_FAREWELL: Final = 5.0
"""Seconds that a process has to end in good order when nobody needs it any more."""


async def run_alone(broker: Broker, answers: int) -> None:
    """Run what comes on standard input, and write what follows from it to the descriptor `answers`. It never returns.

    The first answer is empty and says that this process is ready. The last one for each delivery begins with `+`, or with `-`
    where something of the task still goes on here; some with `p` and the task's progress may come before. An empty message
    cancels what runs; when that has ended, the process does. It ends when the input ends, too: at once while something runs, and
    else after its lifespans are left and what was registered with `atexit` has run.
    """
    async with broker:
        injector = Injector(broker, Reporter())
        await injector.open()
        alone = _Alone(broker, answers, injector)
        alone.begin()
        await alone.input_ended.wait()
        await injector.close()
    _end()


class _Alone:
    def __init__(self, broker: Broker, answers: int, injector: Injector) -> None:
        self._execution = Execution(
            broker.tasks,
            max_payload=broker.max_payload,
            ttl_ms=broker.result_ttl_ms,
            threads=1,
            clock=broker.clock,
            injector=injector,
            sealing=broker.sealing,
        )
        os.set_inheritable(answers, False)  # what a task starts does not keep it open when this process has died
        self._answers = os.fdopen(answers, "wb")
        watch_forks(self)
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Task[None] | None = None
        self._is_cancelled = False
        self._is_busy = False
        self.input_ended = asyncio.Event()
        self._reporter = injector.reporter
        self._reporter.begin(self._report)

    def forked(self) -> None:
        """Give no answers from a forked child, and keep the pipe from staying open when this process has died (see `Inherited`)."""
        let_go(self._answers.fileno())

    def begin(self) -> None:
        """Say that this process is ready, and begin to read."""
        own = os.dup(_STDIN)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, _STDIN)  # a task that reads its standard input gets nothing, and takes nothing away
        os.close(nothing)
        # A thread, so that the end of the worker ends this process even while a task blocks the event loop.
        threading.Thread(target=self._read, args=(own,), name="typedtasks-input", daemon=True).start()
        self._write(b"")

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as stream:
            while len(head := stream.read(HEAD)) == HEAD:
                message = stream.read(int.from_bytes(head, "big"))
                self._is_busy = self._is_busy or message != b""
                self._loop.call_soon_threadsafe(self._take, message)
        if not self._is_busy:
            self._loop.call_soon_threadsafe(self.input_ended.set)
            time.sleep(_FAREWELL)
        _kill_group()

    def _take(self, message: bytes) -> None:
        if message:
            delivery = read_delivery(message)
            self._running = self._loop.create_task(
                self._answer(delivery), name=f"alone {delivery.id}", context=self._execution.context.copy()
            )
        elif self._running is not None:
            self._is_cancelled = True
            self._running.cancel()

    async def _answer(self, delivery: Delivery) -> None:
        settlement = await self._settlement(delivery)
        self._is_busy = False
        self._write((b"-" if self._execution.abandoned.count else b"+") + write_settlement(settlement))

    async def _settlement(self, delivery: Delivery) -> Settlement:
        prepared = self._execution.prepare(delivery)
        if not isinstance(prepared, Prepared):
            return prepared
        try:
            return await self._execution.run(prepared)
        except asyncio.CancelledError as error:
            if self._is_cancelled:
                _end()
            return self._execution.failed(prepared.received, error)  # the function cancelled itself

    async def _report(self, reports: Sequence[Report]) -> None:
        for report in reports:
            self._write(PROGRESS + report.body)

    def _write(self, message: bytes) -> None:
        self._answers.write(framed(message))
        self._answers.flush()


def _end() -> Never:
    """End this process in good order."""
    run_exit_functions(0, _FAREWELL)
    _kill_group()


def _kill_group() -> Never:
    """End this process, and with it the programs that its task has started: they are in its group, and nobody waits for them."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
