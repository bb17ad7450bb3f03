"""The Redis protocol: replies in whatever pieces they arrive, late and lost ones, and every way to name a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from tests.redis_server import redis_server
from typedtasks import BackendUnavailable, BackendUnsupported, Broker
from typedtasks.backends.redis.address import Address
from typedtasks.backends.redis.connection import Commands
from typedtasks.backends.redis.protocol import PlainReader, ReplyError, connect, pack_plainly
from typedtasks.backends.redis.standalone import Standalone

REPLIES = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20), lambda children: st.lists(children, max_size=4)
)


def encoded(reply: object) -> bytes:
    """Return a reply as a server sends it."""
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, list):
        return b"*%d\r\n%b" % (len(reply), b"".join(map(encoded, reply)))
    return b"$-1\r\n"


@given(st.lists(REPLIES, min_size=1, max_size=3), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_replies_are_read_whole_in_whatever_pieces_they_arrive(replies: list[object], lengths: list[int]) -> None:
    """By our own reader as by hiredis."""
    wire, ours, theirs = b"".join(map(encoded, replies)), PlainReader(), hiredis.Reader(notEnoughData=cast("Any", ...))
    nothing = ours.gets()
    read: list[object] = []
    read_by_hiredis: list[object] = []
    at = 0
    while at < len(wire):
        piece = wire[at : at + lengths[at % len(lengths)]]
        at += len(piece)
        ours.feed(piece)
        theirs.feed(piece)
        while (reply := ours.gets()) is not nothing:
            read.append(reply)
        while (reply := theirs.gets()) is not ...:
            read_by_hiredis.append(reply)
    assert read == read_by_hiredis == replies


def test_errors_and_statuses_are_told_apart() -> None:
    """Inside a list, too."""
    reader = PlainReader()
    reader.feed(b"*2\r\n+OK\r\n-NOSCRIPT No matching script\r\n")
    status, error = cast("list[object]", reader.gets())
    assert status == b"OK"
    assert isinstance(error, ReplyError)
    assert error.code == "NOSCRIPT"


@given(st.lists(st.binary(max_size=20) | st.text(max_size=20) | st.integers(), min_size=1, max_size=6))
def test_commands_are_packed_as_hiredis_does(arguments: list[bytes | str | int]) -> None:
    """Bytes as they are, everything else as text."""
    arguments = [item.encode("utf-8", "replace") if isinstance(item, str) else item for item in arguments]
    assert pack_plainly(arguments) == cast("Any", hiredis).pack_command(tuple(arguments))


async def served(behave: Callable[[bytes, asyncio.StreamWriter], None]) -> tuple[asyncio.Server, Address]:
    """Return a server that calls `behave` for what arrives, and its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            behave(data, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, Address.of(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_a_late_reply_closes_the_connection_for_everyone_who_waits() -> None:
    """Otherwise the next command would get it."""
    server, address = await served(lambda data, writer: None)
    async with server:
        connection = await connect(address, timeout=0.05, patience=1)
        waiting = [connection.call(("PING",)) for _ in range(3)]
        for reply in waiting:
            with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
                await reply
        await connection.lost
        with pytest.raises(ConnectionError, match="was closed"):
            await connection.call(("PING",))


async def test_a_reply_whose_asker_was_cancelled_goes_to_nobody_else() -> None:
    """Replies are matched by order, so it is taken and dropped."""
    replies = [b":1\r\n", b":2\r\n"]

    def answer(data: bytes, writer: asyncio.StreamWriter) -> None:
        for _ in range(data.count(b"*")):
            writer.write(replies.pop(0))

    server, address = await served(answer)
    async with server:
        connection = await connect(address, timeout=1, patience=1)
        first, second = connection.call(("A",)), connection.call(("B",))
        first.cancel()
        assert await second == 2
        connection.close()
        await connection.lost


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b":1\r\n:2\r\n", b"$x\r\n"])
async def test_what_is_no_reply_closes_the_connection(garbage: bytes) -> None:
    """Another kind of server, or one reply too many."""
    server, address = await served(lambda data, writer: writer.write(garbage))
    async with server:
        connection = await connect(address, timeout=1, patience=1)
        await asyncio.wait([connection.call(("PING",))])
        await asyncio.wait_for(connection.lost, 1)


async def test_a_lost_connection_is_opened_again_for_the_next_command() -> None:
    """The command that lost it is not repeated: it may have been done."""
    with redis_server() as server, Redis.from_url(server.url) as redis:
        commands = Commands(Standalone(Address.of(server.url), server.url))
        assert await commands.command("", "Asking", "PING") == b"PONG"
        redis.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(BackendUnavailable, match="Asking: Redis at redis://127"):
            await commands.command("", "Asking", "PING")
        assert await commands.command("", "Asking", "PING") == b"PONG"
        await commands.close()


async def test_a_broker_opens_over_a_unix_socket_and_in_its_own_database(tmp_path: Path) -> None:
    """`unix:///path?db=3`."""
    path = tmp_path / "redis.sock"
    with redis_server("--unixsocket", str(path), "--save", "") as server, Redis.from_url(server.url + "3") as redis:
        broker = Broker(f"unix://{path}?db=3")
        task = broker.task(name="nothing")(lambda_of_none)
        async with broker:
            await task.enqueue()
        assert redis.from_url(server.url.replace("/0", "/3")).xlen("tt:{default}:s1") == 1


async def lambda_of_none() -> None:
    """Do nothing."""


async def test_passwords_are_sent_and_wrong_ones_are_named_without_being_shown() -> None:
    """Of the default user and of one with a name."""
    with redis_server() as server, Redis.from_url(server.url) as redis:
        redis.config_set("requirepass", "s3cret")
        at = server.url.removeprefix("redis://")
        async with Broker(f"redis://:s3cret@{at}"), Broker(f"redis://default:s3cret@{at}"):
            pass
        for url in (f"redis://:wr0ng@{at}", server.url):
            with pytest.raises(BackendUnavailable, match="refused the user or password") as caught:
                await Broker(url).open()
            assert "wr0ng" not in str(caught.value)
            assert ".." not in str(caught.value)


async def test_a_database_that_is_not_there_is_named() -> None:
    """With what the server says."""
    with redis_server() as server, pytest.raises(BackendUnsupported, match="has no such database .ERR DB index is out of range"):
        await Broker(server.url.replace("/0", "/99")).open()


async def test_what_is_no_redis_is_refused() -> None:
    """It speaks the protocol, and says something else."""
    server, address = await served(lambda data, writer: writer.write(b":7\r\n"))
    async with server:
        with pytest.raises(BackendUnsupported, match="is no Redis: it said 7 when asked for INFO"):
            await Broker(f"redis://{address.host}:{address.port}").open()


async def test_a_read_whose_connection_is_lost_is_sent_once_more() -> None:
    """It changes nothing, so that does no harm."""
    with redis_server() as server, Redis.from_url(server.url) as redis:
        commands = Commands(Standalone(Address.of(server.url), server.url))
        await commands.command("", "Asking", "PING")
        redis.client_kill_filter(_type="normal", skipme=True)
        assert await commands.read("", "Reading", "MGET", "a") == [None]
        await commands.close()


async def test_a_read_that_the_server_cannot_do_now_is_backend_unavailable() -> None:
    """A server that has just been started again loads its data: a state that passes."""
    server, address = await served(lambda data, writer: writer.write(b"-LOADING Redis is loading the dataset in memory\r\n"))
    async with server:
        commands = Commands(Standalone(address, "there"))
        with pytest.raises(BackendUnavailable, match="LOADING"):
            await commands.read("", "Reading", "MGET", "a")
        await commands.close()
