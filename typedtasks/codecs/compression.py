"""Compression of payloads and results."""

from __future__ import annotations

import zlib
from typing import Final

from typedtasks.codecs.codec import Undecodable
from typedtasks.errors import DefinitionError

__all__ = ["Compress"]

_PLAIN: Final = b"\x00"
_DEFLATED: Final = b"\x01"


class Compress:
    """Compresses with zlib what has `threshold` bytes or more and gets smaller by it. What was not compressed is read as well.

    `level` is zlib's, 1 (fast) to 9 (small). Put it before `Encrypt`: encrypted bytes cannot be compressed. Where attackers
    choose a part of a payload and see its size, compression before encryption lets them guess the rest.
    """

    name: Final = "zlib"
    hides: Final = False
    is_required: Final = False
    awaited: Final[tuple[str, ...]] = ()

    def __init__(self, *, threshold: int = 1024, level: int = 6) -> None:
        if type(threshold) is not int or threshold < 0:
            raise DefinitionError(f"Compress(threshold={threshold!r}): pass a number of bytes, 0 or more.")
        if type(level) is not int or not 1 <= level <= 9:
            raise DefinitionError(f"Compress(level={level!r}): pass 1 (fast) to 9 (small).")
        self._threshold = threshold
        self._level = level

    def encode(self, data: bytes, bound_to: bytes) -> bytes:
        """Return a byte that says whether it is compressed, and the data."""
        if len(data) >= self._threshold:
            deflated = zlib.compress(data, self._level)
            if len(deflated) < len(data):
                return _DEFLATED + deflated
        return _PLAIN + data

    def decode(self, data: bytes, bound_to: bytes, limit: int) -> bytes:
        """Return the data. Never inflates more than `limit` bytes."""
        kind, rest = data[:1], data[1:]
        if kind == _PLAIN:
            return rest
        if kind != _DEFLATED:
            raise Undecodable("it was not written by zlib's codec")
        inflater = zlib.decompressobj()
        try:
            inflated = inflater.decompress(rest, limit + 1)
        except zlib.error as error:
            raise Undecodable(f"its compressed data is damaged ({error})") from None
        if len(inflated) > limit:
            raise Undecodable(f"its compressed data has more than the {limit} bytes that are allowed")
        if not inflater.eof or inflater.unused_data:
            raise Undecodable("its compressed data is damaged (its end is not where it should be)")
        return inflated
