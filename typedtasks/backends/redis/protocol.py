"""The Redis protocol on one connection: commands leave at once, and replies come back in the order of their commands.

redis-py's own client costs about as much time per command as everything else that a task needs; here a command is one write, and
its reply one future.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast

from typedtasks.backends.redis.address import Address
from typedtasks.forking import let_go_of_socket, watch_forks

__all__ = ["Connection", "PlainReader", "Reply", "ReplyError", "connect", "pack", "pack_plainly"]

_INCOMPLETE: Final = object()
_BEGUN: Final = object()
_DEEPEST: Final = 100
"""Lists inside lists. Redis sends five at most."""
_REPEATED: Final = re.compile(r",? *with args beginning with:.*", re.DOTALL)
_LAST_LOOK: Final = 0.02
"""Seconds that a late reply has to be read when the event loop was blocked: timers may come before the socket's turn."""


# Any: each command and script has a reply of its own shape, and its caller names it.
Reply: TypeAlias = Any
"""What a command is answered with: bytes, numbers, None, and lists of replies."""


class ReplyError(Exception):
    """The server's answer to a command is an error. `code` is its first word, such as `NOSCRIPT`.

    Where a server repeats the command, that is left out: of `AUTH` it is the password.
    """

    def __init__(self, text: str) -> None:
        super().__init__(_REPEATED.sub("", text))

    @property
    def code(self) -> str:
        """The first word of the error."""
        return str(self).partition(" ")[0]


class ReplyReader(Protocol):
    """Takes bytes apart into replies."""

    def feed(self, data: bytes, /) -> None:
        """Add bytes that have arrived."""
        ...

    def gets(self) -> object:
        """Return the next whole reply; errors are returned, too. A value of its own says that there is none."""
        ...


class PlainReader:
    """Reads replies where hiredis is not installed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._arrays: list[list[object]] = []
        """Those that have begun and are not whole yet, each inside the one before."""
        self._lengths: list[int] = []

    def feed(self, data: bytes, /) -> None:
        """Add bytes that have arrived."""
        del self._buffer[: self._at]
        self._at = 0
        self._buffer += data

    def gets(self) -> object:
        """Return the next whole reply, or `_INCOMPLETE`. Raises `ValueError` or `ConnectionError` for what is none."""
        while (item := self._read()) is not _INCOMPLETE:
            if item is _BEGUN:
                continue
            while self._arrays:
                self._arrays[-1].append(item)
                if len(self._arrays[-1]) < self._lengths[-1]:
                    break
                self._lengths.pop()
                item = self._arrays.pop()
            else:
                return item
        return _INCOMPLETE

    def _read(self) -> object:
        """Return what comes next: something simple, an array without items, or `_BEGUN` for one whose items follow."""
        end = self._buffer.find(b"\r\n", self._at)
        if end < 0:
            return _INCOMPLETE
        kind, text = bytes(self._buffer[self._at : self._at + 1]), bytes(self._buffer[self._at + 1 : end])
        length = int(text) if kind == b"$" else -1
        if length >= 0:
            start, end = end + 2, end + 2 + length
            if len(self._buffer) < end + 2:
                return _INCOMPLETE
            text = bytes(self._buffer[start:end])
        self._at = end + 2
        if kind == b"+":
            return text
        if kind == b"-":
            return ReplyError(text.decode("utf-8", "replace"))
        if kind == b"$":
            return text if length >= 0 else None
        if kind == b":":
            return int(text)
        if kind == b"*":
            return self._begin(int(text))
        raise ConnectionError(f"the server sent {kind!r}, which is not of the Redis protocol")

    def _begin(self, length: int) -> object:
        if length <= 0:
            return [] if length == 0 else None
        if len(self._arrays) == _DEEPEST:
            raise ConnectionError(f"the server sent lists that are more than {_DEEPEST} deep")
        self._arrays.append([])
        self._lengths.append(length)
        return _BEGUN


def pack_plainly(arguments: Sequence[object]) -> bytes:
    """Return a command as bytes, where hiredis is not installed."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _new_plain_reader() -> ReplyReader:
    return PlainReader()


pack: Callable[[Sequence[object]], bytes] = pack_plainly
"""Return a command as bytes. Arguments are bytes, or are sent as text."""
new_reader: Callable[[], ReplyReader] = _new_plain_reader
try:
    import hiredis
except ImportError:
    pass
else:
    # Any: hiredis types the command as a tuple of one, and its result not at all.
    _pack_command = cast("Any", hiredis).pack_command

    def _pack_fast(arguments: Sequence[object]) -> bytes:
        return cast("bytes", _pack_command(tuple(arguments)))

    def _new_fast_reader() -> ReplyReader:
        return cast("ReplyReader", hiredis.Reader(notEnoughData=_INCOMPLETE, replyError=ReplyError, protocolError=ConnectionError))

    pack, new_reader = _pack_fast, _new_fast_reader


