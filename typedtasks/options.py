"""What may be said about a task and about one call of it, checked and with every default filled in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias, cast, get_type_hints

from typing_extensions import TypedDict

from typedtasks.backend import Once, Priority, is_queue_name
from typedtasks.clock import Duration, milliseconds, seconds
from typedtasks.contract import check_failure
from typedtasks.envelope import MAX_HEADER, MAX_NAME, Header, write_header
from typedtasks.errors import DefinitionError, TaskError, printable, representation
from typedtasks.retry import Retry

__all__ = [
    "Dispatch",
    "EnqueueOptions",
    "Executor",
    "PriorityName",
    "TaskDefinition",
    "TaskOptions",
    "check_size",
    "define",
    "dispatch_of",
    "is_task_name",
    "reserved_names",
]

PriorityName: TypeAlias = Literal["high", "normal", "low"]
"""Within a queue, high goes before normal before low; but low is never starved."""

Executor: TypeAlias = Literal["thread", "process"]
"""A thread shares the worker's memory and its interpreter lock; a process has its own, and can be ended."""

_PRIORITIES: Final[Mapping[str, Priority]] = {priority.name.lower(): priority for priority in Priority}
_EXECUTORS: Final = ("thread", "process")
_LONGEST_KEY: Final = 256
_WINDOW: Final = 3600.0


class TaskOptions(TypedDict, total=False, closed=True):
    """What `@broker.task(...)` accepts besides `raises`."""

    name: str
    """A stable name, by default `<module>.<function>`. It goes over the wire: renaming a task makes it another one."""
    queue: str
    """The queue that calls go into, by default the broker's."""
    priority: PriorityName
    """By default `"normal"`."""
    timeout: Duration
    """How long one execution may take, by default without limit. A thread cannot be stopped, a process can: see the tutorial."""
    soft_timeout: Duration
    """When an execution is asked to end by itself, by default never; shorter than `timeout`. An asynchronous task gets
    `SoftTimeout` where it waits, a synchronous one looks at `Context.soft_timed_out`."""
    retry: Retry
    """By default a failed task is not run again."""
    result_ttl: Duration
    """How long the outcome is kept, by default the broker's."""
    executor: Executor
    """Where a synchronous function runs: in a thread (the default), or, for CPU work, in a child process of the worker."""
    deprecated: str
    """What callers should use instead: it stands in the contract, and generated clients warn of the task with it."""


class EnqueueOptions(TypedDict, total=False, closed=True):
    """What `Task.options(...)` accepts: how one call is sent."""

    delay: Duration
    """Not before this much time has passed, by the backend's clock."""
    eta: datetime
    """Not before this time, which must have a zone. Excludes `delay`."""
    priority: PriorityName
    queue: str
    timeout: Duration
    """How long one execution may take, in place of what the task's definition says."""
    soft_timeout: Duration
    """When an execution is asked to end by itself, in place of what the task's definition says."""
    expires: Duration
    """Not to be started when this much time has passed: the outcome then is `Expired`."""
    labels: Mapping[str, str]
    """Your own metadata: sent along, never interpreted."""
    dedup_key: str
    """1 to 256 characters. Calls of this task into this queue with the same key are one task for the time of `dedup_window`:
    all but the first store nothing, and their handles are those of the first."""
    dedup_window: Duration
    """From the first call, by the backend's clock, whether or not the task has ended. By default 1 hour."""


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A task's name and options, checked and with every default filled in."""

    name: str
    queue: str
    priority: Priority = Priority.NORMAL
    timeout: float = 0.0
    """Seconds; 0: no limit."""
    soft_timeout: float = 0.0
    """Seconds; 0: none."""
    executor: Executor = "thread"
    retry: Retry | None = None
    raises: tuple[type[TaskError], ...] = ()
    deprecated: str = ""
    """What to use instead; empty: it is not deprecated."""
    result_ttl_ms: int = 0
    max_payload: int = 0
    max_result: int = 0
    codecs: tuple[str, ...] = ()
    """The names of the broker's codecs, which every call says."""


@dataclass(slots=True)
class Dispatch:
    """How a call is sent. Equal calls share one `Dispatch`, and so one encoded first line of the envelope."""

    header: Header
    queue: str
    priority: Priority
    delay_ms: int = 0
    eta_ms: int = 0
    expires_after_ms: int = 0
    once: Once | None = None
    contract: Callable[[], str] = str
    """Returns the task's contract, when the first call is sent: its types may not be there before."""
    _line: tuple[str, bytes] = field(default=("", b""), repr=False)

    def line(self, reply_to: str, now: float) -> bytes:
        """Return the envelope's first line for a client, at the time `now` in seconds since 1970."""
        if self.expires_after_ms:
            expires_ms = int(now * 1000) + self.expires_after_ms
            return write_header(replace(self.header, reply_to=reply_to, expires_ms=expires_ms, contract=self.contract()))
        known_for, line = self._line
        if not line or known_for != reply_to:
            line = write_header(replace(self.header, reply_to=reply_to, contract=self.contract()))
            self._line = (reply_to, line)
        return line


