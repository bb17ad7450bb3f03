"""The JSON Schemas (2020-12) of what goes over the wire: each task's arguments and its result, and the types that they share."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, Flag, FlagBoundary
from itertools import count
from typing import Any, Final, TypeAlias, cast

from pydantic import BaseModel, JsonValue, RootModel
from pydantic.errors import PydanticUserError
from pydantic.json_schema import (
    CoreModeRef,
    DefsRef,
    GenerateJsonSchema,
    JsonRef,
    JsonSchemaMode,
    JsonSchemaValue,
    JsonSchemaWarningKind,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import override

from typedtasks import Broker, DefinitionError, TaskError
from typedtasks.errors import fields_model
from typedtasks_codegen.definitions import flag_boundary
from typedtasks_codegen.refusal import GenerationError
from typedtasks_codegen.room import with_room

__all__ = ["DIALECT", "WireSchemas", "failure_schemas", "json_schemas"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_Json: TypeAlias = dict[str, JsonValue]

_DATA: Final = frozenset({"default", "const", "enum", "examples", "discriminator"})
"""Where the values of users stand in a schema: a dictionary there may have any keys, those of schemas among them."""
_NAMED: Final = frozenset({"properties", "patternProperties", "$defs"})
"""Where schemas stand by the names of users."""


@dataclass(frozen=True, slots=True)
class WireSchemas:
    """The schemas of tasks by name, sorted, and the types that they refer to: each once, in however many tasks it is.

    Types stand apart by the way they go, because a field with a default may be missing in arguments only.
    """

    arguments: Mapping[str, _Json]
    results: Mapping[str, _Json]
    argument_types: Mapping[str, _Json]
    result_types: Mapping[str, _Json]


def json_schemas(broker: Broker, arguments_at: str, results_at: str) -> WireSchemas:
    """Return the schemas of all tasks. Raises `GenerationError`.

    The places are those of the types of arguments and of results, such as `types.json#/$defs/{model}`.
    """
    return with_room(lambda: _json_schemas(broker, arguments_at, results_at))


def _json_schemas(broker: Broker, arguments_at: str, results_at: str) -> WireSchemas:
    arguments, results = _Generator("validation", arguments_at), _Generator("serialization", results_at)
    by_task: dict[str, tuple[_Json, _Json]] = {}
    for name, task in sorted(broker.tasks.items()):
        try:
            cores = task.boundary.core_schemas()
        except DefinitionError as error:
            raise GenerationError(str(error)) from None
        by_task[name] = (
            _titled(arguments.opened(arguments.described(f"{name}: the arguments", cores[0])), f"{name} arguments"),
            _titled(results.described(f"{name}: the result", cores[1]), f"{name} result"),
        )
    return WireSchemas(
        {name: schemas[0] for name, schemas in by_task.items()},
        {name: schemas[1] for name, schemas in by_task.items()},
        arguments.types(),
        results.types(),
    )


def failure_schemas(
    raises: Mapping[str, Sequence[type[TaskError]]], types_at: str
) -> tuple[Mapping[str, Mapping[str, _Json]], _Json]:
    """Return the schemas of the fields of each task's declared failures by their names, and the types that these refer to.

    `types_at` is their place. Raises `GenerationError`.
    """
    generator = _Generator("serialization", types_at)
    found: dict[str, Mapping[str, _Json]] = {}
    for task, failures in raises.items():
        described = {
            failure.__name__: generator.described(f"{task}: {failure.__name__}", fields_model(failure).__pydantic_core_schema__)
            for failure in failures
        }
        found[task] = {name: _titled(generator.opened(schema), f"{task} {name}") for name, schema in described.items()}
    return found, dict(generator.types())


def _titled(schema: _Json, title: str) -> _Json:
    return {"$schema": DIALECT, **schema, "title": title}


def _finite(schema: Mapping[str, object]) -> dict[str, object]:
    """Return a schema without bounds and defaults that JSON has no numbers for."""
    made: dict[str, object] = {}
    for key, value in schema.items():
        if key in _DATA or not isinstance(value, dict | list):
            if _is_finite(value):
                made[key] = value
        elif isinstance(value, list):
            inner = cast("list[object]", value)
            made[key] = [_finite(cast("dict[str, object]", one)) if isinstance(one, dict) else one for one in inner]
        elif key in _NAMED:
            named = cast("dict[str, object]", value)
            made[key] = {
                name: _finite(cast("dict[str, object]", one)) if isinstance(one, dict) else one for name, one in named.items()
            }
        else:
            made[key] = _finite(cast("dict[str, object]", value))
    return made


def _is_finite(data: object) -> bool:
    if isinstance(data, dict):
        return all(map(_is_finite, cast("dict[str, object]", data).values()))
    if isinstance(data, list):
        return all(map(_is_finite, cast("list[object]", data)))
    return not isinstance(data, float) or math.isfinite(data)


class _Generator(GenerateJsonSchema):
    """Writes what typedtasks sends: bytes are base64 everywhere, and nothing depends on the process.

    It describes many types, each with all that it leads to but once. pydantic would look for short names among all at the end, with
    copies of everything; here a type is called by its module and name.
    """

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - so pydantic declares it
        "skipped-choice",
        "non-serializable-default",
        "skipped-discriminator",
    }

    def __init__(self, way: JsonSchemaMode, types_at: str) -> None:
        super().__init__(by_alias=True, ref_template=types_at)
        self._way: JsonSchemaMode = way
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._verified: set[str] = set()
        self._opened: set[str] = set()

    @property
    @override
    def mode(self) -> JsonSchemaMode:
        return self._way

    def described(self, what: str, core: object) -> _Json:
        """Return the schema of a type. Raises `GenerationError`."""
        try:
            # A core schema is a TypedDict of pydantic's, which is a Node to us.
            made = self.generate_inner(cast("CoreSchema", core))
            self._verify(made)
        except PydanticUserError as error:
            raise GenerationError(f"{what} cannot be described as JSON Schema: {error.message}") from None
        return self._written(made)

    def opened(self, schema: _Json) -> _Json:
        """Return what a schema refers to that is no more than a reference: it has no name of its own."""
        name = self.json_to_defs_refs.get(JsonRef(str(schema.get("$ref"))))
        if name is None or len(schema) > 1:
            return schema
        self._opened.add(name)
        return self._written(self.definitions[name])

    def types(self) -> Mapping[str, _Json]:
        """Return the schemas that others refer to, sorted by name."""
        return {name: self._written(schema) for name, schema in sorted(self.definitions.items()) if name not in self._opened}

    def _verify(self, schema: JsonSchemaValue) -> None:
        """Raise pydantic's error for a type that has no schema, wherever it is referred to."""
        waiting = [schema]
        while waiting:
            for reference in _references(waiting.pop()):
                # What users write into a schema themselves may refer to anything.
                if reference not in self._verified and reference in self.json_to_defs_refs:
                    self._verified.add(reference)
                    waiting.append(self.get_schema_from_definitions(JsonRef(reference)) or {})

    def _written(self, schema: JsonSchemaValue) -> _Json:
        return cast("_Json", _finite(self.sort(schema)))

    @override
    def get_defs_ref(self, core_mode_ref: CoreModeRef) -> DefsRef:
        core_ref = str(core_mode_ref[0])
        if core_ref not in self._names:
            # `module.Name:123`, of a generic type `module.Name:123[module.Other:456]`: the numbers are those of this process.
            name = re.sub(r"[^0-9A-Za-z_.-]", "_", re.sub(r":\d+(?=[\][,]|$)", "", core_ref))
            number = next(number for number in count(1) if _numbered(name, number) not in self._taken)
            self._names[core_ref] = _numbered(name, number)
            self._taken.add(self._names[core_ref])
        return DefsRef(self._names[core_ref])

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


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _references(schema: Mapping[str, object]) -> Iterator[str]:
    for key, value in schema.items():
        if key == "$ref":
            yield str(value)
        elif key in _NAMED and isinstance(value, dict):
            yield from _references_in(list(cast("dict[str, object]", value).values()))
        elif key not in _DATA:
            yield from _references_in(cast("list[object]", value) if isinstance(value, list) else [value])


def _references_in(schemas: list[object]) -> Iterator[str]:
    for schema in schemas:
        if isinstance(schema, dict):
            yield from _references(cast("dict[str, object]", schema))


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
