"""Real processes for tests: started in groups of their own, awaited with a bound, and always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Process", "eventually", "is_alive", "listens", "started"]

ROOT = Path(__file__).parent.parent


class Process:
    """One process and what it has printed so far."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> None:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.popen = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_output(self, text: str, timeout: float = 20) -> None:
        """Return when the process has printed a text."""
        eventually(lambda: text in self.output, timeout, lambda: f"{text!r} in\n{self.output}")

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 20) -> int:
        """Send a signal to the process, and return the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        code = self.popen.wait(timeout)
        self._reader.join(timeout)
        return code

    def end(self) -> None:
        """End the whole group, whatever state it is in."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)
        self._reader.join(10)
        if self.popen.stdout is not None:
            self.popen.stdout.close()

    def _read(self) -> None:
        for line in self.popen.stdout or ():
            self.output += line


@contextmanager
def started(*arguments: str, folder: Path, **environment: str) -> Iterator[Process]:
    """Yield a running `python <arguments>`; it is gone afterwards."""
    process = Process(arguments, environment, folder)
    try:
        yield process
    finally:
        process.end()


def eventually(condition: Callable[[], bool], timeout: float = 20, what: Callable[[], str] = lambda: "the condition") -> None:
    """Return when a condition about other processes holds. They cannot wake us, so it is looked at every 5 ms, within the bound."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what()}")
        time.sleep(0.005)


def is_alive(process: int) -> bool:
    """Return whether a process exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def listens(port: int) -> bool:
    """Return whether a port of 127.0.0.1 answers."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
