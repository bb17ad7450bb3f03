"""One server, always the same."""

from __future__ import annotations

from typedtasks.backends.redis.address import Address
from typedtasks.backends.redis.protocol import Connection, connect
from typedtasks.backends.redis.watching import Watch

__all__ = ["Standalone"]


class Standalone:
    """Opens connections to one address. Implements `Server`. `watch`: of a node that others in its cluster may replace."""

    may_move = False

    def __init__(self, address: Address, shown: str, watch: Watch | None = None) -> None:
        self.shown = shown
        self._address = address
        self._watch = watch

    async def connect(self, timeout: float, patience: float, *, blocks: float = 0.0) -> Connection:
        """Return an open connection (see `Server`)."""
        connection = await connect(self._address, timeout=timeout, patience=patience)
        if self._watch is not None:
            self._watch.add(connection, self._address, blocks=blocks)
        return connection
