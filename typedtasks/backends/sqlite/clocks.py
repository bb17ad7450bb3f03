"""The clocks of a file: one for times that people name, and one for leases, which nobody can set.

The second is the machine's monotonic clock. All processes of a machine share it, it stands still while the machine sleeps, and it
begins anew with each start of the machine; so a time of it is written down together with the id of that start. Two processes that
share a file in write-ahead mode share memory, so they run on one kernel: a lease of another start is one of a machine that is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["LEFT", "Clocks", "Moment"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

LEFT: Final = "iif(boot = '', lease - ?, iif(boot = ?, until - ?, 0))"
"""How many milliseconds the lease of a row of `worker` still runs at a `Moment`. (Rows of earlier versions have no `boot`.)"""


class Moment(NamedTuple):
    """One moment by both clocks, in milliseconds: the values for `LEFT`."""

    wall: int
    boot: str
    """The id of the machine's start; empty where it is not known: then leases go by the wall clock."""
    up: int


class Clocks:
    """`now` gives seconds since 1970, and `uptime` seconds since the start of the machine whose id is `boot`.

    Without a `boot` it is asked for on Linux; elsewhere, and where `now` alone is given, leases go by `now`.
    """

    def __init__(self, now: Callable[[], float] = time.time, uptime: Callable[[], float] | None = None, boot: str = "") -> None:
        self._now = now
        self._uptime = uptime or time.monotonic
        self._boot = boot or (_boot_id() if now is time.time or uptime is not None else "")

    def now_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return int(self._now() * 1000)

    def moment(self) -> Moment:
        """Return this moment by both clocks."""
        return Moment(self.now_ms(), self._boot, self.steady_ms())

    def steady_ms(self) -> int:
        """Return milliseconds that go by the clock of the leases."""
        return int((self._uptime() if self._boot else self._now()) * 1000)


def _boot_id() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""
