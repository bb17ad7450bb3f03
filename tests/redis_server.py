"""Redis servers that tests start and stop: on free ports of 127.0.0.1, in temporary directories."""

from __future__ import annotations

import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from typedtasks.backends.redis.access import acl_line

__all__ = [
    "DOWN_AFTER",
    "SERVICE",
    "USER",
    "RedisServer",
    "Sentinel",
    "SentinelSite",
    "ask",
    "cluster_url",
    "empty_servers",
    "free_port",
    "make_user",
    "redis_cluster",
    "redis_server",
    "sentinel_site",
    "until",
]

SERVICE = "orders"
USER = "typedtasks:s3cret@"
"""The credentials of the user with the least rights, as they stand in a URL."""
DOWN_AFTER = 1.0
"""Seconds without an answer until a Sentinel takes a primary for dead."""

_PORTS = random.sample(range(10240, 32768), 22528)
"""What is left to give."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that no connection will be given as its own end.

    Systems take such ends from 32768 on (Linux) or 49152 on, so a higher port may be gone by the time that a server wants it.
    """
    while True:
        port = _PORTS.pop()
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return when a condition holds. A server that does not answer yet is one that does not hold."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except RedisError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"the Redis servers of a test are not ready after {seconds:g} s")
        time.sleep(0.01)  # until they say that they are, within the deadline


def ask(redis: Redis, *arguments: object) -> Any:
    """Return the reply to a command for which redis-py has no typed method. (Any: each has one of its own.)"""
    return cast("Any", redis).execute_command(*arguments)


