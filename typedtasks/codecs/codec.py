"""What a codec is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["PayloadCodec", "Undecodable"]


class Undecodable(ValueError):
    """Bytes that a codec cannot decode. The text says why, and shows nothing of them.

    `awaits` names what another broker may have, such as a key: such a message is parked, like one whose task is not known here.
    Where it is empty nobody can ever decode the message, and it becomes a dead letter.
    """

    def __init__(self, message: str, *, awaits: str = "") -> None:
        super().__init__(message)
        self.awaits = awaits


class PayloadCodec(Protocol):
    """Encodes arguments before they are stored and outcomes before they are kept, and decodes both where they are read.

    All methods are called on the event loop, and must not block it.
    """

    @property
    def name(self) -> str:
        """The name that is sent along: 1 to 64 printable characters. Another format is another name."""
        ...

    @property
    def hides(self) -> bool:
        """Whether what is encoded is not to be shown: then no reason of a dead letter and no error shows values, either."""
        ...

    @property
    def is_required(self) -> bool:
        """Whether what was not encoded by this codec is refused."""
        ...

    @property
    def awaited(self) -> tuple[str, ...]:
        """What parked messages may wait for that this codec has (see `Undecodable.awaits`)."""
        ...

    def encode(self, data: bytes, bound_to: bytes) -> bytes:
        """Return encoded bytes. `bound_to` says whose they are, and will be the same when they are decoded."""
        ...

    def decode(self, data: bytes, bound_to: bytes, limit: int) -> bytes:
        """Return the decoded bytes, at most `limit`. Raises `Undecodable`, before it takes memory for more than that."""
        ...
