"""Commands to a cluster: each goes to the node that has its queue, and follows when the queue moves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from typedtasks.backends.redis.address import Address
from typedtasks.backends.redis.connection import COMMAND_TIMEOUT, Commands, explained, translated
from typedtasks.backends.redis.protocol import Reply, ReplyError
from typedtasks.backends.redis.script import Script, prefix_of
from typedtasks.backends.redis.slots import Slots, redirected, slot_of
from typedtasks.backends.redis.standalone import Standalone
from typedtasks.errors import BackendUnavailable, TypedTasksError

__all__ = ["ClusterCommands"]

_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.4
_UNSETTLED: Final = ("TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "UNBLOCKED", "READONLY")
"""Nothing was done: the slot, or the part of its node, is just changing hands."""


class _NotDoneError(Exception):
    """A command was not done: it was not sent, or belongs elsewhere. `importing` is the node that is getting its slot."""

    def __init__(self, reason: Exception, importing: Address | None = None) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.importing = importing


class ClusterCommands:
    """Runs the commands of each queue on one connection to its queue's node. Implements `Executor`.

    A redirected command was not done, so it is sent where it belongs, within the time that a command has. A command whose
    connection is lost raises `BackendUnavailable`, though it may have been done.
    """

    def __init__(self, slots: Slots, *, timeout: float = COMMAND_TIMEOUT, exclusive: bool = False, blocks: float = 0.0) -> None:
        self._slots = slots
        self._timeout = timeout
        self._exclusive = exclusive
        self._blocks = blocks
        self._nodes: dict[Address, Commands] = {}
        self._closed = False

    async def run(self, script: Script, queue: str, what: str, *arguments: object) -> Reply:
        """Return a script's reply.

        Its second key is one that is never there: so no node runs a script while the queue's keys are on their way to another
        node, where it would find some of them only.
        """
        prefix = prefix_of(queue)
        rest = (2, f"{prefix}w", f"{prefix}none", prefix, *arguments)
        try:
            try:
                return await self._call(queue, ("EVALSHA", script.sha, *rest), follows=False)
            except ReplyError as error:
                if error.code != "NOSCRIPT":
                    raise
                return await self._call(queue, ("EVAL", script.text, *rest), follows=False)
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error, script, arguments) from error

    async def command(self, queue: str, what: str, *arguments: object) -> Reply:
        """Return a command's reply."""
        try:
            return await self._call(queue, arguments)
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error) from error

    async def read(self, queue: str, what: str, *arguments: object) -> Reply:
        """Return the reply of a command that changes nothing: it is sent again where its connection is lost."""
        try:
            return await self._call(queue, arguments, repeats=True)
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error) from error

    async def all_of(self, queue: str, what: str, commands: Sequence[Sequence[object]]) -> None:
        """Send several commands at once, and return when all have been answered."""
        try:
            await asyncio.gather(*[self._call(queue, arguments) for arguments in commands])
        except (ReplyError, OSError) as error:
            raise await self.failure(queue, what, error) from error

    async def everywhere(self, what: str, *arguments: object) -> list[tuple[str, Reply]]:
        """Return the name of each primary that answers, and its reply to a command."""
        try:
            nodes = await self._slots.primaries()
        except (ReplyError, OSError) as error:
            raise translated(self._slots.shown, what, error) from error
        asking = [self._node(node).everywhere(what, *arguments) for node in nodes]
        answers: list[tuple[str, Reply]] = []
        failure: BaseException | None = None
        for answer in await asyncio.gather(*asking, return_exceptions=True):
            if isinstance(answer, BaseException):
                failure = answer
            else:
                answers += answer
        if failure is not None and not (answers and isinstance(failure, BackendUnavailable)):
            raise failure
        return answers

    async def failure(
        self, queue: str, what: str, error: Exception, script: Script | None = None, arguments: Sequence[object] = ()
    ) -> TypedTasksError:
        """Return our error for what a command or script has met; where keys are foreign, it names them."""

        async def ask(command: Sequence[object]) -> Reply:
            return await self._call(queue, command)

        return await explained(translated(self._slots.shown, what, error, script), ask, queue, script, arguments)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        for node in self._nodes.values():
            await node.close()

    async def _call(self, queue: str, arguments: Sequence[object], *, follows: bool = True, repeats: bool = False) -> Reply:
        """Send a command to its queue's node, and again where it was not done there. Raises `ReplyError` and `OSError`.

        `follows`: whether it may be sent to a node that is still getting the queue's keys. `repeats`: whether it is sent again
        where its connection is lost, though it may have been done.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + COMMAND_TIMEOUT, 0.0
        slot = slot_of(queue)
        importing: Address | None = None
        while True:
            failure: Exception
            try:
                return await self._send(slot, arguments, importing)
            except _NotDoneError as error:
                failure, importing = error.reason, error.importing if follows else None
            except ConnectionError as error:
                if not repeats:
                    raise
                failure, importing = error, None
            is_away = isinstance(failure, OSError)
            if self._closed or loop.time() + pause > deadline or (is_away and slot in self._slots.away):
                if is_away:
                    self._slots.away.add(slot)
                raise failure
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, max(_PAUSE, 2 * pause))

    async def _send(self, slot: int, arguments: Sequence[object], importing: Address | None) -> Reply:
        """Return the reply of a slot's node, or of the node that is getting the slot. Raises `_NotDoneError` too."""
        try:
            address = importing or await self._slots.node_of(slot)
            connection = await self._node(address).connected()
            self._slots.away.discard(slot)
        except OSError as error:
            self._slots.stale = True
            raise _NotDoneError(error) from error
        if importing is not None:
            connection.call(("ASKING",)).add_done_callback(_ignore)
        try:
            return await connection.call(arguments)
        except asyncio.CancelledError:
            if self._exclusive:
                connection.close()
            raise
        except OSError:
            self._slots.stale = True
            raise
        except ReplyError as error:
            if error.code == "MOVED":
                self._slots.moved(slot, redirected(str(error), address))
            elif error.code == "ASK":
                raise _NotDoneError(error, redirected(str(error), address)) from error
            elif error.code not in _UNSETTLED:
                raise
            elif error.code != "TRYAGAIN":
                self._slots.stale = True
            raise _NotDoneError(error) from error

    def _node(self, address: Address) -> Commands:
        if self._closed:
            raise ConnectionError("the connections were closed")
        node = self._nodes.get(address)
        if node is None:
            shown = f"{self._slots.shown}, node {address.name},"
            server = Standalone(address, shown, self._slots.watch)
            node = self._nodes[address] = Commands(server, timeout=self._timeout, blocks=self._blocks)
        return node


def _ignore(reply: asyncio.Future[Reply]) -> None:
    """Take notice of what became of a command whose reply is not waited for."""
    if not reply.cancelled():
        reply.exception()
