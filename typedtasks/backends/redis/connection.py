"""Connections to Redis: commands, scripts and messages, with every error as one of ours."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, cast

from typedtasks.backends.redis.protocol import Connection, Reply, ReplyError
from typedtasks.backends.redis.refusals import ForeignKeys, foreign_keys, refusal
from typedtasks.backends.redis.script import Script, prefix_of
from typedtasks.backends.redis.watching import ASK_AGAIN, SLOW_AFTER
from typedtasks.batching import cancel_and_wait
from typedtasks.errors import BackendUnavailable, TypedTasksError
from typedtasks.logs import Log
from typedtasks.trouble import Trouble

__all__ = ["COMMAND_TIMEOUT", "Commands", "Executor", "Messages", "Server", "translated"]

COMMAND_TIMEOUT: Final = 4.0
"""Seconds that one command may take, connecting included: whoever calls is told within five."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Seconds before a subscription is tried again, which is what a result may wait for that was stored meanwhile."""

_MESSAGE_WAIT: Final = 15.0
_WARY_MESSAGE_WAIT: Final = 3.0
"""Seconds of silence until the server of a subscription is asked whether it is there; fewer where another may take its place."""

_log = Log("typedtasks.redis")


def translated(shown: str, what: str, error: Exception, script: Script | None = None) -> TypedTasksError:
    """Return our error for one of the connection or the server. `what` says what was tried.

    `shown` names the server, without a password.
    """
    if isinstance(error, TypedTasksError):
        return error
    if isinstance(error, ReplyError):
        return refusal(shown, what, error, script)
    reason = str(error) or f"no answer within {COMMAND_TIMEOUT:g} s"
    return BackendUnavailable(
        f"{what}: Redis at {shown} is not available ({reason}). Start it, or correct the broker's URL (TYPEDTASKS_URL)."
    )


_NO_PRIMARY: Final = ("READONLY", "UNBLOCKED", "MASTERDOWN", "NOREPLICAS")
"""Errors of a server that another one may have replaced: what is sent next goes over a new connection."""


class Server(Protocol):
    """What connections are opened to."""

    @property
    def shown(self) -> str:
        """How it is named in errors and logs: without a password."""
        ...

    @property
    def may_move(self) -> bool:
        """Whether another server may take its place."""
        ...

    async def connect(self, timeout: float, patience: float, *, blocks: float = 0.0) -> Connection:
        """Return an open connection whose commands take at most `timeout` seconds each; opening it takes at most `patience`.

        For `blocks` seconds a command may block. What takes longer is slow: where another server may have taken the place of
        this one, that is asked.
        """
        ...


