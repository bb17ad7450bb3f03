"""Every error that typedtasks raises: one class and one stable code for each, described in docs/errors.md."""

from __future__ import annotations

import asyncio
import errno
import inspect
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails
from typing_extensions import dataclass_transform

__all__ = [
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
    "describe",
    "error_details",
    "field_values",
    "fields_model",
    "one_line",
    "printable",
    "representation",
    "system_error",
]

_MOST_ERRORS = 100
_MOST_LINES = 20
_LONGEST_MESSAGE = 400


class TypedTasksError(Exception):
    """The base of every error that typedtasks raises on purpose. `code` is stable: docs/errors.md has a part for each."""

    code: ClassVar[str] = "typedtasks-error"

    def __str__(self) -> str:
        return f"{super().__str__()} [{self.code}]"


class DefinitionError(TypedTasksError):
    """A task that cannot be: unannotated, unable to make the round trip, a name given twice, an option that is unknown."""

    code = "definition-error"


class _InvalidValue(TypedTasksError):
    def __init__(self, message: str, errors: Sequence[ErrorDetails] = ()) -> None:
        super().__init__(message)
        self.errors: list[ErrorDetails] = list(errors)
        """Pydantic's error list: `type`, `loc` (the path to the value), `msg` and `input` of each misfit."""


class PayloadInvalid(_InvalidValue):
    """The arguments do not fit the task's signature. Nothing was sent. `errors` has one entry for each misfit."""

    code = "payload-invalid"


class PayloadTooLarge(TypedTasksError):
    """The arguments, as JSON, are larger than the broker's `max_payload`. Nothing was sent. `size` and `limit` are bytes."""

    code = "payload-too-large"

    def __init__(self, message: str, *, size: int = 0, limit: int = 0) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class BrokerClosed(TypedTasksError):
    """The broker was used before it was opened, after it was closed, or on another event loop than the one that opened it."""

    code = "broker-closed"


class BackendUnavailable(TypedTasksError):
    """The backend could not be reached, or did not answer in time. The message names what was tried."""

    code = "backend-unavailable"


class BackendUnsupported(TypedTasksError):
    """The URL's scheme is unknown, or the server behind it is too old or set up in a way that could lose tasks."""

    code = "backend-unsupported"


class BackendFull(BackendUnavailable):
    """The backend has no room for more tasks (Redis at `maxmemory`, a full disk). Nothing was sent."""

    code = "backend-full"


class TaskFailed(TypedTasksError):
    """The task did not give a result. Raised by `TaskHandle.result`; a declared failure is raised as its own class instead."""

    code = "task-failed"
    type: str
    """The name of the exception's class as the worker saw it, for example `"ZeroDivisionError"`."""
    message: str
    """What the exception said."""
    traceback: str
    """The traceback as text, without the values of local variables; empty when no code of the task was running."""
    attempts: int
    """How many times the task was executed until this outcome was final."""

    def __init__(self, message: str, *, type: str = "", traceback: str = "", attempts: int = 1) -> None:
        super().__init__(message)
        self.type = type or self.__class__.__name__
        self.message = message
        self.traceback = traceback
        self.attempts = attempts

    def __str__(self) -> str:
        text = self.message if self.type == self.__class__.__name__ else f"{self.type}: {self.message}"
        return f"{text} [{self.code}]"


class ResultInvalid(TaskFailed):
    """The function returned what its annotation forbids, or more than `max_result`. The value was not stored."""

    code = "result-invalid"


class PayloadRejected(TaskFailed):
    """The worker refused the payload that it was sent: it does not fit the task. It is a dead letter now, and was never run.

    `errors` is pydantic's error list; it is empty when the envelope itself could not be read.
    """

    code = "payload-rejected"

    def __init__(
        self,
        message: str,
        *,
        type: str = "",
        traceback: str = "",
        attempts: int = 1,
        errors: Sequence[ErrorDetails] = (),
    ) -> None:
        super().__init__(message, type=type, traceback=traceback, attempts=attempts)
        self.errors: list[ErrorDetails] = list(errors)


