"""The worker's side of the Redis backend: claim, settle, recover, one script call for each batch."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, cast

from typedtasks.backend import (
    BACKEND_ERRORS,
    Delivery,
    PartlySettled,
    Recovered,
    Report,
    SessionId,
    SessionListener,
    SessionLost,
    Settlement,
    TaskId,
    read_plan,
)
from typedtasks.backends.redis.codec import STREAMS, delivery_of, place_of, report_rows, settlement_rows, unpacked
from typedtasks.backends.redis.connection import COMMAND_TIMEOUT
from typedtasks.backends.redis.deployment import Deployment
from typedtasks.backends.redis.lease import RedisLeaseKeeper
from typedtasks.backends.redis.protocol import Reply, ReplyError
from typedtasks.backends.redis.readers import Readers
from typedtasks.backends.redis.refusals import GroupMissing
from typedtasks.backends.redis.script import Script, prefix_of
from typedtasks.batching import cancel_and_wait
from typedtasks.errors import TypedTasksError
from typedtasks.logs import Log
from typedtasks.trouble import Trouble

__all__ = ["RedisSession", "SessionScripts"]

_PROMOTE_AT_LEAST: Final = 5.0
_REPLY_LOST_AFTER: Final = COMMAND_TIMEOUT + 1.0
"""Seconds after which a reply that has not come will not come."""
_AFTER_ITS_END: Final = 0.01
"""Seconds that a lease is over before it is looked at."""
_DONE: Final = ord("1")
_FAILED: Final = ord("e")
_SETTLING: Final = "Settling tasks"

_log = Log("typedtasks.redis")


class SessionScripts:
    """The scripts that a session runs, read once."""

    def __init__(self) -> None:
        self.join = Script("join")
        self.renew = Script("renew")
        self.promote = Script("promote")
        self.claim = Script("claim")
        self.settle = Script("settle")
        self.report = Script("report")
        self.release = Script("release")
        self.recover = Script("recover")
        self.adopt = Script("adopt")
        self.unpark = Script("unpark")
        self.leave = Script("leave")


class RedisSession:
    """A worker's session. Implements `typedtasks.backend.Session`; a receipt is `<queue>:<priority>:<entry id>`."""

    def __init__(
        self,
        deployment: Deployment,
        scripts: SessionScripts,
        id: SessionId,
        queues: Sequence[str],
        lease: float,
        listener: SessionListener,
    ) -> None:
        self._deployment = deployment
        self._scripts = scripts
        self._id = id
        self._queues = tuple(queues)
        self._lease_ms = int(lease * 1000)
        self._listener = listener
        self._commands = deployment.commands()
        self._readers = Readers(deployment, self._commands, id, self._queues, self._doubt)
        channels = {f"{prefix_of(queue)}ctl": self._on_control for queue in self._queues}
        self._messages = deployment.messages(channels, self._look_at_everything, patient=True)
        self._turn = 0
        self._receives = self._receiving = 0
        self._doubtful = False
        """Whether a reply with deliveries may have been lost."""
        self._missed: dict[str, float] = {}
        """Own entries that are not in hand, and since when: a reply with them may be on its way."""
        self._telling = Trouble(_log, "News of outcomes is published again.")
        self._recovering = Trouble(_log, "What others left behind can be taken over again.")
        self._promoting = Trouble(_log, "Delayed tasks are made ready again.")
        self._due = asyncio.Event()
        self._promoter: asyncio.Task[None] | None = None

    @property
    def id(self) -> SessionId:
        """The session's id."""
        return self._id

    async def open(self) -> None:
        """Begin the session: its lease runs from now."""
        try:
            await self._messages.open()
            for queue in self._queues:
                await self._commands.run(self._scripts.join, queue, "Beginning a session", self._id, self._lease_ms)
        except BaseException:
            await self.leave()
            raise
        self._promoter = asyncio.create_task(self._promote(), name="typedtasks-redis-promoter")

    async def receive(self, capacity: int, wait: float) -> list[Delivery]:
        """Claim from each queue in turn; when there is nothing, block until there is."""
        self._receives += 1
        self._receiving += 1
        try:
            deliveries = await self._receive(capacity, wait)
        except BaseException:
            self._doubtful = True
            raise
        finally:
            self._receiving -= 1
        if self._doubtful:
            self._doubtful = False
            self._listener.left_behind()
        return deliveries

    async def _receive(self, capacity: int, wait: float) -> list[Delivery]:
        deliveries = await self._claim(capacity)
        if deliveries or wait <= 0:
            return deliveries
        deadline = asyncio.get_running_loop().time() + wait
        while not deliveries:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            deliveries = await self._block(capacity, min(left, self._deployment.longest_block))
        return deliveries

    async def settle(self, batch: Sequence[Settlement]) -> list[bool]:
        """End deliveries: one call for each queue. After a lost reply a second call tells what is still owned.

        What is in the way of one delivery, or of one queue, holds up no other: then it raises `PartlySettled`.
        """
        owned: list[bool | None] = [None] * len(batch)
        failure: TypedTasksError | None = None
        by_queue = _places(batch)
        for queue, places in by_queue.items():
            try:
                failure = await self._settle(queue, [batch[place] for place in places], places, owned) or failure
            except BACKEND_ERRORS as error:
                if len(by_queue) == 1:
                    raise
                failure = error
        if failure is not None and None in owned:
            raise PartlySettled(str(failure.args[0]), owned) from failure
        return [bool(answer) for answer in owned]

    async def _settle(
        self, queue: str, items: Sequence[Settlement], places: Sequence[int], owned: list[bool | None]
    ) -> TypedTasksError | None:
        """Note what became of the deliveries of one queue, and return what went wrong with any of them."""
        arguments: list[object] = [self._id]
        for item in items:
            arguments += settlement_rows(item)
        reply = cast("bytes", await self._run(self._scripts.settle, queue, _SETTLING, *arguments))
        answers, _, said = reply.partition(b"\n")
        for place, answer in zip(places, answers, strict=True):
            owned[place] = None if answer == _FAILED else answer == _DONE
        if not said:
            self._telling.over()
            return None
        failure = await self._explained(queue, _SETTLING, said, self._scripts.settle)
        if _FAILED not in answers:
            self._telling.note("Who waits for outcomes is not told of them, and finds them within some seconds: %s", failure)
        return failure

    async def report(self, batch: Sequence[Report]) -> list[bool]:
        """Keep how far deliveries have come: one call for each queue."""
        owned = [False] * len(batch)
        for queue, places in _places(batch).items():
            arguments: list[object] = [self._id]
            for place in places:
                arguments += report_rows(batch[place])
            answers = cast("bytes", await self._run(self._scripts.report, queue, "Reporting progress", *arguments))
            for place, answer in zip(places, answers, strict=True):
                owned[place] = answer == _DONE
        return owned

    async def release(self, batch: Sequence[Delivery]) -> list[bool]:
        """Give deliveries back."""
        released = [False] * len(batch)
        by_queue: dict[str, list[int]] = {}
        for place, delivery in enumerate(batch):
            by_queue.setdefault(delivery.queue, []).append(place)
        for queue, places in by_queue.items():
            arguments: list[object] = [self._id]
            for place in places:
                arguments += place_of(batch[place].receipt).split(" ")
            answers = cast("bytes", await self._run(self._scripts.release, queue, "Giving tasks back", *arguments))
            for place, answer in zip(places, answers, strict=True):
                released[place] = answer == _DONE
        return released

    async def recover(self, held: Collection[str], capacity: int) -> Recovered:
        """Take over what sessions without a lease owned, and find own entries whose hand-over was lost."""
        found: list[Delivery] = []
        missed: dict[str, float] = {}
        awaited: dict[str, None] = {}
        now = asyncio.get_running_loop().time()
        next_look = self._lease_ms / 1000
        receives, undisturbed = self._receives, not self._receiving
        for queue in self._queues:
            counts = [sum(receipt.startswith(f"{queue}:{priority}:") for receipt in held) for priority in range(STREAMS)]
            room = capacity - len(found)
            reply = await self._run(self._scripts.recover, queue, "Recovering tasks", self._id, room, *counts)
            if reply == -1:
                raise SessionLost
            taken, own, cancelled, next_end, names, *said = reply
            awaited.update({name.decode("utf-8", "replace"): None for name in names})
            if said:
                failure = await self._explained(queue, "Recovering tasks", said[0], self._scripts.recover)
                self._recovering.note("Some of what others left behind cannot be taken over now: %s", failure)
            if next_end >= 0:
                next_look = min(next_look, next_end / 1000 + _AFTER_ITS_END)
            for id in cancelled:
                self._listener.cancelled(TaskId(id.decode("utf-8", "replace")))
            found += unpacked(queue, taken)
            known = {*held, *(delivery.receipt for delivery in found)}
            patience = 0.0 if undisturbed and receives == self._receives else _REPLY_LOST_AFTER
            lost: list[tuple[int, bytes]] = []
            for priority, entry in zip(own[::2], own[1::2], strict=True):
                receipt = f"{queue}:{priority}:{entry.decode()}"
                if receipt not in known:
                    missed[receipt] = self._missed.get(receipt, now)
                    if now - missed[receipt] >= patience and len(lost) < capacity - len(found):
                        lost.append((priority, entry))
            if lost:
                entries = [value for pair in lost for value in pair]
                found += unpacked(queue, await self._run(self._scripts.adopt, queue, "Adopting", self._id, *entries))
        self._missed = missed
        return Recovered(found, min(next_look, _REPLY_LOST_AFTER) if missed else next_look, list(awaited))

    async def unpark(self, names: Collection[str], capacity: int) -> list[Delivery]:
        """Take parked tasks that wait for one of these names. What a lost reply held is found by `recover`."""
        deliveries: list[Delivery] = []
        self._receives += 1
        self._receiving += 1
        try:
            for queue in self._queues if names else ():
                room = max(0, capacity - len(deliveries))
                reply = await self._run(self._scripts.unpark, queue, "Taking parked tasks", self._id, room, *names)
                if reply == -1:
                    raise SessionLost
                deliveries += unpacked(queue, reply)
        except BACKEND_ERRORS:
            self._doubtful = True
            if not deliveries:
                raise
        except BaseException:
            self._doubtful = True
            raise
        finally:
            self._receiving -= 1
        return deliveries

    def keeper(self) -> RedisLeaseKeeper:
        """Return what renews this session's lease in a thread of its own."""
        return RedisLeaseKeeper(self._deployment.url, self._scripts.renew, self._id, self._queues, self._lease_ms)

    async def leave(self) -> None:
        """End the session. Never raises."""
        if self._promoter is not None:
            await cancel_and_wait([self._promoter])
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                for queue in self._queues:
                    await self._run(self._scripts.leave, queue, "Ending a session", self._id)
        except (*BACKEND_ERRORS, TimeoutError) as error:
            _log.warning("The session's end could not be said; its lease will end by itself: %s", error)
        await self._messages.close()
        await self._commands.close()
        await self._readers.close()

    async def _claim(self, capacity: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        plan, first = divmod(self._turn, len(self._queues))
        self._turn += 1
        for queue in self._queues[first:] + self._queues[:first]:
            room = capacity - len(deliveries)
            if room <= 0:
                break
            steps = [int(value) for step in read_plan(plan, room) for value in step]
            try:
                reply = await self._run(self._scripts.claim, queue, "Receiving tasks", self._id, room, *steps)
            except BACKEND_ERRORS:
                if not deliveries:
                    raise
                self._doubtful = True  # what the other queues gave is in hand; the next claim begins with another queue
                break
            if reply == -1:
                raise SessionLost
            deliveries += unpacked(queue, reply)
        return deliveries

    async def _block(self, capacity: int, seconds: float) -> list[Delivery]:
        """Return what arrives first; an empty list after `seconds`."""
        try:
            found = await self._readers.read(seconds)
        except GroupMissing:
            return await self._claim(capacity)  # the data is gone: claiming says whether the lease is, too
        deliveries: list[Delivery] = []
        for name, entries in found:
            queue, priority = name.decode()[4:-4], int(name[-1:])
            for entry, fields in entries:
                values = dict(zip(fields[::2], fields[1::2], strict=False))
                deliveries.append(delivery_of(queue, priority, entry, values))
        if len(deliveries) > capacity:
            await self.release(deliveries[capacity:])
        return deliveries[:capacity]

    async def _promote(self) -> None:
        """Make delayed tasks ready when their time comes: a blocked reader would sleep through it."""
        while True:
            self._due.clear()
            wait = 60.0
            try:
                for queue in self._queues:
                    next_ms = cast("int", await self._run(self._scripts.promote, queue, "Promoting tasks"))
                    if next_ms >= 0:
                        wait = min(wait, next_ms / 1000)
                self._promoting.over()
            except BACKEND_ERRORS as error:
                wait = _PROMOTE_AT_LEAST
                self._promoting.note("Some delayed tasks cannot be made ready now, trying again in %g s: %s", wait, error)
            try:
                async with asyncio.timeout(wait + 0.001):
                    await self._due.wait()
            except TimeoutError:
                continue

    def _on_control(self, message: bytes) -> None:
        kind, text = message[:1], message[1:].decode("utf-8", "replace")
        if kind == b"c":
            self._listener.cancelled(TaskId(text))
        elif kind == b"p":
            self._listener.parked(text)
            self._due_changed()
        elif kind == b"l":
            self._listener.left_behind()
        else:
            self._due_changed()

    def _doubt(self) -> None:
        self._doubtful = True

    def _look_at_everything(self) -> None:
        self._due.set()
        self._listener.left_behind()

    def _due_changed(self) -> None:
        self._due.set()

    async def _explained(self, queue: str, what: str, said: bytes, script: Script) -> TypedTasksError:
        """Return the error for what a script says of a part of its work."""
        return await self._commands.failure(queue, what, ReplyError(said.decode("utf-8", "replace")), script)

    async def _run(self, script: Script, queue: str, what: str, *arguments: object) -> Reply:
        """Return a script's reply."""
        return await self._commands.run(script, queue, what, *arguments)


def _places(batch: Sequence[Settlement | Report]) -> dict[str, list[int]]:
    """Return where in the batch the items of each queue are."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(batch):
        places.setdefault(item.delivery.queue, []).append(place)
    return places
