"""Several worker processes under one parent: started, restarted when they die, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from typedtasks.backend import SessionId
from typedtasks.errors import system_error
from typedtasks.logs import Log
from typedtasks.worker.child import signal_name
from typedtasks.worker.worker import new_session_id

__all__ = ["Supervisor"]

_BAD_USAGE: Final = 2
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
"""Seconds before the successor of a child that could not begin, at most: each such death doubles the pause."""
_PATIENCE: Final = 2.0
"""Seconds that the others have to begin where one could not."""
_SLACK: Final = 2.0
"""Seconds beyond the grace time that a child has to end by itself. (It ends itself after one, unless the interpreter hangs.)"""
_LOOK_FOR_CHANGES: Final = 0.5

_log = Log("typedtasks.worker")


class Supervisor:
    """Keeps `processes` children alive until a signal comes, and returns the exit code of the whole.

    Each child is started with `arguments` and told its session's id, so that the successor of a child that died ends that
    session's lease at once. Before that, `mourn` is called with the session, so that the others need not wait for the successor.
    Each child holds the end of a pipe that closes with this process: it never outlives its parent for long. With `reload` the
    children start again when a Python file below the working directory changes.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        processes: int,
        *,
        grace: float,
        burst: bool,
        reload: bool,
        mourn: Callable[[SessionId], Awaitable[None]] | None = None,
    ) -> None:
        self._arguments = tuple(arguments)
        self._processes = processes
        self._grace = grace
        self._burst = burst
        self._reload = reload
        self._mourn = mourn
        self._children: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()
        self._news = asyncio.Event()
        """Set when it is time to stop, or files have changed."""
        self._version = 0
        self._lifeline, self._own_end = os.pipe()
        os.set_inheritable(self._lifeline, True)

    async def run(self) -> int:
        """Start the children and return the exit code: the highest of theirs where they ended by themselves."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        watcher = asyncio.create_task(self._watch_files()) if self._reload else None
        _log.info("Supervisor started: %d processes.", self._processes)
        try:
            codes = await asyncio.gather(*(self._keep_alive() for _ in range(self._processes)))
        finally:
            if watcher is not None:
                watcher.cancel()
            os.close(self._own_end)
            os.close(self._lifeline)
        return max(codes)

    async def _keep_alive(self) -> int:
        pause, dead, first = _FIRST_PAUSE, "", True
        while True:
            session, version = new_session_id(), self._version
            try:
                code, has_begun = await self._run_child(session, replaces=dead)
            except OSError as error:  # this process or the machine has no more of something: others may give it back
                _log.error("No worker process can be started: %s Trying again in %g s.", system_error(error), pause)
                await self._pause(pause, version)
                if self._stopping.is_set():
                    return 0
                continue
            if self._stopping.is_set():
                return max(code, 0)
            if self._version != version:
                pause = _FIRST_PAUSE
                continue  # it was ended because files have changed
            if self._burst and code in (0, 1):
                return code
            if code == _BAD_USAGE and first and not self._reload and not await self._others_begin():
                self._stop("No worker process can begin")
                return code
            dead, first = session, False
            pause = _FIRST_PAUSE if has_begun else min(_LONGEST_PAUSE, pause * 2)
            cause = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with code {code}"
            _log.warning("A worker process %s; starting another in %g s.", cause, pause)
            if self._mourn is not None:
                await self._mourn(session)
            if await self._pause(pause, version):
                pause = _FIRST_PAUSE
            if self._stopping.is_set():
                return 0

    async def _others_begin(self) -> bool:
        """Return whether other children begin where one could not (its backend was away for a moment): they still live later."""
        if self._children:
            await self._pause(_PATIENCE, self._version)
        return bool(self._children) and not self._stopping.is_set()

    async def _run_child(self, session: str, *, replaces: str) -> tuple[int, bool]:
        """Return a child's exit code, and whether it had begun to take tasks."""
        begun, childs_end = os.pipe()
        os.set_blocking(begun, False)
        arguments = [*self._arguments, "--lifeline", str(self._lifeline), "--begun", str(childs_end), "--session", session]
        if replaces:
            arguments += ["--replaces", replaces]
        try:
            # A session of its own: Ctrl-C reaches the parent only, which passes it on once.
            try:
                ends = (self._lifeline, childs_end)
                child = await asyncio.create_subprocess_exec(*arguments, pass_fds=ends, start_new_session=True)
            finally:
                os.close(childs_end)
            self._children.add(child)
            if self._stopping.is_set():
                _signal(child, signal.SIGTERM)
            code = await child.wait()
            self._children.discard(child)
            with contextlib.suppress(BlockingIOError):  # a program that it left behind holds the other end
                return code, os.read(begun, 1) != b""
            return code, False
        finally:
            os.close(begun)

    async def _pause(self, seconds: float, version: int) -> bool:
        """Return after a pause, or at once when it is time to stop, or files are not those of `version` any more: then True."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._stopping.is_set() and self._version == version:
                    self._news.clear()
                    await self._news.wait()
        return self._version != version

    def _on_signal(self, number: signal.Signals) -> None:
        self._stop(number.name)

    def _stop(self, cause: str) -> None:
        if not self._stopping.is_set():
            _log.info("%s: stopping %d processes.", cause, len(self._children))
            asyncio.get_running_loop().call_later(self._grace + _SLACK, self._kill)
        self._stopping.set()
        self._news.set()
        self._signal_children(signal.SIGTERM)

    def _kill(self) -> None:
        self._signal_children(signal.SIGKILL)

    def _signal_children(self, number: signal.Signals) -> None:
        for child in self._children:
            _signal(child, number)

    async def _watch_files(self) -> None:
        seen: dict[str, int] | None = None
        while True:
            try:
                now: dict[str, int] | None = dict(_python_files())
            except OSError as error:
                _log.warning("Whether files have changed cannot be seen now: %s", system_error(error))
                now = seen
            if now is not None and seen is not None and now != seen:
                changed = sorted({path for path, _ in set(now.items()) ^ set(seen.items())})
                _log.info("%s changed: starting again.", changed[0])
                self._version += 1
                self._news.set()
                self._signal_children(signal.SIGTERM)
            seen = now
            await asyncio.sleep(_LOOK_FOR_CHANGES)


def _signal(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal. (`child.send_signal` would look first whether the child has ended, and take its exit code from asyncio.)"""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def _only_forbidden(error: OSError) -> None:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise error  # else all files would seem to be gone


def _python_files() -> Iterator[tuple[str, int]]:
    """Yield the files and when they have changed. Raises `OSError` where this process can look at nothing."""
    for folder, folders, files in os.walk(Path.cwd(), onerror=_only_forbidden):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in ("__pycache__", "node_modules", "venv")]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                try:
                    yield path, os.stat(path).st_mtime_ns
                except OSError:
                    continue  # it was deleted in between
