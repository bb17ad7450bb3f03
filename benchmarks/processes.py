"""Processes that the benchmark starts: programs that answer requests, workers, and what they cost."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["ROOT", "Failed", "Family", "Program", "running"]

ROOT: Final = Path(__file__).parent.parent


class Failed(Exception):
    """A library's program or worker failed, or gave no answer in time. The text says what was seen of it."""


@dataclass(frozen=True)
class Memory:
    """The memory of a process and its children, in MiB: `rss` counts what they share in each of them, `pss` once."""

    rss: float
    pss: float


class Family:
    """A process that was started here, and its descendants."""

    def __init__(self, popen: subprocess.Popen[str], log: Path) -> None:
        self.popen = popen
        self._log = log

    def memory(self) -> Memory:
        """Return what the whole family occupies now."""
        rss = pss = 0
        for pid in self.pids():
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, _, rest = line.partition(":")
                    rss += int(rest.split()[0]) if name == "Rss" else 0
                    pss += int(rest.split()[0]) if name == "Pss" else 0
        return Memory(rss / 1024, pss / 1024)

    def cpu(self) -> float:
        """Return the processor seconds that the living threads of all members have used."""
        nanoseconds = 0
        for pid in self.pids():
            for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with suppress(OSError):
                    nanoseconds += int(schedstat.read_text().split()[0])
        return nanoseconds / 1e9

    def pids(self) -> list[int]:
        """Return the process ids of the family, the first one first."""
        parents: dict[int, int] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    parents[int(folder.name)] = int(_stat(int(folder.name))[1])
        family = [self.popen.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def check(self) -> None:
        """Raise `Failed` when the process has ended."""
        if self.popen.poll() is not None:
            raise Failed(f"it ended with {self.popen.returncode}: {self.log()}")

    def log(self) -> str:
        """Return the end of what the process has written."""
        return self._log.read_text(errors="replace")[-2000:].strip()

    def end(self) -> None:
        """End every member, each by its own id: politely, then for good."""
        pids = self.pids()
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(1)
        for pid in pids:
            if pid == self.popen.pid and self.popen.poll() is not None:
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # those whose parent ended before they did
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat that come after the name: the state, the parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Family]:
    """Yield a process that runs in the project's folder, in a group of its own; it and its children are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("w") as output:
            popen = subprocess.Popen(
                command,
                env=_environment(environment),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if "benchmarks.serving" in command else output,
                stderr=output,
                start_new_session=True,
                text=True,
            )
        family = Family(popen, log)
        try:
            yield family
        finally:
            family.end()
            for pipe in (popen.stdin, popen.stdout):
                if pipe is not None:
                    pipe.close()


def _environment(further: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BENCH_", "TYPEDTASKS_", "PYTHON"))}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **further}


class Program:
    """A library's program, to which requests are made."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, do: str, timeout: float = 120, **details: object) -> Any:  # Any: what comes back is as the request says
        """Make a request and return its answer. Raises `Failed` with what the program says, or when it says nothing in time."""
        if do != "":
            assert self.family.popen.stdin is not None
            with suppress(BrokenPipeError):
                self.family.popen.stdin.write(json.dumps({"do": do, **details}) + "\n")
                self.family.popen.stdin.flush()
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise Failed(f"no answer to {do or 'open'!r} within {timeout:g} s: {self.family.log()}") from None
        if not line:
            raise Failed(f"the program ended at {do or 'open'!r}: {self.family.log()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{do or 'open'}: {answer['error'].strip()}")
        return answer["answer"]

    def _read(self) -> None:
        assert self.family.popen.stdout is not None
        with suppress(ValueError):  # closed while it is read: the program is being ended
            for line in self.family.popen.stdout:
                self._lines.put(line)
        self._lines.put("")