def is_task_name(name: str) -> bool:
    """Return whether a task may be called so."""
    return 1 <= len(name) <= MAX_NAME and name.isprintable()


def define(name: str, options: TaskOptions, defaults: TaskDefinition, raises: object) -> TaskDefinition:
    """Return the checked definition of a task. Raises `DefinitionError` for what is unknown or makes no sense."""
    if not isinstance(cast("object", name), str) or not is_task_name(name):
        raise DefinitionError(f"{name!r:.100} cannot be the name of a task: pass 1 to {MAX_NAME} printable characters.")
    _refuse_unknown(name, options, (*_allowed(TaskOptions), "raises"))
    executor = options.get("executor", "thread")
    if executor not in _EXECUTORS:
        raise DefinitionError(f"{name}: executor={executor!r} is unknown; choose 'thread' or 'process'.")
    retry = cast("object", options.get("retry"))
    if retry is not None and not isinstance(retry, Retry):
        raise DefinitionError(f"{name}: retry={retry!r} is not a Retry; write retry=Retry(max_attempts=5).")
    ttl = options.get("result_ttl")
    timeout, soft_timeout = _timeout(name, options, "timeout"), _timeout(name, options, "soft_timeout")
    _check_timeouts(name, soft_timeout, timeout)
    return replace(
        defaults,
        name=name,
        queue=_queue(name, options.get("queue", defaults.queue)),
        priority=_priority(name, options.get("priority", "normal")),
        timeout=timeout,
        soft_timeout=soft_timeout,
        executor=executor,
        retry=retry,
        raises=_raises(name, raises),
        deprecated=_deprecated(name, options),
        result_ttl_ms=defaults.result_ttl_ms if ttl is None else _ttl_ms(name, ttl),
    )


def dispatch_of(definition: TaskDefinition, options: EnqueueOptions, contract: Callable[[], str] = str) -> Dispatch:
    """Return how calls with these options are sent. Raises `DefinitionError` for what is unknown or makes no sense."""
    name = definition.name
    _refuse_unknown(name, options, _allowed(EnqueueOptions))
    delay, eta, expires = (options.get(key) for key in ("delay", "eta", "expires"))
    if delay is not None and eta is not None:
        raise DefinitionError(f"{name}: delay and eta exclude each other; pass one of them.")
    header = Header(
        name,
        timeout=_timeout(name, options, "timeout"),
        soft_timeout=_timeout(name, options, "soft_timeout"),
        labels=_labels(name, options.get("labels", {})),
        codecs=definition.codecs,
    )
    _check_timeouts(name, header.soft_timeout, header.timeout or definition.timeout)
    if len(write_header(header)) > MAX_HEADER // 2:
        raise DefinitionError(f"{name}: the labels are larger than {MAX_HEADER // 2} bytes; send data as an argument.")
    dispatch = Dispatch(
        header,
        queue=_queue(name, options.get("queue", definition.queue)),
        priority=definition.priority if "priority" not in options else _priority(name, options["priority"]),
        delay_ms=0 if delay is None else milliseconds(seconds(cast("Duration", delay), f"{name}: delay")),
        eta_ms=0 if eta is None else _eta_ms(name, eta),
        expires_after_ms=0
        if expires is None
        else milliseconds(seconds(cast("Duration", expires), f"{name}: expires", positive=True)),
        once=_once(name, options),
        contract=contract,
    )
    if 0 < dispatch.expires_after_ms <= dispatch.delay_ms:
        raise DefinitionError(f"{name}: delay={delay!r} is not shorter than expires={expires!r}, so it would never be run.")
    return dispatch


def _timeout(name: str, options: TaskOptions | EnqueueOptions, option: Literal["timeout", "soft_timeout"]) -> float:
    timeout = options.get(option)
    return 0.0 if timeout is None else seconds(timeout, f"{name}: {option}", positive=True)


def _check_timeouts(name: str, soft_timeout: float, timeout: float) -> None:
    if timeout and soft_timeout >= timeout:
        raise DefinitionError(
            f"{name}: soft_timeout={soft_timeout:g} is not shorter than timeout={timeout:g}, which ends the task: leave it some "
            "time to end by itself."
        )


