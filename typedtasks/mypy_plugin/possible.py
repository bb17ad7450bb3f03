"""What the library says of options and types: the very checks of a definition. Imported only where something looks wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, cast

from pydantic.errors import PydanticUserError

from typedtasks.clock import Duration, seconds
from typedtasks.contract.codec import Codec
from typedtasks.contract.schemas import CONFIG
from typedtasks.errors import DefinitionError
from typedtasks.options import EnqueueOptions, TaskDefinition, TaskOptions, define, dispatch_of
from typedtasks.retry import Retry

__all__ = ["call_obstacle", "class_obstacle", "duration_obstacle", "name_obstacle", "retry_obstacle", "task_obstacle"]

NO_FORM: Final = "this class has no JSON form; use a pydantic model or a dataclass"
_TASK: Final = TaskDefinition("task", "default")


def duration_obstacle(name: str, duration: Duration, *, positive: bool) -> str | None:
    """Return why a duration is not possible."""
    return _obstacle(lambda: seconds(duration, name, positive=positive))


def name_obstacle(name: str) -> str | None:
    """Return why a task cannot have this name."""
    return _obstacle(lambda: define(name, {}, _TASK, ()))


def task_obstacle(options: Mapping[str, object]) -> str | None:
    """Return why these options of a task are not possible, alone or together."""
    return _obstacle(lambda: define("task", cast("TaskOptions", options), _TASK, ()))


def call_obstacle(options: Mapping[str, object]) -> str | None:
    """Return why these options of a call are not possible together."""
    return _obstacle(lambda: dispatch_of(_TASK, cast("EnqueueOptions", options)))


def retry_obstacle(name: str, value: float) -> str | None:
    """Return why `Retry` cannot have this number."""
    return _obstacle(lambda: Retry(**{name: cast("Any", value)}))  # Any: which of the numbers it is, is not known here.


@functools.cache
def class_obstacle(module: str, name: str) -> str | None:
    """Return why values of a class of Python's library cannot make the round trip."""
    try:
        cls: object = getattr(import_module(module), name)
        return Codec(cls, own_config=CONFIG).obstacle
    except (PydanticUserError, TypeError):
        return NO_FORM
    except Exception:  # noqa: BLE001 - a module that this Python lacks, or a class that only stubs have
        return None


def _obstacle(make: Callable[[], object]) -> str | None:
    try:
        make()
    except DefinitionError as error:
        return str(error.args[0]).removeprefix("task: ").rstrip(".")
    return None
