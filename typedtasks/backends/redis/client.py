"""The client's side of the Redis backend: publish, outcomes, cancellation."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

from typedtasks.backend import (
    Buried,
    Counts,
    Once,
    OutcomeListener,
    Page,
    Publication,
    SessionId,
    SessionListener,
    SessionState,
    TaskId,
    Waiting,
    queue_name,
    queue_of,
)
from typedtasks.backends.redis.codec import STREAMS, values_of
from typedtasks.backends.redis.connection import COMMAND_TIMEOUT, Executor, Messages, translated
from typedtasks.backends.redis.deployment import Deployment, deployment_of
from typedtasks.backends.redis.operator import Operator
from typedtasks.backends.redis.refusals import ForeignKeys, Refused
from typedtasks.backends.redis.script import Script, prefix_of
from typedtasks.backends.redis.session import RedisSession, SessionScripts
from typedtasks.backends.redis.shards import MOST_SHARDS, shard, shards_of
from typedtasks.backends.redis.spread import SpreadOperator
from typedtasks.backends.urls import redacted
from typedtasks.errors import BackendFull, BackendUnavailable, BackendUnsupported, BrokerClosed, representation
from typedtasks.logs import Log

__all__ = ["RedisBackend", "looked_at"]

_OLDEST: Final = (7, 0)
_PUBLISH_LIMIT: Final = 1000
_PUBLISH_BYTES: Final = 8 * 1024 * 1024
"""Envelopes beyond this size go into another call, so that each is done well within its time."""
_WATCH_MS: Final = 24 * 3600 * 1000
_SCAN: Final = 1000
_LOADING_PAUSE: Final = 0.1
_MOST: Final = "most"
_PAUSES: Final = (0.05, 0.2, 0.5)
_NO_DUPLICATES: Final[Mapping[TaskId, TaskId]] = MappingProxyType({})

_log = Log("typedtasks.redis")


class RedisBackend:
    """Tasks and outcomes on Redis: a server, the primary behind Sentinels, or a cluster. Implements `typedtasks.backend.Backend`.

    Its keys are described in docs/wire-format.md.
    """

    def __init__(self, url: str) -> None:
        self._url, self._shards = shards_of(url)
        self._said: set[str] = set()
        """The queues of which Redis knows that they have as many shards as here."""
        self._reply_to = secrets.token_urlsafe(9)
        self._publish_script, self._cancel_script = Script("publish"), Script("cancel")
        self._session_scripts = SessionScripts()
        self._batches = 0
        self._unanswered: dict[int, None] = {}
        """The numbers of the batches that are being sent, the lowest first."""
        self._deployment: Deployment | None = None
        self._commands: Executor | None = None
        self._messages: Messages | None = None
        self._listener: OutcomeListener | None = None
        self._pid = os.getpid()

    @property
    def reply_to(self) -> str:
        """The name under which this client is told of outcomes."""
        return self._reply_to

    async def open(self, listener: OutcomeListener) -> str:
        """Connect, look at the server, and subscribe to this client's outcomes."""
        self._listener = listener
        self._pid = os.getpid()
        deployment = deployment_of(self._url)
        commands = deployment.commands()
        messages = deployment.messages({f"tt:done:{self._reply_to}": self._on_outcomes}, listener.interrupted)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT + 0.5):
                durability = _check_servers(await looked_at(commands))
                await messages.open()
        except BaseException as error:
            await messages.close()
            await commands.close()
            if isinstance(error, TimeoutError):
                raise translated(deployment.shown, "Opening the broker", error) from error
            raise
        self._deployment, self._commands, self._messages = deployment, commands, messages
        return f"{durability} {deployment.durability}".rstrip()

    async def close(self) -> None:
        """Release the connections."""
        commands, messages = self._commands, self._messages
        self._commands = self._messages = None
        if messages is not None:
            await messages.close()
        if commands is not None:
            await commands.close()

    async def publish(self, batch: Sequence[Publication]) -> Mapping[TaskId, TaskId]:
        """Store envelopes: one script call for each queue (and each 1,000, or 8 MiB). Its number makes a second try harmless."""
        if len(batch) == 1:
            answer = await self._publish(batch[0].queue, values_of(batch[0]))
            return _duplicates(batch, answer) if answer else _NO_DUPLICATES
        duplicates: dict[TaskId, TaskId] = {}
        by_queue = _by_queue(batch)
        if len(by_queue) == 1:
            await self._publish_to(batch[0].queue, batch, duplicates)
            return duplicates
        sending = [self._publish_to(queue, publications, duplicates) for queue, publications in by_queue.items()]
        for error in await asyncio.gather(*sending, return_exceptions=True):  # one queue's error does not cut off the others
            if error is not None:
                raise error
        return duplicates

    async def _publish_to(self, queue: str, publications: Sequence[Publication], duplicates: dict[TaskId, TaskId]) -> None:
        for part in _parts(publications):
            answer = await self._publish(queue, [value for item in part for value in values_of(item)])
            if answer:
                duplicates.update(_duplicates(part, answer))

    async def _publish(self, queue: str, envelopes: Sequence[object]) -> bytes:
        """Store one batch, trying again where no answer came, for 4.5 seconds in all. Return what the script answers."""
        if self._shards.are_used and queue_name(queue) not in self._said:
            await self._say_shards(queue_name(queue))
        deadline = asyncio.get_running_loop().time() + COMMAND_TIMEOUT + 0.5
        self._batches += 1
        number = self._batches
        self._unanswered[number] = None
        arguments = (self._reply_to, number, next(iter(self._unanswered)), *envelopes)
        try:
            return cast("bytes", await self._open_commands.run(self._publish_script, queue, "Sending tasks", *arguments))
        except (BackendFull, Refused):  # the same again would be refused again
            raise
        except BackendUnavailable as error:
            return await self._publish_again(queue, arguments, error, deadline)
        finally:
            del self._unanswered[number]

    async def _publish_again(self, queue: str, arguments: Sequence[object], lost: BackendUnavailable, deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                for pause in _PAUSES:
                    _log.debug("Sending again in %g s: %s", pause, lost)
                    await asyncio.sleep(pause)
                    try:
                        return cast(
                            "bytes", await self._open_commands.run(self._publish_script, queue, "Sending tasks", *arguments)
                        )
                    except BackendUnavailable as error:
                        lost = error
        except TimeoutError:
            pass
        raise lost

    async def cancel(self, ids: Sequence[TaskId]) -> None:
        """Mark tasks as cancelled, and tell the workers of their queues."""
        for queue, named in _by_queue_of_id(ids).items():
            await self._open_commands.run(self._cancel_script, queue, "Cancelling tasks", *named)

    async def watch(self, ids: Sequence[TaskId]) -> None:
        """Add this client to those that are told of the outcomes of `ids`."""
        for queue, named in _by_queue_of_id(ids).items():
            try:
                await self._watch(queue, named)
            except ForeignKeys:
                for id in named:  # one that is in the way of one task is in nobody else's
                    try:
                        await self._watch(queue, [id])
                    except ForeignKeys as error:
                        _log.warning("The outcome of %s is not pushed, but looked for every few seconds: %s", id, error)

    async def _watch(self, queue: str, ids: Sequence[TaskId]) -> None:
        prefix = prefix_of(queue)
        commands: list[tuple[object, ...]] = []
        for id in ids:
            commands.append(("SADD", f"{prefix}watch:{id}", self._reply_to))
            commands.append(("PEXPIRE", f"{prefix}watch:{id}", _WATCH_MS))
        commands.append(("SET", f"{prefix}watched", 1, "PX", _WATCH_MS))
        await self._open_commands.all_of(queue, "Watching tasks", commands)

    async def unwatch(self, ids: Sequence[TaskId]) -> None:
        """Remove this client from those that are told of the outcomes of `ids`."""
        for queue, named in _by_queue_of_id(ids).items():
            commands = [("SREM", f"{prefix_of(queue)}watch:{id}", self._reply_to) for id in named]
            await self._open_commands.all_of(queue, "Unwatching tasks", commands)

    async def read_outcomes(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return the outcomes that exist: one MGET for each queue."""
        return await self._read("r", "Reading outcomes", ids)

    async def read_reports(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return what was reported of tasks: one MGET for each queue."""
        return await self._read("p", "Reading progress", ids)

    async def missing(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Return the ids that are in no key. Entries can move between the looks, so what seems missing is looked for twice."""
        candidates = set(ids)
        for _ in range(2):
            for queue, named in _by_queue_of_id(list(candidates)).items():
                candidates -= await self._find(queue, set(named))
        return candidates

    async def join(self, session: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> RedisSession:
        """Begin a session. It reads all shards that a queue has or ever had."""
        assert self._deployment is not None, "open() has made it"
        places = [place for queue in queues for place in await self._all_shards(queue)]
        joined = RedisSession(self._deployment, self._session_scripts, session, places, lease, listener)
        await joined.open()
        return joined

    async def expire(self, session: SessionId, queues: Sequence[str]) -> None:
        """End the lease of a session."""
        for place in [place for queue in queues for place in await self._all_shards(queue)]:
            prefix = prefix_of(place)
            end = [("ZREM", f"{prefix}w", session), ("PUBLISH", f"{prefix}ctl", "l")]
            await self._open_commands.all_of(place, "Ending a lease", end)

    async def counts(self, queue: str) -> Counts:
        """Return how many tasks of the queue are in each state."""
        return await (await self._operator(queue)).counts()

    async def peek(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return tasks of the queue that have not ended."""
        return await (await self._operator(queue)).peek(limit)

    async def parked(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return the queue's parked tasks."""
        return await (await self._operator(queue)).parked(limit)

    async def scan(self, queue: str, cursor: str = "", limit: int = 250) -> Page:
        """Return tasks of the queue in any state, page by page."""
        return await (await self._operator(queue)).scan(cursor, limit)

    async def sessions(self, queue: str) -> list[SessionState]:
        """Return the sessions that read the queue or own deliveries of it."""
        return await (await self._operator(queue)).sessions()

    async def dead_letters(self, queue: str, limit: int = 100, offset: int = 0) -> list[Buried]:
        """Return the queue's dead letters, the oldest first."""
        return await (await self._operator(queue)).dead_letters(limit, offset)

    async def find_dead_letters(self, queue: str, ids: Sequence[TaskId]) -> list[Buried]:
        """Return the dead letters that are named and there."""
        return await (await self._operator(queue)).find_dead_letters(ids)

    async def replay(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Make dead letters ready again."""
        return await (await self._operator(queue)).replay(ids)

    async def drop(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Delete dead letters."""
        return await (await self._operator(queue)).drop(ids)

    async def purge(self, queue: str, *, dead: bool = False) -> int:
        """Delete what waits, or the dead letters."""
        return await (await self._operator(queue)).purge(dead=dead)

    @property
    def spreads(self) -> bool:
        """Whether any queue has shards."""
        return self._shards.are_used

    def place(self, queue: str, once: Once | None) -> str:
        """Return the shard for one more task of a queue."""
        return self._shards.place(queue, once)

    async def _operator(self, queue: str) -> SpreadOperator:
        return SpreadOperator(Operator(self._open_commands), await self._all_shards(queue))

    async def _all_shards(self, queue: str) -> list[str]:
        """Return the shards that a queue has here, or ever had anywhere: where there were more, tasks may be left."""
        if queue_name(queue) != queue:
            return [queue]
        here = self._shards.number(queue)
        if here > 1:
            await self._say_shards(queue)
        most = await self._open_commands.read(queue, "Looking for shards", "ZSCORE", f"{prefix_of(queue)}shards", _MOST)
        ever = float(most or 1)  # anyone may have written it
        return [shard(queue, number) for number in range(max(here, int(min(ever, MOST_SHARDS)) if ever > 0 else 1))]

    async def _say_shards(self, queue: str) -> None:
        """Leave a note of how many shards a queue has here, for those who think that there are fewer."""
        number = self._shards.number(queue)
        if number > 1:
            key = f"{prefix_of(queue)}shards"
            await self._open_commands.command(queue, "Noting shards", "ZADD", key, "GT", number, _MOST)
        self._said.add(queue)

    @property
    def _open_commands(self) -> Executor:
        if self._commands is None:
            raise BrokerClosed(f"The Redis backend for {redacted(self._url)} is not open.")
        if self._pid != os.getpid():
            raise BrokerClosed("The Redis backend was opened before this process was forked: open a broker in the child.")
        return self._commands

    async def _read(self, kind: str, what: str, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        values: dict[TaskId, bytes] = {}
        for queue, named in _by_queue_of_id(ids).items():
            keys = [f"{prefix_of(queue)}{kind}:{id}" for id in named]
            found = cast("list[bytes | None]", await self._open_commands.read(queue, what, "MGET", *keys))
            values.update({id: body for id, body in zip(named, found, strict=True) if body is not None})
        return values

    async def _find(self, queue: str, wanted: set[TaskId]) -> set[TaskId]:
        """Return those of `wanted` that have an outcome or are in any state."""
        prefix, commands = prefix_of(queue), self._open_commands
        found = set(await self.read_outcomes(list(wanted)))
        for key in ("db", "deadb"):
            names = list(wanted - found)
            if names:
                held = await commands.command(queue, "Looking for tasks", "HMGET", prefix + key, *names)
                found |= {id for id, value in zip(names, held, strict=True) if value is not None}
        for number in range(STREAMS):
            last = b"-"
            while found < wanted:
                stream = f"{prefix}s{number}"
                entries = await commands.command(queue, "Looking for tasks", "XRANGE", stream, last, "+", "COUNT", _SCAN)
                if not entries:
                    break
                found |= {TaskId(fields[1].decode("utf-8", "replace")) for _, fields in entries} & wanted
                last = b"(" + entries[-1][0]
        return found

    def _on_outcomes(self, message: bytes) -> None:
        """Take apart one message: for each outcome a line with the id, a line with its length (-1: to be read), the bytes.

        Raises `ValueError` for anything else: `Messages` says so in the log, and has the outcomes read.
        """
        listener, at = self._listener, 0
        while listener is not None and at < len(message):
            id_end = message.index(b"\n", at)
            id = TaskId(message[at:id_end].decode())
            length_end = message.index(b"\n", id_end + 1)
            length = int(message[id_end + 1 : length_end])
            at = length_end + 1 + max(0, length)
            if length < -1 or at > len(message):
                raise ValueError(f"the outcome of {id} is said to have {length} bytes, and has others")
            listener.settled(id, message[length_end + 1 : at] if length >= 0 else None)


async def looked_at(commands: Executor) -> Sequence[tuple[str, object]]:
    """Return the servers' names and replies to INFO. While one loads its data it cannot be used, and says wrong things: wait."""
    deadline = asyncio.get_running_loop().time() + COMMAND_TIMEOUT
    while True:
        answers = await commands.everywhere("Opening the broker", "INFO")
        loading = [shown for shown, reply in answers if isinstance(reply, bytes) and b"\nloading:1" in reply]
        if not loading:
            return answers
        if asyncio.get_running_loop().time() > deadline:
            raise BackendUnavailable(f"Opening the broker: Redis at {loading[0]} is still loading its data from the disk.")
        await asyncio.sleep(_LOADING_PAUSE)


def _check_servers(answers: Sequence[tuple[str, object]]) -> str:
    """Return a sentence about persistence. `answers` are the servers' names and replies to INFO.

    Raises `BackendUnsupported` for a server that will not do.
    """
    durabilities = [_check_server(shown, _facts(shown, reply)) for shown, reply in answers]
    return next((text for is_durable, text in durabilities if not is_durable), durabilities[0][1])


def _facts(shown: str, reply: object) -> Mapping[str, str]:
    if not isinstance(reply, bytes):
        raise BackendUnsupported(f"What answers at {shown} is no Redis: it said {representation(reply)} when asked for INFO.")
    lines = reply.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _check_server(shown: str, facts: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether what a server acknowledges outlives a restart, and that as a sentence."""
    version = facts.get("redis_version", "0")
    numbers = re.match(r"(\d{1,9})\.(\d{1,9})", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _OLDEST:
        raise BackendUnsupported(f"Redis at {shown} is version {version}; typedtasks needs 7.0 or later. Upgrade the server.")
    if facts.get("redis_mode") == "sentinel":
        host = shown.partition("://")[2].rpartition("@")[2].partition("/")[0]
        raise BackendUnsupported(f"Redis at {shown} is a Sentinel: write redis+sentinel://{host}/<service>.")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and facts.get("maxmemory", "0") != "0":
        raise BackendUnsupported(
            f"Redis at {shown} evicts keys when it is full (maxmemory-policy {policy}), which would lose tasks: "
            "set maxmemory-policy to noeviction."
        )
    if facts.get("aof_enabled") == "1":
        return True, f"Redis {version} with an append-only file: what was acknowledged outlives a restart."
    return False, f"Redis {version} without an append-only file: a restart may lose tasks. Set appendonly yes to keep them."


def _by_queue(batch: Sequence[Publication]) -> dict[str, list[Publication]]:
    grouped: dict[str, list[Publication]] = {}
    for item in batch:
        grouped.setdefault(item.queue, []).append(item)
    return grouped


def _parts(publications: Sequence[Publication]) -> Iterator[Sequence[Publication]]:
    """Yield what goes into one call each."""
    start = size = 0
    for place, item in enumerate(publications):
        if place - start >= _PUBLISH_LIMIT or size > _PUBLISH_BYTES:
            yield publications[start:place]
            start, size = place, 0
        size += len(item.body)
    yield publications[start:]


def _duplicates(part: Sequence[Publication], answer: bytes) -> dict[TaskId, TaskId]:
    """Return which tasks stand for those of one call that were not stored: a line "<place> <id>" for each."""
    lines = [line.partition(" ") for line in answer.decode("utf-8", "replace").split("\n")]
    return {part[int(place)].id: TaskId(id) for place, _, id in lines}


def _by_queue_of_id(ids: Sequence[TaskId]) -> dict[str, list[TaskId]]:
    grouped: dict[str, list[TaskId]] = {}
    for id in ids:
        grouped.setdefault(queue_of(id), []).append(id)
    return grouped