class Connection(asyncio.Protocol):
    """One open connection. `lost` is done once it is closed, from whichever side."""

    def __init__(self, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._waiting: deque[tuple[float, asyncio.Future[Reply]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._first_look = timeout
        self._suspect_after = self._suspect_again = math.inf
        self._suspect: Callable[[], None] | None = None
        self._reader = new_reader()
        self._transport: asyncio.Transport | None = None
        self._on_push: Callable[[object], None] | None = None
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.cause: BaseException | None = None
        """Why it was closed, where that is known."""

    def call(self, arguments: Sequence[object]) -> asyncio.Future[Reply]:
        """Send a command, and return the future of its reply: it may raise `ReplyError`, `ConnectionError` or `TimeoutError`."""
        reply: asyncio.Future[Reply] = self._loop.create_future()
        if self._transport is None:
            refused = isinstance(self.cause, ReplyError)  # the server has closed it, and said why
            reply.set_exception(self.cause if self.cause is not None and refused else ConnectionError("the connection was closed"))
            return reply
        if self._timer is None:
            self._timer = self._loop.call_later(self._first_look, self._look_for_late_reply)
        self._waiting.append((self._loop.time() + self._timeout, reply))
        self._transport.write(pack(arguments))
        return reply

    def watch(self, after: float, again: float, suspect: Callable[[], None]) -> None:
        """Call `suspect` when a reply is not there `after` seconds after its command, and every `again` seconds from then on."""
        self._suspect, self._suspect_after, self._suspect_again = suspect, after, again
        self._first_look = min(self._timeout, after)
        if self._timer is not None:  # of the commands that opened the connection
            self._timer.cancel()
            self._timer = self._loop.call_later(self._first_look, self._look_for_late_reply)

    def suspect(self) -> None:
        """Say that the server should have said something by now (see `watch`)."""
        if self._suspect is not None and not self.lost.done():
            self._suspect()

    def listen(self, channels: Sequence[bytes], on_push: Callable[[object], None]) -> None:
        """Subscribe to channels. From now on, whatever the server sends goes to `on_push`, and `call` may not be used."""
        self._on_push = on_push
        self._write("SUBSCRIBE", *channels)

    def ping(self) -> None:
        """Have the server say something to `on_push`."""
        self._write("PING")

    def close(self, cause: BaseException | None = None) -> None:
        """Close the connection at once. Who waits for a reply gets `cause`."""
        self.cause = self.cause or cause
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (see `asyncio.Protocol`)."""
        self._transport = cast("asyncio.Transport", transport)
        watch_forks(self)

    def forked(self) -> None:
        """Leave the socket to the parent of this process (see `Inherited`)."""
        if self._transport is not None:
            let_go_of_socket(self._transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are whole (see `asyncio.Protocol`)."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except (ConnectionError, ValueError, TypeError, MemoryError) as error:  # the last two come from hiredis
            self.close(ConnectionError(f"the server does not speak the Redis protocol: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits (see `asyncio.Protocol`)."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self.cause = self.cause or exc or ConnectionError("the server closed the connection")
        for _, reply in self._waiting:
            if not reply.done():
                reply.set_exception(self.cause)
        self._waiting.clear()
        if not self.lost.done():
            self.lost.set_result(None)

    def _take(self, reply: object) -> None:
        if self._on_push is not None:
            if isinstance(reply, ReplyError):
                self.close(reply)
            else:
                self._on_push(reply)
        elif self._waiting:
            _, future = self._waiting.popleft()
            if future.done():
                return  # who asked was cancelled
            if isinstance(reply, ReplyError):
                future.set_exception(reply)
            else:
                future.set_result(reply)
        elif isinstance(reply, ReplyError):
            self.close(reply)  # it takes no more connections, for example
        else:
            raise ConnectionError(f"the server sent a {type(reply).__name__} without being asked")

    def _write(self, *arguments: object) -> None:
        if self._transport is not None:
            self._transport.write(pack(arguments))

    def _look_for_late_reply(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        due, reply = self._waiting[0]
        now = self._loop.time()
        if due > now:
            slow_at = due - self._timeout + self._suspect_after
            if slow_at <= now:
                self.suspect()
                slow_at = now + self._suspect_again
            self._timer = self._loop.call_at(min(due, slow_at), self._look_for_late_reply)
        else:  # after a blocked event loop the reply may be here already, and only not have been read yet
            self._timer = self._loop.call_later(_LAST_LOOK, self._give_up, reply)

    def _give_up(self, late: asyncio.Future[Reply]) -> None:
        self._timer = None
        if self._waiting and self._waiting[0][1] is late:
            self.close(TimeoutError(f"no answer within {self._timeout:g} s"))
        else:
            self._look_for_late_reply()


async def connect(address: Address, *, timeout: float, patience: float) -> Connection:
    """Return an open connection whose commands take at most `timeout` seconds each; opening it takes at most `patience`.

    It is opened in a context of its own: it lives on, and what a task has set that happened to need it first is not its own.
    Raises `OSError`, and `ReplyError` where the server does not take it.
    """
    opening = asyncio.get_running_loop().create_task(
        _connect(address, timeout, patience), name="typedtasks-redis-connect", context=contextvars.Context()
    )
    try:
        return await opening
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unused)
        raise


def _close_unused(opening: asyncio.Task[Connection]) -> None:
    """Close a connection that was opened in the moment in which it was given up."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _connect(address: Address, timeout: float, patience: float) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience):
            if address.path:
                _, connection = await loop.create_unix_connection(lambda: Connection(timeout), address.path, ssl=address.tls)
            else:
                _, connection = await loop.create_connection(
                    lambda: Connection(timeout), address.host, address.port, ssl=address.tls
                )
            try:
                for command in address.greeting:
                    await connection.call(command)
            except BaseException:
                connection.close()
                raise
    except TimeoutError:
        raise TimeoutError(f"no connection within {patience:g} s") from None
    return connection
