"""How a task ended: as objects that callers match on, and as bytes.

An outcome on the wire has the shape of an envelope: one line of JSON that says how it ended, then one JSON value: the result of
a success, the fields of a declared failure, nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, Never, NotRequired, TypeAlias, final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict, TypeVar

from typedtasks.contract import write_fields
from typedtasks.errors import (
    PayloadRejected,
    ResultInvalid,
    TaskCancelled,
    TaskError,
    TaskExpired,
    TaskFailed,
    TaskTimedOut,
    describe,
    error_details,
    printable,
)

__all__ = [
    "Cancelled",
    "Crashed",
    "Ending",
    "Expired",
    "Failure",
    "Outcome",
    "OutcomeLine",
    "Success",
    "ended_without_value",
    "is_success",
    "read_line",
    "read_outcome",
    "sealed_prefix",
    "success_prefix",
    "write_outcome",
]

R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", covariant=True, bound=TaskError, default=Never)


@final
@dataclass(frozen=True, slots=True)
class Success(Generic[R_co]):
    """The task returned; `value` is its validated result."""

    value: R_co
    attempts: int = 1
    """How many times the task was executed."""


@final
@dataclass(frozen=True, slots=True)
class Failure(Generic[E_co]):
    """The task raised a failure that it declares in `raises=`; `error` is that failure, with its typed fields."""

    error: E_co


@final
@dataclass(frozen=True, slots=True)
class Crashed:
    """The task ended with an error that it does not declare.

    `error` is what `TaskHandle.result` raises for it: `TaskFailed`, or one of `TaskTimedOut`, `ResultInvalid`,
    `PayloadRejected` where typedtasks itself ended the task.
    """

    message: str
    type: str
    """The name of the exception's class, as the worker saw it."""
    traceback: str
    """The traceback as text; empty where no code of the task was running."""
    attempts: int
    error: TaskFailed


@final
@dataclass(frozen=True, slots=True)
class Cancelled:
    """The task was cancelled before it gave a result."""


@final
@dataclass(frozen=True, slots=True)
class Expired:
    """The task was not started before its `expires` had passed."""


Outcome: TypeAlias = Success[R_co] | Failure[E_co] | Crashed | Cancelled | Expired
"""What `TaskHandle.outcome` returns: exactly one of these."""

Ending: TypeAlias = Literal["success", "failure", "crashed", "timed_out", "rejected", "result_invalid", "cancelled", "expired"]


class _Misfit(TypedDict):
    type: str
    loc: tuple[int | str, ...]
    msg: str
    input: str


class OutcomeLine(TypedDict):
    """The first line of an outcome."""

    v: Literal[1]
    outcome: Ending
    attempts: NotRequired[int]
    type: NotRequired[str]
    message: NotRequired[str]
    traceback: NotRequired[str]
    errors: NotRequired[list[_Misfit]]
    codecs: NotRequired[list[str]]
    """By what the second part was encoded: then it holds the whole outcome."""


_LINE: Final = TypeAdapter(OutcomeLine)
_FIRST_SUCCESS: Final = b'{"v":1,"outcome":"success"}\n'
_SUCCESS: Final = b'{"v":1,"outcome":"success"'
_CLASSES: Final[dict[Ending, type[TaskFailed]]] = {
    "crashed": TaskFailed,
    "timed_out": TaskTimedOut,
    "rejected": PayloadRejected,
    "result_invalid": ResultInvalid,
    "cancelled": TaskCancelled,
    "expired": TaskExpired,
}


def success_prefix(attempts: int) -> bytes:
    """Return what stands before the JSON of a result."""
    return _FIRST_SUCCESS if attempts == 1 else write_outcome("success", attempts=attempts)


def sealed_prefix(line: OutcomeLine, codecs: Sequence[str]) -> bytes:
    """Return what stands before an outcome that was encoded by codecs: how the task ended, and after how many attempts."""
    shown: OutcomeLine = {"v": 1, "outcome": line["outcome"], "codecs": list(codecs)}
    if "attempts" in line:
        shown["attempts"] = line["attempts"]
    return _LINE.dump_json(shown) + b"\n"


def is_success(body: bytes) -> bool:
    """Return whether an outcome that this version wrote is a success."""
    return body.startswith(_SUCCESS)


def write_outcome(
    ending: Ending, *, attempts: int = 1, error: TaskFailed | None = None, errors: Sequence[ErrorDetails] = ()
) -> bytes:
    """Return an outcome as bytes. `error` says what failed; a declared failure's fields become the second part."""
    line: OutcomeLine = {"v": 1, "outcome": ending}
    if attempts != 1:
        line["attempts"] = attempts
    if error is not None:
        line["type"] = printable(error.type)
        line["message"] = printable(error.message)
        if error.traceback:
            line["traceback"] = printable(error.traceback)
    if errors:
        line["errors"] = [{"type": e["type"], "loc": e["loc"], "msg": e["msg"], "input": str(e["input"])} for e in errors]
    fields = write_fields(error) if ending == "failure" and isinstance(error, TaskError) else b""
    return _LINE.dump_json(line) + b"\n" + fields


def read_outcome(body: bytes) -> tuple[OutcomeLine, bytes]:
    """Return the first line and the bytes of the value. Raises `ResultInvalid` where this version cannot read it."""
    if body.startswith(_FIRST_SUCCESS):
        return {"v": 1, "outcome": "success"}, body[len(_FIRST_SUCCESS) :]
    line = read_line(body)
    if line.get("codecs"):
        raise ResultInvalid(
            f"The outcome was encoded with {', '.join(line.get('codecs', []))}, and this side has no such codecs: pass the same "
            "Broker(codecs=...) as the worker has."
        )
    return line, body.partition(b"\n")[2]


def read_line(body: bytes) -> OutcomeLine:
    """Return the first line of an outcome, sealed or not. Raises `ResultInvalid` where this version cannot read it."""
    try:
        return _LINE.validate_json(body.partition(b"\n")[0])
    except ValidationError as error:
        found = describe(error_details(error))
        raise ResultInvalid(f"The stored outcome cannot be read by this version of typedtasks:{found}") from None


def ended_without_value(line: OutcomeLine) -> Crashed | Cancelled | Expired:
    """Return the outcome of a task that neither succeeded nor failed as declared."""
    ending = line["outcome"]
    if ending == "cancelled":
        return Cancelled()
    if ending == "expired":
        return Expired()
    message, kind = line.get("message", ""), line.get("type", "")
    traceback, attempts = line.get("traceback", ""), line.get("attempts", 1)
    error = _CLASSES.get(ending, TaskFailed)(message, type=kind, traceback=traceback, attempts=attempts)
    if isinstance(error, PayloadRejected):
        error.errors = [ErrorDetails(type=e["type"], loc=e["loc"], msg=e["msg"], input=e["input"]) for e in line.get("errors", [])]
    return Crashed(message, error.type, traceback, attempts, error)
