"""The end of a process that may not wait for what its tasks have left behind."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import Final

from typedtasks.logs import Log

__all__ = ["run_exit_functions"]

_LIMIT: Final = 10.0

_log = Log("typedtasks.worker")


def run_exit_functions(code: int, limit: float = _LIMIT) -> None:
    """Run what was registered with `atexit`, and flush what was written. After `limit` seconds the process ends with `code`.

    Python itself would first wait for all threads, and one that outlived its timeout may never end.
    """

    def give_up() -> None:
        _log.error("What was registered with atexit takes longer than %g s: it is not waited for.", limit)
        os._exit(code)

    timer = threading.Timer(limit, give_up)
    timer.daemon = True
    timer.start()
    # The interpreter has no public way to run them before its end, and multiprocessing does the same.
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    timer.cancel()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it is closed, or whoever reads it has gone
            stream.flush()
