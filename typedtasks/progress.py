"""How far a running task has come: what it says itself, and what whoever waits for it can read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final, cast

from pydantic import TypeAdapter, ValidationError

from typedtasks.errors import DefinitionError, ResultInvalid, describe, error_details, printable, representation

__all__ = ["Progress", "checked_progress", "read_progress", "write_progress"]

_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """What a task has said last with `Context.progress`."""

    done: int | float
    """How much is done, in whatever unit the task counts."""
    total: int | float | None = None
    """How much there is in all, in the same unit; None where the task does not know."""
    message: str = ""
    attempt: int = 1
    """Which execution said it: a retry begins anew."""

    @property
    def fraction(self) -> float | None:
        """`done / total`, from 0 to 1; None where there is no total."""
        return min(1.0, self.done / self.total) if self.total else None


_PROGRESS: Final = TypeAdapter(Progress)


def checked_progress(done: float, total: float | None, message: str, attempt: int) -> Progress:
    """Return what a task says of itself. Raises `DefinitionError` for what makes no sense."""
    _check("done", done)
    if total is not None:
        _check("total", total)
    if not isinstance(cast("object", message), str) or len(message) > _LONGEST_MESSAGE:
        given = representation(message)
        raise DefinitionError(f"progress(message={given}) has to be a string of at most {_LONGEST_MESSAGE} characters.")
    return Progress(done, total, printable(message), attempt)


def write_progress(progress: Progress) -> bytes:
    """Return progress as a JSON object, less than 4 KiB long."""
    return _PROGRESS.dump_json(progress)


def read_progress(body: bytes) -> Progress:
    """Return what `write_progress` wrote. Raises `ResultInvalid` where this version cannot read it."""
    try:
        return _PROGRESS.validate_json(body)
    except ValidationError as error:
        if body.startswith(b"["):
            raise ResultInvalid("The stored progress was encoded: pass the same Broker(codecs=...) as the worker has.") from None
        found = describe(error_details(error))
        raise ResultInvalid(f"The stored progress cannot be read by this version of typedtasks:{found}") from None


def _check(name: str, number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= sys.float_info.max:
        raise DefinitionError(f"progress({name}={representation(number)}) has to be a number, 0 or more.")
