"""Which node of a cluster has which slot."""

from __future__ import annotations

import asyncio
import binascii
import random
from typing import Final, cast

from typedtasks.backends.redis.address import Address, ClusterAddress
from typedtasks.backends.redis.protocol import Connection, Reply, ReplyError, connect
from typedtasks.backends.redis.watching import Watch
from typedtasks.errors import BackendUnsupported

__all__ = ["Slots", "redirected", "slot_of"]

_SLOTS: Final = 16384
_NODE_PATIENCE: Final = 1.0
"""Seconds that a node has to say how the slots are divided, before another is asked."""
_PATIENCE: Final = 4.0
"""Seconds that all of them have together."""


def slot_of(queue: str) -> int:
    """Return the slot of a queue: all of its keys have its name in braces, and only that counts."""
    return binascii.crc_hqx(queue.encode(), 0) % _SLOTS


def redirected(answer: str, asked: Address) -> Address:
    """Return the node that an answer names: `MOVED <slot> <host>:<port>`. Without a host it is where the one is that was asked."""
    host, _, port = answer.rpartition(" ")[2].rpartition(":")
    return asked.at(host or asked.host, int(port))


class Slots:
    """Knows the nodes of a cluster. It asks any node that answers, and asks again once `stale` is set. Implements `Server`."""

    may_move = True

    def __init__(self, address: ClusterAddress, shown: str) -> None:
        self.shown = shown
        self.stale = True
        self.away: set[int] = set()
        """Slots whose node was not there for as long as a command may take: the next one tries it once, and does not wait."""
        self._seeds = address.nodes
        self._nodes: tuple[Address, ...] = ()
        self._by_slot: list[Address | None] = [None] * _SLOTS
        self._asking = asyncio.Lock()
        self.watch = Watch(self._is_replaced)

    async def connect(self, timeout: float, patience: float, *, blocks: float = 0.0) -> Connection:
        """Return a connection to any node: whatever is published on one is heard on all."""
        deadline = asyncio.get_running_loop().time() + patience
        refusals: list[str] = []
        refusal: ReplyError | None = None
        for address in self._candidates():
            left = min(_NODE_PATIENCE, deadline - asyncio.get_running_loop().time())
            if left <= 0:
                break
            try:
                connection = await connect(address, timeout=timeout, patience=left)
                self.watch.add(connection, address, blocks=blocks)
                return connection
            except ReplyError as error:
                refusal = error
            except OSError as error:
                refusals.append(f"{address.name}: {error}")
        if refusal is not None:
            raise refusal
        raise ConnectionError(f"none of its nodes answers: {'; '.join(refusals)}")

    async def primaries(self) -> tuple[Address, ...]:
        """Return every node that has slots."""
        if self.stale:
            await self._refresh()
        return self._nodes

    async def node_of(self, slot: int) -> Address:
        """Return the node that has a slot. Raises `ConnectionError` when none has, or no node answers."""
        if self.stale:
            await self._refresh()
        address = self._by_slot[slot]
        if address is None:
            self.stale = True
            raise ConnectionError(f"no node has the slot {slot}")
        return address

    def moved(self, slot: int, address: Address) -> None:
        """Take notice of the node where a slot is now."""
        self._by_slot[slot] = address

    async def _is_replaced(self, address: Address) -> bool:
        """Ask the other nodes whether one has no slots any more."""
        self.stale = True
        await self._refresh(avoid=address)
        return address not in self._nodes

    async def _refresh(self, avoid: Address | None = None) -> None:
        """Ask one node how the slots are divided; `avoid` only where no other answers."""
        async with self._asking:
            if not self.stale:
                return  # somebody else has just done it
            refusals: list[str] = []
            refusal: ReplyError | None = None
            try:
                async with asyncio.timeout(_PATIENCE):
                    for address in self._candidates(avoid):
                        try:
                            self._learn(await _ranges(address))
                        except ReplyError as error:
                            refusal = error
                        except OSError as error:
                            refusals.append(f"{address.name}: {error}")
                        else:
                            return
            except TimeoutError:
                refusals.append("the others were not asked in time")
            if refusal is not None:
                raise refusal
            raise ConnectionError(f"none of its nodes says how the slots are divided: {'; '.join(refusals)}")

    def _learn(self, ranges: list[tuple[int, int, Address]]) -> None:
        by_slot: list[Address | None] = [None] * _SLOTS
        for first, last, node in ranges:
            by_slot[first : last + 1] = [node] * (last + 1 - first)
        self._by_slot = by_slot
        self._nodes = tuple(dict.fromkeys(node for _, _, node in ranges))
        self.stale = False

    def _candidates(self, avoid: Address | None = None) -> list[Address]:
        known = random.sample(self._nodes, len(self._nodes))
        return sorted(dict.fromkeys((*known, *self._seeds)), key=lambda address: address == avoid)


async def _ranges(address: Address) -> list[tuple[int, int, Address]]:
    """Return which slots belong to which primary, as one node sees it: first, last, node."""
    connection = await connect(address, timeout=_NODE_PATIENCE, patience=_NODE_PATIENCE)
    try:
        # CLUSTER SLOTS, and not SHARDS: proxies and managed services have it, too.
        rows = cast("list[list[Reply]]", await connection.call(("CLUSTER", "SLOTS")))
    except ReplyError as error:
        if "cluster support disabled" not in str(error):
            raise
        raise BackendUnsupported(
            f"Redis at {address.name} is in no cluster: write redis://{address.name}/0, or name nodes of a cluster."
        ) from error
    finally:
        connection.close()
        await connection.lost
    if not rows:
        raise ConnectionError("it knows no node that has slots")
    return [(first, last, _node(address, primary)) for first, last, primary, *_ in rows]


def _node(asked: Address, named: list[Reply]) -> Address:
    """Return a node's address. One without a host is at the host that was asked."""
    host = cast("bytes | None", named[0])
    known = host is not None and host not in (b"", b"?")
    return asked.at(host.decode() if known and host is not None else asked.host, int(named[1]))
