"""What a Redis URL names: one server, the primary of a service that Sentinels watch, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from typedtasks.backends.redis.address import Address, ClusterAddress, SentinelAddress
from typedtasks.backends.redis.cluster import ClusterCommands
from typedtasks.backends.redis.connection import COMMAND_TIMEOUT, Commands, Executor, Messages, Server
from typedtasks.backends.redis.sentinel import Sentinels
from typedtasks.backends.redis.slots import Slots
from typedtasks.backends.redis.standalone import Standalone
from typedtasks.backends.urls import redacted

__all__ = ["Deployment", "deployment_of"]

_LONGEST_BLOCK: Final = 10.0
_SLACK: Final = 5.0
"""Seconds that the answer to a blocking command may take beyond the time that it blocks."""
_WARY_BLOCK: Final = 3.0
_WARY_SLACK: Final = 2.0
"""Both are short where another server may take the place of one that hangs: so it is found out."""


class Deployment(Protocol):
    """Makes what a client and a worker need to speak to Redis, however many servers it is."""

    @property
    def url(self) -> str:
        """The URL as the user has written it."""
        ...

    @property
    def shown(self) -> str:
        """The URL without its passwords."""
        ...

    @property
    def durability(self) -> str:
        """What is to be said about durability beyond what a server says itself; empty for a lone server."""
        ...

    @property
    def longest_block(self) -> float:
        """Seconds that a blocking command may block."""
        ...

    def commands(self, *, timeout: float = COMMAND_TIMEOUT) -> Executor:
        """Return what runs commands; `timeout` seconds each."""
        ...

    def reader(self) -> Executor:
        """Return what runs blocking commands, one at a time. One that is given up closes its connection."""
        ...

    def messages(
        self, channels: Mapping[str, Callable[[bytes], None]], interrupted: Callable[[], None], *, patient: bool = False
    ) -> Messages:
        """Return a subscription (see `Messages`)."""
        ...

    def groups(self, queues: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the queues in groups that one command can read."""
        ...


def deployment_of(url: str) -> Deployment:
    """Return what a URL names, not connected yet. Raises `BackendUnsupported` for a URL that cannot be used."""
    scheme, shown = url.partition("://")[0], redacted(url)
    if scheme.endswith("+cluster"):
        return _Cluster(url, Slots(ClusterAddress.of(url), shown))
    if scheme.endswith("+sentinel"):
        lost = "Behind Sentinels, a fail-over may lose what had not reached the replica: see docs/redis.md."
        return _OneServer(url, Sentinels(SentinelAddress.of(url), shown), lost)
    return _OneServer(url, Standalone(Address.of(url), shown))


class _OneServer:
    """All queues are on one server at a time."""

    def __init__(self, url: str, server: Server, durability: str = "") -> None:
        self.url = url
        self.durability = durability
        self.longest_block = _WARY_BLOCK if server.may_move else _LONGEST_BLOCK
        self._slack = _WARY_SLACK if server.may_move else _SLACK
        self._server = server

    @property
    def shown(self) -> str:
        return self._server.shown

    def commands(self, *, timeout: float = COMMAND_TIMEOUT) -> Executor:
        return Commands(self._server, timeout=timeout)

    def reader(self) -> Executor:
        return Commands(self._server, timeout=self.longest_block + self._slack, exclusive=True, blocks=self.longest_block)

    def messages(
        self, channels: Mapping[str, Callable[[bytes], None]], interrupted: Callable[[], None], *, patient: bool = False
    ) -> Messages:
        return Messages(self._server, channels, interrupted, patient=patient)

    def groups(self, queues: Sequence[str]) -> list[tuple[str, ...]]:
        return [tuple(queues)]


class _Cluster:
    """Each queue is on the node that has its slot."""

    durability = "In a cluster, a fail-over may lose what had not reached the replica: see docs/redis.md."
    longest_block = _WARY_BLOCK

    def __init__(self, url: str, slots: Slots) -> None:
        self.url = url
        self._slots = slots

    @property
    def shown(self) -> str:
        return self._slots.shown

    def commands(self, *, timeout: float = COMMAND_TIMEOUT) -> Executor:
        return ClusterCommands(self._slots, timeout=timeout)

    def reader(self) -> Executor:
        return ClusterCommands(self._slots, timeout=_WARY_BLOCK + _WARY_SLACK, exclusive=True, blocks=_WARY_BLOCK)

    def messages(
        self, channels: Mapping[str, Callable[[bytes], None]], interrupted: Callable[[], None], *, patient: bool = False
    ) -> Messages:
        return Messages(self._slots, channels, interrupted, patient=patient)

    def groups(self, queues: Sequence[str]) -> list[tuple[str, ...]]:
        return [(queue,) for queue in queues]
