"""One child process of a worker: deliveries run there, so that whatever ends it ends nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from typedtasks.backend import Delivery, Settlement
from typedtasks.progress import Progress, read_progress
from typedtasks.worker.frames import HEAD, PROGRESS, framed, read_settlement, write_delivery

__all__ = ["Child", "Died", "OutOfTime", "signal_name"]

_START_LIMIT: Final = 60.0
_LAST_WORDS: Final = 0.3
"""Seconds that a task has to end after its cancellation, before its child is killed."""
_STDERR_TAIL: Final = 4096
_LOOK_AGAIN: Final = 0.05


def signal_name(number: int) -> str:
    """Return a signal's name. Real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class OutOfTime(TimeoutError):
    """A task went on after its time, so its child was killed."""


class Died(Exception):
    """A child ended without an answer. The text says how."""

    def __init__(self, how: str, stderr: str) -> None:
        super().__init__(how)
        self.stderr = stderr
        """The end of what it wrote to its standard error."""


class Child:
    """One child process: deliveries go to its standard input, what follows comes back on a pipe of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process
        self._answers = asyncio.StreamReader()
        self._transport: asyncio.ReadTransport | None = None
        self._echo: asyncio.Task[None] | None = None
        self._stderr = b""
        self.used = False
        """Whether it has run anything."""
        self.is_clean = True
        """Whether nothing of what it ran still goes on there."""

    async def start(self) -> None:
        """Return when it is ready. Raises `Died`, `OSError` or `TimeoutError`."""
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                "--alone",
                str(writing),
                stdin=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(writing,),
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._echo = asyncio.create_task(self._echo_stderr(), name="typedtasks-child-stderr")
        protocol = asyncio.StreamReaderProtocol(self._answers)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb"))
        try:
            async with asyncio.timeout(_START_LIMIT):
                await self._answer()
        except BaseException:
            await self.end()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended, as far as is known."""
        return self._process.returncode is None

    async def run(self, delivery: Delivery, limit: float, report: Callable[[Progress], None]) -> Settlement:
        """Return what follows from a delivery, which may take `limit` seconds (0: any time); `report` is told how far it has come.

        Raises `Died` or `OutOfTime`; then, and when it is cancelled, the child has ended.
        """
        self.used = True
        try:
            await self._say(write_delivery(delivery))
            async with asyncio.timeout(limit or None):
                while (answer := await self._answer())[:1] == PROGRESS:
                    report(read_progress(answer[1:]))
            self.is_clean = answer[:1] == b"+"
            return self._read(answer[1:])._replace(delivery=delivery)
        except TimeoutError:
            await self.end()
            raise OutOfTime from None
        except BaseException:
            await self.end(patience=_LAST_WORDS)
            raise

    async def dismiss(self, patience: float) -> None:
        """End the process, which runs nothing, in good order: what it was told to do at its exit has `patience` seconds."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._code()
        await self.end()

    async def end(self, patience: float = 0.0) -> None:
        """End the process: where there is `patience`, what it runs is cancelled first and has so many seconds to end."""
        try:
            if patience and self._process.returncode is None:
                async with asyncio.timeout(patience):
                    await self._say(b"")
                    await self._process.wait()
        except (TimeoutError, Died):
            pass
        finally:
            if self._process.returncode is None:
                self._kill()
            await self._code()
            if self._transport is not None:
                self._transport.close()
            if self._echo is not None:
                await asyncio.wait([self._echo], timeout=_LAST_WORDS)
                self._echo.cancel()

    async def _say(self, message: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None, "it was asked for"
        try:
            stdin.write(framed(message))
            await stdin.drain()
        except OSError:
            raise await self._death() from None

    async def _answer(self) -> bytes:
        try:
            length = int.from_bytes(await self._answers.readexactly(HEAD), "big")
            return await self._answers.readexactly(length)
        except asyncio.IncompleteReadError:
            raise await self._death() from None

    def _read(self, answer: bytes) -> Settlement:
        try:
            return read_settlement(answer)
        except ValueError:
            raise Died("wrote over its answer", self._stderr.decode("utf-8", "replace")) from None

    async def _death(self) -> Died:
        self._kill()
        code = await self._code()
        if self._echo is not None:  # what it wrote last may not have been read yet
            await asyncio.wait([self._echo], timeout=_LAST_WORDS)
        how = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with code {code}"
        return Died(how, self._stderr.decode("utf-8", "replace"))

    def _kill(self) -> None:
        """End the process, and the programs that it has started: they are in its group, also when it has just died."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _code(self) -> int:
        """Return with what the process ended. Some versions of `Process.wait` go on until nobody else has its pipes, either."""
        while (code := self._process.returncode) is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._process.wait()
        return code

    async def _echo_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None, "it was asked for"
        while written := await stderr.read(65536):
            self._stderr = (self._stderr + written)[-_STDERR_TAIL:]
            with suppress(Exception):  # there is none, or nobody reads it any more: the child must not wait for that
                sys.stderr.write(written.decode("utf-8", "replace"))
                sys.stderr.flush()
