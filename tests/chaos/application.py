"""What the workers run under chaos, in two versions (CHAOS_VERSION).

The second knows one task more, and another has new arguments in it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection, Sequence
from typing import Any, Final, cast

from typedtasks import Broker
from typedtasks.backend import Reschedule, Session, SessionId, SessionListener, Settlement

__all__ = ["broker", "changed", "newer", "poison", "step"]

broker = Broker()
_LOG: Final = os.open(os.environ.get("CHAOS_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _note(kind: str, names: Collection[object]) -> None:
    """Append one line for each name. One call for all of them, so that no death leaves half of it."""
    os.write(_LOG, "".join(f"{kind} {name}\n" for name in names).encode())


@broker.task(name="chaos.step")
async def step(number: int, seconds: float) -> int:
    """Take a while."""
    _note("run", [number])
    await asyncio.sleep(seconds)
    return number


@broker.task(name="chaos.poison")
async def poison(number: int) -> int:
    """End the process, as a crash in C would."""
    _note("poison", [number])
    os.kill(os.getpid(), signal.SIGKILL)
    return number


if os.environ.get("CHAOS_VERSION", "2") == "2":

    @broker.task(name="chaos.newer")
    async def newer(number: int, seconds: float) -> int:
        """A task that the first version does not know yet."""
        return await step(number, seconds)

    @broker.task(name="chaos.changed")
    async def changed(number: int, seconds: float, *, why: str) -> int:
        """A task whose arguments are others than in the first version."""
        return await step(number, seconds)

else:

    @broker.task(name="chaos.changed")
    async def _changed(number: int, seconds: float) -> int:  # pyright: ignore[reportUnusedFunction]
        return await step(number, seconds)


_join = broker.backend.join


async def _join_and_record(session: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> Session:
    """Begin a session that writes down which outcomes it has committed."""
    joined = await _join(session, queues, lease, listener)
    settle = joined.settle

    async def settle_and_record(batch: Sequence[Settlement]) -> list[bool]:
        owned = await settle(batch)
        _note(
            "commit",
            [item.delivery.id for item, was in zip(batch, owned, strict=True) if was and not isinstance(item, Reschedule)],
        )
        return owned

    # Any: a method of one object is replaced, for want of a hook that only this would use.
    cast("Any", joined).settle = settle_and_record
    return joined


# Any: as above.
cast("Any", broker.backend).join = _join_and_record