class RedisServer:
    """One redis-server process. It can be killed and started again on the same port and data."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = tuple(options) or ("--save", "", "--appendonly", "no")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the process, which has been started."""
        assert self._process is not None, "start() makes it"
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._folder.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            ["redis-server", *self._arguments()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        with self.client() as redis:
            while True:
                try:
                    redis.ping()
                    return
                except AuthenticationError:
                    return
                except RedisError:
                    if time.monotonic() > deadline or self._process.poll() is not None:
                        raise
                    time.sleep(0.01)  # until the port answers, within the deadline

    def client(self) -> Redis:
        """Return a client of this server. It does not try again by itself: redis-py would sleep for a second before it does."""
        return Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    def kill(self) -> None:
        """End it without a chance to save anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _arguments(self) -> list[str]:
        return ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), *self._options]


class Sentinel(RedisServer):
    """One Sentinel process. `primary` is the port of whom it watches."""

    def __init__(self, folder: Path, primary: int, quorum: int, lines: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self._lines = tuple(lines)
        self._primary = primary
        self._quorum = quorum

    def _arguments(self) -> list[str]:
        lines = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self._folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._primary} {self._quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER * 1000:.0f}",
            f"sentinel failover-timeout {SERVICE} 3000",
            *self._lines,
        )
        path = self._folder / "sentinel.conf"
        path.write_text("\n".join(lines) + "\n")
        return [str(path), "--sentinel"]


class SentinelSite:
    """A primary, a replica, and Sentinels that watch them."""

    def __init__(self, folder: Path, sentinels: int, options: Sequence[str] = ()) -> None:
        quick = ("--save", "", "--repl-diskless-sync-delay", "0", *options)
        self.primary = RedisServer(folder / "primary", quick)
        self.replica = RedisServer(folder / "replica", (*quick, "--replicaof", "127.0.0.1", str(self.primary.port)))
        self.sentinels = [Sentinel(folder / f"sentinel{n}", self.primary.port, sentinels // 2 + 1) for n in range(sentinels)]

    @property
    def url(self) -> str:
        """The broker's URL."""
        return self.url_of(SERVICE)

    def url_of(self, service: str, credentials: str = "", options: str = "") -> str:
        """Return the URL of a service."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{credentials}{hosts}/{service}/0{options}"

    def start(self) -> None:
        """Start everything, and return when a fail-over could be done."""
        self.primary.start()
        self.replica.start()
        with self.replica.client() as redis:
            until(lambda: redis.info("replication")["master_link_status"] == "up")
        for sentinel in self.sentinels:
            sentinel.start()
        for sentinel in self.sentinels:
            with sentinel.client() as redis:
                until(lambda: self._is_ready(redis))

    def kill(self) -> None:
        """End everything."""
        for server in (*self.sentinels, self.replica, self.primary):
            server.kill()

    def _is_ready(self, redis: Redis) -> bool:
        # Any: redis-py does not type the answers of Sentinels.
        states: Any = redis.sentinel_masters()
        replicas: Any = redis.sentinel_slaves(SERVICE)
        known = states[SERVICE]["num-other-sentinels"] == len(self.sentinels) - 1
        return known and len(replicas) == 1 and replicas[0]["master-link-status"] == "ok"


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Yield a running server of its own; it is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), options)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def sentinel_site(sentinels: int = 1, options: Sequence[str] = ()) -> Iterator[SentinelSite]:
    """Yield a primary, a replica and Sentinels; they are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        site = SentinelSite(Path(folder), sentinels, options)
        try:
            site.start()
            yield site
        finally:
            site.kill()


@contextmanager
def redis_cluster(primaries: int = 3, options: Sequence[str] = (), replicas: int = 0) -> Iterator[list[RedisServer]]:
    """Yield the nodes of a running cluster, the primaries first; they are gone afterwards.

    `replicas`: of how many primaries, from the first on, there is a replica.
    """
    with tempfile.TemporaryDirectory() as folder:
        buses = [free_port() for _ in range(primaries + replicas)]
        own = ("--save", "", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", *options)
        nodes = [RedisServer(Path(folder) / str(bus), (*own, "--cluster-port", str(bus))) for bus in buses]
        try:
            for number, node in enumerate(nodes):
                node.start()
                with node.client() as redis:
                    if number >= primaries:
                        ask(redis, "CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
                        continue
                    first, last = (16384 * place // primaries for place in (number, number + 1))
                    ask(redis, "CLUSTER", "ADDSLOTSRANGE", first, last - 1)
                    ask(redis, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                    ask(redis, "CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
            for node in nodes:
                with node.client() as redis:
                    until(lambda: _is_whole(redis, primaries + replicas))
            for primary, replica in zip(nodes, nodes[primaries:], strict=False):
                with primary.client() as one, replica.client() as other:
                    ask(other, "CLUSTER", "REPLICATE", ask(one, "CLUSTER", "MYID"))
                    until(lambda: other.info("replication").get("master_link_status") == "up")
            yield nodes
        finally:
            for node in nodes:
                node.kill()


def _is_whole(redis: Redis, nodes: int) -> bool:
    info: bytes = ask(redis, "CLUSTER", "INFO")
    table: bytes = ask(redis, "CLUSTER", "NODES")
    known = [line.split() for line in table.decode().splitlines()]  # id, address, flags, ..., the eighth the state of the link
    are_linked = all("handshake" not in node[2] and node[7] == "connected" for node in known)
    return "cluster_state:ok" in info.decode().split() and len(known) == nodes and are_linked


def make_user(server: RedisServer) -> None:
    """Make the user with the least rights."""
    with server.client() as redis:
        ask(redis, *acl_line("typedtasks").split())
        ask(redis, "ACL", "SETUSER", "typedtasks", ">s3cret")


def cluster_url(nodes: list[RedisServer], credentials: str = USER) -> str:
    """Return the broker's URL of a cluster."""
    return f"redis+cluster://{credentials}{','.join(f'127.0.0.1:{node.port}' for node in nodes)}"


def empty_servers(nodes: Sequence[Redis]) -> None:
    """Delete everything, and return when no node has any more to say to another.

    Nodes pass messages on after the one who sent them was answered, so one test might hear what was published in the last.
    """
    for node in nodes:
        node.flushall()
    for node in nodes:
        with PubSub(node.connection_pool) as ear:
            ear.subscribe("tests")
            assert ear.get_message(timeout=20), "a node confirms a subscription"
            until(lambda: _hears_all(ear, nodes))


def _hears_all(ear: PubSub, nodes: Sequence[Redis]) -> bool:
    for number, node in enumerate(nodes):
        node.publish("tests", number)
    messages = [ear.get_message(timeout=1.0) for _ in nodes]
    return len({message["data"] for message in messages if message}) == len(nodes)
