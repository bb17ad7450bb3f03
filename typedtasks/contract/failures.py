"""The fields of declared failures on the wire: through the same boundary as arguments and results."""

from __future__ import annotations

import inspect
from typing import TypeVar, cast

from pydantic import BaseModel, PydanticUserError

from typedtasks.contract.classes import Built
from typedtasks.contract.codec import Codec, Misfit, validator_raised, why_no_schema
from typedtasks.errors import DefinitionError, TaskError, field_values, fields_model

__all__ = ["as_declared", "built_fields", "check_failure", "read_fields", "write_fields"]

F = TypeVar("F", bound=TaskError)


def check_failure(failure: type[TaskError], task: str, *, at_definition: bool) -> None:
    """Raise `DefinitionError` for a failure that cannot be sent. At its task's definition a type may not be defined yet."""
    try:
        why = _codec(failure).obstacle
    except NameError as error:
        if at_definition:
            return  # a type that is defined further down in the module
        why = f"{error}; import it where the class is defined, and not under TYPE_CHECKING"
    except PydanticUserError as error:
        why = why_no_schema(error).removesuffix(".")
    if why is not None:
        raise DefinitionError(f"{task}: the fields of {failure.__name__} cannot be sent: {why}.")
    _check_constructor(failure, task)


def built_fields(failure: type[TaskError]) -> Built:
    """Return what is built of a failure's fields."""
    return _codec(failure).built


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


def _check_constructor(failure: type[TaskError], task: str) -> None:
    """Raise `DefinitionError` for an `__init__` of the class's own that does not make it of its fields again."""
    parameters = list(inspect.signature(failure.__init__).parameters.values())[1:]
    fields = fields_model(failure).model_fields
    named = {one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    foreign = [one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and one.name not in fields]
    missing = [] if takes_any else [name for name in fields if name not in named]
    if foreign or missing:
        wrong = f"takes {foreign[0]!r}, which is not a field" if foreign else f"does not take the field {missing[0]!r}"
        raise DefinitionError(
            f"{task}: {failure.__name__} has an __init__ that {wrong}, so it cannot be made again where it arrives. "
            "Leave the __init__ out, and annotate the fields in the class."
        )


def _codec(failure: type[TaskError]) -> Codec:
    known = failure.__dict__.get("_codec")
    if not isinstance(known, Codec):
        known = Codec(fields_model(failure))
        setattr(failure, "_codec", known)  # noqa: B010 - kept where it belongs, under a name that no field can have
    return known
