"""What a forked child inherits and must not use: connections, signal handlers, event loops whose threads it does not have.

A child shares descriptors with its parent, so whatever it reads or writes there it does in the parent's name. `os.register_at_fork`
takes nothing back, so one function is registered, when something is opened for the first time, and it knows what is open by weak
references.
"""

from __future__ import annotations

import functools
import gc
import os
import signal
import socket
import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Never, Protocol, cast
from weakref import WeakSet

from typedtasks.logs import Log

__all__ = [
    "Inherited",
    "end_forked_child",
    "hold_during_forks",
    "keep_for_ever",
    "let_go",
    "let_go_of_socket",
    "run_next",
    "unwatch_forks",
    "watch_forks",
]

_PATIENCE: Final = 2
"""Seconds that the log has for the last words of a child."""

_LONGEST_HOLD: Final = 10.0
"""Seconds that a fork waits for a lock, at most."""

_log = Log("typedtasks.forking")


class Inherited(Protocol):
    """What a forked child has, and its parent uses."""

    def forked(self) -> None:
        """Take notice, in the child, that this process was forked. Nothing may be waited for."""
        ...


_watched: Final[WeakSet[Inherited]] = WeakSet()
_kept: Final[list[object]] = []
_locks: Final[WeakSet[threading.Lock]] = WeakSet()
_held: Final[dict[int, tuple[set[int | signal.Signals], list[threading.Lock]]]] = {}
"""By the thread that forks: its signal mask, and the locks that it holds."""


def watch_forks(thing: Inherited) -> None:
    """Have `thing.forked` called in every child that is forked, as long as it lives and until `unwatch_forks`."""
    _register()
    _watched.add(thing)


def unwatch_forks(thing: Inherited) -> None:
    """End what `watch_forks` began."""
    _watched.discard(thing)


def hold_during_forks(lock: threading.Lock) -> None:
    """Have a fork wait for `lock`, which a thread holds while it is amidst something that a child could not go on from."""
    _register()
    _locks.add(lock)


def keep_for_ever(*things: object) -> None:
    """Keep what a child inherits and has to leave alone: to collect it would close it, and with it what the parent uses."""
    _kept.extend(things)


def let_go(descriptor: int) -> None:
    """Give the parent's descriptor up in this child. Its number stays taken, so that whoever closes it later closes nothing else.

    (To close the transport would take the descriptor out of the parent's selector, which is shared.)
    """
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)


def let_go_of_socket(transport_socket: object) -> None:
    """Give up the socket of a transport, as it is found there under `socket`."""
    with suppress(OSError, AttributeError):
        let_go(cast("socket.socket", transport_socket).fileno())


def run_next(loop: AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Let an inherited event loop run `callback` before all else that it has ready: steps of tasks that are the parent's."""
    loop.call_soon(callback)
    ready = cast("deque[object] | None", getattr(loop, "_ready", None))
    if ready is None:  # uvloop has it, and shows it to nobody but the garbage collector
        held: list[object] = gc.get_referents(loop)
        ready = next((cast("deque[object]", thing) for thing in held if isinstance(thing, deque)), None)
    if ready is not None:
        ready.rotate(1)


def end_forked_child(who: str, error: BaseException | None = None) -> Never:
    """End this process, in which a task has come back from `os.fork()`: it is no worker. `sys.exit(code)` there means `code`."""
    if isinstance(error, SystemExit):
        code: object = error.code
        os._exit(code & 0xFF if isinstance(code, int) else 0 if code is None else 1)
    with suppress(ValueError):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_PATIENCE)  # a lock that another thread of the parent had may be locked for ever
    _log.error(
        "%s: a child that it has forked came back from the task%s, and has been ended: it is no worker. End it with os._exit(), "
        "or use multiprocessing or subprocess.",
        who,
        f" with {type(error).__name__}" if error is not None else "",
    )
    os._exit(1)


@functools.cache
def _register() -> None:
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    # A signal that reaches the child before its handlers are its own would be lost: it waits.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    _held[threading.get_ident()] = mask, [lock for lock in list(_locks) if lock.acquire(timeout=_LONGEST_HOLD)]


def _in_parent() -> None:
    mask, locks = _held.pop(threading.get_ident())
    for lock in locks:
        lock.release()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _in_child() -> None:
    mask, locks = _held.pop(threading.get_ident())
    _held.clear()
    for lock in locks:
        lock.release()
    with suppress(ValueError):
        signal.set_wakeup_fd(-1)  # the parent's event loop reads what is written there
    for thing in list(_watched):
        try:
            thing.forked()
        except Exception:  # noqa: BLE001 - the fork is somebody else's, and goes on
            _log.exception("%r cannot be left to the parent of this process.", thing)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
