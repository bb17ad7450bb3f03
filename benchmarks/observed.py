"""What can be seen of a library in its Redis, from outside: finished tasks, memory, calls."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from redis import Redis

from benchmarks.conversation import Counting

__all__ = ["Observed"]

_SETTING_UP: Final = frozenset({"hello", "auth", "select", "client", "command", "info", "monitor"})
"""Calls that open a connection, and those of the benchmark itself: they are not counted."""
_NAME: Final = "benchmark"
_LINE: Final = re.compile(rb'\+\d+\.\d+ \[\d+ (\S+?)\] "([^"]*)"')


class Observed:
    """A Redis server under the eyes of the benchmark."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.redis: Redis = Redis(port=port, client_name=_NAME)
        self._looks: Counter[str] = Counter()

    def close(self) -> None:
        """Let go of the connection."""
        self.redis.close()

    def finished(self, counting: Counting, ask: Callable[[], int]) -> Callable[[], int]:
        """Return a function that says how many tasks have ended from now on, counted in the way that a library says."""

        def read() -> int:
            match counting.kind:
                case "expires":
                    return int(self._info("keyspace").get("db0", {}).get("expires", 0))
                case "asked":
                    return ask()
                case _:
                    return self._number(counting.command) * (-1 if counting.kind == "shrinks" else 1)

        before = read()
        return lambda: read() - before

    def memory(self) -> float:
        """Return the bytes that all keys occupy: what is freed when they are deleted. The clients have to be gone.

        The buffers of connections come and go in the same number that Redis tells, and are larger than some tasks.
        """
        deadline = time.monotonic() + 10
        while self._info("clients")["connected_clients"] > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        full = self._info("memory")["used_memory"]
        self.redis.flushall()
        return float(full - self._info("memory")["used_memory"])

    def cpu(self) -> float:
        """Return the processor seconds that Redis has used."""
        cpu = self._info("cpu")
        return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])

    def keys(self) -> dict[str, int]:
        """Return the bytes of each key. Redis deletes expired keys when it has the time, and at once those that are looked at."""
        sizes = {str(key): self.redis.memory_usage(key, samples=0) for key in self.redis.scan_iter(count=1000)}
        return {key: size for key, size in sizes.items() if size is not None}

    def counted(self) -> Counter[str]:
        """Return how often each command has been run since the server began, by clients and by their scripts alike."""
        stats = self._info("commandstats")
        counted: Counter[str] = Counter()
        for name, numbers in stats.items():
            counted[name.removeprefix("cmdstat_").partition("|")[0]] += numbers["calls"]
        return counted - self._looks

    @contextmanager
    def monitored(self) -> Iterator[Monitor]:
        """Yield a view of each command that is run meanwhile, and of who sent it."""
        # Its own looks are no calls of the library.
        monitor = Monitor(self._port, next(str(c["addr"]) for c in self.redis.client_list() if c["name"] == _NAME))
        try:
            yield monitor
        finally:
            monitor.close()

    def _number(self, command: tuple[str, ...]) -> int:
        self._looks[command[0].lower()] += 1
        execute = cast("Callable[..., int]", self.redis.execute_command)  # redis-py gives it no types
        return execute(*command)

    def _info(self, section: str) -> dict[str, Any]:  # Any: numbers and nested tables
        return self.redis.info(section)


class Monitor:
    """Reads MONITOR, which tells the commands of clients from those of scripts. It slows Redis down: nothing is timed under it."""

    def __init__(self, port: int, ignored: str) -> None:
        self.by_clients: Counter[str] = Counter()
        self.by_scripts: Counter[str] = Counter()
        self._ignored = ignored.encode()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(b"MONITOR\r\n")
        self._file = self._socket.makefile("rb")
        self._file.readline()  # its +OK: from here on nothing is missed
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._file.close()
        self._socket.close()

    def calls(self) -> int:
        """Return the calls of clients so far, without those that set connections up."""
        return sum(count for command, count in dict(self.by_clients).items() if command not in _SETTING_UP)

    def _read(self) -> None:
        for line in self._file:
            if found := _LINE.match(line):
                sender, command = found.groups()
                if sender != self._ignored:
                    (self.by_scripts if sender == b"lua" else self.by_clients)[command.decode().lower()] += 1


def calls_of_clients(counted: Mapping[str, int], by_clients: Mapping[str, int], by_scripts: Mapping[str, int]) -> float:
    """Return how many of the commands that were counted clients have sent.

    Redis 7.0 counts what scripts run like what clients send, in all its statistics. A shorter run under MONITOR shows which
    share of each command clients send: all or nothing for nearly all of them, and then the number is exact.
    """
    total = 0.0
    for command, count in counted.items():
        if command not in _SETTING_UP:
            seen = by_clients.get(command, 0) + by_scripts.get(command, 0)
            total += count * (by_clients.get(command, 0) / seen if seen else 1.0)
    return total
