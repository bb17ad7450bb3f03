"""Suspects: deliveries that were lost twice run alone in a child process, so that whatever kills it kills nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from typedtasks.backend import Delivery, Settlement
from typedtasks.broker import Broker
from typedtasks.worker.frames import HEAD, framed, read_settlement, write_delivery

__all__ = ["Died", "Isolation", "IsolationUnavailable", "OutOfTime", "application_of", "is_suspect"]

_LOSSES: Final = 2
_DEATHS: Final = 2
_CHILDREN: Final = 4
"""Suspects that run at a time, each in a child of its own."""
_STARTS: Final = 3
_START_LIMIT: Final = 60.0
_PAUSE: Final = 1.0
_SLACK: Final = 5.0
"""Seconds beyond its timeout that a suspect has before its child is killed."""
_LAST_WORDS: Final = 0.3
"""Seconds that a suspect has to end after its cancellation, before its child is killed."""
_STDERR_TAIL: Final = 4096

_log = logging.getLogger("typedtasks.worker")


def is_suspect(delivery: Delivery) -> bool:
    """Return whether a delivery was lost twice without an outcome: it may be what killed those who had it."""
    return delivery.deliveries > _LOSSES


def application_of(broker: Broker) -> str | None:
    """Return where a broker is found, as `module:name`. None for one that no imported module holds, or that lives in memory.

    A program that is run (`__main__`) is not looked at: a child that imported it would run it once more.
    """
    if broker.url.startswith("memory:"):
        return None
    for name, module in list(sys.modules.items()):
        if name != "__main__":
            for attribute, value in list(getattr(module, "__dict__", {}).items()):
                if value is broker:
                    return f"{name}:{attribute}"
    return None


class IsolationUnavailable(Exception):
    """No child could be started. The text says why."""


class OutOfTime(Exception):
    """A suspect went on after its timeout, so its child was killed."""


class Died(Exception):
    """A child ended without an answer. The text says how."""

    def __init__(self, how: str, stderr: str) -> None:
        super().__init__(how)
        self.stderr = stderr
        """The end of what it wrote to its standard error."""


class Isolation:
    """Runs suspects in children that `command` starts, one at a time in each.

    A child that has answered is used again while suspects wait. Only a child that ran nothing before is a witness against what
    it runs: two of those have to die of it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._turns = asyncio.Semaphore(_CHILDREN)
        self._idle: list[_Child] = []

    async def run(self, delivery: Delivery, timeout: float) -> Settlement:
        """Return what follows from a delivery, which may take `timeout` seconds (0: any time).

        Raises `Died` when it has ended two children, `OutOfTime`, and `IsolationUnavailable`.
        """
        async with self._turns:
            deaths = 0
            while True:
                child = self._idle.pop() if self._idle and not deaths else await self._start()
                is_witness = not child.used
                try:
                    settlement = await child.run(delivery, timeout)
                except Died as died:
                    deaths += is_witness
                    _log.warning("%s: the process in which it ran alone %s.", delivery.id, died)
                    if deaths == _DEATHS:
                        raise
                else:
                    if self._turns.locked() and child.is_clean:
                        self._idle.append(child)
                    else:
                        await child.end()
                    return settlement

    async def close(self) -> None:
        """End the children that wait."""
        while self._idle:
            await self._idle.pop().end()

    async def _start(self) -> _Child:
        failure = ""
        for attempt in range(_STARTS):
            await asyncio.sleep(_PAUSE if attempt else 0)
            child = _Child(self._command)
            try:
                await child.start()
            except (OSError, Died, TimeoutError) as error:
                failure = f"{str(error) or 'it was not ready in time'}\n{error.stderr if isinstance(error, Died) else ''}"
            else:
                return child
        raise IsolationUnavailable(failure)


class _Child:
    """One child process: deliveries go to its standard input, what follows comes back on a pipe of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process
        self._answers = asyncio.StreamReader()
        self._transport: asyncio.ReadTransport | None = None
        self._echo: asyncio.Task[None] | None = None
        self._stderr = b""
        self.used = False
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

    async def run(self, delivery: Delivery, timeout: float) -> Settlement:
        """Return what follows. Raises `Died` or `OutOfTime`; then, and when it is cancelled, the child has ended."""
        self.used = True
        try:
            await self._say(write_delivery(delivery))
            async with asyncio.timeout(timeout + _SLACK if timeout else None):
                answer = await self._answer()
            self.is_clean = answer[:1] == b"+"
            return read_settlement(answer[1:])
        except TimeoutError:
            await self.end()
            raise OutOfTime from None
        except BaseException:
            await self.end(patience=_LAST_WORDS)
            raise

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
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
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

    async def _death(self) -> Died:
        code = await self._process.wait()
        if self._echo is not None:  # what it wrote last may not have been read yet
            await asyncio.wait([self._echo], timeout=_LAST_WORDS)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return Died(how, self._stderr.decode("utf-8", "replace"))

    async def _echo_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None, "it was asked for"
        while written := await stderr.read(65536):
            self._stderr = (self._stderr + written)[-_STDERR_TAIL:]
            sys.stderr.write(written.decode("utf-8", "replace"))
            sys.stderr.flush()
