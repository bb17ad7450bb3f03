"""Bells between the processes that share a file: datagrams on Unix sockets, so that nobody has to poll."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from typedtasks.errors import BackendUnavailable
from typedtasks.forking import let_go, watch_forks

__all__ = ["Bell"]

_LONGEST_PATH: Final = 100
"""Bytes, not characters. A socket's path may have 108 on Linux, and less elsewhere."""
_LONGEST_NAME: Final = 20
_LONGEST_MESSAGE: Final = 8000


class Bell:
    """Rings in all other processes that have opened the same file. What is lost (a full buffer) is found by looking again."""

    def __init__(self, path: str, on_ring: Callable[[bytes], None]) -> None:
        self._folder = _folder_for(os.path.abspath(path))
        self._own = self._folder / f"{secrets.token_hex(5)}.sock"
        self._on_ring = on_ring
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen, on the running event loop. Raises `BackendUnavailable`."""
        while self._socket is None:
            try:
                with suppress(FileExistsError):
                    self._folder.mkdir(mode=0o700)
                with suppress(FileNotFoundError):  # who used it last has just taken it away
                    _check_folder(self._folder)
                    self._socket = _listening(self._own)
            except OSError as error:
                raise BackendUnavailable(
                    f"The folder {self._folder} for wake-ups cannot be used: {error.strerror or error}. Processes that share the "
                    "SQLite file wake each other up there."
                ) from error
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
            with suppress(OSError):
                self._own.unlink(missing_ok=True)
                self._folder.rmdir()  # the last one takes the folder along

    def ring(self, kind: bytes, texts: Sequence[str] = ("",)) -> None:
        """Ring in the other processes: `kind` is one byte, `texts` are joined with line ends in as few datagrams as may be."""
        if self._socket is None:
            return
        try:
            others = [path for path in self._folder.iterdir() if path != self._own]
        except OSError:  # somebody has deleted it, or this process may open no more files: the others find the news by looking
            return
        for message in _messages(kind, texts) if others else ():
            for path in others:
                try:
                    self._socket.sendto(message, str(path))
                except (ConnectionRefusedError, FileNotFoundError):
                    with suppress(OSError):
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


def _folder_for(file: str) -> Path:
    """Return the folder beside a file, or, where a socket there would have too long a path, one for temporary files."""
    name = f"typedtasks-{hashlib.sha256(os.fsencode(file)).hexdigest()[:16]}"
    folders = (Path(f"{file}-bells"), Path(tempfile.gettempdir()) / name, Path("/tmp") / name)
    return next((folder for folder in folders if len(os.fsencode(folder)) + _LONGEST_NAME <= _LONGEST_PATH), folders[-1])


def _check_folder(folder: Path) -> None:
    """Raise `BackendUnavailable` for a folder that somebody else has made, or may write to: the bells there could be theirs."""
    found, own = folder.lstat(), os.geteuid()
    if not stat.S_ISDIR(found.st_mode):
        wrong = "is no folder"
    elif found.st_uid != own:
        wrong = f"belongs to the user {found.st_uid}, and this process runs as the user {own}"
    elif found.st_mode & 0o022:
        wrong = f"may be written to by others (its mode is {stat.S_IMODE(found.st_mode):o})"
    else:
        return
    raise BackendUnavailable(
        f"{folder} {wrong}, so it is not used: processes that share the SQLite file wake each other up there. Delete it, and run "
        "all of them as one user."
    )


def _listening(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind(str(path))
    except BaseException:
        made.close()
        raise
    return made


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