class Executor(Protocol):
    """Runs commands and scripts where the keys of a queue are. Errors are those of typedtasks."""

    async def run(self, script: Script, queue: str, what: str, *arguments: object) -> Reply:
        """Return a script's reply."""
        ...

    async def command(self, queue: str, what: str, *arguments: object) -> Reply:
        """Return a command's reply."""
        ...

    async def read(self, queue: str, what: str, *arguments: object) -> Reply:
        """Return the reply of a command that changes nothing: it is sent again where its connection is lost."""
        ...

    async def all_of(self, queue: str, what: str, commands: Sequence[Sequence[object]]) -> None:
        """Send several commands at once, and return when all have been answered."""
        ...

    async def everywhere(self, what: str, *arguments: object) -> list[tuple[str, Reply]]:
        """Return the name of each server that holds queues, and its reply to a command."""
        ...

    async def failure(
        self, queue: str, what: str, error: Exception, script: Script | None = None, arguments: Sequence[object] = ()
    ) -> TypedTasksError:
        """Return our error for what a command or script has met; where keys are foreign, it names them."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Commands:
    """Runs commands and scripts on one connection, which is opened when it is needed and comes back after it was lost.

    Nothing is sent twice: a command whose connection is lost raises `BackendUnavailable`, though it may have been done. With
    `exclusive`, a command that is given up closes the connection, so that nothing is handed out to it afterwards.
    """

    def __init__(self, server: Server, *, timeout: float = COMMAND_TIMEOUT, exclusive: bool = False, blocks: float = 0.0) -> None:
        self._server = server
        self._timeout = timeout
        self._exclusive = exclusive
        self._blocks = blocks
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def run(self, script: Script, queue: str, what: str, *arguments: object) -> Reply:
        """Return a script's reply."""
        prefix = prefix_of(queue)
        try:
            try:
                connection = self._connection
                if connection is None or connection.lost.done():
                    connection = await self.connected()
                return await connection.call(("EVALSHA", script.sha, 1, prefix + "w", prefix, *arguments))
            except ReplyError as error:
                if error.code != "NOSCRIPT":
                    raise
                return await self._call(("EVAL", script.text, 1, prefix + "w", prefix, *arguments))
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error, script, arguments) from error

    async def command(self, queue: str, what: str, *arguments: object) -> Reply:
        """Return a command's reply."""
        try:
            return await self._call(arguments)
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error) from error

    async def read(self, queue: str, what: str, *arguments: object) -> Reply:
        """Return the reply of a command that changes nothing: it is sent again where its connection is lost."""
        try:
            return await self._call(arguments)
        except ConnectionError as error:
            _log.debug("%s again: %s", what, error)
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error) from error
        return await self.command(queue, what, *arguments)

    async def all_of(self, queue: str, what: str, commands: Sequence[Sequence[object]]) -> None:
        """Send several commands at once, and return when all have been answered."""
        try:
            await asyncio.gather(*[self._call(arguments) for arguments in commands])
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error) from error

    async def everywhere(self, what: str, *arguments: object) -> list[tuple[str, Reply]]:
        """Return the server's name and its reply to a command, in a list."""
        return [(self._server.shown, await self.command("", what, *arguments))]

    async def close(self) -> None:
        """Close the connection."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            await self._connection.lost

    async def _call(self, arguments: Sequence[object]) -> Reply:
        connection = self._connection
        if connection is None or connection.lost.done():
            connection = await self.connected()
        try:
            return await connection.call(arguments)
        except asyncio.CancelledError:
            if self._exclusive:
                connection.close()
            raise

    async def connected(self) -> Connection:
        """Return the connection, opened if it is not there."""
        async with self._opening:
            connection = self._connection
            if connection is None or connection.lost.done():
                if self._closed:
                    raise ConnectionError("the connection was closed")
                connection = await self._server.connect(self._timeout, COMMAND_TIMEOUT, blocks=self._blocks)
                self._connection = connection
            return connection

    async def failure(
        self, queue: str, what: str, error: Exception, script: Script | None = None, arguments: Sequence[object] = ()
    ) -> TypedTasksError:
        """Return our error for what a command or script has met; where keys are foreign, it names them."""
        if isinstance(error, ReplyError) and error.code in _NO_PRIMARY and self._connection is not None:
            self._connection.close(ConnectionError(f"the server has given up its part: {error}"))
        if isinstance(error, ReplyError) and error.code in ("MOVED", "ASK"):
            return BackendUnavailable(
                f"{what}: Redis at {self._server.shown} is one node of a cluster and has not this queue ({error}): "
                "write redis+cluster:// in place of redis://, without a database."
            )
        return await explained(translated(self._server.shown, what, error, script), self._call, queue, script, arguments)


async def explained(
    error: TypedTasksError,
    ask: Callable[[Sequence[object]], Awaitable[Reply]],
    queue: str,
    script: Script | None,
    arguments: Sequence[object],
) -> TypedTasksError:
    """Return an error; where it is about foreign keys, with their names."""
    if not isinstance(error, ForeignKeys):
        return error
    keys = await foreign_keys(ask, queue, script, arguments)
    return ForeignKeys(f"{error.args[0]} {keys}.") if keys else error


class Messages:
    """One subscription that comes back by itself: what is published on `channels` goes to their functions.

    `interrupted` is called after a gap, in which messages may have been lost. `patient`: other connections to the same servers
    would notice if one hung, so this one need not ask often.
    """

    def __init__(
        self,
        server: Server,
        channels: Mapping[str, Callable[[bytes], None]],
        interrupted: Callable[[], None],
        *,
        patient: bool = False,
    ) -> None:
        self._channels = {name.encode(): function for name, function in channels.items()}
        self._interrupted = interrupted
        self._server = server
        self._longest_silence = _WARY_MESSAGE_WAIT if server.may_move and not patient else _MESSAGE_WAIT
        self._confirmed = 0
        self._heard_at = 0.0
        self._trouble = Trouble(_log, "The subscription is back.")
        self._subscribed: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Return once the subscription is there."""
        subscribed = self._subscribed = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(subscribed), name="typedtasks-redis-messages")
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                await subscribed
        except (ReplyError, OSError) as error:
            raise translated(self._server.shown, "Subscribing", error) from error

    async def close(self) -> None:
        """End the subscription."""
        if self._task is not None:
            await cancel_and_wait([self._task])

    async def _run(self, subscribed: asyncio.Future[None]) -> None:
        pause = _FIRST_PAUSE
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - the subscription comes back, whatever ended it
                if not subscribed.done():
                    subscribed.set_exception(error)
                    return
                if isinstance(error, ReplyError):
                    self._trouble.note(
                        "News is missed until the subscription is back: %s", translated(self._server.shown, "Subscribing", error)
                    )
                _log.debug("The subscription was interrupted, and comes back: %s", error)
            if asyncio.get_running_loop().time() - started > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _listen(self) -> None:
        """Listen until the connection is lost, or says nothing though it was asked to."""
        loop = asyncio.get_running_loop()
        connection = await self._server.connect(COMMAND_TIMEOUT, COMMAND_TIMEOUT)
        try:
            self._confirmed = 0
            connection.listen(list(self._channels), self._take)
            self._heard_at = loop.time()
            while connection.cause is None:
                silence_ends = self._heard_at + self._longest_silence
                await asyncio.wait([connection.lost], timeout=max(0.0, silence_ends - loop.time()))
                if loop.time() >= self._heard_at + self._longest_silence:
                    await self._ask(connection)
            raise connection.cause
        finally:
            connection.close()
            await connection.lost

    async def _ask(self, connection: Connection) -> None:
        """Find out whether a silent connection has died without a word. Raises `TimeoutError` if it has."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        connection.ping()
        await asyncio.wait([connection.lost], timeout=SLOW_AFTER)
        while self._heard_at < asked and not connection.lost.done():
            if loop.time() > asked + COMMAND_TIMEOUT:
                raise TimeoutError(f"no answer within {COMMAND_TIMEOUT:g} s")
            connection.suspect()
            await asyncio.wait([connection.lost], timeout=ASK_AGAIN)

    def _take(self, reply: object) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if not isinstance(reply, list):
            raise ConnectionError(f"the server sent a {type(reply).__name__} where messages were expected")
        parts = cast("list[object]", reply)
        if parts[:1] == [b"subscribe"]:
            self._confirmed += 1
            if self._confirmed == len(self._channels):
                self._ready()
        elif parts[:1] == [b"message"] and len(parts) == 3:
            self._deliver(parts[1], parts[2])

    def _deliver(self, channel: object, message: object) -> None:
        try:  # what is no bytes fails here like every other nonsense
            self._channels[cast("bytes", channel)](cast("bytes", message))
        except Exception:  # noqa: BLE001 - anyone may publish anything; what it should have said is looked for
            _log.exception("A message on %r cannot be read.", channel)
            self._interrupted()

    def _ready(self) -> None:
        assert self._subscribed is not None, "open() has made it"
        self._trouble.over()
        if not self._subscribed.done():
            self._subscribed.set_result(None)
        else:
            self._interrupted()
