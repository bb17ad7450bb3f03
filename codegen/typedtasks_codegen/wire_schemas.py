"""The JSON Schemas (2020-12) of what goes over the wire: each task's arguments and its result."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from enum import Enum, Flag, FlagBoundary
from typing import Any, Final, cast

from pydantic import BaseModel, JsonValue, RootModel
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import CoreSchema, core_schema
from typing_extensions import override

from typedtasks import Broker, DefinitionError, TaskError
from typedtasks.errors import fields_model
from typedtasks.task import AnyTask
from typedtasks_codegen.definitions import flag_boundary
from typedtasks_codegen.refusal import GenerationError

__all__ = ["failure_schemas", "json_schemas"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schemas(broker: Broker) -> dict[str, dict[str, JsonValue]]:
    """Return the schemas of each task under `arguments` and `result`, the tasks sorted by name. Raises `GenerationError`."""
    return {name: _of_task(task) for name, task in sorted(broker.tasks.items())}


def failure_schemas(task: str, raises: Sequence[type[TaskError]]) -> dict[str, JsonValue]:
    """Return the schemas of the fields of a task's declared failures by their names. Raises `GenerationError`."""
    return {
        failure.__name__: _schema(task, failure.__name__, fields_model(failure).__pydantic_core_schema__, "serialization")
        for failure in raises
    }


def _of_task(task: AnyTask) -> dict[str, JsonValue]:
    try:
        arguments, result = task.boundary.core_schemas()
    except DefinitionError as error:
        raise GenerationError(str(error)) from None
    return {
        "arguments": _schema(task.name, "arguments", arguments, "validation"),
        "result": _schema(task.name, "result", result, "serialization"),
    }


def _schema(task: str, what: str, core: object, mode: JsonSchemaMode) -> JsonValue:
    try:
        made = _Generator().generate(cast("CoreSchema", core), mode)
    except PydanticUserError as error:
        raise GenerationError(f"{task}: the {what} cannot be described as JSON Schema: {error.message}") from None
    return {"$schema": _DIALECT, **cast("dict[str, JsonValue]", _finite(made)), "title": f"{task} {what}"}


def _finite(data: object) -> object:
    """Return a schema without bounds and defaults that JSON has no numbers for."""
    if isinstance(data, list):
        return [_finite(item) for item in cast("list[object]", data)]
    if not isinstance(data, dict):
        return data
    pairs = cast("dict[str, object]", data).items()
    return {key: _finite(value) for key, value in pairs if not (isinstance(value, float) and not math.isfinite(value))}


class _Generator(GenerateJsonSchema):
    """Writes what typedtasks sends: bytes are base64 everywhere, and nothing depends on the process."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - so pydantic declares it
        "skipped-choice",
        "non-serializable-default",
        "skipped-discriminator",
    }

    @override
    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        # A bound on the length counts bytes, and JSON Schema would count letters.
        return {"type": "string", "contentEncoding": "base64"}

    @override
    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        made, cls = super().enum_schema(schema), cast("type[Enum]", schema["cls"])
        if not issubclass(cls, Flag):
            return made
        # Flags travel together as one number, which pydantic's list of single flags would not admit.
        for key in ("enum", "const"):
            made.pop(key, None)
        made["type"] = "integer"
        if flag_boundary(cls) is FlagBoundary.STRICT:
            made |= {"minimum": 0, "maximum": sum(one.value for one in cls)}
        return made

    @override
    # Any: pydantic's own signature.
    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(_ordered(dft))


def _ordered(value: object) -> object:
    """Return a default with its sets in an order that does not depend on the process, wherever they are in it."""
    if isinstance(value, set | frozenset):
        return sorted(map(_ordered, cast("set[object]", value)), key=repr)
    if isinstance(value, dict):
        return {key: _ordered(inner) for key, inner in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return list(map(_ordered, cast("list[object]", value)))
    if isinstance(value, RootModel):
        return _ordered(cast("RootModel[object]", value).root)
    if isinstance(value, BaseModel):
        return {field.alias or name: _ordered(getattr(value, name)) for name, field in type(value).model_fields.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _ordered(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