class TaskTimedOut(TaskFailed):
    """The task ran longer than its `timeout`. The text says whether it was stopped, or goes on."""

    code = "task-timed-out"


class TaskCancelled(TaskFailed):
    """The task was cancelled before it gave a result."""

    code = "task-cancelled"


class TaskExpired(TaskFailed):
    """No worker came to the task before its `expires` had passed, so it was not run, or not run again."""

    code = "task-expired"


class SoftTimeout(asyncio.CancelledError):
    """Raised in an asynchronous task, where it waits, when its `soft_timeout` is over: once, and before its `timeout` ends it.

    Catch it to clean up and to return what there is. A task that lets it pass has timed out. It is a `CancelledError`, so that
    `except Exception` does not swallow it, and so that task groups and context managers end what they have begun.
    """


class ResultTimeout(TypedTasksError):
    """The result did not arrive within `timeout` seconds. The task goes on; the handle can be awaited again."""

    code = "result-timeout"


class ResultExpired(TypedTasksError):
    """The task ended and its outcome was deleted after `result_ttl`."""

    code = "result-expired"


class ResultLost(TypedTasksError):
    """The backend knows neither the task nor an outcome of it: its data was lost or deleted, or the id is wrong."""

    code = "result-lost"


@dataclass_transform(kw_only_default=True)
class TaskError(TaskFailed):
    """The base of failures that a task declares in `raises=`: keyword-only, typed fields that cross the wire as data.

    ```python
    class RateLimited(TaskError):
        retry_at: datetime

    raise RateLimited(retry_at=now + timedelta(minutes=1))
    ```

    The fields are the class's annotations, checked by pydantic when the failure is made (`PayloadInvalid` where they do
    not fit) and again where it arrives. A field `message: str` becomes the error's message; names that every failure has
    already (`type`, `traceback`, `attempts`, `args`, `code`), and those of pydantic's models, are refused.
    """

    code = "task-error"
    _fields: ClassVar[type[BaseModel] | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        declared = {name for name, hint in inspect.get_annotations(cls).items() if "ClassVar" not in str(hint)}
        taken = sorted((declared - {"message"}) & _taken_names())
        if taken:
            raise DefinitionError(
                f"{cls.__qualname__} declares the field {taken[0]!r}, which every failure or pydantic model already has; "
                "give it another name."
            )

    def __init__(self, **fields: object) -> None:
        try:
            values = fields_model(self.__class__).model_validate(fields)
        except ValidationError as error:
            found = error_details(error)
            raise PayloadInvalid(f"The fields of {self.__class__.__qualname__} do not fit:{describe(found)}", found) from None
        shown = ", ".join(f"{name}={value!r}" for name, value in values)
        message = fields.get("message")
        super().__init__(message if isinstance(message, str) else shown or (inspect.getdoc(self.__class__) or ""))
        for name, value in values:
            setattr(self, name, value)

    def __repr__(self) -> str:
        values = vars(self)
        shown = ", ".join(f"{name}={values[name]!r}" for name in fields_model(self.__class__).model_fields if name in values)
        return f"{self.__class__.__qualname__}({shown})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.__class__, field_values(self)), self.__dict__.copy()


def fields_model(failure: type[TaskError]) -> type[BaseModel]:
    """Return the model of a failure's fields; it is made on first use, when forward references can be resolved.

    Raises `NameError` while a type of theirs is not defined yet, and `DefinitionError` for a field that cannot be one.
    """
    # A function and not a method, whose name would be taken from the fields.
    known = failure.__dict__.get("_fields")
    if known is None:
        known = failure._fields = _make_fields_model(failure)  # pyright: ignore[reportPrivateUsage]  # its own, kept there
    return cast("type[BaseModel]", known)


def field_values(error: TaskError) -> dict[str, object]:
    """Return a failure's fields by name, as they are now."""
    return {name: getattr(error, name) for name in fields_model(error.__class__).model_fields}


def _rebuild(failure: type[TaskError], fields: Mapping[str, object]) -> TaskError:
    return failure(**fields)


def _taken_names() -> set[str]:
    return {*dir(TaskError), *TaskFailed.__annotations__, *dir(BaseModel)}


def _make_fields_model(failure: type[TaskError]) -> type[BaseModel]:
    hints = get_type_hints(failure, include_extras=True)
    fields: dict[str, tuple[object, object]] = {}
    for owner in reversed(failure.__mro__):
        if not issubclass(owner, TaskError) or owner is TaskError:
            continue
        for name in inspect.get_annotations(owner):
            if get_origin(hints[name]) is not ClassVar and not name.startswith("_"):
                fields[name] = (hints[name], getattr(failure, name, ...))
    if "message" in fields and not _is_text(fields["message"][0]):
        raise DefinitionError(
            f"{failure.__qualname__} declares the field 'message' as something else than str, but it becomes the error's message; "
            "write message: str, or give it another name."
        )
    config = ConfigDict(strict=True, extra="forbid", validate_default=True, protected_namespaces=())
    # Any: create_model's overloads cannot type a dictionary that is made at run time.
    make = cast("Any", create_model)
    model = cast("type[BaseModel]", make(failure.__name__, __config__=config, **fields))
    for name, field in model.model_fields.items():
        if field.alias or field.validation_alias or field.serialization_alias:
            raise DefinitionError(
                f"{failure.__qualname__} has an alias for the field {name!r}: a field is sent under its own name. Leave it out."
            )
    return model


def _is_text(hint: object) -> bool:
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return kind is str or (get_origin(kind) is Literal and all(isinstance(value, str) for value in get_args(kind)))


def error_details(error: ValidationError) -> list[ErrorDetails]:
    """Return pydantic's errors as plain data: no link, no live object, each input shown in at most 80 characters.

    Of more than 100 errors the first 100, and one that says how many more there are.
    """
    details = [
        ErrorDetails(
            type=item["type"],
            loc=tuple(_shortened(part) if isinstance(part, str) else part for part in item["loc"]),
            msg=_shortened(item["msg"], _LONGEST_MESSAGE),
            input=representation(item["input"]),
        )
        for item in islice(error.errors(include_url=False, include_context=False), _MOST_ERRORS)
    ]
    more = error.error_count() - len(details)
    if more > 0:
        details.append(ErrorDetails(type="more_errors", loc=(), msg=f"There are {more} more errors", input=""))
    return details


def describe(errors: Sequence[ErrorDetails], *, indent: str = "  ") -> str:
    """Return one line for each error: where, what, and what was given."""
    lines = [
        f"\n{indent}{'.'.join(map(str, item['loc'])) or '(the whole value)'}: {item['msg']}"
        + (f" (given: {item['input']})" if item["input"] != "" else "")
        for item in errors[:_MOST_LINES]
    ]
    if len(errors) > len(lines):
        lines.append(f"\n{indent}... and more errors: `.errors` has them")
    return "".join(lines)


def printable(text: str) -> str:
    """Return the text with what is no Unicode (lone surrogates) escaped, so that it can be sent, stored and shown."""
    return text.encode("utf-8", "backslashreplace").decode()


def one_line(text: str) -> str:
    """Return the text on one line: what could steer a terminal, or begin a line of its own, is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def system_error(error: OSError) -> str:
    """Return what the system says, as a sentence, and what helps where that is known."""
    text = error.strerror or str(error) or type(error).__name__
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{text}. Raise the limit (ulimit -n, LimitNOFILE=), or close what is open."
    return f"{text}."


def representation(value: object) -> str:
    """Return `repr(value)` in at most 80 characters, whatever its `__repr__` does."""
    try:
        return _shortened(repr(value))
    except Exception as error:  # noqa: BLE001 - a value that cannot be shown is still refused for what it is
        return f"<{type(value).__name__}: its __repr__ raised {type(error).__name__}>"


def _shortened(text: str, longest: int = 80) -> str:
    return printable(text if len(text) <= longest else text[: longest - 3] + "...")
