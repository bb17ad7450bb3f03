"""Bells between the processes that share a file: datagrams on Unix sockets, so that nobody has to poll."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from typedtasks.errors import BackendUnavailable
from typedtasks.forking import let_go, watch_forks

__all__ = ["Bell"]

_LONGEST_PATH: Final = 100
"""A socket's path may have 108 bytes on Linux, and less elsewhere."""
_LONGEST_MESSAGE: Final = 8000


class Bell:
    """Rings in all other processes that have opened the same file. What is lost (a full buffer) is found by looking again."""

    def __init__(self, path: str, on_ring: Callable[[bytes], None]) -> None:
        absolute = os.path.abspath(path)
        folder = Path(f"{absolute}-bells")
        if len(str(folder)) + 20 > _LONGEST_PATH:
            name = hashlib.sha256(os.fsencode(absolute)).hexdigest()[:16]
            folder = Path(tempfile.gettempdir()) / f"typedtasks-{name}"
        self._folder = folder
        self._own = folder / f"{secrets.token_hex(5)}.sock"
        self._on_ring = on_ring
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen, on the running event loop."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise BackendUnavailable(f"The folder {self._folder} for wake-ups cannot be made: {error}.") from error
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self._own))
        contextvars.Context().run(asyncio.get_running_loop().add_reader, self._socket, self._listen)
        watch_forks(self)

    def forked(self) -> None:
        """Leave the socket to the parent of this process (see `Inherited`)."""
        if self._socket is not None:
            let_go(self._socket.fileno())

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            self._own.unlink(missing_ok=True)
            with suppress(OSError):
                self._folder.rmdir()  # the last one takes the folder along

    def ring(self, kind: bytes, texts: Sequence[str] = ("",)) -> None:
        """Ring in the other processes: `kind` is one byte, `texts` are joined with line ends in as few datagrams as may be."""
        if self._socket is None:
            return
        others = [path for path in self._folder.iterdir() if path != self._own] if self._folder.exists() else []
        for message in _messages(kind, texts) if others else ():
            for path in others:
                try:
                    self._socket.sendto(message, str(path))
                except (ConnectionRefusedError, FileNotFoundError):
                    path.unlink(missing_ok=True)  # its process has died
                except OSError:
                    continue  # its buffer is full: it has enough to wake up for

    def _listen(self) -> None:
        while self._socket is not None:
            try:
                message = self._socket.recv(_LONGEST_MESSAGE + 1024)
            except BlockingIOError:
                return
            self._on_ring(message)


def _messages(kind: bytes, texts: Sequence[str]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for text in texts:
        encoded = text.encode()
        if gathered and size + len(encoded) > _LONGEST_MESSAGE:
            yield kind + b"\n".join(gathered)
            gathered, size = [], 0
        gathered.append(encoded)
        size += len(encoded) + 1
    yield kind + b"\n".join(gathered)
