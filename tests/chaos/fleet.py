"""Worker processes that can be found, killed, stopped and started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.processes import ROOT

__all__ = ["Fleet"]


class Fleet:
    """Some supervisors with two workers each; every second one runs the second version of the code."""

    def __init__(self, supervisors: int, environment: Mapping[str, str], folder: Path, lease: float, concurrency: int) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self._folder = folder
        self._options = ("--processes", "2", "--concurrency", str(concurrency), "--lease", str(lease), "--grace", "5")
        self._supervisors: list[subprocess.Popen[bytes]] = []
        self._stopped: set[int] = set()
        for number in range(supervisors):
            self._supervisors.append(self._start(number))

    @property
    def output(self) -> str:
        """What all of them have printed."""
        return "".join(path.read_text(errors="replace") for path in sorted(self._folder.glob("worker-*.log")))

    def workers(self) -> list[int]:
        """Return the processes that run tasks, but for those that are stopped."""
        parents = {supervisor.pid for supervisor in self._supervisors}
        return [process for process, parent in _processes() if parent in parents and process not in self._stopped]

    def kill_worker(self, chance: random.Random) -> None:
        """End one worker process at once."""
        self._signal(chance.choice(self.workers()), signal.SIGKILL)

    def pause_worker(self, chance: random.Random) -> int:
        """Stop one worker process in its tracks, and return which."""
        process = chance.choice(self.workers())
        self._stopped.add(process)
        self._signal(process, signal.SIGSTOP)
        return process

    def resume_worker(self, process: int) -> None:
        """Let it go on."""
        self._stopped.discard(process)
        self._signal(process, signal.SIGCONT)

    def kill_host(self, chance: random.Random) -> None:
        """End one supervisor and its workers at once, as if a machine had gone, and start another in its place."""
        number = chance.randrange(len(self._supervisors))
        supervisor = self._supervisors[number]
        children = [process for process, parent in _processes() if parent == supervisor.pid]
        for process in (supervisor.pid, *children):
            self._signal(process, signal.SIGKILL)
        supervisor.wait(10)
        self._supervisors[number] = self._start(number)

    def stop(self) -> list[int]:
        """Ask all to stop, and return the exit codes."""
        for supervisor in self._supervisors:
            supervisor.terminate()
        return [supervisor.wait(30) for supervisor in self._supervisors]

    def end(self) -> None:
        """End whatever is left."""
        for supervisor in self._supervisors:
            for process in (supervisor.pid, *[child for child, parent in _processes() if parent == supervisor.pid]):
                if supervisor.poll() is None:
                    self._signal(process, signal.SIGKILL)
            supervisor.wait(10)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"worker-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "typedtasks", "worker", "tests.chaos.application:broker", *self._options],
                env={**self._environment, "CHAOS_VERSION": str(1 + number % 2)},
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _signal(self, process: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _processes() -> list[tuple[int, int]]:
    """Return all processes with their parents, from /proc."""
    found: list[tuple[int, int]] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    found.append((int(folder.name), int(fields[1])))
    return found
