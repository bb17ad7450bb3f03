"""A TCP proxy before a Redis, which loses answers."""

from __future__ import annotations

import asyncio

__all__ = ["Proxy"]


class Proxy:
    """A TCP proxy before a Redis. It can swallow the next answer that holds some bytes, and cut that connection."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.drop_answer_to: bytes | None = None
        self.dropped = 0

    async def start(self) -> str:
        """Return the URL to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def stop(self) -> None:
        """Cut everything."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._target)
        doomed = False

        async def requests() -> None:
            nonlocal doomed
            while data := await reader.read(1 << 16):
                if self.drop_answer_to is not None and self.drop_answer_to in data:
                    self.drop_answer_to, doomed = None, True
                upstream_writer.write(data)

        async def answers() -> None:
            while data := await upstream_reader.read(1 << 16):
                if doomed:
                    self.dropped += 1
                    return
                writer.write(data)

        pumps = [asyncio.create_task(requests()), asyncio.create_task(answers())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # stop() waits for this; asyncio's own callback would report a cancelled handler as an error
        finally:
            for pump in pumps:
                pump.cancel()
            writer.close()
            upstream_writer.close()
