"""Worker processes that can be found, killed, stopped and started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.chaos.plan import Host
from tests.processes import ROOT

__all__ = ["Fleet"]


class Fleet:
    """Some hosts with workers, each of one version of the code."""

    def __init__(self, hosts: Sequence[Host], environment: Mapping[str, str], folder: Path, lease: float, concurrency: int) -> None:
        self._hosts = hosts
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self._folder = folder
        self._options = ("--concurrency", str(concurrency), "--lease", str(lease), "--grace", "5")
        self._supervisors: list[subprocess.Popen[bytes]] = []
        """Of each host; a lone worker has none, and stands for it."""
        self._stopped: set[int] = set()
        self._is_ending = False
        for number in range(len(hosts)):
            self._supervisors.append(self._start(number))

    @property
    def output(self) -> str:
        """What all of them have printed."""
        return "".join(path.read_text(errors="replace") for path in sorted(self._folder.glob("worker-*.log")))

    def workers(self) -> list[int]:
        """Return the processes that run tasks, but for those that are stopped."""
        parents, alone = set[int](), set[int]()
        for host, supervisor in zip(self._hosts, self._supervisors, strict=True):
            (alone if host.processes == 1 else parents).add(supervisor.pid)
        found = [process for process, parent in _processes() if parent in parents or process in alone]
        return [process for process in found if process not in self._stopped]

    def tend(self) -> None:
        """Start lone workers again that have died."""
        for number, (host, worker) in enumerate(zip(self._hosts, self._supervisors, strict=True)):
            if host.processes == 1 and not self._is_ending and worker.poll() is not None:
                self._stopped.discard(worker.pid)
                self._supervisors[number] = self._start(number)

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
        self._is_ending = True
        for supervisor in self._supervisors:
            supervisor.terminate()
        return [supervisor.wait(30) for supervisor in self._supervisors]

    def end(self) -> None:
        """End whatever is left."""
        self._is_ending = True
        for supervisor in self._supervisors:
            for process in (supervisor.pid, *[child for child, parent in _processes() if parent == supervisor.pid]):
                if supervisor.poll() is None:
                    self._signal(process, signal.SIGKILL)
            supervisor.wait(10)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        host = self._hosts[number]
        options = ("--processes", str(host.processes), *self._options)
        with (self._folder / f"worker-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "typedtasks", "worker", "tests.chaos.application:broker", *options],
                env={**self._environment, "CHAOS_VERSION": str(host.version)},
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
