"""One server, always the same."""

from __future__ import annotations

from typedtasks.backends.redis.address import Address
from typedtasks.backends.redis.protocol import Connection, connect

__all__ = ["Standalone"]


class Standalone:
    """Opens connections to one address. Implements `Server`."""

    may_move = False

    def __init__(self, address: Address, shown: str) -> None:
        self.shown = shown
        self._address = address

    async def connect(self, timeout: float, patience: float) -> Connection:
        """Return an open connection (see `Server`)."""
        return await connect(self._address, timeout=timeout, patience=patience)
