"""typedtasks: an async, distributed task manager in which a task is a typed contract."""

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
