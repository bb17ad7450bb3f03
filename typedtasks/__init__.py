"""typedtasks: an async, distributed task manager in which a task is a typed contract."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typedtasks.backend import Counts, SessionState, Waiting
    from typedtasks.broker import Broker
    from typedtasks.clock import Duration
    from typedtasks.codecs import Compress, Encrypt
    from typedtasks.context import Context
    from typedtasks.errors import (
        BackendFull,
        BackendUnavailable,
        BackendUnsupported,
        BrokerClosed,
        DefinitionError,
        PayloadInvalid,
        PayloadRejected,
        PayloadTooLarge,
        ResultExpired,
        ResultInvalid,
        ResultLost,
        ResultTimeout,
        SoftTimeout,
        TaskCancelled,
        TaskError,
        TaskExpired,
        TaskFailed,
        TaskTimedOut,
        TypedTasksError,
    )
    from typedtasks.handle import TaskHandle
    from typedtasks.injection import Depends, Injected
    from typedtasks.operating import Cancellation, DeadLetter, Replay
    from typedtasks.outcome import Cancelled, Crashed, Expired, Failure, Outcome, Success
    from typedtasks.progress import Progress
    from typedtasks.retry import Retry
    from typedtasks.secret import Secret
    from typedtasks.task import AsyncDepsTask, AsyncTask, Call, SyncDepsTask, SyncTask, Task
    from typedtasks.worker import Worker

__all__ = [
    "AsyncDepsTask",
    "AsyncTask",
    "BackendFull",
    "BackendUnavailable",
    "BackendUnsupported",
    "Broker",
    "BrokerClosed",
    "Call",
    "Cancellation",
    "Cancelled",
    "Compress",
    "Context",
    "Counts",
    "Crashed",
    "DeadLetter",
    "DefinitionError",
    "Depends",
    "Duration",
    "Encrypt",
    "Expired",
    "Failure",
    "Injected",
    "Outcome",
    "PayloadInvalid",
    "PayloadRejected",
    "PayloadTooLarge",
    "Progress",
    "Replay",
    "ResultExpired",
    "ResultInvalid",
    "ResultLost",
    "ResultTimeout",
    "Retry",
    "Secret",
    "SessionState",
    "SoftTimeout",
    "Success",
    "SyncDepsTask",
    "SyncTask",
    "Task",
    "TaskCancelled",
    "TaskError",
    "TaskExpired",
    "TaskFailed",
    "TaskHandle",
    "TaskTimedOut",
    "TypedTasksError",
    "Waiting",
    "Worker",
]

_HOMES: Final = {
    "typedtasks.backend": (
        "Counts",
        "SessionState",
        "Waiting",
    ),
    "typedtasks.broker": ("Broker",),
    "typedtasks.clock": ("Duration",),
    "typedtasks.codecs": (
        "Compress",
        "Encrypt",
    ),
    "typedtasks.context": ("Context",),
    "typedtasks.errors": (
        "BackendFull",
        "BackendUnavailable",
        "BackendUnsupported",
        "BrokerClosed",
        "DefinitionError",
        "PayloadInvalid",
        "PayloadRejected",
        "PayloadTooLarge",
        "ResultExpired",
        "ResultInvalid",
        "ResultLost",
        "ResultTimeout",
        "SoftTimeout",
        "TaskCancelled",
        "TaskError",
        "TaskExpired",
        "TaskFailed",
        "TaskTimedOut",
        "TypedTasksError",
    ),
    "typedtasks.handle": ("TaskHandle",),
    "typedtasks.injection": (
        "Depends",
        "Injected",
    ),
    "typedtasks.operating": (
        "Cancellation",
        "DeadLetter",
        "Replay",
    ),
    "typedtasks.outcome": (
        "Cancelled",
        "Crashed",
        "Expired",
        "Failure",
        "Outcome",
        "Success",
    ),
    "typedtasks.progress": ("Progress",),
    "typedtasks.retry": ("Retry",),
    "typedtasks.secret": ("Secret",),
    "typedtasks.task": (
        "AsyncDepsTask",
        "AsyncTask",
        "Call",
        "SyncDepsTask",
        "SyncTask",
        "Task",
    ),
    "typedtasks.worker": ("Worker",),
}

if not TYPE_CHECKING:  # a checker would take every name for one that is here

    def __getattr__(name):
        """Import a name when it is used first: the mypy plugin is in this package, and mypy needs none of the rest."""
        for home, names in _HOMES.items():
            if name in names:
                globals().update({one: getattr(import_module(home), one) for one in names})
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