def _labels(name: str, labels: object) -> tuple[tuple[str, str], ...]:
    pairs = tuple(cast("Mapping[object, object]", labels).items()) if isinstance(labels, Mapping) else ((None, None),)
    if not all(isinstance(part, str) and part == printable(part) for pair in pairs for part in pair):
        raise DefinitionError(f"{name}: labels={labels!r} has to map strings to strings.")
    return cast("tuple[tuple[str, str], ...]", pairs)  # it was looked at


def _once(name: str, options: EnqueueOptions) -> Once | None:
    """Return the key that makes equal calls one task. It holds for this task only, as its queue's key."""
    key: object = options.get("dedup_key")
    if "dedup_key" not in options:
        if "dedup_window" in options:
            raise DefinitionError(f"{name}: dedup_window needs a dedup_key: it says how long calls with that key are one task.")
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= _LONGEST_KEY or key != printable(key):
        raise DefinitionError(
            f"{name}: dedup_key={representation(key)} cannot be a key: pass a string of 1 to {_LONGEST_KEY} characters."
        )
    window = seconds(options.get("dedup_window", _WINDOW), f"{name}: dedup_window", positive=True)
    return Once(f"{name}\n{key}", milliseconds(window))


def _deprecated(name: str, options: TaskOptions) -> str:
    instead: object = options.get("deprecated")
    if "deprecated" not in options:
        return ""
    if not isinstance(instead, str) or not instead.strip() or not instead.isprintable():
        raise DefinitionError(
            f"{name}: deprecated={representation(instead)} does not say what to use instead; write deprecated='Use other_task.'."
        )
    return instead


def _ttl_ms(name: str, ttl: Duration) -> int:
    return milliseconds(seconds(ttl, f"{name}: result_ttl", positive=True))


@functools.cache  # it costs ten times what the rest of `Task.options` does
def _allowed(options: type) -> tuple[str, ...]:
    return tuple(get_type_hints(options))


def _refuse_unknown(name: str, options: Mapping[str, object], allowed: Sequence[str]) -> None:
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise DefinitionError(f"{name}: there is no option {unknown[0]!r}. Known options: {', '.join(sorted(allowed))}.")


def _queue(name: str, queue: object) -> str:
    if not isinstance(queue, str) or not is_queue_name(queue):
        raise DefinitionError(f"{name}: queue={queue!r} is not a queue name: 1 to 64 letters, digits, '_' or '-'.")
    return queue


def _priority(name: str, priority: object) -> Priority:
    if not isinstance(priority, str) or priority not in _PRIORITIES:
        raise DefinitionError(f"{name}: priority={priority!r} is unknown; choose 'high', 'normal' or 'low'.")
    return _PRIORITIES[priority]


def _eta_ms(name: str, eta: object) -> int:
    if not isinstance(eta, datetime) or eta.tzinfo is None:
        raise DefinitionError(f"{name}: eta={eta!r} has to be a datetime with a time zone, such as datetime.now(UTC).")
    return max(1, milliseconds(eta.timestamp()))


def _raises(name: str, raises: object) -> tuple[type[TaskError], ...]:
    given = cast("tuple[object, ...]", raises) if isinstance(raises, tuple) else (raises,)
    failures: list[type[TaskError]] = []
    for failure in given:
        if not (isinstance(failure, type) and issubclass(failure, TaskError) and failure is not TaskError):
            raise DefinitionError(
                f"{name}: raises={failure!r} has to be a subclass of TaskError, which gives it typed fields, or a tuple of such."
            )
        check_failure(failure, name, at_definition=True)
        failures.append(failure)
    names = [failure.__name__ for failure in failures]
    if len(set(names)) < len(names):
        raise DefinitionError(f"{name}: two failures in raises= have the same name; the name is what crosses the wire.")
    return tuple(failures)


def reserved_names(names: object) -> tuple[str, ...]:
    """Return the names of retired tasks, sorted. Raises `DefinitionError` for what is none."""
    given = list(cast("Iterable[object]", names)) if isinstance(names, Iterable) and not isinstance(names, str) else [names]
    for name in given:
        if not isinstance(name, str) or not is_task_name(name) or isinstance(names, str):
            raise DefinitionError(f"reserved={names!r:.100} is not possible: pass the names of tasks, as reserved=['old.task'].")
    return tuple(sorted(cast("list[str]", given)))


def check_size(option: str, size: object) -> None:
    """Raise `DefinitionError` for what is no number of bytes."""
    if type(size) is not int or size < 1:
        raise DefinitionError(f"{option}={size!r} is not possible: pass a number of bytes, 1 or more.")
