"""The fields of declared failures on the wire: through the same boundary as arguments and results."""

from __future__ import annotations

from typing import TypeVar, cast

from pydantic import BaseModel, PydanticUserError

from typedtasks.contract.codec import Codec, Misfit, validator_raised
from typedtasks.errors import DefinitionError, TaskError, field_values, fields_model

__all__ = ["as_declared", "check_failure", "read_fields", "write_fields"]

F = TypeVar("F", bound=TaskError)


def check_failure(failure: type[TaskError], task: str) -> None:
    """Raise `DefinitionError` for a failure whose fields cannot be sent. Types that are not defined yet are left alone."""
    try:
        why = _codec(failure).obstacle
    except NameError:
        return  # a type that is defined further down in the module
    except PydanticUserError as error:
        why = error.message
    if why is not None:
        raise DefinitionError(f"{task}: the fields of {failure.__name__} cannot be sent: {why}.")


def write_fields(error: TaskError) -> bytes:
    """Return a failure's fields as a JSON object. Raises `Misfit` where they do not fit (any more)."""
    return _codec(error.__class__).encode(field_values(error))


def read_fields(failure: type[F], fields: bytes) -> F:
    """Return the failure that `write_fields` wrote. Raises `Misfit` where the fields do not fit."""
    # A codec returns an instance of the model that it was made for.
    values = cast("BaseModel", _codec(failure).decode(fields or b"{}"))
    try:
        return failure(**{name: getattr(values, name) for name in values.model_fields_set})
    except Exception as error:
        raise Misfit([validator_raised(error)]) from error


def as_declared(error: TaskError, failure: type[TaskError]) -> TaskError:
    """Return a failure as it will arrive: of a declared class, with the fields of that class only. Raises `Misfit`."""
    if error.__class__ is not failure:
        error = failure(**{name: getattr(error, name) for name in fields_model(failure).model_fields})
    return read_fields(failure, write_fields(error))


def _codec(failure: type[TaskError]) -> Codec:
    known = failure.__dict__.get("_codec")
    if not isinstance(known, Codec):
        known = Codec(fields_model(failure))
        setattr(failure, "_codec", known)  # noqa: B010 - kept where it belongs, under a name that no field can have
    return known
