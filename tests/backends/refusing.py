"""A proxy before a Redis that answers some commands itself, with an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

from typedtasks.backends.redis.protocol import PlainReader, pack_plainly
from typedtasks.backends.redis.script import Script

__all__ = ["SCRIPTS", "RefusingProxy", "refusing"]

SCRIPTS = {
    Script(name).sha: name for name in ("publish", "join", "claim", "settle", "recover", "renew", "promote", "unpark", "leave")
}


class RefusingProxy:
    """Passes on one command at a time. `refuse` is asked for each, by its name or its script's; what it returns is the error."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._served: set[asyncio.Task[None]] = set()
        self.refuse: Callable[[str], str] = lambda command: ""
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            with suppress(ConnectionError):
                await self._converse(reader, writer, server_reader, server_writer)
        except asyncio.CancelledError:
            return  # asyncio's own callback would report a cancelled handler as an error
        finally:
            writer.close()
            server_writer.close()
            self._served.discard(task)

    async def end(self) -> None:
        """Cut everything."""
        for task in list(self._served):
            task.cancel()
        if self._served:
            await asyncio.wait(self._served)

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        commands, replies = PlainReader(), PlainReader()
        while data := await reader.read(1 << 16):
            commands.feed(data)
            while isinstance(command := commands.gets(), list):
                words = cast("list[bytes]", command)
                name = SCRIPTS.get(words[1].decode(), "EVAL") if words[0].startswith(b"EVAL") else words[0].decode()
                error = self.refuse(name)
                if error:
                    writer.write(b"-%b\r\n" % error.encode())
                    continue
                server_writer.write(pack_plainly(words))
                if name == "SUBSCRIBE":
                    await self._listen(server_reader, writer)
                    return
                incomplete = replies.gets()
                while True:
                    answer = await server_reader.read(1 << 16)
                    if not answer:
                        return
                    writer.write(answer)
                    replies.feed(answer)
                    if replies.gets() is not incomplete:
                        break

    async def _listen(self, server_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await server_reader.read(1 << 16):
            writer.write(data)


@asynccontextmanager
async def refusing(redis_url: str) -> AsyncIterator[RefusingProxy]:
    """Yield a proxy before a Redis."""
    proxy = RefusingProxy(int(redis_url.rpartition(":")[2].partition("/")[0]))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
