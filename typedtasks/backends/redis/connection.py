"""Connections to Redis: commands, scripts and messages, with every error as one of ours."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final, cast

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from typedtasks.backends.urls import redacted
from typedtasks.batching import cancel_and_wait
from typedtasks.errors import BackendFull, BackendUnavailable, BackendUnsupported

__all__ = ["COMMAND_TIMEOUT", "Commands", "Messages", "Script", "prefix_of", "redis_errors"]

COMMAND_TIMEOUT: Final = 4.0
"""Seconds that one command may take, connecting included: whoever calls is told within five."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0

_log = logging.getLogger("typedtasks.redis")
_MESSAGE_WAIT: Final = 10.0


class Script:
    """One Lua script: what all of them share, and then its own part."""

    def __init__(self, name: str) -> None:
        scripts = files("typedtasks.backends.redis") / "scripts"
        shebang, _, body = (scripts / f"{name}.lua").read_text().partition("\n")
        self.text = f"{shebang}\n{(scripts / 'common.lua').read_text()}\n{body}"
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def prefix_of(queue: str) -> str:
    """Return what every key of a queue begins with. The braces keep them in one slot of a cluster."""
    return f"tt:{{{queue}}}:"


@contextmanager
def redis_errors(url: str, what: str) -> Generator[None]:
    """Turn redis-py's errors into ours; `what` says what was tried."""
    try:
        yield
    except exceptions.OutOfMemoryError as error:
        raise _full(url, what, error) from error
    except exceptions.AuthenticationError as error:
        raise BackendUnavailable(f"{what}: Redis at {redacted(url)} refused the user or password: {error}.") from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError, OSError, TimeoutError) as error:
        reason = str(error) or f"no answer within {COMMAND_TIMEOUT:g} s"
        raise BackendUnavailable(
            f"{what}: Redis at {redacted(url)} is not available ({reason}). Start it, or correct the broker's URL (TYPEDTASKS_URL)."
        ) from error
    except exceptions.NoPermissionError as error:
        raise BackendUnsupported(f"{what}: the Redis user of {redacted(url)} may not do this: {error}.") from error
    except exceptions.ResponseError as error:
        if "OOM" in str(error):
            raise _full(url, what, error) from error
        if isinstance(error, _PASSING_ERRORS) or _is_state(str(error)):
            raise BackendUnavailable(f"{what}: Redis at {redacted(url)} cannot do this now: {str(error).rstrip('.')}.") from error
        raise


_PASSING_ERRORS = (exceptions.ClusterDownError, exceptions.MasterDownError, exceptions.TryAgainError)
_MISTAKES: Final = ("ERR", "WRONGTYPE", "NOGROUP", "NOSCRIPT", "CROSSSLOT", "EXECABORT", "BUSYGROUP")


def _is_state(text: str) -> bool:
    """Return whether an error tells of the server's state (NOREPLICAS, MISCONF, BUSY, UNBLOCKED ...), not of a mistake of ours."""
    code = text.partition(" ")[0]
    return code.isupper() and code not in _MISTAKES


def _full(url: str, what: str, error: Exception) -> BackendFull:
    return BackendFull(
        f"{what}: Redis at {redacted(url)} has reached its maxmemory ({error}). Nothing was sent. "
        "Let workers catch up, or give it more memory."
    )


class Commands:
    """Runs commands and scripts. redis-py's own retries are off, because they would send writes twice."""

    def __init__(self, url: str, *, timeout: float = COMMAND_TIMEOUT) -> None:
        self.url = url
        self.redis = cast(
            "Redis",
            # Any: redis-py leaves the type of from_url's result open.
            cast("Any", Redis).from_url(
                url,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=timeout,
                socket_connect_timeout=COMMAND_TIMEOUT,
                maint_notifications_config=MaintNotificationsConfig(enabled=False),
            ),
        )
        # Replies are read as the server sends them: redis-py's own shapes differ with its versions and protocols.
        self.redis.response_callbacks.clear()

    async def run(self, script: Script, queue: str, what: str, *arguments: object) -> Any:
        """Return a script's reply. (Any: each script has a reply of its own shape; its caller names it.)"""
        prefix = prefix_of(queue)
        with redis_errors(self.url, what):
            # Any: redis-py types replies as a union of everything.
            execute = cast("Callable[..., Awaitable[Any]]", self.redis.execute_command)
            try:
                return await execute("EVALSHA", script.sha, 1, prefix + "w", prefix, *arguments)
            except exceptions.NoScriptError:
                return await execute("EVAL", script.text, 1, prefix + "w", prefix, *arguments)

    async def command(self, what: str, *arguments: object) -> Any:
        """Return a command's reply. (Any: as with `run`.)"""
        with redis_errors(self.url, what):
            execute = cast("Callable[..., Awaitable[Any]]", self.redis.execute_command)
            return await execute(*arguments)

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()


class Messages:
    """One subscription that comes back by itself: what is published on `channels` goes to their functions.

    `interrupted` is called after a gap, in which messages may have been lost.
    """

    def __init__(self, url: str, channels: Mapping[str, Callable[[bytes], None]], interrupted: Callable[[], None]) -> None:
        self._channels = {name.encode(): function for name, function in channels.items()}
        self._interrupted = interrupted
        self._url = url
        self._commands = Commands(url)
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Return once the subscription is there."""
        subscribed = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(subscribed), name="typedtasks-redis-messages")
        with redis_errors(self._url, "Subscribing"):
            async with asyncio.timeout(COMMAND_TIMEOUT):
                await subscribed

    async def close(self) -> None:
        """End the subscription."""
        if self._task is not None:
            await cancel_and_wait([self._task])
        await self._commands.close()

    async def _run(self, subscribed: asyncio.Future[None]) -> None:
        pause = _FIRST_PAUSE
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await self._listen(subscribed)
            except Exception as error:  # noqa: BLE001 - the subscription comes back, whatever ended it
                if not subscribed.done():
                    subscribed.set_exception(error)
                    return
                _log.debug("The subscription was interrupted, and comes back: %s", error)
            if asyncio.get_running_loop().time() - started > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _listen(self, subscribed: asyncio.Future[None]) -> None:
        # Any: redis-py leaves the types of its subscriptions open.
        subscription = cast("Any", self._commands.redis).pubsub()
        try:
            await subscription.subscribe(*self._channels)
            confirmed = 0
            while True:
                message: Mapping[str, object] | None = await subscription.get_message(timeout=_MESSAGE_WAIT)
                if message is None:
                    await subscription.ping()  # a connection that died without a word is found out
                elif message["type"] == "subscribe":
                    confirmed += 1
                    if confirmed == len(self._channels):
                        self._ready(subscribed)
                elif message["type"] == "message":
                    self._deliver(cast("bytes", message["channel"]), cast("bytes", message["data"]))
        finally:
            await subscription.aclose()

    def _deliver(self, channel: bytes, message: bytes) -> None:
        try:
            self._channels[channel](message)
        except Exception:  # noqa: BLE001 - anyone may publish anything; what it should have said is looked for
            _log.exception("A message on %s cannot be read.", channel.decode("utf-8", "replace"))
            self._interrupted()

    def _ready(self, subscribed: asyncio.Future[None]) -> None:
        if not subscribed.done():
            subscribed.set_result(None)
        else:
            self._interrupted()
